"""Many mailboxes at once at the counter: import from a table, first as a preview with what is wrong line by line, and export.

Administrators only. An export holds no secrets and comes back exactly; the journal counts, and never repeats a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from poststelle.errors import Invalid, NotFound
from poststelle.mail import table
from poststelle.mail.account_document import read
from poststelle.mail.records import AccountRecord
from poststelle.mail.settings import AccountSettings
from poststelle.office import accounts, limits
from poststelle.office import notice as notices
from poststelle.office.account_documents import document_of, merged, permitted
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import accounts as store

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a line does or did: `action` is add, change or none (`wrong` says why, by column). `account`: its id, once applied."""

    number: int
    label: str
    action: str
    wrong: dict[str, str] = field(default_factory=dict)
    account: str = ""


@dataclass(frozen=True, slots=True)
class _Planned:
    outcome: Outcome
    settings: AccountSettings | None
    account: AccountRecord | None


def preview(actor: Actor, data: bytes, *, update: bool = False) -> list[Outcome]:
    """What an import would do, line by line; saves nothing. `update`: a label that is there already is changed, else it is taken.

    Raises Invalid for what is no table.
    """
    require_administrator(actor)
    return [planned.outcome for planned in _plan(actor, data, update=update)]


def apply(actor: Actor, data: bytes, *, update: bool = False, partly: bool = False, notice: str = "") -> list[Outcome]:
    """Import the table: every line, or (`partly`) those that are right. Each mailbox is kept by itself.

    `notice`: the version of the office's notice that has been read. Raises Invalid with every wrong cell
    (``line.17.incoming.host``) before anything is saved.
    """
    require_administrator(actor)
    if unread := notices.unread(actor, notice):
        raise Invalid(dict(unread))
    plan = _plan(actor, data, update=update)
    wrong = {planned.outcome.number: planned.outcome.wrong for planned in plan if planned.outcome.wrong}
    if wrong and not partly:
        raise Invalid(dict(table.numbered(wrong)))
    done = [_kept(actor, planned) for planned in plan]
    changed = [outcome for outcome in done if outcome.account]
    if changed:
        added = sum(outcome.action == "add" for outcome in changed)
        store.tell_bulk(actor.reach.pool, "accounts-imported", actor.name, added=added, changed=len(changed) - added)
    return done


def export(actor: Actor) -> str:
    """Every account of the office as a table, without secrets; formulas in it are text. Leaves a line in the journal.

    Administrators only. Raises TooOften("too-often").
    """
    require_administrator(actor)
    if actor.user is not None:
        limits.exports.spend(actor.name)
    documents: list[dict[str, object]] = []
    after: str | None = None
    while True:
        page = accounts.overview(actor, _PAGE, after)
        documents += [document_of(record) for record in page.items]
        after = page.next
        if after is None:
            break
    store.tell_bulk(actor.reach.pool, "accounts-exported", actor.name, count=len(documents))
    return table.write(documents)


def _plan(actor: Actor, data: bytes, *, update: bool) -> list[_Planned]:
    system, seen = Actor(None), set[str]()
    plan = []
    for line in table.read(data):
        label = line.document.get("label")
        name = label.strip() if isinstance(label, str) else ""
        wrong = dict(line.wrong)
        if name.casefold() in seen:
            wrong["label"] = "taken"
        seen.add(name.casefold())
        account = _account(system, name)
        settings = None
        if account is not None and not update:
            wrong["label"] = "taken"
        if not wrong:
            settings, wrong = _settings(actor, line, account)
        action = "none" if wrong else "add" if account is None else "change"
        plan.append(_Planned(Outcome(line.number, name[:120], action, wrong), settings, account))
    return plan


def _settings(
    actor: Actor, line: table.Line, account: AccountRecord | None
) -> tuple[AccountSettings | None, dict[str, str]]:
    try:
        if account is None:
            settings = accounts.new(actor, line.document)
        else:
            settings = permitted(actor, read(merged(document_of(account), line.document)), account)
        store.check(actor.reach.pool, settings, account.id if account else None, caretaker=accounts.caretaker(actor))
    except Invalid as error:
        return None, error.fields
    return settings, {}


def _kept(actor: Actor, planned: _Planned) -> Outcome:
    settings, account, outcome = planned.settings, planned.account, planned.outcome
    if settings is None:
        return outcome
    caretaker = accounts.caretaker(actor)
    try:
        if account is None:
            version = notices.show(actor).version
            number = store.add(actor.reach.pool, settings, actor=actor.name, caretaker=caretaker, notice=version)
        else:
            number = account.id
            store.change(Actor(None).reach, number, settings, actor=actor.name, caretaker=caretaker)
    except Invalid as error:
        # Somebody was faster since the preview.
        return replace(outcome, action="none", wrong=error.fields)
    return replace(outcome, account=number)


def _account(system: Actor, label: str) -> AccountRecord | None:
    try:
        return store.named(system.reach, label) if label else None
    except NotFound:
        return None


def wrong_lines(outcomes: Sequence[Outcome]) -> int:
    """How many lines do nothing."""
    return sum(bool(outcome.wrong) for outcome in outcomes)
