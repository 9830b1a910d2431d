"""Call sites, what the report itself tells, what the kill achieved, patterns."""

from __future__ import annotations

from dataclasses import replace
from typing import Tuple

import pytest
from why_events import machine_wide, memcg2, seed, stack

from oomtrace import why
from oomtrace.model import Exiting, Frame, Kill, Line, OomEvent, Reap, Release, Sharing, Stack, Wait
from oomtrace.why import CERTAIN, UNKNOWN
from oomtrace.why.callsite import call_site
from tests.events import changed


def found(event: OomEvent, id: str) -> why.Finding:
    finding = why.explain(event).finding(id)
    assert finding is not None, id
    return finding


@pytest.mark.parametrize(
    ("functions", "site"),
    [
        ("try_charge_memcg __mem_cgroup_charge do_anonymous_page", "a page fault on anonymous memory"),
        ("mem_cgroup_charge handle_mm_fault", "a page fault on anonymous memory (new page, copy on write or swap-in)"),
        ("vma_alloc_folio_noprof __handle_mm_fault", "a page fault on anonymous memory (new page, copy on write or "
         "swap-in)"),
        ("shmem_get_folio_gfp shmem_write_begin generic_perform_write", "a write to tmpfs"),
        ("shmem_get_folio_gfp shmem_fault __do_fault", "a page fault on tmpfs or shared memory"),
        ("__filemap_get_folio filemap_fault __do_fault", "a page fault that reads a file"),
        ("page_cache_ra_unbounded filemap_read ksys_read", "a read into the page cache"),
        ("__get_free_pages copy_process kernel_clone", "fork"),
        ("alloc_inode new_inode_pseudo create_pipe_files", "a pipe"),
        ("sock_alloc_send_pskb unix_stream_sendmsg", "a socket"),
        ("kmem_cache_alloc_lru __d_alloc d_alloc_parallel", "a directory entry or inode"),
        ("mem_cgroup_out_of_memory memory_max_write", "a write to memory.max (the limit was lowered)"),
        ("out_of_memory moom_callback process_one_work", "SysRq-f"),
        ("allocate_slab kmem_cache_alloc_trace io_issue_sqe __x64_sys_io_uring_enter",
         "slab memory in system call io_uring_enter"),
        ("__alloc_pages __get_free_pages proc_pid_cmdline_read ksys_read", "system call read"),
        ("out_of_memory pagefault_out_of_memory exc_page_fault", "a page fault"),
        ("mem_cgroup_charge handle_mm_fault __get_user_pages __mm_populate do_mlock __x64_sys_mlock",
         "a page fault on anonymous memory (new page, copy on write or swap-in) in system call mlock"),
        ("do_anonymous_page handle_mm_fault exc_page_fault read_zero vfs_read ksys_read",
         "a page fault on anonymous memory in system call read"),
        ("wp_page_copy.isra.0 handle_pte_fault", "a copy-on-write fault"),
    ],
)
def test_call_site(functions: str, site: str) -> None:
    event = changed(seed(), stack=stack(*functions.split()))
    assert (call_site(event) or ("",))[0] == site


def test_guesses_of_the_kernel_do_not_count() -> None:
    frames = (Frame("shmem_write_begin", reliable=False), Frame("do_anonymous_page"))
    assert (call_site(changed(seed(), stack=Stack(frames))) or ("",))[0] == "a page fault on anonymous memory"


def test_a_fault_is_sure_even_where_each_frame_is_doubted() -> None:
    names = ("out_of_memory", "do_huge_pmd_anonymous_page", "do_page_fault", "page_fault")
    event = changed(seed(), stack=Stack(tuple(Frame(name, reliable=False) for name in names)))
    assert call_site(event) == ("a page fault", "page_fault")
    assert call_site(changed(seed(), stack=Stack((Frame("shmem_write_begin", reliable=False),)))) is None


def test_a_wait_is_a_page_fault() -> None:
    event = changed(seed(), stack=None, wait=Wait(over=False), kills=(), verdict=None)
    finding = found(event, "charging")
    assert finding.sentence.startswith("python (1399): a page fault; ")
    assert finding.interpretation == "On what kind of memory the fault was, the trace does not tell."


def test_no_stack() -> None:
    finding = found(changed(seed(), stack=None), "charging")
    assert finding.confidence == UNKNOWN
    assert "no call trace" in (finding.interpretation or "")


def test_gfp_in_words() -> None:
    event = machine_wide()
    assert "1 page (order 0), for user space, movable, compound, zeroed " in found(event, "charging").sentence
    assert "gfp_mask 0xd0" in found(seed(), "charging").sentence


@pytest.mark.parametrize("event", [machine_wide(), memcg2(), seed()], ids=["machine", "memcg2", "seed"])
@pytest.mark.parametrize("order", [-5, 64, 9007199254740988])
def test_what_is_no_order_is_not_taken_for_one(event: OomEvent, order: int) -> None:
    damaged = changed(event, trigger=replace(event.report.trigger, order=order))
    assert "order" not in found(damaged, "charging").sentence


def test_what_the_kernel_did_not_print() -> None:
    finding = found(changed(memcg2(), printed=False, unprinted_reason="rate limit"), "unprinted")
    assert finding.sentence == "The kernel printed nothing for this kill: rate limit."
    assert why.explain(changed(memcg2(), printed=True)).finding("unprinted") is None


def test_suppressed_reports() -> None:
    assert "suppressed 4 reports" in found(changed(memcg2(), callbacks_suppressed=4), "suppressed").sentence


def test_an_incomplete_trace_says_so() -> None:
    event = changed(memcg2(), source="live", missing=("call trace",), records_lost=3)
    assert found(event, "missing").sentence == "Not in the trace: call trace, 3 records of the trace."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exiting": Exiting(5, "gone")}, "the chosen gone (5) was already exiting"),
        ({"panic": "Out of memory: compulsory panic_on_oom is enabled"}, "the kernel panicked"),
        ({"no_killable": True}, "no task that could be killed"),
        ({"reaps": (Reap(5, "x"),)}, "x (5): its kill is not in the source, but the oom_reaper took its memory"),
        ({}, "hog (11) was chosen; that it was killed is not in the source"),
    ],
)
def test_nobody_killed(change: object, words: str) -> None:
    event = changed(memcg2(), kills=(), **change)  # type: ignore[arg-type]
    if "reaps" not in change and change:  # type: ignore[operator]
        event = changed(event, summary=None)
    assert words in found(event, "killed").sentence


def test_a_victim_that_was_exiting_is_not_said_to_be_killed() -> None:
    event = changed(memcg2(), printed=False, unprinted_reason="victim already exiting")
    assert "It was exiting already" in (found(event, "killed").interpretation or "")
    assert why.explain(event).headline.endswith("; hog (11) was already exiting.")
    assert found(event, "unprinted").sentence == "The kernel printed nothing for this kill: victim already exiting."


def test_a_group_is_listed_once_each() -> None:
    kills = (Kill(11, "a", anon_rss_kb=1024), Kill(12, "b", anon_rss_kb=2048), Kill(11, "a", anon_rss_kb=1024))
    event = changed(memcg2(), kills=kills, oom_group="/a/b")
    assert found(event, "killed").interpretation == (
        "memory.oom.group is set for the victim's memory cgroup: 2 processes were killed in all."
    )
    assert "2 processes killed, resident 3.0 MiB (3072 kB): a (11), b (12)" in found(event, "achieved").sentence
    assert "and 1 other process." in why.explain(event).headline


def test_sharers() -> None:
    finding = found(changed(seed(), sharing=(Sharing(7, "s"),)), "killed")
    assert finding.interpretation == "1 process that shared its memory was killed too."


def test_the_reaper() -> None:
    event = memcg2()
    kill = replace(event.report.kills[0], time_ns=1_000_000_000)
    reap = Reap(11, "hog", True, 0, 0, 0, 1_004_000_000)
    finding = found(changed(event, kills=(kill,), reaps=(reap,)), "achieved")
    assert finding.sentence == "the oom_reaper took hog (11)'s memory, 0 kB anonymous left, 4.0 ms after the kill."
    failed = changed(event, reaps=(Reap(11, "hog", False),))
    assert "could not reap hog (11)" in found(failed, "achieved").sentence


def test_memory_given_back() -> None:
    event = memcg2()
    kill = replace(event.report.kills[0], time_ns=1_000_000_000)
    event = changed(event, kills=(kill,), releases=(Release(11, "exit", 1_250_000_000, 10000),))
    finding = found(event, "achieved")
    assert finding.sentence == "hog (11) gave back 39.1 MiB by exit 250.0 ms after the kill."
    assert finding.confidence == CERTAIN


def test_the_next_oom_at_once() -> None:
    event = changed(memcg2(), begin_ns=1_000_000_000, followed_ns=60_000_000,
                    releases=(Release(11, "oom_reaper", 1_050_000_000, 10000),))
    finding = found(event, "achieved")
    assert finding.sentence == "hog (11) gave back 39.1 MiB by oom_reaper 50.0 ms after the decision."
    assert finding.interpretation == (
        "60.0 ms after this OOM the same memory cgroup had the next, when what was freed had filled again."
    )
    early = changed(event, followed_ns=40_000_000)
    assert "before all of that had come back" in (found(early, "achieved").interpretation or "")


def test_never_more_than_three_suggestions() -> None:
    event = memcg2(anon=13 << 20, file=13 << 20, shmem=13 << 20, kernel=13 << 20, sock=13 << 20)
    assert len(why.explain(event).suggestions) == 3


def at(event: OomEvent, second: int, held_kb: int) -> OomEvent:
    kill = replace(event.report.kills[0], anon_rss_kb=held_kb)
    return changed(event, kills=(kill,), lines=(Line(1, time_ns=second * 10**9),))


def in_container(event: OomEvent, letter: str) -> OomEvent:
    assert event.report.memcg is not None
    return changed(event, memcg=replace(event.report.memcg, path="/docker/" + letter * 64))


def test_a_pattern() -> None:
    events = [at(in_container(memcg2(), letter), 10 * n, 1000 * (n + 1)) for n, letter in enumerate("abc")]
    pattern = why.pattern([*events, machine_wide()])
    assert (pattern.events, pattern.kills) == (4, 4)
    group = pattern.groups[0]
    assert (group.place, group.events, group.victims) == ("/docker/*", 3, (("hog", 3),))
    assert group.growing
    assert pattern.sentences == (
        "4 OOMs in 2 places, 4 processes killed.",
        "/docker/*: 3 OOMs within 20.000 s, at least 10.000 s apart, the victim was hog each time; each held more than "
        "the one before (1000 kB to 2.9 MiB).",
    )


def test_other_victims_are_no_pattern() -> None:
    events = [at(memcg2(), n, 1000) for n in range(2)]
    events[1] = changed(events[1], kills=(replace(events[1].report.kills[0], pid=12, comm="other"),))
    assert why.pattern(events).sentences[1].endswith("a different victim each time.")


def test_no_pattern_in_nothing() -> None:
    assert why.pattern([]).sentences == ("0 OOMs in 0 places, 0 processes killed.",)


@pytest.mark.parametrize("cut", range(12))
def test_any_part_may_be_absent(cut: int) -> None:
    """What is not there is unknown; nothing fails."""
    parts: Tuple[dict, ...] = (  # type: ignore[type-arg]
        {"memcg": None}, {"tasks": None}, {"tasks": ()}, {"kills": ()}, {"verdict": None}, {"stack": None},
        {"victim_memcg": None}, {"kind": None}, {"kind": "global"}, {"memcg": None, "kind": None},
        {"kills": (), "verdict": None}, {"memcg": None, "tasks": None, "kills": (), "stack": None},
    )
    for event in (seed(), memcg2(), machine_wide()):
        explanation = why.explain(changed(event, **parts[cut]))
        assert explanation.headline.endswith(".")
