"""Folders over HTTP: the tree of an account as a flat list, and what lies in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Body, Path, Router, Status
from pydantic import Field

from poststelle.api.shapes import Cursor, Given, Limit, Listed, Moment, Shape, listed
from poststelle.api.tokens import actor_of
from poststelle.api.v1.accounts import AccountId
from poststelle.api.v1.messages import Handled, Message
from poststelle.errors import Invalid
from poststelle.mail.ports import Role
from poststelle.mail.records import FolderRecord
from poststelle.office import accounts, handling, reading, special_folders

router = Router(tags=["folders"], by_alias=True)

FolderId = Annotated[str, Path(description="The folder's `id`.")]


class Folder(Shape):
    """A folder of an account."""

    id: str = Field(description="Identifies the folder for good.")
    account: str = Field(description="Id of its account.")
    path: str = Field(description="Its names from the outermost on, joined with `/`; for people.")
    components: list[str] = Field(description="The same as a list: a name may contain `/` itself.")
    name: str = Field(description="The last of them.")
    role: Literal["inbox", "sent", "drafts", "trash", "spam", "archive", "none"] = Field(description="What it is for.")
    selectable: bool = Field(description="Whether it can hold messages.")
    total: int = Field(description="Messages held here.")
    unread: int = Field(description="Those of them nobody has read.")
    expected: int = Field(description="Messages the server holds, as far as known.")
    set_aside: int = Field(description="Messages the server holds that could not be taken.")
    synced_at: Moment | None = Field(description="When it was last brought up to date.")
    place: Literal["remote", "local"] = Field(description="`remote`: on the server; `local`: kept here only.")
    subscribed: bool = Field(description="Whether it is subscribed.")
    owner: str = Field(description="Whose it is where somebody shares it; empty for one's own.")
    show: bool = Field(description="Whether it stands in the folder tree.")
    fetch: bool = Field(description="Whether its messages are fetched.")
    process: bool = Field(description="Whether its messages are processed like incoming mail.")

    @classmethod
    def of(cls, record: FolderRecord) -> Folder:
        """The folder of a record."""
        return cls(
            id=record.id, account=record.account_id, path="/".join(record.path), components=list(record.path),
            name=record.name, role=record.role.value, selectable=record.selectable, total=record.total,
            unread=record.unread, expected=record.expected, set_aside=record.set_aside, synced_at=record.synced_at,
            place="remote" if record.place == "remote" else "local", subscribed=record.subscribed, owner=record.owner,
            show=record.shown, fetch=record.fetched,
            process=bool(record.choices.get("process", False)),
        )  # fmt: skip


@router.get("/accounts/{account}/folders", response=Listed[Folder])
def list_folders(request: HttpRequest, account: AccountId) -> Listed[Folder]:
    """All folders of an account in one list, those without messages and those that cannot hold any included."""
    actor = actor_of(request)
    record = accounts.show(actor, account)
    return Listed(items=[Folder.of(folder) for folder in reading.folders(actor, record.id)], next=None)


@router.get("/folders/{folder}", response=Folder)
def show_folder(request: HttpRequest, folder: FolderId) -> Folder:
    """One folder."""
    return Folder.of(reading.folder(actor_of(request), folder))


@router.get("/folders/{folder}/messages", response=Listed[Message])
def list_messages(request: HttpRequest, folder: FolderId, limit: Limit = 50, cursor: Cursor = None) -> Listed[Message]:
    """What lies in a folder, newest first: one item per placement, so a message kept twice is there twice."""
    return listed(reading.page(actor_of(request), folder, limit, cursor), Message.of)


class Choices(Given):
    """What people set about a folder; what is left out stays."""

    show: bool | None = Field(None, description="Whether it stands in the folder tree.")
    fetch: bool | None = Field(None, description="Whether its messages are fetched.")
    process: bool | None = Field(None, description="Whether its messages are processed like incoming mail.")


class NewFolder(Given):
    """A folder to be made."""

    path: str | list[str] = Field(description="Its names from the outermost on: a list, or joined with `/`.")


class FolderChanges(Given):
    """What to change about a folder."""

    path: str | list[str] | None = Field(None, description="Its new names: what lies below it moves along.")
    role: Literal["sent", "drafts", "trash", "spam", "archive", "none"] | None = Field(
        None, description="What it is for; `none`: what the server says."
    )
    subscribed: bool | None = Field(None, description="Whether it is subscribed, here and on the server.")
    choices: Choices | None = Field(None, description="Whether it is shown, fetched, processed.")


def _names(path: str | Sequence[str]) -> list[str]:
    return path.split("/") if isinstance(path, str) else [*path]


@router.post("/accounts/{account}/folders", response={201: Folder})
def create_folder(request: HttpRequest, account: AccountId, folder: Annotated[NewFolder, Body()]) -> Status[Folder]:
    """Make a folder, here at once and on the server soon. Takes the right *process*."""
    actor = actor_of(request)
    record = accounts.show(actor, account)
    made = handling.create_folder(actor, record.id, _names(folder.path))
    return Status(201, Folder.of(reading.folder(actor, made)))


@router.post("/accounts/{account}/folders/special", response={201: Listed[Folder]})
def create_special_folders(request: HttpRequest, account: AccountId) -> Status[Listed[Folder]]:
    """Make every special folder that is missing (sent, drafts, trash, spam, archive), named as its neighbours are. Takes *process*.

    Answers with those that were made.
    """
    made = special_folders.create(actor_of(request), account)
    return Status(201, Listed(items=[Folder.of(one) for one in made], next=None))


@router.patch("/folders/{folder}", response=Folder)
def change_folder(request: HttpRequest, folder: FolderId, changes: Annotated[FolderChanges, Body()]) -> Folder:
    """Rename it, set what it is for, whether it is subscribed, shown, fetched and processed. Takes the right *process*."""
    actor = actor_of(request)
    if changes.path is not None:
        handling.rename_folder(actor, folder, _names(changes.path))
    if changes.role is not None:
        handling.set_role(actor, folder, None if changes.role == "none" else Role(changes.role))
    if changes.subscribed is not None:
        handling.subscribe(actor, folder, subscribed=changes.subscribed)
    if changes.choices is not None:
        chosen = {name: value for name, value in changes.choices.model_dump().items() if value is not None}
        if not chosen:
            raise Invalid({"choices": "missing"})
        handling.choose(actor, folder, chosen)
    return Folder.of(reading.folder(actor, folder))


@router.post("/folders/{folder}/fetch", response={202: Folder})
def fetch_folder(request: HttpRequest, folder: FolderId) -> Status[Folder]:
    """Fetch what the folder holds now, once, as soon as can be: for a folder that is not fetched otherwise. Takes *process*."""
    actor = actor_of(request)
    handling.fetch_now(actor, folder)
    return Status(202, Folder.of(reading.folder(actor, folder)))


@router.delete("/folders/{folder}", response=Handled)
def delete_folder(request: HttpRequest, folder: FolderId) -> Handled:
    """Remove the folder with everything in and below it, here at once and on the server in ten seconds."""
    return Handled.of(handling.delete_folder(actor_of(request), folder))


@router.post("/undo/{token}", response=Handled)
def undo(request: HttpRequest, token: Annotated[str, Path(description="The `undo` of what was done.")]) -> Handled:
    """Take back what the caller did, as far as it can be: what was moved moves back."""
    return Handled.of(handling.undo(actor_of(request), token))
