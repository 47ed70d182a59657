"""Proof that what is stored is what was written: the journal's chain, the database file, the messages' bytes.

And the journal itself, for administrators to read. Reading other people's mail is not needed for any of it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from poststelle.errors import Invalid, NotFound
from poststelle.mail.records import JournalRecord, Page
from poststelle.office.actor import Actor, require_administrator
from poststelle.office.oversight import oversight
from poststelle.store import accounts, chain, health, journal
from poststelle.store.chain import ChainReport

log = logging.getLogger(__name__)

_SAMPLE = 1_000
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found. `faults`: the database's own; `messages` were read back, `unreadable` of them not; `head_found`: whether the
    entry noted outside still stands (None: none was given)."""

    chains: Sequence[ChainReport]
    faults: Sequence[str]
    messages: int
    unreadable: int
    head_found: bool | None

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        broken = any(one.broken is not None for one in self.chains)
        return not (broken or self.faults or self.unreadable or self.head_found is False)


def verify(actor: Actor, *, everything: bool = False, head: str | None = None) -> Proof:
    """Look at all of it; of the messages the newest thousand, or `everything`. Administrators only.

    `head`: ``id:digest`` of a journal entry, as noted outside earlier. Raises Invalid({"head": …}) for what is none.
    """
    require_administrator(actor)
    noted = chain.noted(*_noted(head)) if head is not None else None
    readable = [*islice(health.every_message(), None if everything else _SAMPLE)]
    return Proof(
        [chain.verify(pool) for pool in chain.pools()], health.database_faults(), len(readable),
        len(readable) - sum(readable), noted,
    )  # fmt: skip


def entries(
    actor: Actor, limit: int = 50, before: str | None = None, *, kind: str = "", person: str = "", account: str = ""
) -> Page[JournalRecord]:
    """The journal, newest first: of one kind, by one actor, about one account (id or label). Administrators only."""
    require_administrator(actor)
    if before is not None and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise Invalid({"cursor": "unknown-value"})
    if kind and kind not in journal.KINDS:
        raise Invalid({"kind": "unknown-value"})
    try:
        number = accounts.find(oversight(actor), account).id if account else ""
    except NotFound:
        return Page([], None)
    return journal.page(
        oversight(actor), limit, int(before) if before else None, kind=kind, actor=person, account=number
    )


def tell_heads() -> None:
    """Put the head of every chain into the log, which is kept elsewhere where people care. Blocking; only the system asks."""
    for pool, number, digest in chain.heads():
        log.info("journal: head of pool %s is %s:%s", pool, number, digest)


def kinds() -> Sequence[str]:
    """Every kind of entry there is."""
    return sorted(journal.KINDS)


def _noted(head: str) -> tuple[int, str]:
    number, _, digest = head.partition(":")
    if not (number.isascii() and number.isdigit() and len(number) < 19 and len(digest) == 64):
        raise Invalid({"head": "unknown-value"})
    return int(number), digest.lower()
