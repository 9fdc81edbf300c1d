#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Samples that check.py must find fault with, and others that it must let pass."""
import os
import subprocess
import sys
import tempfile
import unittest

import check

HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n"
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check.py")


def function(body_lines):
    return "int f(int a)\n{\n" + "\ta++;\n" * body_lines + "}\n"


# path, text, the line of the fault, words of it
BAD = [
    ("src/base/a.c", "int a;\n", 1, "first line"),
    ("src/base/a.c", "\n" + HEAD, 1, "first line"),
    ("src/base/a.c", "// SPDX-License-Identifier: Apache-2.0\n", 1, "first line"),
    ("src/base/a.c", HEAD + "int a; // the letter\n", 2, "// comment"),
    ("src/base/a.c", HEAD + 'char *s = "\\""; // the quote\n', 2, "// comment"),
    ("src/base/a.c", HEAD + "int a; \n", 2, "white space"),
    ("src/base/a.c", HEAD + "\t\n", 2, "white space"),
    ("src/base/meson.build", "x = 1\t\n", 1, "white space"),
    ("src/base/meson.build", "x = 1\n", 1, "SPDX"),
    ("tools/x", "#!/bin/sh\necho\n", 1, "SPDX"),
    ("src/base/a.c", HEAD + "int a;\n" * 800, 800, "a file of 801 lines"),
    ("src/base/a.c", HEAD + function(101), 3, "a function of 101 lines"),
    ("src/base/a.c", HEAD + 'char *s = "{";\n' + function(101), 4, "a function of 101 lines"),
    ("src/base/a.c", HEAD + "int f(char c) { return c == '}'; }\n" + function(101), 4, "101 lines"),
    ("src/base/a.c", HEAD + "struct s {\n\tint a;\n};\n" + function(101), 6, "101 lines"),
    ("src/base/a.h", HEAD + 'extern "C" {\n' + function(101) + "}\n", 4, "101 lines"),
    ("src/base/a.c", HEAD + "#define B(x) do { \\\n\tx\n" + function(101), 5, "101 lines"),
    # Up the layers, and sideways.
    ("src/base/a.c", HEAD + '#include "tensor/dtype.h"\n', 2, "not below src/base"),
    ("src/base/a.c", HEAD + '#  include "worker/x.h"\n', 2, "not below src/base"),
    ("src/tensor/a.h", HEAD + '#include "channel/ring.h"\n', 2, "not below src/tensor"),
    ("src/channel/a.c", HEAD + '#include "front/stream.h"\n', 2, "not below src/channel"),
    ("src/worker/a.c", HEAD + '#include "front/request.h"\n', 2, "not below src/worker"),
    ("src/front/a.c", HEAD + '#include "worker/runner.h"\n', 2, "not below src/front"),
    ("src/supervisor/a.c", HEAD + '#include "front/stream.h"\n', 2, "not below src/supervisor"),
    ("src/front/vhost/a.c", HEAD + '#include "front/request.h"\n', 2, "not below src/front/vhost"),
    ("src/front/vhost/a.c", HEAD + '#include "front/protocol/seed.h"\n', 2, "not below"),
    ("src/engines/x/a.c", HEAD + '#include "base/bytes.h"\n', 2, "not below src/engines"),
    ("examples/a.c", HEAD + '#include "base/bytes.h"\n', 2, "not below examples"),
    ("include/tensock/a.h", HEAD + '#include "base/bytes.h"\n', 2, "not below include"),
    ("src/base/a.c", HEAD + '#include "bytes.h"\n', 2, "not below src/base"),
    ("src/base/a.c", HEAD + '#include "../tensor/dtype.h"\n', 2, "not below src/base"),
    ("src/base/a.c", HEAD + '#include "base/testing.h"\n', 2, "only tests"),
    ("src/newcomer/a.c", HEAD + "int a;\n", 1, "no place among the layers"),
    # The wall clock.
    ("src/base/a.c", HEAD + "long a = time (NULL);\n", 2, "time goes by the wall clock"),
    ("src/front/a.c", HEAD + "int a = CLOCK_REALTIME;\n", 2, "CLOCK_REALTIME goes by"),
    ("src/front/a.h", HEAD + "\n#define A CLOCK_REALTIME_COARSE\n", 3, "CLOCK_REALTIME_COARSE"),
    ("src/front/a.c", HEAD + "void f(void)\n{\n\tpthread_cond_timedwait(a);\n}\n", 4, "by the wall"),
] + [
    ("src/base/a.c", HEAD + "void f(void)\n{\n\t%s(x);\n}\n" % name, 4, name + "() is not used")
    for name in check.BANNED
] + [
    ("src/base/a.c", HEAD + "int a = rand ();\n", 2, "rand() is not used"),
    # Nobody's bytes but those that are named.
    ("src/supervisor/listener.c", HEAD + "int a = recv(fd, b, 1, 0);\n", 2, "does not read by recv()"),
    ("src/supervisor/daemon.c", HEAD + "int a = read (fd, b, 1);\n", 2, "does not read by read()"),
    ("src/supervisor/config.c", HEAD + "int a = recvmsg(fd, b, 1);\n", 2, "not read by recvmsg()"),
    ("src/supervisor/guest.c", HEAD + "int a = front_control_recv(fd, b, 1);\n", 2, "not read by"),
    ("src/supervisor/device.c", HEAD + "int a = tsk_map_new(fd, b, 1);\n", 2, "not read by tsk_map"),
]

GOOD = [
    ("src/base/a.c", HEAD + "int a; /* http://example.org, strcpy(a, b) // */\n"),
    ("src/base/a.c", HEAD + 'char *s = "// system(1) /*"; /* { */\n' + function(100)),
    ("src/base/a.c", HEAD + "void f(struct e *e)\n{\n\te->system(e);\n\tmy_rand(e);\n\te.gets(1);\n}\n"),
    ("src/base/a.c", HEAD + "int a = CLOCK_MONOTONIC; /* not time() */\nint run_time(int);\nint b = x.time(1);\n"),
    ("tests/a.c", HEAD + "long a = time(NULL);\n"),
    ("src/base/a.c", HEAD + "static const int a[] = {\n" + "\t1,\n" * 200 + "};\n"),
    ("src/base/a.c", HEAD + function(60) + function(60)),
    ("src/base/a.c", HEAD + "int a;\n" * 799),
    ("src/base/a_test.c", HEAD + '#include "base/testing.h"\n'),
    ("src/tensor/testing.h", HEAD + '#include "base/testing.h"\n'),
    ("src/base/a.c", HEAD + '#include <tensock/types.h>\n#include "base/bytes.h"\n'),
    ("src/base/a.c", HEAD + '/*\n#include "worker/x.h"\n*/\n'),
    ("src/front/a.c", HEAD + '#include "front/vhost/backend.h"\n#include "channel/run.h"\n'),
    ("src/front/vhost/a.c", HEAD + '#include "front/vhost/b.h"\n#include "front/stream.h"\n'),
    ("src/engines/x/a.c", HEAD + '#include <tensock/engine.h>\n#include "engines/x/b.h"\n'),
    ("tests/a.c", HEAD + '#include "worker/runner.h"\n'),
    ("src/supervisor/device.c", HEAD + "int a = device_control_recv(fd, b, c);\n"),
    ("src/supervisor/config.c", HEAD + "int a = fread(b, 1, 1, f) + config_read(c) + s->read(1);\n"),
    ("src/supervisor/guest_test.c", HEAD + "int a = read(fd, b, 1);\n"),
    ("src/front/guest.c", HEAD + "int a = recv(fd, b, 1, 0);\n"),
    ("tests/fuzz/corpus/x/a.c", "no words \n"),
    ("docs/picture.png", "\0 \n"),
    ("tools/x", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"),
]


def write(root, path, text):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class CheckTest(unittest.TestCase):
    def faults_of(self, path, text):
        with tempfile.TemporaryDirectory() as root:
            write(root, path, text)
            return check.check_tree(root)[0]

    def test_bad_samples(self):
        for path, text, line, words in BAD:
            with self.subTest(path=path, words=words, line=line):
                faults = self.faults_of(path, text)
                start = "%s:%d: " % (path, line)
                found = [f for f in faults if f.startswith(start) and words in f]
                self.assertEqual(len(found), 1, faults)

    def test_good_samples(self):
        for path, text in GOOD:
            with self.subTest(path=path, text=text[:200]):
                self.assertEqual(self.faults_of(path, text), [])

    def run_program(self, root):
        run = subprocess.run([sys.executable, "-B", PROGRAM, root], stdout=subprocess.PIPE,
                             universal_newlines=True, check=False)
        return run.returncode, run.stdout

    def test_program_fails(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(self.run_program(root)[0], 1, "an empty tree tests nothing")
            write(root, "src/base/a.c", HEAD + "int a;\n")
            self.assertEqual(self.run_program(root), (0, "1 files, 0 faults\n"))
            write(root, "src/base/b.c", HEAD + "int a; \n")
            status, output = self.run_program(root)
            self.assertEqual(status, 1)
            self.assertIn("src/base/b.c:2: white space at the end\n", output)


if __name__ == "__main__":
    unittest.main()
