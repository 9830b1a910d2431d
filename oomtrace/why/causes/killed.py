"""Step 2: whose task was killed, and how its memcg stands to the full one and to that of the task that asked."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Identity, Kill, OomEvent, Verdict

from .. import look, names, witnessed
from ..case import Case
from ..finding import LIKELY, UNKNOWN, Process, Reason
from ..ranking import rank
from ..registry import cause
from ..units import percent
from .full import declared_by_bpf, hit


class Killed(Reason):
    VICTIM = "victim"
    PARENT = "parent"  # who started it
    MEMCG_NOT_SHOWN = "memcg_not_shown"
    IN_MEMCG = "in_memcg"  # the OOM was not a memcg's
    IN_FULL_MEMCG = "in_full_memcg"
    BELOW_FULL_MEMCG = "below_full_memcg"
    NOT_BELOW_FULL_MEMCG = "not_below_full_memcg"
    TRIGGER_IN_SAME = "trigger_in_same"
    TRIGGER_ELSEWHERE = "trigger_elsewhere"
    TRIGGER_MEMCG_UNKNOWN = "trigger_memcg_unknown"
    CHILD_OF_CHOSEN = "child_of_chosen"
    OTHER_THAN_CHOSEN = "other_than_chosen"
    WAS_EXITING = "was_exiting"
    GROUP = "group"
    GROUP_INFERRED = "group_inferred"  # its announcement is not in the source
    SEVERAL = "several"
    SHARERS = "sharers"
    NOBODY_EXITING = "nobody_exiting"
    NOBODY_PANIC = "nobody_panic"
    NOBODY_KILLABLE = "nobody_killable"
    PASSED_OVER = "passed_over"
    REAPED = "reaped"  # the kill is not in the source
    CHOSEN = "chosen"
    NOT_SHOWN = "not_shown"


class AskedBy(Reason):
    """Who of the victim's process had asked for the memory."""

    VICTIM = "victim"
    THREAD = "thread"


@cause("killed", step=2, place=1, reasons=Killed)
def killed(event: OomEvent, case: Case) -> None:
    """The victim, or why there is none."""
    if not event.report.kills:
        _nobody(event, case)
        return
    victim = event.report.kills[0]
    one = witnessed.identity(event, victim.pid, victim.comm)
    case.says(Killed.VICTIM, victim=look.who(victim), uid=victim.uid, held_kb=look.held_kb(victim),
              limit_percent=_of_limit(event, victim), command=witnessed.command(one),
              age_ns=witnessed.age_ns(event, one) if one is not None else None,
              user=one.user if one is not None else None,
              container=witnessed.container_name(witnessed.container_of_victim(event)))
    if one is not None:
        _started(one, case)
    _where(event, case)
    _more(event, victim, case)
    case.knows(
        kill__pid=victim.pid, kill__comm=victim.comm, kill__uid=victim.uid, kill__total_vm_kb=victim.total_vm_kb,
        kill__anon_rss_kb=victim.anon_rss_kb, kill__file_rss_kb=victim.file_rss_kb,
        kill__shmem_rss_kb=victim.shmem_rss_kb, victim_memcg=look.victim_path(event),
        memcg__path=look.full_path(event), trigger__memcg=trigger_path(event),
    )


def _started(one: Identity, case: Case) -> None:
    """By whom: its parent, its service, its login."""
    if one.parent_comm is not None:
        case.says(Killed.PARENT, parent=Process(one.parent_pid, one.parent_comm))
    case.knows(exe=one.exe, cmdline=one.cmdline, parent_pid=one.parent_pid, start_ns=one.start_ns, unit=one.unit,
               session=one.session, login_user=one.login_user, pid_in_container=one.ns_pids[-1] if
               len(one.ns_pids) > 1 else None)


def _of_limit(event: OomEvent, victim: Kill) -> Optional[float]:
    """How much of the memory limit the victim held, where no table tells it; None if a part is charged elsewhere."""
    name, counter = hit(event)
    limit, held = look.limit_kb(counter), look.held_kb(victim)
    if event.report.tasks or name != "memory" or not limit or held is None or held > limit:
        return None
    return percent(held, limit)


def trigger_path(event: OomEvent) -> Optional[str]:
    """The memcg of the task that asked: known live, and from a log if it is the victim itself."""
    if event.report.trigger.memcg is not None:
        return event.report.trigger.memcg
    same = event.report.kills and event.report.trigger.pid == event.report.kills[0].pid
    return look.victim_path(event) if same else None


def _where(event: OomEvent, case: Case) -> None:
    """How the three memcgs stand to each other: the full one, the victim's, that of the task that asked."""
    full, victim, trigger = look.full_path(event), look.victim_path(event), trigger_path(event)
    if victim is None:
        if look.scope(event) == "memcg":
            case.says(Killed.MEMCG_NOT_SHOWN)
        return
    if look.scope(event) != "memcg" or full is None:
        case.says(Killed.IN_MEMCG, victim_memcg=victim)
        return
    levels = names.levels_between(full, victim)
    not_full = declared_by_bpf(event) or None
    if levels == 0:
        case.says(Killed.IN_FULL_MEMCG, not_full=not_full)
    elif levels is not None:
        case.says(Killed.BELOW_FULL_MEMCG, victim_memcg=victim, victim_levels_below=levels, not_full=not_full)
    else:
        case.says(Killed.NOT_BELOW_FULL_MEMCG, victim_memcg=victim, not_full=not_full)
    if trigger is None:
        case.says(Killed.TRIGGER_MEMCG_UNKNOWN)
    elif trigger == victim:
        case.says(Killed.TRIGGER_IN_SAME, asked_by=_asked_by(event))
    else:
        below = names.levels_between(full, trigger)
        case.says(Killed.TRIGGER_ELSEWHERE, trigger__memcg=trigger, trigger_levels_below=below,
                  not_full=not_full)


def _asked_by(event: OomEvent) -> Optional[AskedBy]:
    """Whether the victim itself had asked, or a thread of it. None: somebody else, or not known."""
    trigger, victim = event.report.trigger, event.report.kills[0].pid
    if victim is None or victim not in (trigger.pid, trigger.tgid):
        return None
    return AskedBy.VICTIM if victim == trigger.pid else AskedBy.THREAD


def _more(event: OomEvent, victim: Kill, case: Case) -> None:
    """A child in place of the chosen, a group, sharers of the memory."""
    report = event.report
    if report.verdict is not None and report.verdict.pid != victim.pid:
        _other_than_chosen(event, report.verdict, victim, case)
    if look.was_exiting(event):
        case.remarks(Killed.WAS_EXITING)
    processes = len({kill.pid for kill in report.kills})  # a group kill prints the first victim twice
    if report.oom_group is not None:
        case.remarks(Killed.GROUP, oom_group=report.oom_group, memcg__path=look.full_path(event),
                     victim_memcg=look.victim_path(event), processes=processes,
                     not_full=declared_by_bpf(event) or None)
    elif processes > 1 and _first_again(event):
        case.remarks(Killed.GROUP_INFERRED, processes=processes)
    elif processes > 1:
        others = {kill.pid: look.who(kill) for kill in report.kills if kill.pid != victim.pid}
        case.remarks(Killed.SEVERAL, processes=processes, others=tuple(others.values())[:3])
    if report.sharing:
        case.remarks(Killed.SHARERS, sharers=len(report.sharing))


def _first_again(event: OomEvent) -> bool:
    """Does the first victim's line come again after another's? Only a group kill prints that: oom_kill_process()
    kills the chosen one, then all of the cgroup, and that one among them (3d8b38eb81ca)."""
    pids = [kill.pid for kill in event.report.kills]
    return pids[0] in pids[2:]


def _other_than_chosen(event: OomEvent, verdict: Verdict, victim: Kill, case: Case) -> None:
    """Up to 5.0 a child may die for the chosen task, and up to 4.8 threads are weighed, so that the chosen one may be
    a thread of the victim. A row of its own tells that it is a process."""
    rows = {task.pid for task in event.report.tasks or ()}
    both = verdict.pid in rows and victim.pid in rows
    case.means(Killed.CHILD_OF_CHOSEN if both else Killed.OTHER_THAN_CHOSEN, chosen=look.who(verdict))


def _passed_over(event: OomEvent, case: Case) -> None:
    """Tasks of the table that nothing in it exempts: the kernel must have passed each over."""
    ranking = rank(event)
    nobody = event.report.no_killable or event.report.sysrq_ignored
    able = ranking.candidates if ranking is not None and nobody else ()
    if able:
        case.remarks(Killed.PASSED_OVER, LIKELY, passed_over=tuple(look.who(w.task) for w in able[:3]),
                     tasks_passed_over=len(able))


def _nobody(event: OomEvent, case: Case) -> None:
    report = event.report
    reaped = [reap for reap in report.reaps if reap.reaped]
    found = look.chosen(event)
    if report.exiting is not None:
        case.says(Killed.NOBODY_EXITING, exiting=look.who(report.exiting))
    elif report.panic is not None:
        case.says(Killed.NOBODY_PANIC, panic=report.panic)
        _passed_over(event, case)
    elif report.no_killable or report.sysrq_ignored:
        case.says(Killed.NOBODY_KILLABLE)
        _passed_over(event, case)
    elif reaped:
        case.says(Killed.REAPED, reaped=look.who(reaped[0]))
    elif found is not None:
        case.says(Killed.CHOSEN, UNKNOWN, chosen=found)
    else:
        case.says(Killed.NOT_SHOWN, UNKNOWN)
