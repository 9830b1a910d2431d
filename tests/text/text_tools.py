"""More forms of logs: what tools of clusters and clouds, hypervisors, routers and phones make of the kernel's lines."""

from __future__ import annotations

import json
from typing import Any, Callable

from text_forms import Record, date, each, stamp

_LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")


def _by_line(record_of: Callable[[str], Any], before: str = "", after: str = "\n") -> Callable[[list[Record]], str]:
    """A JSON record for each line."""
    return lambda log: "".join(before + json.dumps(record_of(stamp(record) + line)) + after
                               for record in log for line in record.lines)


def _entries(log: list[Record]) -> list[dict[str, Any]]:
    return [{"insertId": "x1", "jsonPayload": {"MESSAGE": "\n".join(record.lines), "_TRANSPORT": "kernel"}}
            for record in log]


TOOLS: dict[str, Callable[[list[Record]], str]] = {
    "talosctl dmesg": lambda log: "".join(
        f"10.0.0.7: kern: {_LEVELS[record.level]:>7}: [2025-01-02T03:{date(record)}.253118849Z]: "
        + "\n".join(record.lines) + "\n" for record in log),
    "talosctl dmesg, padded": each(
        lambda record: f" kern: {_LEVELS[record.level]:>7}: [2025-01-02T03:{date(record)}.253118849Z]: ",
        " " * 40 + "\n"),
    "vmware.log": each(lambda record: f"2025-01-02T03:{date(record)}.118Z In(05) vcpu-5 - Guest: <4>" + stamp(record)),
    "logread": each(lambda record: f"Thu Jan  2 03:{date(record)} 2025 kern.{_LEVELS[record.level]} kernel: "
                    + stamp(record)),
    "busybox": each(lambda record: f"Jan  2 03:{date(record)} box kern.{_LEVELS[record.level]} kernel: "
                    + stamp(record)),
    "phone, task": each(lambda record: "<4>" + stamp(record) + "[1:    kworker/1:0: 1234] "),
    "phone, CPU": each(lambda record: "<4>" + stamp(record) + " (1)[1234:kworker/1:0]"),
    "phone, pid": each(lambda record: "<4>" + stamp(record) + "c1   1234 "),
    "cloudwatch": _by_line(lambda line: {"@timestamp": "2025-01-02", "@message": line}),
    "gelf": _by_line(lambda line: {"version": "1.1", "host": "box", "short_message": line, "level": 4}),
    "splunk": _by_line(lambda line: {"preview": False, "result": {"_raw": line, "host": "box"}}),
    "lava": _by_line(lambda line: {"dt": "2025-01-02T03:04:05.6", "lvl": "target", "msg": line}, "- "),
    "cloud logging": lambda log: "".join(json.dumps(entry) + "\n" for entry in _entries(log)),
    "cloud logging, pretty": lambda log: json.dumps(_entries(log), indent=2) + "\n",
    "list": lambda log: json.dumps(_entries(log)) + "\n",
    "lines of a list": lambda log: "[\n" + ",\n".join("  " + json.dumps(entry) for entry in _entries(log)) + "\n]\n",
    "dmesg --reltime": each(lambda record: "[  +0.002367] "),
    "grep -n": each(lambda record: f"/var/log/kern.log:{record.time_us % 9999}:Jan  2 03:{date(record)} box kernel: "
                    + stamp(record)),
}
