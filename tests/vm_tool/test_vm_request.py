"""What is asked of a VM: the request, QEMU's and the guest's part of it, KVM or not, the command line."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tty
from pathlib import Path
from typing import Callable, Optional

import pytest

from oomtrace import sizes
from vm import accel, arch, cli, guest, matrix, payload, qemu, shell, spec
from vm.arch import ARCHS
from vm.errors import STATUS_LOST, STATUS_USAGE, VmError
from vm.spec import Result, RunSpec

AMD64, ARM64 = ARCHS


@pytest.mark.parametrize(("text", "size"), [("256M", 256 << 20), ("1g", 1 << 30), ("2GiB", 2 << 30), ("4096", 4096)])
def test_sizes(text: str, size: int) -> None:
    assert spec.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "1.5G", "-1", "1 G B"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(VmError, match="not a size"):
        spec.parse_size(text)


@pytest.mark.parametrize("text", ["256M", "1g", "2GiB", "4096", "0", "64K", "1T", "", "M", "1.5G", "-1", "1X"])
def test_sizes_are_the_same_for_guests_and_for_oomtrace(text: str) -> None:
    """Two readers, since the VM tool imports nothing of what it tests."""

    def read(parse: Callable[[str], int]) -> Optional[int]:
        try:
            return parse(text)
        except (ValueError, VmError):
            return None

    assert read(spec.parse_size) == read(sizes.parse)


@pytest.mark.parametrize("wrong", [
    {"kernel": "4.4"}, {"cgroup": "v3"}, {"cgroup": "v1", "kernel": "6.12"}, {"cpus": 0}, {"numa": 0},
    {"memory": 1 << 20}, {"get": [("relative", Path("x"))]},
])
def test_bad_requests(wrong: dict[str, object]) -> None:
    with pytest.raises(VmError) as caught:
        RunSpec(**wrong)  # type: ignore[arg-type]
    assert caught.value.status == STATUS_USAGE


def machine(**changes: object) -> qemu.Machine:
    values: dict[str, object] = {
        "kernel": Path("/k"), "initrd": Path("/i"), "root": Path("/r,1"), "payload": Path("/p"), "swap": None,
        "sockets": {"out": 5, "console": 6, "monitor": 7}, "kvm": False,
    }
    return qemu.Machine(**{**values, **changes})  # type: ignore[arg-type]


def test_qemu_command() -> None:
    line = " ".join(qemu.command(RunSpec(append="loglevel=7"), machine()))
    assert "-accel tcg,thread=multi -cpu max -smp 2 -m 1024M" in line
    assert "rdinit=/init no_timer_check loglevel=7" in line
    assert "file=/r,,1,snapshot=on" in line and "serial=swap" not in line
    assert "-chardev socket,id=out,fd=5 -device virtserialport,chardev=out,name=vm.out" in line
    assert "-serial chardev:console" in line and "-mon chardev=monitor,mode=control" in line
    assert "serial=swap" in " ".join(qemu.command(RunSpec(), machine(swap=Path("/s"))))


def test_accelerators() -> None:
    assert "kvm" in qemu.accelerator(AMD64, kvm=True, icount=False)
    counting = qemu.accelerator(AMD64, kvm=True, icount=True)
    assert "shift=0,sleep=off" in counting and "kvm" not in counting
    assert qemu.memory(RunSpec(cpus=4, icount=True))[:2] == ["-smp", "1"]


def test_another_architecture() -> None:
    words = qemu.command(RunSpec("6.12-arm64"), machine())
    line = " ".join(words)
    assert words[0] == "qemu-system-aarch64" and "-machine virt,gic-version=3" in line and "-cpu neoverse-n1" in line
    assert "console=ttyAMA0 quiet" in line
    assert matrix.named("6.12", ARM64).name == "6.12-arm64" == matrix.named("6.12-arm64", ARM64).name
    assert matrix.named("6.1", AMD64).name == "6.1"
    with pytest.raises(VmError, match="no kernel 5.10-arm64"):
        matrix.named("5.10", ARM64)
    with pytest.raises(VmError, match="amd64, arm64"):
        arch.find("vax")


@pytest.mark.parametrize("machine, native", [("x86_64", AMD64), ("aarch64", ARM64), ("riscv64", None)])
def test_kvm_and_the_usual_architecture_are_this_machines(
    machine: str, native: Optional[arch.Arch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setenv("OOMTRACE_VM_ACCEL", "kvm")
    assert arch.usual() == native or AMD64
    assert [each for each in arch.ARCHS if accel.kvm_works(each, lambda: True)] == ([native] if native else [])


def test_numa_shares_memory_and_cpus() -> None:
    line = " ".join(qemu.memory(RunSpec(memory=1025 << 20, cpus=3, numa=2)))
    assert "id=ram0,size=513M" in line and "id=ram1,size=512M" in line
    assert "memdev=ram0,cpus=0-0" in line and "memdev=ram1,cpus=1-2" in line
    assert qemu.memory(RunSpec(cpus=1, numa=2))[-3].startswith("memory-backend-ram,id=ram1")
    with pytest.raises(VmError, match="too little"):
        qemu.memory(RunSpec(memory=100 << 20, numa=2))


def test_words_of_a_command_reach_it_as_they_are() -> None:
    words = [sys.executable, "-c", "import os, sys; print(sys.argv[1:], os.environ['V'])", "a b", "$HOME", "'", ""]
    text = guest.script(RunSpec(environment={"V": "x y"}), words)
    output = subprocess.run(["sh", "-c", text], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert output == f"{words[3:]} x y\n"


def test_shell_sees_the_end_mark_as_python_does() -> None:
    config = guest.config(RunSpec(swap=1), "ab12")
    output = subprocess.run(["sh", "-c", config + 'printf "$VM_END"'], stdout=subprocess.PIPE, check=True).stdout
    assert output == guest.end_mark("ab12")


@pytest.mark.parametrize("name", ["init.sh", "harness.sh", "adj0", "oomtrace"])
def test_guest_scripts_parse(name: str) -> None:
    subprocess.run(["sh", "-n", str(guest.SCRIPTS / name)], check=True)


def test_kvm_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "kvm"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("OOMTRACE_VM_ACCEL", raising=False)
    monkeypatch.setattr("vm.accel.DEVICE", device)
    tries: list[int] = []

    def boots() -> bool:
        tries.append(1)
        return True

    assert not accel.kvm_works(arch.usual(), boots) and not tries
    device.touch()
    assert accel.kvm_works(arch.usual(), boots) and accel.kvm_works(arch.usual(), boots) and len(tries) == 1
    monkeypatch.setattr("vm.accel.machine_key", lambda _: "another machine")
    assert not accel.kvm_works(arch.usual(), lambda: False)
    monkeypatch.setenv("OOMTRACE_VM_ACCEL", "kvm")
    assert accel.kvm_works(arch.usual(), lambda: False)
    monkeypatch.setenv("OOMTRACE_VM_ACCEL", "xen")
    with pytest.raises(VmError, match="xen"):
        accel.kvm_works(arch.usual(), boots)


def test_command_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[object] = []

    def run(wanted: RunSpec, command: object, *_: object) -> Result:
        seen.extend([wanted, command])
        return Result(0, b"", b"", "", missing=["/b"])

    monkeypatch.setattr("vm.boot.run", run)
    status = cli.main([
        "run", "--kernel", "5.10", "--cgroup", "v1", "--memory", "512M", "--swap", "64M", "--get", "/b:c:d",
        "--env", "A=b=c", "--put", "vm", "--", "uname", "-a"])
    assert status == 1 and "/b is not in the guest" in capfd.readouterr().err
    assert seen == [
        RunSpec(kernel="5.10", cgroup="v1", memory=512 << 20, swap=64 << 20, get=[("/b", Path("c:d"))],
                environment={"A": "b=c"}, put=(Path("vm"),)),
        ["uname", "-a"],
    ]
    assert cli.main(["run", "--", "a; b"]) == 1 and seen[-1] == "a; b"


def test_lost_vm_on_the_command_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("vm.boot.run", lambda *_: Result(None, b"", b"", "line\nlast words", lost="a reason"))
    assert cli.main(["run", "true"]) == STATUS_LOST
    said = capfd.readouterr().err
    assert "the VM was lost: a reason; its console ended so:\nline\nlast words\n" in said and "--shell" in said


def test_shell_needs_a_terminal_and_what_is_no_shell_a_command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vm.boot.run", lambda *_: pytest.fail("booted"))
    assert cli.main(["run"]) == STATUS_USAGE and "--shell for a prompt" in capfd.readouterr().err
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert cli.main(["run", "--shell"]) == STATUS_USAGE and "needs a terminal" in capfd.readouterr().err


def test_shell_runs_the_command_first() -> None:
    line = shell.command(["sh", "-c", "a 'b'"])
    assert line.startswith("exec env --default-signal setsid ") and line.endswith("</dev/ttyS0 >/dev/ttyS0 2>&1")
    (script,) = [word for word in shlex.split(line) if "\n" in word]
    assert "\nsh -c 'a '\"'\"'b'\"'\"''\n" in script and script.splitlines()[-1] == "exec bash -i"
    assert shell.command(["a; b"]).count("a; b") == 1 and "status" not in shell.command([])


def test_keys_reach_the_guest_and_one_of_them_ends_it() -> None:
    ours, theirs = os.openpty()
    terminal = shell.Terminal(theirs, theirs)
    tty.setraw(theirs)
    os.write(ours, b"ls\x03")
    assert terminal.read() == b"ls\x03"
    terminal.show(b"file\r\n")
    assert os.read(ours, 100) == b"file\r\n"
    os.write(ours, b"x\x1d")
    with pytest.raises(KeyboardInterrupt):
        terminal.read()
    os.close(ours)
    assert terminal.read() == b""
    os.close(theirs)


@pytest.mark.parametrize("arguments", [
    ["run", "--cgroup", "v1", "--kernel", "7.3", "true"], ["run", "--get", "/a", "true"],
    ["run", "--env", "A", "true"], ["run", "--memory", "much", "true"], ["build", "9.9"],
])
def test_bad_command_lines(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == STATUS_USAGE
    assert capfd.readouterr().err.startswith("vm: error: ")


def test_list_needs_no_images(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    output = subprocess.run(
        [sys.executable, "-m", "vm", "list"], cwd=payload.REPOSITORY, env=environment, check=True, text=True,
        stdout=subprocess.PIPE).stdout
    kernels = matrix.everything()
    variants = [len(matrix.VARIANTS if kernel.arch.native else matrix.FOREIGN_VARIANTS) for kernel in kernels]
    assert output.count("not built") == sum(variants) and "trixie-backports" in output
