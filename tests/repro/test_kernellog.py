"""Cutting the kernel's log into reports, and comparing them with ours."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from vm import cells, compare, fidelity, kernellog, scenario
from vm.cells import Cell
from vm.compare import Tally
from vm.kernellog import Report

REPORT = [
    "hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
    "memory: usage 100kB, limit 100kB, failcnt 5",
    "Tasks state (memory values in pages):",
    "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
    "[    151]     0   151     4567     1234    61440        0             0 hog",
    "oom-kill:constraint=CONSTRAINT_MEMCG,task=hog,pid=151,uid=0",
    "Memory cgroup out of memory: Killed process 151 (hog) total-vm:1kB, anon-rss:2kB",
]


def records(*texts: str) -> list[str]:
    return [f"6,{number},{number * 1000},-;{text}\n" for number, text in enumerate(texts)]


def test_records_are_unescaped() -> None:
    raw = ["6,1,2,-;Memory cgroup stats:\\x0aanon 1\\x0afile 2\n SUBSYSTEM=x\n"]
    raw += ["6,2,3,-,caller=T1;caf\\xc3\\xa9 \\x5c\n"]
    assert list(kernellog.texts(raw)) == ["Memory cgroup stats:", "anon 1", "file 2", "café \\"]


def test_one_report_in_its_scenario() -> None:
    (report,) = kernellog.reports(records("noise", "oomtrace repro: anon", *REPORT, "noise"))
    assert (report.scenario, report.lines, report.key) == ("anon", REPORT, "killed 151")
    assert report.printed and report.has_table and report.is_memcg


def test_rate_limited_kill_and_what_tells_of_it() -> None:
    kill = "Memory cgroup out of memory: Killed process 7 (x) total-vm:1kB"
    suppressed = "oom_kill_process: 1 callbacks suppressed"
    silent, loud = kernellog.reports(records(kill, suppressed, *REPORT))
    assert not silent.printed and silent.lines == [kill]
    assert loud.lines == [suppressed, *REPORT]


def test_group_and_reaper_belong_to_their_kill() -> None:
    group = "Tasks in /grp are going to be killed due to memory.oom.group set"
    others = [f"Memory cgroup out of memory: Killed process {pid} (x)" for pid in (151, 9)]
    reaper = "oom_reaper: reaped process 9 (b), now anon-rss:0kB"
    other = ["Memory cgroup out of memory: Killed process 11 (c)"]
    log = records(*REPORT, group, *others, "x invoked oom-killer: y", *other, reaper)
    first, second = kernellog.reports(log)
    assert first.lines == [*REPORT, group, *others, reaper]
    assert second.lines == ["x invoked oom-killer: y", *other]


def test_kills_without_group_are_two() -> None:
    kills = ["Out of memory: Killed process 1 (a)", "Out of memory: Killed process 2 (b)"]
    assert [report.lines for report in kernellog.reports(records(*kills))] == [[kill] for kill in kills]


def test_no_victim() -> None:
    (report,) = kernellog.reports(records(REPORT[0], kernellog.NO_VICTIM, "noise"))
    assert report.lines == [REPORT[0], kernellog.NO_VICTIM] and report.key == REPORT[0]


def test_sysrq_is_told_of_before() -> None:
    said = "sysrq: Manual OOM execution"
    (report,) = kernellog.reports(records(said, "noise", *REPORT))
    assert report.lines == [said, *REPORT]


def test_identical() -> None:
    tally = compare.compare(Report("s", REPORT), REPORT)
    assert (tally.lines, tally.identical, tally.differing, tally.structural) == (7, 7, [], [])


def test_other_number_is_named() -> None:
    ours = [line.replace("failcnt 5", "failcnt 6") for line in REPORT]
    tally = compare.compare(Report("s", REPORT), ours)
    assert tally.identical == 6 and [one.by for one in tally.differing] == ["failcnt 5 → 6"]


def test_other_word_line_order_and_blank_are_structural() -> None:
    for ours in (
        [line.replace("(GFP_KERNEL)", "(GFP_NOFS)") for line in REPORT],
        REPORT[:2] + REPORT[3:],
        [*REPORT, "one more"],
        [REPORT[1], REPORT[0], *REPORT[2:]],
        [line.replace("   uid", "  uid") for line in REPORT],
    ):
        assert compare.compare(Report("s", REPORT), ours).structural


def test_suppressed_lines_may_be_ours_alone() -> None:
    tally = compare.compare(Report("s", REPORT[-1:], printed=False), REPORT)
    assert (tally.identical, tally.ours_alone, tally.structural) == (1, 6, [])
    without_table = [*REPORT[:2], *REPORT[5:]]
    tally = compare.compare(Report("s", without_table), REPORT)
    assert (tally.identical, tally.ours_alone, tally.structural) == (4, 3, [])
    assert compare.compare(Report("s", without_table), [*REPORT, "one more"]).structural


def event(lines: list[str], printed: bool = True) -> "dict[str, object]":
    text = "".join(f"[   12.345678] {line}\n" for line in lines)
    return {"text": text, "printed": printed, "records_lost": 0, "missing": []}


def test_what_a_kernel_hides_is_no_problem_where_it_prints_nothing() -> None:
    lacks = {"missing": ["memory cgroup statistics"]}
    for kernel, printed, problems in (("6.1-arm64", False, 0), ("6.1-arm64", True, 1), ("6.12-arm64", False, 1)):
        cell = Cell("exiting", 11, kernel, 2)
        happened = {**event(REPORT, printed=printed), **lacks}
        reports = [Report("exiting", REPORT)] if printed else []
        cells.judge(cell, {"outcome": "expected", "problems": [], "events": [happened]}, reports)
        assert len(cell.problems) == problems, cell.problems
        assert ("CONFIG_KALLSYMS_ALL=n" in fidelity.document([cell])) == (kernel == "6.1-arm64")


def test_judged_event_by_event() -> None:
    other = [line.replace("151", "152") for line in REPORT]
    cell = Cell("s", 1, "6.1", 2)
    result = {"outcome": "expected", "problems": [], "events": [event(other), event(REPORT)]}
    cells.judge(cell, result, [Report("s", REPORT), Report("s", other)])
    assert cell.perfect and cell.memcg.identical == 14


def test_report_without_event_and_event_without_report() -> None:
    other = [line.replace("151", "152") for line in REPORT]
    cell = Cell("s", 1, "6.1", 2)
    cells.judge(cell, {"outcome": "expected", "problems": [], "events": [event(other)]}, [Report("s", REPORT)])
    assert cell.memcg.structural == [f"no event of ours for: {REPORT[0]}"]
    assert cell.problems == ["said to be printed, and not in the kernel's log: killed 152"]
    silent = Cell("s", 1, "6.1", 2)
    cells.judge(silent, {"outcome": "expected", "problems": [], "events": [event(other, printed=False)]}, [])
    assert silent.perfect


def test_no_result_is_lost() -> None:
    cell = Cell("s", 1, "6.1", 2)
    cells.judge(cell, None, [])
    assert cell.state == "lost" and not cell.perfect


def test_every_kernel_has_its_cells_or_a_reason() -> None:
    (one,) = cells.load(["anon"])
    found = {(cell.kernel, cell.cgroup): cell for _, cell in cells.of([one], ["6.1", "6.12"])}
    assert found["6.1", 1].state == "run"
    assert found["6.12", 1].state == "impossible" and found["6.12", 1].reason


def test_document_of_two_architectures() -> None:
    cells_of = [Cell("anon", 1, name, 2, reports=1, memcg=Tally(lines=n, identical=n))
                for n, name in ((7, "6.1"), (8, "6.12-16k-arm64"), (9, "6.1-arm64"))]
    text = fidelity.document(cells_of)
    order = ("## On x86_64", "| 7/7 |", "## On aarch64", "| 9/9 | 8/8 |")
    assert sorted(order, key=text.index) == list(order)
    assert "| scenario | 6.1 v2 | 6.12-16k v2 |" in text and "- 6.12-16k-arm64: " in text


def test_what_a_guest_sends() -> None:
    sent = b'{"programs": "shipped"}\n{"note": "n"}\n{"programs": "shipped"}\n{"kmsg": "r"}\n{"result": {"scen'
    assert scenario.read_lines(sent) == ({}, ["r"], ["n"], "shipped")


def test_document() -> None:
    good = Cell("anon", 1, "6.1", 2, reports=1, memcg=Tally(lines=7, identical=7), programs="shipped")
    none = Cell("anon", 1, "6.12", 1, state="impossible", reason="no v1")
    bad = Cell("global", 7, "6.1", 2, other=Tally(lines=9, identical=8, structural=["not in ours: x"]))
    text = fidelity.document([bad, none, good])
    assert "| 1 | anon | 7/7 |" in text and "**8/9**" in text and "- `not in ours: x`" in text
    kernels = [line for line in text.splitlines() if line.startswith("- 6.")]
    assert kernels[0].endswith(", shipped and unknown programs") and "programs" not in kernels[1]
    assert text.splitlines()[-1] == (
        "memcg: 7 of 7 lines identical; global: 8 of 9; structural differences: 1"
    )


def test_what_was_not_run_is_said() -> None:
    good = Cell("anon", 1, "6.1", 2, reports=1, memcg=Tally(lines=7, identical=7))
    everything = [Cell("anon", 1, "6.1", 2), Cell("anon", 1, "6.1", 1), Cell("swap", 1, "6.1", 2)]
    gone = Cell("anon", 1, "6.12", 1, state="impossible", reason="no v1")
    found = fidelity.with_not_run([good], [*everything, gone])
    assert [cell.state for cell in found] == ["run", "not run", "impossible", "not run"] and not found[1].perfect
    text = fidelity.document(found)
    assert "| scenario | 6.1 v2 | 6.1 v1 |\n" in text and "| 1 | anon | 7/7 | *not run* |" in text
    assert "## What was not run\n\n- 6.1 v1: everything\n- 6.1 v2: swap\n" in text
    assert "- 6.12 v1: no v1: everything\n" in text
    assert "## What is not perfect\n\nNothing." in text


def test_a_matrix_is_resumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run_cells(pairs: list[tuple[object, Cell]], ended: Callable[[list[Cell]], None]) -> None:
        ran.extend(cell.scenario for _, cell in pairs)
        ended([cell for _, cell in pairs])

    ran: list[str] = []
    monkeypatch.setattr(scenario, "run_cells", run_cells)
    had = [Cell("anon", 1, "6.1", 2), Cell("swap", 1, "6.1", 2, state="lost", reason="the VM was lost")]
    which = cells.Scenario("any", 1, {}, 1.0)
    everything = [(which, Cell(name, 1, "6.1", 2)) for name in ("anon", "swap", "thp")]
    found = fidelity.run(everything, had, tmp_path / "kept.json")
    assert ran == ["swap", "thp"] and [cell.state for cell in found] == ["run"] * 3
    assert cells.read(tmp_path / "kept.json") == found


def test_what_was_run_earlier_is_marked() -> None:
    old = Cell("anon", 1, "6.1", 2, reports=1, memcg=Tally(lines=7, identical=7), day="2026-11-27")
    new = Cell("anon", 1, "6.1", 1, reports=1, memcg=Tally(lines=8, identical=8), day="2026-11-29", programs="shipped")
    text = fidelity.document([old, new])
    assert "| 1 | anon | 7/7 † | 8/8 |" in text and "programs of that day: 2026-11-27." in text
    assert "on 2026-11-29." in text and "shipped and unknown" not in text and "†" not in fidelity.document([old])
