"""What the machine's own apt configuration says: the Debian mirror, proxies.

Read from apt's source lists, both the one-line and the deb822 kind. Nothing here runs apt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

DEBIAN_SUITES = re.compile(
    r"(buster|bullseye|bookworm|trixie|forky|duke|sid|stable|oldstable|oldoldstable|testing|unstable|experimental)"
    r"(-updates|-backports|-proposed-updates)?$"
)
"""Suites of the main archive: the security archive (``…-security``) is another mirror."""
ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)")


@dataclass(frozen=True)
class Source:
    """One binary source of apt: an archive URI and a suite in it."""

    uri: str
    suite: str


def parse_one_line(text: str) -> Iterator[Source]:
    """Sources of a ``sources.list`` file: ``deb [options] URI SUITE COMPONENT…``."""
    for line in text.splitlines():
        match = ONE_LINE.match(line.strip())
        if match:
            yield Source(match["uri"], match["suite"])


def parse_deb822(text: str) -> Iterator[Source]:
    """Sources of a ``.sources`` file: stanzas of ``Field: value``, continued by indented lines."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite)


def _fields(stanza: str) -> dict[str, str]:
    """The fields of one deb822 stanza by lower-case name; comment lines dropped."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def machine_sources(etc_apt: Path = Path("/etc/apt")) -> list[Source]:
    """Every enabled binary source of this machine, in apt's order of reading."""
    sources: list[Source] = []
    parts = etc_apt / "sources.list.d"
    for path in [etc_apt / "sources.list", *sorted(parts.glob("*.list"))]:
        if path.is_file():
            sources.extend(parse_one_line(path.read_text(errors="replace")))
    for path in sorted(parts.glob("*.sources")):
        sources.extend(parse_deb822(path.read_text(errors="replace")))
    return sources


def debian_mirror(sources: Iterable[Source]) -> Optional[str]:
    """URI of the first Debian archive among `sources`, or None. ``mirror+file:`` lists are followed."""
    for source in sources:
        if DEBIAN_SUITES.match(source.suite):
            uri = _follow_mirror_list(source.uri)
            if uri:
                return uri
    return None


def _follow_mirror_list(uri: str) -> Optional[str]:
    """The first mirror of a ``mirror+file:/list`` URI; any other URI as it is; None if the list cannot be read."""
    if not uri.startswith("mirror+file:"):
        return uri
    try:
        lines = Path(re.sub(r"^mirror\+file:(//)?", "", uri)).read_text().splitlines()
    except OSError:
        return None
    return next((line.split()[0] for line in lines if line.strip() and not line.startswith("#")), None)


def inherited_options(config_dump: str) -> list[str]:
    """Of ``apt-config dump``, the lines a build on another mirror suite also needs: proxies, time-outs, validity."""
    wanted = re.compile(r"Acquire::((https?|ftp)::|Check-Valid-Until|ForceIPv[46]|Retries|Queue-Mode)")
    return [line for line in config_dump.splitlines() if wanted.match(line) and not line.endswith('"";')]
