"""The notice at the counter: what the office wants read before anybody adds a mailbox (data protection, say). Off unless written.

Whoever adds one says which text they have read by its version; the journal keeps who, when, and every text there has been.
"""

from __future__ import annotations

from collections.abc import Mapping

from poststelle.errors import Invalid
from poststelle.mail.document import Fields
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import notice
from poststelle.store.notice import Notice

LONGEST = 20_000


def show(actor: Actor) -> Notice:
    """The notice; empty where there is none. Administrators only: nobody else adds mailboxes."""
    require_administrator(actor)
    return notice.current()


def put(actor: Actor, text: str) -> Notice:
    """Another text, to be read anew; an empty one switches the notice off. Administrators only. Raises Invalid({"text": …})."""
    require_administrator(actor)
    fields = Fields()
    wanted = fields.block("text", text, limit=LONGEST).strip()
    if fields.wrong:
        raise Invalid(fields.wrong)
    return notice.put(actor.reach, wanted, actor=actor.name)


def unread(actor: Actor, version: object) -> Mapping[str, str]:
    """What is wrong with adding a mailbox after having read this version (``notice``: unread); the command line reads nothing."""
    needed = notice.current().version
    return {"notice": "notice-unread"} if needed and actor.user is not None and version != needed else {}
