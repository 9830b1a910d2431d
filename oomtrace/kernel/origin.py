"""Where the running kernel's types are to be learnt from. Apart from their readers, which a start that has kept
programs does without."""

from __future__ import annotations

import os
from pathlib import Path

VMLINUX = Path("/sys/kernel/btf/vmlinux")
BTF, HEADERS = "BTF", "the kernel's headers"


def btf_path() -> Path:
    """Where the running kernel's BTF is. OOMTRACE_BTF names another place: with one that does not exist, a kernel
    that has BTF can be used to test what happens on one that has not."""
    return Path(os.environ.get("OOMTRACE_BTF") or VMLINUX)


def compile_asked() -> bool:
    """Whether the programs are to be compiled on this machine, though some are shipped (``--compile``)."""
    return bool(os.environ.get("OOMTRACE_COMPILE"))


def origin() -> str:
    """BTF or HEADERS."""
    return BTF if os.access(btf_path(), os.R_OK) else HEADERS
