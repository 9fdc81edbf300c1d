#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hybrid_proxy.py PATH PORT: standard input and output to a port of the guest whose PATH it is, as
ssh's ProxyCommand wants it."""

import os
import socket
import sys
import threading


def main(path, port):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        connection.sendall(f"CONNECT {int(port)}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            byte = connection.recv(1)
            if not byte:
                sys.exit(f"port {port} of the guest is not served")
            answer += byte

        def send():
            while data := os.read(0, 65536):
                connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        threading.Thread(target=send, daemon=True).start()
        while data := connection.recv(65536):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
