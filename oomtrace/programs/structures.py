"""Where the kernel's structures are learnt from: its BTF or, where it has none, its headers (joins kernel and live)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from oomtrace.errors import EXIT_NO_TYPES, OomtraceError
from oomtrace.kernel import btf, headers
from oomtrace.kernel.btf import Btf
from oomtrace.kernel.origin import BTF, HEADERS, btf_path

if TYPE_CHECKING:
    from oomtrace.programs.compiler import Compiler

_ATTEMPTS = 4  # two serve: with all the questions, and without those that this kernel does not know


@dataclass(frozen=True)
class Structures:
    """The types, where they are from (BTF or HEADERS), and what is lost for want of BTF."""

    types: Btf
    origin: str
    lost: tuple[str, ...] = ()


def learn(compiler: "Compiler", ask: Callable[[Btf], object], say: Callable[[str], None]) -> Structures:
    """The running kernel's types. ``ask`` puts all questions that matter to whatever types it is given.

    Raises OomtraceError if there are neither BTF nor headers that compile.
    """
    types = btf.load()
    if types is not None:
        return Structures(types, BTF)
    release = os.uname().release
    tree = headers.locate(release)
    if tree is None:
        raise _unknown(
            f"and no kernel headers are installed for {release}",
            f"install the package linux-headers-{release} (Debian, Ubuntu) or kernel-devel-{release} (Fedora), or boot "
            "a kernel with CONFIG_DEBUG_INFO_BTF=y",
        )
    if tree.release not in (None, release):
        raise _unknown(
            f"and the headers in {tree.roots[0]} are for {tree.release}, not for {release}",
            "install the headers of the running kernel, or boot the kernel that they are for",
        )
    asked = headers.Asked()
    ask(asked)
    say(f"oomtrace: no BTF at {btf_path()}: compiling with the headers in {tree.roots[0]}, which takes a while")
    probe = headers.probe(tree, asked)
    types = _answers(compiler, probe)
    return Structures(types, HEADERS, headers.losses(types, probe))


def _answers(compiler: "Compiler", probe: headers.HeadersProbe) -> Btf:
    for _ in range(_ATTEMPTS):
        data, said = compiler.types(probe.source)
        if data is not None:
            return headers.HeaderTypes(data)
        faults = headers.faults(said)
        reduced = probe.without(faults)
        if faults.elsewhere is not None or reduced is None:
            raise _unusable(faults.elsewhere or (said.strip().splitlines() or ["no reason given"])[0])
        probe = reduced
    raise _unusable("the questions do not settle")


def _unusable(reason: str) -> OomtraceError:
    return _unknown(
        f"and this bcc cannot compile the kernel's headers ({reason})",
        "a kernel with CONFIG_DEBUG_INFO_BTF=y needs no headers; a newer bcc may be able to",
    )


def _unknown(why: str, hint: str) -> OomtraceError:
    there = f"the kernel's structures are not known: there is no BTF at {btf_path()}, "
    return OomtraceError(there + why, hint, EXIT_NO_TYPES)
