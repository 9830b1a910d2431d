"""A kernel without BTF: its structures come from its headers, and the report is the same."""

import pytest

from oomtrace.errors import EXIT_NO_TYPES
from tests.live.guest import MEMCG_OOM, kernel_lines, trace
from vm import boot
from vm.spec import RunSpec

# So does a kernel look that has none.
NO_BTF = {"OOMTRACE_BTF": "/nonexistent"}


@pytest.mark.vm
@pytest.mark.long  # not for its time, but for the image with the kernel's headers, which no other test wants
def test_memcg_oom_is_identical_with_headers_in_place_of_btf() -> None:
    # Compiling the headers takes half a minute to three minutes where nothing but emulation is to be had.
    traced = trace("6.1", "v2", MEMCG_OOM, timeout=900, variant="bench", environment=NO_BTF)
    theirs = kernel_lines(traced.kmsg)
    assert sum(b"invoked oom-killer" in line for line in theirs) == 1
    assert traced.ours.splitlines() == theirs
    assert "kernel structures from the kernel's headers" in traced.stderr
    assert "without the kernel's BTF: the workqueue that a kernel worker serves" in traced.stderr
    assert "without the kernel's BTF: the executable of a process that is gone" in traced.stderr


@pytest.mark.vm
def test_neither_btf_nor_headers_is_one_sentence_with_a_hint() -> None:
    result = boot.check(boot.run(RunSpec(kernel="6.1", cpus=1, environment=NO_BTF), "oomtrace --timeout 1"))
    said = result.stderr.decode()
    assert result.status == EXIT_NO_TYPES, said
    assert "there is no BTF at /nonexistent, and no kernel headers are installed for 6.1" in said
    assert "linux-headers-6.1" in said.split("hint:")[1] and "Traceback" not in said, said
