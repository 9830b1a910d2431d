"""The BPF sources, put together for the running kernel and compiled by bcc."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, List, Optional

from oomtrace.errors import EXIT_NO_BCC, EXIT_NO_PROBE, OomtraceError
from oomtrace.kernel import btf, header, machine
from oomtrace.kernel.symbols import Symbols
from oomtrace.live import stubs

# Headers before the programs that include them; bcc rewrites one text, so the #include lines are resolved here.
HEADERS = ("records.h", "common.h", "memcg.h", "stack.h", "task.h")
PROGRAMS = ("parts.c", "oom.c", "report.c")
# In the order of enum part (bpf/common.h).
PARTS = ("send_task", "send_memcgs", "send_stack", "send_stats")


def bpf_folder() -> Path:
    """Where the BPF sources are: in the installed package, or in a checkout beside it."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "bpf", package.parent / "bpf"):
        if (folder / "records.h").is_file():
            return folder
    raise OomtraceError("the BPF sources are not where oomtrace is installed", "reinstall oomtrace", EXIT_NO_PROBE)


def source(files: Optional[List[str]] = None) -> str:
    """The text of the BPF programs, without the generated header."""
    folder, parts = bpf_folder(), []
    for name in files or [*HEADERS, *PROGRAMS]:
        text = re.sub(r'^#include "[^"]*"\n', "", (folder / name).read_text(), flags=re.MULTILINE)
        parts.append(f'#line 1 "bpf/{name}"\n{text}')
    return "".join(parts)


@dataclass(frozen=True)
class Compiled:
    """bcc's BPF object, and how the kernel's structures were learnt ("BTF" or "kernel headers")."""

    bpf: Any
    types_from: str
    missing: List[str]


def import_bcc() -> Any:
    """The bcc module. Raises OomtraceError that names the distribution's package."""
    try:
        import bcc
    except ImportError as error:
        raise OomtraceError(
            f"the Python module bcc cannot be imported: {error}",
            "install the distribution's package (Debian, Ubuntu: python3-bpfcc; Fedora: python3-bcc); "
            "PyPI's bcc is another thing",
            EXIT_NO_BCC,
        ) from error
    if not hasattr(bcc, "BPF"):
        raise OomtraceError(
            "the Python module bcc that is installed is not the BPF Compiler Collection",
            "remove PyPI's bcc (pip uninstall bcc) and install the distribution's python3-bpfcc or python3-bcc",
            EXIT_NO_BCC,
        )
    return bcc


@contextmanager
def _stub_tree() -> Iterator[None]:
    """A kernel source tree of stubs, in force while bcc compiles."""
    before = os.environ.get("BCC_KERNEL_SOURCE")
    with tempfile.TemporaryDirectory(prefix="oomtrace-") as folder:
        stubs.write(Path(folder))
        os.environ["BCC_KERNEL_SOURCE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["BCC_KERNEL_SOURCE"]
            else:
                os.environ["BCC_KERNEL_SOURCE"] = before


def compile_programs(symbols: Symbols, summed_rss: bool) -> Compiled:
    """Compile for the running kernel. Raises OomtraceError if bcc or the kernel's types are missing."""
    text, bcc = source(), import_bcc()
    made = header.generate(text, btf.load(), symbols, machine.possible_cpus(), summed_rss)
    try:
        with _stub_tree():
            bpf = bcc.BPF(text=made.text + text, cflags=["-Wno-unused-function"])
    except Exception as error:  # bcc raises bare Exception
        raise OomtraceError(
            f"the BPF programs do not compile for this kernel ({error})",
            "not in this kernel: " + (", ".join(made.missing) or "nothing that was asked for"),
            EXIT_NO_PROBE,
        ) from error
    return Compiled(bpf, "BTF", list(made.missing))
