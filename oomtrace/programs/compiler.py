"""Compile the BPF sources with bcc, in a process of its own: the only importer of bcc.

The compiler (clang and LLVM, inside libbcc) takes seconds to load on a slow machine and 110 MB; the process that
traces needs neither. So it is forked off, loads while its parent reads the kernel's types, gets the sources through a
pipe, answers with bytecode, and is gone. Of several sources it compiles all but one in forks of itself, side by side:
maps are linked by name, so it does not matter which programs were compiled together. The answer does not depend on
where the kernel lies in memory (see ``image.py``), so it is worth keeping.

Where the kernel has no BTF, the same process first compiles questions against the kernel's headers
(kernel/headers.py): the BTF that clang makes of them is the answer.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Optional

from oomtrace.errors import EXIT_NO_BCC, EXIT_NO_PROBE, OomtraceError
from oomtrace.programs import loaded, stubs
from oomtrace.programs.image import Image, MapSpec, Program, marks, without_maps

_PERF_EVENT_ARRAY = 4  # BPF_MAP_TYPE_


class Compiler:
    """The compiling process; ``close`` in any case."""

    def __init__(self) -> None:
        request_read, request_write = os.pipe()
        answer_read, answer_write = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(request_write)
            os.close(answer_read)
            _serve(request_read, answer_write)
        os.close(request_read)
        os.close(answer_write)
        self._busy = False
        self._request, self._answer = os.fdopen(request_write, "w"), os.fdopen(answer_read)

    def compile(self, sources: Sequence[str], missing: list[str]) -> Image:
        """Bytecode for the sources. Raises OomtraceError if bcc is missing or one of them does not compile."""
        reply = self._ask("programs", sources)
        if "error" in reply:
            raise OomtraceError(
                f"the BPF programs do not compile for this kernel ({reply['error']})",
                "not in this kernel: " + (", ".join(missing) or "nothing that was asked for"),
                EXIT_NO_PROBE,
            )
        return Image.from_plain(reply)

    def types(self, text: str) -> tuple[Optional[bytes], str]:
        """The BTF of what is compiled with the kernel's headers (None if it does not compile), and what clang said.

        Raises OomtraceError if bcc is missing.
        """
        reply = self._ask("types", [text])
        data = reply.get("btf")
        return (base64.b64decode(data) if data else None), reply.get("said") or reply.get("error", "")

    def _ask(self, want: str, sources: Sequence[str]) -> dict[str, Any]:
        # Without bcc the process may have answered and gone before this is written.
        with suppress(BrokenPipeError):
            self._request.write(json.dumps({"want": want, "sources": sources}) + "\n")
            self._request.flush()
        self._busy = True
        said = self._answer.readline()
        self._busy = False
        reply: dict[str, Any] = json.loads(said) if said else {"error": "the compiling process died"}
        if "no_bcc" in reply:
            raise _no_bcc(reply["no_bcc"])
        return reply

    def close(self) -> None:
        """End the process. Amid compiling, after Ctrl-C, it is not waited for: it goes when it has cleaned up."""
        for stream in (self._request, self._answer):
            with suppress(BrokenPipeError):
                stream.close()
        os.waitpid(self._pid, os.WNOHANG if self._busy else 0)


def _no_bcc(reason: Optional[str]) -> OomtraceError:
    if reason is None:
        return OomtraceError(
            "the Python module bcc that is installed is not the BPF Compiler Collection",
            "remove PyPI's bcc (pip uninstall bcc) and install the distribution's python3-bpfcc or python3-bcc",
            EXIT_NO_BCC,
        )
    return OomtraceError(
        f"the Python module bcc cannot be imported: {reason}",
        "install the distribution's package (Debian, Ubuntu: python3-bpfcc; Fedora: python3-bcc); "
        "PyPI's bcc is another thing",
        EXIT_NO_BCC,
    )


def _serve(request: int, answer: int) -> None:
    """The life of the compiling process."""
    status = 1
    try:
        bcc, excuse = _load()
        with os.fdopen(request) as asking, os.fdopen(answer, "w") as answering:
            for line in asking:
                json.dump(excuse or _reply(bcc, **json.loads(line)), answering)
                answering.write("\n")
                answering.flush()
        status = 0
    finally:
        os._exit(status)


def _load() -> tuple[Any, Optional[dict[str, Any]]]:
    """bcc, and what to say if it cannot be had."""
    try:
        import bcc
    except ImportError as error:
        return None, {"no_bcc": str(error)}
    return bcc, None if hasattr(bcc, "BPF") else {"no_bcc": None}


def _reply(bcc: Any, want: str, sources: Sequence[str]) -> dict[str, Any]:
    try:
        if want == "types":
            return _types(bcc, sources[0])
        others = [_Fork(bcc, source) for source in sources[1:]]
        images = [image_of(bcc, sources[0]), *(other.image() for other in others)]
        return Image.joined(images).to_plain()
    except Exception as error:  # bcc raises bare Exception
        return {"error": str(error)}


class _Fork:
    """A process that compiles one source, with bcc as it is loaded here."""

    def __init__(self, bcc: Any, source: str) -> None:
        answer_read, answer_write = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            with suppress(BaseException), os.fdopen(answer_write, "w") as answering:
                json.dump(_reply(bcc, "programs", [source]), answering)
            os._exit(0)
        os.close(answer_write)
        self._answer = os.fdopen(answer_read)

    def image(self) -> Image:
        """What it made. Raises ValueError if that is nothing."""
        with self._answer:
            said = self._answer.read()
        os.waitpid(self._pid, 0)
        reply = json.loads(said) if said else {"error": "a compiling process died"}
        if "error" in reply:
            raise ValueError(reply["error"])
        return Image.from_plain(reply)


def _types(bcc: Any, text: str) -> dict[str, Any]:
    """The BTF of a source that includes the kernel's headers, which bcc finds itself."""
    with tempfile.TemporaryFile() as diagnostics:
        stderr = os.dup(2)
        os.dup2(diagnostics.fileno(), 2)  # clang knows no other place
        try:
            module = bcc.BPF(text=text, cflags=["-w", "-ferror-limit=0", "-fno-spell-checking"])
        except Exception:
            module = None
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        diagnostics.seek(0)
        said = diagnostics.read().decode("utf-8", "replace")
    if module is None:
        return {"said": said}
    data = loaded.own_btf()
    if data is None:
        return {"error": "the kernel takes no BTF from the compiler"}
    return {"btf": base64.b64encode(data).decode()}


def image_of(bcc: Any, text: str) -> Image:
    """The programs of one source. Raises Exception (bcc's own, and bare) if it does not compile."""
    with tempfile.TemporaryDirectory(prefix="oomtrace-") as folder:
        stubs.write(Path(folder))
        os.environ["BCC_KERNEL_SOURCE"] = folder
        module = bcc.BPF(text=text, cflags=["-Wno-unused-function"])
    fds = {_map_fd(module[name.decode()]): name.decode() for name in _map_names(bcc, module)}
    specs = tuple(_spec(name, fd) for fd, name in fds.items())
    programs = []
    for index in range(bcc.lib.bpf_num_functions(module.module)):
        name = bcc.lib.bpf_function_name(module.module, index)
        code, uses = without_maps(module.dump_func(name), fds)
        programs.append(Program(name.decode(), code, uses, marks(code)))
    return Image(tuple(sorted(specs, key=attrgetter("name"))), tuple(programs))


def _spec(name: str, fd: int) -> MapSpec:
    """What a map is created from. bcc gives those for perf buffers an entry for each CPU of this machine."""
    spec = loaded.map_spec(name, fd)
    return replace(spec, max_entries=0) if spec.kind == _PERF_EVENT_ARRAY else spec


def _map_names(bcc: Any, module: Any) -> list[bytes]:
    # libbcc's C interface has these two; bcc's Python does not declare them.
    count, name = bcc.lib.bpf_num_tables, bcc.lib.bpf_table_name
    count.argtypes, count.restype = [ctypes.c_void_p], ctypes.c_size_t
    name.argtypes, name.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_char_p
    return [name(module.module, index) for index in range(count(module.module))]


def _map_fd(table: Any) -> int:
    fd: int = table.map_fd
    return fd
