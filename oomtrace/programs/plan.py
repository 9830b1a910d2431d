"""What there is to load and to attach on one kernel build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from oomtrace.kernel.probes import PROBES, Target
from oomtrace.programs.image import Image

SHIPPED, COMPILED = "shipped", "compiled"
"""Where programs are from: they came with oomtrace, or were compiled for this kernel."""


@dataclass(frozen=True)
class Plan:
    """The programs, the functions that they enter, the symbols that they read, and what decoding must know.

    ``entries`` and ``addresses`` are those of a kernel whose ``_stext`` is at ``base``.
    """

    image: Image
    programs: str  # SHIPPED or COMPILED
    targets: tuple[Optional[str], ...]  # in the order of probes.PROBES
    entries: tuple[Optional[int], ...]  # likewise: where they lie
    type_ids: tuple[Optional[int], ...]  # likewise: of those that can be entered directly
    addresses: Mapping[int, int]  # of symbols, by the index of the question that is left open in the image
    base: int
    facts: dict[str, Any]  # facts.Facts as JSON has them: a start with a kept plan has no time to read them
    missing: tuple[str, ...]
    origin: str  # where the kernel's structures are from
    lost: tuple[str, ...]  # what cannot be told for want of BTF

    def at(self, base: int) -> dict[int, int]:
        """The symbols' addresses where ``_stext`` is at ``base``."""
        return {index: address + base - self.base for index, address in self.addresses.items()}

    def targets_at(self, base: int) -> tuple[Target, ...]:
        """All probes with the functions that they enter, where ``_stext`` is at ``base``."""
        entries = (None if entry is None else entry + base - self.base for entry in self.entries)
        return tuple(Target(*each) for each in zip(PROBES, self.targets, entries, self.type_ids))

    def to_plain(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {**self.__dict__, "image": self.image.to_plain()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Plan:
        """What ``to_plain`` made. Raises KeyError, TypeError or ValueError if it is something else."""
        tuples = {key: tuple(value) for key, value in plain.items() if isinstance(value, list)}
        addresses = {int(index): address for index, address in plain["addresses"].items()}
        return cls(**{**plain, **tuples, "image": Image.from_plain(plain["image"]), "addresses": addresses})
