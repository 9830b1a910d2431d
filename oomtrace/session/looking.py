"""The life of the process that looks: it answers requests one by one, urgent ones first.

It is a process of its own, since a look may be held up: by a process that is changing its mappings, by a file system
that does not answer. The trace goes on meanwhile, and ends without it.
"""

from __future__ import annotations

import heapq
import json
import os
import select
import time
from typing import Any, Optional

from oomtrace.model import Glance, Occasion
from oomtrace.plain import to_plain
from oomtrace.session.slowness import slowness
from oomtrace.witness import Budget, Glances, Reader

WARM = "warm"

# After the first look, while the memcg stays near its limit; a minute later the bell rings again.
_GLANCES_S = (1.0, 3.0, 7.0, 15.0, 31.0)
_STAYS = 0.8  # of its limit: below that it is not near any more
_TURN = {Occasion.OOM: 0, Occasion.FIRST_CHARGE: 1, Occasion.NEAR_LIMIT: 2, Occasion.RECLAIM: 2}
_MOST_GLANCES = 256  # that are still to come
_PIECE = 1 << 16


class Looking:
    """Answers what comes through one pipe into another, until the first is closed."""

    def __init__(self, asked: int, answering: int, cmdline: bool) -> None:
        self._asked_fd = asked
        self._answering = answering
        self._cmdline = cmdline
        self._readers: Optional[tuple[Reader, Glances]] = None
        self._budget = Budget()
        self._said = b""
        self._told_ns = 0  # CPU time as of the last answer
        self._asked: list[dict[str, Any]] = []
        self._due: list[tuple[float, str, int]] = []  # glances that are to come: when, at which memcg, the how many-th

    def serve(self) -> None:
        """Look until the trace has ended."""
        while self._listen():
            if self._asked:
                self._asked.sort(key=lambda request: _TURN[Occasion(request["occasion"])])
                self._look(self._asked.pop(0))
            elif self._due and self._due[0][0] <= time.monotonic():
                self._glance()

    def _listen(self) -> bool:
        """Take what has been asked; wait for something unless there is something to do. False: nobody asks any more."""
        left_s = None if not self._due else max(0.0, self._due[0][0] - time.monotonic())
        poll = select.poll()
        poll.register(self._asked_fd, select.POLLIN)
        if not poll.poll(0 if self._asked else None if left_s is None else left_s * 1000 + 1):
            return True
        data = os.read(self._asked_fd, _PIECE)
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request == WARM:
                self._ready()
            else:
                self._asked.append(request)
        return bool(data)

    def _ready(self) -> tuple[Reader, Glances]:
        if self._readers is None:
            self._readers = Reader(cmdline=self._cmdline), Glances()
            slower, usual = slowness(), Budget()
            self._budget = Budget(int(usual.cpu_ns * slower), usual.bytes)
            self._answer({"number": None, "look": None, "glance": None, "slower": slower})
        return self._readers

    def _look(self, request: dict[str, Any]) -> None:
        (reader, glances), memcg, occasion = self._ready(), request["memcg"], Occasion(request["occasion"])
        if occasion is Occasion.FIRST_CHARGE:
            found = reader.container(memcg, request["pids"], self._budget)
            self._answer({"number": request["number"], "look": to_plain(found), "glance": None})
            return
        look = None
        if not request["glance"]:
            look = to_plain(reader.look(memcg, request["pids"], self._budget, occasion))
        self._answer({"number": request["number"], "look": look, "glance": to_plain(glances.at(memcg))})
        if occasion is Occasion.NEAR_LIMIT and look is not None and not request["again"]:
            self._plan(memcg, 0)

    def _plan(self, memcg: str, number: int) -> None:
        if number < len(_GLANCES_S) and len(self._due) < _MOST_GLANCES:
            gap = _GLANCES_S[number] - (_GLANCES_S[number - 1] if number else 0.0)
            heapq.heappush(self._due, (time.monotonic() + gap, memcg, number))

    def _glance(self) -> None:
        _, memcg, number = heapq.heappop(self._due)
        seen = self._ready()[1].at(memcg)
        if _is_near(seen):
            self._answer({"number": None, "look": None, "glance": to_plain(seen)})
            self._plan(memcg, number + 1)

    def _answer(self, value: dict[str, Any]) -> None:
        before_ns, self._told_ns = self._told_ns, time.thread_time_ns()
        value["cpu_ns"] = self._told_ns - before_ns
        data = memoryview(json.dumps(value, separators=(",", ":")).encode() + b"\n")
        while data:
            data = data[os.write(self._answering, data):]


def _is_near(seen: Glance) -> bool:
    return seen.usage_kb is not None and seen.limit_kb is not None and seen.usage_kb >= seen.limit_kb * _STAYS
