"""From which size of all memory on the kernel's choice follows, where the size is not in the source."""

from __future__ import annotations

from typing import Optional

import pytest
from why_events import fact, memcg2, reasons, task

from oomtrace.model import OomEvent, Task
from oomtrace.why import badness
from tests.events import changed


def without_limit(*rows: Task) -> OomEvent:
    return changed(memcg2(rows), memcg=None)


@pytest.mark.parametrize("rows, least", [
    ((task(10, "db", 103830, -998), task(11, "hog", 7857, 900)), 51000),
    ((task(10, "db", 50000), task(11, "hog", 1000, 500), task(12, "other", 90000, 100)), 223000),
    ((task(10, "db", 50000), task(11, "hog", 1000, -500)), None),  # never
    ((task(10, "db", 50000, 500), task(11, "hog", 1000, 500)), None),
])
def test_the_least_size_with_which_it_is_first(rows: tuple[Task, ...], least: Optional[int]) -> None:
    event = without_limit(*rows)
    assert "limit_unknown" in reasons(event, "pick")
    assert ("most_from" in reasons(event, "pick")) == (least is not None)
    if least is None:
        return
    assert fact(event, "pick", "first_from_pages") == least
    for total, first in ((least, True), (least - 1, False)):
        points = {row.pid: badness.points(row.rss_pages or 0, row.oom_score_adj or 0, total) for row in rows}
        assert (max(points, key=lambda pid: points[pid]) == 11) is first
