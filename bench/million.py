"""An office of a million messages for measuring, written straight into the store: 200 mailboxes, 50 people, threads, answers, work.

Law: the same numbers give the same office. Rows and segments are the real ones; only the way they got there is not: no server, no
sync. One mailbox holds a tenth of all mail in its inbox. Kept in its folder and built once; `POSTSTELLE_HOME` must name it.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management import call_command
from django.db import connection, transaction

from poststelle.mail.digest import Digest
from poststelle.mail.ports import Role
from poststelle.mail.secret import Secret
from poststelle.office import people
from poststelle.office.actor import SYSTEM, Actor
from poststelle.store import models, repeated
from poststelle.store.blobs import Origin
from poststelle.store.ids import uuid7
from poststelle.store.index import Writer
from poststelle.store.messages import segments
from poststelle.store.rows import all_rows, many, stored

PASSWORD = "correct horse battery staple"
ACCOUNTS, FOLDERS, PEOPLE = 200, 30, 50
_AT_ONCE = 2000
_ROLES = (Role.INBOX, Role.SENT, Role.ARCHIVE, Role.DRAFTS, Role.TRASH, Role.SPAM)
_STATUSES = ("open", "open", "waiting", "done")
_SHARES = (35, 15, 10, 1, 2, 2, *([35 / 24] * 24))
_NEWEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
_SYLLABLES = "ver be ent ge auf ab an ein recht ung heit keit lich haft bar frist klag brief post amt rat mein dein send wort haus"


def is_built() -> bool:
    """Whether the folder holds a whole office."""
    if "store_office" not in connection.introspection.table_names():
        return False
    office = models.Office.objects.first()
    return office is not None and bool(office.preferences.get("built"))


def build(messages: int, *, index: bool) -> None:
    """Make the office. Minutes."""
    call_command("migrate", verbosity=0, interactive=False)
    dice = random.Random(1)
    owner = Actor(
        people.set_up(
            SYSTEM, office="Amt", language="de", email="p0@amt.test", name="Person 0", password=Secret(PASSWORD)
        )
    )
    accounts = _mailboxes(owner)
    _grants(owner)
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
    writer = Writer() if index else None
    done = 0
    for some in _batches(dice, accounts, messages):
        done += len(some)
        digests = _keep(owner.reach.pool, some)
        if writer is not None:
            while writer.index_some(digests.get):
                pass
        if done % 50_000 < _AT_ONCE:
            print(f"{done} messages, {time.perf_counter() - began:.0f} s", flush=True)
    if writer is not None:
        writer.close()
    _count()
    _work(dice, owner.reach.pool)
    models.Office.objects.update(preferences={"built": messages})


def _mailboxes(owner: Actor) -> list[tuple[models.Account, list[models.Folder]]]:
    made = []
    for number in range(ACCOUNTS):
        account = models.Account.objects.create(
            pool_id=owner.reach.pool, label=f"Postfach {number:03}", address=f"a{number}@amt.test", incoming_protocol="imap",
            incoming_host="mail.amt.test", incoming_port=993, incoming_encryption="tls",
        )  # fmt: skip
        names = [(role.value.upper(), role) for role in _ROLES]
        names += [(f"Mandant {one:02}", Role.NONE) for one in range(FOLDERS - len(_ROLES))]
        folders = [
            models.Folder(account=account, remote_id=name, path=[name], role=role.value, synced_at=_NEWEST)
            for name, role in names
        ]
        made.append((account, models.Folder.objects.bulk_create(folders)))
    return made


def _grants(owner: Actor) -> None:
    """Five people see everything, the others ten mailboxes each."""
    accounts = list(models.Account.objects.order_by("label"))
    for number in range(PEOPLE):
        user = owner.user if number == 0 else None
        if user is None:
            row = models.User.objects.create(
                email=f"p{number}@amt.test", name=f"Person {number}", pool_id=owner.reach.pool, password="!"
            )
            key = str(row.pk)
        else:
            key = user.id
        seen = accounts if number % 10 == 0 else [accounts[(number * 7 + one * 13) % ACCOUNTS] for one in range(10)]
        models.Grant.objects.bulk_create(
            models.Grant(account=account, user_id=key, see=True, process=True, send_as=True) for account in seen
        )


class _Words:
    def __init__(self, dice: random.Random) -> None:
        syllables = _SYLLABLES.split()
        self._words = ["".join(dice.choices(syllables, k=dice.choice((2, 2, 3, 3, 4)))) for _ in range(20_000)]
        self._weights = [1 / (rank + 3) for rank in range(len(self._words))]
        self._dice = dice
        self._stock: list[str] = []

    def some(self, count: int) -> list[str]:
        if len(self._stock) < count:
            self._stock = self._dice.choices(self._words, self._weights, k=100_000)
        taken, self._stock = self._stock[-count:], self._stock[:-count]
        return taken


Made = dict[str, Any]


def _batches(
    dice: random.Random, accounts: list[tuple[models.Account, list[models.Folder]]], messages: int
) -> Iterator[list[Made]]:
    words = _Words(dice)
    people_known = [(f"{one[0].capitalize()} {one[1].capitalize()}", f"{one[0]}.{one[1]}@kunde{n % 300}.test") for n in range(20_000) if (one := words.some(2))]  # fmt: skip
    step = timedelta(days=2500) / messages
    recent: dict[UUID, list[Made]] = {}
    batch: list[Made] = []
    thread = 0
    for number in range(messages):
        account, folders = accounts[0] if dice.random() < 0.1 else dice.choice(accounts)
        folder = folders[0] if account is accounts[0][0] and dice.random() < 0.9 else dice.choices(folders, _SHARES)[0]
        before = recent.setdefault(account.pk, [])
        answered = dice.choice(before) if before and (folder.role == "sent" or dice.random() < 0.35) else None
        sender = (account.label, account.address) if folder.role == "sent" else dice.choice(people_known)
        thread += answered is None
        subject = answered["subject"] if answered else " ".join(words.some(dice.randrange(3, 8))).capitalize()
        if answered and not subject.startswith("Re: "):
            subject = f"Re: {subject}"
        made: Made = {
            "folder": folder, "subject": subject, "sender": sender, "to": (account.label, account.address),
            "at": _NEWEST - step * (messages - number), "id": f"{number}.{dice.getrandbits(32):x}@bench.test",
            "references": [*answered["references"][-5:], answered["id"]] if answered else [],
            "thread": answered["thread"] if answered else thread, "text": " ".join(words.some(dice.randrange(30, 120))),
            "attached": dice.random() < 0.25, "size": int(dice.lognormvariate(9.4, 1.9)), "number": number,
            "flags": dice.choices(("", "\\Seen", "\\Answered \\Seen", "\\Flagged \\Seen", "\\Seen Wichtig"), (10, 68, 18, 2, 2))[0],
        }  # fmt: skip
        before.append(made)
        del before[:-30]
        batch.append(made)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _raw(made: Made) -> bytes:
    name, address = made["sender"]
    lines = [
        f"From: {name} <{address}>", f"To: {made['to'][0]} <{made['to'][1]}>", f"Subject: {made['subject']}",
        f"Date: {made['at']:%a, %d %b %Y %H:%M:%S} +0000", f"Message-ID: <{made['id']}>",
        *([f"In-Reply-To: <{made['references'][-1]}>"] if made["references"] else []),
        "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "", made["text"], "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def _keep(pool: int, some: list[Made]) -> dict[bytes, Digest]:
    raws = [_raw(made) for made in some]
    contents = [hashlib.sha256(raw).digest() for raw in raws]
    written = segments().write(
        (Origin(made["folder"].account_id.hex, made["folder"].remote_id, f"1.{made['number']}"), content, raw)
        for made, content, raw in zip(some, contents, raws, strict=True)
    )
    with transaction.atomic():
        segment = models.Segment.objects.create(name=written.name, bytes=written.bytes)
        now = stored(_NEWEST)
        many(
            'INSERT INTO store_message (pool_id, sha256, size, segment_id, "offset", length, subject, from_name, from_address,'
            ' recipients, sent_at, message_id, "references", preview, has_attachments, defects, thread, created_at)'
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '', %s, %s)",
            [
                (
                    pool, entry.sha256, entry.size, segment.pk, entry.offset, entry.length, made["subject"], *made["sender"],
                    json.dumps([made["to"]]), stored(made["at"]), made["id"], " ".join(made["references"]), made["text"][:200],
                    made["attached"], made["thread"], now,
                )
                for made, entry in zip(some, written.entries, strict=True)
            ],
        )  # fmt: skip
        (last,) = all_rows("SELECT max(id) FROM store_message")[0]
        numbers = range(last - len(some) + 1, last + 1)
        said = repeated.of(list(numbers))
        many(
            "INSERT INTO store_placement (id, folder_id, message_id, remote_id, flags, seen, received_at, ordinal, generation,"
            f" {repeated.COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1, %s, %s, %s, %s, %s)",
            [
                (
                    uuid7().hex, made["folder"].pk.hex, number, f"1.{made['number']}", made["flags"], "\\Seen" in made["flags"],
                    stored(made["at"]), made["number"], said[number][0], said[number][1], made["size"], *said[number][3:],
                )
                for made, number in zip(some, numbers, strict=True)
            ],
        )  # fmt: skip
    return {
        content: Digest(
            made["subject"], made["sender"], [made["to"]], made["at"], made["id"], made["references"], made["text"][:200],
            made["attached"], (), made["text"], ("Anlage.pdf",) if made["attached"] else (),
        )
        for made, content in zip(some, contents, strict=True)
    }  # fmt: skip


def _count() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE store_folder SET keywords = '[\"Wichtig\"]',"
            " total = (SELECT count(*) FROM store_placement p WHERE p.folder_id = store_folder.id),"
            " unread = (SELECT count(*) FROM store_placement p WHERE p.folder_id = store_folder.id AND NOT p.seen)"
        )


def _work(dice: random.Random, pool: int) -> None:
    """Tasks and notes on some of the newest tenth."""
    (last,) = all_rows("SELECT max(id) FROM store_message")[0]
    users = list(models.User.objects.filter(pool=pool))
    chosen = dice.sample(range(last - last // 10, last + 1), min(10_000, last // 20))
    tasks = []
    for number in chosen:
        task = models.Task(message_id=number, assignee=dice.choice(users), status=dice.choice(_STATUSES))
        if dice.random() < 0.3:
            task.follow_up_at = _NEWEST + timedelta(days=dice.randrange(-20, 60))
            task.follow_up_for = dice.choice(users) if dice.random() < 0.9 else None
        tasks.append(task)
    models.Task.objects.bulk_create(tasks)
    notes = models.Note.objects.bulk_create(
        models.Note(message_id=number, author=dice.choice(users), text="Bitte beachten.") for number in chosen[::3]
    )
    models.Mention.objects.bulk_create(models.Mention(note=note, user=dice.choice(users)) for note in notes[::2])
