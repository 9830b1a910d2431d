"""What mappings are, of real programs on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from oomtrace.model import Area, Mapped
from oomtrace.witness.anonymous import memory
from oomtrace.witness.meter import Budget, Meter
from oomtrace.witness.proc import Process

GUEST = Path(__file__).parents[1] / "guest"
JVMS = {
    "serial": ["-XX:+UseSerialGC"], "parallel": ["-XX:+UseParallelGC"], "G1": ["-XX:+UseG1GC"], "Z": ["-XX:+UseZGC"],
    "without an archive of classes": ["-XX:+UseSerialGC", "-Xshare:off"],
}

FILLING_GO = """
package main

import ("fmt"; "time")

var kept [][]byte

func main() {
    for i := 0; i < 60; i++ {
        one := make([]byte, 1<<20)
        for j := range one { one[j] = 1 }
        kept = append(kept, one)
    }
    fmt.Println(len(kept))
    time.Sleep(time.Minute)
}
"""


def largest(command: list[str], ready: str) -> dict[Area, Mapped]:
    """By kind, the largest mappings of a program that says so when it is ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None and program.stdout.readline() == ready
            with Process("", program.pid) as process:
                found, _ = memory(process, Meter(Budget(10**12, 1 << 30)), 1)
        finally:
            program.kill()
    assert found is not None
    return {row.area: row for row in reversed(found.mappings)}


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc/PID/smaps here")
def test_arenas_of_this_python() -> None:
    """Most of what small objects take. Others lie beside larger pieces, in one mapping with them."""
    found = largest([sys.executable, "-c", "import time\nkept = [(n, str(n)) for n in range(300_000)]\n"
                     "print(flush=True)\ntime.sleep(60)"], "\n")
    assert 24 << 10 < (found[Area.PYTHON_ARENAS].rss_kb or 0) < 60 << 10


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("javac"), reason="no JDK here")
@pytest.mark.parametrize("how", list(JVMS))
def test_heap_of_a_real_jvm(how: str, tmp_path: Path) -> None:
    """Its reservation is what -Xmx says, and 100 MiB of it are in use."""
    subprocess.run(["javac", "-d", tmp_path, GUEST / "Filling.java"], check=True)
    heap = largest(["java", "-Xmx256m", *JVMS[how], "-cp", str(tmp_path), "Filling", "100"], "ready\n")[Area.JVM_HEAP]
    wanted_kb = 256 << 10
    if how == "Z":  # three views, each of them as large
        wanted_kb *= 3
    assert 0.98 * wanted_kb <= heap.size_kb <= 1.01 * wanted_kb, heap
    assert 95 << 10 < (heap.rss_kb or 0) < 200 << 10


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("go"), reason="no Go here")
def test_heap_of_a_real_program_of_go(tmp_path: Path) -> None:
    source = tmp_path / "filling.go"
    source.write_text(FILLING_GO)
    subprocess.run(["go", "build", "-o", tmp_path / "filling", source], check=True,
                   env={**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(tmp_path / "cache")})
    found = largest([str(tmp_path / "filling")], "60\n")
    assert 58 << 10 < (found[Area.GO_HEAP].rss_kb or 0) < 80 << 10
