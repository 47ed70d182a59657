"""The facts of a journal entry as one line in the reader's language.

Law: every fact is said, one whose name has no words yet by its name; what is empty, and the ids a machine needs, are left out. The
feed (`GET /changes`) has all of them as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from poststelle.mail.settings import Right
from poststelle.office import wording
from poststelle.web.names import OUTGOING_STATES, RIGHTS, Text

_FOR_MACHINES = frozenset({"first", "last", "note", "folder", "to_oneself"})
_LONGEST = 300
_NAMES: Mapping[str, Text] = {
    "account": gettext_lazy("Mailbox"),
    "added": gettext_lazy("added"),
    "administrator": gettext_lazy("administrator"),
    "changes": gettext_lazy("changes"),
    "code": gettext_lazy("cause"),
    "colour": gettext_lazy("colour"),
    "count": gettext_lazy("number"),
    "email": gettext_lazy("address"),
    "exceptions": gettext_lazy("exceptions"),
    "expires_at": gettext_lazy("valid until"),
    "fields": gettext_lazy("fields"),
    "gained": gettext_lazy("given"),
    "group": gettext_lazy("group"),
    "host": gettext_lazy("server"),
    "joined": gettext_lazy("joined"),
    "label": gettext_lazy("label"),
    "left": gettext_lazy("left the group"),
    "lost": gettext_lazy("taken away"),
    "name": gettext_lazy("name"),
    "path": gettext_lazy("Folder"),
    "recipients": gettext_lazy("recipients"),
    "removed": gettext_lazy("removed"),
    "scopes": gettext_lazy("scopes"),
    "state": gettext_lazy("state"),
    "status": gettext_lazy("state"),
    "user": gettext_lazy("person"),
}


def told(facts: Mapping[str, object]) -> str:
    """Names and values, at most 300 characters."""
    return _pairs(facts)[:_LONGEST]


def _pairs(facts: Mapping[str, object]) -> str:
    said = ((name, _value(name, value)) for name, value in facts.items() if name not in _FOR_MACHINES)
    return ", ".join(f"{_NAMES.get(name, name)}: {words}" for name, words in said if words)


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_value(name, one) for one in value)
    text = "" if value is None else str(value)
    if name == "code":
        return wording.sentence(text).title.rstrip(".") if text in wording.CODES else text
    if name == "state":
        return str(OUTGOING_STATES.get(text, text))
    if name in {"gained", "lost"} and text in set(Right):
        return str(RIGHTS[Right(text)])
    return text
