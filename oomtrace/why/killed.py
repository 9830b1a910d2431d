"""Step 2: whose task was killed, and how its memcg stands to the full one and to the charger's."""

from __future__ import annotations

from typing import List, Optional, Tuple

from oomtrace.model import Kill, OomEvent, Verdict

from . import look, names
from .finding import CERTAIN, UNKNOWN, Finding, facts
from .units import exact, plural

_TITLE = "killed"


def killed(event: OomEvent) -> Optional[Finding]:
    """The victim, or why there is none."""
    if not event.report.kills:
        return _nobody(event)
    victim = event.report.kills[0]
    evidence = facts(
        kill__pid=victim.pid, kill__comm=victim.comm, kill__uid=victim.uid, kill__total_vm_kb=victim.total_vm_kb,
        kill__anon_rss_kb=victim.anon_rss_kb, kill__file_rss_kb=victim.file_rss_kb,
        kill__shmem_rss_kb=victim.shmem_rss_kb, victim_memcg=look.victim_path(event),
        memcg__path=look.full_path(event), trigger__memcg=charger_path(event),
    )
    held = look.held_kb(victim)
    sentence = look.who(victim.pid, victim.comm)
    if victim.uid is not None:
        sentence += f" of uid {victim.uid}"
    if held is not None:
        sentence += f", resident {exact(held)}"
    relation, confidence = _relation(event)
    return Finding("killed", 2, _TITLE, f"{sentence}{relation}.", evidence, _more(event), confidence)


def charger_path(event: OomEvent) -> Optional[str]:
    """The charger's memcg: known live, and from a log if the charger is the victim itself."""
    if event.report.trigger.memcg is not None:
        return event.report.trigger.memcg
    same = event.report.kills and event.report.trigger.pid == event.report.kills[0].pid
    return look.victim_path(event) if same else None


def relation(full: str, path: str) -> str:
    """How a memcg stands to the full one, in words."""
    levels = names.levels_between(full, path)
    if levels == 0:
        return "the full memory cgroup itself"
    if levels is not None:
        return f"{plural(levels, 'level')} below the full one"
    return "not below the full one"


def _relation(event: OomEvent) -> Tuple[str, str]:
    """The three-memcg verdict."""
    full, victim, charger = look.full_path(event), look.victim_path(event), charger_path(event)
    if victim is None:
        return ("; its memory cgroup is not in the report" if look.scope(event) == "memcg" else ""), CERTAIN
    if look.scope(event) != "memcg" or full is None:
        return f", in {names.described(victim)}", CERTAIN
    same = victim == full
    said = ", in the full memory cgroup itself" if same else f", in {names.described(victim)}: {relation(full, victim)}"
    if charger is None:
        return said + "; which memory cgroup the charger is in the source does not tell", CERTAIN
    if charger == victim:
        return said + "; the charger is in the same", CERTAIN
    return said + f"; the charger is in {names.described(charger)}, {relation(full, charger)}", CERTAIN


def _more(event: OomEvent) -> Optional[str]:
    """A child in place of the chosen, a group, sharers of the memory."""
    said: List[str] = []
    verdict, victim = event.report.verdict, event.report.kills[0]
    if verdict is not None and verdict.pid != victim.pid:
        said.append(_other_than_chosen(event, verdict, victim))
    if look.was_exiting(event):
        said.append("It was exiting already: the kernel sent it no signal, but let it use the reserves to finish.")
    if event.report.oom_group is not None:
        number = plural(_processes(event), "process was killed", "processes were killed")
        said.append(f"memory.oom.group is set for {_shown(event, event.report.oom_group)}: {number} in all.")
    elif len(event.report.kills) > 1:
        others = ", ".join(look.who(kill.pid, kill.comm) for kill in event.report.kills[1:4])
        said.append(f"{plural(_processes(event), 'process was', 'processes were')} killed; the others: {others}.")
    if event.report.sharing:
        were = "were" if len(event.report.sharing) > 1 else "was"
        sharing = plural(len(event.report.sharing), "process", "processes")
        said.append(f"{sharing} that shared its memory {were} killed too.")
    return " ".join(said) or None


def _other_than_chosen(event: OomEvent, verdict: Verdict, victim: Kill) -> str:
    """Up to 5.0 a child may die for the chosen task, and up to 4.8 threads are weighed, so that the chosen one may be
    a thread of the victim. A row of its own tells that it is a process."""
    name = look.who(verdict.pid, verdict.comm)
    rows = {task.pid for task in event.report.tasks or ()}
    if verdict.pid in rows and victim.pid in rows:
        return f"The kernel had chosen {name} and sacrificed this child of it."
    return f"The kernel had chosen {name}: a thread of the same process, or its parent; the report does not tell."


def _shown(event: OomEvent, path: str) -> str:
    """A path, short where the sentence before has it."""
    if path == look.full_path(event):
        return "the full memory cgroup"
    return "the victim's memory cgroup" if path == look.victim_path(event) else names.described(path)


def _processes(event: OomEvent) -> int:
    """A group kill prints the first victim twice."""
    return len({kill.pid for kill in event.report.kills})


def _nobody(event: OomEvent) -> Finding:
    if event.report.exiting is not None:
        who = look.who(event.report.exiting.pid, event.report.exiting.comm)
        return Finding("killed", 2, _TITLE, f"Nobody: the chosen {who} was already exiting.",
                       facts(exiting__pid=event.report.exiting.pid, exiting__comm=event.report.exiting.comm))
    if event.report.panic is not None:
        panic = event.report.panic
        return Finding("killed", 2, _TITLE, f"Nobody: the kernel panicked: {panic}", facts(panic=panic))
    if event.report.no_killable or event.report.sysrq_ignored:
        return Finding("killed", 2, _TITLE, "Nobody: there was no task that could be killed.",
                       facts(no_killable=int(event.report.no_killable)))
    reaped = [reap for reap in event.report.reaps if reap.reaped]
    if reaped:
        first = reaped[0]
        return Finding("killed", 2, _TITLE, f"{look.who(first.pid, first.comm)}: its kill is not in the source, but "
                       "the oom_reaper took its memory.", facts(reap__pid=first.pid, reap__comm=first.comm))
    found = look.chosen(event)
    if found is not None:
        return Finding("killed", 2, _TITLE, f"{look.who(*found)} was chosen; that it was killed is not in the source.",
                       facts(chosen__pid=found[0], chosen__comm=found[1]), confidence=UNKNOWN)
    return Finding("killed", 2, _TITLE, "Who was killed is not in the source.", confidence=UNKNOWN)
