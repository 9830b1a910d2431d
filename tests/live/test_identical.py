"""The main promise, on every kernel: five OOMs, and every line of each is the kernel's own."""

import io

import pytest

from oomtrace.facts import Facts
from oomtrace.wire import capture
from tests.live.guest import CASES, MEMCG_OOM, MORE_CASES, kernel_lines, trace
from vm import matrix

RUNS = 5
TIMEOUT_S = 300
EVERYWHERE = [*CASES, *(pytest.param(*case, marks=pytest.mark.long) for case in MORE_CASES)]
# For the others, an image with bcc would have to be built for this alone.
COMPILED_THERE = [
    name if name == "6.1" else pytest.param(name, marks=pytest.mark.long) for name in [*matrix.names(), "6.12-arm64"]
]


@pytest.mark.vm
@pytest.mark.parametrize("kernel, cgroup", EVERYWHERE)
def test_memcg_oom_is_identical(kernel: str, cgroup: str) -> None:
    loop = f"for i in 1 2 3 4 5; do {MEMCG_OOM} --limit-mib $((40 + i)) || exit 1; done"
    traced = trace(kernel, cgroup, f"sh -c '{loop}'", TIMEOUT_S)
    theirs, ours = kernel_lines(traced.kmsg), traced.ours.splitlines()
    assert sum(b"invoked oom-killer" in line for line in theirs) == RUNS, f"not whole: {theirs}\n{traced.stderr}"
    assert ours == theirs, traced.stderr
    assert "oomtrace: shipped programs, kernel structures from BTF" in traced.stderr
    # A hog, four bystanders of other users and oom_score_adj, in each of the tables.
    assert sum(line.startswith(b"[") and b"nobody's" in line for line in ours) == RUNS
    assert f"oomtrace: {RUNS} OOMs\n" in traced.stderr and "lost" not in traced.stderr
    assert len(traced.captures) == RUNS
    for data in traced.captures:
        _knows_what_is_gone(data)


def _knows_what_is_gone(data: bytes) -> None:
    """Who it was, by the kernel's own structures, and how usage had gone."""
    (event,) = capture.events(capture.load(io.BytesIO(data)))
    assert event.witness is not None and len(event.witness.tasks) == 1, event.witness
    (who,) = event.witness.tasks  # the trigger is the victim
    assert event.report.victim is not None and who.pid == event.report.victim.pid
    assert who.cmdline is not None and who.cmdline[1] == "tests/guest/memcg_oom.py"
    assert who.exe is not None and who.exe.startswith("/usr/bin/python3") and who.parent_comm == "python3"
    assert who.age_ns is not None and 0 < who.age_ns < TIMEOUT_S * 10**9 and who.ns_pids == (who.pid,)
    (history,) = event.trace.history
    assert history.memcg == "/foo" and history.seconds[-1].usage_kb > 38 << 10, history


@pytest.mark.vm
@pytest.mark.parametrize("kernel", COMPILED_THERE)
def test_memcg_oom_is_identical_with_programs_compiled_there(kernel: str) -> None:
    traced = trace(kernel, "v2", MEMCG_OOM, variant="bcc", environment={"OOMTRACE_COMPILE": "1"})  # as --compile does
    theirs = kernel_lines(traced.kmsg)
    assert sum(b"invoked oom-killer" in line for line in theirs) == 1, f"not whole: {theirs}\n{traced.stderr}"
    assert traced.ours.splitlines() == theirs, traced.stderr
    assert "oomtrace: compiled programs, kernel structures from BTF" in traced.stderr


@pytest.mark.vm
@pytest.mark.long
def test_the_places_in_the_source_that_hold_most_memory_are_identical() -> None:
    """CONFIG_MEM_ALLOC_PROFILING, which only this kernel has. The process itself asks the kernel for the OOM killer."""
    hog = 'x = bytearray(64 << 20); open("/proc/sysrq-trigger", "w").write("f"); import time; time.sleep(60)'
    traced = trace("6.12-unusual", "v2", f"choom -n 500 -- python3 -c '{hog}' || true")  # it is killed
    theirs, ours = kernel_lines(traced.kmsg), traced.ours.splitlines()
    assert ours == [b"sysrq: Manual OOM execution", *theirs]
    assert sum(b" func:" in line for line in theirs) == 10 and b"Memory allocations:" in theirs
    (event,) = capture.events(capture.load(io.BytesIO(traced.captures[0])))
    assert not event.origin.missing


@pytest.mark.vm
def test_first_start_learns_from_btf_and_later_ones_from_what_was_kept() -> None:
    from vm import boot
    from vm.spec import RunSpec

    command = "ls /usr/src; for i in 1 2; do oomtrace -v --timeout 0.1; echo status $? >&2; done"
    result = boot.check(boot.run(RunSpec(kernel="6.1", cpus=1, timeout=300), command))
    said = result.stderr.decode()
    assert result.status == 0, said
    assert "linux-headers" not in result.stdout.decode(), "this guest should have no kernel headers"
    assert said.count("kernel structures from BTF") == 1, said
    assert said.count("shipped programs, as kept in") == 1, said
    assert said.count("status 124") == 2, said


def test_oracle_reads_records_and_not_what_is_around_them() -> None:
    log = (
        b"6,1,10,-;before\n"
        b"4,2,20,-;a)( b invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n"
        b" SUBSYSTEM=x\n"
        b"6,3,30,-;anon 1\\x0afile 2\n"
        b"3,4,40,-;Memory cgroup out of memory: Killed process 1 (a)( b) total-vm:0kB\n"
        b"6,5,50,-;after\n"
    )
    assert [line.split(b" ")[0] for line in kernel_lines(log)] == [b"a)(", b"anon", b"file", b"Memory"]


def test_capture_format_is_what_the_fixtures_have() -> None:
    header = "struct rec_header { u32 kind; u32 seq; u64 oom_id; u64 time_ns; };"
    data = capture.dump(header, Facts(release="6.1"), [b"x"], {}, 0)
    assert data.startswith(capture.MAGIC) and b'"release":"6.1"' in data
