"""Mail going out, as the engine sees it: take what is due, send it, note what the server said.

One message is claimed, sent and settled before the next; everything durable happens in `store.outbox`. What became unknown
after the first byte of a message is *uncertain* and never sent again by itself (RELIABILITY Q20, Q22).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from poststelle.errors import NotFound, PoststelleError, Trouble, TryAgain
from poststelle.mail.ports import Envelope, Receipt
from poststelle.office.doors import Doors
from poststelle.policy import retry, sending
from poststelle.store import accounts, outbox

Write = Callable[..., Awaitable[Any]]


async def send_due(doors: Doors, write: Write) -> int:
    """Send everything whose time has come; how many messages were tried."""
    due = await write(outbox.due, timezone.now())
    for number in due:
        claim = await write(outbox.claim, number)
        if claim is not None:
            await _send(claim, doors, write)
    return len(due)


def next_due() -> datetime | None:
    """When the next message wants to go; None when nothing waits."""
    return outbox.next_due()


async def _send(claim: outbox.Claim, doors: Doors, write: Write) -> None:
    started = False

    async def data_started() -> None:
        nonlocal started
        await write(outbox.data_started, claim.id)
        started = True

    try:
        receipt = await _hand_over(claim, doors, write, data_started)
    except (Trouble, NotFound) as error:
        if started:
            await write(outbox.uncertain, claim.id, error)
        else:
            await _postpone(claim, error, write)
        return
    await _settle(claim, receipt, write)


async def _hand_over(claim: outbox.Claim, doors: Doors, write: Write, data_started: Any) -> Receipt:
    if claim.account is None:
        raise NotFound("account-unknown")
    access = await write(accounts.access_of, claim.account)
    sender = await doors.sender(access)
    try:
        return await sender.send(Envelope(claim.sender, tuple(claim.recipients)), claim.raw, data_started)
    finally:
        await sender.close()


async def _settle(claim: outbox.Claim, receipt: Receipt, write: Write) -> None:
    recipients = [*claim.settled, *(result.state.value for result in receipt.results)]
    state = sending.move("sending", sending.state_after(recipients))
    exhausted = state == "deferred" and claim.attempts >= sending.LONGEST_DEFERRAL_ATTEMPTS
    due_at = _later(TryAgain("deferred"), claim.attempts) if state == "deferred" and not exhausted else None
    note = partial(outbox.answered, claim.id, receipt.results, state, due_at=due_at, filed_copy=receipt.filed_copy)
    await write(note)
    if exhausted:
        await write(outbox.given_up, claim.id, "too many attempts")


async def _postpone(claim: outbox.Claim, error: PoststelleError, write: Write) -> None:
    verdict_at = _later(error, claim.attempts) if isinstance(error, Trouble) else None
    await write(outbox.postponed, claim.id, error, verdict_at, sending.move("sending", "deferred"))


def _later(error: Trouble, attempts: int) -> datetime | None:
    verdict = retry.verdict(error, attempts)
    return timezone.now() + timedelta(seconds=verdict.seconds) if isinstance(verdict, retry.Wait) else None
