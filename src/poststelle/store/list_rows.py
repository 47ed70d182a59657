"""What a row of a list shows, beyond its place in it: the message, its thread, and what people added.

Law: a fixed number of queries for a window of any size, each bounded by the window. A thread is counted wherever the reach sees
it, what lies in trash or spam apart; of its participants the latest few messages tell.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from poststelle.mail.ports import SEEN
from poststelle.mail.records import AddressRecord, PlacementRecord, TroubleRecord, UserRecord
from poststelle.mail.settings import Right
from poststelle.mail.work import AnswerRecord, ListRow, ThreadMessage
from poststelle.store import messages, notes, tags, work
from poststelle.store.access import Reach, granted_sql
from poststelle.store.keywords import is_for_people
from poststelle.store.lists import Row
from poststelle.store.people import person, person_columns
from poststelle.store.rows import all_rows, chunks, marks, moment
from poststelle.store.scopes import new_since, visible
from poststelle.store.trouble import trouble_record

PARTICIPANTS = 12
MOST_IN_A_THREAD = 500
_LEFT_OUT = "('trash', 'spam')"


def of(reach: Reach, rows: Sequence[Row], *, threads: bool) -> list[ListRow]:
    """The rows of a window, in its order; what has left meanwhile is missing."""
    numbers = [row.message for row in rows]
    found = messages.by_ids([str(row.id) for row in rows])
    several = [row.thread for row in rows if row.thread] if threads else []
    counts = _counts(reach, several)
    people = _participants(reach, [thread for thread in several if counts.get(thread, (1, 0))[0] > 1])
    extras = Extras(reach, numbers, {row.message: row.thread for row in rows})
    shown = []
    for row in rows:
        record = found.get(str(UUID(str(row.id))))
        if record is None:
            continue
        count, unread = counts.get(row.thread, (1, int(SEEN not in record.flags)))
        participants = people.get(row.thread, [record.sender])
        shown.append(extras.row(record, row, max(count, 1), unread, participants))
    return shown


class Extras:
    """What people added to some messages, and who answered them; read at once for all of them."""

    def __init__(self, reach: Reach, numbers: Sequence[int], threads: Mapping[int, int]) -> None:
        self._reach = reach
        self._tasks = work.tasks(numbers)
        self._notes = notes.counts(numbers)
        self._tags = tags.by_keyword(reach.pool)
        self._known = work.known(numbers, reach.user) if reach.user else set(numbers)
        self._since = moment(new_since(reach)) if reach.user else None
        self._answers = answers(reach, [*{thread for thread in threads.values() if thread}])

    def row(
        self, record: PlacementRecord, row: Row, count: int, unread: int, participants: Sequence[AddressRecord]
    ) -> ListRow:
        """One row of a list."""
        return ListRow(
            record, row.thread, count, unread, participants, self._tasks.get(row.message), self._notes.get(row.message, 0),
            [tags.shown(self._tags, flag) for flag in sorted(record.flags) if is_for_people(flag)],
            self.is_new(row.message, record), self._answers.get(record.message_id),
        )  # fmt: skip

    def folded(self, record: PlacementRecord, message: int, also: Sequence[str]) -> ThreadMessage:
        """One message of a thread."""
        return ThreadMessage(
            record, also, self._tasks.get(message), self._notes.get(message, 0), self.is_new(message, record),
            self._answers.get(record.message_id),
        )  # fmt: skip

    def is_new(self, message: int, record: PlacementRecord) -> bool:
        """Whether the person has not had it open since it came."""
        return self._since is not None and message not in self._known and record.received_at > self._since


def labels(reach: Reach, accounts: Collection[str]) -> dict[str, str]:
    """What these accounts (ids) are called, as far as some of their mail is within reach."""
    may, bound = granted_sql(reach, Right.SEE, "t.id", anywhere=True, of_few=True)
    return {
        str(UUID(str(number))): label
        for some in chunks(accounts)
        for number, label in all_rows(
            f"SELECT t.id, t.label FROM store_account t WHERE t.id IN ({marks(some)}) AND {may}",  # noqa: S608
            [*(UUID(one).hex for one in some), *bound],
        )
    }


def troubles(reach: Reach, account: str) -> list[TroubleRecord]:
    """What is the matter with an account some of whose mail is within reach: one record or none."""
    may, bound = granted_sql(reach, Right.SEE, "t.id", anywhere=True, of_few=True)
    found = all_rows(
        f"SELECT t.trouble, t.trouble_since FROM store_account t WHERE t.id = %s AND t.trouble IS NOT NULL AND {may}",  # noqa: S608
        [UUID(account).hex, *bound],
    )
    told = (trouble_record(json.loads(column), moment(since)) for column, since in found)
    return [one for one in told if one is not None]


def answers(reach: Reach, threads: Sequence[int]) -> dict[str, AnswerRecord]:
    """Which messages of these threads have been answered, by Message-ID: the first answer found in a Sent folder within reach.

    A message answers the last one it refers to (RFC 5322 section 3.6.4).
    """
    may, bound = visible(reach, of_few=True)
    found: dict[str, AnswerRecord] = {}
    written: dict[str, int] = {}
    for some in chunks(threads):
        for placement, at, message, references, name, address in all_rows(
            'SELECT p.id, p.received_at, m.id, m."references", m.from_name, m.from_address FROM store_placement p'  # noqa: S608
            " JOIN store_folder f ON f.id = p.folder_id JOIN store_message m ON m.id = p.message_id"
            f" WHERE p.thread IN ({marks(some)}) AND f.role = 'sent' AND {may} ORDER BY p.received_at, p.id",
            [*some, *bound],
        ):
            answered = references.rpartition(" ")[2]
            if answered and answered not in found:
                sender = AddressRecord(name, address)
                found[answered] = AnswerRecord(sender, moment(at), str(UUID(str(placement))), None)
                written[answered] = message
    authors = _authors([*written.values()])
    for answered, message in written.items():
        if message in authors:
            one = found[answered]
            found[answered] = AnswerRecord(one.sender, one.at, one.placement_id, authors[message])
    return found


def thread(reach: Reach, number: int, message: int, placement: str) -> list[tuple[int, str, list[str]]]:
    """The messages of a thread, oldest first, the latest `MOST_IN_A_THREAD`: message, a placement, and the other folders it is in.

    `message` is looked at by its `placement`, and is there even where the thread is none (0) or too long; of every other one the
    placement is that in the inbox where there is one, else the earliest made.
    """
    may, bound = visible(reach, of_few=True)
    rows = (
        []
        if not number
        else all_rows(
            "SELECT p.message_id, p.id, f.id, f.role FROM store_placement p JOIN store_folder f"  # noqa: S608
            f" ON f.id = p.folder_id WHERE p.thread = %s AND {may} ORDER BY p.received_at DESC, p.ordinal DESC, p.id DESC LIMIT %s",
            [number, *bound, 4 * MOST_IN_A_THREAD],
        )
    )
    by_message: dict[int, list[tuple[int, str, str]]] = {}
    for one, placed, folder, role in reversed(rows):
        text = str(UUID(str(placed)))
        rank = 0 if text == placement else 1 + (role != "inbox")
        by_message.setdefault(one, []).append((rank, text, str(UUID(str(folder)))))
    found = []
    for one, places in [*by_message.items()][-MOST_IN_A_THREAD:]:
        (_, placed, _), *others = sorted(places)
        found.append((one, placed, [folder for _, _, folder in others]))
    if message not in by_message:
        found.append((message, placement, elsewhere(reach, placement)))
    return found


def elsewhere(reach: Reach, placement: str) -> list[str]:
    """The other folders (ids) in which the same message may be seen."""
    may, bound = visible(reach, of_few=True)
    number = UUID(placement).hex
    return [
        str(UUID(str(folder)))
        for (folder,) in all_rows(
            "SELECT DISTINCT f.id FROM store_placement o JOIN store_placement p ON p.message_id = o.message_id AND p.id <> o.id"  # noqa: S608
            f" JOIN store_folder f ON f.id = p.folder_id WHERE o.id = %s AND f.id <> o.folder_id AND {may}",
            [number, *bound],
        )
    ]


def _counts(reach: Reach, threads: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Messages and unread ones of each thread."""
    may, bound = visible(reach, of_few=True)
    found: dict[int, tuple[int, int]] = {}
    for some in chunks(threads):
        for number, count, unread in all_rows(
            "SELECT p.thread, count(DISTINCT p.message_id), count(DISTINCT CASE WHEN NOT p.seen THEN p.message_id END)"  # noqa: S608
            f" FROM store_placement p JOIN store_folder f ON f.id = p.folder_id WHERE p.thread IN ({marks(some)})"
            f" AND f.role NOT IN {_LEFT_OUT} AND {may} GROUP BY p.thread",
            [*some, *bound],
        ):
            found[number] = (count, unread)
    return found


def _participants(reach: Reach, threads: Sequence[int]) -> dict[int, list[AddressRecord]]:
    """Who wrote in each thread, the latest last, by its latest messages."""
    may, bound = visible(reach, of_few=True)
    found: dict[int, list[AddressRecord]] = {}
    for some in chunks(threads):
        for number, name, address in all_rows(
            "SELECT x.thread, m.from_name, m.from_address FROM (SELECT p.thread, p.message_id, row_number() OVER"  # noqa: S608
            " (PARTITION BY p.thread ORDER BY p.received_at DESC, p.ordinal DESC, p.id DESC) n FROM store_placement p"
            f" JOIN store_folder f ON f.id = p.folder_id WHERE p.thread IN ({marks(some)}) AND {may}) x"
            " JOIN store_message m ON m.id = x.message_id WHERE x.n <= %s ORDER BY x.thread, x.n",
            [*some, *bound, PARTICIPANTS],
        ):
            found.setdefault(number, []).append(AddressRecord(name, address))
    return {number: _once(people) for number, people in found.items()}


def _once(newest_first: Sequence[AddressRecord]) -> list[AddressRecord]:
    latest: dict[str, AddressRecord] = {}
    for one in newest_first:
        latest.setdefault((one.address or one.name).lower(), one)
    return [*latest.values()][::-1]


def _authors(numbers: Sequence[int]) -> dict[int, UserRecord]:
    """Who wrote these messages here."""
    found: dict[int, UserRecord] = {}
    for some in chunks(numbers):
        for message, *columns in all_rows(
            f"SELECT o.message_id, {person_columns('u')} FROM store_outgoing o JOIN store_user u ON u.id = o.author_id"  # noqa: S608
            f" WHERE o.message_id IN ({marks(some)})",
            some,
        ):
            author = person(columns)
            if author is not None:
                found[message] = author
    return found
