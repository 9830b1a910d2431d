"""What a page is made of: text stays text, every link has its target, what is not known is not drawn."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Optional

import pytest

from oomtrace.model import OomEvent
from tests.events import changed, made
from tests.page import scenes
from tests.page.scenes import BEYOND, HOSTILE, captured, logged, page


class Reading(HTMLParser):
    """A page as a browser takes it: elements, ids, links, words."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Optional[str]]]] = []
        self.words: list[str] = []
        self._raw = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if not self._raw:
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def values(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.tags if name in attributes]


def shown_by_docs() -> str:
    """The command of docs/page.md that gets the JSON out of a page."""
    text = (scenes.TESTS.parent / "docs" / "page.md").read_text()
    return text.split("```sh by tests/page/test_page.py\n")[1].split("```")[0]


def data(source: str) -> dict[str, object]:
    packed = re.search(r"data:application/gzip;base64,([A-Za-z0-9+/=]+)", source)
    assert packed is not None
    found: dict[str, object] = json.loads(gzip.decompress(base64.b64decode(packed.group(1))))
    return found


@pytest.mark.parametrize("name", sorted(scenes.CAPTURES))
def test_links_lead_somewhere_and_facts_have_links(name: str) -> None:
    reading = Reading(page(captured(name)))
    ids = reading.values("id")
    assert len(ids) == len(set(ids))
    inside = [link[1:] for link in reading.values("href") if link.startswith("#")]
    assert not set(inside) - set(ids)
    facts = page(captured(name)).count("<b>")
    assert len(inside) >= 0.9 * facts > 20


def test_a_fact_links_to_the_line_where_it_stands() -> None:
    source = page(captured("demo"))
    (line,) = re.findall(r'<a href="#(L\d+)">memory.failcnt</a> <b>81</b>', source)
    assert f'<span id="{line}">' in source
    shown = re.search(rf'<span id="{line}">(.*?)</span>', source)
    assert shown is not None and "memory: usage 49152kB, limit 49152kB, failcnt 81" in shown.group(1)


def test_markup_in_names_stays_text() -> None:
    source = page(scenes.hostile())
    reading = Reading(source)
    assert [tag for tag, _ in reading.tags].count("script") == 2, "the page's, and the flame graph's"
    assert not [name for name in reading.values("onerror") + reading.values("style")]
    assert reading.text.count(HOSTILE) > 10 and source.count(HOSTILE) == 0
    for hidden in "\u202e\x1b\udcff":
        assert hidden not in source
    assert "</pre>\\u202e\\x1b[2J\\xff&amp;" in reading.text
    names = json.dumps(data(source))
    assert HOSTILE in names and json.dumps(BEYOND.replace("\udcff", "\\xff"))[1:-1] in names


def test_markup_stays_text_among_many() -> None:
    source = page(scenes.hostile(), *logged(scenes.killings(5)))
    reading = Reading(source)
    assert [(tag, attributes.get("class")) for tag, attributes in reading.tags if tag == "script"] == [
        ("script", None)] * 3 + [("script", "packed")] * 6
    assert HOSTILE in reading.text and 'a<b "' in reading.text and HOSTILE not in source
    packed = re.findall(r'class="packed">([^<]*)<', source)
    json_part, _, html = zlib.decompress(base64.b64decode(packed[0])).decode().partition("\n")
    assert json.loads(json_part)["event"]["report"]["kills"][0]["comm"] == HOSTILE
    assert HOSTILE not in html and "<h1>" in html


def test_nothing_is_loaded_and_the_policy_names_the_script() -> None:
    source = page(captured("demo"))
    reading = Reading(source)
    (policy,) = [str(attributes["content"]) for tag, attributes in reading.tags
                 if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "http" not in policy
    assert not reading.values("src") and all(link[:1] == "#" or link.startswith("data:")
                                             for link in reading.values("href"))


def test_what_is_not_known_is_named_and_not_drawn() -> None:
    whole, cut = Reading(page(captured("demo"))), Reading(page(scenes.cut()))
    assert {"ladder", "composition", "time", "pick", "tasks", "stat", "trace", "report"} <= set(whole.values("id"))
    assert "absent" not in whole.values("id")
    assert not {"ladder", "time", "zones"} & set(cut.values("id"))
    assert "Not in the source" in cut.text and "a log has the full one alone" in cut.text


def test_events_of_every_shape_have_a_page() -> None:
    empty = made()
    for event in (empty, changed(empty, kind="memcg"), changed(captured("two-nodes"), tasks=None, candidates=())):
        assert "<h1>" in page(event)
    assert "No OOM was found." in page()


def test_the_command_of_the_docs_gets_the_json(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(captured("demo")))
    done = subprocess.run(["sh", "-c", shown_by_docs()], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout) == data(page(captured("demo")))


def test_zones_that_the_allocation_could_use_are_told_from_the_others() -> None:
    """Of the machine all were allowed; of a log whose zones are not all there nothing is said."""
    event = captured("two-nodes")
    assert "not for this allocation" not in page(event) and "Node 1 DMA32" in page(event)
    trigger = replace(event.report.trigger, gfp_mask=0xcc1, gfp_flags="GFP_KERNEL|GFP_DMA")
    assert page(changed(event, trigger=trigger)).count("not for this allocation") == 2


def test_json_of_the_page_is_that_of_the_format() -> None:
    found = data(page(captured("tmpfs")))
    assert found["schema"] == "oomtrace/2" and set(found) == {"schema", "event", "unread", "explanation"}


BUSY_AND_DEEP = changed(scenes.busy(), code=scenes.deep(500).code)


@pytest.mark.parametrize("event, most_kb", [(captured("demo"), 60), (BUSY_AND_DEEP, 300)], ids=["plain", "busy"])
def test_size(event: OomEvent, most_kb: int) -> None:
    assert len(page(event).encode()) <= most_kb * 1024


def test_a_log_without_a_year_is_set_out_by_its_dates() -> None:
    reading = Reading(page(*logged(scenes.killings(40))))
    assert "the log names no year" in reading.text and "Jan 1 00:00:07" in reading.text
    assert len([1 for tag, _ in reading.tags if tag == "circle"]) == 80  # by place and by host
    assert reading.values("data-axis") == ["wall"]


def test_times_of_different_boots_are_not_set_out_together() -> None:
    first, second = captured("demo"), captured("two-nodes")
    events = [changed(first, boot_id="a"), changed(second, boot_id="b"), changed(first, boot_id="a")]
    assert Reading(page(*events)).values("data-axis") == ["order"]
    assert Reading(page(first, changed(first, begin_ns=(first.trace.begin_ns or 0) + 10**9))).values("data-axis") == [
        "boot"]
