"""Mail going out, as the engine sees it: take what is due, send it, note what the server said.

One message is claimed, sent and settled before the next; everything durable happens in `store.outbox`. What became unknown
after the first byte of a message is *uncertain* and never sent again by itself (RELIABILITY Q20, Q22).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils import timezone, translation
from django.utils.translation import gettext

from poststelle.errors import PoststelleError, Trouble, TryAgain
from poststelle.mail.ports import DataStarted, Envelope, Receipt, RecipientResult, Sender
from poststelle.office import events
from poststelle.office.doors import Doors
from poststelle.policy import retry, sending
from poststelle.store import messages, outbox, people, undecided, ways

log = logging.getLogger(__name__)

Write = Callable[..., Awaitable[Any]]

MESSAGES_PER_LINE = 100
"""Many servers end a connection after a hundred or so."""


def due() -> Mapping[str, Sequence[str]]:
    """The messages whose time has come, by account, oldest first."""
    return outbox.due(timezone.now())


def settle_by_copies() -> None:
    """What was not known to have left, and lies among the sent mail, has left."""
    undecided.settle_by_copies()


class Line:
    """The way out of an account, kept open from one message to the next. A context manager."""

    def __init__(self, doors: Doors, write: Write) -> None:
        self._doors, self._write = doors, write
        self._sender: Sender | None = None
        self._towards: object = None
        self._left = 0

    async def __aenter__(self) -> Line:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hang_up()

    async def hand_over(self, claim: outbox.Claim, data_started: DataStarted) -> Receipt:
        """Send it. Raises what opening a way out and sending raise."""
        access = await self._write(ways.access_of, claim.account, claim.author)
        raw = await self._write(messages.content, access.pool, claim.content)
        envelope = Envelope(claim.sender, tuple(claim.recipients))
        login = access.outgoing_login
        towards = (access.account, access.version, access.outgoing, login.name if login else None)
        if towards != self._towards or not self._left:
            await self._hang_up()
        started = False

        async def starting() -> None:
            nonlocal started
            started = True
            await data_started()

        if self._sender is not None:
            try:
                return await self._send(self._sender, envelope, raw, starting)
            except Trouble:
                # Between two messages a server may end a line when it likes. Once bytes have gone, nothing is repeated.
                if started:
                    raise
        async with events.watching(claim.account, "outgoing", self._write):
            self._sender = sender = await self._doors.sender(access)
        self._towards, self._left = towards, MESSAGES_PER_LINE
        return await self._send(sender, envelope, raw, starting)

    async def _send(self, sender: Sender, envelope: Envelope, raw: bytes, data_started: DataStarted) -> Receipt:
        self._left -= 1
        try:
            return await sender.send(envelope, raw, data_started)
        except BaseException:
            await self._hang_up()
            raise

    async def _hang_up(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()


async def send(number: str, line: Line, write: Write) -> None:
    """Try to send this message, unless somebody else does. Never raises because of the message or its server."""
    claim = await write(outbox.claim, number)
    if claim is None:
        return
    started = False

    async def data_started() -> None:
        nonlocal started
        await write(outbox.data_started, claim.id)
        started = True

    try:
        receipt = await line.hand_over(claim, data_started)
    except Exception as error:
        trouble = _told(error, number)
        events.troubled(claim.account, trouble, way="outgoing")
        if started:
            await write(outbox.uncertain, claim.id, trouble)
        else:
            due_at = _later(trouble, claim.attempts)
            await write(outbox.postponed, claim.id, trouble, due_at, sending.move("sending", "deferred"))
        return
    await _settle(claim, receipt, write)


def _told(error: Exception, number: str) -> PoststelleError:
    if isinstance(error, PoststelleError):
        return error
    log.error("outgoing %s: unexpected", number, exc_info=error)
    return TryAgain("internal-error", kind=type(error).__name__)


async def _settle(claim: outbox.Claim, receipt: Receipt, write: Write) -> None:
    results = receipt.results
    if claim.attempts >= sending.LONGEST_DEFERRAL_ATTEMPTS:
        results = tuple(sending.given_up(result) for result in results)
    events.sent(claim.account, [result.state.value for result in results])
    recipients = [*claim.settled, *(result.state.value for result in results)]
    state = sending.move("sending", sending.state_after(recipients))
    due_at = _later(TryAgain("deferred"), claim.attempts) if state == "deferred" else None
    await write(partial(_answered, claim.id, results, state, due_at=due_at, filed_copy=receipt.filed_copy))


def _answered(
    number: str, results: Sequence[RecipientResult], state: str, *, due_at: datetime | None, filed_copy: bool
) -> None:
    with translation.override(people.office_language()):
        kept_here = gettext("Sent (kept here)")
    outbox.answered(number, results, state, due_at=due_at, filed_copy=filed_copy, kept_here=kept_here)


def _later(error: PoststelleError, attempts: int) -> datetime | None:
    """When to try again; None when a person must act first."""
    verdict = retry.verdict(error, attempts) if isinstance(error, Trouble) else None
    return timezone.now() + timedelta(seconds=verdict.seconds) if isinstance(verdict, retry.Wait) else None
