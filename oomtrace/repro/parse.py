"""YAML → Scenario, validated as a whole."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Optional, Union

import yaml

from oomtrace import why
from oomtrace.errors import OomtraceError

from . import reader
from .cgroups import KNOBS, split
from .reader import Invalid, NodeReader, Wrong, number
from .spec import (
    ABSENT,
    ANY_END,
    FAILED,
    KILLED,
    Cgroup,
    Expect,
    Expected,
    Forked,
    MachineNeeds,
    Said,
    Scalar,
    Scenario,
    WorkStep,
)
from .workloads import Bytes, Parameter, Seconds, parameters, registry

_SIZES = ("memory.max", "memory.high", "memory.low", "memory.min", "memory.swap.max", "memory.kmem.limit_in_bytes")
_MANY = number(0, 1 << 31)


def load(path: Path) -> Scenario:
    """Read a file, ``-`` for standard input. Raises Invalid with everything that is wrong in it."""
    standard_input = str(path) == "-"
    try:
        with open(0 if standard_input else path, "rb", closefd=not standard_input) as stream:
            data = stream.read()
    except OSError as error:
        raise OomtraceError(f"cannot read {path}: {error.strerror}") from error
    return parse(reader.decode(data, str(path)), str(path), "stdin" if standard_input else path.stem)


def parse(content: str, file: str, name: str) -> Scenario:
    """Read a description. ``file`` is for messages, ``name`` is what the scenario is called if it does not say."""
    root = reader.compose(content, file)
    parser = _Parser()
    scenario = parser.scenario(root, name)
    if parser.problems:
        raise Invalid(file, parser.problems)
    return scenario


class _Parser(NodeReader):
    """One method for each part of the description."""

    def scenario(self, root: yaml.Node, name: str) -> Scenario:
        known = ("name", "about", "item", "needs", "dangerous", "timeout", "sysctl", "cgroups", "processes", "expect")
        at = self.fields(root, "reproduction", known, ("about", "processes"))
        needs = self.needs(at["needs"]) if "needs" in at else MachineNeeds()
        groups = self.cgroups(at["cgroups"], needs.cgroup) if "cgroups" in at else ()
        return Scenario(
            name=self.value(at.get("name"), "name", reader.text, name),
            about=" ".join(self.value(at.get("about"), "about", reader.text, "").split()),
            item=self.value(at.get("item"), "item", number(1, 99), None),
            needs=needs,
            dangerous=self.value(at.get("dangerous"), "dangerous", reader.text, ""),
            timeout_seconds=self.value(at.get("timeout"), "timeout", reader.seconds, 30.0),
            sysctls=self.sysctls(at["sysctl"]) if "sysctl" in at else {},
            cgroups=groups,
            processes=self.processes(at["processes"], groups, needs.cgroup) if "processes" in at else (),
            expect=self.expect(at["expect"]) if "expect" in at else Expect(),
        )

    def needs(self, node: yaml.Node) -> MachineNeeds:
        at = self.fields(node, "needs", ("cgroup", "memory", "swap", "numa", "cpus", "boot", "not_on"))
        versions = self.items(at["cgroup"], "needs.cgroup") if "cgroup" in at else []
        reasons = self.pairs(at["not_on"], "needs.not_on") if "not_on" in at else []
        return MachineNeeds(
            cgroup=tuple(self.value(item, "needs.cgroup", number(1, 2), 2) for item in versions) or (1, 2),
            memory_bytes=self.value(at.get("memory"), "needs.memory", reader.size, None),
            swap_bytes=self.value(at.get("swap"), "needs.swap", reader.size, 0),
            numa_nodes=self.value(at.get("numa"), "needs.numa", number(1, 64), 1),
            cpus=self.value(at.get("cpus"), "needs.cpus", number(1, 1024), None),
            boot=self.value(at.get("boot"), "needs.boot", reader.text, ""),
            not_on={key: self.value(value, f"needs.not_on.{key}", reader.text, "") for _, key, value in reasons},
        )

    def sysctls(self, node: yaml.Node) -> dict[str, str]:
        found = {}
        for key, name, value in self.pairs(node, "sysctl"):
            if not all(part.replace("_", "a").replace("-", "a").isalnum() for part in name.split(".")):
                self.wrong(key, f"sysctl: expected a name such as vm.oom_dump_tasks, not {name!r}")
            found[name] = self.value(value, name, reader.text, "")
        return found

    def cgroups(self, node: yaml.Node, versions: tuple[int, ...]) -> tuple[Cgroup, ...]:
        found: list[Cgroup] = []
        seen: set[str] = set()
        for key, path, value in self.pairs(node, "cgroups"):
            self._path(key, path)
            count = 1
            files: dict[str, str] = {}
            for knob_node, knob, setting in self.pairs(value, path):
                if knob == "count":
                    count = self.value(setting, f"{path}: count", number(1, 10000), 1)
                elif self._has_knob(knob_node, knob, versions, files):
                    files[knob] = self.value(setting, knob, partial(_knob_value, knob), "")
            made = [path.replace("{n}", str(n)) for n in range(count)]
            for twice in sorted(seen.intersection(made)):
                self.wrong(key, f"cgroups: {twice} is given twice")
            seen.update(made)
            found += [Cgroup(one, files) for one in made]
            if count > 1 and "{n}" not in path:
                self.wrong(key, f"cgroups: {path} has a count, so its path needs a {{n}}")
        return tuple(found)

    def _path(self, node: yaml.Node, path: str) -> None:
        try:
            if not split(path):
                self.wrong(node, "cgroups: the root is not made")
        except ValueError as error:
            self.wrong(node, f"cgroups: {error}, not {reader.shown(path)}")

    def _has_knob(self, node: yaml.Node, name: str, versions: tuple[int, ...], before: dict[str, str]) -> bool:
        knob = KNOBS.get(name)
        if knob is None:
            self.wrong(node, f"there is no {name}; known are count, {', '.join(KNOBS)}")
            return False
        for version in versions:
            if not (knob.v1 if version == 1 else knob.v2):
                self.wrong(node, f"cgroup v{version} has no {name}; needs: cgroup: [{3 - version}] leaves it out")
        if name == "memory.swap.max" and 1 in versions and before.get("memory.max", "max") == "max":
            self.wrong(node, "memory.swap.max needs a limit as memory.max before it: cgroup v1 limits their sum")
        return True

    def processes(self, node: yaml.Node, groups: tuple[Cgroup, ...], versions: tuple[int, ...]) -> tuple[Forked, ...]:
        paths = {group.path for group in groups} | {"/"}
        inner = {path for path in paths if 2 in versions and any(other.startswith(path + "/") for other in paths)}
        found = tuple(self.process(item, paths, inner) for item in self.items(node, "processes"))
        if isinstance(node, yaml.SequenceNode) and not found:
            self.wrong(node, "processes: expected at least one")
        return found

    def process(self, node: yaml.Node, paths: set[str], inner: set[str]) -> Forked:
        known = ("name", "do", "cgroup", "uid", "oom_score_adj", "count", "times", "delay", "ends")
        at = self.fields(node, "process", known, ("name", "do"))
        count = self.value(at.get("count"), "count", number(1, 10000), 1)
        group = self.value(at.get("cgroup"), "cgroup", reader.text, "/")
        own = [group.replace("{n}", str(n)) for n in range(count)]
        if "cgroup" in at and not paths.issuperset(own):
            self.wrong(at["cgroup"], f"cgroup: {group} is not among the cgroups of this file")
        if not inner.isdisjoint(own):
            self.wrong(at["cgroup"], f"cgroup: in cgroup v2 {group} has no room for processes: it has cgroups below it")
        return Forked(
            name=self.value(at.get("name"), "name", reader.comm, ""),
            steps=tuple(self.step(item) for item in self.items(at["do"], "do")) if "do" in at else (),
            cgroup=group,
            uid=self.value(at.get("uid"), "uid", number(0, (1 << 32) - 2), 0),
            oom_score_adj=self.value(at.get("oom_score_adj"), "oom_score_adj", number(-1000, 1000), 0),
            count=count,
            times=self.value(at.get("times"), "times", number(1, 1000000), 1),
            delay_seconds=self.value(at.get("delay"), "delay", reader.seconds, 0.0),
            ends=self.value(at.get("ends"), "ends", _end, None),
        )

    def step(self, node: yaml.Node) -> WorkStep:
        """``name``, ``name: VALUE`` or ``name: {PARAMETER: VALUE, …}``."""
        name_node, value = node, None
        if isinstance(node, yaml.MappingNode) and len(node.value) == 1:
            name_node, value = node.value[0]
        if not isinstance(name_node, yaml.ScalarNode):
            self.wrong(node, "do: expected the name of a workload, with its arguments after a colon")
            return WorkStep("")
        name = name_node.value
        if name not in registry():
            self.wrong(name_node, f"do: there is no workload {name}; known are {', '.join(sorted(registry()))}")
            return WorkStep(name)
        wanted = parameters(registry()[name])
        return WorkStep(name, self.arguments(name, wanted, name_node, value))

    def arguments(
        self, name: str, wanted: list[Parameter], at: yaml.Node, node: Optional[yaml.Node]
    ) -> dict[str, Scalar]:
        given: dict[str, yaml.Node] = {}
        if isinstance(node, yaml.MappingNode):
            given = self.fields(node, name, tuple(parameter.name for parameter in wanted))
        elif node is not None and not wanted:
            self.wrong(node, f"{name}: takes no arguments")
        elif node is not None:
            given = {wanted[0].name: node}
        for parameter in wanted:
            if parameter.needed and parameter.name not in given:
                self.wrong(node or at, f"{name}: {parameter.name} is missing")
        kinds = {parameter.name: parameter.kind for parameter in wanted}
        read = {key: self.value(value, f"{name}: {key}", _converter(kinds[key]), None) for key, value in given.items()}
        return {key: value for key, value in read.items() if value is not None}

    def expect(self, node: yaml.Node) -> Expect:
        known = (
            "events", "min_events", "victims", "kills", "min_kills", "report", "printed", "min_waits", "min_failures",
            "min_tasks", "why",
        )
        at = self.fields(node, "expect", known)
        texts = {key: self.items(at[key], key) if key in at else [] for key in ("victims", "report")}
        return Expect(
            events=self.value(at.get("events"), "events", _MANY, None),
            min_events=self.value(at.get("min_events"), "min_events", _MANY, None),
            kills=self.value(at.get("kills"), "kills", _MANY, None),
            min_kills=self.value(at.get("min_kills"), "min_kills", _MANY, None),
            min_waits=self.value(at.get("min_waits"), "min_waits", _MANY, None),
            min_failures=self.value(at.get("min_failures"), "min_failures", _MANY, None),
            min_tasks=self.value(at.get("min_tasks"), "min_tasks", _MANY, None),
            victims=tuple(self.value(item, "victims", reader.comm, "") for item in texts["victims"]),
            report=tuple(self.value(item, "report", _pattern, "") for item in texts["report"]),
            printed=self.value(at.get("printed"), "printed", reader.truth, None),
            why=self.verdicts(at["why"]) if "why" in at else {},
        )

    def verdicts(self, node: yaml.Node) -> dict[str, Expected]:
        """``ID: REASON`` or ``ID: {reason: REASON, facts: {NAME: PATTERN}, confidence: …, from_log: …}`` a finding.

        A REASON is what the finding states; ``a or b`` is one of these, a list all of these. A fact is looked up by its
        name; of a process ``NAME.comm`` and ``NAME.pid`` are facts too. ``says: PATTERN`` asks for words.
        """
        found = {}
        for key, id, value in self.pairs(node, "why"):
            if id not in why.IDS:
                self.wrong(key, f"why: there is no finding {id}; known are {', '.join(why.IDS)}")
                continue
            live = self.said(id, value, id, Said(why.CERTAIN), ("from_log",))
            log = dict(_entries(value)).get("from_log")
            found[id] = Expected(live, self.said(id, log, f"{id}: from_log", live) if log is not None else live)
        return found

    def said(self, id: str, node: yaml.Node, what: str, usual: Said, more: tuple[str, ...] = ()) -> Said:
        """What is expected of a finding. ``usual`` is for what is left out; who gives reasons or words means these."""
        if isinstance(node, yaml.ScalarNode):
            if _REASON.fullmatch(node.value):
                return Said(usual.confidence, (self.value(node, what, partial(_reason, id), ""),))
            return Said(usual.confidence, words=self.value(node, what, _pattern, ""))
        at = self.fields(node, what, ("reason", "facts", "says", "confidence", *more))
        said = replace(usual, reasons=(), facts={}, words="") if {"reason", "says"} & set(at) else usual
        if "reason" in at:
            each = self.items(at["reason"], what) if isinstance(at["reason"], yaml.SequenceNode) else [at["reason"]]
            reasons = tuple(self.value(one, f"{what}: reason", partial(_reason, id), "") for one in each)
            said = replace(said, reasons=reasons)
        if "facts" in at:
            pairs = self.pairs(at["facts"], f"{what}: facts")
            facts = {name: self.value(value, f"{what}: {name}", _pattern, "") for _, name, value in pairs}
            said = replace(said, facts=facts)
        said = replace(said, words=self.value(at.get("says"), f"{what}: says", _pattern, said.words),
                       confidence=self.value(at.get("confidence"), f"{what}: confidence", _confidence,
                                             said.confidence))
        if not said.reasons and not said.words and said.confidence != ABSENT and isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{what}: reason is missing")
        return said


def _converter(kind: Any) -> Any:
    """What reads an argument of a workload, by its annotation."""
    return {Bytes: reader.size, Seconds: reader.seconds, int: _MANY, bool: reader.truth, str: reader.text}[kind]


def _knob_value(knob: str, value: str) -> str:
    if knob not in _SIZES or value == "max":
        return reader.text(value)
    return str(reader.size(value))


def _end(value: str) -> Optional[Union[str, int]]:
    if value in (KILLED, FAILED, ANY_END):
        return value
    try:
        return number(0, 255)(value)
    except Wrong:
        raise Wrong("expected killed, failed, any or an exit status") from None


def _entries(node: yaml.Node) -> list[tuple[str, yaml.Node]]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(key.value, value) for key, value in pairs if isinstance(key, yaml.ScalarNode)]


_REASON = re.compile(r"[a-z][a-z0-9_]*( or [a-z][a-z0-9_]*)*")


def _reason(id: str, value: str) -> str:
    """What the finding can state, by its name."""
    known = [reason.value for reason in why.REASONS[id]]
    if not all(one in known for one in value.split(" or ")):
        raise Wrong(f"expected what {id} can state ({', '.join(known)}), or says: for words")
    return value


def _confidence(value: str) -> str:
    known = (why.CERTAIN, why.LIKELY, why.UNKNOWN, ABSENT)
    if not all(one in known for one in value.split(" or ")):
        raise Wrong(f"expected {', '.join(known[:-1])} or {known[-1]}")
    return value


def _pattern(value: str) -> str:
    if not value:
        raise Wrong("expected a regular expression")
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise Wrong(f"expected a regular expression ({error})") from error
    return value
