"""What the BPF sources ask of the kernel: the list is the sources themselves.

They name what they read with the macros of bpf/common.h: ``GET(task, task_struct, comm)``, ``ENUM(MEMCG_MAX)``,
``HAVE_KSYM(node_data)``. Each question is one number of the kernel's: where a field lies, whether there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# The macros that stand for one question each, by how many arguments name what is asked for.
_OF_A_FIELD = ("OFF", "SIZE", "LENGTH", "HAVE")
_OF_A_NAME = ("SIZEOF", "HAVE_SIZEOF", "ENUM", "HAVE_ENUM", "KSYM", "KSYM_SIZE", "HAVE_KSYM", "FEATURE",
              "ARCH")
# Those that are made of them; the field's name is their last two arguments.
_MADE_OF = {"AT": ("OFF",), "GET": ("OFF", "SIZE"), "COPY": ("OFF", "SIZE")}
_OF_NOTHING = ("NR_CPUS", "PAGE_SHIFT")  # the machine's own numbers

_FIELD = re.compile(rf"\b({'|'.join((*_OF_A_FIELD, *_MADE_OF))})\(")
_NAME = re.compile(rf"\b({'|'.join(_OF_A_NAME)})\((\w+)\)")
_DEFINITION = re.compile(
    rf"^#define (?:{'|'.join((*_OF_A_FIELD, *_OF_A_NAME, *_MADE_OF))})\((?:[^\n]*\\\n)*[^\n]*", re.MULTILINE
)


@dataclass(frozen=True, order=True)
class Question:
    """What is asked, by the macro's name (``OFF``), and of what (``task_struct.comm``, ``MEMCG_MAX``)."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()

    @classmethod
    def parse(cls, text: str) -> Question:
        """What ``str`` made."""
        kind, _, name = text.partition(" ")
        return cls(kind, name)

    @property
    def define(self) -> str:
        """What the sources call the answer: ``OFF_task_struct__comm``."""
        return f"{self.kind}_{self.name.replace('.', '__')}" if self.name else self.kind

    @property
    def field(self) -> tuple[str, str]:
        """Of a question about a field: the struct and the field."""
        struct, _, name = self.name.partition(".")
        return struct, name

    @property
    def subject(self) -> str:
        """What a person would call it: "struct task_struct.comm", "symbol node_data"."""
        if "ENUM" in self.kind:
            return f"enumerator {self.name}"
        return f"{'symbol' if 'KSYM' in self.kind else 'struct'} {self.name}"


def questions(source: str) -> tuple[Question, ...]:
    """What a BPF source asks, in an order that depends on nothing else."""
    text = _DEFINITION.sub("", re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL))
    found = set(_fields(text))
    found.update(Question(*match.groups()) for match in _NAME.finditer(text))
    found.update(Question(name, "") for name in _OF_NOTHING if re.search(rf"\b{name}\b", text))
    return tuple(sorted(found))


def _fields(text: str) -> Iterator[Question]:
    for match in _FIELD.finditer(text):
        struct, name = _arguments(text, match.end())[-2:]
        for kind in _MADE_OF.get(match.group(1), match.groups()):
            yield Question(kind, f"{struct}.{name}")


def _arguments(text: str, start: int) -> list[str]:
    """The arguments of a call whose opening bracket is just before start."""
    depth, begin, found = 0, start, []
    for at in range(start, len(text)):
        char = text[at]
        if char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif char in ",)" and not depth:
            found.append(text[begin:at].strip())
            begin = at + 1
            if char == ")":
                break
    return found
