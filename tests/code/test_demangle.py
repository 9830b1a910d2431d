"""Names of functions as people write them."""

from __future__ import annotations

import shutil

import pytest

from oomtrace.code.demangle import demangled, without_parameters
from oomtrace.code.resolve import _Resolved, _Tables
from oomtrace.model import CodeFrame


@pytest.mark.parametrize("name, plain", [
    ("_ZN4shop7Catalog4loadEi", "shop::Catalog::load"),
    ("_ZNK4shop7Catalog4sizeEv", "shop::Catalog::size"),
    ("_ZN4shop4loadEi.part.0.constprop.1", "shop::load"),
    ("_ZN7catalog4load17h0123456789abcdefE", "catalog::load"),
    ("_ZN7catalog4load17h0123456789abcdefE.llvm.1234567", "catalog::load"),
    ("make_cache.constprop.0", "make_cache"),
    ("parse.isra.0.cold", "parse"),
    ("parse.cold", "parse"),
    ("parse", "parse"),
    ("main.load.func1", "main.load.func1"),
    ("malloc.part", "malloc.part"),
])
def test_names(name: str, plain: str) -> None:
    assert demangled([name]).get(name, name) == plain


@pytest.mark.skipif(shutil.which("c++filt") is None, reason="there is no c++filt (Debian: binutils)")
def test_the_newer_names_of_rust() -> None:
    name = "_RNvCs9ltgdHTiPiY_7catalog4load"
    assert demangled([name]) == {name: "catalog::load"}


@pytest.mark.parametrize("name, plain", [
    ("shop::load(int)", "shop::load"),
    ("shop::Catalog::operator()(int) const", "shop::Catalog::operator()"),
    ("(anonymous namespace)::load(int)", "(anonymous namespace)::load"),
    ("void shop::fill<int>(int (*)(long)) [clone .cold]", "void shop::fill<int>"),
])
def test_parameters_go(name: str, plain: str) -> None:
    assert without_parameters(name) == plain


def test_a_name_of_go_is_left_as_it_is() -> None:
    tables = _Tables()
    for source in ("/shop/cold.go", None):
        tables.stack(_Resolved((CodeFrame("main.cold", "/shop", 16, source),), None))
    assert [frame.function for frame in tables.frames] == ["main.cold", "main"]
