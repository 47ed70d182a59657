"""What a mailbox can become at the counter: an archive (for good), one at another provider, a second one like it; and what it takes along.

All take the right *administer*; a second one like it takes an administrator.
"""

from __future__ import annotations

from collections.abc import Mapping

from asgiref.sync import sync_to_async
from django.utils.translation import gettext

from poststelle.errors import Conflict, Invalid
from poststelle.mail.account_document import read
from poststelle.mail.records import AccountRecord
from poststelle.mail.settings import Authentication, Kind
from poststelle.office import accounts
from poststelle.office.account_documents import document_of, merged, permitted
from poststelle.office.actor import Actor, require_administrator
from poststelle.office.doors import Doors
from poststelle.store import accounts as store
from poststelle.store import conversions
from poststelle.store.conversions import Consequences
from poststelle.store.ways import Access

_OF_A_CONNECTION = ("encryption", "port", "certificate", "minimum_tls", "plain_text_allowed", "exception_reason")


def consequences(actor: Actor, account: str) -> Consequences:
    """What removing the account would take along. Raises NotFound, NotPermitted."""
    return conversions.consequences(actor.reach, accounts.administered(actor, account).id)


def to_archive(actor: Actor, account: str) -> AccountRecord:
    """Turn a mailbox into an archive: messages and folders stay, servers and log-in go. There is no way back.

    Raises NotFound, NotPermitted, Conflict("not-convertible").
    """
    record = accounts.administered(actor, account)
    conversions.to_archive(actor.reach, record.id, actor=actor.name)
    return store.find(actor.reach, record.id)


async def move(actor: Actor, account: str, changes: Mapping[str, object], doors: Doors) -> Mapping[str, int]:
    """The same mailbox at another provider: `changes` name the new servers and the log-in; all are tried before anything is kept.

    Folders are found there by role or path, messages recognised by their content: nothing comes twice, filings stay. How many
    folders were ``matched``, are ``new`` there, and are ``left`` here. Raises Trouble when a new server lets nobody in.
    """
    changes = elsewhere(changes)
    record = await sync_to_async(accounts.administered)(actor, account)
    if record.kind is not Kind.SYNCHRONISED:
        raise Conflict("not-convertible", kind=record.kind.value)
    settings = await sync_to_async(accounts.to_probe)(actor, changes, record.id)
    if settings.incoming is None or settings.incoming.protocol != "imap":
        raise Invalid({"incoming.protocol": "contradiction"})
    way_out = settings.outgoing if changes.get("outgoing") is not None else None
    logins = {Authentication.SAME: settings.login, Authentication.OWN: settings.outgoing_login}
    trial = Access(
        record.id, 0, record.version, settings.address, settings.incoming, settings.login, way_out,
        logins.get(settings.authentication), settings.kind, settings.receiving, settings.sending,
    )  # fmt: skip
    if way_out is not None:
        await (await doors.sender(trial)).close()
    source = await doors.source(trial)
    try:
        listed = await source.folders()
    finally:
        await source.close()

    def keep() -> Mapping[str, int]:
        wanted = permitted(actor, read(merged(document_of(record), changes)), record)
        return conversions.move(actor.reach, record.id, wanted, listed, actor=actor.name)

    return await sync_to_async(keep)()


def elsewhere(changes: Mapping[str, object]) -> dict[str, object]:
    """The changes of a move, for its test too: what was chosen for connections to the old servers is not meant for the new ones."""
    return {
        name: dict.fromkeys(_OF_A_CONNECTION) | dict(value)
        if name in {"incoming", "outgoing"} and isinstance(value, Mapping) and value.get("host")
        else value
        for name, value in changes.items()
    }


def duplicate(actor: Actor, account: str, label: str = "") -> dict[str, object]:
    """The document of a second mailbox like this one, to be looked through and added: no secrets, no address of its own yet.

    Administrators who administer the account only. Raises NotFound, NotPermitted.
    """
    record = accounts.administered(actor, account)
    require_administrator(actor)
    document = document_of(record)
    document["label"] = label or gettext("%(label)s (copy)") % {"label": record.label}
    document["office_account"] = False
    document["identities"] = []
    if record.login is not None and not record.login.label:
        document["login"] = {"mechanism": record.login.mechanism.value, "domain": record.login.domain}
    sending = document["sending"]
    if isinstance(sending, dict) and sending.get("sent_folder"):
        document["sending"] = sending | {"sent_copy": "automatic", "sent_folder": ""}
    grants = document["grants"]
    if isinstance(grants, list):
        document["grants"] = [grant for grant in grants if not grant.get("folder")]
    return document
