"""The generated header: what the BPF sources ask of the running kernel's types and symbols, and nothing else.

The sources name what they read (``GET(task, task_struct, comm)``, ``ENUM(MEMCG_MAX)``, ``KSYM(tainted_mask)``), so the
list of questions is the sources themselves. Each answer becomes defines: ``OFF_task_struct__comm``,
``TYPE_task_struct__comm``, ``HAVE_task_struct__comm``. What the kernel does not have gets no define.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from oomtrace.kernel.btf import Btf
from oomtrace.kernel.symbols import Symbols

_READ = re.compile(r"\b(?:GET|AT|COPY)\(")
_FIELD_USE = re.compile(r"\b(?:OFF|TYPE|HAVE)_([a-z]\w*?)__(\w+)")
_ENUM = re.compile(r"\bENUM\((\w+)\)")
_KSYM = re.compile(r"\b(?:KSYM\(|HAVE_KSYM_)(\w+)")
_SIZEOF = re.compile(r"\bSIZEOF_(\w+)")


@dataclass(frozen=True)
class Header:
    """The header's text, the symbols in the order of their marks, what was asked for and is not there, and offsets."""

    text: str
    symbols: Tuple[str, ...]
    missing: Tuple[str, ...]
    offsets_bytes: Mapping[str, int]  # of the fields that are read: "task_struct.comm"


@dataclass(frozen=True)
class Questions:
    """What the sources ask: (struct, field) pairs, enumerators, symbols, structs whose size counts."""

    fields: Tuple[Tuple[str, str], ...]
    enumerators: Tuple[str, ...]
    symbols: Tuple[str, ...]
    sizes: Tuple[str, ...]


def _arguments(text: str, start: int) -> List[str]:
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


def _fields(text: str) -> Iterator[Tuple[str, str]]:
    for match in _READ.finditer(text):
        arguments = _arguments(text, match.end())
        if len(arguments) >= 3 and "##" not in arguments[-1]:
            yield arguments[-2], arguments[-1]
    for match in _FIELD_USE.finditer(text):
        yield match.group(1), match.group(2)


def questions(source: str) -> Questions:
    """What a BPF source asks of the kernel."""
    text = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    text = re.sub(r"^#define (?:AT|GET|COPY|ENUM|KSYM)\((?:[^\n]*\\\n)*[^\n]*", "", text, flags=re.MULTILINE)
    return Questions(
        fields=tuple(sorted(set(_fields(text)))),
        enumerators=tuple(sorted(set(_ENUM.findall(text)))),
        symbols=tuple(sorted(set(_KSYM.findall(text)))),
        sizes=tuple(sorted(set(_SIZEOF.findall(text)))),
    )


def _field_lines(btf: Btf, struct: str, name: str) -> Optional[List[str]]:
    field = btf.field(struct, name)
    if field is None or field.bit_size is not None:
        return None
    key = f"{struct}__{name}"
    scalar, length = btf.c_type(field.type_id)
    array = "" if length is None else f"[{length}]"
    return [
        f"#define HAVE_{key} 1",
        f"#define OFF_{key} {field.offset_bytes}",
        f"typedef {scalar} TYPE_{key}{array};",
    ]


def type_lines(btf: Btf, asked: Questions) -> Tuple[List[str], List[str]]:
    """The part that is the same at every boot of a kernel: (lines, what is missing)."""
    lines: List[str] = []
    missing: List[str] = []
    for struct, name in asked.fields:
        found = _field_lines(btf, struct, name)
        lines += found or []
        if found is None:
            missing.append(f"struct {struct}.{name}")
    for name in asked.enumerators:
        value = btf.enumerator(name)
        if value is None:
            missing.append(f"enumerator {name}")
        else:
            lines += [f"#define HAVE_ENUM_{name} 1", f"#define ENUM_{name} {value}"]
    for name in asked.sizes:
        struct_id = btf.struct_id(name)
        if struct_id is None:
            missing.append(f"struct {name}")
        else:
            lines.append(f"#define SIZEOF_{name} {btf.size_bytes(struct_id)}")
    return lines, missing


def symbol_lines(
    symbols: Symbols, asked: Questions, mark: Callable[[int], int]
) -> Tuple[List[str], List[str], List[str]]:
    """The symbols' part: (lines, symbols found, what is missing).

    In place of the i-th found symbol's address, which changes with each boot, stands ``mark(i)``.
    """
    lines: List[str] = []
    found: List[str] = []
    missing: List[str] = []
    for name in asked.symbols:
        if symbols.address(name) is None:
            missing.append(f"symbol {name}")
            continue
        lines += [f"#define HAVE_KSYM_{name} 1", f"#define KSYM_{name} {mark(len(found)):#x}ULL"]
        found.append(name)
        size = symbols.size_bytes(name)
        if size is not None:
            lines.append(f"#define KSYM_SIZE_{name} {size}")
    return lines, found, missing


def features(btf: Btf, summed_rss: bool) -> Dict[str, bool]:
    """Differences between kernels that no single field tells, as HAVE_ defines."""
    rss_stat = btf.field("mm_struct", "rss_stat")
    percpu = rss_stat is not None and btf.c_type(rss_stat.type_id)[0] == "u8"
    vmstats = btf.field("mem_cgroup", "vmstats")
    embedded = vmstats is not None and btf.c_type(vmstats.type_id)[0] == "u8"
    return {
        "PERCPU_RSS": percpu,
        "SUMMED_RSS": percpu and summed_rss,
        "EMBEDDED_VMSTATS": embedded,
        "VMPRESSURE_ORDER": "order" in btf.parameters("vmpressure"),  # 7.x; types from headers do not tell
    }


def generate(
    source: str, btf: Btf, symbols: Symbols, nr_cpus: int, summed_rss: bool, mark: Callable[[int], int]
) -> Header:
    """The header for the BPF source on this kernel; ``mark`` gives what stands for the i-th symbol's address."""
    asked = questions(source)
    types, missing_types = type_lines(btf, asked)
    addresses, found, missing_symbols = symbol_lines(symbols, asked, mark)
    flags = [f"#define HAVE_{name} 1" for name, there in features(btf, summed_rss).items() if there]
    head = ["/* generated for the running kernel */", f"#define NR_CPUS {nr_cpus}"]
    text = "\n".join(head + flags + types + addresses) + "\n"
    return Header(text, tuple(found), tuple(missing_types + missing_symbols), _offsets(btf, asked))


def _offsets(btf: Btf, asked: Questions) -> Dict[str, int]:
    found = ((f"{struct}.{name}", btf.field(struct, name)) for struct, name in asked.fields)
    return {name: field.offset_bytes for name, field in found if field is not None and field.bit_size is None}
