"""Templates at the counter: the office's own settings for new mailboxes, and what one of them would change.

Administrators make and use them. A template is part of an account document; secrets, addresses and grants to persons do not belong
into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from poststelle.errors import Invalid
from poststelle.mail.account_document import read
from poststelle.mail.document import Fields
from poststelle.mail.records import AccountRecord, TemplateRecord
from poststelle.office import accounts
from poststelle.office.account_documents import document_of, merged
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import templates

_NOT_IN_TEMPLATES = frozenset({"label", "address", "owner", "identities", "office_account", "version"})
_SECRETS = (
    "login.password",
    "login.client_certificate",
    "outgoing.login.password",
    "outgoing.login.client_certificate",
)
_SERVER: Mapping[str, object] = {"host": "mail.example"}
_LOGIN: Mapping[str, object] = {"username": "x", "password": "x"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field a template would change: its path, what is there (None: nothing) and what would be."""

    path: str
    before: object
    after: object


def within(actor: Actor) -> list[TemplateRecord]:
    """Every template, by label. Administrators only."""
    require_administrator(actor)
    return templates.within(actor.reach)


def show(actor: Actor, template: str) -> TemplateRecord:
    """One, by label or id. Administrators only. Raises NotFound."""
    require_administrator(actor)
    return templates.find(actor.reach, template)


def put(actor: Actor, label: str, document: Mapping[str, object], template: str | None = None) -> TemplateRecord:
    """A new template, or new content of `template`. Raises Invalid: label, and ``document.…`` for what cannot be in one."""
    require_administrator(actor)
    fields = Fields()
    label = fields.text("label", label, limit=120)
    wrong = fields.wrong | {f"document.{path}": reason for path, reason in _wrong(document).items()}
    if wrong:
        raise Invalid(wrong)
    return templates.find(actor.reach, templates.put(actor.reach, template, label, document, actor=actor.name))


def remove(actor: Actor, template: str) -> None:
    """Forget one; accounts filled from it stay as they are. Raises NotFound."""
    require_administrator(actor)
    templates.remove(actor.reach, template, actor=actor.name)


def preview(
    actor: Actor, template: str, document: Mapping[str, object] | None = None, account: str | None = None
) -> list[Difference]:
    """What the template would change in a document, or in an account (with the document merged into it). Saves nothing."""
    before = _before(actor, document, account)
    return list(_differences("", before, merged(before, show(actor, template).document)))


def fill(actor: Actor, template: str, document: Mapping[str, object]) -> dict[str, object]:
    """The document with the template filled in where the document itself says nothing. Saves nothing."""
    return merged(show(actor, template).document, document)


def apply(actor: Actor, template: str, account: str, changes: Mapping[str, object] | None = None) -> AccountRecord:
    """Give an account what the template says, and `changes` (such as the password asked for again). Raises as `accounts.change`."""
    return accounts.change(actor, account, merged(show(actor, template).document, changes or {}))


def _before(actor: Actor, document: Mapping[str, object] | None, account: str | None) -> dict[str, object]:
    stored = document_of(accounts.administered(actor, account)) if account is not None else {}
    return merged(stored, document or {})


def _wrong(document: Mapping[str, object]) -> dict[str, str]:
    if not isinstance(document, Mapping):
        return {"": "not-an-object"}
    wrong = {name: "not-in-a-template" for name in document if name in _NOT_IN_TEMPLATES}
    wrong |= {path: "not-in-a-template" for path in _SECRETS if _at(document, path) is not None}
    grants = document.get("grants")
    for number, grant in enumerate(grants if isinstance(grants, list) else ()):
        wrong |= {
            f"grants.{number}.{name}": "not-in-a-template"
            for name in ("user", "folder")
            if isinstance(grant, Mapping) and grant.get(name)
        }
    if wrong:
        return wrong
    whole: dict[str, object] = {"label": "x", "address": "x@example.org"}
    if document.get("kind") != "archive":
        whole |= {"incoming": _SERVER, "login": _LOGIN}
    if document.get("kind") == "send-only":
        del whole["incoming"]
        whole["outgoing"] = _SERVER
    way_out = document.get("outgoing")
    if isinstance(way_out, Mapping) and not way_out.get("server") and way_out.get("authentication") != "server":
        whole["outgoing"] = _SERVER
    if _at(document, "outgoing.authentication") == "own":
        whole["outgoing"] = {**_SERVER, "login": _LOGIN}
    try:
        read(merged(whole, document))
    except Invalid as error:
        return error.fields
    return {}


def _at(document: Mapping[str, object], path: str) -> object:
    value: object = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _differences(where: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        path, was, now = f"{where}{name}", before.get(name), after.get(name)
        if was == now:
            continue
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from _differences(f"{path}.", was, now)
        else:
            yield Difference(path, was, now)
