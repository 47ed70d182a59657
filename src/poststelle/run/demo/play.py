"""The demonstration office at work: furnished once per start, its mail server in the engine's memory, new mail now and then.

Law: a demo never touches the network for its own mailboxes and never a data folder that is not a demo's. Its server forgets when
the engine ends; a new one starts with higher UIDVALIDITYs, so that what is here already is recognised by content.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings as django_settings

from poststelle.adapters.memory.sender import MemorySender
from poststelle.adapters.memory.server import MemoryServer
from poststelle.adapters.memory.source import MemorySource
from poststelle.mail.ports import Sender, Source
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Endpoint, Right
from poststelle.office import accounts, egress, people
from poststelle.office.actor import SYSTEM, Actor
from poststelle.office.doors import Doors, NetworkDoors
from poststelle.run import engine
from poststelle.run.demo import content
from poststelle.run.demo.office import (
    AYLIN,
    CLARA,
    DOMAIN,
    INFO,
    JONAS,
    KANZLEI,
    MAILBOXES,
    OFFICE,
    OWN_FOLDERS,
    PASSWORD,
    ROLES,
    Mailbox,
)
from poststelle.run.demo.room import MARKER
from poststelle.run.demo.writing import DemoMessage
from poststelle.store.ways import Access

HOST = f"mail.{DOMAIN}"
_PAUSES = (25.0, 70.0)
_ONLY_READ = {(JONAS.address, INFO), (AYLIN.address, KANZLEI)}
_READS_ONLY = frozenset({Right.SEE})
_WORKS = frozenset({Right.SEE, Right.PROCESS, Right.SEND_AS})


def furnish() -> None:
    """The office, its three people and their mailboxes. Clara administers; Jonas and Aylin may do different things."""
    password = Secret(PASSWORD)
    clara = Actor(
        people.set_up(SYSTEM, office=OFFICE, language="de", email=CLARA.address, name=CLARA.name, password=password)
    )
    for person in (JONAS, AYLIN):
        people.add_user(SYSTEM, email=person.address, name=person.name, password=password)
    people.set_language(people.actor_named(AYLIN.address), "en")
    for mailbox in MAILBOXES:
        accounts.add(clara, _document(mailbox))


def _document(mailbox: Mailbox) -> dict[str, object]:
    ways = {
        "incoming": {"protocol": "imap", "host": HOST},
        "outgoing": {"protocol": "smtp", "host": HOST},
        "login": {"username": mailbox.address, "password": "demo"},
    }
    if mailbox.owner:
        who: dict[str, object] = {"scope": "personal", "owner": mailbox.owner, "display_name": mailbox.label}
    else:
        grants = [{"user": worker, "rights": [*_rights(worker, mailbox)]} for worker in mailbox.workers]
        who = {"scope": "shared", "grants": grants, "display_name": OFFICE}
    return {"label": mailbox.label, "address": mailbox.address} | ways | who


def _rights(worker: str, mailbox: Mailbox) -> frozenset[Right]:
    if worker == CLARA.address:
        return _WORKS | {Right.ADMINISTER}
    return _READS_ONLY if (worker, mailbox.address) in _ONLY_READ else _WORKS


@dataclass(frozen=True, slots=True)
class DemoDoors:
    """The demo's mailboxes from memory; any other (somebody may add a real one) as everywhere."""

    server: MemoryServer
    others: Doors

    async def source(self, access: Access, *, bulk: bool = False) -> Source:
        if access.incoming is None or access.incoming.host != HOST or access.login is None:
            return await self.others.source(access, bulk=bulk)
        return MemorySource(self.server, access.login.username)

    async def sender(self, access: Access) -> Sender:
        if access.outgoing is None or access.outgoing.host != HOST or access.login is None:
            return await self.others.sender(access)
        return MemorySender(self.server, access.login.username)

    async def reach(self, endpoint: Endpoint) -> None:
        if endpoint.host != HOST:
            await self.others.reach(endpoint)


def furnished_server() -> MemoryServer:
    """The demo's mail server with everything that had arrived when the demo began."""
    marker = json.loads((django_settings.POSTSTELLE.home / MARKER).read_text(encoding="ascii"))
    began_at = datetime.fromisoformat(marker["began_at"])
    server = MemoryServer(clock=lambda: datetime.now(UTC), first_uidvalidity=int(time.time()))
    for mailbox in MAILBOXES:
        server.create_mailbox(mailbox.address)
        for path, role in ROLES.items():
            if path != ("INBOX",):
                server.create_folder(mailbox.address, path, role=role)
        for path in OWN_FOLDERS.get(mailbox.address, ()):
            server.create_folder(mailbox.address, path)
    for message in content.furnished(began_at):
        _deliver(server, message)
    return server


async def deliver_now_and_then(server: MemoryServer) -> None:
    """New mail, as in any office, until cancelled."""
    dice = random.Random()  # noqa: S311 - a demo's pauses
    arrivals: Iterator[DemoMessage] = content.arrivals(dice.randrange(10**6), lambda: datetime.now(UTC))
    while True:
        await asyncio.sleep(dice.uniform(*_PAUSES))
        _deliver(server, next(arrivals))


def _deliver(server: MemoryServer, message: DemoMessage) -> None:
    server.deliver(
        message.mailbox, message.raw, path=message.path, flags=message.flags, received_at=message.received_at
    )


async def run_demo() -> None:
    """An engine whose mailboxes are the demo's."""
    server = furnished_server()
    visitor = asyncio.create_task(deliver_now_and_then(server))
    try:
        await engine.run(DemoDoors(server, NetworkDoors(egress.rule)))
    finally:
        visitor.cancel()
