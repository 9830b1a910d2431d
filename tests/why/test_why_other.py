"""Call sites, what the report itself tells, what the kill achieved, patterns."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest
from why_events import fact, found, machine_wide, memcg2, reasons, seed, stack

from oomtrace import why
from oomtrace.model import Exiting, Frame, Kill, Line, OomEvent, Part, Reap, Release, Sharing, Stack, Task, Wait
from oomtrace.why import CERTAIN, UNKNOWN
from oomtrace.why.callsite import CallSite, Site, call_site
from tests.events import changed, made


@pytest.mark.parametrize(
    ("functions", "site", "system_call"),
    [
        ("try_charge_memcg __mem_cgroup_charge do_anonymous_page", Site.ANON_FAULT, None),
        ("mem_cgroup_charge handle_mm_fault", Site.ANON_FAULT_OF_SOME_KIND, None),
        ("vma_alloc_folio_noprof __handle_mm_fault", Site.ANON_FAULT_OF_SOME_KIND, None),
        ("shmem_get_folio_gfp shmem_write_begin generic_perform_write", Site.SHMEM_WRITE, None),
        ("shmem_get_folio_gfp shmem_fault __do_fault", Site.SHMEM_FAULT, None),
        ("__filemap_get_folio filemap_fault __do_fault", Site.FILE_FAULT, None),
        ("page_cache_ra_unbounded filemap_read ksys_read", Site.FILE_READ, None),
        ("__get_free_pages copy_process kernel_clone", Site.FORK, None),
        ("alloc_inode new_inode_pseudo create_pipe_files", Site.PIPE, None),
        ("sock_alloc_send_pskb unix_stream_sendmsg", Site.SOCKET, None),
        ("kmem_cache_alloc_lru __d_alloc d_alloc_parallel", Site.DENTRY_OR_INODE, None),
        ("mem_cgroup_out_of_memory memory_max_write", Site.LIMIT_LOWERED, None),
        ("out_of_memory moom_callback process_one_work", Site.SYSRQ, None),
        ("allocate_slab kmem_cache_alloc_trace io_issue_sqe __x64_sys_io_uring_enter", Site.SLAB, "io_uring_enter"),
        ("__alloc_pages __get_free_pages proc_pid_cmdline_read ksys_read", Site.SYSTEM_CALL, "read"),
        ("out_of_memory pagefault_out_of_memory exc_page_fault", Site.FAULT, None),
        ("mem_cgroup_charge handle_mm_fault __get_user_pages __mm_populate do_mlock __x64_sys_mlock",
         Site.ANON_FAULT_OF_SOME_KIND, "mlock"),
        ("do_anonymous_page handle_mm_fault exc_page_fault read_zero vfs_read ksys_read", Site.ANON_FAULT, "read"),
        ("wp_page_copy.isra.0 handle_pte_fault", Site.COPY_ON_WRITE, None),
    ],
)
def test_call_site(functions: str, site: Site, system_call: Optional[str]) -> None:
    found = call_site(changed(seed(), stack=stack(*functions.split())))
    assert found is not None and (found.site, found.system_call) == (site, system_call)


def test_a_zeroed_page_is_not_of_the_page_cache() -> None:
    """read(2) into memory that is touched for the first time: the fault is within the read."""
    chain = stack("mem_cgroup_newpage_charge", "handle_mm_fault", "file_read_actor", "do_generic_file_read")
    flags = replace(machine_wide().report.trigger, gfp_flags="GFP_HIGHUSER_MOVABLE|__GFP_ZERO")
    assert fact(changed(machine_wide(), stack=chain, trigger=flags), "charging", "site") is Site.ANON_FAULT
    nested = stack("try_charge", "__do_fault", "handle_mm_fault", "file_read_actor", "do_generic_file_read")
    assert fact(changed(machine_wide(), stack=nested, trigger=flags), "charging", "site") is Site.ANON_FAULT
    unzeroed = replace(flags, gfp_flags="GFP_HIGHUSER_MOVABLE")
    assert fact(changed(machine_wide(), stack=nested, trigger=unzeroed), "charging", "site") is Site.FILE_READ


def test_guesses_of_the_kernel_do_not_count() -> None:
    frames = (Frame("shmem_write_begin", reliable=False), Frame("do_anonymous_page"))
    assert call_site(changed(seed(), stack=Stack(frames))) == CallSite(Site.ANON_FAULT, "do_anonymous_page")


def test_a_fault_is_sure_even_where_each_frame_is_doubted() -> None:
    names = ("out_of_memory", "do_huge_pmd_anonymous_page", "do_page_fault", "page_fault")
    event = changed(seed(), stack=Stack(tuple(Frame(name, reliable=False) for name in names)))
    assert call_site(event) == CallSite(Site.FAULT, "page_fault")
    assert call_site(changed(seed(), stack=Stack((Frame("shmem_write_begin", reliable=False),)))) is None


def test_a_wait_is_a_page_fault() -> None:
    event = changed(seed(), stack=None, wait=Wait(over=False), kills=(), verdict=None)
    assert reasons(event, "charging") == ["asked", "flags", "fault_of_unknown_kind"]
    assert fact(event, "charging", "site") is Site.FAULT


def test_no_stack() -> None:
    finding = found(changed(seed(), stack=None), "charging")
    assert finding.confidence == UNKNOWN
    assert finding.reasons[-1].value == "no_trace"


def test_gfp_in_words() -> None:
    event = machine_wide()
    said = "The request: for user space, movable, as one unit (compound), zeroed (GFP_"
    assert said in found(event, "charging").sentence
    assert "is 0xd0." in found(seed(), "charging").sentence


@pytest.mark.parametrize("event", [machine_wide(), memcg2(), seed()], ids=["machine", "memcg2", "seed"])
@pytest.mark.parametrize("order", [-5, 64, 9007199254740988])
def test_what_is_no_order_is_not_taken_for_one(event: OomEvent, order: int) -> None:
    damaged = changed(event, trigger=replace(event.report.trigger, order=order))
    assert "order" not in found(damaged, "charging").sentence


def test_what_the_kernel_did_not_print() -> None:
    finding = found(changed(memcg2(), printed=False, unprinted_reason="rate limit"), "unprinted")
    assert str(finding.reason) == "rate_limit"
    assert why.explain(changed(memcg2(), printed=True)).finding("unprinted") is None


def test_suppressed_reports() -> None:
    assert fact(changed(memcg2(), callbacks_suppressed=4), "suppressed", "callbacks_suppressed") == 4


def test_an_incomplete_trace_says_so() -> None:
    event = changed(memcg2(), source="live", missing=(Part.CALL_TRACE,), records_lost=3)
    assert reasons(event, "missing") == ["from_trace", "records_lost"]
    assert (fact(event, "missing", "missing"), fact(event, "missing", "records_lost")) == (("call trace",), 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"exiting": Exiting(5, "gone")}, "nobody_exiting"),
        ({"panic": "Out of memory: compulsory panic_on_oom is enabled"}, "nobody_panic"),
        ({"no_killable": True}, "nobody_killable"),
        ({"reaps": (Reap(5, "x"),)}, "reaped"),
        ({}, "chosen"),
    ],
)
def test_nobody_killed(change: object, reason: str) -> None:
    event = changed(memcg2(), kills=(), **change)  # type: ignore[arg-type]
    if "reaps" not in change and change:  # type: ignore[operator]
        event = changed(event, summary=None)
    assert reasons(event, "killed")[0] == reason
    assert ("passed_over" in reasons(event, "killed")) is (reason == "nobody_killable")


def test_a_victim_that_was_exiting_is_not_said_to_be_killed() -> None:
    event = changed(memcg2(), printed=False, unprinted_reason="victim already exiting")
    assert "was_exiting" in reasons(event, "killed")
    assert why.explain(event).headline.endswith("; hog (11) was already exiting.")
    assert reasons(event, "unprinted") == ["victim_exiting"]


def test_a_group_is_listed_once_each() -> None:
    kills = (Kill(11, "a", anon_rss_kb=1024), Kill(12, "b", anon_rss_kb=2048), Kill(11, "a", anon_rss_kb=1024))
    event = changed(memcg2(), kills=kills, oom_group="/a/b")
    assert "group" in reasons(event, "killed")
    assert (fact(event, "killed", "oom_group"), fact(event, "killed", "processes")) == ("/a/b", 2)
    assert fact(event, "achieved", "victims") == (why.Process(11, "a"), why.Process(12, "b"))
    assert fact(event, "achieved", "held_kb") == 3072
    assert why.Fact("others", 1) in why.explain(event).headline_facts


def test_sharers() -> None:
    assert fact(changed(seed(), sharing=(Sharing(7, "s"),)), "killed", "sharers") == 1


def test_the_reaper() -> None:
    event = memcg2()
    kill = replace(event.report.kills[0], time_ns=1_000_000_000)
    reap = Reap(11, "hog", True, 0, 0, 0, 1_004_000_000)
    finding = found(changed(event, kills=(kill,), reaps=(reap,)), "achieved")
    assert (str(finding.reason), finding.value("left_kb"), finding.value("after_kill_ns")) == ("reaped", 0, 4_000_000)
    failed = changed(event, reaps=(Reap(11, "hog", False),))
    assert reasons(failed, "achieved") == ["not_reaped"]


def test_memory_given_back() -> None:
    event = memcg2()
    kill = replace(event.report.kills[0], time_ns=1_000_000_000)
    event = changed(event, kills=(kill,), releases=(Release(11, "exit", 1_250_000_000, 10000),))
    finding = found(event, "achieved")
    assert (finding.value("freed_kb"), finding.value("after_kill_ns")) == (40000, 250_000_000)
    assert finding.confidence == CERTAIN


def test_the_next_oom_at_once() -> None:
    event = changed(memcg2(), begin_ns=1_000_000_000, followed_ns=60_000_000,
                    releases=(Release(11, "oom_reaper", 1_050_000_000, 10000),))
    finding = found(event, "achieved")
    assert (finding.value("released_by"), finding.value("after_decision_ns")) == ("oom_reaper", 50_000_000)
    assert (str(finding.reason), finding.value("followed_ns")) == ("next_after_filled_again", 60_000_000)
    early = changed(event, followed_ns=40_000_000)
    assert "next_before_all_came_back" in reasons(early, "achieved")


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
    parts: tuple[dict, ...] = (  # type: ignore[type-arg]
        {"memcg": None}, {"tasks": None}, {"tasks": ()}, {"kills": ()}, {"verdict": None}, {"stack": None},
        {"victim_memcg": None}, {"kind": None}, {"kind": "global"}, {"memcg": None, "kind": None},
        {"kills": (), "verdict": None}, {"memcg": None, "tasks": None, "kills": (), "stack": None},
    )
    for event in (seed(), memcg2(), machine_wide()):
        explanation = why.explain(changed(event, **parts[cut]))
        assert explanation.headline.endswith(".")


def test_the_asker_was_killed_before() -> None:
    """The same process asks again, by an OOM that is a minute or more away it is another matter."""
    first = at(memcg2(), 10, 1000)
    again, later = (changed(at(machine_wide(), second, 9), trigger=replace(first.report.trigger, pid=11, comm="hog"))
                    for second in (11, 200))
    before = (why.outline(first),)
    assert fact(changed(again), "charging", "trigger") == why.Process(11, "hog")
    said = [why.explain(event, before).finding("earlier") for event in (again, later)]
    assert said[0] is not None and str(said[0].reason) == "asker_was_killed" and said[1] is None
    assert why.explain(again).finding("earlier") is None


def test_what_was_read_back() -> None:
    """workingset_refault counts pages: three times what the memcg may hold."""
    pages = 3 * 48 * 256
    event = memcg2(workingset_refault_file=pages, workingset_refault_anon=0, pgscan=1000, pgsteal=50)
    assert reasons(event, "thrashing") == ["read_back", "reclaim_in_vain", "thrashed"]
    assert (fact(event, "thrashing", "times"), fact(event, "thrashing", "refault_kb")) == (3, pages * 4)
    assert why.explain(memcg2(workingset_refault_file=pages // 3)).finding("thrashing") is None


def test_a_kill_that_cannot_help() -> None:
    small = changed(memcg2(), kills=(Kill(11, "hog", anon_rss_kb=1000, file_rss_kb=0, shmem_rss_kb=0),))
    assert reasons(small, "frees") == ["little"]
    shared = changed(memcg2(), kills=(Kill(11, "hog", anon_rss_kb=30000, file_rss_kb=0, shmem_rss_kb=15000),))
    assert (reasons(shared, "frees"), fact(shared, "frees", "frees_kb")) == (["less_what_is_shared"], 30000)
    assert why.explain(memcg2()).finding("frees") is None


def test_a_headline_names_what_no_counter_has() -> None:
    said = why.explain(memcg2(anon=30 << 20)).headline_reasons
    assert [reason.value for reason in said] == ["memcg", "filled_by", "not_accounted", "killed"]


def test_who_was_reaped_was_killed() -> None:
    cut = changed(machine_wide(), kills=(), exiting=None, reaps=(Reap(11, "hog"),))
    assert why.explain(cut).headline.endswith("; hog (11) was killed.")


def test_an_order_below_zero_is_sysrq_where_the_trace_is_cut() -> None:
    event = machine_wide()
    cut = changed(event, trigger=replace(event.report.trigger, order=-1), stack=None)
    assert call_site(cut) == CallSite(Site.SYSRQ, "is_sysrq_oom")


def test_rows_that_are_cut_before_their_sizes_hold_no_0_kb() -> None:
    cut = tuple(Task(pid=pid, comm="") for pid in (7, 8))
    finding = why.explain(made(kind="global", tasks=cut, kills=(Kill(7, "a"),))).finding("tasks")
    assert finding is not None and [reason.value for reason in finding.reasons] == ["no_sizes"]
    assert finding.confidence == why.UNKNOWN and "2 tasks are listed" in finding.sentence
