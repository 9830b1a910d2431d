"""On what a fact rests: the line of the report where it stands, or the picture that shows what a trace saw."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Optional

from oomtrace.why import Fact, Finding

from .lines import ReportLines

# The kinds of line (formats.Kind.name) on which a finding's facts rest, where the fact's own name does not say more.
_BY_FINDING: Mapping[str, tuple[str, ...]] = {
    "unprinted": ("killed",),
    "suppressed": ("suppressed",),
    "full": ("usage_memory", "stats_line", "mem_info", "task_in", "summary_memcg", "summary_global", "invoked"),
    "charging": ("invoked",),
    "killed": ("killed", "summary_memcg", "summary_global", "panic", "no_killable", "reaped"),
    "failed": ("call_trace",),
    "filled": ("stats_head", "stats_line", "mem_info"),
    "reclaim": ("stats_head", "stats_line", "mem_info"),
    "swap": ("usage_swap", "usage_memsw", "total_swap", "stats_head", "stats_line"),
    "tasks": ("tasks_head", "tasks_title", "task"),
    "pick": ("tasks_head", "tasks_title", "task", "verdict", "summary_memcg", "summary_global", "killed"),
    "totalpages": ("verdict", "usage_memory", "ram"),
    "adj": ("tasks_head", "task"),
    "exempt": ("tasks_head", "task"),
    "achieved": ("reaped", "killed"),
}
# By what stands before a fact's dot.
_BY_OWNER: Mapping[str, tuple[str, ...]] = {
    "memory": ("usage_memory",),
    "swap": ("usage_swap",),
    "memsw": ("usage_memsw",),
    "kmem": ("usage_kmem",),
    "trigger": ("invoked",),
    "kill": ("killed",),
    "verdict": ("verdict",),
    "reap": ("reaped",),
}
_BY_NAME: Mapping[str, tuple[str, ...]] = {
    "memcg.path": ("stats_head", "stats_line", "summary_memcg", "task_in"),
    "victim_memcg": ("summary_memcg", "summary_global", "task_in"),
    "constraint": ("summary_memcg", "summary_global", "summary_plain"),
    "kind": ("summary_memcg", "summary_global", "summary_plain", "mem_info"),
    "panic": ("panic",),
    "no_killable": ("no_killable",),
    "callbacks_suppressed": ("suppressed",),
    "managed_kb": ("ram",),
    "total_swap_kb": ("total_swap",),
    "free_swap_kb": ("free_swap",),
    "score": ("verdict",),
    "site": ("call_trace",),
    "reaped": ("reaped",),
}
# A kind of memory (why.Kind), and the kernel's names for it, in the order in which they are looked for.
_COUNTERS: Mapping[str, tuple[str, ...]] = {
    "anon": ("anon", "rss", "total_rss", "active_anon"),
    "anon_or_shmem": ("active_anon",),
    "file": ("file", "cache", "total_cache", "active_file"),
    "file_or_shmem": ("cache", "total_cache"),
    "shmem": ("shmem", "total_shmem"),
    "kernel": ("kernel", "slab"),
}
# What no line has, but the picture of what a trace saw: by finding and name, or what stands before the name's dot.
_TRACED = {
    ("reclaim", "reclaim"), ("charging", "charged"), ("charging", "window_ns"), ("achieved", "released"),
    ("achieved", "released_by"), ("achieved", "freed_kb"), ("achieved", "after_decision_ns"),
}
_ZONE = re.compile(r"(\w+)(?: of node (\d+))? (?:free|min|lowmem_reserve)_kb$")
_TASK = re.compile(r".* \((\d+)\) (?:rss_kb|percent)$", re.DOTALL)


def link(lines: ReportLines, finding: Finding, fact: Fact, chosen: Optional[int]) -> Optional[str]:
    """Where the fact can be read; None if nowhere on the page. ``chosen``: the pid of the task that was picked."""
    name = fact.name
    owner = name.partition(".")[0]
    if (finding.id, owner) in _TRACED:
        return "#time"
    if name.startswith("/"):
        return "#ladder"
    if name == "stack.function":
        return lines.saying("frame", str(fact.value)) or lines.kind("call_trace")
    return _said(lines, name, owner, chosen) or lines.kind(*_BY_FINDING.get(finding.id, ()))


def _said(lines: ReportLines, name: str, owner: str, chosen: Optional[int]) -> Optional[str]:
    task = _TASK.match(name)
    if task is not None:
        return lines.task(int(task.group(1)))
    if owner == "task" or name in ("points", "chosen.oom_score_adj"):
        return lines.task(chosen) if chosen is not None else None
    zone = _ZONE.match(name)
    if zone is not None:
        node = f"Node {zone.group(2)} " if zone.group(2) is not None else ""
        return lines.saying("zone", f"{node}{zone.group(1)} free")
    kinds = _BY_NAME.get(name) or _BY_OWNER.get(owner)
    if kinds is not None:
        return lines.kind(*kinds)
    word = name.rsplit(".", 1)[0] if name.endswith((".kb", ".percent")) else re.sub(r"_(kb|pages)$", "", name)
    found = (lines.counter(one) for one in _COUNTERS.get(word, (word,)))
    return next((each for each in found if each is not None), None)
