"""Live view: folders that are not fetched, looked at on their server when somebody opens them.

Looking takes the right *see*. A look is asked for (`want`, `search`), answered by whoever holds the session (`show`), and its state
says how that went; what it showed lies in the ordinary lists, for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from poststelle.errors import FolderMissing, Invalid, MessageTrouble, Trouble
from poststelle.mail.ports import RemoteFolderId, Source
from poststelle.mail.records import LookRecord, PlacementRecord
from poststelle.office.actor import Actor
from poststelle.policy.scheduling import Limits
from poststelle.store import doubts, live, messages, rounds
from poststelle.store.desk import AccountDesk
from poststelle.store.shelf import Tools
from poststelle.store.ways import Access
from poststelle.sync import live as looking
from poststelle.sync.folder import Alive

MOST_WORDS, LONGEST_WORD = 10, 100
_LARGEST_SHARE = 4


class Opened(Protocol):
    """What a look needs of an open account (`office.incoming.OpenAccount`)."""

    @property
    def access(self) -> Access: ...
    @property
    def source(self) -> Source: ...
    @property
    def desk(self) -> AccountDesk: ...
    @property
    def tools(self) -> Tools: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def alive(self) -> Alive: ...
    def is_fetching(self, folder: RemoteFolderId) -> bool: ...


def is_live(actor: Actor, folder: str) -> bool:
    """Whether the folder is looked at on its server instead of being fetched. Raises NotFound."""
    return live.is_live(actor.reach, folder)


def want(actor: Actor, folder: str, before: str | None = None) -> LookRecord:
    """Look at the newest messages of the folder, or at those behind `before` (a message's id). Raises NotFound, Conflict."""
    return live.want(actor.reach, folder, before, ())


def want_further(actor: Actor, folder: str) -> LookRecord:
    """Look at what lies behind everything shown so far. Raises NotFound, Conflict."""
    return live.want(actor.reach, folder, live.oldest(actor.reach, folder), ())


def search(actor: Actor, folder: str, words: Sequence[str]) -> LookRecord:
    """Have the server itself search the folder for all of these words. Raises NotFound, Conflict, Invalid."""
    wanted = [word.strip() for word in words if word.strip()]
    if not wanted:
        raise Invalid({"words": "missing"})
    if len(wanted) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in wanted):
        raise Invalid({"words": "too-long"})
    if not all(word.isprintable() for word in wanted):
        raise Invalid({"words": "control-character"})
    return live.want(actor.reach, folder, None, wanted)


def state(actor: Actor, folder: str, look: str | None = None) -> LookRecord | None:
    """How that look went, or the latest one at the folder; None where there was none lately. Raises NotFound."""
    return live.state(actor.reach, folder, look)


def found(actor: Actor, look: LookRecord) -> list[PlacementRecord]:
    """The messages a look showed, as far as they lie where the actor may see them and have not gone since."""
    record = messages.folder(actor.reach, look.folder_id)
    here = messages.by_ids(look.found)
    return [here[number] for number in look.found if number in here and here[number].folder_id == record.id]


def waiting() -> set[str]:
    """Accounts in which somebody waits for a look. Only the system asks."""
    return live.waiting()


def failed(account: str, trouble: Trouble | None = None) -> None:
    """Tell whoever waits in this account that nothing can be looked at. Only the system does."""
    live.failed(account, trouble)


async def show(opened: Opened) -> None:
    """Answer all open looks of the account, in their order. Raises Trouble."""
    write, account = opened.tools.write, opened.access.account
    while (wish := await write(live.following, account)) is not None:
        if opened.is_fetching(wish.remote.id):
            # Whoever fetches it brings what is wanted, and more.
            await write(lambda number=wish.number: live.answered(number, [], more=False))
            continue
        try:
            await _show(opened, wish)
        except FolderMissing as error:
            await write(live.refused, wish.number, error)
            await opened.desk.reconcile(await opened.source.folders())
        except MessageTrouble as error:
            await write(live.refused, wish.number, error)


async def look_for_doubtful(opened: Opened) -> bool:
    """Look, in folders that are not fetched, for what errands have put there or missed there; whether there was anything to look for.

    Raises Trouble.
    """
    write, account = opened.tools.write, UUID(opened.access.account)
    folders = await write(doubts.folders, account)
    for wish in folders:
        shelf = live.LiveShelf(opened.tools, opened.access.pool, account, wish)
        largest = opened.limits.cache_bytes // _LARGEST_SHARE
        try:
            sizes = (await write(doubts.sought, wish.folder)).sizes
            await looking.newest(opened.source, shelf, sizes, largest=largest, alive=opened.alive)
            for name in (await write(doubts.sought, wish.folder)).message_ids:
                await looking.search(opened.source, shelf, [name], largest=largest, alive=opened.alive)
        except (FolderMissing, MessageTrouble):
            pass  # what cannot be looked for there will not be seen there
        await write(doubts.looked, opened.access.pool, account, wish.folder)
    return bool(folders)


async def _show(opened: Opened, wish: live.Wish) -> None:
    write = opened.tools.write
    shelf = live.LiveShelf(opened.tools, opened.access.pool, UUID(opened.access.account), wish)
    room = opened.limits.cache_bytes
    largest = room // _LARGEST_SHARE
    if wish.words:
        shown, tally = await looking.search(opened.source, shelf, wish.words, largest=largest, alive=opened.alive)
    else:
        shown, tally = await looking.window(opened.source, shelf, wish.before, largest=largest, alive=opened.alive)
    if tally.bytes:
        await write(rounds.note_traffic, opened.access.account, tally.bytes)
    if not wish.words:
        await write(live.looked, wish.folder)
    placed = await shelf.placed(shown)
    await write(lambda: live.answered(wish.number, placed, more=len(shown) >= looking.WINDOW))
    await live.make_room(opened.tools, room)
