"""Small builders for tests: an office, its people, mailboxes, folders and messages, as the product itself would have made them.

Nothing here is a double: rows and segments are the real ones, made by the verbs that make them in operation.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from uuid import UUID

from poststelle.mail.digest import digest
from poststelle.mail.ports import Arrival, Cursor, RemoteId, Role, flags_of
from poststelle.mail.records import AccountRecord, FolderRecord, PlacementRecord
from poststelle.mail.secret import Secret
from poststelle.mail.shelf import Observation
from poststelle.office import accounts, people, reading, tokens
from poststelle.office.actor import SYSTEM, Actor
from poststelle.store import correspondents, models
from poststelle.store.application import Kept, apply, placements
from poststelle.store.blobs import Origin
from poststelle.store.index import Writer
from poststelle.store.messages import segments

PASSWORD = "correct horse battery staple"
MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

_numbers = itertools.count(1)


def an_office(email: str = "ada@amt.test", language: str = "en") -> Actor:
    """A fresh office; its first administrator."""
    return Actor(
        people.set_up(SYSTEM, office="Amt", language=language, email=email, name="Ada", password=Secret(PASSWORD))
    )


def a_person(email: str = "bob@amt.test", *, administrator: bool = False) -> Actor:
    """Somebody else in the office, without any right on a mailbox."""
    return Actor(
        people.add_user(SYSTEM, email=email, name="Bob", password=Secret(PASSWORD), administrator=administrator)
    )


def a_token(actor: Actor) -> str:
    """An API token of that person."""
    assert actor.user is not None
    return tokens.make(actor, actor.user.email, "test")[0]


def an_account_document(label: str = "Zentrale", **changes: object) -> dict[str, object]:
    """The document of a shared mailbox that receives and sends; nothing listens at its servers."""
    return {
        "label": label,
        "kind": "synchronised",
        "scope": "shared",
        "address": "zentrale@amt.test",
        "display_name": "Amt",
        "incoming": {"protocol": "imap", "host": "mail.amt.test", "port": 993, "encryption": "tls"},
        "outgoing": {"protocol": "smtp", "host": "mail.amt.test", "port": 465, "encryption": "tls"},
        "login": {"username": "zentrale", "password": "geheim"},
    } | changes


def an_account(actor: Actor, label: str = "Zentrale", **changes: object) -> AccountRecord:
    """A mailbox that person has added and holds all rights on."""
    return accounts.add(actor, an_account_document(label, **changes))


def a_folder(account: AccountRecord, *path: str, role: Role = Role.NONE, selectable: bool = True) -> FolderRecord:
    """A folder the server has listed; the inbox when no path is given."""
    names = path or ("INBOX",)
    row = models.Folder.objects.create(
        account_id=account.id,
        remote_id="/".join(names),
        path=list(names),
        role=(role if path else Role.INBOX).value,
        selectable=selectable,
    )
    return reading.folder(SYSTEM, str(row.pk))


def a_letter(
    subject: str = "Hallo",
    text: str = "Guten Tag",
    *,
    sender: str = "Eva Groß <eva@kunde.test>",
    to: str = "zentrale@amt.test",
    html: str | None = None,
    attachments: Iterable[tuple[str, str, bytes]] = (),
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a message with a Message-ID of its own. `attachments`: (name, media type, bytes)."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Message-ID"] = f"<{next(_numbers)}.letter@kunde.test>"
    message["Date"] = "Mon, 02 Mar 2026 08:00:00 +0100"
    for name, value in (headers or {}).items():
        message[name] = value
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for name, media_type, data in attachments:
        main, _, sub = media_type.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def a_message_in(
    folder: FolderRecord, raw: bytes | None = None, *, flags: Iterable[str] = (), received_at: datetime | None = None
) -> PlacementRecord:
    """A message as the sync has taken it from the server; each received a minute after the one before."""
    raw = a_letter() if raw is None else raw
    number = next(_numbers)
    remote, content = RemoteId(f"1.{number}"), hashlib.sha256(raw).digest()
    account, row = UUID(folder.account_id), models.Folder.objects.get(pk=folder.id)
    written = segments().write([(Origin(account.hex, row.remote_id, remote), content, raw)])
    kept = Kept({remote: content}, {content: (written, written.entries[0])}, {content: digest(raw)})
    at = received_at or MORNING + timedelta(minutes=number)
    arrival = Arrival(remote, flags_of([*flags]), at, len(raw))
    seen = Observation(Cursor(str(number)), [arrival], kept, (), {}, (), 0, True)
    apply(SYSTEM.reach.pool, account, UUID(folder.id), seen, kept)
    (placed,) = placements(UUID(folder.id), [remote])
    return reading.placement(SYSTEM, str(UUID(placed.id)))


def everything_is_indexed() -> None:
    """The search index has caught up."""
    writer = Writer()
    try:
        while writer.index_some(lambda _: None):
            pass
    finally:
        writer.close()


def everybody_is_known() -> None:
    """Whom one has had to do with has been read from all messages, also from those that came this moment."""
    while correspondents.catch_up(settled=-timedelta(seconds=1)):
        pass
