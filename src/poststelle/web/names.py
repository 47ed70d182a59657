"""What things are called in the reader's language: folders by role, states of outgoing mail, rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from poststelle.mail.ports import Role
from poststelle.mail.records import FolderRecord
from poststelle.mail.settings import Authentication, Encryption, Kind, Right, Scope

Text = Any  # a lazily translated string: django-stubs calls it _StrPromise

ROLES: Mapping[Role, Text] = {
    Role.INBOX: _("Inbox"),
    Role.SENT: _("Sent"),
    Role.DRAFTS: _("Drafts"),
    Role.TRASH: _("Trash"),
    Role.SPAM: _("Spam"),
    Role.ARCHIVE: _("Archive"),
}
OUTGOING_STATES: Mapping[str, Text] = {
    "queued": _("Waiting to be sent"),
    "sending": _("Being sent"),
    "sent": _("Sent"),
    "partly-sent": _("Sent, but not to everybody"),
    "rejected": _("Refused"),
    "deferred": _("Postponed by the server"),
    "uncertain": _("Probably sent"),
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
KINDS: Mapping[Kind, Text] = {
    Kind.SYNCHRONISED: _("Receives and sends"),
    Kind.SEND_ONLY: _("Only sends"),
}
SCOPES: Mapping[Scope, Text] = {
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
    Authentication.NONE: _("No log-in"),
}
LANGUAGES: Mapping[str, str] = {"de": "Deutsch", "en": "English"}


def role_name(folder: FolderRecord) -> str:
    """A special folder by its role in the reader's language, any other by its own name."""
    return str(ROLES.get(folder.role, folder.name))
