"""``account``: the same documents as the API speaks."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poststelle.errors import Invalid
from poststelle.mail.records import Step
from poststelle.office import accounts
from poststelle.office.actor import SYSTEM
from poststelle.office.advice import certificate_lines
from poststelle.run.commands.terminal import read_document, say, say_json, say_table
from poststelle.run.configuration import Configuration

if TYPE_CHECKING:
    from poststelle.api.steps import ProbeStep

_ALL = 100_000


def add(given: argparse.Namespace, _: Configuration) -> int:
    """Prints label and id. With ``--probe`` nothing is saved that does not work."""
    document = read_document(given.json)
    if given.probe and (failed := asyncio.run(_probe(document, None, json_lines=False))):
        return failed
    record = accounts.add(SYSTEM, document)
    say(f"{record.label} {record.id}")
    return 0


def list_all(given: argparse.Namespace, _: Configuration) -> int:
    """Mailboxes by label: all, or those that words and kind are true of."""
    page = accounts.page(SYSTEM, _ALL, words=given.words, only=given.only)
    if given.json:
        from poststelle.api.shapes import listed
        from poststelle.api.v1.accounts import Account

        say_json(listed(page, Account.of).model_dump(mode="json"))
    elif page.items:
        say_table([(one.label, one.address, one.state, f"{one.held}/{one.expected}", one.id) for one in page.items])
    return 0


def show(given: argparse.Namespace, _: Configuration) -> int:
    """One mailbox, with its state and without its password."""
    from poststelle.api.v1.accounts import Account

    told = Account.of(accounts.show(SYSTEM, given.label)).model_dump(mode="json")
    if given.json:
        say_json(told)
    else:
        say_table(list(_flat("", told)))
    return 0


def probe(given: argparse.Namespace, _: Configuration) -> int:
    """Each step as it happens; 3 when a person must act before it can work, else 1 when something failed."""
    if given.label is None and given.json is None:
        given.wrong_use("LABEL or --json is needed")
    document = read_document(given.json) if given.json else {}
    result = asyncio.run(_probe(document, given.label, json_lines=given.json_lines, recipient=given.send_to))
    write_report(given.report)
    return result


def write_report(name: str | None) -> None:
    """The test just done as a file (``.json`` as JSON, else as text), ``-`` on standard output; None: not at all. Raises Invalid."""
    from poststelle.office import probing

    report = probing.last_report(SYSTEM)
    if name is None or report is None:
        return
    if name == "-":
        say(report.as_text())
        return
    try:
        Path(name).write_text(report.as_json() if name.endswith(".json") else report.as_text(), encoding="utf-8")
    except OSError as error:
        raise Invalid({name: "not-readable"}) from error


def discover(given: argparse.Namespace, _: Configuration) -> int:
    """Each finding as it comes in; 1 when nothing was found."""
    return asyncio.run(_discover(given.address, json_lines=given.json_lines))


async def _discover(address: str, *, json_lines: bool) -> int:
    from poststelle.api.v1.discovery import Found
    from poststelle.office import discovery

    found = False
    async for finding in discovery.discover(SYSTEM, address):
        found = True
        told = Found.of(finding)
        if json_lines:
            say_json(told.model_dump(), indent=None)
        else:
            say(f"{told.source_text}  {told.name or '-'}  {', '.join(told.hosts)}")
            say_table([(f"  {name}", value) for name, value in _flat("", told.document)] or [("  -", "")])
            for hint in told.hints:
                say(f"  {hint.text}")
    return 0 if found else 1


def presets(given: argparse.Namespace, _: Configuration) -> int:
    """Every known provider."""
    from poststelle.api.v1.discovery import Preset
    from poststelle.office import discovery

    told = [Preset.of(one) for one in discovery.providers()]
    if given.json:
        say_json([one.model_dump() for one in told])
    else:
        say_table([(one.id, one.name, one.imap[0].host if one.imap else "", ", ".join(one.auth)) for one in told])
    return 0


def remove(given: argparse.Namespace, _: Configuration) -> int:
    """Forget it here."""
    accounts.remove(SYSTEM, given.label)
    return 0


async def _probe(document: Mapping[str, object], account: str | None, *, json_lines: bool, recipient: str = "") -> int:
    from poststelle.api.steps import ProbeStep

    result = 0
    async for step in accounts.probe(SYSTEM, document, account, recipient):
        told = ProbeStep.of(step)
        if json_lines:
            say_json(told.model_dump(), indent=None)
        else:
            say(_line(step, told))
            for name, value in certificate_lines(step.detail) if step.error else ():
                say(f"    {name}: {value}")
        if step.state == "failed":
            result = 3 if step.needs_person else result or 1
    return result


def _line(step: Step, told: ProbeStep) -> str:
    words = f"  {told.title} {told.advice}" if told.title else ""
    words += "".join(f" [{fix.title}]" for fix in told.fixes)
    return f"{step.direction:<8}  {step.name:<9}  {step.state:<7}  {step.seconds:6.2f} s{words}"


def _flat(where: str, value: Any) -> list[tuple[str, object]]:
    if isinstance(value, Mapping):
        return [row for name, one in value.items() for row in _flat(f"{where}.{name}".removeprefix("."), one)]
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        return [row for number, one in enumerate(value) for row in _flat(f"{where}.{number}", one)]
    return [(where, ", ".join(map(str, value)) if isinstance(value, list) else value)]
