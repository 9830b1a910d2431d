"""Call traces that the kernel's scripts/decode_stacktrace.sh has written: sources in place of offsets."""

from __future__ import annotations

import re

import pytest
from text_corpus import SEED, events, kernel_text

from oomtrace import why
from oomtrace.model import Frame, OomEvent

_FRAME = re.compile(r"(\[ *\d+\.\d+\] )( )\[<\w+>\] (\? )?(\w+)\+\S+$")
PLACES = ("mm/oom_kill.c:77", "mm/memcontrol.c:1234 (discriminator 4)", "./include/linux/a.h:5 kernel/b-c.c:61 ",
          "/build/linux/arch/x86/entry/entry_64.S:1034")


def decoded(place: str, behind: str = "", blank: str = "") -> str:
    return "".join(_FRAME.sub(rf"\g<1>{blank}\g<3>\g<4> ({place}){behind}", line) + "\n" for line in SEED.splitlines())


def frames(event: OomEvent) -> list[tuple[object, bool]]:
    assert event.report.stack is not None
    return [(entry.symbol, entry.reliable) for entry in event.report.stack.entries if isinstance(entry, Frame)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("behind", ["", " ", " vfat", " (P)"])
@pytest.mark.parametrize("stamped", [True, False])
def test_functions_are_known(place: str, behind: str, stamped: bool) -> None:
    text = decoded(place, behind)
    if not stamped:
        text = "".join(line[15:] + "\n" for line in text.splitlines())
    event, = events(text)
    seed, = events(SEED)
    assert frames(event) == frames(seed)
    assert event.origin.missing == ()
    assert "pagefault_out_of_memory (" + place + ")" in kernel_text(event), "each line as the log has it"


def test_what_was_asked_for_is_told_as_well() -> None:
    event, = events(decoded(PLACES[0], blank=" "))
    seed, = events(SEED)
    said, told = (why.explain(one).finding("charging") for one in (event, seed))
    assert said is not None and told is not None and said.reasons == told.reasons


def test_a_call_in_prose_is_no_frame() -> None:
    event, = events(SEED.replace("[  122.082744]", "See foo (which calls bar) \n[  122.082744]"))
    assert len(frames(event)) == 13
