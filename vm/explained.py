"""What ``oomtrace read`` makes of the kernel's log of a scenario, against what is expected of the log alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from .cells import REPOSITORY, Scenario
from .errors import VmError

Finding = Mapping[str, Any]

ABSENT = "absent"
NO_REPORT = 3
"""Exit status of ``oomtrace read``."""


def problems(scenario: Scenario, records: Sequence[str]) -> list[str]:
    """What no report in a scenario's records is explained to be; of several that which comes nearest counts."""
    if not scenario.verdicts:
        return []
    explanations = read(records)
    if not explanations and scenario.silent:
        return []
    each = [disagreements(scenario.verdicts, explanation) for explanation in explanations]
    return [f"from the log: {text}" for text in min(each, key=len, default=["there is no report to explain"])]


def read(records: Sequence[str]) -> list[dict[str, Finding]]:
    """The findings, by their ids, about each OOM in records of /dev/kmsg. oomtrace reads them in a process of its own:
    nothing of it is imported."""
    command = [sys.executable, "-m", "oomtrace", "read", "--format", "jsonl", "-"]
    log = "".join(records).encode("utf-8", "surrogateescape")
    done = subprocess.run(command, cwd=REPOSITORY, input=log, capture_output=True, check=False)
    if done.returncode not in (0, NO_REPORT):
        raise VmError(f"the kernel's log cannot be read: {done.stderr.decode(errors='replace').strip()}")
    found = [json.loads(line)["explanation"]["findings"] for line in done.stdout.splitlines()]
    return [{finding["id"]: finding for finding in findings} for findings in found]


def disagreements(wanted: Mapping[str, Mapping[str, Any]], found: Mapping[str, Finding]) -> list[str]:
    """What one explanation says otherwise, in words."""
    return [f"{id}: {shown(found.get(id))}; expected {expected(said)}"
            for id, said in wanted.items() if not says(found.get(id), said)]


def expected(said: Mapping[str, Any]) -> str:
    """What is expected, in a line."""
    parts = [*said["reasons"], *(f"{name}: {pattern}" for name, pattern in said["facts"].items()), said["words"]]
    return " ".join([f"[{said['confidence']}]", ", ".join(filter(None, parts))]).rstrip()


def says(finding: Optional[Finding], said: Mapping[str, Any]) -> bool:
    """Whether a finding is as expected."""
    surely = said["confidence"].split(" or ")
    if finding is None:
        return ABSENT in surely
    texts = (finding["sentence"], finding["interpretation"] or "")
    return (
        finding["confidence"] in surely
        and all(set(reason.split(" or ")) & set(finding["reasons"]) for reason in said["reasons"])
        and all(_is(finding, name, pattern) for name, pattern in said["facts"].items())
        and (not said["words"] or any(re.search(said["words"], text) for text in texts))
    )


def _is(finding: Finding, name: str, pattern: str) -> bool:
    values = {fact["name"]: fact["value"] for fact in finding["facts"]}
    value = values.get(name)
    if value is None and "." in name:
        whole, _, part = name.rpartition(".")
        process = values.get(whole)
        value = process.get(part) if isinstance(process, dict) else None
    return value is not None and re.fullmatch(pattern, fact_text(value)) is not None


def fact_text(value: Any) -> str:
    """A fact as text: a process as "comm (pid)", kinds of memory by their names."""
    if isinstance(value, list):
        return ", ".join(fact_text(one) for one in value)
    if isinstance(value, dict):
        return str(value["kind"]) if "kind" in value else f"{value['comm']} ({value['pid']})"
    return str(value)


def shown(finding: Optional[Finding]) -> str:
    """A finding in a line."""
    if finding is None:
        return "no such finding"
    said = f"({', '.join(finding['reasons'])}) {finding['sentence']} {finding['interpretation'] or ''}"
    return said.rstrip() + f" [{finding['confidence']}]"
