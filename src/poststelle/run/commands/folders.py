"""``folder``: the folders of a mailbox, named by their path as it is shown (``Fälle/2026``)."""

from __future__ import annotations

import argparse

from poststelle.errors import NotFound
from poststelle.mail.ports import Role
from poststelle.mail.records import FolderRecord
from poststelle.office import accounts, handling, reading
from poststelle.office.actor import SYSTEM
from poststelle.run.commands.terminal import say_list
from poststelle.run.configuration import Configuration

SWITCHES = ("show", "fetch", "process", "subscribed")
_ON = {"yes": True, "no": False}


def show(given: argparse.Namespace, _: Configuration) -> int:
    """Every folder: what it is for, how much it holds, and what was chosen for it."""
    from poststelle.api.v1.folders import Folder

    found = _folders(given.label)
    told = [Folder.of(one) for one in found]
    rows = {one.id: row for one, row in zip(found, map(_row, found), strict=True)}
    return say_list(told, lambda one: rows[one.id], as_json=given.json)


def create(given: argparse.Namespace, _: Configuration) -> int:
    """Here at once, on the server soon."""
    handling.create_folder(SYSTEM, accounts.show(SYSTEM, given.label).id, given.path.split("/"))
    return 0


def change(given: argparse.Namespace, _: Configuration) -> int:
    """What is named changes, the rest stays."""
    folder = _folder(given.label, given.path)
    if given.role is not None:
        handling.set_role(SYSTEM, folder.id, None if given.role == "none" else Role(given.role))
    if given.subscribed is not None:
        handling.subscribe(SYSTEM, folder.id, subscribed=_ON[given.subscribed])
    chosen = {name: _ON[value] for name in SWITCHES[:3] if (value := getattr(given, name)) is not None}
    if chosen:
        handling.choose(SYSTEM, folder.id, chosen)
    if given.rename is not None:
        handling.rename_folder(SYSTEM, folder.id, given.rename.split("/"))
    return 0


def fetch(given: argparse.Namespace, _: Configuration) -> int:
    """Once, as soon as `serve` can: for a folder that is not fetched otherwise."""
    handling.fetch_now(SYSTEM, _folder(given.label, given.path).id)
    return 0


def _folders(label: str) -> list[FolderRecord]:
    return reading.folders(SYSTEM, accounts.show(SYSTEM, label).id)


def _folder(label: str, path: str) -> FolderRecord:
    found = next((one for one in _folders(label) if "/".join(one.path) == path), None)
    if found is None:
        raise NotFound("folder-unknown", folder=path)
    return found


def _row(folder: FolderRecord) -> tuple[object, ...]:
    on = {"show": folder.shown, "fetch": folder.fetched, "process": bool(folder.choices.get("process"))}
    switches = " ".join(name for name, holds in (on | {"subscribed": folder.subscribed}).items() if holds)
    return "/".join(folder.path), folder.role.value, folder.total, switches
