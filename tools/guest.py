# SPDX-License-Identifier: Apache-2.0
"""A small Linux guest under QEMU, for the demo, the tests and the measurements.

A kernel of Debian's (tools/deps unpacks them below .deps), busybox, and the files one gives it.  Its console
is ttyS0; over ttyS1 a shell loop takes commands, one line each: "begun\n" when it has the line, and when it is
done "STATUS SIZE\n" and SIZE bytes.
"""

import ctypes
import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Debian 12's own kernel, and the newer one that a machine's apt may lack: see have_kernel().
KERNELS = {"6.1": ROOT / ".deps/guest", "6.12": ROOT / ".deps/guest-6.12"}
BUSYBOX = Path("/bin/busybox")
BOOT_TIMEOUT_S = 120  # 3 s on a quiet machine, without KVM

# With those that they need; one that a kernel has built in has no file and is skipped.
MODULES = ["virtio_pci", "virtio_mmio", "vmw_vsock_virtio_transport", "vsock_loopback"]

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs -o mode=1777,size=80% tmp /tmp
for module in $(cat /modules/order); do insmod /modules/$module; done
ip link set lo up
stty -F /dev/ttyS1 raw -echo
# Process 1 adopts what the commands leave running.  It is not the one that reads: busybox's read
# loses what it has got when a child of its own shell ends.
while :; do sh /agent </dev/ttyS1 >/dev/ttyS1 2>/dev/console; done
"""

AGENT = """echo
echo ready
while IFS= read -r line; do
	echo begun
	sh -c "$line" </dev/null >/tmp/.output 2>&1
	echo $? $(stat -c %s /tmp/.output)
	cat /tmp/.output
done
"""


class GuestError(Exception):
    """The guest, or a command in it, did not do what it was asked to."""


class Archive:
    """An initramfs (cpio, newc) in the making."""

    def __init__(self):
        self._parts = []
        self._folders = set()
        self._inode = 0

    def _entry(self, name, mode, data, device=(0, 0)):
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]

    def folder(self, path):
        for parent in [*reversed(Path(path).parents), Path(path)]:
            name = str(parent).strip("/")
            if name not in ("", ".") and name not in self._folders:
                self._folders.add(name)
                self._entry(name, 0o040755, b"")

    def file(self, path, content, mode=0o755):
        """content: bytes, a string, or the Path of a file."""
        self.folder(Path(path).parent)
        if isinstance(content, Path):
            content = content.read_bytes()
        elif isinstance(content, str):
            content = content.encode()
        self._entry(path.strip("/"), 0o100000 | mode, content)

    def link(self, path, target):
        self.folder(Path(path).parent)
        self._entry(path.strip("/"), 0o120777, target.encode())

    def device(self, path, major, minor):
        self.folder(Path(path).parent)
        self._entry(path.strip("/"), 0o020600, b"", (major, minor))

    def save(self, path):
        self._entry("TRAILER!!!", 0, b"")
        with open(path, "wb") as out:
            out.writelines(self._parts)


def have_kernel(kernel):
    """Whether this machine has that one of KERNELS."""
    return KERNELS[kernel].is_dir()


def kernel_image(kernel):
    images = sorted((KERNELS[kernel] / "boot").glob("vmlinuz-*"))
    if not images:
        raise GuestError(f"no guest kernel {kernel}: run tools/deps demo, or for all of them tools/deps test")
    return images[-1]


def modules_in_order(kernel):
    """The files of MODULES and of those that they need, each after those that it needs."""
    found = {module.stem: module for module in (KERNELS[kernel] / "lib/modules").rglob("*.ko")}
    order = []

    def add(name):
        if name in found and found[name] not in order:
            depends = re.search(rb"\0depends=([^\0]*)\0", found[name].read_bytes())
            for needed in depends.group(1).decode().split(",") if depends else []:
                add(needed.replace("-", "_"))
            order.append(found[name])

    for name in MODULES:
        add(name)
    return order


def write_initramfs(path, files, kernel):
    """A guest's file system: busybox, the kernel's modules, and files, {path in the guest: content}."""
    archive = Archive()
    for folder in ("proc", "sys", "dev", "tmp"):
        archive.folder(folder)
    archive.device("dev/console", 5, 1)
    archive.file("bin/busybox", BUSYBOX)
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            archive.link("bin/" + applet, "busybox")
    modules = modules_in_order(kernel)
    for module in modules:
        archive.file(f"modules/{module.name}", module, 0o644)
    archive.file("modules/order", "\n".join(module.name for module in modules) + "\n", 0o644)
    archive.file("init", INIT)
    archive.file("agent", AGENT)
    for name, content in files.items():
        archive.file(name, content)
    archive.save(path)


def _die_with_parent():
    """In the child: whatever becomes of this program, QEMU does not stay behind."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Guest:
    """A running guest.  Use as a context manager; leaving it ends QEMU.

    folder: a folder of its own.  vhost_socket: where a vhost-user-vsock back end listens, for a vsock
    device.  on_console: called with each line of the console, from a thread.  options: more of QEMU's.
    kernel: one of KERNELS.  hardware: see qemu_command().
    """

    def __init__(self, folder, files=None, vhost_socket=None, memory_mib=512, accel=None,
                 on_console=None, options=(), kernel="6.1", **hardware):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.console = []
        self._on_console = on_console
        self._received = b""
        write_initramfs(folder / "initrd", files or {}, kernel)
        ours, theirs = socket.socketpair()
        monitor, monitor_theirs = socket.socketpair()
        self.command = qemu_command(folder / "initrd", vhost_socket, memory_mib,
                                    accel or accelerator(), kernel=kernel,
                                    **hardware) + list(options)
        with theirs, monitor_theirs:
            channels = []
            for name, end in (("agent", theirs), ("monitor", monitor_theirs)):
                os.set_inheritable(end.fileno(), True)
                channels += ["-chardev", f"socket,id={name},fd={end.fileno()}"]
            # The machine's second serial port; "-serial" would give microvm none.
            channels += ["-device", "isa-serial,chardev=agent,index=1",
                         "-mon", "chardev=monitor,mode=readline"]
            self.process = subprocess.Popen(
                self.command + channels, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, pass_fds=[theirs.fileno(), monitor_theirs.fileno()],
                preexec_fn=_die_with_parent)
        self._agent = ours
        self._monitor = monitor
        self._reader = threading.Thread(target=self._read_console, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read_console(self):
        for line in self.process.stdout:
            text = line.decode(errors="replace").rstrip("\r\n")
            self.console.append(text)
            if self._on_console:
                self._on_console(text)

    def _failure(self, what):
        tail = "\n".join(self.console[-20:])
        return GuestError(f"{what}\nThe last lines of the guest's console:\n{tail}")

    def _more(self, deadline):
        """Receives something from the agent, or raises."""
        self._agent.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            data = self._agent.recv(65536)
        except TimeoutError:
            raise self._failure("the guest did not answer in time") from None
        except OSError as error:
            raise self._failure(f"the guest is gone: {error}") from None
        if not data:
            raise self._failure("QEMU has ended")
        self._received += data

    def _line(self, deadline):
        while b"\n" not in self._received:
            self._more(deadline)
        line, _, self._received = self._received.partition(b"\n")
        return line.decode(errors="replace").strip("\r\0 ")

    def wait_ready(self, timeout_s=BOOT_TIMEOUT_S):
        """Returns once the guest takes commands."""
        deadline = time.monotonic() + timeout_s
        while self._line(deadline) != "ready":
            pass
        return self

    def start(self, command):
        """Sends a shell command without waiting for its answer: see finish().

        The guest has taken it when this returns: what is still on its way at a reset would be read,
        and echoed, by the next boot.
        """
        if "\n" in command:
            raise ValueError("a command is one line")
        self._agent.settimeout(10)
        self._agent.sendall(command.encode() + b"\n")
        line = self._line(time.monotonic() + 30)
        if line != "begun":
            raise self._failure(f"the guest did not take a command: {line}")

    def finish(self, timeout_s=60):
        """The answer to start(): exit status and output (both streams), as text."""
        deadline = time.monotonic() + timeout_s
        status, size = map(int, self._line(deadline).split())
        while len(self._received) < size:
            self._more(deadline)
        output, self._received = self._received[:size], self._received[size:]
        return status, output.decode(errors="replace")

    def run(self, command, timeout_s=60):
        """Runs a shell command in the guest: its exit status and output."""
        self.start(command)
        return self.finish(timeout_s)

    def check(self, command, timeout_s=60):
        """Runs a command that must succeed: its output."""
        status, output = self.run(command, timeout_s)
        if status != 0:
            raise self._failure(f"in the guest: {command}\nexit status {status}\n{output}")
        return output

    def monitor(self, command):
        """A command to QEMU's monitor."""
        self._monitor.sendall(command.encode() + b"\n")

    def reset(self, timeout_s=BOOT_TIMEOUT_S):
        """Presses the reset button, and waits for the guest to be up again."""
        self._received = b""
        self.monitor("system_reset")
        self.wait_ready(timeout_s)

    def reboot(self, timeout_s=BOOT_TIMEOUT_S):
        """The guest's kernel reboots; returns when it is up again."""
        self.start("reboot -f")
        self._received = b""
        self.wait_ready(timeout_s)

    def kill(self):
        """QEMU dies without a word to anybody."""
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        self._reader.join()
        self._agent.close()
        self._monitor.close()
        self.process.stdout.close()


def qemu_command(initrd, vhost_socket=None, memory_mib=512, accel="tcg", machine="q35",
                 memory="memory-backend-memfd", cpus=1, kernel="6.1", arguments=""):
    """QEMU's command line, all but the two channels of Guest.

    machine: q35, or microvm, whose devices are on virtio-mmio.  memory: the type of the guest's memory,
    with properties of its own perhaps.  arguments: of the guest's kernel, beside our own.
    """
    command = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
        "-M", f"{machine},accel={accel},memory-backend=mem0",
        "-cpu", "host" if accel == "kvm" else "max", "-smp", str(cpus), "-m", f"{memory_mib}M",
        "-object", f"{memory},id=mem0,size={memory_mib}M,share=on",
        "-kernel", str(kernel_image(kernel)), "-initrd", str(initrd),
        "-append", f"console=ttyS0 quiet loglevel=1 panic=-1 vsguest=1 {arguments}" +
        (f" tsc_early_khz={tsc_khz()}" if machine == "microvm" else ""), "-serial", "stdio",
    ]
    if vhost_socket:
        command += ["-chardev", f"socket,id=vsock0,path={vhost_socket}",
                    "-device", "vhost-user-vsock-" +
                    ("device" if machine == "microvm" else "pci") + ",chardev=vsock0"]
    return command


def tsc_khz():
    """About how fast the time stamp counter runs.  A microvm can find out by its PIT only, and hangs where
    that fails, as it does under TCG on a busy machine."""
    clock = re.search(r"^cpu MHz\s*: (\d+)", Path("/proc/cpuinfo").read_text(encoding="ascii"),
                      re.MULTILINE)
    return int(clock.group(1)) * 1000 if clock else 2_000_000


def printable(command):
    """A command line as one would type it."""
    return shlex.join(map(str, command))


_accelerator = None


def accelerator():
    """"kvm" if a guest really boots with it, else "tcg".  There are machines whose /dev/kvm opens and
    then runs nothing, so the only test is to try."""
    global _accelerator
    if _accelerator is None:
        _accelerator = "tcg"
        if os.access("/dev/kvm", os.R_OK | os.W_OK):
            try:
                with tempfile.TemporaryDirectory(prefix="tensock-kvm.") as folder, \
                        Guest(folder, memory_mib=256, accel="kvm") as guest:
                    guest.wait_ready(timeout_s=10)
                    _accelerator = "kvm"
            except GuestError:
                pass
    return _accelerator
