"""One-fault plans: a mailbox on a real Dovecot behind a network that fails once, in a first sync, a daily sync, or while the server is
told what was done here. Afterwards both sides are compared byte by byte."""

from __future__ import annotations

import asyncio
import imaplib
import random
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async

from poststelle.adapters.connection import Trust
from poststelle.adapters.imap import wire
from poststelle.adapters.imap.source import open_source
from poststelle.mail.ports import FLAGGED, SEEN, Role, Sender, Source
from poststelle.mail.settings import Endpoint
from poststelle.office import accounts, handling, reading
from poststelle.office.egress import rule
from poststelle.store import models
from poststelle.store.ways import Access
from tests.builders import a_letter, an_account
from tests.run.engine_office import Office
from tests.servers.chaos_proxy import KINDS, ChaosProxy, Fault, chaos_proxy
from tests.servers.dovecot import Dovecot, User

PHASES = ("first", "daily", "errands")
LIMITS = wire.Limits(read_seconds=2.0, command_seconds=10.0, greeting_seconds=2.0)
PATIENCE = 60.0
MOST_CONNECTIONS = 14
"""For the rounds a plan asks for, the second sessions that confirm a loss, and a few attempts after the fault."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A fault, where in its phase it strikes (a share of the bytes that flow there), and how the line is protected."""

    number: int
    kind: str
    phase: str
    after: int
    from_server: bool = True
    encryption: str = "tls"


def plans(count: int, seed: int = 20261121) -> list[Plan]:
    """Every kind in every phase, at bytes that dice choose."""
    dice = random.Random(seed)
    found = []
    for number in range(count):
        kind, phase = KINDS[number % len(KINDS)], PHASES[number // len(KINDS) % len(PHASES)]
        from_server = phase != "errands" or dice.random() < 0.5
        most = {"first": 22_000, "daily": 6_000, "errands": 3_000 if from_server else 700}[phase]
        # Without TLS nobody can tell a bit that was turned in the text of a message.
        plain = number % 5 == 4 and kind in {"garbage", "cut", "drop", "stall"} and from_server
        found.append(Plan(number, kind, phase, dice.randrange(most), from_server, "none" if plain else "tls"))
    return found


class ImpatientDoors:
    """The real way in, with less patience than a real office needs."""

    async def source(self, access: Access, *, bulk: bool = False) -> Source:
        from django.conf import settings

        assert access.incoming is not None
        assert access.login is not None
        return await open_source(
            access.incoming,
            access.login,
            egress=await sync_to_async(rule)(),
            tls=Trust(settings.POSTSTELLE.ca_file),
            limits=LIMITS,
            bulk=bulk,
        )

    async def sender(self, access: Access) -> Sender:
        raise NotImplementedError

    async def reach(self, endpoint: Endpoint) -> None:
        """Nobody is ever out of reach for long here."""


def letters(dice: random.Random, count: int, word: str) -> list[bytes]:
    """Short and long ones, no two alike."""
    return [
        a_letter(f"{word} {number} {dice.getrandbits(40)}", "Zeile\r\n" * dice.choice((1, 5, 60, 400)))
        for number in range(count)
    ]


Held = Counter[tuple[str, bytes, frozenset[str]]]
"""Folder, bytes and flags of every message."""


def everything_there(dovecot: Dovecot, user: User) -> Held:
    """What the server holds, seen by another program."""
    client = imaplib.IMAP4(dovecot.host, dovecot.imap_port)
    client.login(user.address, user.password)
    held: Held = Counter()
    for folder in ("INBOX", "Archive", "Trash", "Sent"):
        client.select(folder, readonly=True)
        for answer in client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")[1]:
            if isinstance(answer, tuple):
                told = re.search(rb"FLAGS \(([^)]*)\)", answer[0])
                flags = frozenset(told[1].decode().split()) - {"\\Recent"} if told else frozenset()
                held[folder, answer[1], flags] += 1
    client.logout()
    return held


class Mailbox:
    """One account of a plan: on the server, in the proxy, and here."""

    def __init__(self, office: Office, dovecot: Dovecot, user: User, plan: Plan, proxy: ChaosProxy) -> None:
        self.office, self.dovecot, self.user, self.plan, self.proxy = office, dovecot, user, plan, proxy
        self.record: Any = None

    async def add(self) -> None:
        """Tell the office of it."""
        document = {
            "address": self.user.address, "login": {"username": self.user.address, "password": self.user.password},
            "incoming": {
                "protocol": "imap", "host": "localhost", "port": self.proxy.port, "encryption": self.plan.encryption,
            },
        }  # fmt: skip
        self.record = await self.office.shop.write(lambda: an_account(self.office.ada, self.user.address, **document))
        # Rounds come as often as the engine allows.
        await self.office.shop.write(self._often)

    def _often(self) -> None:
        models.Account.objects.filter(pk=self.record.id).update(receiving={"interval_minutes": 0})

    def there(self) -> Held:
        """What the server holds."""
        return everything_there(self.dovecot, self.user)

    def here(self) -> Held:
        """The same, as the office shows it."""
        ada = self.office.ada
        held: Held = Counter()
        for folder in reading.folders(ada, self.record.id):
            for row in reading.page(ada, folder.id, 200).items:
                held[folder.path[0], reading.raw(ada, row.id), frozenset(row.flags)] += 1
        return held

    def open_errands(self) -> int:
        """What the server has still to be told."""
        return models.Errand.objects.filter(account=self.record.id, closed_at=None).count()

    def work(self, dice: random.Random) -> Counter[bytes]:
        """Handle mail as a person would; what must exist afterwards, wherever it lies, by its bytes."""
        ada = self.office.ada
        by_role = {folder.role: folder for folder in reading.folders(ada, self.record.id)}
        rows = reading.page(ada, by_role[Role.INBOX].id, 200).items
        chosen = [row.id for row in rows]
        dice.shuffle(chosen)
        expected = Counter(reading.raw(ada, number) for number in chosen)
        handling.mark(ada, handling.Selection(chosen[:3]), add=[FLAGGED, SEEN])
        handling.move(ada, handling.Selection(chosen[3:6]), by_role[Role.ARCHIVE].id)
        for number in chosen[6:8]:
            expected[reading.raw(ada, number)] += 1
        handling.copy(ada, handling.Selection(chosen[6:8]), by_role[Role.ARCHIVE].id)
        handling.delete(ada, handling.Selection(chosen[8:10]))
        for raw in letters(dice, 2, "Eigener"):
            handling.append(ada, by_role[Role.SENT].id, raw, flags=[SEEN])
            expected[raw] += 1
        return expected


async def carry_out(office: Office, dovecot: Dovecot, plan: Plan, name: str) -> str:
    """Play one plan to its end; what is wrong afterwards, or nothing."""
    dice = random.Random(plan.number)
    user = dovecot.user(f"{name}-{plan.number}")
    await asyncio.to_thread(dovecot.fill, user, letters(dice, 15, "Brief"))
    target = dovecot.imaps_port if plan.encryption == "tls" else dovecot.imap_port
    async with chaos_proxy(target) as proxy:
        box = Mailbox(office, dovecot, user, plan, proxy)
        expected: Counter[bytes] | None = None
        fault = Fault(plan.kind, plan.after, plan.from_server)
        if plan.phase == "first":
            proxy.arm(fault)
        await box.add()
        if plan.phase != "first":
            if problem := await _settled(box):
                return f"{plan}: {problem} before there was any fault"
            proxy.arm(fault)
        if plan.phase == "daily":
            await asyncio.to_thread(dovecot.fill, user, letters(dice, 5, "Nachzügler"))
            await asyncio.to_thread(_others, dovecot, user)
            await office.shop.write(accounts.send_receive, office.ada, box.record.id)
        elif plan.phase == "errands":
            expected = await office.shop.write(box.work, dice)
        before, began = proxy.connections, time.monotonic()
        problem = await _settled(box)
        struck = "" if fault.struck.is_set() else " (the fault never struck)"
        if not problem and expected is not None:
            found = Counter(raw for _, raw, _ in (await asyncio.to_thread(box.there)).elements())
            if found != expected:
                problem = f"lost {len(expected - found)}, too many {len(found - expected)}"
        if not problem and proxy.connections > MOST_CONNECTIONS:
            problem = f"{proxy.connections} connections"
        await office.shop.write(accounts.remove, office.ada, box.record.id)
        seconds = time.monotonic() - began
        return (
            f"{plan}: {problem}{struck} after {seconds:.1f} s, {proxy.connections - before} more connections"
            if problem
            else ""
        )


def _others(dovecot: Dovecot, user: User) -> None:
    """Another program flags, moves and removes."""
    client = imaplib.IMAP4(dovecot.host, dovecot.imap_port)
    client.login(user.address, user.password)
    client.select("INBOX")
    client.store("1:3", "+FLAGS", "(\\Seen)")
    client.copy("4:5", "Archive")
    client.store("4:6", "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.logout()


async def _settled(box: Mailbox) -> str:
    """Wait until both sides agree and nothing is left to be told; else what is wrong."""
    office, deadline, problem = box.office, time.monotonic() + PATIENCE, ""
    pause = 0.3
    while time.monotonic() < deadline:
        open_ = await office.shop.write(box.open_errands)
        if open_:
            problem = f"{open_} errands open"
        else:
            here, there = await office.shop.write(box.here), await asyncio.to_thread(box.there)
            if here == there:
                return ""
            problem = f"{len(there - here)} missing or wrong, {len(here - there)} too many"
        await asyncio.sleep(pause)
        pause = min(2.0, pause * 1.4)
    return f"{problem}, {await office.troubled(box.record) or 'no trouble told'}"
