"""The machine's apt configuration, both kinds of source lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from vm import apt
from vm.apt import Source

ONE_LINE = """\
# deb http://old.example/debian buster main
deb http://mirror.example/debian bookworm main contrib   # comment
deb [arch=amd64 signed-by=/a/b.gpg] http://mirror.example/debian bookworm-updates main
deb-src http://mirror.example/debian bookworm main
"""

DEB822 = """\
Types: deb deb-src
# The main archive.
URIs: http://one.example/debian
  http://two.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 Types: nonsense

Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
Enabled: no
"""


def test_one_line_sources() -> None:
    assert list(apt.parse_one_line(ONE_LINE)) == [
        Source("http://mirror.example/debian", "bookworm"),
        Source("http://mirror.example/debian", "bookworm-updates"),
    ]


def test_deb822_sources() -> None:
    assert list(apt.parse_deb822(DEB822)) == [
        Source(f"http://{host}.example/debian", suite)
        for host in ("one", "two") for suite in ("trixie", "trixie-updates")
    ]


def test_sources_of_a_machine(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (parts / "a.sources").write_text(DEB822)
    (parts / "b.sources.disabled").write_text(DEB822.replace("one.example", "three.example"))
    hosts = {source.uri.split("/")[2] for source in apt.machine_sources(tmp_path)}
    assert hosts == {"mirror.example", "one.example", "two.example"}
    assert apt.machine_sources(tmp_path / "nothing") == []


@pytest.mark.parametrize(("sources", "mirror"), [
    ([Source("http://x.example/nodesource", "nodistro"), Source("http://m.example/debian", "bookworm")],
     "http://m.example/debian"),
    ([Source("http://s.example/debian-security", "bookworm-security")], None),
    ([Source("http://b.example/debian", "trixie-backports")], "http://b.example/debian"),
    ([Source("http://u.example/ubuntu", "noble")], None),
    ([], None),
])
def test_mirror_is_a_debian_archive(sources: list[Source], mirror: str | None) -> None:
    assert apt.debian_mirror(sources) == mirror


def test_mirror_list_is_followed(tmp_path: Path) -> None:
    listing = tmp_path / "debian.list"
    listing.write_text("# mirrors\nhttp://first.example/debian/ priority:1\nhttp://second.example/debian/\n")
    assert apt.debian_mirror([Source(f"mirror+file://{listing}", "trixie")]) == "http://first.example/debian/"
    assert apt.debian_mirror([Source("mirror+file:///nowhere", "trixie"), Source("http://m.example", "sid")]) == \
        "http://m.example"


def test_options_that_downloads_need() -> None:
    dump = (
        'APT::Architecture "amd64";\nAcquire::http::Proxy "http://p.example:3142";\nAcquire::https "";\n'
        'Acquire::Check-Valid-Until "false";\nAcquire::Languages "none";\nAcquire::http::Proxy::h.example "DIRECT";\n'
    )
    assert apt.inherited_options(dump) == [
        'Acquire::http::Proxy "http://p.example:3142";', 'Acquire::Check-Valid-Until "false";',
        'Acquire::http::Proxy::h.example "DIRECT";',
    ]
