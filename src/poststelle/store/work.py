"""What people add to a message: whose it is, where it stands, when it comes back, who has looked and who is at it now.

Law: all of it hangs on the message within its pool, not on a placement: a move or a renumbered server loses none of it. Every change
writes its journal entry where it was made, so that whoever sees the message there hears of it. Who merely reads is not written
down for good: presence is forgotten after a minute, and only that somebody answers is in the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.errors import NotFound
from poststelle.mail.listing import Place, Status
from poststelle.mail.records import UserRecord
from poststelle.mail.settings import Right
from poststelle.mail.tree import Badges
from poststelle.mail.work import PresenceRecord, TaskRecord
from poststelle.store import journal, models
from poststelle.store.access import Reach
from poststelle.store.people import person, person_columns
from poststelle.store.rows import all_rows, change, chunks, column, marks, moment, one_row, stored
from poststelle.store.scopes import visible, waiting

PRESENT_SECONDS = 60
HEARTBEAT_SECONDS = 20
READING, ANSWERING = "reading", "answering"


@dataclass(frozen=True, slots=True)
class Spot:
    """A placement as work finds it: ids as text, its message's row and thread, and whether the reach may process it."""

    placement: str
    message: int
    thread: int
    account: str
    folder: str
    may_process: bool


def find(reach: Reach, placement: str) -> Spot:
    """Where somebody stands. Raises NotFound out of reach."""
    try:
        number = UUID(placement).hex
    except ValueError as error:
        raise NotFound("message-unknown", message=placement) from error
    see, bound = visible(reach, of_few=True)
    process, more = visible(reach, Right.PROCESS, of_few=True)
    row = one_row(
        f"SELECT p.message_id, p.thread, f.account_id, f.id, ({process}) FROM store_placement p JOIN store_folder f"  # noqa: S608
        f" ON f.id = p.folder_id WHERE p.id = %s AND {see}",
        [*more, number, *bound],
    )
    if row is None:
        raise NotFound("message-unknown", message=placement)
    message, thread, account, folder, may_process = row
    return Spot(
        str(UUID(number)), message, thread or 0, str(UUID(str(account))), str(UUID(str(folder))), bool(may_process)
    )


def seers(message: int) -> list[UserRecord]:
    """Everybody who may see the message somewhere, by name."""
    spots = all_rows(
        "SELECT DISTINCT f.account_id, f.id FROM store_placement p JOIN store_folder f ON f.id = p.folder_id"
        " WHERE p.message_id = %s AND f.place <> 'limbo'",
        [message],
    )
    now = stored(timezone.now())
    accounts, folders = ([*dict.fromkeys(_hex(spot[at]) for spot in spots)] for at in (0, 1))
    rows = all_rows(
        f"SELECT DISTINCT {person_columns('u')} FROM store_grant g LEFT JOIN store_group_members m ON m.group_id = g.group_id"  # noqa: S608
        " JOIN store_user u ON u.id = coalesce(g.user_id, m.user_id) WHERE g.see AND u.is_active"
        " AND (g.starts_at IS NULL OR g.starts_at <= %s) AND (g.ends_at IS NULL OR g.ends_at > %s)"
        f" AND (g.folder_id IS NULL AND g.account_id IN ({marks(accounts) or 'NULL'}) OR g.folder_id IN ({marks(folders) or 'NULL'}))"
        " ORDER BY u.name, u.email",
        [now, now, *accounts, *folders],
    )
    return [found for row in rows if (found := person(row)) is not None]


def _hex(value: Any) -> str:
    return value.hex if isinstance(value, UUID) else str(value)


# -- tasks -----------------------------------------------------------------------------------------------------------


def tasks(messages: Sequence[int]) -> dict[int, TaskRecord]:
    """Where the work on these messages stands; those nobody has touched are missing."""
    now = timezone.now()
    found: dict[int, TaskRecord] = {}
    for some in chunks(messages):
        for message, status, at, *people in all_rows(
            f"SELECT t.message_id, t.status, t.follow_up_at, {person_columns('a')}, {person_columns('u')} FROM store_task t"  # noqa: S608
            " LEFT JOIN store_user a ON a.id = t.assignee_id LEFT JOIN store_user u ON u.id = t.follow_up_for_id"
            f" WHERE t.message_id IN ({marks(some)})",
            some,
        ):
            due_at = moment(at) if at is not None else None
            is_due = due_at is not None and due_at <= now and status != Status.DONE.value
            assignee, reminded = people[: len(people) // 2], people[len(people) // 2 :]
            found[message] = TaskRecord(Status(status), person(assignee), due_at, person(reminded), is_due)
    return found


def badges(reach: Reach) -> Badges:
    """How much waits for the person; nothing for the system."""
    if reach.user is None:
        return Badges(0, 0, 0)
    return Badges(*(waiting(reach, place) for place in (Place.MINE, Place.FOLLOW_UP, Place.MENTIONS)))


def assign(reach: Reach, spot: Spot, user: str | None, *, actor: str) -> bool:
    """Whose it is now, None nobody's. Whether that changed anything."""
    return _put(reach, spot, "assigned", actor, {"user": user}, assignee_id=UUID(user) if user else None)


def set_status(reach: Reach, spot: Spot, status: Status, *, actor: str) -> bool:
    """Where the work stands now. Whether that changed anything."""
    return _put(reach, spot, "status-changed", actor, {"status": status.value}, status=status.value)


def follow_up(reach: Reach, spot: Spot, at: datetime | None, user: str | None, *, actor: str) -> bool:
    """When it comes back, for `user` or (None) for everybody who sees it; `at` None: not at all. Whether that changed anything."""
    facts = {"at": at.isoformat() if at else None, "user": user}
    person = UUID(user) if user and at else None
    return _put(reach, spot, "follow-up-set", actor, facts, follow_up_at=at, follow_up_for_id=person, reminded_at=None)


def remind(now: datetime, limit: int = 200) -> int:
    """Bring back what is due: waiting work is open again, the journal says so wherever the message lies. How many messages."""
    due = models.Task.objects.filter(follow_up_at__lte=now, reminded_at=None).exclude(status=Status.DONE.value)
    count = 0
    for number in list(due.order_by("follow_up_at").values_list("pk", flat=True)[:limit]):
        with transaction.atomic():
            claimed = models.Task.objects.filter(pk=number, follow_up_at__lte=now, reminded_at=None)
            if not claimed.update(reminded_at=now):
                continue
            models.Task.objects.filter(pk=number, status=Status.WAITING.value).update(status=Status.OPEN.value)
            row = models.Task.objects.select_related("message", "follow_up_for").get(pk=number)
            person = str(row.follow_up_for_id) if row.follow_up_for_id else None
            tell_everywhere(row.message_id, row.message.pool_id, "follow-up-due", journal.SYSTEM, {"user": person})
            count += 1
    return count


def _put(reach: Reach, spot: Spot, kind: str, actor: str, facts: Mapping[str, object], **values: Any) -> bool:
    with transaction.atomic():
        row, _ = models.Task.objects.get_or_create(message_id=spot.message)
        if all(getattr(row, name) == value for name, value in values.items() if name != "reminded_at"):
            return False
        for name, value in values.items():
            setattr(row, name, value)
        row.save()
        tell(reach, spot, kind, actor, facts)
        return True


def tell(reach: Reach, spot: Spot, kind: str, actor: str, facts: Mapping[str, object]) -> None:
    """A journal entry about the message where it was found."""
    journal.write(
        reach.pool, actor, kind, f"message:{spot.placement}", account=spot.account, folder=spot.folder, facts=facts
    )


def tell_everywhere(message: int, pool: int, kind: str, actor: str, facts: Mapping[str, object]) -> None:
    """A journal entry about the message for every mailbox it lies in."""
    for placement, account, folder in _spots(message):
        journal.write(
            pool, actor, kind, f"message:{UUID(str(placement))}", account=UUID(str(account)), folder=UUID(str(folder)),
            facts=facts,
        )  # fmt: skip


def _spots(message: int) -> list[tuple[Any, ...]]:
    """One placement for every mailbox the message lies in."""
    return all_rows(
        "SELECT max(p.id), f.account_id, max(f.id) FROM store_placement p JOIN store_folder f ON f.id = p.folder_id"
        " WHERE p.message_id = %s AND f.place <> 'limbo' GROUP BY f.account_id",
        [message],
    )


# -- looked ----------------------------------------------------------------------------------------------------------


def looked(message: int, user: str) -> bool:
    """The person has it open: it is no longer new for them, and no longer wants their attention. Whether it was new."""
    now = stored(timezone.now())
    person = UUID(user).hex
    with transaction.atomic():
        fresh = change(
            "INSERT INTO store_looked (message_id, user_id, at) VALUES (%s, %s, %s) ON CONFLICT (message_id, user_id) DO NOTHING",
            [message, person, now],
        )
        change(
            "UPDATE store_mention SET seen_at = %s WHERE user_id = %s AND seen_at IS NULL"
            " AND note_id IN (SELECT id FROM store_note WHERE message_id = %s)",
            [now, person, message],
        )
    return bool(fresh)


def has_looked(message: int, user: str) -> bool:
    """Whether there is nothing left to note when the person opens it (so that opening it again writes nothing)."""
    row = one_row(
        "SELECT (SELECT count(*) FROM store_looked WHERE message_id = %s AND user_id = %s),"
        " (SELECT count(*) FROM store_mention x JOIN store_note n ON n.id = x.note_id"
        " WHERE n.message_id = %s AND x.user_id = %s AND x.seen_at IS NULL)",
        [message, UUID(user).hex, message, UUID(user).hex],
    )
    return row is not None and bool(row[0]) and not row[1]


def looked_at_everything(user: str) -> None:
    """Nothing that is here by now is new for the person."""
    models.User.objects.filter(pk=user).update(new_since=timezone.now())


def known(messages: Iterable[int], user: str) -> set[int]:
    """Those of the messages that the person has had open."""
    found: set[int] = set()
    for some in chunks(messages):
        found |= set(
            column(
                f"SELECT message_id FROM store_looked WHERE user_id = %s AND message_id IN ({marks(some)})",  # noqa: S608
                [UUID(user).hex, *some],
            )
        )
    return found


# -- presence --------------------------------------------------------------------------------------------------------


def here(reach: Reach, spot: Spot, user: str, doing: str, *, actor: str) -> list[PresenceRecord]:
    """The person is at the message; who else is. Written at most every `HEARTBEAT_SECONDS`."""
    now = timezone.now()
    before = models.Presence.objects.filter(message=spot.message, user=UUID(user)).first()
    late = now - timedelta(seconds=PRESENT_SECONDS)
    if before is None or before.doing != doing or before.at <= now - timedelta(seconds=HEARTBEAT_SECONDS):
        answered = before is not None and before.doing == ANSWERING and before.at > late
        with transaction.atomic():
            models.Presence.objects.update_or_create(
                message_id=spot.message, user_id=UUID(user), defaults={"doing": doing, "at": now}
            )
            models.Presence.objects.filter(at__lte=late).delete()
            if answered is not (doing == ANSWERING):
                tell(reach, spot, "answering-changed", actor, {"answering": doing == ANSWERING})
    return present(spot.message, user)


def away(reach: Reach, spot: Spot, user: str, *, actor: str) -> None:
    """The person has left the message."""
    with transaction.atomic():
        rows = models.Presence.objects.filter(message=spot.message, user=UUID(user))
        if rows.filter(doing=ANSWERING).exists():
            tell(reach, spot, "answering-changed", actor, {"answering": False})
        rows.delete()


def present(message: int, user: str | None) -> list[PresenceRecord]:
    """Who else is at the message, those who answer first."""
    late = stored(timezone.now() - timedelta(seconds=PRESENT_SECONDS))
    rows = all_rows(
        f"SELECT e.doing, e.at, {person_columns('u')} FROM store_presence e JOIN store_user u ON u.id = e.user_id"  # noqa: S608
        " WHERE e.message_id = %s AND e.at > %s AND e.user_id <> %s ORDER BY e.doing, e.at",
        [message, late, UUID(user).hex if user is not None else ""],
    )
    return [PresenceRecord(who, doing, moment(at)) for doing, at, *columns in rows if (who := person(columns))]
