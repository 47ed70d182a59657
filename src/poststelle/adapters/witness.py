"""Who watches a connection: what happened on it (`met`), and, while somebody asked for a transcript, what was said (`saw`).

Law: a witness never raises, never waits and never changes anything. Whoever opens a mailbox names the witness for everything
opened below that call (`current`), so adapters carry none through their signatures. This module does not know protocols, or
what becomes of what is told.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Literal, Protocol

Direction = Literal["C", "S"]
"""Who said it: we (the client) or the server."""


class Witness(Protocol):
    """Told of one connection. Every connection asks for a `line` of its own."""

    def met(self, code: str, **facts: object) -> None:
        """Something worth a line in the event log happened: ``encrypted`` (host, port, tls, certificate), ``logged-in`` (mechanism)."""
        ...

    def listen(self) -> Listener:
        """For one more connection: what is to be told the bytes on it."""
        ...


class Listener(Protocol):
    """Told every byte of one connection, decrypted and in order."""

    def __call__(self, direction: Direction, data: bytes) -> None: ...


class Nobody:
    """The witness where nobody asked for one."""

    def met(self, code: str, **facts: object) -> None:
        """Not told to anybody."""

    def listen(self) -> Listener:
        """Nobody listens."""
        return _unheard


def _unheard(direction: Direction, data: bytes) -> None:
    pass


current: ContextVar[Witness] = ContextVar("witness", default=Nobody())  # noqa: B039 - it has no state
