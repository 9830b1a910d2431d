"""The task table, the summary, and the lines of the kill (mm/oom_kill.c)."""

from __future__ import annotations

from .rows import PART, PRESENT, PrintStep, gone, kind, line, once

TASKS_TITLE = kind(
    "tasks_title", "tasks", 6,
    # c3b78b11efbb "mm, oom: describe task memory unit, larger PID pad"
    line("4.19", "Tasks state (memory values in pages):", sets={"tasks": PART}),
    line("4.18.477", "Tasks state (memory values in pages):", sets={"tasks": PART}, flavour="el8"),
    telling=True,
)
_HAS_TASKS = {"tasks": PART}
TASKS_HEAD = kind(
    "tasks_head", "tasks", 6,
    line("2.6.32", "[ pid ]   uid  tgid total_vm      rss cpu oom_adj name", sets=_HAS_TASKS),
    # a63d83f427fb "oom: badness heuristic rewrite"; RHEL 6 has it.
    line("2.6.36", "[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name", sets=_HAS_TASKS),
    line("2.6.32", "[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name", sets=_HAS_TASKS,
         flavour="el6"),
    line("3.10", "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name", sets=_HAS_TASKS),
    line("4.1", "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name", sets=_HAS_TASKS),
    line("4.15", "[ pid ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name", sets=_HAS_TASKS),
    line("4.18.0", "[ pid ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
         sets=_HAS_TASKS, flavour="el8"),
    line("4.18.477", "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
         sets=_HAS_TASKS, flavour="el8"),
    line("4.19", "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
         sets=_HAS_TASKS),
    line("6.8", "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents "
         "oom_score_adj name", sets=_HAS_TASKS),
    title_of="task", telling=True, missing="task table",
)
_PIDS = ("pid", "uid", "tgid", "total_vm_pages", "rss_pages")
TASK = kind(
    "task", "tasks", 6,
    line("2.6.32", "[%5d] %5d %5d %8lu %8lu %3u     %3d %s", *_PIDS, "cpu", "oom_adj", "comm:comm"),
    line("2.6.36", "[%5d] %5d %5d %8lu %8lu %3u     %3d         %5d %s", *_PIDS, "cpu", "oom_adj", "oom_score_adj",
         "comm:comm"),
    line("2.6.32", "[%5d] %5d %5d %8lu %8lu %3u     %3d         %5d %s", *_PIDS, "cpu", "oom_adj", "oom_score_adj",
         "comm:comm", flavour="el6"),
    line("3.10", "[%5d] %5d %5d %8lu %8lu %7ld %8lu         %5hd %s", *_PIDS, "nr_ptes", "swapents_pages",
         "oom_score_adj", "comm:comm"),
    line("4.1", "[%5d] %5d %5d %8lu %8lu %7ld %7ld %8lu         %5hd %s", *_PIDS, "nr_ptes", "nr_pmds",
         "swapents_pages", "oom_score_adj", "comm:comm"),
    line("4.15", "[%5d] %5d %5d %8lu %8lu %8ld %8lu         %5hd %s", *_PIDS, "pgtables_bytes", "swapents_pages",
         "oom_score_adj", "comm:comm"),
    line("4.18.0", "[%5d] %5d %5d %8lu %8lu %8ld %8lu         %5hd %s", *_PIDS, "pgtables_bytes", "swapents_pages",
         "oom_score_adj", "comm:comm", flavour="el8"),
    line("4.18.477", "[%7d] %5d %5d %8lu %8lu %8ld %8lu         %5hd %s", *_PIDS, "pgtables_bytes", "swapents_pages",
         "oom_score_adj", "comm:comm", flavour="el8"),
    line("4.19", "[%7d] %5d %5d %8lu %8lu %8ld %8lu         %5hd %s", *_PIDS, "pgtables_bytes", "swapents_pages",
         "oom_score_adj", "comm:comm"),
    line("6.8", "[%7d] %5d %5d %8lu %8lu %8lu %8lu %9lu %8ld %8lu         %5hd %s", *_PIDS, "rss_anon_pages",
         "rss_file_pages", "rss_shmem_pages", "pgtables_bytes", "swapents_pages", "oom_score_adj", "comm:comm"),
    scope="tasks", required=("pid", "comm"), key=("pid",), telling=True, missing="task table", open_ended=True,
)

# ef8444ea01d7 and f0c867d9588d (5.0), RHEL 8.3
_SUMMARY = "oom-kill:constraint=%s,nodemask=%*pbl{,cpuset=%s,mems_allowed=%*pbl}"
_WHO = "{,task_memcg=%s},task=%s,pid=%d,uid=%d"
_CONSTRAINT = ("summary.constraint:word", "summary.nodemask", "summary.cpuset", "summary.mems_allowed")
_VICTIM = ("summary.task_memcg:path", "summary.task:comm", "summary.pid", "summary.uid")
_IN_MEMCG = {"summary.oom_memcg": PRESENT}
SUMMARY_MEMCG = kind(
    "summary_memcg", "summary", 6,
    line("5.0", _SUMMARY + ",oom_memcg=%s" + _WHO, *_CONSTRAINT, "summary.oom_memcg:path", *_VICTIM, sets=_IN_MEMCG),
    line("4.18.240", _SUMMARY + ",oom_memcg=%s" + _WHO, *_CONSTRAINT, "summary.oom_memcg:path", *_VICTIM,
         sets=_IN_MEMCG, flavour="el8"),
    side="memcg", telling=True, missing="oom-kill line",
)
SUMMARY_GLOBAL = kind(
    "summary_global", "summary", 6,
    line("5.0", _SUMMARY + ",global_oom" + _WHO, *_CONSTRAINT, *_VICTIM, sets={"summary.global_oom": True}),
    line("4.18.240", _SUMMARY + ",global_oom" + _WHO, *_CONSTRAINT, *_VICTIM, sets={"summary.global_oom": True},
         flavour="el8"),
    side="global", telling=True, missing="oom-kill line",
)
SUMMARY_PLAIN = kind(
    "summary_plain", "summary", 6,  # without CONFIG_MEMCG
    line("5.0", _SUMMARY + ",task=%s,pid=%d,uid=%d", *_CONSTRAINT, *_VICTIM[1:]),
    telling=True, missing="oom-kill line",
)

_VERDICT = ("verdict.message:message", "verdict.pid", "verdict.comm:comm", "verdict.score")
VERDICT = kind(
    "verdict", "verdict", 3,
    line("2.6.32", "%s: kill process %d (%s) score %u or a child", *_VERDICT),
    line("2.6.36", "%s: Kill process %d (%s) score %u or sacrifice child", *_VERDICT),
    line("2.6.32", "%s: Kill process %d (%s) score %u or sacrifice child", *_VERDICT, flavour="el6"),
    # bbbe48029720 "mm, oom: remove 'prefer children over parent' heuristic"; RHEL 8 has it from the beginning.
    gone("5.1"),
    gone("4.18.0", flavour="el8"),
    required=("verdict.message", "verdict.pid", "verdict.comm", "verdict.score"),
    telling=True, missing="Kill process line",
)

_KILL = ("pid", "comm:comm")
_RSS = ("total_vm_kb", "anon_rss_kb", "file_rss_kb")
_SIZES = "total-vm:%lukB, anon-rss:%lukB, file-rss:%lukB"
_MESSAGE = ("message:message",) + _KILL + _RSS + ("shmem_rss_kb",)
KILLED = kind(
    "killed", "kill", 3,
    line("2.6.32", "Killed process %d (%s) vsz:%lukB, anon-rss:%lukB, file-rss:%lukB", *_KILL, *_RSS),
    line("2.6.32", "Killed process %d, UID %d, (%s) " + _SIZES, "pid", "uid", "comm:comm", *_RSS, flavour="el6"),
    line("2.6.36", "Killed process %d (%s) " + _SIZES, *_KILL, *_RSS),
    # eca56ff906bd "mm, shmem: add internal shmem resident memory accounting"
    line("4.5", "Killed process %d (%s) " + _SIZES + ", shmem-rss:%lukB", *_KILL, *_RSS, "shmem_rss_kb"),
    line("3.10.514", "Killed process %d (%s) " + _SIZES + ", shmem-rss:%lukB", *_KILL, *_RSS, "shmem_rss_kb",
         flavour="el7"),
    line("3.10.1127", "Killed process %d (%s), UID %d, " + _SIZES + ", shmem-rss:%lukB", *_KILL, "uid", *_RSS,
         "shmem_rss_kb", flavour="el7"),
    line("5.1", "%s: Killed process %d (%s) " + _SIZES + ", shmem-rss:%lukB", *_MESSAGE),
    line("4.18.0", "%s: Killed process %d (%s) " + _SIZES + ", shmem-rss:%lukB", *_MESSAGE, flavour="el8"),
    line("4.18.240", "%s: Killed process %d (%s) " + _SIZES + ", shmem-rss:%lukB, UID:%u", *_MESSAGE, "uid",
         flavour="el8"),
    line("4.18.477", "%s: Killed process %d (%s) " + _SIZES + ", shmem-rss:%lukB, UID:%u pgtables:%lukB "
         "oom_score_adj:%hd", *_MESSAGE, "uid", "pgtables_kb", "oom_score_adj", flavour="el8"),
    # 70cb6d267790 "mm/oom: add oom_score_adj and pgtables to Killed process message"
    line("5.4", "%s: Killed process %d (%s) " + _SIZES + ", shmem-rss:%lukB, UID:%u pgtables:%lukB oom_score_adj:%hd",
         *_MESSAGE, "uid", "pgtables_kb", "oom_score_adj"),
    scope="kills", required=("pid", "comm"), timed=True, ends=True, telling=True, missing="Killed process line",
)
SHARING = kind(
    "sharing", "kill", 3,
    line("2.6.32", "Kill process %d (%s) sharing same memory", *_KILL),
    gone("4.9"),
    scope="sharing", required=("pid", "comm"), telling=True,
)
EXITING = kind(
    "exiting", "kill", 6,
    line("5.9", "%s: OOM victim %d (%s) is already exiting. Skip killing the task", "exiting.message:message",
         "exiting.pid", "exiting.comm:comm"),
    required=("exiting.pid", "exiting.comm"), ends=True, telling=True, missing="Killed process line",
)
OOM_GROUP = kind(
    "oom_group", "group", 6,
    line("4.19", "Tasks in %s are going to be killed due to memory.oom.group set", "oom_group:path"),
    line("4.18.0", "Tasks in %s are going to be killed due to memory.oom.group set", "oom_group:path",
         flavour="el8"),
    telling=True,
)
NO_KILLABLE = kind(
    "no_killable", "kill", 4,
    line("4.19", "Out of memory and no killable processes...", sets={"no_killable": True}),
    ends=True, telling=True,
)
PANIC = kind(
    "panic", "kill", 0,
    line("2.6.32", "Kernel panic - not syncing: %s", "panic:panic"),
    ends=True, telling=True, open_ended=True,
)
SYSRQ_IGNORED = kind(
    "sysrq_ignored", "kill", 6,
    line("4.12", "sysrq: OOM request ignored. No task eligible", sets={"sysrq_ignored": True}),
    ends=True,
)
REAPED = kind(
    "reaped", "reap", 6,
    # aac453635549 "mm, oom: introduce oom reaper", which was misprinted in linux-next first.
    line("4.5", "oom_reaper: reaped process :%d (%s) anon-rss:%lukB, file-rss:%lukB, shmem-rss:%lulB", *_KILL,
         "anon_rss_kb", "file_rss_kb", "shmem_rss_kb", sets={"reaped": True}, flavour="next"),
    line("4.6", "oom_reaper: reaped process %d (%s), now anon-rss:%lukB, file-rss:%lukB, shmem-rss:%lukB", *_KILL,
         "anon_rss_kb", "file_rss_kb", "shmem_rss_kb", sets={"reaped": True}),
    scope="reaps", required=("pid", "comm"), timed=True, late=True, telling=True,
)
UNREAPED = kind(
    "unreaped", "reap", 6,
    line("4.6", "oom_reaper: unable to reap pid:%d (%s)", *_KILL, sets={"reaped": False}),
    scope="reaps", required=("pid", "comm"), timed=True, late=True, telling=True,
)

# dump_tasks(), dump_oom_victim(), __oom_kill_process() and the reaper, in printed order.
STEPS = (
    once(TASKS_TITLE, TASKS_HEAD),
    PrintStep(((TASK,),), "tasks"),
    PrintStep(((SUMMARY_GLOBAL, SUMMARY_MEMCG, SUMMARY_PLAIN),)),
    once(NO_KILLABLE, VERDICT),
    PrintStep(((KILLED,),), "kills", last=1),
    once(EXITING),
    PrintStep(((SHARING,),), "sharing"),
    once(OOM_GROUP),
    PrintStep(((KILLED,),), "kills", first=1),
    once(SYSRQ_IGNORED, PANIC),
    PrintStep(((REAPED, UNREAPED),), "reaps"),
)
