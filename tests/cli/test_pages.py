"""README.md and docs/: what they show is what oomtrace makes, and somebody runs each of their commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oomtrace.session import verify
from tests import made, pages
from tests.live.guest import kernel_lines
from vm.bench import results

LONGEST_README = 120


@pytest.mark.parametrize("page", pages.pages(), ids=lambda page: page.name)
def test_what_a_page_shows_is_what_is_made(page: Path) -> None:
    text = page.read_text()
    for name, shown in made.parts(text):
        assert shown == made.PARTS[name](), f"{name}: make readme"
    assert text.count("<!-- ") == 2 * len(made.parts(text)), "a mark without its pair"


def test_targets_are_judged_by_what_was_measured() -> None:
    text = (pages.REPOSITORY / "BENCHMARKS.md").read_text()
    assert results.section(text) in text, "python3 -m vm.bench --only targets"


@pytest.mark.parametrize("value, limit, scatter, at_least, met", [
    (0.3, 0.3, 0.0, False, "yes"), (0.31, 0.3, 0.0, False, "**no**"), (0.31, 0.3, 0.02, False, "scatter"),
    (40, 40, 0.0, True, "yes"), (39, 40, 0.0, True, "**no**"),
])
def test_a_target_is_met(value: float, limit: float, scatter: float, at_least: bool, met: str) -> None:
    assert results.Target("", "", "", "", value, limit, scatter, at_least).met == met


def test_the_report_of_the_readme_is_the_kernels() -> None:
    theirs = [line.decode() for line in kernel_lines(made.RECORDED.with_suffix(".kmsg").read_bytes())]
    assert verify.compare(theirs, verify.report_lines(made.event())).exact


def test_the_readme_is_short() -> None:
    assert (pages.REPOSITORY / "README.md").read_text().count("\n") <= LONGEST_README


def test_every_block_of_commands_says_who_runs_it() -> None:
    for block in pages.blocks():
        where = f"{block.page}:{block.line}"
        assert block.who in pages.WHO and block.name, f"{where}: say who runs these commands (tests/pages.py)"
        if block.who == "by":
            path = pages.REPOSITORY / block.name
            assert path.is_file() and block.page in path.read_text(), f"{where}: {block.name} does not name this page"
    names = [block.name for block in pages.of("here", "guest", "guest-ooms", "vm")]
    assert len(set(names)) == len(names)


def test_links_lead_somewhere() -> None:
    for page in pages.pages():
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
            path = (page.parent / target).resolve() if target else page
            assert path.exists(), f"{page.name}: {target}"
            heads = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE) if anchor else []
            anchors = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
            assert not anchor or anchor in anchors, f"{page.name}: {target}#{anchor}"
