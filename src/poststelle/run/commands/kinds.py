"""``account``: what a mailbox can become, many at once, and what it is sent through."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import asdict
from pathlib import Path

from poststelle.errors import Conflict, Invalid
from poststelle.mail.records import ExceptionRecord
from poststelle.office import accounts, bulk, egress, hand_over, kinds, outgoing_servers, special_folders
from poststelle.office.actor import SYSTEM
from poststelle.office.bulk import Outcome
from poststelle.office.doors import NetworkDoors
from poststelle.office.wording import field_sentence
from poststelle.run.commands.terminal import read_document, say, say_json, say_table
from poststelle.run.configuration import Configuration


def change(given: argparse.Namespace, _: Configuration) -> int:
    """Change what the document names and leave the rest."""
    record = accounts.change(SYSTEM, given.label, read_document(given.json))
    say(f"{record.label} {record.id}")
    return 0


def consequences(given: argparse.Namespace, _: Configuration) -> int:
    """What removing the mailbox would take along."""
    told = asdict(kinds.consequences(SYSTEM, given.label))
    if given.json:
        say_json(told)
    else:
        say_table(list(told.items()))
    return 0


def archive(given: argparse.Namespace, _: Configuration) -> int:
    """For good: the command asks for ``--yes``."""
    record = kinds.to_archive(SYSTEM, given.label)
    say(f"{record.label} {record.id}")
    return 0


def create_folders(given: argparse.Namespace, _: Configuration) -> int:
    """Prints what was made; the server has it soon."""
    for folder in special_folders.create(SYSTEM, given.label):
        say(f"{folder.role} {folder.name}")
    return 0


def move(given: argparse.Namespace, _: Configuration) -> int:
    """Prints how many folders were found again, are new there, and stay here."""
    changes = read_document(given.json)
    counts = asyncio.run(kinds.move(SYSTEM, given.label, changes, NetworkDoors(egress.rule)))
    say_table(list(counts.items()))
    return 0


def copy(given: argparse.Namespace, _: Configuration) -> int:
    """Prints the document of a second mailbox like this one, to be completed and added."""
    say_json(kinds.duplicate(SYSTEM, given.label))
    return 0


def link(given: argparse.Namespace, configuration: Configuration) -> int:
    """Prints the one-time link by which the owner enters the password: this once."""
    token, expires_at = hand_over.create(SYSTEM, given.label)
    say(f"{configuration.place}/hand-over/{token}/ {expires_at.isoformat(timespec='minutes')}")
    return 0


def exceptions(given: argparse.Namespace, _: Configuration) -> int:
    """Every exception from safe connections, of mailboxes and of outgoing servers, with who made it, when and why."""
    found: list[tuple[str, ExceptionRecord]] = []
    after: str | None = None
    while True:
        page = accounts.exceptions(SYSTEM, 200, after)
        found += [(one.label, each) for one in page.items for each in one.exceptions]
        after = page.next
        if after is None:
            break
    found += [(one.label, each) for one in outgoing_servers.exceptions(SYSTEM) for each in one.exceptions]
    names = ("label", "way", "what", "by", "at", "reason")
    rows = [(label, each.way, each.what, each.by, each.at, each.reason) for label, each in found]
    if given.json:
        say_json([dict(zip(names, row, strict=True)) for row in rows])
    elif rows:
        say_table(rows)
    return 0


def retry(given: argparse.Namespace, _: Configuration) -> int:
    """A running `serve` does it as soon as it can."""
    if not accounts.send_receive(SYSTEM, given.label):
        raise Conflict("no-way-in")
    return 0


def accept_loss(given: argparse.Namespace, _: Configuration) -> int:
    """The folders are compared again, and what vanished goes."""
    accounts.accept_loss(SYSTEM, given.label)
    return 0


def way_out(given: argparse.Namespace, _: Configuration) -> int:
    """Which server sends for the mailbox, and why."""
    choice = outgoing_servers.which(SYSTEM, given.label)
    say_json({"reason": choice.reason, **choice.facts}, indent=None)
    return 0


def import_all(given: argparse.Namespace, _: Configuration) -> int:
    """Without ``--apply`` a preview; 1 when lines are wrong."""
    data = _bytes(given.file)
    if given.apply:
        done = bulk.apply(SYSTEM, data, update=given.update, partly=given.partly)
    else:
        done = bulk.preview(SYSTEM, data, update=given.update)
    if given.json:
        say_json([asdict(outcome) for outcome in done])
    else:
        for outcome in done:
            say(_line(outcome))
    return 1 if bulk.wrong_lines(done) else 0


def export_all(_given: argparse.Namespace, _: Configuration) -> int:
    """A table without secrets, on standard output."""
    sys.stdout.write(bulk.export(SYSTEM))
    sys.stdout.flush()
    return 0


def _line(outcome: Outcome) -> str:
    wrong = "".join(f"\n  {path or '-'}: {field_sentence(reason)}" for path, reason in outcome.wrong.items())
    return f"{outcome.number:>5}  {outcome.action:<6}  {outcome.label}{wrong}"


def _bytes(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Invalid({name: "not-readable"}) from error
