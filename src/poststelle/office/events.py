"""What is done for an account, as it happens: noted for its event log, and written down word for word where somebody asked.

For whoever looks after the account (`office.oversight`). The engine opens mailboxes under `watching` and runs `write_down`;
noting costs it nothing (`store.events`). Wording: `office.happenings`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from django.utils import timezone

from poststelle.adapters import witness
from poststelle.adapters.witness import Listener
from poststelle.errors import Invalid, PoststelleError
from poststelle.mail.records import EventRecord, Page
from poststelle.mail.transcript import Transcript
from poststelle.office import proof
from poststelle.office.actor import Actor
from poststelle.office.oversight import overseen
from poststelle.store import connections, disk, events, transcripts
from poststelle.store.events import note
from poststelle.store.shelf import Write

log = logging.getLogger(__name__)

Direction = Literal["incoming", "outgoing"]

WRITE_SECONDS, DAY_SECONDS = 1.0, 86_400.0
LONGEST_TRANSCRIPT = timedelta(hours=24)


def page(
    actor: Actor, account: str, limit: int = 50, before: str | None = None, *, level: str = ""
) -> Page[EventRecord]:
    """The account's events, newest first; of `level` and worse. Raises NotFound, NotPermitted, Invalid."""
    record = overseen(actor, account)
    if level and level not in events.LEVELS:
        raise Invalid({"level": "unknown-value"})
    names: Sequence[str] = events.LEVELS
    worse = names[names.index(level) :] if level else ()
    return events.page(record.id, limit, _number(before), worse)


def following(actor: Actor, account: str, after: int, limit: int = 200) -> list[EventRecord]:
    """Events newer than that one, oldest first. Raises NotFound, NotPermitted."""
    return events.since(overseen(actor, account).id, after, limit)


def start_transcript(actor: Actor, account: str, length: timedelta) -> datetime:
    """Write down what is said with the account's servers, for so long; until when. Connects anew, so that the log-in is in it.

    Raises NotFound, NotPermitted, Invalid({"for": "out-of-range"}).
    """
    record = overseen(actor, account)
    if not timedelta(0) < length <= LONGEST_TRANSCRIPT:
        raise Invalid({"for": "out-of-range"})
    until = timezone.now() + length
    transcripts.remove(record.id)
    connections.transcribe(actor.reach.pool, record.id, until, actor=actor.name)
    return until


def stop_transcript(actor: Actor, account: str) -> None:
    """No more of it; what was written stays for a week. Raises NotFound, NotPermitted."""
    connections.transcribe(actor.reach.pool, overseen(actor, account).id, None, actor=actor.name)


def transcript(actor: Actor, account: str) -> tuple[bytes, datetime | None]:
    """What was written down, and until when it goes on (None: it does not). Raises NotFound, NotPermitted."""
    record = overseen(actor, account)
    return transcripts.read(record.id), transcripts.until(record.id)


@contextlib.asynccontextmanager
async def watching(account: str, direction: Direction, write: Write) -> AsyncIterator[None]:
    """Connections opened within are told in the account's event log, and in its transcript if one is wanted."""
    mine = _Watcher(account, direction, await write(transcripts.until, account))
    token = witness.current.set(mine)
    try:
        yield
    finally:
        witness.current.reset(token)


async def write_down(write: Write) -> None:
    """Keep writing down what is noted, until cancelled; tidy up and log the journal's head once a day.

    A disk that is full costs events, nothing else.
    """
    tidied = float("-inf")
    while True:
        await asyncio.sleep(WRITE_SECONDS)
        try:
            if transcripts.waiting() or connections.waiting() or events.waiting():
                await write(flush)
            if time.monotonic() - tidied >= DAY_SECONDS:
                await write(transcripts.expire)
                await write(proof.tell_heads)
                tidied = time.monotonic()
        except Exception as error:
            disk.set_back(log, "event log", error)


def flush() -> None:
    """Write down what is noted now. Blocking: for the writer thread."""
    if transcripts.waiting():
        transcripts.flush()
    if connections.waiting():
        connections.flush()
    if events.waiting():
        events.flush()


def round_done(account: str, report: Sequence[Mapping[str, object]]) -> None:
    """A round ended well; one that found nothing is not worth a line."""
    sums: dict[str, Any] = {
        name: sum(value for entry in report if isinstance(value := entry.get(name), int))
        for name in ("new", "changed", "removed", "set_aside")
    }
    if any(sums.values()):
        seconds = sum(value for entry in report if isinstance(value := entry.get("seconds"), float))
        note(account, "round", folders=len(report), seconds=round(seconds, 1), **sums)


def closed(account: str, path: Sequence[str]) -> None:
    """The server lists this folder and does not open it."""
    note(account, "folder-closed", level="warning", folder="/".join(path))


def troubled(
    account: str,
    error: PoststelleError,
    *,
    seconds: float | None = None,
    suspended: bool = False,
    way: Direction = "incoming",
) -> None:
    """Something went wrong: tried again after `seconds`; `suspended` and None: not before a person has acted."""
    facts: dict[str, Any] = {
        name: value for name, value in error.facts.items() if name in {"host", "port", "answer", "gone", "kind"}
    }
    code: events.EventCode = "suspended" if suspended and seconds is None else "trouble"
    note(account, code, level="error" if suspended else "warning", trouble=error.code, direction=way, **facts)
    if seconds is not None:
        note(account, "retry", seconds=round(seconds))


def sent(account: str, states: Sequence[str]) -> None:
    """A message was handed to a server, with these answers for its recipients (`RecipientState`)."""
    accepted = sum(state == "accepted" for state in states)
    if accepted:
        note(account, "sent", accepted=accepted)
    if accepted < len(states):
        note(account, "refused", level="warning", rejected=len(states) - accepted)


def push_mode(account: str, mode: str) -> None:
    """How news of the account reaches us: ``idle``, ``notify`` or ``poll``. A change is a line in its log."""
    if connections.learned_mode(account, mode):
        note(account, "push", mode=mode)


class _Watcher:
    """The witness of one account's connections."""

    def __init__(self, account: str, direction: Direction, until: datetime | None) -> None:
        self._account, self._direction, self._until = account, direction, until
        self._connections = 0

    def met(self, code: str, **facts: object) -> None:
        told: dict[str, Any] = {name: facts[name] for name in ("host", "port", "tls", "mechanism") if facts.get(name)}
        told["direction"] = self._direction
        if code == "connected":
            certificate = {name: str(facts[name]) for name in ("subject", "issuer", "not_after") if facts.get(name)}
            connections.learned(
                self._account, self._direction, certificate, {"host": facts.get("host"), "tls": facts.get("tls")}
            )
            note(self._account, "connected", **told)
        elif code == "logged-in":
            note(self._account, "logged-in", **told)

    def listen(self) -> Listener:
        if self._until is None:
            return witness.Nobody().listen()
        self._connections += 1
        prefix, until, account = f"{self._direction} {self._connections}", self._until, self._account

        def keep(line: str) -> None:
            if timezone.now() < until:
                transcripts.keep(account, f"[{prefix}] {line}")

        return Transcript(keep)


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Invalid({"cursor": "unknown-value"})
    return int(cursor)
