"""Rights at the counter: accounts × people, and one grant at a time.

Changing takes the right *administer* on the account, or an administrator; neither lets anybody read its mail. Whoever grants
themselves something is in the journal with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.document import Fields
from poststelle.mail.document_parts import Parts
from poststelle.mail.records import AccountRecord, GroupRecord, Matrix, UserRecord
from poststelle.mail.settings import GrantWish, Right
from poststelle.office import accounts
from poststelle.office.actor import SYSTEM, Actor
from poststelle.store import accounts as store
from poststelle.store import grants, groups, people, rights


def matrix(
    actor: Actor, limit: int = 50, after: str | None = None, *, words: str = "", person: str | None = None
) -> Matrix:
    """A window of accounts by label with everybody's rights: for administrators all of the office, for others what they administer.

    `words` must occur in label or address; `person`: that one's rights only (e-mail address or id). Raises NotFound.
    """
    one = people.find_user(person).id if person else None
    return rights.matrix(actor.reach, limit, after, everything=actor.is_administrator, words=words, person=one)


def grant(actor: Actor, account: str, document: Mapping[str, object]) -> AccountRecord:
    """Set what a user or a group may do with an account or one folder of it; empty `rights` take it away.

    Fields: user or group, rights, folder, from, until. Raises Invalid, NotFound, NotPermitted.
    """
    fields = Fields()
    wish = Parts(fields).grant("", document)
    wrong = {path.removeprefix("."): reason for path, reason in fields.wrong.items()}
    if wrong:
        raise Invalid(wrong)
    record = _of(actor, account)
    try:
        grants.set_one(
            record.id,
            record.owner.id if record.owner else accounts.caretaker(actor),
            replace(wish, dated=True),
            actor=actor.name,
        )
    except Invalid as error:
        raise Invalid({path.removeprefix("grants.0."): reason for path, reason in error.fields.items()}) from error
    return store.find(SYSTEM.reach, record.id)


def candidates(actor: Actor, account: str) -> tuple[list[UserRecord], list[GroupRecord]]:
    """Everybody an account's rights can go to, people and groups by name, for whoever may give them. Raises NotFound, NotPermitted."""
    _of(actor, account)
    return people.users(actor.reach.pool), [replace(one, members=()) for one in groups.within(actor.reach)]


def overseen(actor: Actor, account: str) -> AccountRecord:
    """An account whose grants the actor may change, with its grants. Raises NotFound, NotPermitted.

    `rights` are the actor's own: an administrator sees the grants of an account, not its mail.
    """
    record = _of(actor, account)
    own = store.rights_on_all(actor.reach, [record.id]).get(record.id, frozenset())
    return replace(record, rights=own)


def revoke(actor: Actor, account: str, *, user: str = "", group: str = "", folder: str = "") -> AccountRecord:
    """Take away what a user or a group may do with an account or one folder of it, whatever its dates."""
    record = _of(actor, account)
    wish = GrantWish(user, frozenset(), group, folder, dated=False)
    grants.set_one(record.id, accounts.caretaker(actor), wish, actor=actor.name)
    return store.find(SYSTEM.reach, record.id)


def _of(actor: Actor, account: str) -> AccountRecord:
    if actor.is_administrator:
        return store.find(SYSTEM.reach, account)
    record = accounts.show(actor, account)
    if Right.ADMINISTER not in record.rights:
        raise NotPermitted("administer-needed")
    return record
