"""Whom one has had to do with, to be offered while an address is typed: kept up behind the messages, looked up within a reach.

Laws: who is offered stands in a message the reach may see now, outside spam and trash, so that a right taken away or a message
erased takes its people with it; and goes by a name the reach may see. Of an acquaintance only the `LATEST` messages are remembered;
when all of them are gone, the next one brings it back. All of it is made from the messages, behind them, a portion at a time, and may
be some seconds late. An account's own addresses are nobody it corresponds with.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from poststelle.mail import words
from poststelle.mail.address import is_addr_spec
from poststelle.mail.ports import Role
from poststelle.mail.records import CorrespondentRecord
from poststelle.mail.settings import Right
from poststelle.store.access import Reach, granted_sql
from poststelle.store.rows import all_rows, change, chunks, column, many, marks, moment, one_row
from poststelle.store.scopes import visible

LATEST = 10
_STEP, _MOST_PER_MESSAGE, _LONGEST_NAME = 250, 50, 120
_MOST_WORDS, _LONGEST_WORD, _MOST_TYPED, _MOST_LOOKED_UP = 8, 40, 6, 3
_CANDIDATES, _MET_MOST = 4, 500
"""Candidates for each place of the answer, and of how many of those met most they are chosen first."""
_SPELLINGS = 3
"""Words of one address that begin alike, at most as a rule."""
_MAILBOXES = 8
"""So many of the mailboxes that know somebody are asked whether their messages may be seen, before all of them are."""
SETTLED = timedelta(seconds=5)
"""Ids are made before they are committed: what is younger may still get a neighbour with a smaller one."""
_HALF = 90
"""Days after which somebody counts half as much."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AFTER_ALL = "\U0010ffff"
_NOT_WORTH = (Role.SPAM.value, Role.TRASH.value, Role.DRAFTS.value)


@dataclass(slots=True)
class _Met:
    """What a portion says of an address in an account."""

    day: int
    name: str = ""
    heard: int = 0
    written: int = 0
    messages: list[int] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """See `_worth`."""
        return _worth(self.heard, self.written)


@dataclass(frozen=True, slots=True)
class _Known:
    """An acquaintance as it is kept."""

    id: int
    address: str
    name: str
    heard: int
    written: int
    day: int


def _worth(heard: int, written: int) -> int:
    """Whom one writes to counts for more than whom one hears from."""
    return heard + 3 * written


# -- looking up ------------------------------------------------------------------------------------------------------


def find(reach: Reach, typed: str, limit: int) -> list[CorrespondentRecord]:
    """At most `limit` people whose name or address has words beginning like all those typed: whom one wrote to first, then by how
    often and how lately. Nobody without a typed word."""
    wanted = [words.folded(word)[:_LONGEST_WORD] for word in words.words(typed)[:_MOST_TYPED]]
    if not wanted:
        return []
    ranked = _ranked(reach, _candidates(reach, wanted, _CANDIDATES * limit))
    found: list[CorrespondentRecord] = []
    for at in range(0, len(ranked), limit):
        found += _offered(reach, _known(reach, ranked[at : at + limit]), wanted)
        if len(found) >= limit:
            break
    return found[:limit]


def _offered(reach: Reach, people: Sequence[Sequence[_Known]], wanted: Sequence[str]) -> list[CorrespondentRecord]:
    """Those of the people with whom there is a message the reach may see, by a name it may see."""
    offered: dict[int, CorrespondentRecord] = {}
    # Whether there is still a message costs most, and mostly there is.
    for some in (slice(_MAILBOXES), slice(_MAILBOXES, None)):
        asked = {at: known[some] for at, known in enumerate(people) if at not in offered}
        seen = _seen(reach, [one.id for known in asked.values() for one in known])
        for at, known in asked.items():
            rest = [one for one in known if one.id in seen]
            if any(_has_all(one, wanted) for one in rest):
                offered[at] = _record(rest)
    return [offered[at] for at in sorted(offered)]


def _candidates(reach: Reach, wanted: Sequence[str], enough: int) -> list[int]:
    """Addresses that may fit, known in an account of which the reach sees anything; those met most, at most `enough`."""
    may, bound = granted_sql(reach, Right.SEE, "a.account_id", anywhere=True)
    first, *others = sorted(set(wanted), key=len, reverse=True)[:_MOST_LOOKED_UP]
    there = "w.pool_id = %s AND w.word >= %s AND w.word < %s"
    pieces = [
        there,
        *(f"c.id IN (SELECT w.correspondent_id FROM store_correspondentword w WHERE {there})" for _ in others),  # noqa: S608
    ]
    ranges = [value for word in (first, *others) for value in (reach.pool, word, word + _AFTER_ALL)]
    found: dict[int, None] = {}
    # Thousands begin with a letter: those met most are asked first whether they are known where the reach sees anything.
    for most in (_MET_MOST, -1):
        found = dict.fromkeys(
            column(
                "SELECT c.id FROM (SELECT c.id FROM store_correspondentword w"  # noqa: S608
                f" CROSS JOIN store_correspondent c ON c.id = w.correspondent_id WHERE {' AND '.join(pieces)}"
                " ORDER BY c.weight DESC LIMIT %s) c WHERE EXISTS (SELECT 1 FROM store_acquaintance a"
                f" WHERE a.correspondent_id = c.id AND {may}) LIMIT %s",
                [*ranges, most, *bound, _SPELLINGS * enough],
            )
        )
        if len(found) >= enough:
            break
    return [*found][:enough]


def _ranked(reach: Reach, candidates: Sequence[int]) -> list[int]:
    """Those candidates in the order in which they are offered."""
    if not candidates:
        return []
    may, bound = granted_sql(reach, Right.SEE, "a.account_id", anywhere=True)
    today = (timezone.now() - _EPOCH).days
    weights = {
        number: (written > 0, _worth(heard, written) / (1 + max(today - day, 0) / _HALF))
        for number, heard, written, day in all_rows(
            "SELECT a.correspondent_id, SUM(a.heard), SUM(a.written), MAX(a.day) FROM store_acquaintance a"  # noqa: S608
            f" WHERE a.correspondent_id IN ({marks(candidates)}) AND {may} GROUP BY a.correspondent_id",
            [*candidates, *bound],
        )
    }
    return sorted(weights, key=lambda number: weights[number], reverse=True)


def _known(reach: Reach, people: Sequence[int]) -> list[list[_Known]]:
    """What the reach's accounts know of each of a few people, whoever met them last first."""
    may, bound = granted_sql(reach, Right.SEE, "a.account_id", anywhere=True)
    found: dict[int, list[_Known]] = {number: [] for number in people}
    for number, *known in all_rows(
        "SELECT c.id, a.id, c.address, a.name, a.heard, a.written, a.day FROM store_correspondent c"  # noqa: S608
        f" CROSS JOIN store_acquaintance a ON a.correspondent_id = c.id WHERE c.id IN ({marks(people)}) AND {may}"
        " ORDER BY a.day DESC, a.id DESC",
        [*people, *bound],
    ):
        found[number].append(_Known(*known))
    return [*found.values()]


def _seen(reach: Reach, numbers: Sequence[int]) -> set[int]:
    """Those acquaintances with which there is a message the reach may see."""
    may, bound = visible(reach, of_few=True)
    found: set[int] = set()
    for some in chunks(numbers):
        found |= set(
            column(
                f"SELECT a.id FROM store_acquaintance a WHERE a.id IN ({marks(some)}) AND EXISTS"  # noqa: S608
                " (SELECT 1 FROM store_correspondence k JOIN store_placement p ON p.message_id = k.message"
                f" JOIN store_folder f ON f.id = p.folder_id WHERE k.acquaintance_id = a.id AND f.role NOT IN {_NOT_WORTH} AND {may})",
                [*some, *bound],
            )
        )
    return found


def _has_all(one: _Known, wanted: Sequence[str]) -> bool:
    """Whether what the reach may know of somebody fits: another account may know another name."""
    there = _words(one.name, one.address)
    return all(any(word.startswith(start) for word in there) for start in wanted)


def _record(some: Sequence[_Known]) -> CorrespondentRecord:
    latest = max(some, key=lambda one: (bool(one.name), one.day, one.id))
    heard, written = sum(one.heard for one in some), sum(one.written for one in some)
    return CorrespondentRecord(latest.name, latest.address, heard, written)


# -- keeping up ------------------------------------------------------------------------------------------------------


def is_behind() -> bool:
    """Whether placements wait for `catch_up`."""
    return bool(_next(1))


def catch_up(limit: int = _STEP, settled: timedelta = SETTLED) -> int:
    """Read a portion of what has been placed since; how many placements it was."""
    with transaction.atomic():
        placed = _next(limit, settled)
        if not placed:
            return 0
        for pool, met in _met(placed).items():
            _remember(pool, met)
        change(
            "INSERT INTO store_correspondentsread (id, upto) VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET upto = excluded.upto",
            [_hex(placed[-1])],
        )
        return len(placed)


def forget(account: UUID, limit: int) -> bool:
    """Forget some acquaintances of an account that is removed, and whom no other knows; whether there were any. In the caller's
    transaction."""
    doomed = all_rows(
        "SELECT id, correspondent_id FROM store_acquaintance WHERE account_id = %s LIMIT %s", [account.hex, limit]
    )
    for some in chunks(doomed):
        acquaintances, people = [one for one, _ in some], [one for _, one in some]
        change(f"DELETE FROM store_correspondence WHERE acquaintance_id IN ({marks(acquaintances)})", acquaintances)  # noqa: S608
        change(f"DELETE FROM store_acquaintance WHERE id IN ({marks(acquaintances)})", acquaintances)  # noqa: S608
        strangers = column(
            f"SELECT c.id FROM store_correspondent c WHERE c.id IN ({marks(people)}) AND NOT EXISTS"  # noqa: S608
            " (SELECT 1 FROM store_acquaintance a WHERE a.correspondent_id = c.id)",
            people,
        )
        change(f"DELETE FROM store_correspondentword WHERE correspondent_id IN ({marks(strangers)})", strangers)  # noqa: S608
        change(f"DELETE FROM store_correspondent WHERE id IN ({marks(strangers)})", strangers)  # noqa: S608
    return bool(doomed)


def _next(limit: int, settled: timedelta = SETTLED) -> list[Any]:
    """The next placements (ids as stored) that nobody else can get before any more."""
    (upto,) = one_row("SELECT upto FROM store_correspondentsread", []) or ("",)
    before = UUID(int=int((timezone.now() - settled).timestamp() * 1000) << 80)
    return column(
        "SELECT id FROM store_placement WHERE id > %s AND id < %s ORDER BY id LIMIT %s",
        [upto or UUID(int=0).hex, before.hex, limit],
    )


_Here = tuple[str, str]
"""Account and address."""


def _met(placed: Sequence[Any]) -> Mapping[int, Mapping[_Here, _Met]]:
    """By pool, what these placements say. What only a live view shows is nobody's correspondence."""
    found: dict[int, dict[_Here, _Met]] = defaultdict(dict)
    own: dict[str, set[str]] = {}
    counted: set[tuple[str, int]] = set()
    for account, role, number, pool, name, address, recipients, at in all_rows(
        "SELECT f.account_id, f.role, m.id, m.pool_id, m.from_name, m.from_address, m.recipients, p.received_at"  # noqa: S608
        " FROM store_placement p JOIN store_folder f ON f.id = p.folder_id JOIN store_message m ON m.id = p.message_id"
        f" WHERE p.id IN ({marks(placed)}) AND p.cached_at IS NULL AND f.place <> 'limbo' AND f.role NOT IN {_NOT_WORTH} ORDER BY p.id",
        placed,
    ):
        if (account, number) in counted:
            continue
        counted.add((account, number))
        if account not in own:
            own[account] = _own(account)
        outwards = role == Role.SENT.value or address.lower() in own[account]
        people = json.loads(recipients)[:_MOST_PER_MESSAGE] if outwards else [(name, address)]
        day = (moment(at) - _EPOCH).days
        for spoken, where in people:
            key = str(where).lower()
            if key in own[account] or not is_addr_spec(key):
                continue
            one = found[pool].setdefault((account, key), _Met(day))
            one.name, one.day = _name(str(spoken), key) or one.name, max(one.day, day)
            one.heard, one.written = one.heard + (not outwards), one.written + outwards
            one.messages.append(number)
    return found


def _own(account: str) -> set[str]:
    return set(
        column(
            "SELECT lower(address) FROM store_account WHERE id = %s UNION SELECT lower(address) FROM store_identity WHERE account_id = %s",
            [account, account],
        )
    )


def _name(text: str, address: str) -> str:
    """A name as it is kept; none where it only repeats the address."""
    name = " ".join(text.split())[:_LONGEST_NAME]
    return "" if name.lower().strip("'\"<>") == address else name


def _remember(pool: int, met: Mapping[_Here, _Met]) -> None:
    many(
        "INSERT INTO store_correspondent (pool_id, address, weight) VALUES (%s, %s, %s) ON CONFLICT (pool_id, address)"
        " DO UPDATE SET weight = store_correspondent.weight + excluded.weight",
        [(pool, address, one.weight) for (_, address), one in met.items()],
    )
    people: dict[str, int] = {}
    for some in chunks({address for _, address in met}):
        people |= dict(
            all_rows(
                f"SELECT address, id FROM store_correspondent WHERE pool_id = %s AND address IN ({marks(some)})",  # noqa: S608
                [pool, *some],
            )
        )
    many(
        "INSERT INTO store_correspondentword (pool_id, word, correspondent_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [(pool, word, people[address]) for (_, address), one in met.items() for word in _looked_up(one.name, address)],
    )
    many(
        "INSERT INTO store_acquaintance (correspondent_id, account_id, name, heard, written, day) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (correspondent_id, account_id) DO UPDATE SET heard = store_acquaintance.heard + excluded.heard,"
        " written = store_acquaintance.written + excluded.written,"
        " name = CASE WHEN excluded.name <> '' AND (excluded.day >= store_acquaintance.day OR store_acquaintance.name = '')"
        " THEN excluded.name ELSE store_acquaintance.name END,"
        " day = CASE WHEN excluded.day > store_acquaintance.day THEN excluded.day ELSE store_acquaintance.day END",
        [
            (people[address], account, one.name, one.heard, one.written, one.day)
            for (account, address), one in met.items()
        ],
    )
    _remember_messages({(people[address], account): one.messages for (account, address), one in met.items()})


def _remember_messages(messages: Mapping[tuple[int, str], Sequence[int]]) -> None:
    """The latest messages of each acquaintance (person and account), and no more of them."""
    numbers = {
        key: int(row[0])
        for key in messages
        if (row := one_row("SELECT id FROM store_acquaintance WHERE correspondent_id = %s AND account_id = %s", [*key]))
    }
    many(
        "INSERT INTO store_correspondence (acquaintance_id, message) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [(number, message) for key, number in numbers.items() for message in messages[key][-LATEST:]],
    )
    many(
        "DELETE FROM store_correspondence WHERE acquaintance_id = %s AND message < (SELECT message FROM store_correspondence"
        " WHERE acquaintance_id = %s ORDER BY message DESC LIMIT 1 OFFSET %s)",
        [(number, number, LATEST - 1) for number in numbers.values()],
    )


def _words(name: str, address: str) -> Collection[str]:
    """Every word of the name and of the address, in each spelling."""
    spoken = dict.fromkeys([*words.words(name)[:_MOST_WORDS], *words.words(address)[:_MOST_WORDS]])
    return dict.fromkeys(spelled[:_LONGEST_WORD] for word in spoken for spelled in words.spellings(word))


def _looked_up(name: str, address: str) -> Collection[str]:
    """Those of its words somebody is found by: the last of an address is that of thousands."""
    return _words(name, address.rpartition(".")[0])


def _hex(value: Any) -> str:
    return value.hex if isinstance(value, UUID) else str(value)
