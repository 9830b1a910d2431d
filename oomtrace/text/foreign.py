"""An event in the words of another era, so that another kernel's dialect can print it.

Only what the event knows under another name: the same fact moved between lines over the years. Nothing is made up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from oomtrace.formats import Dialect
from oomtrace.formats.gfp import translate
from oomtrace.history import constraints
from oomtrace.model import Memcg, OomEvent, Summary, Trigger


def named(event: OomEvent, dialect: Dialect) -> OomEvent:
    """With the names of the gfp flags, if only the mask is known."""
    trigger = event.report.trigger
    if trigger.gfp_mask is None or trigger.gfp_flags is not None:
        return event
    named = replace(trigger, gfp_flags=dialect.gfp_names(trigger.gfp_mask))
    return replace(event, report=replace(event.report, trigger=named))


def translated(event: OomEvent, own: Dialect, dialect: Dialect) -> OomEvent:
    """``event``, which a kernel of dialect ``own`` had, as a kernel of ``dialect`` would know it."""
    report = event.report
    summary = report.summary or Summary()
    return replace(event, report=replace(
        report,
        trigger=_trigger(report.trigger, summary, own, dialect),
        memcg=_memcg(report.memcg, summary, dialect),
        victim_memcg=report.victim_memcg or summary.task_memcg,
        summary=_summary(event),
        kills=tuple(replace(kill, message=kill.message or _message(event)) for kill in report.kills),
    ))


def _trigger(trigger: Trigger, summary: Summary, own: Dialect, dialect: Dialect) -> Trigger:
    """ef8444ea01d7 (5.0) moved cpuset and nodes from the first lines into the summary."""
    mask = None if trigger.gfp_mask is None else translate(trigger.gfp_mask, own.gfp, dialect.gfp)
    return replace(
        trigger,
        gfp_mask=mask,
        gfp_flags=None if mask is None else dialect.gfp_names(mask),
        cpuset=trigger.cpuset or summary.cpuset,
        mems_allowed=trigger.mems_allowed or summary.mems_allowed,
        nodemask=trigger.nodemask or summary.nodemask,
    )


def _memcg(memcg: Optional[Memcg], summary: Summary, dialect: Dialect) -> Optional[Memcg]:
    """The statistics are those that the other kernel has too, in its order. Other names have other meanings."""
    if memcg is None:
        return None
    stats = tuple(
        replace(one, values={name: one.values[name] for name in dialect.statistics if name in one.values})
        for one in memcg.stats
    )
    return replace(memcg, path=memcg.path or summary.oom_memcg, stats=stats)


def _summary(event: OomEvent) -> Optional[Summary]:
    """The summary that kernels before 5.0 did not print, where all that it says is known."""
    victim, constraint = event.report.victim, constraints.constraint_of(event.kind)
    if event.report.summary is not None or victim is None or constraint is None:
        return event.report.summary
    trigger, memcg = event.report.trigger, event.report.memcg
    of_memcg = event.kind == constraints.MEMCG
    return Summary(
        constraint=constraint, nodemask=trigger.nodemask, cpuset=trigger.cpuset, mems_allowed=trigger.mems_allowed,
        global_oom=None if of_memcg else True, oom_memcg=memcg.path if memcg is not None and of_memcg else None,
        task_memcg=event.report.victim_memcg, task=victim.comm, pid=victim.pid, uid=_uid(event),
    )


def _uid(event: OomEvent) -> Optional[int]:
    """The victim's uid as the task table has it, signed."""
    victim = event.report.victim
    rows = [task for task in event.report.tasks or () if victim is not None and task.pid == victim.pid]
    return rows[0].uid if rows else victim.uid if victim is not None else None


def _message(event: OomEvent) -> Optional[str]:
    """The words before "Killed process", on a line of their own up to 5.0."""
    if event.report.verdict is not None:
        return event.report.verdict.message
    return constraints.message_of(event.kind)
