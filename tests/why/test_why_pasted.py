"""Reports as people paste them: what must not be concluded from them."""

from __future__ import annotations

import io

from oomtrace import text, why
from oomtrace.model import Memcg, OomEvent, PageCounter, Task
from oomtrace.output.base import with_names
from tests.events import made

KILLED = ("total-vm:{vm}kB, anon-rss:{anon}kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:100kB "
          "oom_score_adj:0")
MEMCG = """\
[  {at}.000001] hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[  {at}.000002] CPU: 0 PID: 900 Comm: hog Not tainted {release} #{build}
[  {at}.000003] memory: usage 10240kB, limit 10240kB, failcnt {failcnt}
[  {at}.000004] swap: usage 0kB, limit 9007199254740988kB, failcnt 0
[  {at}.000005] Memory cgroup stats for /a:
[  {at}.000005] anon 9900032
[  {at}.000005] file 0
[  {at}.000005] kernel 400000
[  {at}.000005] inactive_anon 9388032
[  {at}.000005] active_anon 511000
[  {at}.000006] Tasks state (memory values in pages):
[  {at}.000007] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
{rows}[  {at}.000009] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,\
task_memcg=/a,task=hog,pid=900,uid=0
[  {at}.000010] Memory cgroup out of memory: Killed process 900 (hog) total-vm:11944kB, anon-rss:9216kB, \
file-rss:1280kB, shmem-rss:0kB, UID:0 pgtables:60kB oom_score_adj:0
"""
HOG = "[  {at}.000008] [    900]     0   900     2986     2624    61440        0             0 hog\n"


def memcg(at: int = 74, release: str = "6.1.0-9-amd64", build: int = 1, failcnt: int = 54, rows: str = HOG) -> str:
    return MEMCG.format(at=at, release=release, build=build, failcnt=failcnt, rows=rows.format(at=at))


def events(log: str) -> list[OomEvent]:
    return [with_names(event) for event in text.read(io.BytesIO(log.encode()))]


def explained(log: str) -> why.Explanation:
    """Of the last OOM, with those before it."""
    found = events(log)
    return why.explain(found[-1], tuple(map(why.outline, found[:-1])))


def stated(explanation: why.Explanation) -> set[str]:
    found = {f"{finding.id}.{reason}" for finding in explanation.findings for reason in finding.reasons}
    return found | {f"advice.{advice.reason}" for advice in explanation.suggestions}


# Where memory is free that the allocation could not use, none need have come back.

MOVABLE = """\
[  100.000001] runc:[2:INIT] invoked oom-killer: gfp_mask=0x500cc2(GFP_HIGHUSER|__GFP_ACCOUNT), order=0, oom_score_adj=0
[  100.000002] CPU: 8 PID: 8291 Comm: runc:[2:INIT] Not tainted 5.8.2-1-default #1
[  100.000003] Mem-Info:
[  100.000004] active_anon:3928 inactive_anon:182 isolated_anon:0
                active_file:45 inactive_file:52 isolated_file:0
                unevictable:0 dirty:0 writeback:0
                slab_reclaimable:514 slab_unreclaimable:1163
                mapped:458 shmem:7 pagetables:25 bounce:0
                free:1598494 free_pcp:73 free_cma:0
[  100.000005] Node 4 active_anon:1448kB inactive_anon:0kB active_file:0kB inactive_file:0kB unevictable:0kB \
isolated(anon):0kB isolated(file):0kB mapped:0kB dirty:0kB writeback:0kB shmem:0kB shmem_thp: 0kB shmem_pmdmapped: 0kB \
anon_thp: 0kB writeback_tmp:0kB all_unreclaimable? no
[  100.000006] Node 4 Movable free:1300214kB min:914kB low:1391kB high:2691kB reserved_highatomic:0KB \
active_anon:1448kB inactive_anon:0kB active_file:0kB inactive_file:0kB unevictable:0kB writepending:0kB \
present:1302528kB managed:1302528kB mlocked:0kB pagetables:0kB bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB
[  100.000007] lowmem_reserve[]: 0 0 0 0 0
[  100.000008] oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=(null),cpuset=c,mems_allowed=4,global_oom,task_memcg=/d,\
task=containerd,pid=4100,uid=0
[  100.000009] Out of memory: Killed process 4100 (containerd) total-vm:4077036kB, anon-rss:5118kB, file-rss:2601kB, \
shmem-rss:0kB, UID:0 pgtables:676kB oom_score_adj:0
[  100.000010] oom_reaper: reaped process 8248 (docker), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB
"""


def test_free_memory_in_zones_that_are_not_for_it_has_not_come_back() -> None:
    found = stated(explained(MOVABLE))
    assert "zones.no_usable_zone" in found
    assert found.isdisjoint({"earlier.memory_had_come_back", "advice.killed_while_free", "frees.little"})


# Two boots, or a process that is gone, are no needless kill.

def test_the_same_pid_on_another_boot_is_another_process() -> None:
    assert "earlier.asker_was_killed" in stated(explained(memcg() + memcg(at=75, failcnt=55)))
    others = memcg(at=75, build=2, failcnt=55), memcg(at=75, release="6.1.1", failcnt=55), memcg(at=75, failcnt=9)
    for other in others:
        assert "earlier.asker_was_killed" not in stated(explained(memcg() + other))


def test_whose_memory_the_reaper_took_is_not_killed_again() -> None:
    reaped = "[  74.100000] oom_reaper: reaped process 900 (hog), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB\n"
    assert "earlier.asker_was_killed" not in stated(explained(memcg() + reaped + memcg(at=75, failcnt=55)))


# The size of a page.

def test_page_size_from_counters_that_are_in_pages_and_in_kb() -> None:
    log = """\
hog invoked oom-killer: gfp_mask=0x100dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO), order=0, oom_score_adj=0
Mem-Info:
active_anon:309 inactive_anon:1964781 isolated_anon:0
 active_file:94 inactive_file:0 isolated_file:0
 unevictable:305 dirty:0 writeback:0
 slab_reclaimable:1510 slab_unreclaimable:5012
 mapped:405 shmem:312 pagetables:254 bounce:0
 free:112043 free_pcp:1 free_cma:3159
Node 0 active_anon:19776kB inactive_anon:125745984kB active_file:6016kB inactive_file:0kB unevictable:19520kB \
isolated(anon):0kB isolated(file):0kB mapped:25920kB dirty:0kB writeback:0kB shmem:19968kB shmem_thp: 0kB \
shmem_pmdmapped: 0kB anon_thp: 0kB writeback_tmp:0kB kernel_stack:5504kB all_unreclaimable? no
"""
    assert [event.report.machine.page_kb for event in events(log)] == [64]


def rows(sizes: list[int]) -> str:
    return "".join(f"[  {{at}}.000008] [{number:7d}]     0 {number:5d}     2986     1024 {size:8d}        0 "
                   "            0 task\n" for number, size in enumerate(sizes, 1000))


def test_page_size_from_page_tables() -> None:
    cut = memcg(rows=rows([458752, 393216, 65536, 524288, 131072])).split("[  74.000009]")[0].replace("failcnt", "f")
    log = "".join(line + "\n" for line in cut.splitlines() if "usage" not in line)
    assert [event.report.machine.page_kb for event in events(log)] == [64]
    few = log.replace("131072", " 61440")
    assert [event.report.machine.page_kb for event in events(few)] == [4]


def test_powerpc_has_pages_of_two_sizes() -> None:
    log = """\
[   78.422914] dd invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order={order}, oom_score_adj=0
[   78.422927] CPU: 33 PID: 1185 Comm: dd Not tainted 6.0.0 #394
[   78.422935] Call Trace:
[   78.422955] [c00000001d0ab2a0] [c0000000004ed6e0] oom_kill_process+0x410/0x440
[   78.422961] [c00000001d0ab2e0] [c0000000004eedf0] out_of_memory+0x230/0x950
[   78.422968] [c00000001d0ab380] [c00000000063e748] mem_cgroup_out_of_memory+0x148/0x190
"""
    for order, said in ((0, "dd (1185) asked for a page."), (2, "asked for 4 contiguous pages (order 2)")):
        finding = explained(log.format(order=order)).finding("charging")
        assert finding is not None and said in finding.sentence


# What is shared is not theirs; what is in swap shows that there is some.

def test_processes_that_share_their_pages_hold_little() -> None:
    sleeps = "".join(f"[  {{at}}.000008] [{pid:7d}]     0 {pid:5d}      724      352    32768        0 "
                     "            0 sleep\n" for pid in range(91, 101))
    found = stated(explained(memcg(rows=HOG + sleeps)))
    assert found.isdisjoint({"together.same_name", "together.same_name_at_most", "advice.same_name"})


def test_a_task_in_swap_shows_that_there_is_swap() -> None:
    found = stated(explained(memcg(rows=HOG.replace("61440        0", "61440      996"))))
    assert found.isdisjoint({"swap.not_shown", "swap.not_counted"})
    assert "swap.no_more_went" in found


def test_the_reaper_can_take_no_locked_memory() -> None:
    reaped = "[  74.100000] oom_reaper: reaped process 900 (hog), now anon-rss:9216kB, file-rss:0kB, shmem-rss:0kB\n"
    assert "achieved.hardly_reaped" in stated(explained(memcg() + reaped))
    assert "achieved.reaped" in stated(explained(memcg() + reaped.replace("9216", "0")))


# What is not in the log.

def test_nobody_to_kill_without_a_table_tells_nothing_of_oom_score_adj() -> None:
    log = ("[  108.130895] bash invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n"
           "[  108.260164] Out of memory and no killable processes...\n")
    assert "advice.nobody" not in stated(explained(log))


def test_places_that_the_log_does_not_tell_are_not_counted() -> None:
    bare = "[   60.000000] Memory cgroup out of memory: Killed process 77 (rsync) " + KILLED.format(vm=14008, anon=256)
    said = why.pattern(events(bare + "\n" + memcg())).sentences
    assert said[0] == "2 OOMs: 1 in 1 place, 1 where the source does not tell; 2 processes killed."
    assert why.pattern(events(memcg() + memcg(at=75))).sentences[0] == "2 OOMs in 1 place, 2 processes killed."


def test_cpuset_advice_without_nodes() -> None:
    log = """\
[ 2786.519080] mem invoked oom-killer
[ 2787.216534] oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=(null),cpuset=test,mems_allowed=0
[ 2787.229991] Out of memory: Killed process 13432 (mem)
"""
    said = [advice.sentence for advice in explained(log).suggestions]
    assert all("?" not in sentence for sentence in said)


def test_distributions_for_powerpc_have_large_pages() -> None:
    log = ("[   78.422914] dd invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n"
           "[   78.422927] CPU: 33 PID: 1185 Comm: dd Not tainted {} #394\n")
    sizes = [events(log.format(release))[0].report.machine.page_kb
             for release in ("4.18.0-139.el8.ppc64le", "6.1.0-9-powerpc64le", "6.1.0-9-amd64")]
    assert sizes == [64, 64, 4]


def test_a_limit_that_one_task_exceeds() -> None:
    statistics = (" stats for ", "] anon ", "] file ", "] kernel ", "] inactive_anon ", "] active_anon ")
    cut = "".join(line + "\n" for line in memcg().splitlines() if not any(word in line for word in statistics))
    assert "advice.raise_for_one" in stated(explained(cut))


def test_a_victim_that_held_nothing() -> None:
    found = stated(explained(memcg().replace("anon-rss:9216kB, file-rss:1280kB", "anon-rss:0kB, file-rss:0kB")))
    assert "frees.little" in found


# A report of the machine that is cut somewhere.

MACHINE = """\
[  100.000001] hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
[  100.000002] CPU: 0 PID: 900 Comm: hog Not tainted 6.1.0-9-amd64 #1
[  100.000003] Mem-Info:
[  100.000004] active_anon:0 inactive_anon:48000 isolated_anon:0
                active_file:0 inactive_file:10 isolated_file:0
                unevictable:0 dirty:0 writeback:0
                slab_reclaimable:500 slab_unreclaimable:1900
                mapped:100 shmem:7 pagetables:120
                sec_pagetables:0 bounce:0
                kernel_misc_reclaimable:0
                free:1500 free_pcp:0 free_cma:0
[  100.000005] Node 0 DMA free:772kB boost:0kB min:132kB low:164kB high:196kB reserved_highatomic:0KB active_anon:0kB \
inactive_anon:14000kB active_file:0kB inactive_file:0kB unevictable:0kB writepending:0kB present:15996kB \
managed:15360kB mlocked:0kB bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB
[  100.000006] lowmem_reserve[]: 0 189 189 189 189
[  100.000007] Node 0 DMA32 free:1360kB boost:0kB min:1692kB low:2112kB high:2532kB reserved_highatomic:0KB \
active_anon:0kB inactive_anon:178000kB active_file:0kB inactive_file:40kB unevictable:0kB writepending:0kB \
present:245628kB managed:201540kB mlocked:0kB bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB
[  100.000008] lowmem_reserve[]: 0 0 0 0 0
[  100.000009] 17 total pagecache pages
[  100.000010] 65406 pages RAM
[  100.000011] 0 pages HighMem/MovableOnly
[  100.000012] 11181 pages reserved
[  100.000013] Tasks state (memory values in pages):
[  100.000014] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[  100.000015] [    900]     0   900    48921    48448   434176        0             0 hog
"""


def machine(lines: int) -> str:
    """So many of its lines."""
    return "".join(MACHINE.splitlines(keepends=True)[:lines])


def test_zones_behind_the_cut_are_not_taken_for_none() -> None:
    whole, cut = stated(explained(machine(16))), stated(explained(machine(13)))
    assert "zones.largest_zone" in whole
    assert not any(name.startswith("zones.") for name in cut)


def test_pages_that_are_reserved_are_no_memory() -> None:
    for lines, total in ((20, 216900), (18, None), (17, None)):
        finding = explained(machine(lines)).finding("full")
        assert finding is not None and finding.value("managed_kb") == total


def test_a_table_that_ends_with_its_title_is_not_empty() -> None:
    assert "tasks.listed" in stated(explained(machine(22)))
    for lines in (20, 21):
        found = stated(explained(machine(lines)))
        assert "tasks.empty" not in found and "missing.from_log" in found
    nobody = machine(21) + "[  100.000016] Out of memory and no killable processes...\n"
    assert "tasks.empty" in stated(explained(nobody))


def test_a_table_without_its_title_may_lack_rows() -> None:
    rest = "".join(memcg(rows=HOG).splitlines(keepends=True)[-3:])
    assert [str(part) for part in events(rest)[0].origin.missing][-1] == "part of the task table"


def test_file_without_shmem_may_be_tmpfs() -> None:
    log = memcg().replace("] file 0", "] file 9900032").replace("] anon 9900032", "] anon 4096")
    kinds = {str(size.kind) for size in explained(log).amounts}
    assert "file_or_shmem" in kinds and not kinds & {"file", "swapcache"}


def test_counters_of_nodes_that_are_not_there_are_not_0() -> None:
    counters = MACHINE.splitlines(keepends=True)[:11] + MACHINE.splitlines(keepends=True)[16:]
    log = "".join(counters) + ("[  100.000016] oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=(null),cpuset=c,"
                               "mems_allowed=1,global_oom,task_memcg=/,task=hog,pid=900,uid=0\n")
    found = stated(explained(log))
    assert found.isdisjoint({"filled.nothing", "swap.none"})


def test_one_task_that_exceeds_the_usage_is_not_together() -> None:
    path, usage = "/one", PageCounter(40960, 40960, 3)
    event = made(kind="memcg", memcg=Memcg(path, usage, version=2),
                 tasks=(Task(7, "python3", tgid=7, rss_pages=11568, total_vm_pages=20000),))
    found = why.explain(event).finding("tasks")
    assert found is not None and found.interpretation is not None
    assert found.interpretation.startswith("The task alone exceeds the cgroup's usage")
