"""The body of a multi-line answer: where it ends, and the dots it was sent with (RFC 1939 section 3).

Law: pure, exact, in any split of the stream. A line ends with CR LF and nothing else, so neither a bare CR nor a bare LF
followed by dots is mistaken for an end or loses a dot.
"""

from __future__ import annotations

_END = b"\r\n.\r\n"


class Unstuffing:
    """Fed with what comes, it gives back content until the final dot, and what came after that."""

    def __init__(self) -> None:
        # The line end of the status line before: the body may begin with a dot.
        self._held = b"\r\n"
        self._first = True
        self.rest: bytes | None = None

    def feed(self, data: bytes) -> bytes:
        """More content. Once the end has come, `rest` is what follows it."""
        data = self._held + data
        end = data.find(_END)
        if end >= 0:
            self._held, self.rest, data = b"", data[end + len(_END) :], data[: end + 2]
        else:
            cut = len(data) - _started(data)
            self._held, data = data[cut:], data[:cut]
        content = data.replace(b"\r\n.", b"\r\n")
        if self._first and data:
            self._first = False
            return content[2:]
        return content


def _started(data: bytes) -> int:
    """How many of the last bytes may begin an end or a stuffed line."""
    tail = data[-4:]
    return next((size for size in range(min(4, len(tail)), 0, -1) if _END.startswith(tail[-size:])), 0)
