# SPDX-License-Identifier: Apache-2.0
"""What a connection of the device is to do: a reference to compare it with, written from VIRTIO 1.2
§5.10.6 and docs/device.md, not from the device's source.

It says what both sides see once the device has nothing more to do.  It assumes that the host program's
socket has room for what the guest has sent: its driver keeps to UNREAD_MAX.
"""

from vsock import BUF_ALLOC, SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND, Op

UNREAD_MAX = 30_000  # either way: a Unix socket is then never full, and even Linux calls it writable


class Model:
    """One connection.  The methods are what guest and host program do; the rest is what they see."""

    def __init__(self):
        self.over = None        # why the device has forgotten it: "rst" (the guest was told so),
                                # "told" (the guest said RST), "reset" (the driver was reset)
        # The guest's side.
        self.guest_sent = b""   # and allowed: the program's to read
        self.guest_shut = 0
        self.alloc = BUF_ALLOC
        self.fwd = 0
        # The host program's side.
        self.host_sent = b""
        self.host_read = 0
        self.host_shut = 0
        self.host_closed = False
        self.host_broke = False  # it closed without having read all
        # What the guest sees.
        self.delivered = 0      # of host_sent
        self.told = 0           # flags of SHUTDOWN

    # ---- the guest ----

    def guest_says(self, op, data=b"", flags=0, legal=True):
        """A packet of this connection; legal=False: one that no guest may send, whatever it is."""
        if self.over:
            return
        if op == Op.RST:
            self.over = "told"
        elif not legal or op in (Op.REQUEST, Op.RESPONSE) or op not in set(Op):
            self.over = "rst"
        elif op == Op.RW and self.guest_shut & SHUT_SEND:
            self.over = "rst"
        elif op == Op.RW and not self.host_shut & SHUT_RECEIVE:
            self.guest_sent += data
        elif op == Op.SHUTDOWN:
            self.guest_shut |= flags & SHUT_BOTH
        self.settle()

    def guest_allows(self, alloc, fwd):
        self.alloc, self.fwd = alloc, fwd
        self.settle()

    # ---- the host program ----

    def host_says(self, data):
        """False: it gets EPIPE."""
        if self.over or self.guest_shut & SHUT_RECEIVE or self.host_shut & SHUT_SEND:
            return False
        self.host_sent += data
        self.settle()
        return True

    def host_shuts(self, flags):
        self.host_shut |= flags
        self.settle()

    def host_closes(self):
        self.host_broke = self.unread > 0
        self.host_closed = True
        self.host_shuts(SHUT_BOTH)

    @property
    def unread(self):
        return len(self.guest_sent) - self.host_read

    @property
    def host_end(self):
        """Whether the program reads an end behind the last byte."""
        return bool(self.over) or bool(self.guest_shut & SHUT_SEND)

    # ---- the device ----

    @property
    def credit(self):
        """Bytes that may go to the guest: its buffer may have shrunk below what is under way."""
        return max(self.alloc - (self.delivered - self.fwd), 0)

    def _deliver(self):
        """The guest hears the host's bytes, and behind them their end, as far as it has room."""
        if self.guest_shut & SHUT_RECEIVE or self.told & SHUT_SEND:
            return
        n = min(self.credit, len(self.host_sent) - self.delivered)
        self.delivered += n
        if self.delivered < len(self.host_sent) or not self.credit:
            return
        if self.host_broke:
            self.over = "rst"
        elif self.host_shut & SHUT_SEND:
            self.told |= SHUT_SEND

    def settle(self):
        if self.over:
            return
        if self.guest_shut == SHUT_BOTH:
            self.over = "rst"
            return
        # A guest that sends no more need not hear that nobody would take it.
        if self.host_shut & SHUT_RECEIVE and not self.guest_shut & SHUT_SEND:
            self.told |= SHUT_RECEIVE
        # Neither way is left when each side takes no more, or each sends no more.
        if self.told & SHUT_RECEIVE and self.guest_shut & SHUT_RECEIVE:
            self.told |= SHUT_SEND
        self._deliver()
        if self.told == SHUT_SEND and self.guest_shut & SHUT_SEND:
            self.told = SHUT_BOTH
