"""What a reproduction expects of the explanations: live, judged by ``oomtrace repro``; of the log, by the VM tool."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Optional

import pytest

from oomtrace import why
from oomtrace.model import OomEvent
from oomtrace.repro import judge, parse
from oomtrace.repro.reader import Invalid
from oomtrace.repro.spec import ABSENT, Expect, Expected, Said
from oomtrace.wire import capture
from vm import cells, explained, kernellog

DATA = Path(__file__).resolve().parents[1] / "fixtures" / "data"
SCENARIO = "about: a\nprocesses:\n  - {name: p, do: [sleep]}\nexpect:\n  why:\n"


def verdicts(text: str) -> dict[str, Expected]:
    return dict(parse.parse(SCENARIO + text, "x.yaml", "x").expect.why)


def test_forms() -> None:
    limit = Said(why.CERTAIN, ("at_limit or no_room",))
    assert verdicts("    full: at_limit or no_room\n") == {"full": Expected(limit, limit)}
    swap = "    swap: {reason: none, confidence: likely, from_log: {confidence: unknown}}\n"
    pick = "    pick: {reason: [points, agrees], facts: {points: 12, chosen.comm: h.*}, from_log: no_table}\n"
    assert verdicts(swap + pick) == {
        "swap": Expected(Said(why.LIKELY, ("none",)), Said(why.UNKNOWN, ("none",))),
        "pick": Expected(Said(why.CERTAIN, ("points", "agrees"), {"points": "12", "chosen.comm": "h.*"}),
                        Said(why.CERTAIN, ("no_table",))),
    }
    absent = verdicts("    adj: {confidence: absent}\n")
    assert absent == {"adj": Expected(Said(ABSENT), Said(ABSENT))}


def test_words_may_be_asked_for() -> None:
    limit = Said(why.CERTAIN, words="^/a")
    assert verdicts("    full: ^/a\n") == verdicts("    full: {says: ^/a}\n") == {"full": Expected(limit, limit)}
    assert verdicts("    pick: {says: x, from_log: {says: y}}\n") == {
        "pick": Expected(Said(why.CERTAIN, words="x"), Said(why.CERTAIN, words="y")),
    }


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("    fool: at_limit", 6, 5, "why: there is no finding fool; known are unprinted, "),
        ("    full: (", 6, 11, "expected a regular expression"),
        ("    full: ''", 6, 11, "expected a regular expression"),
        ("    full: {confidence: sure, says: x}", 6, 24, "expected certain, likely, unknown or absent, not 'sure'"),
        ("    full: {confidence: likely}", 6, 11, "full: reason is missing"),
        ("    full: at_limt", 6, 11, "expected what full can state (not_shown, "),
        ("    full: {reason: [at_limit, agrees]}", 6, 31, "expected what full can state"),
        ("    full: {reason: at_limit, facts: {limit_kb: (}}", 6, 48, "expected a regular expression"),
        ("    full: {says: x, from_dmesg: y}", 6, 21, "there is no from_dmesg"),
        ("    full: {says: x, from_log: {sais: y}}", 6, 32, "full: from_log: there is no sais"),
        ("    full: [x]", 6, 11, "full: expected a mapping, not a list"),
        ("    - full", 6, 5, "why: expected a mapping, not a list"),
    ],
)
def test_wrong(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        verdicts(text + "\n")
    found = [(one.line, one.column, one.message) for one in caught.value.problems]
    assert any((line, column) == one[:2] and message in one[2] for one in found), found


def live(name: str) -> list[OomEvent]:
    with open(DATA / f"{name}.oom", "rb") as stream:
        return list(capture.events(capture.load(stream)))


def problems(said: Said, id: str = "filled", names: tuple[str, ...] = ("6.1-memcg-v2",)) -> list[str]:
    events = [event for name in names for event in live(name)]
    return judge.misexplained(Expect(why={id: Expected(said, said)}), events)


def test_a_live_event_is_judged() -> None:
    assert problems(Said(why.CERTAIN, ("by",), {"filler": "anon"})) == []
    assert problems(Said("likely or certain", ("parts", "by or no_half"), {"total_kb": "4915[0-9]"})) == []
    assert problems(Said(why.CERTAIN, words="Filled by anonymous memory")) == []
    (wrong,) = problems(Said(why.CERTAIN, ("by",), {"filler": "kernel"}))
    assert wrong.startswith("explained otherwise: filled: (parts, by) Anonymous 47.9 MiB")
    assert wrong.endswith("[certain]; expected [certain] by, filler: kernel")
    assert problems(Said(why.LIKELY, ("by",)))
    assert problems(Said(why.CERTAIN, ("by", "no_half")))
    assert problems(Said(why.CERTAIN, facts={"no such fact": ".*"}))
    assert problems(Said(why.CERTAIN, words="kernel memory"))
    assert problems(Said(ABSENT))
    assert problems(Said(ABSENT), "exempt") == []
    assert problems(Said(why.CERTAIN, ("tasks",)), "exempt") == [
        "explained otherwise: exempt: no such finding; expected [certain] tasks"
    ]
    limit = Said(why.CERTAIN, ("at_limit",))
    assert judge.misexplained(Expect(why={"full": Expected(limit, limit)}), []) == ["there is no event to explain"]


def test_a_fact_of_a_process() -> None:
    assert problems(Said(why.CERTAIN, ("victim",), {"victim.comm": "hog", "victim": r"hog \(\d+\)"}), "killed") == []
    assert problems(Said(why.CERTAIN, ("victim",), {"victim.comm": "ho"}), "killed")


def test_absence_is_not_known_where_records_are_lost() -> None:
    assert judge.disagreements(Expect(events=0), [], 0) == []
    assert judge.disagreements(Expect(events=0), [], 2) == ["2 lost records may have told of an OOM"]
    assert judge.disagreements(Expect(events=1), live("6.1-memcg-v2"), 2) == []


def test_one_event_of_several_is_enough() -> None:
    names = ("6.1-memcg-v2", "7.3-memcg-v2")
    pid = live(names[1])[0].report.kills[0].pid
    assert problems(Said(why.CERTAIN, facts={"kill.pid": str(pid)}), "killed", names) == []
    assert problems(Said(why.CERTAIN, facts={"kill.pid": "9"}), "killed", names)


def of_log(said: Optional[Said], silent: bool = False, name: str = "6.1-memcg-v2") -> list[str]:
    wanted = {} if said is None else {"swap": asdict(said)}
    scenario = cells.Scenario("x", 1, {}, 1.0, wanted, silent)
    records = (DATA / f"{name}.kmsg").read_text().splitlines(keepends=True) if name else []
    return explained.problems(scenario, records)


def test_the_log_alone_is_judged() -> None:
    """What a live event knows the log does not."""
    assert problems(Said(why.CERTAIN, ("not_counted",)), "swap") == []
    (wrong,) = of_log(Said("certain", ("not_counted",)))
    assert wrong.startswith("from the log: swap: (needs_swap, used, not_shown) Anonymous and tmpfs pages")
    assert wrong.endswith("expected [certain] not_counted")
    assert of_log(Said("unknown", ("not_shown",), {"swap_kb": "0"}, "whether there is any swap")) == []
    assert of_log(Said("unknown", ("not_shown",), {"swap_kb": "1"}))
    assert of_log(Said("certain or absent", ("not_shown",)))
    assert of_log(None) == []
    assert of_log(Said("unknown"), name="") == ["from the log: there is no report to explain"]
    assert of_log(Said("unknown"), silent=True, name="") == []


def test_records_are_of_the_scenario_that_was_on() -> None:
    records = ["6,1,1,-;noise\n", "12,2,2,-;oomtrace repro: a\n", "6,3,3,-;x\n", "12,4,4,-;oomtrace repro: b\n"]
    assert kernellog.by_scenario(records) == {"": records[:1], "a": records[1:3], "b": records[3:]}


@pytest.mark.parametrize("path", sorted(cells.FOLDER.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_each_scenario_has_its_verdicts(path: Path) -> None:
    """What was full or who asked, what filled it or why nobody was killed, and in each the victim's reason."""
    expected = parse.load(path).expect.why
    assert "full" in expected
    assert {"charging", "filled"} & set(expected)
    assert {"pick", "killed", "failed"} & set(expected) or path.stem == "oom-disabled"
