#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a file as C, when the project is built: oip_pb_descriptors.py FILE OUTPUT."""
import sys

with open(sys.argv[1], "rb") as file:
    data = file.read()
with open(sys.argv[2], "w") as out:
    out.write('#include "front/protocol/oip_pb_descriptors.h"\n\n')
    out.write("const size_t oip_pb_descriptors_bytes = %d;\n" % len(data))
    out.write("const unsigned char oip_pb_descriptors[] = {\n")
    for i in range(0, len(data), 16):
        out.write("\t%s,\n" % ", ".join(map(str, data[i:i + 16])))
    out.write("};\n")
