# SPDX-License-Identifier: Apache-2.0
"""A VMM with a guest in it, for tests of the device: no CPU, no kernel, but the same sockets, memory
and queues.

    with Vmm(host) as vmm:
        vmm.start()
        c = vmm.connect(9999)
        c.send(b"..")

Nothing happens behind the test's back: packets move while a call of the Vmm or of a connection waits.
"""

import select
import time
from collections import deque

import vhost_user
from memory import Memory
from virtqueue import Queue
from vhost_user import F_EVENT_IDX, F_INDIRECT, F_PROTOCOL, F_VERSION_1
from vsock import HEADER_BYTES, PAYLOAD_MAX, Op, Packet, Peer, decode

RX, TX, EVENT = 0, 1, 2
TIMEOUT_S = 20

# Receive buffers, as lists of the lengths of their descriptors.
LINUX_5_10 = [HEADER_BYTES, 4096]  # up to Linux 6.2: the header and the data lie apart
LINUX_6_12 = [HEADER_BYTES + 4096]  # from 6.3 on: one linear buffer
STEP_MS = 2  # between two looks at what other threads and programs do
TX_BUFFERS = 16  # of one packet of any size


class Timeout(Exception):
    """What a test waits for did not happen."""


def linux_6_1_cuts(n):
    """How a packet of n bytes to the host is laid out: the lengths of its descriptors."""
    return [HEADER_BYTES, n - HEADER_BYTES] if n > HEADER_BYTES else [n]


def linux_6_12_cuts(n):
    """Large ones come as a header and pages."""
    if n <= HEADER_BYTES:
        return [n]
    pages, rest = divmod(n - HEADER_BYTES, 4096)
    return [HEADER_BYTES] + [4096] * pages + ([rest] if rest else [])


class Vmm:
    """host: something with the paths .vhost and the number .cid (see host.py)."""

    def __init__(self, host, memory=None, checked=False):
        self.cid = host.cid
        self.memory = memory or Memory()
        self.front = vhost_user.FrontEnd(host.vhost, checked)
        self.features = 0
        self.queues = {}
        self.peer = None
        self.automatic = True     # the peer answers; otherwise packets are only kept
        self.inbox = deque()      # packets of the device that nobody has looked at, when not automatic
        self.rx_layout = LINUX_5_10
        self.tx_cuts = linux_6_1_cuts
        self.refill = True        # receive buffers that came back are offered again
        self.used_rx_bytes = 0
        self._tx_free = []
        self._tx_waiting = deque()  # packets without a buffer yet

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """The VMM ends: its connection and its memory are gone at once."""
        self.front.close()
        for queue in self.queues.values():
            queue.close()
        self.queues = {}
        if self.memory:
            self.memory.close()
            self.memory = None

    # ---- the VMM: what QEMU says, in QEMU's order ----

    def start(self, event_idx=True, indirect=True, n_queues=2, size=128, rx_layout=None, n_rx=None,
              kick=True, call=True, **queue_options):
        """From the first message to a running device with its receive buffers offered."""
        self.memory.forget()
        self.negotiate(event_idx, indirect)
        self.share_memory()
        for index in range(n_queues):
            self.make_queue(index, size, kick=kick, call=call, **queue_options)
        for index in range(n_queues):
            self.set_up_queue(index)
        self.run_driver(rx_layout, n_rx)
        self.enable()
        self.pump()

    def negotiate(self, event_idx=True, indirect=True):
        """What comes before there is a driver, and the features that it then takes."""
        front = self.front
        offered = front.get_features()
        protocol = front.get_protocol_features()
        front.set_protocol_features(protocol)
        if protocol & vhost_user.P_MQ:
            front.get_queue_num()
        front.set_owner()
        front.get_features()
        if protocol & vhost_user.P_CONFIG:
            assert front.get_config() == self.cid.to_bytes(8, "little")
        self.features = F_VERSION_1 | F_PROTOCOL | (F_EVENT_IDX if event_idx else 0) | \
            (F_INDIRECT if indirect else 0)
        assert self.features & ~offered == 0
        front.set_features(self.features)

    def share_memory(self):
        self.front.set_mem_table(self.memory.regions)

    def make_queue(self, index, size=128, kick=True, call=True, **options):
        """The driver's side of a queue; the device hears nothing of it."""
        if index in self.queues:
            self.queues[index].close()
        queue = Queue(self.memory, size, bool(self.features & F_EVENT_IDX),
                      bool(self.features & F_INDIRECT), **options)
        queue.polled = not kick
        queue.signalled = call
        self.queues[index] = queue
        return queue

    def set_up_queue(self, index):
        """Tells the device all of a queue, which then waits to be enabled: it goes on where it was."""
        queue = self.queues[index]
        self.front.set_vring_num(index, queue.size)
        self.front.set_vring_base(index, queue.base)
        self.set_addresses(index)
        self.front.set_vring_err(index, queue.err_fd)
        self.front.set_vring_call(index, queue.call_fd if queue.signalled else None)
        self.front.set_vring_kick(index, None if queue.polled else queue.kick_fd)

    def set_addresses(self, index):
        queue = self.queues[index]
        user = self.memory.user
        self.front.set_vring_addr(index, user(queue.desc), user(queue.avail), user(queue.used))

    def enable(self, on=True):
        for index in self.queues:
            self.front.set_vring_enable(index, int(on))
        self.front.sync()

    def stop(self):
        """As on a reset or unbind: {queue: the base that the device gave}."""
        self.enable(False)
        for index, queue in self.queues.items():
            queue.base = self.front.get_vring_base(index)
        return {index: queue.base for index, queue in self.queues.items()}

    def restart(self, **options):
        """The driver is reset and starts afresh."""
        self.stop()
        for queue in self.queues.values():
            queue.close()
        self.queues = {}
        self.start(**options)

    # ---- the driver ----

    @property
    def rx(self):
        return self.queues[RX]

    @property
    def tx(self):
        return self.queues[TX]

    def run_driver(self, rx_layout=None, n_rx=None):
        """New buffers, a new peer."""
        self.peer = Peer(self.transmit, self.wait)
        self.rx_layout = rx_layout or self.rx_layout
        self.inbox.clear()
        self._tx_waiting.clear()
        n = min(TX_BUFFERS, self.tx.size)
        self._tx_free = [self.memory.allocate(HEADER_BYTES + PAYLOAD_MAX) for _ in range(n)]
        self.offer_rx(n_rx)

    def offer_rx(self, n=None, layout=None):
        """n receive buffers more; None: as many as fit, up to 64."""
        layout = layout or self.rx_layout
        count = 0
        while self.rx.has_room(len(layout)) and count < (64 if n is None else n):
            self.rx.add(in_=[(self.memory.allocate(length), length) for length in layout])
            count += 1
        self.rx.kick()
        return count

    def transmit(self, packet, cuts=None):
        """Sends a packet (or any bytes), as soon as there is a buffer for it."""
        data = packet if isinstance(packet, bytes) else packet.encode(self.cid)
        self._tx_waiting.append((data, cuts or self.tx_cuts(len(data))))
        self._send_waiting()

    def _send_waiting(self):
        while self._tx_waiting and self._tx_free and \
                self.tx.has_room(len(self._tx_waiting[0][1])):
            data, cuts = self._tx_waiting.popleft()
            assert sum(cuts) == len(data)
            addr = self._tx_free.pop()
            self.memory.write(addr, data)
            out, at = [], addr
            for length in cuts:
                out.append((at, length))
                at += length
            self.tx.add(out=out, tag=addr)
        self.tx.kick()

    def _take_tx(self):
        n = 0
        while (chain := self.tx.take_used()) is not None:
            if chain.tag is not None:
                self._tx_free.append(chain.tag)
            n += 1
        self._send_waiting()
        return n

    def _take_rx(self):
        """Packets that have come, their buffers offered again."""
        n = 0
        while (chain := self.rx.take_used()) is not None:
            n += 1
            self.used_rx_bytes += chain.written
            data = b"".join(self.memory.read(*pair) for pair in chain.in_)[:chain.written]
            if self.refill:
                self.rx.add(in_=chain.in_)
            packet = decode(data, self.cid)
            if self.automatic:
                self.peer.hear(packet)
            else:
                self.inbox.append(packet)
        self.rx.kick()
        return n

    def pump(self):
        """Takes and gives what there is now.  Whether anything moved."""
        for queue in self.queues.values():
            queue.drain_signal()
        return self._take_tx() + self._take_rx() > 0

    def _sleep(self, condition, deadline):
        """Until the device signals, the condition holds or time has passed.  A signal that the device
        owes and does not give is not made up for: the test then ends in its Timeout."""
        if any([queue.want_signal() for queue in self.queues.values()]):
            return
        poll = select.poll()
        for queue in self.queues.values():
            poll.register(queue.call_fd, select.POLLIN)
        signalled = all(queue.signalled for queue in self.queues.values())
        while time.monotonic() < deadline and not poll.poll(STEP_MS):
            if condition() or not signalled:
                return

    def wait(self, condition, timeout_s=TIMEOUT_S):
        """Drives the queues until the condition holds: what it gave.  Raises Timeout."""
        deadline = time.monotonic() + timeout_s
        while not (result := condition()):
            if self.pump():
                continue
            if time.monotonic() >= deadline:
                raise Timeout
            self._sleep(condition, deadline)
        return result

    def run(self, seconds):
        """Drives the queues for so long."""
        try:
            self.wait(lambda: False, seconds)
        except Timeout:
            pass

    def flush(self):
        """All that was sent has been taken by the device."""
        self.wait(lambda: not self._tx_waiting and not self.tx.outstanding)

    # ---- packets, where the peer is not automatic ----

    def receive(self, timeout_s=TIMEOUT_S):
        """The next packet of the device."""
        self.wait(lambda: self.inbox, timeout_s)
        return self.inbox.popleft()

    def expect(self, op, **fields):
        """The next packet, which is to be this one."""
        packet = self.receive()
        got = {name: getattr(packet, name) for name in fields}
        assert (packet.op, got) == (op, fields), packet
        return packet

    def expect_nothing(self):
        """The device has said nothing, and does not after it has taken a packet more: a CREDIT_REQUEST
        of a connection that is not there, which it answers by RST."""
        self.transmit(Packet(1, 1, Op.CREDIT_REQUEST))
        self.expect(Op.RST, guest_port=1, host_port=1)

    # ---- the peer ----

    def connect(self, host_port, **options):
        return self.peer.connect(host_port, **options)

    def listen(self, port):
        self.peer.listen(port)

    def accept(self, port):
        return self.peer.accept(port)
