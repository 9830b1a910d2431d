"""The kernel's types from its headers, for a kernel without BTF: what to compile so that the compiler says them.

clang writes BTF into what it compiles for BPF. So the asked structs are made the arguments of empty functions, and the
BTF of that has the same answers, in the same form, as the kernel's own would. What C cannot ask (is there an
enumerator of this name?) is tried: the questions stand on lines of their own, and those that clang finds at fault are
left out the next time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from oomtrace.kernel.btf import Btf, Field

MODULES = Path("/lib/modules")
_FILE = "oomtrace-questions"
_PREFIX = "oomtrace_"  # of enumerators of our own that have the value of the kernel's

# Where core structures are defined; drivers and file systems have folders of their own. As #include names them, and
# where they are.
_INCLUDES = (("linux", "include/linux"), ("linux/sched", "include/linux/sched"), ("linux", "include/uapi/linux"))
_ERROR = re.compile(r"^(?P<file>[^\n:]+):(?P<line>\d+):\d+: (?:fatal )?error: (?P<text>[^\n]*)", re.MULTILINE)

# What mm/ keeps private, where its beginning is certain. memcg_vmstats (6.1+, pointed to by the memcg): the states of
# the memcg, and after them its events; how many states are kept, the kernel's own table tells (bpf/memcg.h).
_PRIVATE = {"memcg_vmstats": "struct memcg_vmstats { long state[MEMCG_NR_STAT]; };"}

# What is lost without a struct that headers do not define; one that is not named here is said by its own name.
_LOSSES = {
    **dict.fromkeys(("kthread", "worker", "pool_workqueue", "workqueue_struct"),
                    "the workqueue that a kernel worker serves"),
    "mount": "the executable of a process that is gone before it is looked at",
}


class Asked(Btf):
    """A kernel of which nothing is known: it notes the structs, enums and enumerators that it is asked for."""

    def __init__(self) -> None:
        self.structs: set[str] = set()
        self.enums: set[str] = set()
        self.enumerators: set[str] = set()

    def struct_id(self, name: str) -> Optional[int]:
        self.structs.add(name)
        return None

    def field(self, struct: str, name: str) -> Optional[Field]:
        self.structs.add(struct)
        return None

    def enumerator(self, name: str) -> Optional[int]:
        self.enumerators.add(name)
        return None

    def enumerator_of(self, enum: str, name: str) -> Optional[int]:
        self.enums.add(enum)
        return None

    def parameters(self, function: str) -> tuple[str, ...]:
        return ()


class HeaderTypes(Btf):
    """The answers: BTF that was compiled from ``Probe.source``."""

    def enumerator(self, name: str) -> Optional[int]:
        """The value of an enumerator that the headers declare."""
        return super().enumerator(_PREFIX + name)


@dataclass(frozen=True)
class Tree:
    """The headers of a kernel: folders that hold ``include``, and the release that they say they are of."""

    roots: tuple[Path, ...]
    release: Optional[str]

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Each header as #include names it, and its text; folder by folder in the order of their names."""
        met: set[str] = set()
        for prefix, folder in _INCLUDES:
            for root in self.roots:
                for path in sorted((root / folder).glob("*.h")):
                    name = f"{prefix}/{path.name}"
                    if name not in met:
                        met.add(name)
                        yield name, path.read_bytes()


def locate(release: str, modules: Path = MODULES) -> Optional[Tree]:
    """The installed headers for a release, where bcc will look for them; None if there are none."""
    chosen = os.environ.get("BCC_KERNEL_SOURCE")
    candidates = [Path(chosen)] if chosen else [modules / release / name for name in ("build", "source")]
    roots: list[Path] = []
    for candidate in candidates:
        if (candidate / "include").is_dir() and candidate.resolve() not in roots:
            roots.append(candidate.resolve())
    if not any((root / "include/linux/sched.h").is_file() for root in roots):
        return None
    said = [_release(root) for root in roots]
    return Tree(tuple(roots), next(filter(None, said), None))


def _release(root: Path) -> Optional[str]:
    try:
        text = (root / "include/generated/utsrelease.h").read_text()
    except OSError:
        return None
    found = re.search(r'#define UTS_RELEASE "([^"]+)"', text)
    return found.group(1) if found else None


@dataclass(frozen=True)
class HeadersProbe:
    """What to compile: headers, definitions and questions, each on a line of its own.

    ``mentioned`` are the asked structs that the headers speak of, defined or not.
    """

    includes: tuple[str, ...]
    definitions: tuple[str, ...]
    questions: tuple[str, ...]
    mentioned: tuple[str, ...]

    @property
    def source(self) -> str:
        """The C text."""
        lines = [*(f"#include <{name}>" for name in self.includes), *self.definitions, *self.questions]
        return f'#line 1 "{_FILE}"\n' + "\n".join(lines) + "\n"

    def without(self, faults: "Faults") -> Optional["HeadersProbe"]:
        """The same without the questions that clang found at fault; None if that would change nothing."""
        first = len(self.includes) + len(self.definitions) + 1
        kept = tuple(text for at, text in enumerate(self.questions, first) if at not in faults.lines)
        return None if kept == self.questions else replace(self, questions=kept)


def probe(tree: Tree, asked: Asked) -> HeadersProbe:
    """The first probe for what was asked."""
    found = _search(tree, asked)
    private = [text for name, text in _PRIVATE.items() if name in found.mentioned - found.defined]
    # A function for each: bcc keeps only the first argument of a function.
    questions = [
        f"enum {_PREFIX}{name} {{ {_PREFIX}{name} = {name} }}; "
        f"int {_PREFIX}value_{name}(enum {_PREFIX}{name} *ctx) {{ return 0; }}"
        for name in sorted(asked.enumerators)
    ]
    questions += [
        f"int {_PREFIX}enum_{name}(enum {name} *ctx) {{ return sizeof(enum {name}); }}" for name in sorted(asked.enums)
    ]
    for name in sorted(asked.structs):
        kind = "union" if name in found.unions else "struct"
        # volatile: of a struct that headers only point to, and through that very type, clang writes no members.
        argument = f"const volatile {kind} {name} *ctx"
        questions.append(f"{kind} {name}; int {_PREFIX}struct_{name}({argument}) {{ return 0; }}")
    return HeadersProbe(tuple(found.files), tuple(private), tuple(questions), tuple(sorted(found.mentioned)))


@dataclass
class _Found:
    """Headers that define something that was asked for, and what the headers say of the asked structs."""

    files: list[str] = field(default_factory=list)
    defined: set[str] = field(default_factory=set)
    unions: set[str] = field(default_factory=set)
    mentioned: set[str] = field(default_factory=set)


def _search(tree: Tree, asked: Asked) -> _Found:
    names = "|".join(sorted(asked.structs | asked.enums))
    definition = re.compile(rf"^(?:typedef )?(struct|union|enum)\s+({names})\s*\{{".encode(), re.MULTILINE)
    enumerators = "|".join(sorted(asked.enumerators))
    enumerator = re.compile(rf"\t({enumerators})[ \t]*(?:=|,|/|$)".encode(), re.MULTILINE)
    mention = re.compile(rf"struct ({'|'.join(sorted(asked.structs))})\b".encode())
    found = _Found()
    for name, text in tree.files():
        defines = [(kind.decode(), what.decode()) for kind, what in definition.findall(text)]
        found.unions.update(what for kind, what in defines if kind == "union")
        found.mentioned.update(what.decode() for what in mention.findall(text))
        new = {what for _, what in defines} - found.defined
        found.defined |= new
        if new or (asked.enumerators and enumerator.search(text)):
            found.files.append(name)
    return found


@dataclass(frozen=True)
class Faults:
    """clang's complaints: the probe's lines at fault, and the first complaint about anything else."""

    lines: set[int]
    elsewhere: Optional[str]


def faults(said: str) -> Faults:
    """What is wrong with a probe, from what clang wrote of it."""
    lines: set[int] = set()
    elsewhere: Optional[str] = None
    for match in _ERROR.finditer(said):
        if match["file"] == _FILE:
            lines.add(int(match["line"]))
        elif elsewhere is None:
            place = re.sub(r"^.*/(?=include/)", "", match["file"])
            elsewhere = f"{place}:{match['line']}: {match['text']}"
    return Faults(lines, elsewhere)


def losses(types: Btf, probed: HeadersProbe) -> tuple[str, ...]:
    """What cannot be told without the structs that the headers do not define.

    One that they do not even mention is, but for those known to be private, one that this kernel does not have.
    """
    private = sorted(set(_LOSSES) | set(probed.mentioned) - set(_PRIVATE))
    unknown = [name for name in private if types.struct_id(name) is None]
    return tuple(dict.fromkeys(_LOSSES.get(name, f"what struct {name} holds") for name in unknown))
