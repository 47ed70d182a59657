"""The facts of a journal entry as one line in the reader's language.

Law: every fact is said, one whose name has no words yet by its name; what is empty, and the ids a machine needs, are left out. The
feed (`GET /changes`) has all of them as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from poststelle.mail.settings import Right
from poststelle.office import wording
from poststelle.web.names import EXCEPTIONS, OUTGOING_STATES, RIGHTS, Text, path_name, scope_name
from poststelle.web.telling import COLOURS, STATUSES, plain_day, plain_moment

FOR_MACHINES = frozenset({"first", "last", "note", "folder", "to_oneself", "mentions", "facts"})
_WAYS = {"incoming": gettext_lazy("Receiving"), "outgoing": gettext_lazy("Sending")}
_MARKS = {
    "\\Seen": pgettext_lazy("journal", "read"),
    "\\Flagged": pgettext_lazy("journal", "star"),
    "\\Answered": pgettext_lazy("journal", "answered"),
    "\\Deleted": pgettext_lazy("journal", "marked as deleted"),
    "\\Draft": pgettext_lazy("journal", "draft"),
}
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_LONGEST = 300
NAMES: Mapping[str, Text] = {
    "account": gettext_lazy("Mailbox"),
    "accounts": gettext_lazy("mailboxes"),
    "added": gettext_lazy("added"),
    "administrator": gettext_lazy("administrator"),
    "after": pgettext_lazy("journal", "after"),
    "answering": pgettext_lazy("journal", "is answering"),
    "asked_by": pgettext_lazy("journal", "asked by"),
    "at": pgettext_lazy("journal", "on"),
    "before": pgettext_lazy("journal", "before"),
    "changed": pgettext_lazy("journal", "changed"),
    "changes": gettext_lazy("changes"),
    "code": gettext_lazy("cause"),
    "colour": gettext_lazy("colour"),
    "count": gettext_lazy("number"),
    "email": gettext_lazy("address"),
    "everybody": pgettext_lazy("journal", "everybody"),
    "exceptions": gettext_lazy("exceptions"),
    "expires_at": gettext_lazy("valid until"),
    "fields": gettext_lazy("fields"),
    "from": pgettext_lazy("journal", "from"),
    "gained": gettext_lazy("given"),
    "grants_ended": pgettext_lazy("journal", "rights ended"),
    "group": gettext_lazy("group"),
    "groups": pgettext_lazy("journal", "groups"),
    "host": gettext_lazy("server"),
    "joined": gettext_lazy("joined"),
    "label": gettext_lazy("label"),
    "left": gettext_lazy("left the group"),
    "logins": pgettext_lazy("journal", "log-ins"),
    "lost": gettext_lazy("taken away"),
    "mailboxes": pgettext_lazy("journal", "mailboxes"),
    "matched": pgettext_lazy("journal", "found again"),
    "name": gettext_lazy("name"),
    "new": pgettext_lazy("journal", "new"),
    "notice": pgettext_lazy("journal", "version of the notice"),
    "open_work": pgettext_lazy("journal", "assigned messages"),
    "outgoing_servers": pgettext_lazy("journal", "outgoing servers"),
    "own": pgettext_lazy("journal", "by themselves"),
    "path": pgettext_lazy("journal", "folder"),
    "people": pgettext_lazy("journal", "people told"),
    "provider": pgettext_lazy("journal", "identity provider"),
    "reason": pgettext_lazy("journal", "why"),
    "recipients": gettext_lazy("recipients"),
    "recovered": pgettext_lazy("journal", "fetched afterwards"),
    "removed": gettext_lazy("removed"),
    "scopes": gettext_lazy("scopes"),
    "secret": pgettext_lazy("journal", "new password"),
    "server": gettext_lazy("server"),
    "service": pgettext_lazy("journal", "program, not a person"),
    "sessions": pgettext_lazy("journal", "log-ins ended"),
    "state": gettext_lazy("state"),
    "status": gettext_lazy("state"),
    "text": pgettext_lazy("journal", "text"),
    "to": pgettext_lazy("journal", "to"),
    "tokens": pgettext_lazy("journal", "access tokens revoked"),
    "tokens_revoked": pgettext_lazy("journal", "access tokens revoked"),
    "until": pgettext_lazy("journal", "valid until"),
    "user": gettext_lazy("person"),
    "version": pgettext_lazy("journal", "version"),
    "waiting_mail": pgettext_lazy("journal", "waiting letters"),
    "was": pgettext_lazy("journal", "before"),
    "way": pgettext_lazy("journal", "direction"),
    "what": pgettext_lazy("journal", "exceptions"),
}


def told(facts: Mapping[str, object]) -> str:
    """Names and values, at most 300 characters."""
    return _pairs(facts)[:_LONGEST]


def _pairs(facts: Mapping[str, object]) -> str:
    said = [(name, _value(name, value)) for name, value in facts.items() if name not in FOR_MACHINES | {"code"}]
    if "code" in facts:
        said.insert(0, ("code", _cause(str(facts["code"]), facts.get("facts"))))
    return ", ".join(f"{NAMES.get(name, name)}: {words}" for name, words in said if words)


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(words for one in value if (words := _value(name, one)))
    text = "" if value is None else str(value)
    if name == "path":
        return path_name(text.split("/"))
    if name in {"at", "until", "expires_at"}:
        return _moment(text)
    if name == "status":
        return str(STATUSES.get(text, text))
    if name == "scopes":
        return ", ".join(map(scope_name, text.split()))
    if name == "colour":
        return str(COLOURS.get(text, text))
    if name in {"added", "removed"}:
        return str(_MARKS.get(text, text))
    if name == "state":
        return str(OUTGOING_STATES.get(text, text))
    if _ID.fullmatch(text):
        return ""
    if name == "way":
        return str(_WAYS.get(text, text))
    if name in {"what", "exceptions"}:
        return str(EXCEPTIONS.get(text, text))
    if name in {"gained", "lost"} and text in set(Right):
        return str(RIGHTS[Right(text)])
    return text


def _cause(code: str, facts: object) -> str:
    """Trouble in words, with what it names where the entry kept it."""
    if code not in wording.CODES:
        return code
    return wording.sentence(code, facts if isinstance(facts, Mapping) else None).title.rstrip(".")


def _moment(text: str) -> str:
    """A day or a moment as the reader's calendar and clock name it; anything else as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return plain_moment(moment) if moment.tzinfo else plain_day(moment)
