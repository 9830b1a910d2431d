"""The commands in README.md and docs/ do what the pages say, run as they stand there (tests/pages.py)."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pages
from vm import boot
from vm.spec import Result, RunSpec

DATA = pages.REPOSITORY / "tests" / "fixtures" / "data"
LOG = DATA / "6.1-memcg-v2.kmsg"

# What the commands print, on standard output or standard error, of those that are run here …
HERE = {
    "log": "/foo reached its memory limit of 48.0 MiB",
    "read": "/foo reached its memory limit of 48.0 MiB",
    "pipe": "hog invoked oom-killer",
    "jsonl": "",
    "page": "",
    "dialect": "hog invoked oom-killer",
    "survey": "kern.log.1.gz",
    "fields": "hog 158 /foo",
    "lines-of-captures": "1 events/captures.jsonl",
}
# … and in a guest.
GUEST = {
    "trace": "oomtrace: 1 OOM\n",
    "selected": "oomtrace: 1 OOM\n",
    "verify": "lines identical to the kernel's log",
    "captures": "/foo reached its memory limit",
    "run": "task=python3",
    "one-shot": "/foo reached its memory limit",
    "expect": "task=python3",
    "fit": "The smallest memory limit under which it succeeds is",
    "killed": "ended itself with SIGKILL",
    "cmdline": "/foo reached its memory limit",
    "check": "everything works",
    "repro": "mine: 1 OOM, 1 kill in",
    "hook": '"kind":"memcg"',
    "counters": 'oomtrace_ooms_total{kind="memcg"',
    "lines": "1 oomtrace.jsonl",
}
VM = {"reproduction": "/a reached its memory limit of 64.0 MiB"}

# What the pages leave to their reader: sudo, something that makes an OOM, something hungry. Each block has a folder.
SETTING = r"""
checkout=$PWD
cat >/usr/local/bin/sudo <<'END'
#!/bin/sh
exec "$@"
END
chmod +x /usr/local/bin/sudo
memcg_oom() { adj0 python3 "$checkout/tests/guest/memcg_oom.py" >/dev/null 2>&1; }
block() { # NAME OOMS
    mkdir "/tmp/block-$1" && cd "/tmp/block-$1" || exit 1
    cat >commands
    echo "python3 $checkout/tests/guest/memcg_oom.py >/dev/null" >reproduce.sh
    echo 'bytearray(1 << 29)' >hungry.py
    makes=
    if [ "$2" ]; then
        ( while sleep 3; do memcg_oom; done ) &
        makes=$!
    fi
    timeout 200 adj0 sh -e commands >out 2>err; echo $? >status
    [ -z "$makes" ] || { kill $makes; wait $makes; }
    # What is in hand goes on without us: an OOM, or a trace that cannot start and has yet to say so.
    tries=0
    while pgrep -f 'memcg_oom[.]py|-m oomtrac[e]' >/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "still runs: $(pgrep -fa 'memcg_oom[.]py|-m oomtrac[e]')" >>err; break; }
        sleep 0.1
    done
    cd /
}
"""


def test_each_block_has_what_is_expected_of_it() -> None:
    for who, expected in (("here",), HERE), (("guest", "guest-ooms"), GUEST), (("vm",), VM):
        assert {block.name for block in pages.of(*who)} == set(expected), who


@pytest.mark.parametrize("block", pages.of("here"), ids=lambda block: block.name)
def test_here(block: pages.Block, tmp_path: Path) -> None:
    (tmp_path / "kern.log.1.gz").write_bytes(gzip.compress(LOG.read_bytes()))
    for folder in ("bin", "captures", "events"):
        (tmp_path / folder).mkdir()
    shutil.copy(LOG.with_suffix(".oom"), tmp_path / "captures")
    command = tmp_path / "bin" / "oomtrace"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={pages.REPOSITORY} exec {sys.executable} -m oomtrace "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-ec", block.text], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert HERE[block.name] in done.stdout


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """All blocks that need root, in one boot: what came of it, and the folder with each one's output."""
    out = tmp_path_factory.mktemp("guest")
    blocks = pages.of("guest", "guest-ooms")
    calls = "".join(
        f"block {block.name} {'ooms' if block.who == 'guest-ooms' else ''} <<'END-OF-BLOCK'\n{block.text}END-OF-BLOCK\n"
        for block in blocks
    )
    get = [(f"/tmp/block-{block.name}/{name}", out / block.name / name)
           for block in blocks for name in ("out", "err", "status")]
    calls += "export OOMTRACE_BTF=/nonexistent\n"
    calls += f"block one-shot-fails '' <<'END-OF-BLOCK'\n{pages.block('one-shot').text}END-OF-BLOCK\n"
    get += [(f"/tmp/block-one-shot-fails/{name}", out / "one-shot-fails" / name) for name in ("out", "err", "status")]
    return boot.check(boot.run(RunSpec(timeout=1800, cpus=1, get=get), SETTING + calls)), out


@pytest.mark.vm
@pytest.mark.first
@pytest.mark.xdist_group("guest")
@pytest.mark.parametrize("block", pages.of("guest", "guest-ooms"), ids=lambda block: block.name)
def test_in_a_guest(block: pages.Block, guest: tuple[Result, Path]) -> None:
    folder = guest[1] / block.name
    out, said = (folder / "out").read_text(errors="replace"), (folder / "err").read_text(errors="replace")
    assert (folder / "status").read_text() == "0\n", out + said
    assert GUEST[block.name] in out + said, out + said


@pytest.mark.vm
@pytest.mark.first
@pytest.mark.xdist_group("guest")
def test_the_limit_that_is_found_is_what_the_program_needs(guest: tuple[Result, Path]) -> None:
    """50 MiB, and what Python itself takes."""
    said = "".join((guest[1] / "fit" / name).read_text() for name in ("out", "err"))
    found = re.search(r"it succeeds is ([0-9.]+) MiB; ([0-9.]+) MiB are not", said)
    assert found and 50 <= float(found[2]) < float(found[1]) < 62, said


@pytest.mark.vm
@pytest.mark.parametrize("block", pages.of("vm"), ids=lambda block: block.name)
def test_that_boots_vms(block: pages.Block) -> None:
    done = subprocess.run(
        ["sh", "-ec", block.text], cwd=pages.REPOSITORY, capture_output=True, text=True, timeout=900
    )  # the VM tells after 300 s
    assert done.returncode == 0, done.stderr
    assert VM[block.name] in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.vm
@pytest.mark.first
@pytest.mark.xdist_group("guest")
def test_the_one_shot_script_ends_where_no_trace_can_start(guest: tuple[Result, Path]) -> None:
    folder = guest[1] / "one-shot-fails"
    said = (folder / "err").read_text()
    assert ((folder / "status").read_text(), (folder / "out").read_text()) == ("1\n", ""), said
    assert "hint: " in said
