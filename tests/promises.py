"""Scripts in guests that print a line for each promise (tests/guest/promises.sh)."""

from __future__ import annotations

from vm import boot
from vm.spec import RunSpec


def kept(spec: RunSpec, command: str) -> None:
    """Run the script, and see that it came to its end with every promise kept."""
    result = boot.check(boot.run(spec, command))
    out, err = result.stdout.decode("utf-8", "replace"), result.stderr.decode("utf-8", "replace")
    said = f"all that was said:\n{out}\n{err}"
    broken = [line for line in out.splitlines() if not line.startswith("ok ")]
    assert not broken, "\n".join([*broken, said])
    assert out.endswith("\nok end\n"), said
