"""Who may look after an account without reading its mail: those who administer it, and the office's administrators.

What is shown on that ground (ledger, events, health, transcript) holds numbers, server names and reasons, never a message.
"""

from __future__ import annotations

from poststelle.errors import NotPermitted
from poststelle.mail.records import AccountRecord
from poststelle.mail.settings import Right
from poststelle.office.actor import Actor
from poststelle.store import accounts, health
from poststelle.store.access import Reach


def overseen(actor: Actor, account: str) -> AccountRecord:
    """The account by id or label. Raises NotFound, NotPermitted."""
    if actor.is_administrator:
        return accounts.find(oversight(actor), account)
    record = accounts.find(actor.reach, account)
    if Right.ADMINISTER not in record.rights:
        raise NotPermitted("administer-needed")
    return record


def overseen_accounts(actor: Actor) -> set[str]:
    """The ids of all of them."""
    return health.account_ids(oversight(actor), Right.ADMINISTER)


def oversight(actor: Actor) -> Reach:
    """The reach of the actor's oversight, for queries by the right *administer*."""
    return Reach(actor.reach.pool, None) if actor.is_administrator else actor.reach
