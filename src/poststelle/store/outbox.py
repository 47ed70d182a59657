"""The outbox: what is to be sent, its state per recipient, and every step of sending it.

Bytes and Message-ID are fixed when the row is made. Steps are conditional updates: whoever changes the row owns the step.
`data_started` is committed before the first byte of the message leaves, so that after a crash what may have been sent is told
apart from what certainly was not (RELIABILITY Q20). What a person decides about it is in `store.undecided`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from poststelle.errors import Conflict, Invalid, NotFound, PoststelleError
from poststelle.mail.digest import digest
from poststelle.mail.ports import ANSWERED, RecipientResult
from poststelle.mail.records import OutgoingRecord, Page, RecipientRecord
from poststelle.mail.settings import Right
from poststelle.store import handling, journal, mark, messages, models, sent_copies
from poststelle.store.access import Reach, granted
from poststelle.store.application import keep_messages, message_ids
from poststelle.store.blobs import Origin
from poststelle.store.people import user_record
from poststelle.store.trouble import trouble_column, trouble_record

_OPEN = ("waiting", "deferred")


@dataclass(frozen=True, slots=True)
class Submission:
    """A message ready to leave. `recipients`: (address, ``to``/``cc``/``bcc``). `answers`: the placement it replies to."""

    account: str
    sender: str
    recipients: Sequence[tuple[str, str]]
    raw: bytes = field(repr=False)
    message_id: str
    answers: str | None
    idempotency_key: str | None
    request_digest: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A message this process is now sending, to those recipients that are still open; `settled`: the others' states.

    `content`: the SHA-256 of its bytes. `author`: whose mail it is (a user's id), so that their own server may send it.
    """

    id: str
    account: str
    sender: str
    recipients: Sequence[str]
    settled: Sequence[str]
    content: bytes
    attempts: int
    author: str | None = None


def submitted_before(author: str | None, key: str, request_digest: str) -> str | None:
    """The message this author already submitted under the key. Raises Conflict when it was a different one."""
    row = models.Outgoing.objects.filter(author_id=UUID(str(author)) if author else None, idempotency_key=key).first()
    if row is None:
        return None
    if row.request_digest != request_digest:
        raise Conflict("idempotency-key-reused")
    return str(row.pk)


def submit(reach: Reach, submission: Submission, *, author: str | None, actor: str) -> str:
    """Keep the bytes, then the row: from now on it will be sent. Its id; the earlier one under the same idempotency key."""
    sha256 = hashlib.sha256(submission.raw).digest()
    origin = Origin(submission.account, "", submission.message_id)
    written = messages.segments().write([(origin, sha256, submission.raw)])
    read = digest(submission.raw)
    try:
        with transaction.atomic():
            keep_messages(reach.pool, {sha256: (written, written.entries[0])}, {sha256: read})
            row = models.Outgoing.objects.create(
                account_id=submission.account, author_id=author, sender=submission.sender,
                message_id=message_ids(reach.pool, [sha256])[sha256], idempotency_key=submission.idempotency_key,
                request_digest=submission.request_digest, answers_id=submission.answers, due_at=timezone.now(),
            )  # fmt: skip
            models.Recipient.objects.bulk_create(
                models.Recipient(outgoing=row, address=address, kind=kind) for address, kind in submission.recipients
            )
            journal.write(
                reach.pool, actor, "outgoing-submitted", f"outgoing:{row.pk}", account=submission.account,
                facts={"recipients": len(submission.recipients)},
            )  # fmt: skip
    except IntegrityError:
        # Two requests with one key raced: the first one's row stands.
        if submission.idempotency_key and (
            earlier := submitted_before(author, submission.idempotency_key, submission.request_digest)
        ):
            return earlier
        raise
    return str(row.pk)


def find(reach: Reach, number: str) -> OutgoingRecord:
    """One outgoing message: one's own, or of an account one may send from. Raises NotFound."""
    try:
        row = _visible(reach).filter(pk=UUID(number)).first()
    except ValueError:
        row = None
    if row is None:
        raise NotFound("outgoing-unknown", outgoing=number)
    return _record(row)


def page(reach: Reach, limit: int, after: str | None) -> Page[OutgoingRecord]:
    """Outgoing messages, newest first. `after`: the id the last window ended with."""
    rows = _visible(reach).order_by("-id")
    if after is not None:
        rows = rows.filter(pk__lt=_key(after))
    found = list(rows[: limit + 1])
    return Page([_record(row) for row in found[:limit]], str(found[limit - 1].pk) if len(found) > limit else None)


def due(now: datetime) -> dict[str, list[str]]:
    """Messages whose time has come, by account, oldest first."""
    rows = models.Outgoing.objects.filter(state__in=["queued", "deferred"], due_at__lte=now, account__active=True)
    by_account: dict[str, list[str]] = {}
    for account, number in rows.order_by("due_at", "id").values_list("account_id", "id"):
        by_account.setdefault(str(account), []).append(str(number))
    return by_account


def claim(number: str) -> Claim | None:
    """Take the message for sending; None when somebody else did, it is no longer due, or its account is gone."""
    with transaction.atomic():
        waiting = models.Outgoing.objects.filter(pk=number, state__in=["queued", "deferred"], account__isnull=False)
        taken = waiting.update(state="sending", claimed_at=timezone.now(), data_started_at=None)
        if not taken:
            return None
        row = models.Outgoing.objects.select_related("message").get(pk=number)
        row.attempts += 1
        row.save(update_fields=["attempts"])
        states = [*row.recipients.order_by("pk").values_list("address", "state")]
        recipients = [address for address, state in states if state in _OPEN]
        settled = [state for _, state in states if state not in _OPEN]
        tell(row)
    content = bytes(row.message.sha256)
    author = str(row.author_id) if row.author_id else None
    return Claim(str(number), str(row.account_id), row.sender, recipients, settled, content, row.attempts, author)


def data_started(number: str) -> None:
    """The next byte on the wire is the message's first: from here on the outcome may be unknown."""
    models.Outgoing.objects.filter(pk=number, state="sending").update(data_started_at=timezone.now())
    mark.renew()


def answered(
    number: str,
    results: Sequence[RecipientResult],
    state: str,
    *,
    due_at: datetime | None,
    filed_copy: bool,
    kept_here: str,
) -> None:
    """The server answered for everybody it was asked about. A first acceptance marks the answered mail and orders the copy.

    `filed_copy`, `kept_here`: see `store.sent_copies.order`.
    """
    with transaction.atomic():
        row = models.Outgoing.objects.select_related("account", "message").get(pk=number)
        for result in results:
            row.recipients.filter(address=result.address, state__in=_OPEN).update(
                state=result.state.value, answer=result.answer
            )
        accepted = any(result.state.value == "accepted" for result in results)
        first = accepted and row.sent_at is None
        row.state, row.due_at, row.trouble, row.trouble_since = state, due_at, None, None
        if first:
            row.sent_at = timezone.now()
        row.save()
        if first:
            if row.account_id is not None:
                models.Account.objects.filter(pk=row.account_id).update(sent_at=row.sent_at)
            mark_answered(row)
            sent_copies.order(row, filed_copy=filed_copy, kept_here=kept_here)
        tell(row)


def postponed(number: str, error: PoststelleError, due_at: datetime | None, state: str) -> None:
    """Nothing was sent: back to the queue until `due_at` (None: until a person acts)."""
    with transaction.atomic():
        row = models.Outgoing.objects.select_related("account").get(pk=number)
        row.state, row.due_at = state, due_at
        row.trouble, row.trouble_since = trouble_column(error), timezone.now()
        row.save()
        tell(row)


def uncertain(number: str, error: PoststelleError | None) -> None:
    """The message may have left and may not have: a person decides, nothing is sent again by itself."""
    with transaction.atomic():
        row = models.Outgoing.objects.select_related("account").get(pk=number)
        row.state, row.due_at = "uncertain", None
        if error is not None:
            row.trouble, row.trouble_since = trouble_column(error), timezone.now()
        row.save()
        row.recipients.filter(state__in=_OPEN).update(state="uncertain")
        tell(row)


def engine_started() -> None:
    """Sort out what a killed engine left: not begun goes back to the queue, begun is uncertain."""
    for number, started in models.Outgoing.objects.filter(state="sending").values_list("id", "data_started_at"):
        if started is None:
            _requeue(number)
        else:
            uncertain(str(number), None)


def mark_answered(row: models.Outgoing) -> None:
    """What it replies to is answered. In the caller's transaction."""
    if row.answers_id is not None:
        system = Reach(row.message.pool_id, None)
        handling.mark(system, [str(row.answers_id)], frozenset({ANSWERED}), frozenset(), actor=journal.SYSTEM)


def tell(row: models.Outgoing) -> None:
    """Say in the journal what has become of it. In the caller's transaction."""
    pool = models.Message.objects.values_list("pool_id", flat=True).get(pk=row.message_id)
    journal.write(
        pool,
        journal.SYSTEM,
        "outgoing-changed",
        f"outgoing:{row.pk}",
        account=row.account_id,
        facts={"state": row.state},
    )


def _requeue(number: UUID) -> None:
    with transaction.atomic():
        row = models.Outgoing.objects.get(pk=number)
        row.state, row.due_at = "queued", timezone.now()
        row.save()
        tell(row)


def _visible(reach: Reach) -> QuerySet[models.Outgoing]:
    rows = models.Outgoing.objects.select_related("author", "message", "account").prefetch_related("recipients")
    rows = rows.filter(message__pool=reach.pool)
    if reach.user is None:
        return rows
    sendable = models.Account.objects.filter(granted(reach, Right.SEND_AS, Right.SEND_ON_BEHALF)).values("pk")
    return rows.filter(Q(author=reach.user) | Q(account__in=sendable))


def _key(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid({"cursor": "unknown-value"}) from error


def _record(row: models.Outgoing) -> OutgoingRecord:
    return OutgoingRecord(
        id=str(row.pk), account_id=str(row.account_id or ""), author=user_record(row.author) if row.author else None,
        sender=row.sender, subject=row.message.subject, message_id=row.message.message_id,
        content=bytes(row.message.sha256).hex(), state=row.state,
        recipients=[
            RecipientRecord(one.address, one.kind, one.state, one.answer)
            for one in sorted(row.recipients.all(), key=lambda one: one.pk)
        ],
        created_at=row.created_at, due_at=row.due_at, sent_at=row.sent_at, attempts=row.attempts,
        trouble=trouble_record(row.trouble, row.trouble_since),
    )  # fmt: skip
