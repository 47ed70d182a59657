"""What can be typed after ``poststelle``: every command with its options.

Law: it is read for every command and loads nothing but argparse; `does` names the function in ``run.commands`` that the command runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = argparse.ArgumentParser(
        prog="poststelle", description="Every mailbox of an office, self-hosted.", allow_abbrev=False
    )
    _add_home(top)
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _add_office(commands)
    _add_accounts(commands)
    _add_folders(commands)
    _add_shared(commands)
    _add_rights(commands)
    _add_mail(commands)
    _add_outbox(commands)
    _add_operation(commands)
    _add_oversight(commands)
    return top


def _command(within: _Commands, name: str, does: str, text: str) -> argparse.ArgumentParser:
    made = within.add_parser(name, help=text, description=text, allow_abbrev=False)
    _add_home(made)
    made.set_defaults(does=does, wrong_use=made.error)
    return made


def _group(within: _Commands, name: str, text: str) -> _Commands:
    made = within.add_parser(name, help=text, description=text, allow_abbrev=False)
    _add_home(made)
    return made.add_subparsers(metavar="COMMAND", required=True)


def _add_home(one: argparse.ArgumentParser) -> None:
    one.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="data folder (else POSTSTELLE_HOME)")


def _within(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return number


def _add_json(one: argparse.ArgumentParser) -> None:
    one.add_argument("--json", action="store_true", help="print one JSON document")


def _add_words(one: argparse.ArgumentParser, where: str, kinds: tuple[str, ...] = ()) -> None:
    one.add_argument("words", metavar="WORDS", nargs="?", default="", help=f"in {where}")
    if kinds:
        one.add_argument("--only", choices=kinds, default="", help="of that kind, or in that state")
    _add_json(one)


def _add_json_lines(one: argparse.ArgumentParser) -> None:
    one.add_argument("--json-lines", action="store_true", help="print one JSON document per line, as things happen")


def _add_office(commands: _Commands) -> None:
    init = _command(commands, "init", "office.init", "create the data folder, the office and its first administrator")
    init.add_argument("--office", required=True, metavar="NAME")
    init.add_argument("--admin-email", required=True, metavar="A")
    init.add_argument("--admin-name", required=True, metavar="N")
    init.add_argument("--admin-password-stdin", required=True, action="store_true")
    init.add_argument("--language", choices=("de", "en"), default="de")
    people = _group(commands, "user", "people")
    user = _command(people, "add", "office.add_user", "add a person")
    user.add_argument("email", metavar="EMAIL")
    user.add_argument("--name", required=True, metavar="N")
    user.add_argument("--admin", action="store_true")
    user.add_argument("--password-stdin", required=True, action="store_true")
    invite = _command(people, "invite", "office.invite", "add a person, who chooses a password by a link")
    invite.add_argument("email", metavar="EMAIL")
    invite.add_argument("--name", required=True, metavar="N")
    invite.add_argument("--admin", action="store_true")
    changed = _command(people, "change", "office.change_user", "give a person another name, address or role")
    changed.add_argument("email", metavar="EMAIL")
    changed.add_argument("--name", metavar="N")
    changed.add_argument("--new-email", metavar="EMAIL", help="the name they log in with from now on")
    role = changed.add_mutually_exclusive_group()
    role.add_argument("--admin", dest="administrator", action="store_true", default=None)
    role.add_argument("--no-admin", dest="administrator", action="store_false")
    for name, text in (("block", "let a person in no more"), ("unblock", "let a blocked person in again")):
        _command(people, name, f"office.{name}", text).add_argument("email", metavar="EMAIL")
    leave = _command(people, "leave", "office.leave", "block a departing colleague and hand over what was theirs")
    leave.add_argument("email", metavar="EMAIL")
    leave.add_argument("--heir", required=True, metavar="EMAIL")
    sender = _command(people, "sender", "shared.set_default_sender", "choose what somebody's new letters begin with")
    sender.add_argument("email", metavar="EMAIL")
    sender.add_argument("label", metavar="LABEL", nargs="?", help="a mailbox; without one the choice is forgotten")
    _command(people, "new-password", "office.new_password", "print a link to choose a new password by").add_argument(
        "email", metavar="EMAIL"
    )
    service = _command(people, "add-service", "office.add_service", "add a program, which has tokens and never logs in")
    service.add_argument("email", metavar="EMAIL")
    service.add_argument("--name", required=True, metavar="N")
    _add_words(
        _command(people, "list", "office.list_users", "list people with their second factors"),
        "name or address",
        ("administrator", "program", "blocked"),
    )
    _add_log_in(commands)


def _add_log_in(commands: _Commands) -> None:
    sign_on = _group(commands, "sign-on", "the office's identity provider")
    _add_json_lines(_command(sign_on, "test", "office.try_sign_on", "ask it what it says of itself"))
    factor = _group(commands, "second-factor", "authenticator apps and passkeys")
    _command(
        factor, "reset", "office.reset_factors", "take a person's second factors away and log them out"
    ).add_argument("email", metavar="EMAIL")
    require = _command(factor, "require", "office.require_factors", "say who must have one, or show it")
    choice = require.add_mutually_exclusive_group()
    choice.add_argument("--everybody", action="store_true")
    choice.add_argument("--group", action="append", default=[], metavar="NAME", help="the members of this group")
    choice.add_argument("--nobody", action="store_true")
    session = _group(commands, "session", "where people are logged in")
    shown = _command(session, "list", "office.list_sessions", "list a person's sessions")
    shown.add_argument("email", metavar="EMAIL")
    _add_json(shown)
    _command(session, "end", "office.end_sessions", "log a person out everywhere").add_argument(
        "email", metavar="EMAIL"
    )
    within = _group(commands, "token", "API tokens")
    token = _command(within, "add", "office.add_token", "make an API token and print it")
    token.add_argument("--user", required=True, metavar="EMAIL")
    token.add_argument("--name", required=True, metavar="N")
    token.add_argument(
        "--scope", action="append", default=[], choices=("read", "write", "send", "admin"), help="without: everything"
    )
    token.add_argument("--days", type=_within(1, 1825), default=365, metavar="N", help="valid for so long")
    tokens = _command(within, "list", "office.list_tokens", "list a person's API tokens")
    tokens.add_argument("--user", required=True, metavar="EMAIL")
    _add_json(tokens)
    revoke = _command(within, "revoke", "office.revoke_token", "end an API token")
    revoke.add_argument("--user", required=True, metavar="EMAIL")
    revoke.add_argument("token", metavar="ID")


def _add_accounts(commands: _Commands) -> None:
    within = _group(commands, "account", "mailboxes")
    add = _command(within, "add", "accounts.add", "add a mailbox")
    add.add_argument("--json", required=True, metavar="FILE", help="the account document; - for standard input")
    add.add_argument("--probe", action="store_true", help="test first, and save only what works")
    _add_words(
        _command(within, "list", "accounts.list_all", "list mailboxes"), "label or address",
        ("synchronised", "fetch-only", "send-only", "archive", "personal", "shared", "system", "inactive", "suspended", "trouble"),
    )  # fmt: skip
    show = _command(within, "show", "accounts.show", "show a mailbox with its state")
    show.add_argument("label", metavar="LABEL")
    _add_json(show)
    probe = _command(within, "probe", "accounts.probe", "test a mailbox, or settings not saved yet")
    probe.add_argument("label", metavar="LABEL", nargs="?")
    probe.add_argument("--json", metavar="FILE", help="settings, or changes to LABEL; - for standard input")
    probe.add_argument("--send-to", default="", metavar="ADDRESS", help="also send a test message, and see it arrive")
    _add_report(probe)
    _add_json_lines(probe)
    find = _command(commands, "discover", "accounts.discover", "find the settings of an address")
    find.add_argument("address", metavar="ADDRESS")
    _add_json_lines(find)
    _add_json(_command(commands, "presets", "accounts.presets", "list the known mail providers"))
    remove = _command(within, "remove", "accounts.remove", "forget a mailbox here; the server is not touched")
    remove.add_argument("label", metavar="LABEL")
    remove.add_argument("--yes", required=True, action="store_true", help="really")
    _add_kinds(within)


def _add_kinds(within: _Commands) -> None:
    for name, does, text in (
        ("change", "change", "change what a document names"),
        ("move", "move", "move a mailbox to another provider; nothing comes twice"),
    ):
        one = _command(within, name, f"kinds.{does}", text)
        one.add_argument("label", metavar="LABEL")
        one.add_argument("--json", required=True, metavar="FILE", help="the changes; - for standard input")
    for name, does, text in (
        ("copy", "copy", "print the document of a second mailbox like this one, without secrets"),
        ("hand-over", "link", "print a one-time link by which the owner enters the password"),
        ("create-folders", "create_folders", "make the special folders that are missing, named as the others are"),
        ("way-out", "way_out", "say which server sends for a mailbox, and why"),
        ("retry", "retry", "try a mailbox again that stands still"),
        ("accept-loss", "accept_loss", "what is missing on the server may go here too"),
    ):
        _command(within, name, f"kinds.{does}", text).add_argument("label", metavar="LABEL")
    archive = _command(within, "archive", "kinds.archive", "turn a mailbox into an archive, for good")
    archive.add_argument("label", metavar="LABEL")
    archive.add_argument("--yes", required=True, action="store_true", help="really")
    lost = _command(within, "consequences", "kinds.consequences", "what removing a mailbox would take along")
    lost.add_argument("label", metavar="LABEL")
    _add_json(lost)
    _add_json(_command(within, "exceptions", "kinds.exceptions", "every exception from safe connections"))
    table = _command(within, "import", "kinds.import_all", "add many mailboxes from a table; a preview first")
    table.add_argument("file", metavar="FILE", help="CSV; - for standard input")
    table.add_argument("--apply", action="store_true", help="save")
    table.add_argument("--update", action="store_true", help="change mailboxes whose label is there already")
    table.add_argument("--partly", action="store_true", help="leave out wrong lines instead of saving none")
    _add_json(table)
    _command(within, "export", "kinds.export_all", "every mailbox as a table, without secrets")


def _add_folders(commands: _Commands) -> None:
    within = _group(commands, "folder", "the folders of a mailbox")
    shown = _command(within, "list", "folders.show", "list the folders of a mailbox with what was chosen for them")
    shown.add_argument("label", metavar="LABEL")
    _add_json(shown)
    for name, text in (
        ("create", "make a folder"),
        ("change", "set what a folder is for, and whether it is shown, fetched, processed, subscribed"),
        ("fetch", "fetch once what a folder holds that is not fetched otherwise"),
    ):
        one = _command(within, name, f"folders.{name}", text)
        one.add_argument("label", metavar="LABEL")
        one.add_argument("path", metavar="PATH", help="its names from the outermost on, joined with /")
        if name == "change":
            for switch in ("show", "fetch", "process", "subscribed"):
                one.add_argument(f"--{switch}", choices=("yes", "no"))
            one.add_argument("--role", choices=("sent", "drafts", "trash", "spam", "archive", "none"))
            one.add_argument("--rename", metavar="PATH")


def _add_shared(commands: _Commands) -> None:
    login = _group(commands, "login", "log-ins that several mailboxes share")
    _add_words(_command(login, "list", "shared.list_logins", "list log-ins"), "label or user name")
    _add_document(_command(login, "add", "shared.add_login", "add a log-in"))
    renamed = _command(login, "change", "shared.change_login", "change what a document names: label, user name, method")
    renamed.add_argument("login", metavar="LOGIN")
    _add_document(renamed)
    password = _command(login, "password", "shared.change_password", "a new password in one place")
    password.add_argument("login", metavar="LOGIN")
    password.add_argument("--password-stdin", required=True, action="store_true")
    password.add_argument("--test", action="store_true", help="keep it only if every server lets it in")
    _add_report(password)
    _command(login, "remove", "shared.remove_login", "forget an unused log-in").add_argument("login", metavar="LOGIN")
    server = _group(commands, "server", "outgoing servers that several mailboxes share")
    _add_words(_command(server, "list", "shared.list_servers", "list outgoing servers"), "label or host name")
    _add_document(_command(server, "add", "shared.add_server", "add an outgoing server"))
    change = _command(server, "change", "shared.change_server", "change what a document names")
    change.add_argument("server", metavar="SERVER")
    _add_document(change)
    test = _command(server, "test", "shared.probe_server", "test an outgoing server, saved or not")
    test.add_argument("server", metavar="SERVER", nargs="?")
    test.add_argument("--json", metavar="FILE", help="the settings, or changes to a saved server; - for standard input")
    test.add_argument("--send-to", default="", metavar="ADDRESS", help="also send a test message there")
    _add_report(test)
    _command(server, "remove", "shared.remove_server", "forget an unused server").add_argument(
        "server", metavar="SERVER"
    )
    template = _group(commands, "template", "the office's settings for new mailboxes")
    _add_json(_command(template, "list", "shared.list_templates", "list templates"))
    put = _command(template, "put", "shared.put_template", "make or replace a template")
    put.add_argument("label", metavar="TEMPLATE")
    _add_document(put)
    preview = _command(template, "preview", "shared.preview_template", "what a template would change in a mailbox")
    preview.add_argument("template", metavar="TEMPLATE")
    preview.add_argument("label", metavar="LABEL")
    apply = _command(template, "apply", "shared.apply_template", "give a mailbox what a template says")
    apply.add_argument("template", metavar="TEMPLATE")
    apply.add_argument("label", metavar="LABEL")
    apply.add_argument("--json", metavar="FILE", help="changes beside it, such as a password; - for standard input")
    _command(template, "remove", "shared.remove_template", "forget a template").add_argument(
        "template", metavar="TEMPLATE"
    )


def _add_rights(commands: _Commands) -> None:
    notice = _group(commands, "notice", "what has to be read before a mailbox is added")
    _command(notice, "show", "shared.show_notice", "print it")
    text = _command(notice, "put", "shared.put_notice", "another text; an empty one switches it off")
    text.add_argument("file", metavar="FILE", help="the text; - for standard input")
    internal = _group(commands, "internal", "servers inside the own network that mailboxes may use")
    _add_json(_command(internal, "list", "shared.list_internal", "list them, with those of the setting egress_allow"))
    for name, told in (("allow", "open connections to it from now on"), ("revoke", "no new connections there")):
        one = _command(internal, name, f"shared.{name}_internal", told)
        one.add_argument("server", metavar="SERVER", help="an address, a network (CIDR) or a server name")
    group = _group(commands, "group", "people who get rights together")
    _add_json(_command(group, "list", "shared.list_groups", "list groups"))
    people = _command(group, "put", "shared.put_group", "make a group, or give one other people")
    people.add_argument("name", metavar="NAME")
    people.add_argument("--member", action="append", default=[], metavar="EMAIL")
    _command(group, "remove", "shared.remove_group", "forget a group with its grants").add_argument(
        "name", metavar="NAME"
    )
    rights = _command(commands, "rights", "shared.list_rights", "who may do what with which mailbox")
    rights.add_argument("words", metavar="WORDS", nargs="?", default="", help="in the mailbox's label or address")
    rights.add_argument("--user", metavar="EMAIL", help="one person only")
    _add_json(rights)
    grant = _command(
        commands, "grant", "shared.grant", "set what somebody may do with a mailbox; without --right nothing"
    )
    grant.add_argument("label", metavar="LABEL")
    who = grant.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", metavar="EMAIL")
    who.add_argument("--group", metavar="NAME")
    grant.add_argument("--right", action="append", default=[], metavar="RIGHT", help="see, process, send-as …")
    grant.add_argument("--folder", metavar="ID", help="one folder only")
    grant.add_argument("--from", dest="begin", metavar="DATE")
    grant.add_argument("--until", metavar="DATE")


def _add_document(one: argparse.ArgumentParser) -> None:
    one.add_argument("--json", required=True, metavar="FILE", help="the document; - for standard input")


def _add_report(one: argparse.ArgumentParser) -> None:
    one.add_argument("--report", metavar="FILE", help="write a report without secrets; - for standard output")


def _add_mail(commands: _Commands) -> None:
    sync = _command(commands, "sync", "mail.sync", "a full round for these mailboxes, index included")
    sync.add_argument("labels", metavar="LABEL", nargs="*")
    sync.add_argument("--once", required=True, action="store_true")
    _add_json(sync)
    _add_json_lines(sync)
    search = _command(commands, "search", "mail.search", "find messages somebody may see")
    search.add_argument("query", metavar="QUERY")
    search.add_argument("--user", required=True, metavar="EMAIL")
    search.add_argument("--limit", type=_within(1, 100_000), default=50, metavar="N")
    _add_json(search)


def _add_outbox(commands: _Commands) -> None:
    within = _group(commands, "outbox", "mail on its way out")
    shown = _command(within, "list", "outbox.list_all", "list what has not left, the newest first")
    shown.add_argument("--all", action="store_true", help="also what has left")
    _add_json(shown)
    for name, text in (
        ("send", "send what is held, uncertain, postponed or discarded"),
        ("discard", "never send what is held, uncertain or postponed"),
    ):
        one = _command(within, name, f"outbox.{name}", text)
        which = one.add_mutually_exclusive_group(required=True)
        which.add_argument("outgoing", metavar="ID", nargs="?")
        which.add_argument("--held", action="store_true", help="all that is held since the data was restored or copied")
    _command(within, "hold", "outbox.hold", "hold all that waits, after a machine was set back to an earlier state")


def _add_operation(commands: _Commands) -> None:
    serve = _command(commands, "serve", "operation.serve", "serve pages and API, and move mail, until told to stop")
    serve.add_argument("--host", metavar="H", default=argparse.SUPPRESS)
    serve.add_argument("--port", metavar="P", type=_within(1, 65535), default=argparse.SUPPRESS)
    serve.add_argument(
        "--demo", action="store_true", default=argparse.SUPPRESS, help="a furnished office without network"
    )
    _add_json(_command(commands, "status", "operation.status", "what the mailboxes are doing"))
    _add_json(_command(commands, "doctor", "operation.doctor", "check data folder, database, messages and disk"))


def _add_oversight(commands: _Commands) -> None:
    ledger = _command(commands, "ledger", "ledger.show", "what the servers have against what is here, per folder")
    ledger.add_argument("label", metavar="LABEL", nargs="?")
    ledger.add_argument("--compare", action="store_true", help="ask the servers now")
    _add_json(ledger)
    verify = _command(
        commands, "verify", "ledger.verify", "prove that journal, database and messages are as they were written"
    )
    verify.add_argument("--all", action="store_true", help="read back every message, not only the newest thousand")
    verify.add_argument(
        "--head", metavar="ID:DIGEST", help="a journal entry noted outside earlier: it must still be there"
    )
    _add_json(verify)
    journal = _command(commands, "journal", "ledger.show_journal", "who did what when, the newest first")
    journal.add_argument("--kind", metavar="KIND", default="", help="entries of this kind, such as grants-changed")
    journal.add_argument("--person", metavar="EMAIL", default="", help="what this person did")
    journal.add_argument("--account", metavar="LABEL", default="", help="what concerns this mailbox")
    journal.add_argument("--limit", type=_within(1, 100_000), default=50, metavar="N")
    _add_json(journal)
    events = _command(commands, "events", "events.show", "what was done for a mailbox")
    events.add_argument("label", metavar="LABEL")
    events.add_argument("--follow", action="store_true", help="go on as things happen")
    events.add_argument("--limit", type=_within(1, 2_000), default=50, metavar="N")
    _add_json(events)
    transcript = _command(
        commands, "transcript", "events.transcript", "write down what is said with a mailbox's servers"
    )
    transcript.add_argument("label", metavar="LABEL")
    choice = transcript.add_mutually_exclusive_group(required=True)
    choice.add_argument("--for", dest="length", type=_length, metavar="TIME", help="begin, for 30m, 2h …; at most 24h")
    choice.add_argument("--off", action="store_true", help="stop")
    choice.add_argument("--show", action="store_true", help="print what was written")


def _length(text: str) -> timedelta:
    units = {"s": "seconds", "m": "minutes", "h": "hours"}
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and len(number) < 7) or unit not in units:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time such as 30m or 2h")
    return timedelta(**{units[unit]: int(number)})
