"""pprof: what Go's pprof and its kin read, a gzipped profile.proto of all OOMs.

The format is that of google/pprof's proto/profile.proto. A message is fields; each is a key (number and type) and a
number, or bytes with their length before them. That is all that is needed here, and less than a library for it.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Optional

from oomtrace import why
from oomtrace.errors import EXIT_USAGE, OomtraceError
from oomtrace.escape import escaped
from oomtrace.model import Code, CodeFrame, OomEvent

from .base import Writer
from .folded import NOTHING, without_stack

# profile.proto: numbers of the fields that are written.
_SAMPLE_TYPE, _SAMPLE, _MAPPING, _LOCATION, _FUNCTION, _STRINGS = 1, 2, 3, 4, 5, 6
_DURATION_NS, _PERIOD_TYPE, _PERIOD = 10, 11, 12


class PprofWriter(Writer):
    """One profile of all events, written at the end."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        if self.terminal:
            raise OomtraceError("a profile for pprof is no text", "write it to a file: --format pprof >oom.pb.gz",
                                EXIT_USAGE)
        self._profile = Profile()

    def write_event(self, event: OomEvent) -> None:
        if event.code is not None:
            self._profile.add(event.code)

    def write_end(self, pattern: Optional[why.Pattern]) -> None:
        if self.count and not self._profile.samples:
            raise NOTHING
        self.put_bytes(self._profile.packed())


class Profile:
    """A profile in the making."""

    def __init__(self) -> None:
        self.samples = 0
        self._strings: dict[str, int] = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[CodeFrame, int] = {}
        self._mappings: dict[tuple[str, str], int] = {}
        self._out = bytearray()
        self._window_ns = self._sample_bytes = 0
        for kind, unit in (("samples", "count"), ("charged", "bytes")):  # pprof shows the last of them
            self._put(_SAMPLE_TYPE, self._kind(kind, unit))

    def add(self, code: Code) -> None:
        """The samples of one OOM."""
        self._window_ns += code.window_ns or 0
        self._sample_bytes = self._sample_bytes or code.sample_bytes or 0
        for sample in code.samples:
            frames = list(code.walk(sample.stack)) or [CodeFrame(without_stack(sample))]
            labels = [
                self._label("process", f"{sample.comm} ({sample.tgid})"), self._number("pid", sample.tgid),
                self._number("thread", sample.pid),
            ]
            if sample.memcg is not None:
                labels.append(self._label("memcg", sample.memcg))
            if sample.kind is not None:
                labels.append(self._label("kind", sample.kind))
            self.samples += 1
            self._put(_SAMPLE, b"".join((
                _packed(1, [self._location(frame) for frame in frames]),
                _packed(2, [sample.samples, sample.charged_bytes]),
                *(_bytes(3, label) for label in labels),
            )))

    def packed(self) -> bytes:
        """The whole, gzipped. The same events give the same bytes."""
        for (path, build_id), index in self._mappings.items():
            self._put(_MAPPING, _int(1, index) + _int(5, self._string(path)) + _int(6, self._string(build_id))
                      + _int(7, 1))  # its functions are named already
        for frame, index in self._locations.items():
            line = _int(1, self._function(frame)) + _int(2, frame.line or 0)
            module = self._mapping(frame)
            self._put(_LOCATION, _int(1, index) + _int(2, module) + _int(3, frame.offset or 0) + _bytes(4, line))
        for (name, file), index in self._functions.items():
            known = self._string(name)
            self._put(_FUNCTION, _int(1, index) + _int(2, known) + _int(3, known) + _int(4, self._string(file)))
        out = bytes(self._out) + b"".join((
            _int(_DURATION_NS, self._window_ns), _bytes(_PERIOD_TYPE, self._kind("charged", "bytes")),
            _int(_PERIOD, self._sample_bytes), *(_bytes(_STRINGS, text.encode()) for text in self._strings),
        ))
        return gzip.compress(out, mtime=0)

    def _put(self, field: int, message: bytes) -> None:
        self._out += _bytes(field, message)

    def _string(self, text: str) -> int:
        return self._strings.setdefault(escaped(text), len(self._strings))

    def _kind(self, kind: str, unit: str) -> bytes:
        return _int(1, self._string(kind)) + _int(2, self._string(unit))

    def _label(self, key: str, text: str) -> bytes:
        return _int(1, self._string(key)) + _int(2, self._string(text))

    def _number(self, key: str, number: int) -> bytes:
        return _int(1, self._string(key)) + _int(3, number)

    def _location(self, frame: CodeFrame) -> int:
        self._mapping(frame)
        self._function(frame)
        return self._locations.setdefault(frame, len(self._locations) + 1)

    def _function(self, frame: CodeFrame) -> int:
        return self._functions.setdefault((frame.name, frame.source or ""), len(self._functions) + 1)

    def _mapping(self, frame: CodeFrame) -> int:
        if frame.module is None:
            return 0
        return self._mappings.setdefault((frame.module, frame.build_id or ""), len(self._mappings) + 1)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _int(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number & 0xFFFFFFFFFFFFFFFF)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _packed(field: int, numbers: Iterable[int]) -> bytes:
    return _bytes(field, b"".join(map(_varint, numbers)))
