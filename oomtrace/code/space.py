"""The address space of one process: walks its stacks, and names what is at an address."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Optional

from oomtrace.model import CodeFrame

from . import golang, perfmap
from .dwfl import Dwfl
from .elf import Elf, Symbols
from .files import Files
from .libdw import libdw
from .machine import Registers
from .modules import Module, Modules
from .raw import Process, RawStack
from .walked import Step, Walked, by_frame_pointers


@dataclass(frozen=True)
class _File:
    """What was read of a module's file without libdw: its functions, if they were needed."""

    first_address: int
    go: Optional[golang.GoTable]
    symbols: Symbols


class Space:
    """One process. Addresses are named once."""

    def __init__(self, process: Process, files: Files, without_libdw: bool = False) -> None:
        self.process = process
        self._files = files
        self._modules = Modules(process.maps)
        self._perf_map = perfmap.symbols(process.perf_map)
        self._named: dict[Step, tuple[CodeFrame, ...]] = {}
        self._read: dict[int, Optional[_File]] = {}
        library = None if without_libdw else libdw()
        try:
            self._dwfl = Dwfl(library, process, files, self._modules) if library is not None else None
        except OSError:
            self._dwfl = None

    def close(self) -> None:
        """Gives back what libraries hold."""
        if self._dwfl is not None:
            self._dwfl.close()

    def walk(self, raw: RawStack, registers: Registers) -> Walked:
        """The addresses of a thread's frames, innermost first. libdw's, if frame pointers do not tell more."""
        found = self._dwfl.walk(raw, registers) if self._dwfl is not None else None
        if found is not None and len(found.steps) > 1:
            return found
        other = by_frame_pointers(raw, registers, self._modules)
        if found is not None and len(found.steps) >= len(other.steps):
            return found
        return other

    def frames(self, step: Step) -> tuple[CodeFrame, ...]:
        """What is at an address, with what is inlined there before it."""
        if step not in self._named:
            found = self._dwfl.frames(step) if self._dwfl is not None else ()
            found = found or (self._without_libdw(step.address),)
            self._named[step] = tuple(self._go(step.address, frame) for frame in found)
        return self._named[step]

    def _without_libdw(self, address: int) -> CodeFrame:
        module = self._modules.at(address)
        if module is None:
            return self._made_at_run_time(address, CodeFrame(None, None, address))
        if not module.is_file:
            return CodeFrame(None, module.mapped.path, address - module.start)
        file = self._file(module)
        offset = address - module.start + (file.first_address if file is not None else 0)
        symbol = file.symbols.at(offset) if file is not None else None
        name, start = (symbol.name.partition("@")[0], symbol.address) if symbol is not None else (None, offset)
        return CodeFrame(name, module.mapped.path, start, build_id=module.mapped.build_id)

    def _made_at_run_time(self, address: int, frame: CodeFrame) -> CodeFrame:
        symbol = self._perf_map.at(address)
        return frame if symbol is None else replace(frame, function=symbol.name, offset=symbol.address)

    def _go(self, address: int, frame: CodeFrame) -> CodeFrame:
        """With what Go's own table says, where the rest says less."""
        module = self._modules.at(address) if frame.source is None else None
        file = self._file(module) if module is not None and module.is_file else None
        if module is None or file is None or file.go is None:
            return frame
        found = file.go.function(address - module.start + file.first_address)
        if found is None:
            return frame
        return replace(frame, function=frame.function or found.name, source=found.file, line=found.line,
                       offset=found.start)

    def _file(self, module: Module) -> Optional[_File]:
        if module.start not in self._read:
            self._read[module.start] = self._opened(module)
        return self._read[module.start]

    def _opened(self, module: Module) -> Optional[_File]:
        symbols = self._dwfl is None  # libdw reads them itself
        file = self._files.open(self.process, module.mapped)
        if file is None:
            return None
        try:
            elf = Elf(lambda offset, size: os.pread(file, size, offset))
            return _File(elf.first_address & ~0xFFF, golang.table(elf), Symbols(elf.symbols() if symbols else []))
        except (ValueError, OSError):
            return None
        finally:
            os.close(file)
