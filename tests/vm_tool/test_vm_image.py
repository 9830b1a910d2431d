"""Recipes, the initramfs, and the cache of images."""

from __future__ import annotations

import lzma
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from vm import image, initrd, matrix
from vm.cpio import Archive
from vm.errors import VmError
from vm.recipe import BCC, Recipe

MODULES_DEP = """\
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio.ko:
kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/jbd2/jbd2.ko
kernel/lib/crc16.ko:
kernel/fs/jbd2/jbd2.ko:
kernel/drivers/net/veth.ko:
"""


def unpack(data: bytes) -> dict[str, tuple[int, bytes]]:
    """Read a newc archive by its definition: each entry's mode and content by name."""
    entries: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert data[at:at + 6] == b"070701" and at % 4 == 0
        fields = [int(data[at + 6 + 8 * n:at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110:at + 110 + name_size - 1].decode()
        start = (at + 110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return entries
        entries[name] = (mode, data[start:start + size])
        at = (start + size + 3) // 4 * 4


def test_cpio_holds_what_was_put_in() -> None:
    archive = Archive()
    archive.file("vm/a", "text")
    archive.file("vm/deep/er/b", b"\0" * 5, 0o755)
    archive.directory("dev")
    data = archive.pack()
    assert len(data) % 512 == 0
    assert unpack(data) == {
        "vm": (0o40755, b""), "vm/a": (0o100644, b"text"), "vm/deep": (0o40755, b""), "vm/deep/er": (0o40755, b""),
        "vm/deep/er/b": (0o100755, b"\0" * 5), "dev": (0o40755, b""),
    }


def make_root(root: Path) -> Path:
    """A tree like an image's, with one kernel whose modules are named in MODULES_DEP."""
    modules = root / "usr/lib/modules/6.1.0-test"
    for line in MODULES_DEP.splitlines():
        path = modules / line.partition(":")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    (modules / "modules.dep").write_text(MODULES_DEP)
    (root / "lib").symlink_to("usr/lib")
    (root / "bin").mkdir()
    (root / "bin/busybox").write_bytes(b"box")
    return modules


def test_initramfs_loads_what_is_needed_first(tmp_path: Path) -> None:
    make_root(tmp_path)
    entries = unpack(initrd.build(tmp_path))
    names = sorted(name for name in entries if name.startswith("modules/"))
    order = ["virtio", "virtio_ring", "virtio_pci", "virtio_blk", "jbd2", "crc16", "ext4"]
    assert names == [f"modules/{number:02d}-{name}.ko" for number, name in enumerate(order)]
    assert entries["bin/busybox"] == (0o100755, b"box")


def test_initramfs_takes_one_kernel(tmp_path: Path) -> None:
    modules = make_root(tmp_path)
    (modules.parent / "6.2.0-test").mkdir()
    with pytest.raises(VmError, match="2 kernels"):
        initrd.build(tmp_path)


def test_compressed_modules(tmp_path: Path) -> None:
    (tmp_path / "a.ko.xz").write_bytes(lzma.compress(b"elf"))
    (tmp_path / "b.ko.zst").write_bytes(b"?")
    assert initrd.read_module(tmp_path / "a.ko.xz") == b"elf"
    assert initrd.module_name("kernel/crypto/crc32c-intel.ko.xz") == "crc32c_intel"
    with pytest.raises(VmError, match="zst"):
        initrd.read_module(tmp_path / "b.ko.zst")


def test_an_expired_suite_is_taken_as_it_is() -> None:
    wanted = '--aptopt=Acquire::Check-Valid-Until "false"'
    commands = {kernel.name: Recipe(kernel).mmdebstrap(Path("/r"), "http://m.example", Path("/k"), [])
                for kernel in matrix.everything() if kernel.arch.native}
    assert [name for name, command in commands.items() if wanted in command] == ["7.2"]


def test_recipe_key_follows_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {Recipe(kernel, variant).key for kernel in matrix.KERNELS for variant in matrix.VARIANTS}
    assert len(keys) == len(matrix.VARIANTS) * len(matrix.KERNELS)
    before = Recipe(matrix.find("6.1")).key
    monkeypatch.setattr("vm.recipe.PACKAGES", ("python3-click",))
    assert Recipe(matrix.find("6.1")).key != before


def test_what_compiles_is_in_two_variants() -> None:
    compiling = {BCC, "bpfcc-tools"}  # the tools need bcc
    found = [variant for variant in matrix.VARIANTS if compiling & set(Recipe(matrix.find("6.1"), variant).packages())]
    assert found == ["bcc", "bench"]


def test_only_the_bench_variant_has_headers() -> None:
    assert not any("headers" in package for package in Recipe(matrix.find("6.1")).packages())
    assert "linux-headers-cloud-amd64/trixie-backports" in Recipe(matrix.find("7.3"), "bench").packages()
    with pytest.raises(VmError, match="no image variant"):
        Recipe(matrix.find("6.1"), "other")


def test_mmdebstrap_command(tmp_path: Path) -> None:
    keyring = tmp_path / "keys.gpg"
    keyring.touch()
    command = Recipe(matrix.find("7.3")).mmdebstrap(
        Path("/r"), "http://m.example/debian", keyring, ['Acquire::http::Proxy "http://p";'])
    assert command[-4:] == [
        "trixie", "/r", f"deb [signed-by={keyring}] http://m.example/debian trixie main",
        f"deb [signed-by={keyring}] http://m.example/debian trixie-backports main",
    ]
    assert '--aptopt=Acquire::http::Proxy "http://p"' in command


@pytest.mark.parametrize("here, there", [("x86_64", "6.12-arm64"), ("aarch64", "6.12")])
def test_packages_of_another_architecture_are_unpacked_and_not_run(
    here: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: here)
    kernel = matrix.find(there)
    recipe = Recipe(kernel)
    command = recipe.mmdebstrap(Path("/r"), "http://m.example/debian", Path("/none"), [])
    assert f"--architectures={kernel.arch.name}" in command and "--variant=extract" in command
    assert f"linux-image-cloud-{kernel.arch.name}" in recipe.packages()
    with pytest.raises(VmError, match="can be made on this machine"):
        Recipe(kernel, "systemd").mmdebstrap(Path("/r"), "", Path("/none"), [])
    monkeypatch.setattr("platform.machine", lambda: kernel.arch.machine)
    native = Recipe(kernel)
    assert "--variant=minbase" in native.mmdebstrap(Path("/r"), "http://m.example/debian", Path("/none"), [])
    assert native.key == recipe.key, "the image is the same in all that matters"


def test_what_scripts_would_have_done_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Sequence[str]] = []
    monkeypatch.setattr("vm.host.as_root", list)
    monkeypatch.setattr("vm.host.program", lambda name: name)
    monkeypatch.setattr("vm.image.subprocess.run", lambda command, check: ran.append(command))
    image._configure(tmp_path, "6.12.1-test")
    words = [" ".join(command) for command in ran]
    assert f"cp {tmp_path}/usr/share/base-passwd/passwd.master {tmp_path}/etc/passwd" in words
    assert f"depmod -b {tmp_path} 6.12.1-test" in words and f"ldconfig -r {tmp_path}" in words
    (tmp_path / "usr/lib/modules/7.3.1-test").mkdir(parents=True)
    beside = tmp_path / "usr/lib/modules/7.3.1-test/vmlinuz"
    beside.touch()
    assert image._kernel(tmp_path, "7.3.1-test") == beside


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a builder that needs no Debian."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("vm.host.ensure_builder", lambda: None)
    monkeypatch.setattr("vm.host.as_root", list)
    monkeypatch.setattr("vm.image._build_in", build_in)
    return tmp_path / "oomtrace" / "vm"


def build_in(work: Path, recipe: Recipe) -> None:
    """Stand-in for the builder."""
    (work / "image.json").write_text('{"release": "6.1.0-test"}')
    with (work.parent / "built").open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    time.sleep(0.2)


def images(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.is_dir())


def test_image_is_built_once(cache: Path) -> None:
    recipe = Recipe(matrix.find("6.1"))
    assert image.find(recipe) is None
    first = image.ensure(recipe)
    assert first.release == "6.1.0-test" and first.size() > 0
    assert image.ensure(recipe) == first == image.find(recipe)
    assert len((cache / "built").read_text().split()) == 1


def test_two_processes_build_once(cache: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=image.ensure, args=(Recipe(matrix.find("6.1")),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len((cache / "built").read_text().split()) == 1


def test_changed_recipe_replaces_the_image(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = image.ensure(Recipe(matrix.find("6.1")))
    other = image.ensure(Recipe(matrix.find("6.12")))
    monkeypatch.setattr("vm.recipe.FREE_MIB", 1)
    new = image.ensure(Recipe(matrix.find("6.1")))
    assert new != old
    assert images(cache) == sorted([new.path.name, other.path.name])


def test_failed_build_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(work: Path, recipe: Recipe) -> None:
        (work / "half").touch()
        raise VmError("no network")

    recipe = Recipe(matrix.find("6.1"))
    monkeypatch.setattr("vm.image._build_in", fail)
    with pytest.raises(VmError, match="no network"):
        image.ensure(recipe)
    assert images(cache) == [] and image.find(recipe) is None


def test_killed_build_is_cleared_away(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / ".6.1-base-99999").mkdir()
    (cache / ".6.1-base-99999" / "half").touch()
    built = image.ensure(Recipe(matrix.find("6.1")))
    assert images(cache) == [built.path.name]


def test_unknown_kernel() -> None:
    with pytest.raises(VmError, match=", ".join(matrix.names())):
        matrix.find("4.4")
