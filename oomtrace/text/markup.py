"""What a medium put into the text of a line: terminal codes, in each form that loggers escape them in, and HTML."""

from __future__ import annotations

import re

# ESC as it is, and as cat -v, rsyslog, JSON, printf, python and others write it.
_ESC = r"(?:\x1b|\\x1[bB]|\\0?33|\\e|\\u001[bB]|#033|\^\[|\u241b|<ESC>|<0x1[bB]>)"
_CODES = re.compile(rf"{_ESC}(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]{{0,80}}(?:\x07|\\a)|[()][A-Z0-9]|[=>])|\x0f")
_COLOUR_LEFT = re.compile(r"\[(?:\d{1,3}(?:;\d{1,3})*)?m(?:\[K)?")  # CI logs drop the ESC alone
_COLOUR = re.compile(r"\[\d{1,3}(?:;\d{1,3}){0,4}m")
_SIGNS = ("\x1b", "\x0f", "#033", "^[", "\\x1", "\\033", "\\33", "\\e[", "\\u001", "\u241b", "<ESC>", "<0x1")
_INVISIBLE = "\ufeff\u200b\u200e\u200f\u2060"  # marks of the order of bytes and of text
_PADDING = " " * 24  # a CPU line has fewer, behind the taint flags

# The tags of pages on which people paste; <TASK> and <IRQ> are the kernel's.
_BLOCKS = "pre|br|p|div|li|ul|ol|tr|table|tbody|thead|blockquote|details|summary|hr|h[1-6]|body|html|head|section"
_CELLS = "td|th"
_INLINE = "span|code|b|i|u|em|strong|a|font|tt|samp|kbd|mark|small|s|del|ins|img|article|main|button|title|meta|link"
_TAG = re.compile(rf"<(?:(?P<close>/)?(?:(?P<block>{_BLOCKS})|(?P<cell>{_CELLS})|(?P<inline>{_INLINE}))"
                  r"(?:\s[^<>]{0,400})?/?|!--[^<>]{0,400}--|!DOCTYPE[^<>]{0,200})>", re.IGNORECASE)
_ELEMENT = re.compile(r"\s*(?:<[A-Za-z][\w:.-]*(?:\s[^<>]{0,400})?>)+(.*?)(?:</[A-Za-z][\w:.-]*>)+\s*$")  # of XML
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,5}|#[xX][0-9a-fA-F]{1,5});")


def clean(line: str) -> str:
    """Without carriage returns and terminal escape codes."""
    line = line.rstrip("\r\n").lstrip(_INVISIBLE)
    if any(sign in line for sign in _SIGNS):
        line = _CODES.sub("", line)
    if "m" in line and "[" in line and _COLOUR.search(line):
        line = _COLOUR_LEFT.sub("", line)
    if line.endswith(_PADDING):  # to the width of a terminal
        line = line.rstrip(" ")
    return line.rsplit("\r", 1)[-1] if "\r" in line else line


def unmarked(line: str) -> list[str]:
    """The lines that a browser would show of a line of HTML; a line without any as it is. Cells are set off by ``|``.

    A line of tags alone has no text: none.
    """
    element = _ELEMENT.match(line) if line.lstrip()[:1] == "<" else None
    if element is not None:
        line = element.group(1)
    if "<" in line and _TAG.search(line):
        shown = _TAG.sub(_shown, line)
        lines = [part for part in shown.split("\n") if part.strip(" |")]
    else:
        lines = [line]
    return [_unescaped(part) if "&" in part else part for part in lines]


def _shown(match: "re.Match[str]") -> str:
    if match.group("block"):
        return "\n"
    if match.group("cell"):
        return "" if match.group("close") else " | "
    return ""


def _unescaped(text: str) -> str:
    from html import unescape  # late: it knows 2,000 names, and logs alone have any

    for _ in range(2):  # a page that shows a page
        if _ENTITY.search(text) is None:
            break
        text = _ENTITY.sub(lambda match: " " if match.group() == "&nbsp;" else unescape(match.group()), text)
    return text
