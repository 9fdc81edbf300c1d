#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what no compiler checks: layers, length of files and functions, calls that are not used here.

check.py ROOT prints one line a fault, "FILE:LINE: what", and fails when there is any.
"""
import os
import re
import sys

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 100

# What the files of a folder may include with "...", by the start of its name; the longest folder
# that fits counts.  <tensock/...> is open to all, and knows none of these.
LAYERS = {
    "include/tensock": [],
    # Users of <tensock/tensock.h>, each with files of its own.
    "examples": ["example_", "filetype_", "readline_", "base/testing.h"],
    "src/base": ["base/"],
    "src/tensor": ["base/", "tensor/"],
    "src/sandbox": ["base/", "sandbox/"],
    "src/channel": ["base/", "tensor/", "channel/"],
    # Between formats: the worker's, and the command line's.
    "src/translate": ["base/", "tensor/", "translate/"],
    # What enters a guest's process.
    "src/wire": ["base/", "tensor/", "wire/"],
    "src/client": ["base/", "tensor/", "wire/", "client/"],
    # The command line is a user of <tensock/tensock.h> as any other; its proxy carries bytes of which that
    # knows nothing, to the same addresses.
    "src/cli": ["base/", "tensor/", "translate/", "wire/operator.h", "sandbox/feature.h", "client/address.h", "cli/"],
    # A stream is what these two have to do with each other, and all they know of the front.
    "src/front/vhost": ["base/", "tensor/", "channel/", "front/vhost/", "front/stream.h"],
    "src/front/protocol": ["base/", "tensor/", "channel/", "wire/", "front/protocol/", "front/stream.h"],
    "src/front": ["base/", "tensor/", "channel/", "wire/", "sandbox/", "front/"],
    "src/store": ["base/", "channel/", "sandbox/", "store/"],
    "src/metrics": ["base/", "channel/", "sandbox/", "metrics/"],
    "src/worker": ["base/", "tensor/", "translate/", "channel/", "sandbox/", "worker/"],
    "src/supervisor": ["base/", "tensor/", "channel/", "wire/operator.h", "sandbox/", "supervisor/"],
    # An engine links to nothing of ours: its own folder, and <tensock/...>.
    "src/engines": ["engines/"],
}

# Unbounded, unseeded, or through a shell.
BANNED = ["alloca", "strcpy", "strcat", "sprintf", "vsprintf", "gets", "system", "popen", "rand"]
BANNED_CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))

# The supervisor reads no byte that a guest or a VMM wrote: it passes sockets on unread.  What it may
# read by, file by file, and from whom.
SUPERVISOR_READS = {
    "config.c": ["fread"],                    # the operator's file
    "control_socket.c": ["tsk_seqpacket_recv"],  # the operator's commands
    "front_process.c": ["front_control_recv"],   # fronts: fixed-size messages
    "device.c": ["device_control_recv"],         # fronts, of a device: descriptors, an opaque state
    "cgroup.c": ["read"],                     # the kernel's files
    "own_page.c": ["tsk_map_new"],            # its own words
    "rights.c": ["tsk_map_new"],              # its own list of the operator's words
    "takeover.c": ["tsk_map_new"],            # what the tensockd before this one has left
}
READ_CALL = re.compile(
    r"(?<![\w.>])((?:p?readv?2?|recv|recvfrom|recvmsg|recvmmsg|splice|tee|sendfile|copy_file_range|mmap|"
    r"fread|fgets?c?|getc|getline|getdelim|fscanf|uv_read_start|uv_udp_recv_start|uv_fs_read|"
    r"\w+_recv|tsk_map_new))\s*\(")

# What goes by the wall clock, which an operator or NTP sets: only CLOCK_MONOTONIC is waited by
# (base/clock.h).  Those that have a reason: a stored model's age is its file's, which outlives the machine's
# boot, and with it the monotonic clock.
WALL_CLOCK = re.compile(
    r"(?<![\w.>])(?:(time|gettimeofday|ftime|timespec_get|pthread_cond_timedwait|sem_timedwait"
    r"|pthread_mutex_timedlock)\s*\(|(CLOCK_REALTIME\w*|CLOCK_TAI)\b)")
WALL_CLOCK_FILES = {"src/base/clock.h", "src/store/channel.c", "src/store/store_test.c"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SPDX = "SPDX-License-Identifier: Apache-2.0"

FOLDERS = [".ci", "dist", "docs", "examples", "include", "man", "src", "tests", "tools"]
NOT_OURS_TO_FORMAT = ["tests/fuzz/corpus"]


def blank(text):
    """The same lines with nothing on them."""
    return re.sub(r"[^\n]", " ", text)


TOKEN = re.compile(
    r"""(?P<block>/\*.*?\*/|/\*.*\Z)
      | (?P<line>//[^\n]*)
      | (?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL | re.VERBOSE,
)


def strip_comments(text):
    """Text with comments blanked, and the offsets of the // ones."""
    line_comments = []

    def replace(match):
        if match.lastgroup == "text":
            return match.group()
        if match.lastgroup == "line":
            line_comments.append(match.start())
        return blank(match.group())

    return TOKEN.sub(replace, text), line_comments


def strip_literals(text):
    """Text without comments → the same, the insides of its string and character literals blanked."""
    return TOKEN.sub(lambda m: m.group()[0] + blank(m.group()[1:-1]) + m.group()[-1], text)


def strip_directives(text):
    """Preprocessor lines with their continuations blanked: a macro may hold half a block."""
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: blank(m.group()), text, flags=re.MULTILINE)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def functions(code):
    """(line, length) of each function's body in code without comments, literals and directives."""
    depth = 0
    start = 0  # of what stands before the next block at depth 0
    opened = None
    for match in re.finditer(r"[{};]", code):
        char, at = match.group(), match.start()
        if char == "{":
            if depth == 0:
                before = code[start:at].rstrip()
                if re.search(r'extern\s+"\s*"$', before):
                    start = at + 1
                    continue
                # A body follows the parameters, perhaps with an attribute behind them.
                opened = at if before.endswith(")") else None
            depth += 1
        elif char == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                if opened is not None:
                    yield line_of(code, opened), code.count("\n", opened, at) - 1
                opened = None
                start = at + 1
        elif depth == 0:
            start = at + 1


def check_includes(path, text):
    folder = max((f for f in LAYERS if path.startswith(f + "/")), key=len, default=None)
    if folder is None:
        if path.startswith(("src/", "include/")):
            yield 1, "this folder has no place among the layers of tests/style/check.py"
        return
    for number, line in enumerate(text.split("\n"), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, name = match.groups()
        if kind == '"' and not name.startswith(tuple(LAYERS[folder])):
            yield number, 'includes "%s", which is not below %s' % (name, folder)
        elif name.endswith("testing.h") and not path.endswith(("_test.c", "_fuzz.c", "testing.h")):
            yield number, "only tests include %s" % name


def check_reads(path, bare):
    folder, name = os.path.split(path)
    if folder != "src/supervisor" or name.endswith(("_test.c", "_fuzz.c", "_child.c", ".h")):
        return
    for match in READ_CALL.finditer(bare):
        if match.group(1) not in SUPERVISOR_READS.get(name, []):
            yield line_of(bare, match.start()), "the supervisor does not read by %s() here" % match.group(1)


def check_c(path, text):
    code, line_comments = strip_comments(text)
    bare = strip_literals(code)
    if text.split("\n", 1)[0] != "/* %s */" % SPDX:
        yield 1, "the first line is not /* %s */" % SPDX
    for offset in line_comments:
        yield line_of(text, offset), "a // comment"
    for match in BANNED_CALL.finditer(bare):
        yield line_of(bare, match.start()), "%s() is not used here" % match.group(1)
    yield from check_reads(path, bare)
    if path.startswith(("src/", "include/")) and path not in WALL_CLOCK_FILES:
        for match in WALL_CLOCK.finditer(bare):
            yield line_of(bare, match.start()), "%s goes by the wall clock" % (match[1] or match[2])
    for line, length in functions(strip_directives(bare)):
        if length > FUNCTION_LINES_MAX:
            yield line, "a function of %d lines, above %d" % (length, FUNCTION_LINES_MAX)
    yield from check_includes(path, code)


def check_text(path, text):
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield number, "white space at the end"
    is_script = text.startswith("#!") or path.endswith((".py", ".sh", "meson.build"))
    if is_script and not any(SPDX in line for line in lines[:2]):
        yield 1, "no line # %s" % SPDX
    is_source = is_script or path.endswith((".c", ".h"))
    if is_source and len(lines) - 1 > FILE_LINES_MAX:
        yield FILE_LINES_MAX, "a file of %d lines, above %d" % (len(lines) - 1, FILE_LINES_MAX)


def check_file(root, path):
    """(line, fault) of each fault."""
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    if b"\0" in data:
        return
    text = data.decode("utf-8", "replace")
    yield from check_text(path, text)
    if path.endswith((".c", ".h")):
        yield from check_c(path, text)


def files(root):
    """The files of the tree, named from root: those at its top and those of FOLDERS."""
    for name in sorted(os.listdir(root)):
        if os.path.isfile(os.path.join(root, name)):
            yield name
    for folder in FOLDERS:
        for where, folders, names in os.walk(os.path.join(root, folder)):
            here = os.path.relpath(where, root)
            folders[:] = sorted(
                f for f in folders
                if os.path.join(here, f) not in NOT_OURS_TO_FORMAT and f != "__pycache__"
            )
            for name in sorted(names):
                yield os.path.join(here, name)


def check_tree(root):
    """All faults, as lines to print, and the number of files seen."""
    faults, seen = [], 0
    for path in files(root):
        seen += 1
        faults += ["%s:%d: %s" % (path, line, what) for line, what in check_file(root, path)]
    return faults, seen


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check.py ROOT")
    faults, seen = check_tree(sys.argv[1])
    for fault in faults:
        print(fault)
    print("%d files, %d faults" % (seen, len(faults)))
    sys.exit(1 if faults or not seen else 0)


if __name__ == "__main__":
    main()
