"""What a reproduction expects of the explanations: live, judged by ``oomtrace repro``; of the log, by the VM tool."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Tuple

import pytest

from oomtrace import why
from oomtrace.model import OomEvent
from oomtrace.repro import judge, parse
from oomtrace.repro.reader import Invalid
from oomtrace.repro.spec import ABSENT, Expect, Said, Verdict
from oomtrace.wire import capture
from vm import cells, explained, kernellog

DATA = Path(__file__).resolve().parents[1] / "fixtures" / "data"
SCENARIO = "about: a\nprocesses:\n  - {name: p, do: [sleep]}\nexpect:\n  why:\n"


def verdicts(text: str) -> Dict[str, Verdict]:
    return dict(parse.parse(SCENARIO + text, "x.yaml", "x").expect.why)


def test_forms() -> None:
    assert verdicts("    full: ^/a\n") == {"full": Verdict(Said("^/a", why.CERTAIN), Said("^/a", why.CERTAIN))}
    swap = "    swap: {says: none, confidence: likely, from_log: {confidence: unknown}}\n"
    assert verdicts(swap + "    pick: {says: x, from_log: y}\n") == {
        "swap": Verdict(Said("none", why.LIKELY), Said("none", why.UNKNOWN)),
        "pick": Verdict(Said("x", why.CERTAIN), Said("y", why.CERTAIN)),
    }
    absent = verdicts("    adj: {confidence: absent}\n")
    assert absent == {"adj": Verdict(Said("", ABSENT), Said("", ABSENT))}


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("    fool: x", 6, 5, "why: there is no finding fool; known are unprinted, "),
        ("    full: (", 6, 11, "expected a regular expression"),
        ("    full: ''", 6, 11, "expected a regular expression"),
        ("    full: {confidence: sure, says: x}", 6, 24, "expected certain, likely, unknown or absent, not 'sure'"),
        ("    full: {confidence: likely}", 6, 11, "full: says is missing"),
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


def live(name: str) -> List[OomEvent]:
    with open(DATA / f"{name}.oom", "rb") as stream:
        return list(capture.events(capture.load(stream)))


def problems(said: Said, id: str = "filled", names: Tuple[str, ...] = ("6.1-memcg-v2",)) -> List[str]:
    events = [event for name in names for event in live(name)]
    return judge.misexplained(Expect(why={id: Verdict(said, said)}), events)


def test_a_live_event_is_judged() -> None:
    assert problems(Said("Filled by anonymous memory", why.CERTAIN)) == []
    assert problems(Said("Filled by anonymous memory", "likely or certain")) == []
    (wrong,) = problems(Said("Filled by kernel memory", why.CERTAIN))
    assert wrong.startswith("explained otherwise: filled: anonymous 47.9 MiB")
    assert wrong.endswith("[certain]; expected [certain] Filled by kernel memory")
    assert problems(Said("Filled by anonymous memory", why.LIKELY))
    assert problems(Said("", ABSENT))
    assert problems(Said("", ABSENT), "exempt") == []
    assert problems(Said("x", why.CERTAIN), "exempt") == [
        "explained otherwise: exempt: no such finding; expected [certain] x"
    ]
    assert judge.misexplained(Expect(why={"full": Verdict(Said("x", "certain"), Said("x", "certain"))}), []) == [
        "there is no event to explain"
    ]


def test_absence_is_not_known_where_records_are_lost() -> None:
    assert judge.disagreements(Expect(events=0), [], 0) == []
    assert judge.disagreements(Expect(events=0), [], 2) == ["2 lost records may have told of an OOM"]
    assert judge.disagreements(Expect(events=1), live("6.1-memcg-v2"), 2) == []


def test_one_event_of_several_is_enough() -> None:
    names = ("6.1-memcg-v2", "7.3-memcg-v2")
    pid = live(names[1])[0].report.kills[0].pid
    assert problems(Said(rf"^hog \({pid}\)", why.CERTAIN), "killed", names) == []
    assert problems(Said(r"^hog \(9\)", why.CERTAIN), "killed", names)


def of_log(said: Optional[Tuple[str, str]], silent: bool = False, name: str = "6.1-memcg-v2") -> List[str]:
    wanted = {} if said is None else {"swap": {"words": said[0], "confidence": said[1]}}
    scenario = cells.Scenario("x", 1, {}, 1.0, wanted, silent)
    records = (DATA / f"{name}.kmsg").read_text().splitlines(keepends=True) if name else []
    return explained.problems(scenario, records)


def test_the_log_alone_is_judged() -> None:
    """What a live event knows the log does not."""
    assert problems(Said("The kernel counted no swap", why.CERTAIN), "swap") == []
    (wrong,) = of_log(("The kernel counted no swap", "certain"))
    assert wrong.startswith("from the log: swap: Anonymous and tmpfs pages")
    assert of_log(("Whether there is any swap the source does not tell", "unknown")) == []
    assert of_log(("x", "certain or absent"))
    assert of_log(None) == []
    assert of_log(("x", "unknown"), name="") == ["from the log: there is no report to explain"]
    assert of_log(("x", "unknown"), silent=True, name="") == []


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
