"""People who leave: blocked, and what was theirs handed over in one transaction.

Law: nothing of theirs is lost or stays without somebody responsible: mailboxes, log-ins, outgoing servers, mail still to be sent and
work not yet done go to the heir; work the heir may not see is open to everybody who does. Their own grants end.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from poststelle.errors import Conflict, NotFound
from poststelle.mail.listing import Status
from poststelle.mail.settings import Right
from poststelle.store import journal, models, work
from poststelle.store.access import column_of
from poststelle.store.ids import is_id


@dataclass(frozen=True, slots=True)
class HandedOver:
    """How much went to the heir."""

    mailboxes: int
    logins: int
    outgoing_servers: int
    waiting_mail: int
    open_work: int
    grants_ended: int
    tokens_revoked: int


def block(user: str, *, actor: str) -> int:
    """The person can no longer log in, nor can their tokens; how many tokens went.

    Raises NotFound, Conflict("last-administrator").
    """
    with transaction.atomic():
        row = _row(user)
        return _block(row, actor)


def unblock(user: str, *, actor: str) -> None:
    """They may log in again, with their password; tokens do not come back. Raises NotFound."""
    with transaction.atomic():
        row = _row(user)
        if not row.is_active:
            row.is_active = True
            row.save(update_fields=["is_active"])
            journal.write(row.pool_id, actor, "user-unblocked", f"user:{row.pk}", facts={"email": row.email})


def depart(user: str, heir: str, *, actor: str) -> HandedOver:
    """Block the person and hand over what was theirs. Raises NotFound, Conflict("last-administrator", "own-heir")."""
    with transaction.atomic():
        row, to = _row(user), _row(heir)
        if row.pk == to.pk or not to.is_active:
            raise Conflict("own-heir")
        tokens = _block(row, actor)
        was_administrator, row.is_administrator = row.is_administrator, False
        row.save(update_fields=["is_administrator"])
        mailboxes = _hand_over_mailboxes(row, to, actor)
        ended, _ = models.Grant.objects.filter(user=row).delete()
        row.member_of.clear()
        done = HandedOver(
            mailboxes=mailboxes,
            logins=models.Login.objects.filter(owner=row).update(owner=to),
            outgoing_servers=models.OutgoingServer.objects.filter(owner=row).update(owner=to, is_default=False),
            waiting_mail=models.Outgoing.objects.filter(
                author=row, state__in=["queued", "deferred", "held", "uncertain"]
            ).update(author=to, idempotency_key=None),
            open_work=_hand_over_work(row, to, actor),
            grants_ended=ended,
            tokens_revoked=tokens,
        )
        facts = {"from": row.email, "to": to.email, **{name: getattr(done, name) for name in HandedOver.__slots__}}
        if was_administrator:
            facts |= journal.difference({"administrator": (True, False)})
        journal.write(row.pool_id, actor, "mailboxes-handed-over", f"user:{row.pk}", facts=facts)
    return done


def _block(row: models.User, actor: str) -> int:
    others = models.User.objects.filter(pool=row.pool_id, is_administrator=True, is_active=True).exclude(pk=row.pk)
    if row.is_administrator and row.is_active and not others.exists():
        raise Conflict("last-administrator")
    tokens, _ = models.Token.objects.filter(user=row).delete()
    models.Session.objects.filter(user=row).delete()
    if row.is_active:
        row.is_active = False
        row.save(update_fields=["is_active"])
        facts = {"email": row.email, "tokens": tokens}
        journal.write(row.pool_id, actor, "user-blocked", f"user:{row.pk}", facts=facts)
    return tokens


def _hand_over_mailboxes(row: models.User, to: models.User, actor: str) -> int:
    owned = list(models.Account.objects.filter(owner=row).values_list("pk", flat=True))
    models.Account.objects.filter(pk__in=owned).update(owner=to, settings_version=F("settings_version") + 1)
    everything = dict.fromkeys(map(column_of, Right), True)
    for account in owned:
        _give(account, to, everything)
    # Whoever alone administered a shared mailbox leaves that to the heir, not the reading of it.
    alone = models.Account.objects.filter(grants__user=row, grants__administer=True).exclude(
        pk__in=models.Grant.objects.filter(administer=True, ends_at=None).exclude(user=row).values("account")
    )
    orphaned = [number for number in alone.values_list("pk", flat=True).distinct() if number not in owned]
    for account in orphaned:
        _give(account, to, {column_of(Right.ADMINISTER): True})
    for account in [*owned, *orphaned]:
        gained = [right.value for right in Right] if account in owned else [Right.ADMINISTER.value]
        facts = {
            "changes": [
                {"user": to.email, "gained": gained, "lost": []},
                {"user": row.email, "gained": [], "lost": ["all"]},
            ]
        }
        journal.write(row.pool_id, actor, "grants-changed", f"account:{account}", account=account, facts=facts)
    return len(owned)


def _hand_over_work(row: models.User, to: models.User, actor: str) -> int:
    """What was assigned to them, or was to come back for them alone; how much of it is the heir's."""
    undone = models.Task.objects.exclude(status=Status.DONE.value)
    count = 0
    for task in undone.filter(Q(assignee=row) | Q(follow_up_for=row)):
        sees = any(one.id == str(to.pk) for one in work.seers(task.message_id))
        count += sees
        for name in ("assignee_id", "follow_up_for_id"):
            if getattr(task, name) == row.pk:
                setattr(task, name, to.pk if sees else None)
        task.save(update_fields=["assignee", "follow_up_for", "changed_at"])
        work.tell_everywhere(task.message_id, row.pool_id, "assigned", actor, {"user": str(to.pk) if sees else None})
    return count


def _give(account: UUID, to: models.User, columns: dict[str, bool]) -> None:
    held = models.Grant.objects.filter(account_id=account, user=to, folder=None, starts_at=None, ends_at=None)
    if not held.update(**columns):
        models.Grant.objects.create(account_id=account, user=to, **columns)


def _row(user: str) -> models.User:
    rows = models.User.objects.all()
    row = rows.filter(pk=user).first() if is_id(user) else rows.filter(email__iexact=user).first()
    if row is None:
        raise NotFound("user-unknown", user=user)
    return row
