"""The command line: ``list``, ``build``, ``run``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from . import arch, boot, fidelity, host, image, matrix, scenario, shell, spec
from .errors import STATUS_HARNESS, STATUS_LOST, STATUS_USAGE, VmError
from .progress import say
from .recipe import Recipe
from .streams import Sink

EPILOG = f"""
exit status: that of the command; {STATUS_LOST} if the VM was lost (panic, hang, time-out: the end of its console is on
standard error); {STATUS_HARNESS} if this tool failed; {STATUS_USAGE} for wrong usage; 1 if the command succeeded, but a
file for --get was not there
"""


VARIANT_HELP = ("base: what oomtrace needs (default); bcc: also bcc, to compile; bench: also kernel headers, bpftrace, "
                "bcc's tools; systemd: with systemd; packages: with systemd, rpm and podman; "
                "containers: container runtimes; killers: with systemd, systemd-oomd, earlyoom and podman; "
                "fleet: with systemd, Prometheus and systemd-journal-remote")
MORE_HELP = f"{', '.join(kernel.name for kernel in matrix.MORE_KERNELS)}; for arm64: 6.12-16k"
ABOUT = "VMs with several kernels, to try and test oomtrace. Each has a copy of this checkout."


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run one command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return int(options.action(options))
    except VmError as error:
        say(f"error: {error}")
        return error.status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read the output has gone. Without this, Python complains again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _terminated(*_: object) -> None:
    """On SIGTERM, leave in order: QEMU ends and temporary files go."""
    sys.exit(128 + signal.SIGTERM)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m vm", description=ABOUT, epilog=EPILOG)
    actions = parser.add_subparsers(dest="name", required=True)
    listing = actions.add_parser("list", help="list the kernels and the images that are built")
    listing.set_defaults(action=_list)
    build = actions.add_parser("build", help="build images that are missing or out of date")
    build.add_argument("kernels", nargs="+", metavar="KERNEL", help=f"{', '.join(matrix.all_names())} or all")
    build.add_argument("--variant", default="base", choices=matrix.VARIANTS, help=VARIANT_HELP)
    build.set_defaults(action=_build)
    run = actions.add_parser("run", help="boot a VM, and run a command or a shell in it", epilog=EPILOG)
    _add_run_options(run)
    run.set_defaults(action=_run)
    fidelity.add_options(actions.add_parser("fidelity", help="run all scenarios on all kernels, and write FIDELITY.md"))
    scenario.add_options(
        actions.add_parser("scenario", help="run scenarios, and compare our reports with the kernel's"))
    return parser


def _add_run_options(run: argparse.ArgumentParser) -> None:
    default = spec.RunSpec()
    run.add_argument("--kernel", default=default.kernel, metavar="NAME",
                     help=f"{', '.join(matrix.names())} (default {default.kernel}); beside these: {MORE_HELP}")
    run.add_argument("--arch", default=arch.usual().name, choices=arch.names(), help="default: that of this machine")
    run.add_argument("--variant", default=default.variant, choices=matrix.VARIANTS, help=VARIANT_HELP)
    run.add_argument("--memory", default="1G", metavar="SIZE", help="RAM (default 1G)")
    run.add_argument("--cpus", default=default.cpus, type=int, metavar="N", help="CPUs (default 2)")
    run.add_argument("--balloon", default="0", metavar="SIZE",
                     help="RAM that the host takes back once virtio_balloon is loaded (default none)")
    run.add_argument("--swap", default="0", metavar="SIZE", help="swap on a disk of its own (default none)")
    run.add_argument("--numa", default=default.numa, type=int, metavar="N", help="NUMA nodes (default 1)")
    run.add_argument("--cgroup", default=default.cgroup, choices=("v1", "v2"),
                     help=f"version of the memory controller (default {default.cgroup})")
    run.add_argument("--append", default="", metavar="WORDS", help="more words for the kernel's command line")
    run.add_argument("--icount", action="store_true", help="measure: one emulated CPU, whose clock counts instructions")
    run.add_argument("--timeout", type=float, metavar="S",
                     help=f"give the VM up after S seconds (default {default.timeout:.0f}; with --shell a day)")
    run.add_argument("--get", default=[], action="append", metavar="GUESTPATH:HOSTPATH",
                     help="copy a file or folder out of the VM after the command; may be repeated")
    run.add_argument("--put", default=[], action="append", metavar="HOSTPATH", type=Path,
                     help="copy a file or folder into the VM, to /root/put; may be repeated")
    run.add_argument("--env", default=[], action="append", metavar="NAME=VALUE",
                     help="set a variable for the command; may be repeated")
    run.add_argument("--shell", action="store_true",
                     help="run COMMAND, if there is one, and then a shell in the VM on this terminal")
    run.add_argument("--times", action="store_true", help="print how long the boot and the command took")
    run.add_argument("command", nargs="*", metavar="COMMAND",
                     help="a command and its arguments; or one word in quotes: a line for the VM's shell")


def _list(_: argparse.Namespace) -> int:
    row = "{:<14} {:<9} {:<17} {:<8} {:>9}  {}".format
    print(row("KERNEL", "SUITE", "KERNEL FROM", "VARIANT", "SIZE", "IMAGE"))
    for kernel in matrix.everything():
        for variant in matrix.VARIANTS if kernel.arch.native else matrix.FOREIGN_VARIANTS:
            built = image.find(Recipe(kernel, variant))
            size = f"{built.size() >> 20} MiB" if built else "-"
            what = built.release if built else "not built"
            print(row(kernel.name, kernel.suite, kernel.kernel_suite or kernel.suite, variant, size, what))
    print(f"cache: {image.cache_folder()}")
    return 0


def _build(options: argparse.Namespace) -> int:
    names = matrix.names() if "all" in options.kernels else options.kernels
    recipes = [Recipe(matrix.find(name), options.variant) for name in names]
    for recipe in recipes:
        host.ensure_qemu(recipe.kernel.arch)
        built = image.ensure(recipe)
        say(f"{recipe.name}: {built.release} at {built.path}")
    return 0


def _run(options: argparse.Namespace) -> int:
    wanted = spec.RunSpec(
        kernel=matrix.named(options.kernel, arch.find(options.arch)).name, variant=options.variant,
        memory=spec.parse_size(options.memory), cpus=options.cpus, swap=spec.parse_size(options.swap),
        balloon=spec.parse_size(options.balloon), numa=options.numa, cgroup=options.cgroup, append=options.append,
        icount=options.icount, timeout=_timeout(options), get=[_pair(text) for text in options.get],
        put=tuple(options.put), environment=dict(_variable(text) for text in options.env),
    )
    words: list[str] = options.command
    if not words and not options.shell:
        raise VmError("no command for the VM", "give one, or --shell for a prompt", STATUS_USAGE)
    if sys.stderr.isatty():
        say(f"booting kernel {wanted.kernel} …")
    if options.shell:
        with shell.terminal() as terminal:
            result = boot.run(wanted, shell.command(words), terminal=terminal)
    else:
        result = boot.run(wanted, words[0] if len(words) == 1 else words, _to(1), _to(2))
    if options.times:
        say(f"ready after {result.boot_seconds:.1f} s, ended after {result.seconds:.1f} s")
    if result.status is None:
        say(f"the VM was lost: {result.lost}; its console ended so:\n{boot.console_tail(result)}")
        if not options.shell:
            say("to look into it: the same command with --shell")
    for path in result.missing:
        say(f"{path} is not in the guest")
    return result.exit_status or int(bool(result.missing))


def _timeout(options: argparse.Namespace) -> float:
    """What is asked for; else what is usual for a command, or for a person."""
    usual = shell.TIMEOUT_S if options.shell else spec.RunSpec().timeout
    return usual if options.timeout is None else float(options.timeout)


def _to(descriptor: int) -> Sink:
    """A sink that writes to standard output (1) or standard error (2) at once."""
    stream = (sys.stdout if descriptor == 1 else sys.stderr).buffer

    def write(data: bytes) -> None:
        stream.write(data)
        stream.flush()
    return write


def _pair(text: str) -> tuple[str, Path]:
    guest, colon, here = text.partition(":")
    if not colon or not here:
        raise VmError(f"--get {text}: expected GUESTPATH:HOSTPATH", "such as /var/log:logs", STATUS_USAGE)
    return guest, Path(here)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise VmError(f"--env {text}: expected NAME=VALUE", "", STATUS_USAGE)
    return name, value
