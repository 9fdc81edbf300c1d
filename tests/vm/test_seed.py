# SPDX-License-Identifier: Apache-2.0
"""The seed conversation from inside a guest, over the built-in device."""

import pytest
from machine import eventually


def test_one_byte_is_not_a_model(vm, machine):
    status, output = vm.run("seed_guest /models/1")
    assert status == 1
    assert "/models/1: ER (1 bytes" in output
    assert eventually(lambda: any("vm1" in line for line in machine.daemon.log))


@pytest.mark.parametrize("name", ["4k", "1m", "16m"])
def test_model_runs_on_the_bytes_that_were_sent(vm, machine, models, name):
    data, line = models[name]
    before = len(machine.daemon.output)
    output = vm.check(f"seed_guest /models/{name}")
    assert f"/models/{name}: OK ({len(data)} bytes" in output
    assert eventually(lambda: line in machine.daemon.output[before:])


def test_many_frames_on_one_connection(vm, machine, models):
    before = len(machine.daemon.output)
    output = vm.check("seed_guest /models/4k /models/1m /models/4k /models/1m")
    assert output.count(": OK (") == 4
    lines = [models[name][1] for name in ("4k", "1m", "4k", "1m")]
    assert eventually(lambda: [line for line in machine.daemon.output[before:]
                               if line in lines] == lines)


def test_the_next_connection_works_after_a_refused_model(vm):
    status, output = vm.run("seed_guest /models/1 /models/4k")
    assert status == 1
    assert "/models/1: ER" in output and "/models/4k: OK" in output


def test_64_programs_at_once(vm):
    # They wait for the last one to be there, so that all begin together.
    vm.check("for i in $(seq 64); do (until [ -e /tmp/go ]; do sleep 0.1; done; "
             "seed_guest /models/4k /models/4k) >/tmp/answer.$i 2>&1 & done")
    vm.check("sleep 1; touch /tmp/go")
    output = vm.check("for i in $(seq 300); do n=$(cat /tmp/answer.* | wc -l); "
                      "[ $n -ge 128 ] && break; sleep 0.1; done; cat /tmp/answer.*; rm /tmp/answer.* /tmp/go")
    assert output.count("/models/4k: OK (4096 bytes") == 128


def test_a_program_that_dies_in_the_middle_disturbs_nobody(vm):
    # A header that promises 16 MiB, and one of them.
    header = r"\001\000\000\000\001\000\000\000\000\000\000\001\000\000\000\000"
    vm.check(f"(printf '{header}'; head -c 1048576 /data/16m; sleep 5) | "
             "timeout -s KILL 1 vsock_probe pipe 2 9999 >/dev/null; true")
    assert ": OK (" in vm.check("seed_guest /models/4k")
