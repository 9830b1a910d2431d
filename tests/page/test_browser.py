"""Pages as a browser shows them: nothing overflows, everything works, nothing is loaded, everybody can read them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oomtrace.model import OomEvent
from tests.page import axe, browser, scenes
from tests.page.browser import Browser

pytestmark = [
    pytest.mark.first,
    pytest.mark.browser,
    pytest.mark.skipif(browser.missing() is not None, reason=f"{browser.missing()} is not installed: make browser"),
]

# What is wider than the window, and not within something that scrolls by itself.
OVERFLOW = """
const wide = [...document.body.querySelectorAll("*")].filter((e) => !e.closest(".scroll, pre, [hidden], svg") &&
  e.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(e).display !== "none");
return [document.documentElement.scrollWidth > innerWidth, wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 120))];
"""
# Texts that lie upon each other.
OVERLAP = """
const boxes = [...document.querySelectorAll(".line > *, .badges li, .numbers li, h2, .moments li, .tools > *")]
  .map((e) => [e, e.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
const on = [];
for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
  const [a, x] = boxes[i], [b, y] = boxes[j];
  if (a.contains(b) || b.contains(a)) continue;
  if (x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 1 && y.top < x.bottom - 1)
    on.push(a.textContent.slice(0, 40) + " / " + b.textContent.slice(0, 40));
}
return on.slice(0, 3);
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser() as found:
        yield found


def events() -> dict[str, list[OomEvent]]:
    """By name: each scene alone, and logs of many."""
    found = {name: [scenes.captured(name)] for name in scenes.CAPTURES}
    found.update(code=[scenes.coded()], deep=[scenes.deep()])
    found.update(cut=[scenes.cut()], busy=[scenes.busy()], hostile=[scenes.hostile()])
    found["many"] = [*(scenes.captured(name) for name in sorted(scenes.CAPTURES)), scenes.hostile()]
    found["killings"] = scenes.logged(scenes.killings(200))
    return found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, found in events().items():
        made[name] = folder / f"{name}.html"
        made[name].write_text(scenes.page(*found))
    return made


@pytest.mark.parametrize("width", [320, pytest.param(800, marks=pytest.mark.long), 1400])
def test_nothing_overflows_or_lies_upon_another(chromium: Browser, pages: dict[str, Path], width: int) -> None:
    wrong = {}
    for name, page in pages.items():
        for anchor in ("", "#event-1") if name in ("many", "killings") else ("",):
            chromium.look(width)
            chromium.open(page, anchor)
            chromium.wait("for (const d of document.querySelectorAll('details')) d.open = true;"
                          "await new Promise((done) => setTimeout(done, 60));")
            overflow, overlap = chromium.run(OVERFLOW), chromium.run(OVERLAP)
            if overflow != [False, []] or overlap:
                wrong[name + anchor] = (overflow, overlap)
    assert not wrong


def test_no_request_leaves_and_nothing_is_refused(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look()
    for name, page in pages.items():
        chromium.requests(), chromium.complaints()
        chromium.open(page, "#event-1" if name in ("many", "killings") else "")
        chromium.wait("await new Promise((done) => setTimeout(done, 60));")
        asked = [address for address in chromium.requests() if not address.startswith(("data:", "about:"))]
        assert [address.partition("#")[0] for address in asked] == [page.as_uri()]
        assert chromium.complaints() == []


def test_the_policy_lets_no_script_of_others_run(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["hostile"])
    chromium.run("const s = document.createElement('script'); s.textContent = 'window.hit = 1';"
                 "document.body.append(s); document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=hit=1>')")
    assert chromium.run("return window.hit === undefined && document.querySelectorAll('h1 script').length === 0")
    assert any("Content Security Policy" in said for said in chromium.complaints())


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation(chromium: Browser, pages: dict[str, Path], dark: bool) -> None:
    try:
        script = axe.script()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"axe-core cannot be had: {error}")
    found = {}
    chromium.look(dark=dark)
    for name in ("demo", "two-nodes", "many", "code") + (() if dark else ("container", "cut", "killings")):
        for anchor in ("", "#event-1") if name == "many" else ("",):
            chromium.open(pages[name], anchor)
            chromium.run("for (const d of document.querySelectorAll('details')) d.open = true")
            chromium.run(script)
            # In the dark only colours differ.
            rules = "{runOnly: ['color-contrast']}" if dark else ""
            violations = chromium.wait(f"return (await axe.run({rules})).violations.map((v) => "
                                       "[v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))])")
            if violations:
                found[name + anchor] = violations
    assert not found


def test_tasks_are_sorted_filtered_and_grouped(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look()
    chromium.open(pages["busy"])
    assert chromium.run("return document.querySelectorAll('#table-tasks tbody tr').length") == 100
    chromium.wait("document.querySelector('#tasks').open = true; await new Promise((done) => setTimeout(done, 300));")
    said = "return document.querySelector('#tasks output').textContent"
    assert chromium.run(said) == "1000 rows"
    column = ("return [...document.querySelectorAll('#table-tasks tbody tr')].slice(0, 5)"
              ".map((row) => row.cells[arguments[0]].textContent)")
    press = ("[...document.querySelectorAll('#table-tasks th button')].find((b) => b.textContent === '{}').click();"
             "await new Promise((done) => setTimeout(done, 50));")
    chromium.wait(press.format("pid"))
    assert chromium.run(column, 0) == ["1994", "1993", "1992", "1991", "1990"]
    chromium.wait(press.format("pid"))
    assert chromium.run(column, 0) == ["154", "155", "156", "157", "158"]
    assert chromium.run("return document.querySelector('#table-tasks th').getAttribute('aria-sort')") == "ascending"
    enter = ("const box = document.querySelector('#tasks input[type={}]'); {}; box.dispatchEvent(new Event('input'));"
             "await new Promise((done) => setTimeout(done, 50));")
    chromium.wait(enter.format("search", "box.value = 'HOG'"))
    assert (chromium.run(said), chromium.run(column, 1)) == ("1 of 1000 rows", ["hog"])
    chromium.wait(enter.format("search", "box.value = ''"))
    chromium.wait(enter.format("checkbox", "box.checked = true"))
    assert chromium.run(said) == "1000 rows, 11 names", "six names, and five of the recorded OOM"
    assert any(name.startswith("postgres × 1") for name in chromium.run(
        "return [...document.querySelectorAll('#table-tasks tbody td:nth-child(2)')].map((cell) => cell.textContent)"))


def test_ten_thousand_tasks_stay_fluid(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(scenes.page(scenes.busy(10_000)))
    chromium.open(page)
    spent = chromium.wait("""
        document.querySelector('#tasks').open = true;
        await new Promise((done) => setTimeout(done, 500));
        const start = performance.now();
        document.querySelector('#table-tasks th button').click();
        await new Promise((done) => setTimeout(done));
        await new Promise(requestAnimationFrame);
        return performance.now() - start;""")
    assert spent < 1000
    assert chromium.run("return document.querySelectorAll('#table-tasks tbody tr').length") < 1000


def test_a_fact_leads_to_its_line(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["demo"])
    chromium.run("for (const d of document.querySelectorAll('.evidence')) d.open = true;"
                 "[...document.querySelectorAll('.evidence a')].find((a) => a.textContent === 'memory.failcnt')"
                 ".click()")
    chromium.wait("await new Promise((done) => setTimeout(done, 60));")
    assert chromium.run("return document.querySelector('#report').open")
    assert "failcnt 81" in chromium.run("return document.querySelector(':target').textContent")


def test_the_flame_graph_is_zoomed_searched_and_goes_by_keys(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look()
    chromium.open(pages["code"])
    shown = ("return [...document.querySelectorAll('svg.flame svg')].filter((f) => f.style.display !== 'none')"
             ".map((f) => f.querySelector('title').textContent.split(':')[0])")
    said = "return document.querySelector('#code output').textContent"
    everything = chromium.run(shown)
    assert len(everything) == 17 and everything[:3] == ["all", "catalog (158)", "__libc_start_main"]
    chromium.run("[...document.querySelectorAll('svg.flame svg')].find((f) => f.textContent.includes('load_catalog'))"
                 ".dispatchEvent(new Event('click'))")
    assert chromium.run(shown) == ["all", "catalog (158)", "__libc_start_main", "main", "load_catalog", "parse_row"]
    widths = "return [...document.querySelectorAll('svg.flame svg')].slice(0, 6).map((f) => f.getAttribute('width'))"
    assert chromium.run(widths) == ["100%"] * 6
    assert chromium.run(said).startswith("load_catalog: 36.0 MiB")
    chromium.run("document.querySelector('#code .reset').click()")
    assert chromium.run(shown) == everything
    chromium.run("const s = document.querySelector('#code select'); s.value = 'python3 (170)';"
                 "s.dispatchEvent(new Event('change'))")
    assert chromium.run(shown)[:2] == ["all", "python3 (170)"]
    chromium.run("document.querySelector('#code .reset').click();"
                 "const s = document.querySelector('#code input'); s.value = 'MEMSET';"
                 "s.dispatchEvent(new Event('input'))")
    assert chromium.run(said) == "32.8 % found"
    assert chromium.run("return document.querySelectorAll('svg.flame .found').length") == 2
    for key in ("Escape", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        chromium.run("(document.activeElement.closest('svg.flame svg') ?? document.querySelector('svg.flame svg'))"
                     f".dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))")
    assert chromium.run("return document.activeElement.getAttribute('aria-label')").startswith("make_cache: 8.0 MiB")
    assert chromium.run(shown)[-2:] == ["make_cache", "memset"]
    chromium.run("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))")
    assert chromium.run(shown) == everything


def test_the_timeline_is_zoomed_and_filters_the_events(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look()
    chromium.open(pages["killings"])
    press = "document.querySelector('#timeline .{}').click(); await new Promise((done) => setTimeout(done, 60));"
    rows = "return document.querySelector('#events output').textContent"
    chromium.wait(press.format("in"))
    zoomed = chromium.run(rows)
    assert zoomed.endswith("of 200 rows") and 60 < int(zoomed.split()[0]) < 140
    chromium.wait(press.format("reset"))
    assert chromium.run(rows) == "200 rows"
    box = chromium.run("const b = document.querySelector('svg.lane').getBoundingClientRect();"
                       "return [b.left, b.top, b.width]")
    for kind, part in (("Pressed", 0.25), ("Moved", 0.4), ("Released", 0.5)):
        chromium.command("Input.dispatchMouseEvent", type=f"mouse{kind}", x=box[0] + box[2] * part, y=box[1] + 2,
                         button="left", buttons=1, clickCount=1)
    chromium.wait("await new Promise((done) => setTimeout(done, 60));")
    dragged = chromium.run(rows)
    assert dragged.endswith("of 200 rows") and 30 < int(dragged.split()[0]) < 70


def test_an_event_is_opened_and_left(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages["many"])
    chromium.run("document.querySelector('#table-events tbody a').click()")
    chromium.wait("await new Promise((done) => setTimeout(done, 200));")
    assert chromium.run("return [document.querySelector('#all').hidden, document.querySelector('#opened h1') !== null]"
                        ) == [True, True]
    chromium.run("document.querySelector('nav a').click()")
    chromium.wait("await new Promise((done) => setTimeout(done, 60));")
    assert chromium.run("return [document.querySelector('#all').hidden, document.querySelector('#opened').hidden]"
                        ) == [False, True]


def test_a_thousand_events_are_there_at_once(chromium: Browser, tmp_path: Path) -> None:
    names = ("demo", "tmpfs", "container", "two-nodes")
    page = tmp_path / "page.html"
    page.write_text(scenes.repeated([scenes.captured(name) for name in names], 250))
    assert page.stat().st_size <= 25 << 20
    chromium.command("Performance.enable", timeDomain="threadTicks")
    chromium.driver.get("about:blank")
    start = time.monotonic()
    chromium.driver.get(page.as_uri())
    ready = chromium.run("return performance.getEntriesByType('navigation')[0].domInteractive")
    assert chromium.run("return document.querySelectorAll('#table-events tbody tr').length") == 1000
    print(f"interactive after {ready:.0f} ms, loaded after {time.monotonic() - start:.2f} s, {page.stat().st_size} B")
    spent = {each["name"]: each["value"] for each in chromium.command("Performance.getMetrics")["metrics"]}
    chromium.command("Performance.disable")
    # Of CPU; it passes in 1 s on an idle machine, and in six where four other programs work.
    assert spent["TaskDuration"] <= 2, f"{spent['TaskDuration']:.2f} s"
    opened = chromium.wait("const start = performance.now(); location.hash = 'event-777';"
                           "while (!document.querySelector('#opened h1')) await new Promise(requestAnimationFrame);"
                           "return performance.now() - start;")
    assert opened < 1000
