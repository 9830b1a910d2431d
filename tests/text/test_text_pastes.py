"""A whole report in the forms in which people paste it: what is read is the same in each."""

from __future__ import annotations

import html
import json
import quopri
import re
from typing import Callable

import pytest
from text_corpus import OTHER, SEED, SEED_TEXT, events, kernel_text

LINES = SEED.splitlines()
TEXTS = SEED_TEXT.splitlines()


def each(form: Callable[[str], str]) -> Callable[[list[str]], str]:
    """Something made of every line."""
    return lambda lines: "".join(form(line) + "\n" for line in lines)


def coloured(escape: str) -> Callable[[list[str]], str]:
    return each(lambda line: f"{escape}[32m{line[:15]}{escape}[0m{escape}[1;31m{line[15:]}{escape}[m")


def _loki(lines: list[str]) -> str:
    return json.dumps({"status": "success", "data": {"resultType": "streams", "result": [
        {"stream": {"job": "x"}, "values": [[str(10**18 + at), line] for at, line in enumerate(lines)]}]}})


def _elastic(lines: list[str]) -> str:
    return json.dumps({"hits": {"total": 9, "hits": [
        {"_id": "a", "_source": {"@timestamp": "2026-01-02T03:04:05Z", "host": {"name": "n"}, "message": line,
                                 "event": {"original": line}}} for line in lines]}})


def _quoted(lines: list[str]) -> str:
    head = "From: a@example.org\nContent-Transfer-Encoding: quoted-printable\n\n"
    return head + quopri.encodestring("\n".join(lines).encode()).decode() + "\n"


def _quoted_ends(lines: list[str]) -> str:
    """The ends of lines are escaped, too, as in mails whose text the program took for bytes."""
    return "".join(quopri.encodestring(line.encode()).decode() + "=0A=\n" for line in lines)


def _flowed(text: str) -> str:
    """As mail programs break lines: behind a blank, which stays."""
    parts = [""]
    for word in re.findall(r"\S+ *", text) if text.strip() == text else [text]:
        if len(parts[-1]) + len(word) > 50:
            parts.append("")
        parts[-1] += word
    return "\n".join(parts)


def _mysql(lines: list[str]) -> str:
    return "".join(f"{'*' * 27} {at}. row {'*' * 27}\n     id: {at}\n   host: n\nmessage: {line}\n"
                   for at, line in enumerate(lines, 1)) + f"{len(lines)} rows in set (0.00 sec)\n"


def _dumped(line: str) -> str:
    """As mysqldump escapes text."""
    return line.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\r\\n")


def _newest_first(form: Callable[[list[str]], str]) -> Callable[[list[str]], str]:
    return lambda lines: form(lines[::-1])


# Of which no form is known, and what a text processor puts at the ends of lines.
BEFORE = (
    "Apr 30 12:20:45 web-03 ", "Apr 30 12:20:45 web-03: ", "<4>Apr 30 12:20:45 web-03 user.warn ", "kernel-1  | ",
    "[pod/node/kmsg] ", "2026-01-02T03:04:05.123456789Z ", "2026-01-02T03:04:05.123456Z 00O ", "kern.log:", "+", ": ",
    "build\tRun tests\t2026-01-02T03:04:05.1234567Z ", "JD> ", "* ", "// ", "; ", "REM ", "[web-03] out: ",
    "null_resource.x (remote-exec): ", "==> qemu: ", "[03:04:05] <joe> ", "01-02 03:04:05.123     0     0 W         : ")
BEHIND = ("$", " \\", "\\par", "  ", "<br>")

PASTES: dict[str, Callable[[list[str]], str]] = {
    **{f"colours, {escape!r}": coloured(escape)
       for escape in ("\x1b", "\\x1b", "\\033", "\\e", "#033", "^[", "\\u001b", "\\u001B", "\u241b", "")},
    "html": lambda lines: "<html><body><pre>\n" + html.escape("\n".join(lines)) + "\n</pre></body></html>\n",
    "html, entities twice": lambda lines: html.escape(html.escape("\n".join(lines))) + "\n",
    "html, breaks": lambda lines: "<p>" + "<br />".join(map(html.escape, lines)) + "</p>\n",
    "html, an element each": each(lambda line: f"<div class='l'><span>{html.escape(line)}</span></div>"),
    "html, a table": lambda lines: "<table>" + "".join(
        f"<tr><td>{at}</td><td><code>{html.escape(line)}</code></td></tr>\n" for at, line in enumerate(lines)
    ) + "</table>\n",
    "markdown, a table": lambda lines: "| n | line |\n|---|:--|\n" + "".join(
        f"| {at} | {line} |\n" for at, line in enumerate(lines)),
    "markdown, code in a table": lambda lines: "| line | n |\n|---|---|\n" + "".join(
        f"| `{line}` | {at} |\n" for at, line in enumerate(lines)),
    "psql": lambda lines: " id | message\n----+--------\n" + "".join(
        f" | {at} | {line} |\n" for at, line in enumerate(lines)),
    "a fence": lambda lines: "It was killed:\n```\n" + "\n".join(lines) + "\n```\nWhy?\n",
    "a list": each(lambda line: f"- `{line}`"),
    "quoted-printable": _quoted,
    "quoted-printable, ends too": _quoted_ends,
    "one line": lambda lines: "   ".join(lines) + "\n",
    "one line, one blank": lambda lines: " ".join(lines) + "\n",
    "one line, nothing between": lambda lines: "".join(lines) + "\n",
    "line ends escaped": lambda lines: "\\n".join(lines) + "\n",
    "line ends escaped, Windows": lambda lines: "\\r\\n".join(lines) + "\n",
    "python's list": lambda lines: repr(lines) + "\n",
    "python's bytes": lambda lines: repr("\n".join(lines).encode()) + "\n",
    "json, a body": lambda lines: json.dumps({"id": 1, "body": "```\r\n" + "\r\n".join(lines) + "\r\n```"}) + "\n",
    "json, pretty body": lambda lines: json.dumps({"id": 1, "body": "\n".join(lines)}, indent=2) + "\n",
    "json, unknown keys": each(lambda line: json.dumps({"ts": 1.5, "lvl": "warn", "m": {"txt": line}})),
    "json in json": each(lambda line: json.dumps({"log": json.dumps({"payload": line}), "stream": "stderr"})),
    "json, an array": lambda lines: json.dumps({"stdout_lines": lines, "rc": 0, "cmd": ["dmesg"]}) + "\n",
    "json, a pretty array": lambda lines: json.dumps({"stdout_lines": lines, "rc": 0, "cmd": ["dmesg"]}, indent=4),
    "ansible": lambda lines: "ok: [host] => " + json.dumps({"r": {"stdout": "\n".join(lines), "stdout_lines": lines}},
                                                           indent=4) + "\n",
    "json, cut": lambda lines: json.dumps({"a": {"lines": [*lines, "more"]}})[:-9] + "\n",
    "loki": _loki,
    "loki, newest first": _newest_first(_loki),
    "elastic": _elastic,
    "elastic, newest first": _newest_first(_elastic),
    "cloudwatch": lambda lines: json.dumps({"events": [
        {"timestamp": 1, "message": line, "ingestionTime": 2} for line in lines], "nextToken": "x"}) + "\n",
    "fluentd": each(lambda line: '2026-01-02 03:04:05.000000000 +0000 kmsg: ' + json.dumps({"message": line})),
    "logfmt": each(lambda line: f'ts=2026-01-02T03:04:05Z level=warn msg={json.dumps(line)} unit=kernel'),
    "yaml": each(lambda line: f"- message: {json.dumps(line)}"),
    "logcli": each(lambda line: f'2026-01-02T03:04:05Z {{host="n", job="j"}} {line}'),
    "newest first": _newest_first(each(str)),
    "syslog, newest first": _newest_first(each(lambda line: f"Jan  2 03:04:05 node kernel: {line}")),
    "twice": each(lambda line: f"{line}\n{line}"),
    "thrice": each(lambda line: f"{line}\n{line}\n{line}"),
    "two rules": each(lambda line: f"Jan  2 03:04:05 n kernel: {line}\nJan  2 03:04:05 n kernel: {line}"),
    "console and syslog": each(lambda line: f"{line}\nJan  2 03:04:05 n kernel: {line}"),
    "the log twice": lambda lines: each(str)(lines) + "x\n" * 300 + each(str)(lines),
    "the log twice, at once": lambda lines: each(str)(lines) + each(str)(lines),
    "in two forms": lambda lines: each(str)(lines) + each(lambda line: f"Jan  2 03:04:05 n kernel: {line}")(lines),
    "f5": each(lambda line: f"Jan  2 03:04:05 node1 warning kernel: {line}"),
    "f5, err": each(lambda line: f"Jan  2 03:04:05 slot1/node1 err kernel: {line}"),
    "juniper": each(lambda line: f"Jan  2 03:04:05.123  router re0 kernel: {line}"),
    "cisco": each(lambda line: f"2026 Jan  2 03:04:05 switch %KERN-4-SYSTEM_MSG: {line} - kernel"),
    "synology": each(lambda line: f"2026-01-02T03:04:05+01:00 nas kernel: {line}"),
    "checkpoint": each(lambda line: f"Jan  2 03:04:05 2026 fw kernel:{line}"),
    "klogd": each(lambda line: f"Jan  2 03:04:05 box klogd: {line}"),
    "août": each(lambda line: f"août 02 03:04:05 nœud kernel: {line}"),
    "févr., bytes": each(lambda line: f"f\udce9vr. 02 03:04:05 n kernel: {line}"),
    "double spaced": lambda lines: "\n\n".join(lines) + "\n",
    "tabs between": each(lambda line: f"2026-01-02T03:04:05.000Z\tn\tkernel\t{line}"),
    "csv, newest first": _newest_first(lambda lines: '"@timestamp",host,message\n' + "".join(
        f'"Jan 2, 2026 @ 03:04:05.000",n,"{line}"\n' for line in lines)),
    "xml": each(lambda line: f"<entry><msg>{html.escape(line)}</msg></entry>"),
    "a fence, as chats have it": lambda lines: "```" + "\n".join(lines) + "```\n",
    "rfc 5424": each(lambda line: f"<4>1 2026-01-02T03:04:05Z n kernel - - - \ufeff{line}"),
    "twice, from the middle on": lambda lines: "".join(
        (line + "\n") * (2 if at > 20 else 1) for at, line in enumerate(lines)),
    "twice, five at a time": lambda lines: "".join(
        ("\n".join(lines[at: at + 5]) + "\n") * 2 for at in range(0, len(lines), 5)),
    "no time": each(lambda line: line[15:]),
    "no time, one line": lambda lines: " ".join(line[15:] for line in lines) + "\n",
    "no time, host": each(lambda line: "node1 kernel: " + line[15:]),
    **{f"no time, {before!r}": each(lambda line, before=before: before + line[15:])  # type: ignore[misc]
       for before in BEFORE},
    **{f"{before!r}": each(lambda line, before=before: before + line) for before in BEFORE},  # type: ignore[misc]
    **{f"{behind!r}": each(lambda line, behind=behind: line + behind) for behind in BEHIND},  # type: ignore[misc]
    **{f"no time, {behind!r}": each(lambda line, behind=behind: line[15:] + behind)  # type: ignore[misc]
       for behind in BEHIND},
    "no time, grep -n": lambda lines: "".join(f"{at}:{line[15:]}\n" for at, line in enumerate(lines, 90)),
    "grep -C": lambda lines: "".join(f"log{':-'[at % 3 > 0]}{line}\n" for at, line in enumerate(lines)),
    "no time, grep -nC": lambda lines: "".join(
        f"log{mark}{at}{mark}{line[15:]}\n" for at, line in enumerate(lines, 98) for mark in [":-"[at % 3 > 0]]),
    "no time, nl": lambda lines: "".join(f"{at:6d}\t{line[15:]}\n" for at, line in enumerate(lines, 1)),
    "no time, a list": lambda lines: "".join(f"{at}. {line[15:]}\n" for at, line in enumerate(lines, 1)),
    "quotes": each(lambda line: f"\u201c{line}\u201d"),
    "cdata": each(lambda line: f"<message><![CDATA[{line}]]></message>"),
    "sql": each(lambda line: "INSERT INTO log VALUES (1,'h','" + line.replace("'", "''") + "');"),
    "kmsg, flowed": lambda lines: "".join(
        f"4,{at},{line[2:9].strip().replace('.', '')}000000,-,caller=T9;" + _flowed(line[15:]) + "\n"
        for at, line in enumerate(lines, 100)),
    "sql, rows on a line": lambda lines: "INSERT INTO `log` VALUES " + ",".join(
        f"({at},'n','{_dumped(line)}','2026-01-02 03:04:05')" for at, line in enumerate(lines)) + ";\n",
    "no time, sql, a row a line": lambda lines: "INSERT INTO `log` (`id`, `host`, `message`) VALUES\n" + "".join(
        f"({at}, 'n', '{_dumped(line[15:])}'),\n" for at, line in enumerate(lines)),
    "no time, sql, a text": lambda lines: "INSERT INTO bug VALUES (17, E'It died:\\r\\n" + _dumped(
        "\n".join(line[15:] for line in lines)) + "', 'open', now());\n",
    "sql, copy": lambda lines: "COPY log (id, message) FROM stdin;\n" + "".join(
        f"{at}\t{line}\n" for at, line in enumerate(lines)) + "\\.\n",
    "mysql, records": _mysql,
    "no time, mysql, records": lambda lines: _mysql([line[15:] for line in lines]),
    "no time, mysql, a text": lambda lines: f"{'*' * 27} 1. row {'*' * 27}\n     id: 7\nmessage: " + "\n".join(
        line[15:] for line in lines) + "\n   host: n\n1 row in set (0.00 sec)\n",
    "no time, psql, records": lambda lines: "".join(
        f"-[ RECORD {at} ]------\nid      | {at}\nmessage | {line[15:]}\n" for at, line in enumerate(lines, 1)),
    "no time, esxi": each(lambda line: f"2026-01-02T03:04:05.127Z In(05) vcpu-5 - Guest: <6>{line[15:]}"),
    "no time, esxi 6": each(lambda line: f"2026-01-02T03:04:05.127Z| vcpu-0| I125: Guest: <6>{line[15:]}"),
    "esxi": each(lambda line: f"2026-01-02T03:04:05.127Z In(05) vcpu-5 - Guest: <6>{line}"),
    "no time, vmkernel": each(lambda line: f"2026-01-02T03:04:05.127Z cpu5:2098123)SerialPort: {line[15:]}"),
    "no time, numbers on lines of their own": lambda lines: "".join(
        f"{at}\n{line[15:]}\n" for at, line in enumerate(lines, 1)),
    "html, numbers in cells on lines of their own": lambda lines: "<table>" + "".join(
        f'<tr>\n<td id="L{at}">{at}</td>\n<td>{html.escape(line)}</td>\n</tr>\n' for at, line in enumerate(lines, 1)),
    "html, numbers that a style shows": lambda lines: "<table>" + "".join(
        f'<tr><td id="L{at}" data-line-number="{at}"></td><td class="blob-code">{html.escape(line)}</td></tr>\n'
        for at, line in enumerate(lines, 1)),
    "html, cat -n": lambda lines: "<table>" + "".join(
        f"<tr><td>{at:6d}\t{html.escape(line)}</td></tr>\n" for at, line in enumerate(lines, 1)),
    "no time, bat": lambda lines: "".join(f"{at:4d}   \u2502 {line[15:]}\n" for at, line in enumerate(lines, 1)),
    "markdown, escaped": each(lambda line: re.sub(r"([_*\[\]])", r"\\\1", line)),
    "no time, markdown, escaped": each(lambda line: re.sub(r"([_*\[\]])", r"\\\1", line[15:])),
    "jira": lambda lines: "{noformat}" + "\n".join(lines) + "{noformat}\n",
    "no time, jira": lambda lines: "{code:java}" + "\n".join(line[15:] for line in lines) + "{code}\n",
    "a forum": lambda lines: "[code]" + "\n".join(lines) + "[/code]\n",
    "no time, a mark of the order of bytes": lambda lines: "\ufeff" + "\n".join(line[15:] for line in lines) + "\n",
}


@pytest.mark.parametrize("form", PASTES)
def test_paste(form: str) -> None:
    event, = events(PASTES[form](LINES).encode("utf-8", "surrogateescape"))
    assert kernel_text(event) == SEED_TEXT
    assert event.origin.missing == ()
    assert [line.text for line in event.origin.lines if line.row is None] == []


@pytest.mark.parametrize("form", [name for name in PASTES if not name.startswith(("no time", "line ends", "python"))])
def test_two_pastes(form: str) -> None:
    """Two OOMs of a log are two in each form."""
    lines = LINES + OTHER.splitlines()
    assert [event.report.kills[0].pid for event in events(PASTES[form](lines).encode("utf-8", "surrogateescape"))] in (
        [1399, 1400], [1400, 1399])


MARKS = ["[...]", "...", "[…]", "<snip>", "(...snipped...)", "-- snip --", "--- 20 lines omitted ---", "```", ">",
         "[ 120 more rows ]", "< ... skipped many similar lines ... >", "[cut]", "~~~", "# ..."]


@pytest.mark.parametrize("form", ["stamped", "bare"])
@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_between_rows_means_that_a_part_is_missing(mark: str, form: str) -> None:
    lines = LINES if form == "stamped" else TEXTS
    event, = events("\n".join([*lines[:25], mark, *lines[25:]]) + "\n")
    assert [task.comm for task in event.report.tasks or ()] == ["bash", "python"]
    assert event.origin.missing == ("part of the task table",) and kernel_text(event) == SEED_TEXT
    event, = events("\n".join([*lines[:9], mark, *lines[9:]]) + "\n")
    assert event.origin.missing == ("part of the call trace",) and kernel_text(event) == SEED_TEXT


@pytest.mark.parametrize("width", [80, 100, 120, 140])
@pytest.mark.parametrize("mark", [">", "\u2026"])
def test_lines_that_a_pager_cut(width: int, mark: str) -> None:
    shown = "".join((line if len(line) <= width else line[: width - 1] + mark) + "\n" for line in LINES)
    event, = events(shown)
    assert event.report.trigger.comm == "python" and event.report.memcg is not None
    assert [task.pid for task in event.report.tasks or ()] == [1243, 1399]
    assert [kill.pid for kill in event.report.kills] == [1399]
    assert "part of the memory cgroup statistics" in event.origin.missing


TROUBLES = {
    "lockup": ["watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [python:1399]", "Modules linked in: x y z"],
    "oops": ["BUG: unable to handle page fault for address: 0000000000000008", "Oops: 0000 [#1] SMP"],
    "hung task": ["INFO: task jbd2:123 blocked for more than 120 seconds."],
    "nmi": ["Sending NMI from CPU 0 to CPUs 2:", "NMI backtrace for cpu 2"],
    "no head": [],
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_amid_a_report_is_none_of_it(trouble: str) -> None:
    inside = [*TROUBLES[trouble], "CPU: 6 PID: 1399 Comm: python Not tainted 3.10.0-693.21.1.el7.x86_64 #1",
              "Call Trace:", " [<ffffffff816ae7c8>] dump_stack+0x19/0x1b",
              " [<ffffffff816a9b90>] dump_header+0x90/0x229",
              " [<ffffffff811f5fc4>] out_of_memory+0x34/0x60"]
    lines = [*LINES[:25], *(f"[  123.{at:06d}] {line}" for at, line in enumerate(inside)), *LINES[25:]]
    event, = events("\n".join(lines) + "\n")
    assert [line for line in kernel_text(event).splitlines() if line in TEXTS] == TEXTS
    assert event.report.stack is not None and len(event.report.stack.entries) == 13


@pytest.mark.parametrize("before", [
    "Hi,", "---8<---", "```", "<pre>", "dmesg:", "Hello all", "$ dmesg", "~ # dmesg | tail"])
def test_what_stands_before_a_report_is_no_part_of_a_name(before: str) -> None:
    head = re.sub(r", order", ",\norder", TEXTS[0])
    event, = events("\n".join([before, head, *TEXTS[1:]]) + "\n")
    assert event.report.trigger.comm == "python" and event.report.trigger.order == 0
