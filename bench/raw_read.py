"""The physical limit: read every message of a mailbox over TLS and throw the bytes away.

Per folder EXAMINE and one FETCH of everything into one reused buffer; nothing is parsed but the end of each answer.
Run: python -m bench.raw_read PORT CA_FILE USER PASSWORD
"""

from __future__ import annotations

import re
import socket
import ssl
import sys

BUFFER = 256 * 1024
LONGEST_ANSWER = 4096


class RawClient:
    """Sends a command, reads until its tagged answer, keeps only the last bytes."""

    def __init__(self, port: int, ca_file: str) -> None:
        context = ssl.create_default_context(cafile=ca_file)
        self._wire = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
        self._buffer = memoryview(bytearray(BUFFER))
        self._number = 0
        self.total = 0
        self._wire.recv_into(self._buffer)

    def ask(self, command: str, *, keep: bool = False) -> bytes:
        self._number += 1
        tag = b"A%d " % self._number
        self._wire.sendall(tag + command.encode() + b"\r\n")
        kept, tail = bytearray(), b""
        while True:
            count = self._wire.recv_into(self._buffer)
            if not count:
                raise ConnectionError("the server hung up")
            self.total += count
            if keep:
                kept += self._buffer[:count]
            tail = (tail + bytes(self._buffer[max(0, count - LONGEST_ANSWER) : count]))[-LONGEST_ANSWER:]
            last = tail[:-2].rpartition(b"\r\n")[2] if tail.endswith(b"\r\n") else b""
            if last.startswith(tag):
                if not last.startswith(tag + b"OK"):
                    raise RuntimeError(last.decode(errors="replace"))
                return bytes(kept)


def main() -> None:
    port, ca_file, user, password = sys.argv[1:5]
    client = RawClient(int(port), ca_file)
    client.ask(f'LOGIN "{user}" "{password}"')
    listed = client.ask('LIST "" "*"', keep=True).decode()
    for name in re.findall(r'^\* LIST \([^)]*\) "[^"]*" ("[^"\r\n]*"|\S+)\r?$', listed, re.MULTILINE):
        client.ask(f"EXAMINE {name}")
        client.ask("FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])")
    print(client.total)


if __name__ == "__main__":
    main()
