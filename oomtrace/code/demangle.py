"""Names of functions as people write them: of C++ and Rust, and of a function that a compiler has made copies of.

C++: by libstdc++'s own __cxa_demangle, or by binutils' c++filt. Rust: its earlier names are C++'s with a hash at the
end, which goes; those of today begin with _R (RFC 2603), and c++filt knows them.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any, Optional

from . import libdw

_MANGLED = re.compile(r"_{1,3}Z|_R[A-Z0-9]")
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")
_RUST_MANGLED = re.compile(r"_ZN.*17h[0-9a-f]{16}E")
# Rust's names, where C++'s have no letter for a character.
_RUST_CHARACTERS = {
    "$SP$": "@", "$BP$": "*", "$RF$": "&", "$LT$": "<", "$GT$": ">", "$LP$": "(", "$RP$": ")", "$C$": ",", "..": "::",
}
_RUST_CODE = re.compile(r"\$u([0-9a-f]{1,6})\$")
_CRATE_HASH = re.compile(r"\[[0-9a-f]{8,16}\]")
_CLONE = re.compile(r"(?: \[clone [^]]*\])+$")
# Copies of a function that a compiler makes: parse.constprop.0 is parse, for one value of an argument.
_COPY = re.compile(r"(?:\.(?:(?:constprop|isra|part|lto_priv|llvm)\.\d+|cold(?:\.\d+)?|localalias))+$")
_QUALIFIERS = re.compile(r"(?: const| volatile| &&?| noexcept)*")
_SECONDS = 5.0


def demangled(names: Iterable[str]) -> Mapping[str, str]:
    """What these names are in words; those that are so already, or that nothing here can read, are left out."""
    originals = {name: _COPY.sub("", name) for name in names}
    words = _in_words({name for name in originals.values() if _MANGLED.match(name)})
    found = {name: words.get(original, original) for name, original in originals.items()}
    return {name: word for name, word in found.items() if word != name}


def _in_words(mangled: Collection[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name in mangled:
        plain = _by_library(name) if name.startswith("_Z") else None
        if plain is not None:
            found[name] = plain
    found.update(_by_program(sorted(set(mangled) - set(found))))
    return {name: _rust(plain) if _RUST_MANGLED.match(name) else without_parameters(plain)
            for name, plain in found.items()}


def without_parameters(name: str) -> str:
    """``shop::load(int) const [clone .cold]`` → ``shop::load``. What tells overloads apart is in the line."""
    name = _CLONE.sub("", name)
    end = name.rfind(")")
    if end < 0 or not _QUALIFIERS.fullmatch(name[end + 1 :]):
        return name
    depth = 0
    for at in range(end, -1, -1):
        depth += (name[at] == ")") - (name[at] == "(")
        if depth == 0:
            return name[:at] if at and name[at - 1] not in " :" else name
    return name


def _rust(name: str) -> str:
    name = _RUST_HASH.sub("", name)
    for code, character in _RUST_CHARACTERS.items():
        name = name.replace(code, character)
    name = _RUST_CODE.sub(lambda match: chr(int(match.group(1), 16)), name)
    return re.sub(r"(^|::)_<", r"\1<", name)


@cache
def _function() -> Optional[Any]:
    try:
        function: Any = ctypes.CDLL("libstdc++.so.6").__cxa_demangle
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_void_p
    function.argtypes = (ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))
    return function


def _by_library(name: str) -> Optional[str]:
    function = _function()
    if function is None:
        return None
    text = function(name.encode("utf-8", "surrogateescape"), None, None, ctypes.byref(ctypes.c_int()))
    if not text:
        return None
    try:
        return ctypes.string_at(text).decode("utf-8", "surrogateescape")
    finally:
        libdw.libc().free(text)


def _by_program(names: list[str]) -> Mapping[str, str]:
    if not names or any("\n" in name for name in names):
        return {}
    try:
        run = subprocess.run(
            ["c++filt"], input="\n".join(names) + "\n", capture_output=True, text=True, timeout=_SECONDS, check=True,
            errors="surrogateescape", env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = run.stdout.splitlines()
    if len(lines) != len(names):
        return {}
    return {name: _CRATE_HASH.sub("", line) for name, line in zip(names, lines) if line != name}
