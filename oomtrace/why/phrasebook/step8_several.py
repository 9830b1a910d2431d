"""Several OOMs together."""

from __future__ import annotations

from ..pattern import Several, Victims
from .template import Facts, fill

_VICTIMS = {
    Victims.SAME: ", the victim was {comm} each time",
    Victims.MOSTLY: ", most often {comm} ({times} of {kills})",
    Victims.SOMETIMES: ", the victim was {comm} {times:times}[; in {panics} the kernel panicked]"
                       "[; in {nobody_known} nobody was killed, or the source does not tell who]",
    Victims.DIFFERENT: ", a different victim each time",
}


def _place(facts: Facts) -> str:
    return fill("{place}: {events:plural OOM}[ ({probable} of them probably)][ within {span_ns:seconds}]"
                "[, at least {shortest_gap_ns:seconds} apart]"
                + (_VICTIMS[facts["victims"]] if "victims" in facts else "")
                + "[; each held more than the one before ({first_held_kb:size} to {last_held_kb:size})].", facts)


def _somewhere(facts: Facts) -> str:
    """ "3 OOMs: 2 in 1 place, 1 where the source does not tell; 3 processes killed."."""
    placed = facts["events"] - facts["nowhere"]
    where = f"{placed} in {{places:plural place}}, {facts['nowhere']}" if placed else "all"
    return fill(f"{{events:plural OOM}}: {where} where the source does not tell; "
                "{kills:plural process processes} killed.", facts)


PHRASES = {
    Several.OOMS: "{events:plural OOM} in {places:plural place}, {kills:plural process processes} killed.",
    Several.OOMS_SOMEWHERE: _somewhere,
    Several.PLACE: _place,
    Several.SUPPRESSED: "The kernel's rate limit left out {callbacks_suppressed:plural more_report}.",
}
