"""What things are called in the reader's language: folders by role, states of outgoing mail, rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from poststelle.mail.listing import Place, Sort
from poststelle.mail.ports import Role
from poststelle.mail.records import FolderRecord
from poststelle.mail.settings import (
    AfterImport,
    Authentication,
    CertificateMode,
    Encryption,
    Kind,
    Mechanism,
    Right,
    Scope,
    SentCopy,
)

Text = Any  # a lazily translated string: django-stubs calls it _StrPromise

ROLES: Mapping[Role, Text] = {
    Role.INBOX: _("Inbox"),
    Role.SENT: _("Sent"),
    Role.DRAFTS: _("Drafts"),
    Role.TRASH: _("Trash"),
    Role.SPAM: _("Spam"),
    Role.ARCHIVE: _("Archive"),
}
ICONS: Mapping[Role, str] = {
    Role.INBOX: "inbox", Role.SENT: "send", Role.DRAFTS: "file-pen", Role.TRASH: "trash-2", Role.SPAM: "shield-alert",
    Role.ARCHIVE: "archive", Role.NONE: "folder",
}  # fmt: skip
PLACES: Mapping[Place, Text] = {
    Place.INBOX: _("All inboxes"),
    Place.MINE: _("My work"),
    Place.FOLLOW_UP: _("Follow-ups"),
    Place.MENTIONS: _("Mentions"),
    Place.NEW: _("New for me"),
}
SORTS: Mapping[Sort, Text] = {
    Sort.DATE: pgettext_lazy("order", "Date"),
    Sort.SENDER: pgettext_lazy("order", "Sender"),
    Sort.SUBJECT: pgettext_lazy("order", "Subject"),
    Sort.SIZE: pgettext_lazy("order", "Size"),
}
FILTERS: Mapping[str, Text] = {
    "unread": pgettext_lazy("filter", "Unread"),
    "flagged": pgettext_lazy("filter", "Starred"),
    "attachments": pgettext_lazy("filter", "With attachment"),
    "mine": pgettext_lazy("filter", "Mine"),
    "unassigned": pgettext_lazy("filter", "Unassigned"),
}
COLUMNS: Mapping[str, Text] = {
    "sender": pgettext_lazy("column", "Sender"),
    "subject": pgettext_lazy("column", "Subject"),
    "preview": pgettext_lazy("column", "First line"),
    "tags": pgettext_lazy("column", "Tags"),
    "assignee": pgettext_lazy("column", "Assigned to"),
    "attachments": pgettext_lazy("column", "Attachments"),
    "account": pgettext_lazy("column", "Mailbox"),
    "size": pgettext_lazy("column", "Size"),
    "date": pgettext_lazy("column", "Date"),
}
DENSITIES: Mapping[str, Text] = {"comfortable": _("Comfortable"), "compact": _("Compact")}
PREVIEWS: Mapping[str, Text] = {
    "right": pgettext_lazy("preview", "Right"),
    "below": pgettext_lazy("preview", "Below"),
    "off": pgettext_lazy("preview", "Off"),
}
GROUPS: Sequence[tuple[Text, dict[str, str]]] = (
    (_("Newest first"), {}),
    (_("Best first"), {"order": "best"}),
    (_("By date"), {"group": "date"}),
    (_("By mailbox"), {"group": "account"}),
    (_("By sender"), {"group": "sender"}),
)
OPERATOR_HELP: Mapping[str, Text] = {
    "sender": _("who sent it"),
    "recipient": _("to whom it went"),
    "subject": _("words in the subject"),
    "file-name": _("name of an attachment"),
    "attachment": _("with an attachment"),
    "before-day": _("received before a day"),
    "after-day": _("received since a day"),
    "folder": _("in a folder"),
    "state": _("unread, starred, answered"),
    "case-file": _("number of a case file"),
    "attachment:attachment": _("with at least one file"),
    "before-day:today": _("until yesterday"),
    "before-day:yesterday": _("until the day before yesterday"),
    "after-day:today": _("received today"),
    "after-day:yesterday": _("since yesterday"),
    "after-day:7d": _("in the last seven days"),
    "state:unread": _("not yet read"),
    "state:read": _("already read"),
    "state:flagged": _("marked with a star"),
    "state:answered": _("already answered"),
}
OUTGOING_STATES: Mapping[str, Text] = {
    "queued": _("Waiting to be sent"),
    "sending": _("Being sent"),
    "sent": _("Sent"),
    "partly-sent": _("Sent, but not to everybody"),
    "rejected": _("Refused"),
    "deferred": _("Postponed by the server"),
    "uncertain": _("Probably sent"),
    "held": _("Held back"),
    "discarded": _("Discarded"),
}
RECIPIENT_STATES: Mapping[str, Text] = {
    "waiting": pgettext_lazy("recipient", "waiting"),
    "accepted": pgettext_lazy("recipient", "accepted"),
    "deferred": pgettext_lazy("recipient", "postponed"),
    "rejected": pgettext_lazy("recipient", "refused"),
    "uncertain": pgettext_lazy("recipient", "uncertain"),
}
RIGHTS: Mapping[Right, Text] = {
    Right.SEE: pgettext_lazy("right", "see"),
    Right.PROCESS: pgettext_lazy("right", "process"),
    Right.SEND_AS: pgettext_lazy("right", "send as"),
    Right.SEND_ON_BEHALF: pgettext_lazy("right", "send on behalf"),
    Right.ADMINISTER: pgettext_lazy("right", "administer"),
}
RIGHT_LETTERS: Mapping[Right, Text] = {
    Right.SEE: pgettext_lazy("letter for the right", "S"),
    Right.PROCESS: pgettext_lazy("letter for the right", "P"),
    Right.SEND_AS: pgettext_lazy("letter for the right", "W"),
    Right.SEND_ON_BEHALF: pgettext_lazy("letter for the right", "B"),
    Right.ADMINISTER: pgettext_lazy("letter for the right", "A"),
}
KINDS: Mapping[Kind, Text] = {
    Kind.SYNCHRONISED: _("Receives and sends"),
    Kind.FETCH_ONLY: _("Only fetches (POP3)"),
    Kind.SEND_ONLY: _("Only sends"),
    Kind.ARCHIVE: _("Archive: kept here only"),
}
OWNERSHIPS: Mapping[Scope, Text] = {
    Scope.SHARED: _("Shared: belongs to the office"),
    Scope.PERSONAL: _("Personal: belongs to one person"),
    Scope.SYSTEM: _("System: office-wide sender"),
}
ENCRYPTIONS: Mapping[Encryption, Text] = {
    Encryption.TLS: _("TLS (recommended)"),
    Encryption.STARTTLS: _("STARTTLS"),
    Encryption.NONE: _("None"),
}
AUTHENTICATIONS: Mapping[Authentication, Text] = {
    Authentication.SAME: _("Same log-in as for receiving"),
    Authentication.OWN: _("Own log-in"),
    Authentication.SERVER: _("The outgoing server's log-in"),
    Authentication.NONE: _("No log-in"),
}
MECHANISMS: Mapping[Mechanism, Text] = {
    Mechanism.AUTO: _("Automatic (recommended)"),
    Mechanism.PLAIN: "PLAIN",
    Mechanism.LOGIN: "LOGIN",
    Mechanism.CRAM_MD5: "CRAM-MD5",
    Mechanism.SCRAM_SHA_1: "SCRAM-SHA-1",
    Mechanism.SCRAM_SHA_256: "SCRAM-SHA-256",
    Mechanism.EXTERNAL: _("Client certificate (EXTERNAL)"),
}
CERTIFICATES: Mapping[CertificateMode, Text] = {
    CertificateMode.STRICT: _("Check strictly (recommended)"),
    CertificateMode.PINNED: _("Only this one certificate"),
    CertificateMode.OTHER_NAME: _("Issued for another name"),
    CertificateMode.UNCHECKED: _("Do not check (90 days)"),
}
AFTER_IMPORT: Mapping[AfterImport, Text] = {
    AfterImport.LEAVE: _("stays on the server"),
    AfterImport.TRASH: _("goes into the server's trash"),
    AfterImport.DELETE_LATER: _("is deleted on the server after some days"),
    AfterImport.DELETE: _("is deleted on the server at once"),
}
SENT_COPIES: Mapping[SentCopy, Text] = {
    SentCopy.AUTOMATIC: _("In the Sent folder, unless the provider puts one there"),
    SentCopy.FOLDER: _("In a folder of your choice"),
    SentCopy.LOCAL: _("Here only"),
    SentCopy.NONE: _("Nowhere"),
}
EXCEPTIONS: Mapping[str, Text] = {
    "certificate-pinned": _("Only one certificate is accepted"),
    "certificate-other-name": _("The certificate is for another name"),
    "certificate-unchecked": _("The certificate is not checked"),
    "old-tls": _("Outdated TLS is allowed"),
    "plain-text": _("The password may go unencrypted"),
    "no-encryption": _("No encryption"),
}
LANGUAGES: Mapping[str, str] = {"de": "Deutsch", "en": "English"}


def role_name(folder: FolderRecord) -> str:
    """A special folder by its role in the reader's language, any other by its own name."""
    return str(ROLES.get(folder.role, folder.name))


def path_name(path: Sequence[str], role: Role = Role.NONE) -> str:
    """A folder from the top of its mailbox: a special one by its role, and the inbox, which servers call INBOX, above others too."""
    first, *below = path or ("",)
    names = [str(ROLES[Role.INBOX]) if first.upper() == "INBOX" else first, *below]
    if role in ROLES:
        names[-1] = str(ROLES[role])
    return " / ".join(names)


def as_a_tree(folders: Sequence[FolderRecord]) -> list[FolderRecord]:
    """Each below the one that holds it; beside each other the special ones first, then by name."""
    ranks = {role: rank for rank, role in enumerate(ROLES)}
    roles = {tuple(one.path): ranks.get(one.role, len(ranks)) for one in folders}

    def spot(folder: FolderRecord) -> list[tuple[int, str]]:
        above = (tuple(folder.path[: depth + 1]) for depth in range(len(folder.path)))
        return [(roles.get(path, len(ranks)), path[-1].casefold()) for path in above]

    return sorted(folders, key=spot)


SCOPES: Mapping[str, Text] = {
    "read": _("Read: list, open, search, download"),
    "write": _("Change: mark, move, delete, assign, note"),
    "send": _("Send: letters and answers to invitations"),
    "admin": _("Administer: mailboxes, log-ins, rights, people, as far as the person may"),
}
"""What an access token may be used for."""


def scope_name(scope: str) -> str:
    """Its one word: what stands before the colon."""
    return str(SCOPES.get(scope, scope)).partition(":")[0]
