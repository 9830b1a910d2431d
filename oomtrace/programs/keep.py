"""The plan that is kept from an earlier start on the same kernel build, or one that is made now.

Making it takes the kernel's types and all its symbols, or even the compiler. None of that changes until another kernel
boots, but for where the kernel lies in memory; so a kept plan needs one symbol's address, and starts in a fraction of
the time and of the memory.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from importlib.util import source_hash
from pathlib import Path
from typing import Callable, Optional

from oomtrace import __version__, shipped
from oomtrace.errors import EXIT_LOCKDOWN, OomtraceError
from oomtrace.kernel import machine, privileges
from oomtrace.kernel.origin import BTF, compile_asked, origin
from oomtrace.kernel.symbols import base_address
from oomtrace.programs.ahead import Ahead
from oomtrace.programs.plan import Plan

FOLDER = Path("/var/cache/oomtrace")
_NAME = re.compile(r".+-[0-9a-f]{16}\.json")  # as ``kept`` makes them
_KEPT = 8


def get(say: Callable[[str], None]) -> tuple[Plan, int]:
    """The plan for the running kernel, and where its ``_stext`` is. Raises OomtraceError."""
    plan, base = at_hand(say)
    if plan is not None:
        return plan, base
    from oomtrace.programs.make import make  # late: a start with a kept plan needs nothing of it

    plan = make(base, compile_asked(), say)
    _save(kept(), plan)
    _tell(plan, say)
    return plan, base


def at_hand(say: Callable[[str], None]) -> tuple[Optional[Plan], int]:
    """The plan if it is kept, or was made ``ahead``; and where the running kernel's ``_stext`` is. Raises
    OomtraceError."""
    base = _base()
    plan = _made_ahead()
    if plan is not None:
        _tell(plan, say)
        return plan, base
    plan = _load(kept())
    if plan is not None:
        made = "" if plan.origin == BTF else f", made with {plan.origin}"
        say(f"oomtrace: {plan.programs} programs, as kept in {kept()}{made}")
    return plan, base


def _tell(plan: Plan, say: Callable[[str], None]) -> None:
    """Of a plan that was made now."""
    say(f"oomtrace: {plan.programs} programs, kernel structures from {plan.origin}")
    for name in plan.missing:
        known = plan.origin == BTF or name.startswith("symbol ")
        say(f"oomtrace: {'this kernel has' if known else 'its headers have'} no {name}")


def ahead() -> None:
    """Where none is kept yet, have a plan made by a process of its own, until ``get`` wants it."""
    global _ahead
    with suppress(OomtraceError, OSError):  # ``get`` will meet it again
        privileges.require()
        if origin() == BTF and not compile_asked() and not os.path.exists(kept()):
            _ahead = Ahead(_plan_text)


_ahead: Optional[Ahead] = None


def _plan_text() -> str:
    from oomtrace.programs.make import make_shipped  # late: a start with a kept plan needs nothing of it

    plan = make_shipped(_base())
    _save(kept(), plan)
    return json.dumps(plan.to_plain())


def _made_ahead() -> Optional[Plan]:
    """None if none was begun, or it could not be made so."""
    global _ahead
    begun, _ahead = _ahead, None
    text = begun.text() if begun else None
    return Plan.from_plain(json.loads(text)) if text else None


def _base() -> int:
    try:
        base = base_address()
    except OSError as error:
        message = f"cannot read /proc/kallsyms: {error.strerror}"
        raise OomtraceError(message, "is CONFIG_KALLSYMS set?", EXIT_LOCKDOWN) from error
    if base is None:
        hidden = privileges.lacking("CAP_SYSLOG")
        if hidden is not None:
            raise hidden
        hint = "sysctl kernel.kptr_restrict=1 shows them"
        raise OomtraceError("the kernel hides its symbols' addresses", hint, EXIT_LOCKDOWN)
    return base


def kept() -> Path:
    """Where the plan for this kernel and these sources is kept, if it is. A change of what a plan is made of, or of the
    code that makes it, makes older plans void."""
    folder = Path(os.environ.get("OOMTRACE_CACHE") or FOLDER)
    parts = [str(os.uname()), str(machine.possible_cpus()), origin(), str(compile_asked()), __version__]
    parts += shipped.stamps(".", "kernel", "programs", "programs/images", "bpf")
    with suppress(OSError):
        parts.append(Path("/sys/kernel/notes").read_bytes().hex())  # holds the build id
    # Python's own hash for the same purpose, in its own kept bytecode; hashlib would load OpenSSL.
    digest = source_hash("\0".join(parts).encode()).hex()
    return folder / f"{os.uname().release}-{digest}.json"


def _trusted(path: Path) -> bool:
    """Whether nobody but this user can have written it: what it holds is loaded into the kernel."""
    return all(
        status.st_uid == os.geteuid() and not status.st_mode & 0o022 for status in (path.stat(), path.parent.stat())
    )


def _load(path: Path) -> Optional[Plan]:
    try:
        if not _trusted(path):
            return None
        return Plan.from_plain(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none yet, or not readable: it is made anew


def _save(path: Path, plan: Plan) -> None:
    with suppress(OSError):  # a read-only system can do without
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(plan.to_plain()))
            temporary.chmod(0o600)
            temporary.replace(path)
        except BaseException:  # a full disk must not keep half of it
            temporary.unlink(missing_ok=True)
            raise
        _tidy(path.parent)


def _tidy(folder: Path) -> None:
    """Remove the plans of kernels and versions that are long gone; nothing else, as the folder may be anyone's."""
    plans = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    plans.sort(key=lambda path: path.stat().st_mtime_ns)
    for path in plans[:-_KEPT]:
        path.unlink()
