# SPDX-License-Identifier: Apache-2.0
"""Guests of other kinds than the one of the other tests: each boots once, and all ways through its device
work."""

import tempfile
from pathlib import Path

import pytest
from machine import Machine, eventually
from test_lifecycle import DRIVER, assert_serves, mapped_regions

HUGE_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


@pytest.fixture(scope="module")
def machine(models):
    """One daemon for all of them, one after the other; the guest that it boots first is used, too."""
    files = {"models/4k": models["4k"][0], "models/1m": models["1m"][0]}
    with tempfile.TemporaryDirectory(prefix="tensock-vm.") as path:
        with Machine(path, files=files) as shared:
            yield shared


def boot(vm, **hardware):
    """A guest with this hardware, and a conversation of each kind."""
    vm.boot(**hardware)
    assert ": OK (" in vm.check("seed_guest /models/1m")
    assert_serves(vm)


def regions(machine):
    """How many regions of guest memory the front has mapped."""
    return max(map(mapped_regions, machine.daemon.children("tensock-front")))


def test_q35(machine):
    assert_serves(machine.vms[0])
    assert regions(machine) == 1


def test_microvm(machine):
    """Devices on virtio-mmio."""
    vm = machine.vms[0]
    boot(vm, machine="microvm")
    assert "LNRO0005" in vm.check(f"realpath {DRIVER}/virtio*")  # virtio-mmio's name in ACPI


def test_two_cpus(machine):
    vm = machine.vms[0]
    boot(vm, cpus=2)
    assert vm.check("nproc").strip() == "2"
    vm.guest.start("for i in 1 2 3 4; do (for k in 1 2 3 4; do seed_guest /models/1m; done) & done;"
                   " wait")
    status, output = vm.guest.finish()
    assert (status, output.count(": OK (")) == (0, 16)


def test_memory_above_4_gib(machine):
    """Two regions, below and above the hole; the guest's buffers lie in the upper one."""
    boot(machine.vms[0], memory_mib=4096)
    assert regions(machine) == 2


def test_memory_in_a_file(machine, folder):
    path = folder / "memory"
    boot(machine.vms[0], memory=f"memory-backend-file,mem-path={path}")
    assert any(str(path) in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
               for pid in machine.daemon.children("tensock-front"))


def huge_pages(which):
    return int((HUGE_PAGES / f"{which}_hugepages").read_text(encoding="ascii"))


def reserve_huge_pages(n):
    (HUGE_PAGES / "nr_hugepages").write_text(f"{n}\n", encoding="ascii")


@pytest.fixture
def spare_pages():
    """Huge pages of 256 MiB are free; they are given back afterwards: how many were before."""
    try:
        before, free = huge_pages("nr"), huge_pages("free")
        reserve_huge_pages(before + 128)
        got = huge_pages("free") - free
    except OSError as error:
        pytest.skip(f"no huge pages can be reserved: {error.strerror}")
    try:
        if got < 128:
            pytest.skip(f"this host can spare {got} huge pages, of 128")
        yield free
    finally:
        reserve_huge_pages(before)


def test_memory_of_huge_pages(machine, spare_pages):
    """All of it is free again when its VMM has gone."""
    vm = machine.vms[0]
    boot(vm, memory="memory-backend-memfd,hugetlb=on,hugetlbsize=2M", memory_mib=256)
    assert huge_pages("free") < spare_pages + 128
    vm.close()
    assert eventually(lambda: huge_pages("free") == spare_pages + 128)
