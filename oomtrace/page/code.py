"""Whose code: a flame graph of who charged, the functions in a table, and where the asker and the victim were."""

from __future__ import annotations

from collections import Counter
from collections import Counter as Count
from dataclasses import dataclass
from typing import Optional

from markupsafe import Markup

from oomtrace.model import Code, CodeFrame, CodeSample, Ending, Moment, ThreadStack
from oomtrace.why.units import age, human, share

from .case import PageCase, who
from .flame import Node, picture

_FUNCTIONS = 12  # in the table
_SHORT = "frame pointers"
_ENDS = {
    Ending.CUT: "the copy of the stack ended here",
    Ending.SHORT: "frame pointers lead no further",
    Ending.BROKEN: "nothing tells who called this",
    Ending.NO_FILE: "the file of this code could not be read",
    Ending.NOT_SEEN: "the process was gone before it could be looked at",
}


@dataclass(frozen=True)
class Function:
    """A row of the table: what was charged in the function itself, and in it with all that it called."""

    name: str
    place: str
    itself_kb: int
    itself_part: str
    whole_kb: int
    whole_part: str

    @property
    def sizes(self) -> tuple[tuple[int, str, str], ...]:
        """Each with its words, and its share of all."""
        return ((self.itself_kb, human(self.itself_kb), self.itself_part),
                (self.whole_kb, human(self.whole_kb), self.whole_part))


@dataclass(frozen=True)
class Line:
    """A frame of a stack."""

    name: str
    place: str
    look: str


@dataclass(frozen=True)
class Shown:
    """A stack of the asker or the victim."""

    title: str
    lines: tuple[Line, ...]
    ends: str


@dataclass(frozen=True)
class Flame:
    """The flame graph, what it is of, and the same in numbers."""

    picture: Markup
    total: str
    window: str
    samples: int
    processes: tuple[str, ...]
    functions: tuple[Function, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Whose:
    """All of the part."""

    flame: Optional[Flame]
    stacks: tuple[Shown, ...]


def code(case: PageCase) -> Optional[Whose]:
    """None if no stacks were taken."""
    found = case.event.code
    if found is None:
        return None
    flame = _flame(found) if found.charged_bytes else None
    stacks = tuple(_stacks(found))
    return Whose(flame, stacks) if flame is not None or stacks else None


def _flame(code: Code) -> Flame:
    root = Node("all", "all", 0)
    for sample in code.samples:
        root.add(_path(code, sample), sample.charged_bytes)
    notes = []
    if code.samples_lost:
        notes.append(f"{code.samples_lost} samples were lost.")
    if code.unwinder == _SHORT:
        notes.append("Stacks may be short: elfutils' libdw was missing (Debian: libdw1).")
    processes = tuple(node.name for node in root.by_size)
    window = age(code.window_ns) if code.window_ns is not None else ""
    return Flame(
        picture(root), human(root.size >> 10), window, sum(sample.samples for sample in code.samples), processes,
        _functions(code), tuple(notes),
    )


def _path(code: Code, sample: CodeSample) -> list[tuple[str, str]]:
    """Names from the outside in, each with its look."""
    frames = [(_name(frame), _look(frame)) for frame in code.walk(sample.stack)]
    if not frames:
        frames = [(str(sample.none) if sample.none is not None else "no stack", "none")]
    return [(who(sample.tgid, sample.comm), "process"), *reversed(frames)]


def _name(frame: CodeFrame) -> str:
    return f"{frame.name} ({frame.place})" if frame.language is not None and frame.place is not None else frame.name


def _look(frame: CodeFrame) -> str:
    return "library" if frame.library else "python" if frame.language is not None else "own"


def _functions(code: Code) -> tuple[Function, ...]:
    itself: Count[CodeFrame] = Counter()
    whole: Count[CodeFrame] = Counter()
    for sample in code.samples:
        frames = list(dict.fromkeys(_one_a_function(frame) for frame in code.walk(sample.stack)))
        own = [frame for frame in frames if not frame.library] or frames
        for frame in own:  # each once, also if it calls itself
            whole[frame] += sample.charged_bytes
        if own:
            itself[own[0]] += sample.charged_bytes
    total = code.charged_bytes
    rows = sorted(whole, key=lambda frame: (-itself[frame], -whole[frame]))[:_FUNCTIONS]
    return tuple(
        Function(frame.name, (frame.source or frame.module or "").rsplit("/", 1)[-1], itself[frame] >> 10,
                 share(itself[frame], total), whole[frame] >> 10, share(whole[frame], total))
        for frame in rows
    )


def _one_a_function(frame: CodeFrame) -> CodeFrame:
    """The frame without the line, which differs from call to call."""
    return CodeFrame(frame.name, frame.module, None, frame.source, None, frame.language, library=frame.library)


def _stacks(code: Code) -> "list[Shown]":
    asker, victim, charged = code.asker, code.victim, code.victim_charged
    found = [_shown(code, asker, "asked"), _shown(code, victim, "was killed")]
    if victim is not None and charged is not None and charged.pid != victim.pid:
        found.append(_shown(code, charged, "had charged last of the victim's threads"))
    return [one for one in found if one is not None]


def _shown(code: Code, thread: Optional[ThreadStack], did: str) -> Optional[Shown]:
    if thread is None:
        return None
    lines = tuple(Line(frame.name, _place(frame), _look(frame)) for frame in code.walk(thread.stack))
    ends = []
    if not lines:
        ends.append(f"no stack: {thread.none}" if thread.none is not None else "no stack")
    elif thread.stack is not None:
        stack = code.stacks[thread.stack]
        ends += [_ENDS[stack.ends]] if stack.ends is not None else []
        ends += ["functions of Python are of another moment"] if stack.interpreted is Moment.OTHER else []
    return Shown(f"{who(thread.pid, thread.comm)} {did}", lines, "; ".join(ends))


def _place(frame: CodeFrame) -> str:
    if frame.place is not None:
        return frame.place
    return frame.module.rsplit("/", 1)[-1] if frame.module is not None and frame.function is not None else ""
