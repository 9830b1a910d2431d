"""The BPF sources, put together for the compiler."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from oomtrace import shipped
from oomtrace.errors import EXIT_NO_PROBE, OomtraceError

# Headers before the programs that include them; bcc rewrites one text, so the #include lines are resolved here.
HEADERS = (
    "records.h", "common.h", "charge.h", "effort.h", "memcg.h", "meminfo.h", "names.h", "near.h", "release.h",
    "stack.h", "task.h", "userstack.h", "python.h", "sample.h", "who.h", "pressure.h",
)
# Two halves that take about as long to compile; effort.c calls what is in oom.c.
HALVES = (
    ("parts.c", "report.c", "meminfo.c", "userstack.c", "python.c"),
    ("oom.c", "effort.c", "charge.c", "release.c", "signals.c", "throttle.c"),
)
PROGRAMS = tuple(name for half in HALVES for name in half)
# In the order of enum part (bpf/common.h).
PARTS = ("send_task", "send_memcgs", "send_stack", "send_stats", "send_memory", "send_node", "send_print",
         "send_near", "send_who", "send_user_stack", "send_python")
# Those that a trace can do without, and what is lost then.
OPTIONAL_PARTS = {"send_python": "which functions of Python samples were taken in"}


def file(name: str) -> str:
    """The text of one file of ``bpf/``."""
    try:
        return shipped.read(f"bpf/{name}").decode()
    except FileNotFoundError as error:
        raise OomtraceError(str(error), "reinstall oomtrace", EXIT_NO_PROBE) from error


def source(files: Optional[Sequence[str]] = None) -> str:
    """The text of the BPF programs, without the generated header."""
    parts = []
    for name in files or [*HEADERS, *PROGRAMS]:
        text = re.sub(r'^#include "[^"]*"\n', "", file(name), flags=re.MULTILINE)
        parts.append(f'#line 1 "bpf/{name}"\n{text}')
    return "".join(parts)


def sources(side_by_side: bool) -> list[str]:
    """The texts to compile: one, or two that make the same programs."""
    return [source([*HEADERS, *half]) for half in HALVES] if side_by_side else [source()]
