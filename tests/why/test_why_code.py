"""Whose code: findings from stacks."""

from __future__ import annotations

from dataclasses import replace

from oomtrace import why
from oomtrace.model import Code, CodeFrame, CodeSample, CodeStack, Ending, Moment, NoStack, OomEvent, Task, ThreadStack
from oomtrace.why.causes.code import ByCode
from oomtrace.why.causes.code_of_threads import AskedIn, WasIn
from tests.codes import CODE, MIB
from tests.events import made


def event(code: Code) -> OomEvent:
    return made(code=code, tasks=(Task(158, "catalog", tgid=158, rss_pages=9 * 1024),))


def test_by_code() -> None:
    found = why.explain(event(CODE)).finding("code")
    assert found is not None
    assert found.reasons == (ByCode.CHARGED_BY, ByCode.CHARGED_AND_RESIDENT, ByCode.CHARGED_IS_NOT_KEPT)
    assert found.sentence == (
        "75.0 % of what catalog (158) charged in the last 9.0 s came by parse_row (catalog.c:12) ← load_catalog ← "
        "main. 100.0 % of what python3 (170) charged in the last 9.0 s came by Catalog.fill (catalog.py:9) ← <module>. "
        "16.7 % of what catalog (158) charged in the last 9.0 s came by make_cache (catalog.c:40) ← main. "
        "In all catalog (158) charged 48.0 MiB, and held 36.0 MiB at the OOM."
    )
    assert found.confidence == why.LIKELY


def test_a_function_with_little_has_no_line() -> None:
    few = replace(CODE, samples=(*CODE.samples[:1], replace(CODE.samples[1], charged_bytes=MIB)))
    found = why.explain(event(few)).finding("code")
    assert found is not None and "make_cache" not in found.sentence


def test_the_same_function_with_different_callers_is_one() -> None:
    stacks = (*CODE.stacks, CodeStack((0, 2, 3)))
    more = replace(CODE, stacks=stacks, samples=(*CODE.samples[:2], CodeSample(4, 158, 158, "catalog", 4 * MIB)))
    found = why.explain(event(more)).finding("code")
    assert found is not None and found.sentence.startswith("83.3 % of what catalog (158)")


def test_samples_without_stacks() -> None:
    found = why.explain(event(replace(CODE, samples=CODE.samples[-1:]))).finding("code")
    assert found is not None and found.reasons == (ByCode.NO_STACKS,)


def test_what_was_lost_and_what_is_short_is_said() -> None:
    found = why.explain(event(replace(CODE, samples_lost=3, unwinder="frame pointers"))).finding("code")
    assert found is not None and found.has(ByCode.LOST) and found.has(ByCode.SHORT)
    assert found.interpretation is not None and "3 samples were lost." in found.interpretation


def test_asker_and_victim() -> None:
    found = why.explain(event(CODE))
    asked, was = found.finding("asked_in"), found.finding("was_in")
    assert asked is not None and asked.reasons == (AskedIn.WAS_IN,)
    assert asked.sentence == "python3 (170) asked in memset ← Catalog.fill (catalog.py:9) ← <module>."
    assert was is not None and was.reasons == (WasIn.WAS_IN, WasIn.CHARGED_LAST)
    assert was.sentence == (
        "As it took the signal, catalog (158) was in parse_row (catalog.c:12) ← load_catalog ← main. "
        "Of its threads, catalog (159) had charged last; it was in libshelf.so+0x1234 ← load_catalog."
    )


def test_stacks_that_are_less_than_whole_say_so() -> None:
    stacks = (replace(CODE.stacks[0], ends=Ending.CUT), *CODE.stacks[1:3],
              replace(CODE.stacks[3], interpreted=Moment.OTHER, ends=Ending.SHORT))
    found = why.explain(event(replace(CODE, stacks=stacks)))
    asked, was = found.finding("asked_in"), found.finding("was_in")
    assert asked is not None and asked.has(AskedIn.OTHER_MOMENT, AskedIn.SHORT)
    assert was is not None and was.has(WasIn.CUT)


def test_a_process_that_nobody_has_seen_has_an_address() -> None:
    code = replace(CODE, frames=(*CODE.frames, CodeFrame(offset=0x7F0012)),
                   stacks=(*CODE.stacks, CodeStack((len(CODE.frames),), Ending.NOT_SEEN)))
    thread = ThreadStack(158, 158, "catalog", len(CODE.stacks))
    found = why.explain(event(replace(code, asker=thread, victim=thread)))
    asked, was = found.finding("asked_in"), found.finding("was_in")
    assert asked is not None and asked.sentence == "catalog (158) asked in 0x7f0012." and asked.has(AskedIn.NOT_SEEN)
    assert was is not None and was.has(WasIn.NOT_SEEN)


def test_a_kernel_thread_and_a_victim_that_has_gone() -> None:
    gone = replace(
        CODE, asker=ThreadStack(40, 40, "kworker/0:1", None, NoStack.KERNEL_THREAD),
        victim=ThreadStack(158, 158, "catalog", None, NoStack.EXITING), victim_charged=None,
    )
    found = why.explain(event(gone))
    asked, was = found.finding("asked_in"), found.finding("was_in")
    assert asked is not None and asked.reasons == (AskedIn.KERNEL_THREAD,)
    assert was is not None and was.reasons == (WasIn.EXITING,)


def test_without_code_nothing_is_said() -> None:
    found = why.explain(OomEvent())
    assert not {"code", "asked_in", "was_in"} & {one.id for one in found.findings}
