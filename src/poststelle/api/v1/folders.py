"""Folders over HTTP: the tree of an account as a flat list, and what lies in a folder."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Path, Router
from pydantic import Field

from poststelle.api.shapes import Cursor, Limit, Listed, Moment, Shape, listed
from poststelle.api.tokens import actor_of
from poststelle.api.v1.accounts import AccountId
from poststelle.api.v1.messages import Message
from poststelle.mail.records import FolderRecord
from poststelle.office import accounts, reading

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

    @classmethod
    def of(cls, record: FolderRecord) -> Folder:
        """The folder of a record."""
        return cls(
            id=record.id, account=record.account_id, path="/".join(record.path), components=list(record.path),
            name=record.name, role=record.role.value, selectable=record.selectable, total=record.total,
            unread=record.unread, expected=record.expected, set_aside=record.set_aside, synced_at=record.synced_at,
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
