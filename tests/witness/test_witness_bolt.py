"""bolt databases, laid out page by page as bbolt does: which image a container of ctr has."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Union

import pytest

from oomtrace.witness import Reader
from oomtrace.witness.containers.bolt import Database

from .machine import Machine

SIZE = 4096
Bucket = Mapping[bytes, Union[bytes, "Inline", int]]


class Inline(bytes):
    """A bucket that stands in the value itself."""


def leaf(number: int, rows: Bucket) -> bytes:
    """A leaf page: bytes are values, a number is the page of a bucket."""
    elements, data = b"", b""
    for at, (key, value) in enumerate(sorted(rows.items())):
        held = struct.pack("<QQ", value, 0) if isinstance(value, int) else value
        position = (len(rows) - at) * 16 + len(data)
        elements += struct.pack("<IIII", type(value) is not bytes, position, len(key), len(held))
        data += key + held
    return struct.pack("<QHHI", number, 2, len(rows), 0) + elements + data


def inline(rows: Bucket) -> Inline:
    return Inline(struct.pack("<QQ", 0, 0) + leaf(0, rows))


def branch(number: int, children: Mapping[bytes, int]) -> bytes:
    elements, data = b"", b""
    for at, (key, page) in enumerate(sorted(children.items())):
        elements += struct.pack("<IIQ", (len(children) - at) * 16 + len(data), len(key), page)
        data += key
    return struct.pack("<QHHI", number, 1, len(children), 0) + elements + data


def meta(number: int, root: int, transaction: int) -> bytes:
    return struct.pack("<QHHI", number, 4, 0, 0) + struct.pack(
        "<IIIIQQQQQQ", 0xED0CDAED, 2, SIZE, 0, root, 0, 2, 8, transaction, 0)


def database(path: Path) -> Path:
    """Namespaces as containerd has them; the older meta page has another root."""
    containers = inline({b"orders-etl": inline({b"image": b"registry/etl:1.4", b"runtime": inline({})})})
    pages = [
        meta(0, 7, 10), meta(1, 3, 11), b"", leaf(3, {b"v1": 4}), branch(4, {b"a": 5, b"m": 6}),
        leaf(5, {b"default": inline({b"containers": containers})}), leaf(6, {b"moby": inline({})}), leaf(7, {}),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(page.ljust(SIZE, b"\0") for page in pages))
    return path


def get(path: Path, *names: str) -> object:
    fd = os.open(path, os.O_RDONLY)
    try:
        return Database(fd).get([name.encode() for name in names])
    finally:
        os.close(fd)


def test_a_key_in_buckets(tmp_path: Path) -> None:
    path = database(tmp_path / "meta.db")
    assert get(path, "v1", "default", "containers", "orders-etl", "image") == b"registry/etl:1.4"
    for names in (("v1", "default", "containers", "other", "image"), ("v1", "zzz", "containers"), ("v1",), ("v2", "x")):
        assert get(path, *names) is None


def test_no_database(tmp_path: Path) -> None:
    for content in (b"", b"x" * 100, bytes(3 * SIZE)):
        (tmp_path / "meta.db").write_bytes(content)
        with pytest.raises(ValueError, match="no bolt database"):
            get(tmp_path / "meta.db", "v1")


def test_damage_raises_nothing(tmp_path: Path) -> None:
    path = database(tmp_path / "meta.db")
    whole = path.read_bytes()
    for at in range(3 * SIZE, 6 * SIZE, 7):
        path.write_bytes(whole[:at] + b"\xff\xff" + whole[at + 2:])
        found = get(path, "v1", "default", "containers", "orders-etl", "image")
        assert found is None or isinstance(found, bytes)
    path.write_bytes(whole[: 4 * SIZE])
    assert get(path, "v1", "default", "containers", "orders-etl", "image") is None


def test_the_image_of_a_container_of_ctr(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.file("/run/containerd/io.containerd.runtime.v2.task/default/orders-etl/config.json", {"annotations": {}})
    database(tmp_path / "var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db")
    (container,) = Reader(str(tmp_path)).look("/default/orders-etl").containers
    assert (container.name, container.image) == ("orders-etl", "registry/etl:1.4")
