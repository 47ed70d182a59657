"""Handling mail at the counter: marks, moves, copies, deletions, undoing; folders made, renamed, removed and set up.

All of it takes the right *process*, on both sides of a move; what a server's own rights forbid is refused before it is tried.
Everything shows here at once; the server is told soon, or when it can be reached again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from poststelle.adapters.imap.roles import may_be
from poststelle.errors import Conflict, Invalid, NotFound, NotPermitted
from poststelle.mail.ports import SEEN, Role, flags_of
from poststelle.mail.records import FolderRecord
from poststelle.mail.settings import Right
from poststelle.office.actor import Actor
from poststelle.store import accounts, appending, folders, guards, messages, rounds
from poststelle.store import handling as store
from poststelle.store.handling import Chosen

MOST_AT_ONCE = 10_000
UNDO_SECONDS = 10
"""How long taking a deletion back may be offered."""

_READ, _MARK, _TAKE_OUT, _PUT_IN, _MAKE, _RESHAPE = "s", "w", "t", "i", "k", "x"
"""What the server must allow (RFC 4314 section 2.1)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages: these `ids`, or everything in a `folder`, as far as it is (un)read, (un)flagged or older than a moment."""

    ids: Sequence[str] = ()
    folder: str | None = None
    seen: bool | None = None
    flagged: bool | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Handled:
    """How many messages it was, and the token with which it is undone (`undo`); None where there is nothing to undo."""

    count: int
    token: str | None


def mark(actor: Actor, chosen: Selection, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Handled:
    """Add and remove flags (IMAP spelling). Raises NotFound, NotPermitted where the actor may see but not process."""
    added, removed = flags_of([*add]), flags_of([*remove])
    rows = _chosen(actor, chosen, _READ if added | removed <= {SEEN} else _MARK)
    batch = uuid4()
    count = store.mark(actor.reach, _ids(rows), added, removed, actor=actor.name, batch=batch)
    return _handled(count, batch)


def mark_folder_read(actor: Actor, folder: str) -> Handled:
    """Everything in the folder, also what no page has shown. Raises NotFound, NotPermitted."""
    return mark(actor, Selection(folder=folder, seen=False), add=[SEEN])


def move(actor: Actor, chosen: Selection, folder: str) -> Handled:
    """Into another folder, of the same mailbox or of another one. Raises NotFound, NotPermitted, Conflict."""
    return _move(actor, _chosen(actor, chosen, _TAKE_OUT), folder)


def copy(actor: Actor, chosen: Selection, folder: str) -> Handled:
    """Into another folder as well. Takes *process* on the target only. Raises NotFound, NotPermitted, Conflict."""
    rows = _chosen(actor, chosen, "", Right.SEE)
    target = _taking(actor, folder, rows)
    batch = uuid4()
    row = folders.find(UUID(target.account_id), target.id)
    return _handled(store.copy(actor.reach, _ids(rows), row, actor=actor.name, batch=batch), batch)


def delete(actor: Actor, chosen: Selection, *, permanently: bool = False) -> Handled:
    """Into the trash; off the server for good what lies there already, where there is none, or where `permanently` says so.

    What goes for good can be taken back for `UNDO_SECONDS`. Raises NotFound, NotPermitted.
    """
    rows = _chosen(actor, chosen, _TAKE_OUT)
    batch = uuid4()
    count = store.delete(actor.reach, _ids(rows), permanently=permanently, actor=actor.name, batch=batch)
    return _handled(count, batch)


def empty_folder(actor: Actor, folder: str) -> Handled:
    """Everything in the folder goes: into the trash, or for good where it is the trash or spam. Raises NotFound, NotPermitted."""
    record = _folder(actor, folder, "")
    return delete(actor, Selection(folder=folder), permanently=record.role in {Role.TRASH, Role.SPAM})


def archive(actor: Actor, chosen: Selection) -> Handled:
    """Into the archive of each message's mailbox. Raises NotFound, NotPermitted, Conflict("no-such-role")."""
    return _move_by_role(actor, chosen, Role.ARCHIVE)


def mark_as_spam(actor: Actor, chosen: Selection) -> Handled:
    """Into the spam folder of each message's mailbox. Raises NotFound, NotPermitted, Conflict("no-such-role")."""
    return _move_by_role(actor, chosen, Role.SPAM)


def mark_as_wanted(actor: Actor, chosen: Selection) -> Handled:
    """No spam: into the inbox of each message's mailbox. Raises NotFound, NotPermitted, Conflict("no-such-role")."""
    return _move_by_role(actor, chosen, Role.INBOX)


def undo(actor: Actor, token: str) -> Handled:
    """Take back what the actor did, as far as it can be: what was moved moves back. Raises NotFound, Conflict("too-late-to-undo")."""
    try:
        batch = UUID(token)
    except ValueError as error:
        raise NotFound("nothing-to-undo") from error
    return Handled(store.undo(actor.reach, batch, actor=actor.name), None)


def append(
    actor: Actor, folder: str, raw: bytes, *, flags: Iterable[str] = (), received_at: datetime | None = None
) -> str:
    """Put a message, byte by byte, into a folder; its placement's id. Raises NotFound, NotPermitted, Conflict, Invalid."""
    target = _folder(actor, folder, _PUT_IN)
    if not raw:
        raise Invalid({"message": "missing"})
    row = folders.find(UUID(target.account_id), target.id)
    return appending.append(
        actor.reach, row, raw, flags_of([*flags]), received_at=received_at, actor=actor.name, batch=uuid4()
    )


def tidy_server(actor: Actor, account: str) -> int:
    """After import: order off the server what is stored and verified here, as the account's settings say. How many.

    Only the system: the engine asks after every round. Raises NotPermitted.
    """
    if actor.user is not None:
        raise NotPermitted("system-only")
    return appending.after_import_due(UUID(account))


# -- folders ---------------------------------------------------------------------------------------------------------


def create_folder(actor: Actor, account: str, path: Sequence[str]) -> str:
    """A new folder; its id. Raises NotFound, NotPermitted, Invalid({"path": …}), Conflict("folder-exists")."""
    record = accounts.find(actor.reach, account)
    if Right.PROCESS not in accounts.rights_on(actor.reach, record.id):
        raise NotPermitted("process-needed")
    _check_name(actor, record.id, path)
    above = next((one for one in messages.folders(actor.reach, record.id) if one.path == tuple(path[:-1])), None)
    if above is not None:
        _allowed(above, _MAKE)
    row = accounts.account_row(actor.reach, record.id)
    return str(folders.create(row, path, pool=actor.reach.pool, actor=actor.name))


def rename_folder(actor: Actor, folder: str, path: Sequence[str]) -> None:
    """Another name or place for the folder and what lies below it. Raises NotFound, NotPermitted, Invalid, Conflict."""
    record = _reshapeable(actor, folder)
    _check_name(actor, record.account_id, path, record.role)
    row = folders.find(UUID(record.account_id), record.id)
    folders.rename(row, path, pool=actor.reach.pool, actor=actor.name)


def delete_folder(actor: Actor, folder: str) -> Handled:
    """The folder with everything in and below it; it can be taken back for `UNDO_SECONDS`. Raises NotFound, NotPermitted."""
    record = _reshapeable(actor, folder)
    batch = uuid4()
    row = folders.find(UUID(record.account_id), record.id)
    folders.delete(row, pool=actor.reach.pool, actor=actor.name, batch=batch)
    return Handled(record.total, str(batch))


def subscribe(actor: Actor, folder: str, *, subscribed: bool) -> None:
    """(Un)subscribe the folder, here and on the server. Raises NotFound, NotPermitted."""
    record = _folder(actor, folder, "")
    row = folders.find(UUID(record.account_id), record.id)
    folders.subscribe(row, subscribed=subscribed, pool=actor.reach.pool, actor=actor.name)


def set_role(actor: Actor, folder: str, role: Role | None) -> None:
    """What the folder is for; None: what the server says. Raises NotFound, NotPermitted, Invalid for the inbox.

    What folders are for says which files are for a group (`store.guards`): there it takes one of that group, or *administer*.
    """
    record = _folder(actor, folder, "")
    if Role.INBOX in {role, record.role}:
        raise Invalid({"role": "inbox-stays"})
    check_purposes(actor, record.account_id)
    choose(actor, folder, {"role": role.value if role is not None else ""})


def check_purposes(actor: Actor, account: str) -> None:
    """Raises NotFound, and NotPermitted("purpose-for-a-group") unless the actor may say what folders of the account are for."""
    record = accounts.find(actor.reach, account)
    group = guards.of(actor.reach, record.id)
    if group and Right.ADMINISTER not in record.rights:
        raise NotPermitted("purpose-for-a-group", group=group)


_ASKED_APART = frozenset({Role.SENT, Role.DRAFTS, Role.TRASH})
"""Folders whose files are another group's than everything else's."""


def _check_name(actor: Actor, account: str, path: Sequence[str], role: Role = Role.NONE) -> None:
    """The name alone may say what a folder is for, and so may losing it."""
    if role in _ASKED_APART or any(may_be(one, path) for one in _ASKED_APART if path):
        check_purposes(actor, account)


def choose(actor: Actor, folder: str, choices: Mapping[str, object]) -> None:
    """Whether the folder is shown, fetched and processed (`show`, `fetch`, `process`: true or false). Raises NotFound, NotPermitted."""
    record = _folder(actor, folder, "")
    row = folders.find(UUID(record.account_id), record.id)
    folders.choose(row, choices, pool=actor.reach.pool, actor=actor.name)


def fetch_now(actor: Actor, folder: str) -> None:
    """Have what the folder holds fetched once, although it is only looked at otherwise. Raises NotFound, NotPermitted, Conflict."""
    record = _folder(actor, folder, "")
    if record.place != "remote" or not record.selectable:
        raise Conflict("folder-not-live")
    rounds.fetch_now(actor.reach, folders.find(UUID(record.account_id), record.id), actor=actor.name)


# -- who may ---------------------------------------------------------------------------------------------------------


def _chosen(actor: Actor, chosen: Selection, server_right: str, right: Right = Right.PROCESS) -> list[Chosen]:
    """The placements meant. Raises NotFound unless all are within reach, NotPermitted where rights are missing."""
    if chosen.folder is not None:
        messages.folder(actor.reach, chosen.folder)
        ids = store.everything(
            actor.reach, chosen.folder, seen=chosen.seen, flagged=chosen.flagged, before=chosen.before
        )
    elif len(chosen.ids) > MOST_AT_ONCE:
        raise Invalid({"ids": "too-many"})
    else:
        ids = list(dict.fromkeys(chosen.ids))
        for number in ids:
            try:
                UUID(number)
            except ValueError as error:
                raise NotFound("message-unknown", message=number) from error
    rows = store.chosen(actor.reach, ids, Right.SEE)
    if len(rows) < len(ids) and chosen.folder is None:
        raise NotFound("message-unknown")
    if right is not Right.SEE and len(store.chosen(actor.reach, ids, right)) < len(rows):
        raise NotPermitted("process-needed")
    for folder in {row.folder for row in rows}:
        _allowed(messages.folder(actor.reach, folder), server_right)
    return rows


def _folder(actor: Actor, number: str, server_right: str) -> FolderRecord:
    record = messages.folder(actor.reach, number)
    if not folders.may(actor.reach, record.id, Right.PROCESS):
        raise NotPermitted("process-needed")
    _allowed(record, server_right)
    return record


def _taking(actor: Actor, number: str, rows: Sequence[Chosen]) -> FolderRecord:
    """The folder, if these may be put into it: files that are for a group stay where it is asked, unless one of it moves them."""
    target = _folder(actor, number, _PUT_IN)
    if group := guards.needed(actor.reach, _ids(rows), target):
        raise NotPermitted("files-for-a-group", group=group)
    return target


def _reshapeable(actor: Actor, number: str) -> FolderRecord:
    record = _folder(actor, number, _RESHAPE)
    if record.role is Role.INBOX:
        raise Conflict("inbox-stays")
    return record


def _allowed(record: FolderRecord, needed: str) -> None:
    if needed and not folders.server_allows(record.rights, needed):
        raise NotPermitted("server-forbids", folder=record.name)


def _move(actor: Actor, rows: Sequence[Chosen], folder: str, batch: UUID | None = None) -> Handled:
    target = _taking(actor, folder, rows)
    batch = batch or uuid4()
    row = folders.find(UUID(target.account_id), target.id)
    return _handled(store.move(actor.reach, _ids(rows), row, actor=actor.name, batch=batch), batch)


def _move_by_role(actor: Actor, chosen: Selection, role: Role) -> Handled:
    rows = _chosen(actor, chosen, _TAKE_OUT)
    targets = {account: folders.with_role(UUID(account), role) for account in {row.account for row in rows}}
    if without := [str(UUID(account)) for account, target in targets.items() if target is None]:
        raise Conflict("no-such-role", role=role.value, accounts=without)
    batch, count = uuid4(), 0
    for account, target in targets.items():
        if target is not None:
            count += _move(actor, [row for row in rows if row.account == account], str(target.pk), batch).count
    return _handled(count, batch)


def _ids(rows: Sequence[Chosen]) -> list[str]:
    return [row.id for row in rows]


def _handled(count: int, batch: UUID) -> Handled:
    return Handled(count, str(batch) if count else None)
