"""Each row reads what it prints."""

from __future__ import annotations

import collections.abc
import re
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomtrace import model
from oomtrace.formats import DIALECTS, KINDS, ORDER, RANK, ROWS, Kind, choose, head, memory, tail
from oomtrace.formats.adapters import ADAPTERS
from oomtrace.formats.gfp import LAYOUTS, layout, names, translate
from oomtrace.formats.printf import Format, labels
from oomtrace.text.items import Stat
from oomtrace.text.match import companion

# A value for each pattern that a hole can have: by the adapter's name where there is one.
_WORDS = {
    "comm": st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=15).filter(
        lambda text: len(text.encode()) <= 15),
    "path": st.sampled_from(["/", "/a", "/a/b c", "/kubepods.slice/pod=1,x"]),
}


@pytest.mark.parametrize("key", sorted(ROWS))
def test_a_row_reads_a_line_that_it_prints(key: str) -> None:
    row = ROWS[key]
    example = _example(row.format)
    text = row.format.show(example)
    assert text is not None
    read = row.format.read(text)
    assert read is not None, text
    assert row.format.show(read) == text


@pytest.mark.parametrize("key", sorted(ROWS))
def test_a_row_reads_none_but_its_own_lines(key: str) -> None:
    for text in ("", " ", "x", "foo: bar", "\0", "é"):
        read = ROWS[key].format.read(text)
        assert read is None or ROWS[key].format.show(read) == text


_ADAPTED = {
    "comm": "a) b", "comm_short": "a b", "path": "/a b", "word": "Normal", "message": "Out of memory",
    "taint": "Tainted: G        W  O    ", "package": "Debian 6.1.192-2", "preempt": "PREEMPT(lazy)",
    "debian_package": "Debian 6.1.192-2",
    "build_id": "0123456789" * 4, "kdump": True, "unreliable": False, "unreliable_ppc": False, "yesno": True,
    "node": 1, "marker": "<TASK>", "numbers": (0, 1, -2), "kb_pairs": {"cache": 1, "rss": 2}, "onoff": True,
    "buddy": ((1, 4, "UM"), (0, 8, "")), "release": "6.1.0-56-cloud-amd64", "version": "#1", "source": "P",
    "code": "Bad RIP value.", "symbol": "foo.cold", "module": "xfs", "location": "foo+0x1/0x2",
    "taint_flags": "[W]=WARN, [O]=OOT_MODULE", "raw_words": " 0123456789abcdef 0123456789abcdef",
    "arm_words": "Exception stack(0xf0833fb0 to 0xf0833ff8)", "stat": "anon_thp", "panic": "Out of memory",
    "stack_words": "Stack : 00000000 80e1fa7a", "ppc_words": "GPR00: 000000001000b1a4 00007ffff3b5b0a0",
}


def _example(form: Format) -> list:  # type: ignore[type-arg]
    values: list = []  # type: ignore[type-arg]
    for hole in form.holes:
        for name, value in _ADAPTED.items():
            if _pattern_of(name) == hole.pattern:
                values.append(value)
                break
        else:
            if re.fullmatch(hole.pattern, "7"):
                values.append(7)
            elif re.fullmatch(hole.pattern, "0-1"):
                values.append("0-1")
            elif re.fullmatch(hole.pattern, "GFP_KERNEL|__GFP_ZERO"):
                values.append("GFP_KERNEL")
            else:
                values.append(0x7b)
    return values


def _pattern_of(name: str) -> str:
    return ADAPTERS[name].pattern


# What the items of a scope are, where that is not a tuple at its path.
_ITEMS: dict[str, tuple[Any, ...]] = {
    "stack.flow": (model.Frame, model.Registers, str),
    "memcg.stats_flow": (model.MemcgStats, Stat),
    "meminfo.per_cpu_flow": (model.PerCpuLists, model.PerCpuRow),
}


def _classes(scope: str) -> tuple[Any, ...]:
    """What the items of a scope can be."""
    if scope in _ITEMS or not scope:
        return _ITEMS.get(scope, (model.Report,))
    found = _at(model.Report, scope)
    assert get_origin(found) is tuple, f"{scope} is no tuple of the report"
    return get_args(found)[:1]


def _at(start: Any, path: str) -> Any:
    """The type at a path; None if the path leads nowhere."""
    if path == ".":
        return start if start is str else None
    for name in path.split("."):
        if get_origin(start) is collections.abc.Mapping:
            start = get_args(start)[1]
        elif start is not str and name in (hints := get_type_hints(start)):
            options = [each for each in get_args(hints[name]) if each is not type(None)]
            start = options[0] if get_origin(hints[name]) is Union else hints[name]
        else:
            return None
    return start


def _resolves(kind: Kind, path: str) -> bool:
    return any(_at(each, path) is not None for each in _classes(kind.scope))


@pytest.mark.parametrize("key", sorted(ROWS))
def test_each_path_of_a_row_leads_somewhere(key: str) -> None:
    """A misspelt one would read nothing and print nothing, in silence."""
    row = ROWS[key]
    for path in (*row.fields, *row.sets):
        assert _resolves(KINDS[row.kind], path), path
    fitting = [each for each in _classes(KINDS[row.kind].scope)
               if all(_at(each, path) is not None for path in row.fields)]
    assert fitting, "no item has all of its values"


def test_a_misspelt_path_would_be_noticed() -> None:
    for path in ("trigger.ordr", "triger.order", "memcg.memory.usage", "."):
        assert _at(model.Report, path) is None
    assert _at(model.Report, "memcg.memory.usage_kb") is int and _at(str, ".") is str and _at(str, "name") is None


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_what_is_said_of_a_kind_can_be(kind: Kind) -> None:
    assert all(_resolves(kind, path) for path in kind.required)
    fields = {path for variant in kind.variants for row in variant.rows for path in row.fields}
    assert set(kind.key or ()) <= fields
    assert set(kind.follows) <= set(KINDS) and kind.title_of in ("", *KINDS)
    assert not kind.missing or model.Part(kind.missing)
    assert kind.side in ("", "memcg", "global")
    assert not kind.timed or "time_ns" in get_type_hints(_classes(kind.scope)[0])
    assert not kind.loose or kind.follows, "what reads anything must have its place"


def test_each_kind_has_one_place_and_each_file_says_where() -> None:
    kinds = [kind.name for step in ORDER for kinds in step.kinds for kind in kinds]
    assert set(kinds) == set(RANK) == set(KINDS)
    assert {name for name in kinds if kinds.count(name) > 1} == {"killed"}  # the victim, and the others of its group
    defined = {value.name for module in (head, memory, tail) for value in vars(module).values()
               if isinstance(value, Kind)}
    assert defined <= set(kinds), "defined, but in no STEPS"


@pytest.mark.parametrize("title", [kind for kind in KINDS.values() if kind.title_of], ids=lambda kind: kind.name)
def test_each_title_has_rows_of_its_version(title: Kind) -> None:
    for variant in title.variants:
        assert all(companion(row).kind == title.title_of for row in variant.rows)


@given(pid=st.integers(0, 2**31 - 1), uid=st.integers(-2**31, 2**31 - 1), pages=st.integers(0, 2**50),
       adj=st.integers(-1000, 1000), comm=_WORDS["comm"])
def test_task_rows_of_any_width(pid: int, uid: int, pages: int, adj: int, comm: str) -> None:
    """Numbers wider than their column push the rest; names may hold anything."""
    for variant in KINDS["task"].variants:
        row = variant.rows[0]
        values = [{"pid": pid, "tgid": pid, "uid": uid, "oom_score_adj": adj, "comm": comm}.get(field, pages)
                  for field in row.fields]
        text = row.format.show(values)
        assert text is not None
        read = row.format.read(text)
        assert read is not None and list(read) == values


@given(comm=_WORDS["comm"], pid=st.integers(0, 2**22), kb=st.integers(0, 2**50))
def test_killed_rows_with_any_name(comm: str, pid: int, kb: int) -> None:
    for variant in KINDS["killed"].variants:
        row = variant.rows[0]
        known = {"message": "Out of memory", "pid": pid, "comm": comm, "oom_score_adj": kb % 2001 - 1000}
        values = [known.get(field, kb) for field in row.fields]
        text = row.format.show(values)
        assert text is not None
        assert row.format.read(text) == values


def test_a_name_cannot_pretend_to_be_the_line() -> None:
    row = ROWS["verdict/2.6.36"]
    text = "Out of memory: Kill process 7 () score 5 or) score 9 or sacrifice child"
    assert row.format.read(text) == ["Out of memory", 7, ") score 5 or", 9]


def test_what_is_unknown_is_left_out_with_its_label() -> None:
    form = Format("Killed process %d (%s) total-vm:%lukB, anon-rss:%lukB, UID:%u pgtables:%lukB", "abcdef")
    assert form.show([1, "x", 2, 3, 4, 5]) == "Killed process 1 (x) total-vm:2kB, anon-rss:3kB, UID:4 pgtables:5kB"
    assert form.show([1, "x", 2, 3, None, 5]) == "Killed process 1 (x) total-vm:2kB, anon-rss:3kB pgtables:5kB"
    assert form.show([1, "x", None, 3, 4, None]) == "Killed process 1 (x), anon-rss:3kB, UID:4"
    assert form.show([1, None, 2, 3, 4, 5]) is None  # a name has no label: without it the line says nothing
    columns = Format("[%5d] %8lu %s", "abc")
    assert columns.show([1, None, "x"]) == "[    1]          x"


def test_labels() -> None:
    text = "free:%lukB isolated(anon):%lukB pages_scanned:%lu shmem_thp: %lukB Balloon:%lukB"
    assert labels(text, "counters") == ("counters.free_kb", "counters.isolated_anon_kb", "counters.pages_scanned",
                                        "counters.shmem_thp_kb", "counters.balloon_kb")


@pytest.mark.parametrize("cut", range(0, 140, 3))
def test_a_cut_line_tells_what_is_there_in_full(cut: int) -> None:
    form = ROWS["killed/5.4"].format
    values = ["Out of memory", 13432, "a (b", 1234567, 11, 22, 33, 0, 44, -5]
    text = form.show(values)
    assert text is not None
    found = form.read_cut(text[:cut])
    for known, value in zip(found or [], values):
        assert known is None or known == value


@pytest.mark.parametrize("release, package, name", [
    ("3.10.0-693.21.1.el7.x86_64", None, "3.10-el7"),
    ("3.10.0-1127.el7.x86_64", None, "3.10-el7.8"),
    ("4.18.0-147.el8.x86_64", None, "4.18-el8.1"),
    ("4.18.0-477.13.1.el8_8.x86_64", None, "4.18-el8.8"),
    ("5.14.0-70.el9.x86_64", None, "5.14-el9"),
    ("5.10.0-46-cloud-amd64", "Debian 5.10.262-1", "5.10-debian"),
    ("6.1.0-56-cloud-amd64", None, "6.1-debian"),
    ("6.12.107+deb13-cloud-amd64", None, "6.12-debian"),
    ("7.3.4+deb13-cloud-amd64", None, "7.3-debian"),
    ("5.15.0-1087-azure", None, "5.15"),
    ("4.4.0-1013-aws", None, "4.4"),
    ("2.6.32-642.11.1.el6.x86_64", None, "2.6.32-el6"),
])
def test_choose(release: str, package: str, name: str) -> None:
    dialect = choose(release, package)
    assert dialect is not None and dialect.name == name


def test_a_kernel_of_the_future_speaks_as_the_newest() -> None:
    mainline = [name for name in DIALECTS if "-" not in name]
    dialect = choose("99.9.9", None)
    assert dialect is not None and dialect.name == max(mainline, key=lambda name: tuple(map(int, name.split("."))))


def test_choose_nothing() -> None:
    assert choose(None) is None
    assert choose("not a release") is None


def test_dialects_are_listed() -> None:
    wanted = {"3.10-el7", "4.18-el8", "5.10", "5.10-debian", "6.1-debian", "6.12-debian", "7.3-debian"}
    assert wanted <= set(DIALECTS)


@pytest.mark.parametrize("at, mask, text", [
    ((6, 1), 0xcc0, "GFP_KERNEL"),
    ((6, 12), 0x140dca, "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO"),
    ((7, 3), 0x140dca, "GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP"),
    ((4, 19), 0x6200ca, "GFP_HIGHUSER_MOVABLE"),
    ((6, 1), 0, ""),
    ((6, 1), 0x80000cc0, "GFP_KERNEL|0x80000000"),
])
def test_gfp_names(at: tuple, mask: int, text: str) -> None:  # type: ignore[type-arg]
    assert names(mask, layout(at)) == text


def test_gfp_masks_are_translated() -> None:
    assert translate(0xcc0, layout((7, 3)), layout((3, 10))) == 0xd0
    assert translate(0xd0, layout((3, 10)), layout((7, 3))) == 0xcc0
    assert translate(0x6200ca, layout((4, 19)), layout((6, 1))) == 0x100cca
    assert translate(0x800000, layout((6, 1)), layout((3, 10))) is None  # __GFP_ZEROTAGS: no word for it then


@given(st.sampled_from(sorted(LAYOUTS)), st.integers(0, 2**27 - 1))
def test_gfp_translation_to_itself(at: tuple, mask: int) -> None:  # type: ignore[type-arg]
    assert translate(mask, layout(at), layout(at)) == mask
