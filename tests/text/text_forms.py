"""The forms in which people have kernel logs, made from /dev/kmsg records."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Callable, NamedTuple

_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


class Record(NamedTuple):
    """One printk record."""

    level: int
    time_us: int
    lines: list[str]


def records(data: bytes) -> list[Record]:
    """The records of a /dev/kmsg log."""
    found = []
    for line in data.splitlines():
        head, _, text = line.partition(b";")
        if head.count(b",") < 3:
            continue
        level, _, time, _ = head.split(b",")[:4]
        raw = _ESCAPE.sub(lambda match: bytes([int(match.group(1), 16)]), text)
        found.append(Record(int(level), int(time), raw.decode("utf-8", "surrogateescape").split("\n")))
    return found


def stamp(record: Record) -> str:
    return f"[{record.time_us // 1000000:5d}.{record.time_us % 1000000:06d}] "


def date(record: Record) -> str:
    return f"{record.time_us // 60000000 % 60:02d}:{record.time_us // 1000000 % 60:02d}"


def each(prefix: Callable[[Record], str], end: str = "\n") -> Callable[[list[Record]], str]:
    """The prefix on every line."""
    return lambda log: "".join(prefix(record) + line + end for record in log for line in record.lines)


def _indented(prefix: Callable[[Record], str]) -> Callable[[list[Record]], str]:
    """The prefix on the first line of a record, blanks on the others."""
    def form(log: list[Record]) -> str:
        text = ""
        for record in log:
            first = prefix(record)
            text += first + ("\n" + " " * len(first)).join(record.lines) + "\n"
        return text
    return form


def _json(log: list[Record]) -> str:
    return "".join(json.dumps({
        "_TRANSPORT": "kernel", "PRIORITY": str(record.level), "SYSLOG_IDENTIFIER": "kernel", "_HOSTNAME": "box",
        "_SOURCE_MONOTONIC_TIMESTAMP": str(record.time_us), "MESSAGE": "\n".join(record.lines),
    }) + "\n" for record in log)


def _docker(log: list[Record]) -> str:
    return "".join(json.dumps({"log": stamp(record) + line + "\n", "stream": "stdout", "time": "2024-01-02T03:04:05Z"})
                   + "\n" for record in log for line in record.lines)


def _export(log: list[Record]) -> str:
    return "".join(
        f"__CURSOR=s=1;i={number}\n__MONOTONIC_TIMESTAMP={record.time_us}\n_TRANSPORT=kernel\nPRIORITY={record.level}\n"
        f"SYSLOG_IDENTIFIER=kernel\n{_field(record)}\n_HOSTNAME=box\n\n"
        for number, record in enumerate(log)
    )


def _field(record: Record) -> str:
    """A message with newlines is preceded by its length in eight bytes."""
    message = "\n".join(record.lines)
    if len(record.lines) == 1:
        return "MESSAGE=" + message
    length = len(message.encode("utf-8", "surrogateescape")).to_bytes(8, "little")
    return "MESSAGE\n" + length.decode("utf-8", "surrogateescape") + message


def _octal(log: list[Record]) -> str:
    """rsyslog: control characters escaped, so that a record is one line."""
    return "".join(f"Jan  2 03:{date(record)} box kernel: " + stamp(record) + "#012".join(record.lines) + "\n"
                   for record in log)


def _mail(log: list[Record]) -> str:
    """Wrapped at blanks by a mail program."""
    text = ""
    for record in log:
        for line in record.lines:
            wrapped = textwrap.wrap(stamp(record) + line, 76, break_long_words=False, break_on_hyphens=False,
                                    drop_whitespace=True, replace_whitespace=False)
            text += "\n".join(wrapped) + "\n"
    return text


def _terminal(width: int) -> Callable[[list[Record]], str]:
    """Cut at the width of a terminal."""
    def form(log: list[Record]) -> str:
        text = ""
        for record in log:
            for line in record.lines:
                full = stamp(record) + line
                text += "".join(full[at: at + width] + "\n" for at in range(0, len(full), width))
        return text
    return form


FORMS: dict[str, Callable[[list[Record]], str]] = {
    "dmesg": _indented(stamp),
    "dmesg -p": each(stamp),
    "dmesg -T": _indented(lambda record: f"[Tue Jan  2 03:{date(record)} 2024] "),
    "dmesg -T, German": _indented(lambda record: f"[Di Jan  2 03:{date(record)} 2024] "),
    "dmesg -T, Chinese": each(lambda record: f"[二 1月  2 03:{date(record)} 2024] "),
    "dmesg -r": each(lambda record: f"<{record.level}>" + stamp(record)),
    "dmesg -x": _indented(lambda record: "kern  :warn  : " + stamp(record)),
    "dmesg -t": each(lambda record: ""),
    "dmesg --time-format iso": _indented(lambda record: f"2024-01-02T03:{date(record)},{record.time_us % 1000000:06d}"
                                         "+01:00 "),
    "dmesg, caller": each(lambda record: stamp(record)[:-1] + "[  T101] "),
    "journalctl": _indented(lambda record: f"Jan 02 03:{date(record)} box kernel: "),
    "journalctl -o short-iso": _indented(lambda record: f"2024-01-02T03:{date(record)}+0100 box kernel: "),
    "journalctl -o short-precise": _indented(lambda record: f"Jan 02 03:{date(record)}.123456 box kernel: "),
    "journalctl -o short-full": _indented(lambda record: f"Tue 2024-01-02 03:{date(record)} CET box kernel: "),
    "journalctl -o short-unix": _indented(lambda record: f"1704161045.{record.time_us % 1000000:06d} box kernel: "),
    "journalctl -o short-monotonic": _indented(lambda record: stamp(record) + "box kernel: "),
    "journalctl -o cat": each(lambda record: ""),
    "journalctl -o json": _json,
    "journalctl -o export": _export,
    "syslog": each(lambda record: f"Jan  2 03:{date(record)} box kernel: " + stamp(record)),
    "syslog, 5424": each(lambda record: f"<4>1 2024-01-02T03:{date(record)}Z box kernel - - - " + stamp(record)),
    "syslog, #012": _octal,
    "serial": lambda log: each(stamp, "\r\n")(log),
    "serial, colours": each(lambda record: "\x1b[32m" + stamp(record) + "\x1b[0m\x1b[1m", "\x1b[0m\r\n"),
    "docker": _docker,
    "cri": each(lambda record: f"2024-01-02T03:{date(record)}.123456789Z stderr F " + stamp(record)),
    "quoted": each(lambda record: "> " + stamp(record)),
    "quoted twice": each(lambda record: "> > " + stamp(record)),
    "indented": each(lambda record: "    " + stamp(record)),
    "indented, no time": each(lambda record: "    "),
    "tabbed": each(lambda record: f"\tJan  2 03:{date(record)} box kernel: "),
    "strange": each(lambda record: f"node1|kern.warn|{record.time_us}|"),
    "table": each(lambda record: f'"2024-01-02 03:{date(record)}","box","kernel: ' + stamp(record), '"\n'),
    "verbose": lambda log: "".join(
        f"Tue 2024-01-02 03:{date(record)} CET [s=1;i=2]\n    _TRANSPORT=kernel\n    MESSAGE={line}\n    PRIORITY=4\n"
        for record in log for line in record.lines),
    "pretty": lambda log: "".join(
        "{\n\t\"_TRANSPORT\" : \"kernel\",\n\t\"MESSAGE\" : " + json.dumps(line) + ",\n\t\"PRIORITY\" : \"4\"\n}\n"
        for record in log for line in record.lines),
    "json with bytes": lambda log: "".join(
        json.dumps({"MESSAGE": list("\n".join(record.lines).encode()) if len(record.lines) > 1 else record.lines[0]})
        + "\n" for record in log),
    "kubectl": each(lambda record: "[pod/agent-x7/kmsg] " + stamp(record)),
    "mail": _mail,
    "terminal 80": _terminal(80),
    "terminal 132": _terminal(132),
}
