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

from django.utils import timezone

from poststelle.errors import PoststelleError, Trouble, TryAgain
from poststelle.mail.ports import Envelope, Receipt
from poststelle.office import events
from poststelle.office.doors import Doors
from poststelle.policy import retry, sending
from poststelle.store import accounts, messages, outbox

log = logging.getLogger(__name__)

Write = Callable[..., Awaitable[Any]]


def due() -> Mapping[str, Sequence[str]]:
    """The messages whose time has come, by account, oldest first."""
    return outbox.due(timezone.now())


async def send(number: str, doors: Doors, write: Write) -> None:
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
        receipt = await _hand_over(claim, doors, write, data_started)
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


async def _hand_over(claim: outbox.Claim, doors: Doors, write: Write, data_started: Any) -> Receipt:
    access = await write(accounts.access_of, claim.account, claim.author)
    raw = await write(messages.content, access.pool, claim.content)
    async with events.watching(claim.account, "outgoing", write):
        sender = await doors.sender(access)
    try:
        return await sender.send(Envelope(claim.sender, tuple(claim.recipients)), raw, data_started)
    finally:
        await sender.close()


async def _settle(claim: outbox.Claim, receipt: Receipt, write: Write) -> None:
    results = receipt.results
    if claim.attempts >= sending.LONGEST_DEFERRAL_ATTEMPTS:
        results = tuple(sending.given_up(result) for result in results)
    events.sent(claim.account, [result.state.value for result in results])
    recipients = [*claim.settled, *(result.state.value for result in results)]
    state = sending.move("sending", sending.state_after(recipients))
    due_at = _later(TryAgain("deferred"), claim.attempts) if state == "deferred" else None
    await write(partial(outbox.answered, claim.id, results, state, due_at=due_at, filed_copy=receipt.filed_copy))


def _later(error: PoststelleError, attempts: int) -> datetime | None:
    """When to try again; None when a person must act first."""
    verdict = retry.verdict(error, attempts) if isinstance(error, Trouble) else None
    return timezone.now() + timedelta(seconds=verdict.seconds) if isinstance(verdict, retry.Wait) else None
