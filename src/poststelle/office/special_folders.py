"""The folders every mailbox should have (sent, drafts, trash, spam, archive), at the counter: which are missing, and making them.

Law: a new one is called as its neighbours are, in German or English; where those say nothing, in the office's language. A folder that is
there under the right name is used, not made twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.ports import Role
from poststelle.mail.records import FolderRecord
from poststelle.mail.settings import Right
from poststelle.office import accounts, handling, reading
from poststelle.office.actor import Actor
from poststelle.store import people

NAMES: Mapping[str, Mapping[Role, str]] = {
    "de": {
        Role.SENT: "Gesendet", Role.DRAFTS: "Entwürfe", Role.TRASH: "Papierkorb", Role.SPAM: "Spam", Role.ARCHIVE: "Archiv",
    },
    "en": {Role.SENT: "Sent", Role.DRAFTS: "Drafts", Role.TRASH: "Trash", Role.SPAM: "Spam", Role.ARCHIVE: "Archive"},
}  # fmt: skip
"""What a new one is called, by language."""

_SPOKEN: Mapping[str, tuple[str, ...]] = {
    "de": ("gesendet", "entw", "papierkorb", "gelöscht", "unerwünscht", "archiv"),
    "en": ("sent", "draft", "trash", "deleted", "junk", "archive"),
}
"""How names of special folders begin in a language; the longer beginning tells."""


def missing(folders: Sequence[FolderRecord]) -> tuple[Role, ...]:
    """The roles no folder has."""
    here = {one.role for one in folders}
    return tuple(role for role in NAMES["en"] if role not in here)


def create(actor: Actor, account: str, roles: Collection[Role] | None = None) -> list[FolderRecord]:
    """Make those that are missing (of `roles`, where given), here at once and on the server soon; what was made or given its role.

    Raises NotFound, NotPermitted, Invalid({"role": …}) for a role no folder can be made for.
    """
    record = accounts.show(actor, account)
    if Right.PROCESS not in record.rights:
        raise NotPermitted("process-needed")
    if not set(roles or ()) <= NAMES["en"].keys():
        raise Invalid({"role": "unknown-value"})
    handling.check_purposes(actor, record.id)
    folders = reading.folders(actor, record.id)
    names = NAMES[_language(folders)]
    made = []
    for role in missing(folders):
        if roles is not None and role not in roles:
            continue
        there = next(
            (one for one in folders if [name.casefold() for name in one.path] == [names[role].casefold()]), None
        )
        if there is not None and there.role is not Role.NONE:
            continue
        number = there.id if there is not None else handling.create_folder(actor, record.id, [names[role]])
        handling.set_role(actor, number, role)
        made.append(reading.folder(actor, number))
    return made


def _language(folders: Sequence[FolderRecord]) -> str:
    """What the special folders there are called in; the office's language where they say nothing or both."""
    names = [one.path[-1].casefold() for one in folders if one.role not in {Role.NONE, Role.INBOX}]
    found = [_language_of(name) for name in names]
    count = {language: found.count(language) for language in NAMES}
    best = max(count, key=lambda language: count[language])
    return best if list(count.values()).count(count[best]) == 1 else people.office_language()


def _language_of(name: str) -> str:
    """The language a name begins in, "" where it says nothing."""
    said = [
        (len(begin), language) for language, begins in _SPOKEN.items() for begin in begins if name.startswith(begin)
    ]
    return max(said)[1] if said else ""
