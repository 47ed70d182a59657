"""``login``, ``server``, ``template``, ``group`` and ``grant``: what several mailboxes or people share."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import asdict

from poststelle.errors import Invalid
from poststelle.mail.records import Cell, Step
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Right
from poststelle.office import egress, groups, logins, notice, outgoing_servers, people, rights, templates
from poststelle.office.actor import SYSTEM
from poststelle.run.commands.accounts import write_report
from poststelle.run.commands.terminal import read_document, read_password, read_text, say, say_json, say_list, say_table
from poststelle.run.configuration import Configuration

_WINDOW = 500


def list_logins(given: argparse.Namespace, _: Configuration) -> int:
    """Log-ins without their secrets: all, or those the words occur in."""
    from poststelle.api.v1.logins import SharedLogin

    told = [SharedLogin.of(record) for record in logins.within(SYSTEM, words=given.words)]
    return say_list(told, lambda one: (one.label, one.username, one.owner, one.accounts, one.id), as_json=given.json)


def add_login(given: argparse.Namespace, _: Configuration) -> int:
    """Prints label and id."""
    record = logins.add(SYSTEM, read_document(given.json))
    say(f"{record.label} {record.id}")
    return 0


def change_login(given: argparse.Namespace, _: Configuration) -> int:
    """Another label, user name or method; another user name asks for the password again."""
    record = logins.change(SYSTEM, given.login, read_document(given.json))
    say(f"{record.label} {record.id}")
    return 0


def change_password(given: argparse.Namespace, _: Configuration) -> int:
    """A new password in one place; with ``--test`` it is kept only if every server lets it in, else 1."""
    password = read_password()
    if given.report and not given.test:
        given.wrong_use("--report needs --test")
    if given.test:
        result = asyncio.run(_tested(given.login, password))
        write_report(given.report)
        return result
    say(logins.change_password(SYSTEM, given.login, password))
    return 0


def remove_login(given: argparse.Namespace, _: Configuration) -> int:
    """A log-in nothing uses."""
    logins.remove(SYSTEM, given.login)
    return 0


def list_servers(given: argparse.Namespace, _: Configuration) -> int:
    """Outgoing servers: all, or those the words occur in."""
    from poststelle.api.v1.outgoing_servers import SharedServer

    told = [SharedServer.of(record) for record in outgoing_servers.within(SYSTEM, given.words)]
    return say_list(
        told,
        lambda one: (one.label, f"{one.host}:{one.port}", one.owner, "default" if one.default else "", one.id),
        as_json=given.json,
    )


def add_server(given: argparse.Namespace, _: Configuration) -> int:
    """Prints label and id."""
    record = outgoing_servers.add(SYSTEM, read_document(given.json))
    say(f"{record.label} {record.id}")
    return 0


def change_server(given: argparse.Namespace, _: Configuration) -> int:
    """Change what the document names and leave the rest."""
    record = outgoing_servers.change(SYSTEM, given.server, read_document(given.json))
    say(f"{record.label} {record.id}")
    return 0


def remove_server(given: argparse.Namespace, _: Configuration) -> int:
    """A server no mailbox refers to."""
    outgoing_servers.remove(SYSTEM, given.server)
    return 0


def probe_server(given: argparse.Namespace, _: Configuration) -> int:
    """Each step as it happens; 1 when something failed. With an address a message is sent there, and it is kept for the next time."""
    if given.server is None and given.json is None:
        given.wrong_use("SERVER or --json is needed")
    document = read_document(given.json) if given.json else {}
    result = asyncio.run(_server_tested(document, given.server, given.send_to))
    write_report(given.report)
    return result


def list_templates(given: argparse.Namespace, _: Configuration) -> int:
    """Every template."""
    from poststelle.api.v1.templates import Template

    told = [Template.of(record) for record in templates.within(SYSTEM)]
    return say_list(told, lambda one: (one.label, one.id), as_json=given.json)


def put_template(given: argparse.Namespace, _: Configuration) -> int:
    """A new template, or new content of the one with this label."""
    known = next((one.id for one in templates.within(SYSTEM) if one.label.casefold() == given.label.casefold()), None)
    record = templates.put(SYSTEM, given.label, read_document(given.json), known)
    say(f"{record.label} {record.id}")
    return 0


def preview_template(given: argparse.Namespace, _: Configuration) -> int:
    """What it would change in a mailbox, field by field."""
    found = templates.preview(SYSTEM, given.template, None, given.label)
    if found:
        say_table([(one.path, one.before, one.after) for one in found])
    return 0


def apply_template(given: argparse.Namespace, _: Configuration) -> int:
    """Give a mailbox what the template says, and what the document says beside it, such as a password asked for again."""
    changes = read_document(given.json) if given.json else {}
    record = templates.apply(SYSTEM, given.template, given.label, changes)
    say(f"{record.label} {record.id}")
    return 0


def remove_template(given: argparse.Namespace, _: Configuration) -> int:
    """Mailboxes filled from it stay as they are."""
    templates.remove(SYSTEM, given.template)
    return 0


def list_groups(given: argparse.Namespace, _: Configuration) -> int:
    """Every group with its people."""
    from poststelle.api.v1.groups import Group

    told = [Group.of(record) for record in groups.within(SYSTEM)]
    return say_list(told, lambda one: (one.name, ", ".join(one.members), one.id), as_json=given.json)


def put_group(given: argparse.Namespace, _: Configuration) -> int:
    """A new group of these people, or other people for the one with this name."""
    known = {one.name.casefold(): one.id for one in groups.within(SYSTEM)}.get(given.name.casefold())
    if known is None:
        record = groups.add(SYSTEM, given.name, given.member)
    else:
        record = groups.change(SYSTEM, known, members=given.member)
    say(f"{record.name} {record.id}")
    return 0


def remove_group(given: argparse.Namespace, _: Configuration) -> int:
    """With every grant it has."""
    groups.remove(SYSTEM, given.name)
    return 0


def list_rights(given: argparse.Namespace, _: Configuration) -> int:
    """A line for everybody who may do something with a mailbox: what, by which groups, and until when."""
    rows: list[dict[str, object]] = []
    after: str | None = None
    while True:
        found = rights.matrix(SYSTEM, _WINDOW, after, words=given.words, person=given.user)
        labels, emails = dict(found.accounts), {user.id: user.email for user in found.people}
        rows += sorted(
            (_right(labels[account], emails[user], cell) for (account, user), cell in found.cells.items()),
            key=lambda row: (row["account"], row["user"]),
        )
        after = found.next
        if after is None:
            break
    if given.json:
        say_json(rows)
    elif rows:
        say_table([[*map(_words, row.values())] for row in rows])
    return 0


def _right(account: str, user: str, cell: Cell) -> dict[str, object]:
    return {
        "account": account, "user": user, "rights": [right.value for right in Right if right in cell.rights],
        "groups": list(cell.groups), "folders": cell.folders, "until": cell.until.isoformat() if cell.until else None,
    }  # fmt: skip


def _words(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def grant(given: argparse.Namespace, _: Configuration) -> int:
    """What a person or a group may do from now on; without ``--right`` nothing."""
    if not given.user and not given.group:
        raise Invalid({"user": "missing"})
    document = {
        "user": given.user, "group": given.group, "rights": given.right, "folder": given.folder, "from": given.begin,
        "until": given.until,
    }  # fmt: skip
    rights.grant(SYSTEM, given.label, {name: value for name, value in document.items() if value is not None})
    return 0


def show_notice(_given: argparse.Namespace, _: Configuration) -> int:
    """What has to be read before a mailbox is added; nothing where there is none."""
    if text := notice.show(SYSTEM).text:
        say(text)
    return 0


def put_notice(given: argparse.Namespace, _: Configuration) -> int:
    """Another text from a file; an empty one switches the notice off. Prints its version."""
    say(notice.put(SYSTEM, read_text(given.file)).version)
    return 0


def list_internal(given: argparse.Namespace, _: Configuration) -> int:
    """What the office allows, and what the installation's settings do."""
    from poststelle.api.v1.egress import InternalServer

    told = [InternalServer.model_validate(asdict(one)) for one in egress.allowed(SYSTEM)]
    told += [InternalServer(server=server, by="egress_allow", at="") for server in egress.set_up(SYSTEM)]
    return say_list(told, lambda one: (one.server, one.by, one.at), as_json=given.json)


def allow_internal(given: argparse.Namespace, _: Configuration) -> int:
    """A running `serve` knows at once."""
    egress.allow(SYSTEM, given.server)
    return 0


def revoke_internal(given: argparse.Namespace, _: Configuration) -> int:
    """Connections that are open stay until they end."""
    egress.revoke(SYSTEM, given.server)
    return 0


def set_default_sender(given: argparse.Namespace, _: Configuration) -> int:
    """What somebody's new letters begin with; without a mailbox the choice is forgotten."""
    people.set_default_sender(people.actor_named(given.email), given.label)
    return 0


async def _server_tested(document: Mapping[str, object], server: str | None, recipient: str) -> int:
    result = 0
    async for step in outgoing_servers.probe(SYSTEM, document, server, recipient):
        say(_step("", step))
        result = 1 if step.state == "failed" else result
    return result


def _step(label: str, step: Step) -> str:
    from poststelle.api.steps import ProbeStep

    told = ProbeStep.of(step)
    words = f"  {told.title} {told.advice}" if told.title else ""
    return f"{label}  {step.direction:<8}  {step.name:<8}  {step.state}{words}".lstrip()


async def _tested(login: str, password: Secret) -> int:
    result = 0
    async for label, step in logins.test_and_change_password(SYSTEM, login, password):
        say(_step(label, step))
        result = 1 if step.name == "kept" and step.state != "ok" else result
    return result
