# SPDX-License-Identifier: Apache-2.0
"""Random operations of a guest, host programs and a VMM, compared step by step with the model.

TENSOCK_MODEL_RUNS: how many runs (each of STEPS steps, with a seed of its own); TENSOCK_MODEL_SEED:
the first seed.  A failure names its seed and what was done.
"""

import os
import random
import select
import socket

import pytest
from host import read_exactly, read_line
from model import UNREAD_MAX, Model
from vmm import LINUX_5_10, LINUX_6_12, Timeout, Vmm, linux_6_1_cuts, linux_6_12_cuts
from vsock import BUF_ALLOC, SEQPACKET, SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND, Op, Packet

RUNS = int(os.environ.get("TENSOCK_MODEL_RUNS", 120))
SEED = int(os.environ.get("TENSOCK_MODEL_SEED", 1))
STEPS = 150
CONNECTIONS_MAX = 8
PORTS = [5100, 5101]
DEAD_PORT = 5102
GUEST_PORTS = range(3000, 3010)


class Mismatch(AssertionError):
    pass


class Link:
    """One connection: its model, its packets as the guest sees them, and the program's socket."""

    def __init__(self, guest_port, host_port, program=None):
        self.ports = guest_port, host_port
        self.model = Model()
        self.program = program
        self.data = b""
        self.told = 0
        self.rst = False
        self.answers = 0     # CREDIT_UPDATEs
        self.last = None     # the last packet
        self.host_got = b""
        self.flooded = False

    def __str__(self):
        m = self.model
        return (f"{self.ports}: over {m.over}/rst {self.rst}, told {m.told}/{self.told}, delivered "
                f"{m.delivered}/{len(self.data)} of {len(m.host_sent)}, window {m.fwd}+{m.alloc}, "
                f"guest shut {m.guest_shut}, host shut {m.host_shut} broke {m.host_broke}")

    def hear(self, packet):
        if self.rst and self.flooded and packet.op == Op.RST:
            return  # to what was still on its way
        if self.rst:
            raise Mismatch(f"behind RST: {packet}")
        self.last = packet
        if packet.op == Op.RW:
            self.data += packet.data
        elif packet.op == Op.SHUTDOWN:
            self.told |= packet.flags
        elif packet.op == Op.RST:
            self.rst = True
        elif packet.op == Op.CREDIT_UPDATE:
            self.answers += 1

    def is_as_expected(self):
        m = self.model
        if self.data != m.host_sent[:len(self.data)] or len(self.data) > m.delivered:
            raise Mismatch("the guest is given bytes that it should not be given")
        if self.rst and m.over != "rst":
            raise Mismatch("an RST that should not be")
        if m.over == "rst":
            # A host that broke off may be told as a shutdown first; an illegal packet may overtake data.
            return self.rst
        if m.over:
            return True
        if self.told & ~m.told:
            raise Mismatch("a SHUTDOWN that should not be")
        return len(self.data) == m.delivered and self.told == m.told


class Run:
    def __init__(self, host, vmm, seed):
        self.random = random.Random(seed)
        self.host = host
        self.vmm = vmm
        self.links = {}
        self.done = []  # what was done, in words
        self.listeners = {port: host.listen(port, backlog=64) for port in PORTS}
        self.stray = []
        self.start()

    def close(self):
        for link in self.links.values():
            link.program.close()
        for listener in self.listeners.values():
            listener.close()

    # ---- plumbing ----

    def start(self):
        choose = self.random.choice
        self.vmm.automatic = False
        self.vmm.tx_cuts = choose([linux_6_1_cuts, linux_6_12_cuts])
        self.vmm.start(event_idx=choose([True, False]), indirect=choose([True, False]),
                       size=choose([64, 128, 256]), rx_layout=choose([LINUX_5_10, LINUX_6_12, [100]]))
        self.vmm.inbox.clear()

    def hear(self):
        """Gives the packets that came to their connections."""
        while self.vmm.inbox:
            packet = self.vmm.inbox.popleft()
            link = self.links.get((packet.guest_port, packet.host_port))
            if link and packet.type != SEQPACKET:
                link.hear(packet)
            else:
                self.stray.append(packet)

    def wait(self, condition):
        def holds():
            self.hear()
            return condition()
        return self.vmm.wait(holds, 20)

    def say(self, link, op, data=b"", **fields):
        fields = {"buf_alloc": link.model.alloc, "fwd_cnt": link.model.fwd, **fields}
        self.vmm.transmit(Packet(*link.ports, op, data, **fields))
        self.vmm.flush()

    def compare(self):
        self.wait(lambda: all([link.is_as_expected() for link in self.links.values()]))
        for link in list(self.links.values()):
            if link.model.over:
                self.finish(link)
            elif link.told == SHUT_BOTH:
                self.say(link, Op.RST)
                link.model.guest_says(Op.RST)
                self.finish(link)

    def finish(self, link):
        """It is over: the program reads what is left, and the end; then the device knows nothing."""
        del self.links[link.ports]
        with link.program:
            if not link.model.host_closed:
                link.host_got += read_to_end(link.program)
        sent = link.model.guest_sent
        if not link.model.host_shut & SHUT_RECEIVE and link.host_got != sent:
            raise Mismatch(f"the program has read {len(link.host_got)} of {len(sent)} bytes")
        self.stray.clear()
        self.vmm.transmit(Packet(*link.ports, Op.CREDIT_REQUEST))
        self.vmm.transmit(Packet(1, 1, Op.CREDIT_REQUEST))
        self.wait(lambda: any(packet.guest_port == 1 for packet in self.stray))
        if not all(packet.op == Op.RST for packet in self.stray) or \
                not any((p.guest_port, p.host_port) == link.ports for p in self.stray):
            raise Mismatch(f"is not forgotten: {self.stray}")

    def any_link(self):
        return self.random.choice(list(self.links.values()))

    def free_port(self):
        used = {guest_port for guest_port, _ in self.links}
        return self.random.choice([port for port in GUEST_PORTS if port not in used])

    # ---- operations ----

    def step(self):
        """One operation, then the comparison."""
        operations = [self.guest_connects, self.host_dials]
        if self.links:
            operations = [self.guest_sends, self.guest_sends, self.guest_shuts, self.guest_resets,
                          self.guest_asks, self.guest_reads, self.guest_resizes, self.guest_errs,
                          self.guest_does_nothing, self.host_sends, self.host_sends,
                          self.host_reads, self.host_shuts, self.host_closes]
            operations += [self.guest_connects, self.host_dials] * 3
        if self.random.random() < 0.06:
            operations = [self.driver_is_reset, self.vm_is_paused, self.vm_is_paused]
        operation = self.random.choice(operations)
        if operation in (self.guest_connects, self.host_dials) and \
                len(self.links) >= CONNECTIONS_MAX:
            return
        operation()
        self.compare()

    def note(self, *words):
        self.done.append(" ".join(map(str, words)))

    def guest_connects(self):
        port = self.random.choice([*PORTS, DEAD_PORT])
        link = Link(self.free_port(), port)
        link.model.alloc = self.random.choice([BUF_ALLOC, 0, 1, 100, 65536])
        self.note(*link.ports, "guest connects with a window of", link.model.alloc)
        self.links[link.ports] = link
        self.say(link, Op.REQUEST)
        self.wait(lambda: link.last)
        if port == DEAD_PORT:
            if link.last.op != Op.RST:
                raise Mismatch(f"from a dead port: {link.last}")
            del self.links[link.ports]
            return
        if link.last.op != Op.RESPONSE:
            raise Mismatch(f"from a listening port: {link.last}")
        link.program = self.listeners[port].accept()[0]
        link.program.settimeout(20)

    def host_dials(self):
        """And the guest answers; before that the program may say something, or close."""
        port = self.free_port()
        program = self.host.dial(port)
        self.wait(lambda: self.stray and self.stray[-1].op == Op.REQUEST)
        request = self.stray.pop()
        link = Link(port, request.host_port, program)
        if request.guest_port != port or link.ports in self.links:
            raise Mismatch(f"asked for {port}: {request}")
        self.links[link.ports] = link
        early = os.urandom(self.random.choice([0, 0, 10, 1000]))
        answer = self.random.choice([Op.RESPONSE] * 6 + [Op.RST, Op.RW, Op.SHUTDOWN, 9])
        self.note(*link.ports, "host dials and says", len(early), "bytes; the guest answers", answer)
        program.sendall(early)
        if answer != Op.RESPONSE:
            link.model.over = "told" if answer == Op.RST else "rst"
            self.say(link, answer)
            return
        link.model.host_says(early)
        self.say(link, Op.RESPONSE)
        if read_line(program) != b"OK %d\n" % request.host_port:
            raise Mismatch("no OK")

    def guest_sends(self):
        link = self.any_link()
        n = min(self.random.choice([1, 10, 1000, 5000, 20_000]), UNREAD_MAX - link.model.unread)
        if n > 0:
            self.note(*link.ports, "guest sends", n)
            data = os.urandom(n)
            self.say(link, Op.RW, data)
            link.model.guest_says(Op.RW, data)

    def guest_shuts(self):
        link = self.any_link()
        flags = self.random.choice([SHUT_RECEIVE, SHUT_SEND, SHUT_SEND, SHUT_BOTH])
        self.note(*link.ports, "guest shuts", flags)
        self.say(link, Op.SHUTDOWN, flags=flags)
        link.model.guest_says(Op.SHUTDOWN, flags=flags)

    def guest_resets(self):
        link = self.any_link()
        self.note(*link.ports, "guest resets")
        self.say(link, Op.RST)
        link.model.guest_says(Op.RST)

    def guest_asks(self):
        link = self.any_link()
        self.note(*link.ports, "guest asks for credit")
        before = link.answers
        self.say(link, Op.CREDIT_REQUEST)
        self.wait(lambda: link.answers > before)
        if link.last.buf_alloc != BUF_ALLOC or link.last.fwd_cnt < len(link.model.guest_sent):
            raise Mismatch(f"{len(link.model.guest_sent)} bytes were sent, {link.last}")

    def guest_reads(self):
        """Its program takes some of the bytes; the device hears of it."""
        link = self.any_link()
        fwd = link.model.fwd + self.random.randint(0, len(link.data) - link.model.fwd)
        self.note(*link.ports, "guest has read", fwd)
        link.model.guest_allows(link.model.alloc, fwd)
        self.say(link, Op.CREDIT_UPDATE)

    def guest_resizes(self):
        link = self.any_link()
        alloc = self.random.choice([0, 1, 5000, 65536, BUF_ALLOC, 0xffffffff])
        self.note(*link.ports, "guest makes its window", alloc)
        link.model.guest_allows(alloc, link.model.fwd)
        self.say(link, Op.CREDIT_UPDATE)

    def guest_errs(self):
        """What no guest may do to an open connection: RST."""
        link = self.any_link()
        what = self.random.choice(["request", "response", "op", "length", "count", "flood"])
        if what == "flood" and link.model.host_shut & SHUT_RECEIVE:
            return  # where nobody takes it, it is dropped, and its credit comes back
        self.note(*link.ports, "guest errs:", what)
        if what == "flood":
            link.flooded = True
            link.model.guest_says(Op.RW, legal=False)
            link.model.host_shut |= SHUT_RECEIVE  # how much of it the program reads is open
            for _ in range(9):
                self.vmm.transmit(Packet(*link.ports, Op.RW, bytes(65536), buf_alloc=link.model.alloc,
                                         fwd_cnt=link.model.fwd))
            self.vmm.flush()
            return
        op, fields = {
            "request": (Op.REQUEST, {}),
            "response": (Op.RESPONSE, {}),
            "op": (self.random.choice([0, 8, 0xffff]), {}),
            "length": (Op.RW, {"length": self.random.choice([1, 65537, 0xffffffff])}),
            "count": (Op.CREDIT_UPDATE, {"fwd_cnt": len(link.data) + 1 + (1 << 20)}),
        }[what]
        self.say(link, op, **fields)
        link.model.guest_says(op, legal=False)

    def guest_does_nothing(self):
        """Packets without any effect."""
        link = self.any_link()
        what = self.random.choice(["cid", "type", "flags", "empty"])
        self.note(*link.ports, "guest says nothing, by", what)
        op, fields = {
            "cid": (Op.RST, {"src_cid": 77}),
            "type": (Op.SHUTDOWN, {"type": SEQPACKET, "flags": 3}),
            "flags": (Op.SHUTDOWN, {"flags": 0xfc}),
            "empty": (Op.CREDIT_UPDATE, {}),
        }[what]
        self.say(link, op, **fields)

    def host_sends(self):
        link = self.any_link()
        backlog = len(link.model.host_sent) - link.model.delivered
        n = min(self.random.choice([1, 100, 5000, 20_000]), UNREAD_MAX - backlog)
        if n <= 0 or link.model.host_closed:
            return
        data = os.urandom(n)
        self.note(*link.ports, "host sends", n)
        works = link.model.host_says(data)
        try:
            send_at_once(link.program, data)
        except (BrokenPipeError, ConnectionResetError):
            if works:
                raise Mismatch("the program cannot send") from None
        else:
            if not works:
                raise Mismatch("the program can send")

    def host_reads(self):
        link = self.any_link()
        model = link.model
        if model.host_shut & SHUT_RECEIVE:
            return
        n = self.random.choice([1, 1000, model.unread, model.unread + 1])
        self.note(*link.ports, "host reads", n)
        data = read_exactly(link.program, min(n, model.unread))
        model.host_read += len(data)
        link.host_got += data
        if n > len(data):
            poll = select.poll()
            poll.register(link.program, select.POLLIN)
            if bool(poll.poll(0)) != model.host_end:
                raise Mismatch("the program's end of file")

    def host_shuts(self):
        link = self.any_link()
        if link.model.host_closed:
            return
        flags, how = self.random.choice([(SHUT_SEND, socket.SHUT_WR), (SHUT_RECEIVE, socket.SHUT_RD),
                                         (SHUT_SEND, socket.SHUT_WR)])
        self.note(*link.ports, "host shuts", flags)
        link.model.host_shuts(flags)
        link.program.shutdown(how)

    def host_closes(self):
        link = self.any_link()
        if link.model.host_closed:
            return
        self.note(*link.ports, "host closes with", link.model.unread, "unread")
        link.model.host_closes()
        link.program.close()

    def driver_is_reset(self):
        self.note("driver is reset")
        self.vmm.stop()
        links, self.links = self.links, {}
        for queue in self.vmm.queues.values():
            queue.close()
        self.vmm.queues = {}
        self.start()
        self.stray.clear()
        for link in links.values():
            with link.program:
                if not link.model.host_closed:
                    read_to_end(link.program)

    def vm_is_paused(self):
        """Nothing comes of it, whatever a host program does meanwhile."""
        self.note("vm is paused")
        self.vmm.stop()
        for operation in self.random.choices([self.host_sends, self.host_shuts, self.host_closes],
                                             k=self.random.randrange(2)):
            if self.links:
                operation()
        for index in self.vmm.queues:
            self.vmm.set_up_queue(index)
        self.vmm.enable()


def send_at_once(program, data):
    """A socket with a timeout would first be polled, and Linux calls it writable only up to a quarter of
    its buffer."""
    program.setblocking(False)
    try:
        if program.send(data) != len(data):
            raise Mismatch("a Unix socket is full that should not be")
    finally:
        program.settimeout(20)


def read_to_end(program):
    data = b""
    try:
        while piece := program.recv(1 << 16):
            data += piece
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize("first", range(SEED, SEED + RUNS, 10))
def test_the_device_does_what_the_model_does(host, first):
    for seed in range(first, min(first + 10, SEED + RUNS)):
        with Vmm(host) as vmm:
            run = Run(host, vmm, seed)
            try:
                for _ in range(STEPS):
                    run.step()
            except (Mismatch, Timeout, OSError) as error:
                links = "\n".join(map(str, run.links.values()))
                done = "\n".join(run.done[-30:])
                pytest.fail(f"seed {seed}, step {len(run.done)}: {error!r}\n{links}\n"
                            f"the last steps:\n{done}", pytrace=True)
            finally:
                run.close()
