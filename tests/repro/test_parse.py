"""The YAML of reproductions: what is read, and where wrong things are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from oomtrace.repro import parse
from oomtrace.repro.reader import Invalid
from oomtrace.repro.spec import Cgroup, Forked, Scenario, WorkStep
from vm import fidelity

SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "vm" / "scenarios").glob("*.yaml"))

WHOLE = """\
about: >
  Two lines
  of words.
item: 3
needs: {cgroup: [2], swap: 256M, numa: 2, not_on: {"5.10": no reason}}
dangerous: it bites
timeout: 90
sysctl: {vm.oom_dump_tasks: 0}
cgroups:
  /a: {memory.max: 64M, memory.swap.max: max}
  "/a/{n}": {count: 2, pids.max: 10}
processes:
  - name: one
    uid: 1000
    oom_score_adj: -500
    cgroup: /a/{n}
    count: 2
    delay: 500ms
    do: [anon: 2M, ready, sleep]
  - {name: two, do: [anon: {size: 1G, pause: 10ms}, exit: 3], ends: 3}
expect: {events: 1, min_kills: 1, victims: [two], report: ['^x'], printed: true}
"""


def read(text: str) -> Scenario:
    return parse.parse(text, "x.yaml", "x")


def problems(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(Invalid) as caught:
        read(text)
    return [(one.line, one.column, one.message) for one in caught.value.problems]


def test_whole() -> None:
    scenario = read(WHOLE)
    assert (scenario.name, scenario.about, scenario.item) == ("x", "Two lines of words.", 3)
    assert (scenario.needs.cgroup, scenario.needs.swap_bytes, scenario.needs.numa_nodes) == ((2,), 256 << 20, 2)
    assert scenario.needs.not_on == {"5.10": "no reason"}
    assert (scenario.dangerous, scenario.timeout_seconds) == ("it bites", 90)
    assert scenario.sysctls == {"vm.oom_dump_tasks": "0"}
    assert scenario.cgroups == (
        Cgroup("/a", {"memory.max": str(64 << 20), "memory.swap.max": "max"}),
        Cgroup("/a/0", {"pids.max": "10"}),
        Cgroup("/a/1", {"pids.max": "10"}),
    )
    one, two = scenario.processes
    steps = (WorkStep("anon", {"size": 2 << 20}), WorkStep("ready"), WorkStep("sleep"))
    assert one == Forked("one", steps, "/a/{n}", 1000, -500, count=2, delay_seconds=0.5)
    assert two.steps == (WorkStep("anon", {"size": 1 << 30, "pause": 0.01}), WorkStep("exit", {"status": 3}))
    assert two.ends == 3
    assert scenario.expect.victims == ("two",) and scenario.expect.printed is True


MINIMAL = "about: a\nprocesses:\n  - {name: p, do: [sleep]}\n"


@pytest.mark.parametrize(
    "change, line, column, message",
    [
        (("about: a", "abut: a"), 1, 1, "reproduction: there is no abut"),
        (("about: a", "about: a\nabout: b"), 2, 1, "about is given twice"),
        (("about: a", "about: [a]"), 1, 8, "expected a single value, not a list"),
        (("[sleep]", "[slep]"), 3, 20, "there is no workload slep"),
        (("[sleep]", "sleep"), 3, 19, "expected a list, not a single value"),
        (("[sleep]", "[anon]"), 3, 20, "anon: size is missing"),
        (("[sleep]", "[anon: 2X]"), 3, 26, "expected a size such as 64M, not '2X'"),
        (("[sleep]", "[anon: {sise: 2M}]"), 3, 27, "anon: there is no sise"),
        (("[sleep]", "[ready: 1]"), 3, 27, "ready: takes no arguments"),
        (("name: p", "name: a name much too long"), 3, 12, "1 to 15 bytes"),
        (("name: p", "name: p, uid: -1"), 3, 20, "expected a number from 0"),
        (("name: p", "name: p, oom_score_adj: 1001"), 3, 30, "from -1000 to 1000"),
        (("name: p", "name: p, ends: dead"), 3, 21, "expected killed, failed, any or an exit status"),
        (("name: p", "name: p, cgroup: /a"), 3, 23, "/a is not among the cgroups"),
        (("about: a", "about: a\ntimeout: long"), 2, 10, "expected a time"),
        (("about: a", "about: a\nsysctl: {../x: 1}"), 2, 10, "expected a name such as vm.oom_dump_tasks"),
        (("about: a", "about: a\ncgroups: {a: {}}"), 2, 11, "starts with /"),
        (("about: a", "about: a\ncgroups: {/a/../b: {}}"), 2, 11, "without . and .."),
        (("about: a", "about: a\ncgroups: {/: {}}"), 2, 11, "the root is not made"),
        (("about: a", "about: a\ncgroups: {/a: {memory.mox: 1}}"), 2, 16, "there is no memory.mox"),
        (("about: a", "about: a\ncgroups: {/a: {memory.oom.group: 1}}"), 2, 16, "cgroup v1 has no memory.oom.group"),
        (("about: a", "about: a\ncgroups: {/a: {memory.swap.max: 0}}"), 2, 16, "needs a limit as memory.max before it"),
        (("about: a", "about: a\ncgroups: {/a: {count: 2}}"), 2, 11, "needs a {n}"),
        (("about: a", "about: a\nexpect: {report: ['(']}"), 2, 19, "expected a regular expression"),
        (("about: a", "about: a\nneeds: {cgroup: [3]}"), 2, 18, "from 1 to 2"),
        (("about: a", "about: a\nitem: " + 5000 * "1"), 2, 7, "expected a number from 1 to 99, not '111"),
        (("about: a", "about: a\ntimeout: " + 5000 * "1"), 2, 10, "expected a time"),
        (("about: a", "about: a\nneeds: {memory: " + 5000 * "1" + "}"), 2, 17, "expected a size below 8 EiB"),
        (("about: a", "about: a\ncgroups: {/a: {memory.max: 99999999999999999999T}}"), 2, 28, "size below 8 EiB"),
        (("about: a", "about: a\ncgroups: {/a: {memory.max: 9223372036854775808}}"), 2, 28, "size below 8 EiB"),
        (("about: a", "about: a\ncgroups: {/foo: {}, /foo/: {}}"), 2, 21, "between single /"),
        (("about: a", "about: a\ncgroups: {/a//b: {}}"), 2, 11, "between single /"),
        (("about: a", "about: a\ncgroups: {'/a/{n}': {count: 2}, /a/1: {}}"), 2, 33, "/a/1 is given twice"),
        (("about: a", 'about: a\ncgroups: {"/a\\0": {}}'), 2, 11, "in text"),
        (("about: a", "about: a\ncgroups: {/a: {memory.max: max, memory.swap.max: 1M}}"), 2, 33, "needs a limit"),
        (("name: p", 'name: "\\ud800"'), 3, 12, "neither \\0 nor half a surrogate pair"),
        (("name: p", 'name: "p\\0"'), 3, 12, "neither \\0 nor half a surrogate pair"),
        (("about: a", "about: a\nexpect: {report: ['a{99999999999}']}"), 2, 19, "expected a regular expression"),
        (("about: a", "about: a\nexpect: " + 3000 * "["), 2, 58, "nested more than 50 deep"),
        (("about: a", "about: a\r\nname: 'a\x01'"), 2, 9, "U+0001 cannot be in YAML"),
    ],
)
def test_wrong(change: tuple[str, str], line: int, column: int, message: str) -> None:
    found = problems(MINIMAL.replace(*change))
    assert (line, column) in [(one[0], one[1]) for one in found]
    assert any(message in one[2] for one in found)


def test_no_room_in_inner_cgroup() -> None:
    text = "about: a\ncgroups: {/a: {}, /a/b: {}}\nprocesses:\n  - {name: p, cgroup: /a, do: [sleep]}\n"
    assert problems(text) == [
        (4, 23, "cgroup: in cgroup v2 /a has no room for processes: it has cgroups below it")
    ]
    assert read(text.replace("about: a", "about: a\nneeds: {cgroup: [1]}"))


def test_all_problems_at_once_in_order() -> None:
    found = problems("about: a\ntimeout: x\nprocesses:\n  - {name: p, do: [slep], uid: y}\n")
    assert [one[0] for one in found] == [2, 4, 4]


@pytest.mark.parametrize("text", ["", "a: [", "\tx", "a: &x [*x]", "- 1", "x"])
def test_no_reproduction(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(text)
    assert caught.value.problems and caught.value.message.startswith("x.yaml:")


def test_largest_size() -> None:
    text = MINIMAL.replace("about: a", "about: a\nneeds: {memory: 0009223372036854775807, swap: 000}")
    assert read(text).needs.memory_bytes == (1 << 63) - 1


def test_long_values_are_not_shown_whole() -> None:
    ((_, _, message),) = problems(MINIMAL.replace("about: a", "about: a\ntimeout: " + 5000 * "1"))
    assert len(message) < 200


@pytest.mark.parametrize(
    "data, line, column", [(b"\xff", 1, 1), (b"about: \xc3\xa4\xe4", 1, 9), (b"about: a\r\nname:\r \xc3", 3, 2)]
)
def test_not_utf8(tmp_path: Path, data: bytes, line: int, column: int) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(data)
    with pytest.raises(Invalid, match="not UTF-8: byte 0x") as caught:
        parse.load(file)
    assert caught.value.message.startswith(f"{file}:{line}:{column}: ") and caught.value.status == 2


def test_nothing_is_constructed() -> None:
    assert problems(MINIMAL.replace("about: a", "about: !!python/object/apply:os.system [true]"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: str(path.stem))
def test_shipped(path: Path) -> None:
    scenario = parse.load(path)
    assert scenario.name == path.stem and scenario.item in fidelity.KINDS
    why = set(scenario.expect.why)
    assert "full" in why and why & {"charging", "filled"}
    assert why & {"pick", "killed"} or scenario.expect.events == 0
