"""An IMAP mailbox as a `Source`.

Law: folders are addressed by the bytes the server listed (as Latin-1 text), messages by UIDVALIDITY and UID; both are checked
against the selected folder before each use (Q2, Q3). Bodies are fetched by BODY.PEEK[], so nothing is marked as read.
This module does not know what is done with what it reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap import command, errands, wire
from poststelle.adapters.imap.changes import BATCH_BYTES, UNTOLD_SIZE, Mark, Round
from poststelle.adapters.imap.folder_errands import reshape
from poststelle.adapters.imap.listing import FolderList
from poststelle.adapters.imap.lookup import described, metadata, present, remote_id, search, search_text, split_id
from poststelle.adapters.imap.opening import settle
from poststelle.adapters.imap.quirks import Quirks
from poststelle.adapters.imap.session import Session, open_session
from poststelle.adapters.imap.watching import Watch
from poststelle.errors import CursorLost, MessageTrouble, NeedsAttention
from poststelle.mail.ports import (
    Append,
    Arrival,
    Batch,
    ChangeFlags,
    Copy,
    Cursor,
    Delete,
    Errand,
    Move,
    Outcome,
    Quota,
    RawMessage,
    RemoteFolder,
    RemoteFolderId,
    RemoteId,
    Role,
    Unfetchable,
)
from poststelle.mail.settings import Endpoint, Login

_PER_FETCH = 400
_ROOM_FOR_LIES = 32 * 1024 * 1024
"""How much more than twice what it announced a server may send."""

_FRESH_SECONDS = 30.0
"""How long a folder list may stand for the folders' state."""


class ImapSource:
    """`Source` over one IMAP session. Made by `open_source`."""

    def __init__(self, session: Session, *, quirks: Quirks | None = None, inbox_is_root: bool = False) -> None:
        self._session = session
        self._quirks = quirks or Quirks()
        self._folders = FolderList(session, inbox_is_root=inbox_is_root)
        self._trash: RemoteFolderId | None = None
        self._round: tuple[RemoteFolderId, Round] | None = None
        self._watch = Watch(session)
        self._sizes: dict[RemoteId, int] = {}
        self._listed_at = 0.0
        self._has_others = False

    # -- folders -----------------------------------------------------------------------------------------------------

    async def folders(self) -> Sequence[RemoteFolder]:
        """See `Source.folders`. Of rights, what the list carries, and those in folders of other owners."""
        self._listed_at = asyncio.get_running_loop().time()
        found = await self._folders.folders()
        self._trash = next((folder.id for folder in found if folder.role is Role.TRASH), None)
        self._has_others = any(folder.owner and folder.selectable for folder in found)
        return found

    # -- what changed ------------------------------------------------------------------------------------------------

    async def changes(self, folder: RemoteFolderId, since: Cursor | None) -> Batch:
        """See `Source.changes`."""
        mark = Mark.of(since) if since is not None else None
        if self._round is None or self._round[0] != folder or self._round[1].cursor != since:
            self._round = None
            if mark is not None and self._is_current(folder, mark):
                return Batch(mark.cursor)
            self._folders.states.pop(folder, None)
            selection = await self._session.hold(folder, anew=True)
            self._watch.seen[folder] = selection.state
            if mark is not None and mark.is_current(*selection.state):
                return Batch(mark.cursor)
            self._round = (folder, await Round.begin(self._session, selection, mark))
        current = self._round[1]
        if (await self._session.hold(folder)).uid_validity != current.uid_validity:
            self._round = None
            raise CursorLost("uidvalidity-changed")
        batch = await current.batch()
        self._sizes = {arrival.id: arrival.size for arrival in batch.arrivals}
        if not batch.more:
            self._round = None
        return batch

    def is_current(self, folder: RemoteFolderId, since: Cursor) -> bool:
        """See `Source.is_current`; servers with LIST-STATUS and CONDSTORE say it."""
        try:
            return self._is_current(folder, Mark.of(since))
        except CursorLost:
            return False

    def _is_current(self, folder: RemoteFolderId, mark: Mark) -> bool:
        announced = self._folders.states.get(folder)
        too_long_ago = asyncio.get_running_loop().time() - self._listed_at > _FRESH_SECONDS
        if announced is None or too_long_ago or not mark.is_current(*announced):
            return False
        self._watch.seen[folder] = self._folders.states.pop(folder)
        return True

    # -- bodies ------------------------------------------------------------------------------------------------------

    async def fetch(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> AsyncIterator[RawMessage | Unfetchable]:
        """See `Source.fetch`. Ids of another UIDVALIDITY than the folder's are gone."""
        selection = await self._session.hold(folder)
        uids = []
        for message in ids:
            uid_validity, uid = split_id(message)
            if uid_validity == selection.uid_validity:
                uids.append(uid)
            else:
                yield Unfetchable(message, "gone", gone=True)
        sizes = await self._sizes_of(selection.uid_validity, uids)
        for uid, size in sizes.items():
            if size > self._session.limits.literal:
                yield Unfetchable(remote_id(selection.uid_validity, uid), "too-large")
        for group in _groups(sizes, self._session.limits.literal):
            told = [sizes[uid] for uid in group]
            most = 2 * sum(told) + _ROOM_FOR_LIES if min(told) > 0 else None
            for found in await self._fetch_group(selection.uid_validity, group, most):
                yield found

    async def _sizes_of(self, uid_validity: int, uids: Sequence[int]) -> dict[int, int]:
        """Announced size by UID, for every UID asked for; ascending."""
        sizes = {uid: self._sizes.get(remote_id(uid_validity, uid), -1) for uid in sorted(uids)}
        unknown = [uid for uid, size in sizes.items() if size < 0]
        for start in range(0, len(unknown), _PER_FETCH):
            told = await metadata(self._session, unknown[start : start + _PER_FETCH], b"(UID RFC822.SIZE)")
            sizes.update((uid, fetched.size or 0) for uid, fetched in told.items())
        return sizes

    async def _fetch_group(
        self, uid_validity: int, uids: Sequence[int], most: int | None
    ) -> list[RawMessage | Unfetchable]:
        told = await metadata(self._session, uids, b"(UID BODY.PEEK[])", most)
        bodies = {uid: fetched.body for uid, fetched in told.items() if fetched.body is not None}
        # NIL is what a server may answer for a message that was just expunged, too.
        there = await present(self._session, [uid for uid in uids if uid not in bodies])
        found: list[RawMessage | Unfetchable] = []
        for uid in uids:
            message = remote_id(uid_validity, uid)
            if uid in bodies:
                found.append(RawMessage(message, bodies[uid]))
            elif uid not in there:
                found.append(Unfetchable(message, "gone", gone=True))
            else:
                found.append(Unfetchable(message, "no-body" if uid in told else "not-delivered"))
        return found

    # -- errands -----------------------------------------------------------------------------------------------------

    async def perform(self, errand: Errand) -> Outcome:
        """See `Source.perform`. MessageTrouble: ``refused-by-server`` for what the server will not do, ``errand-unsendable`` for
        flags or ids that IMAP has no spelling for, ``inbox-stays``, ``folder-exists``, ``folder-name-impossible``."""
        try:
            if isinstance(errand, Append):
                return await errands.append(self._session, errand)
            if isinstance(errand, (ChangeFlags, Move, Copy, Delete)):
                if isinstance(errand, Delete) and self._quirks.delete_in_trash and self._trash is None:
                    await self.folders()
                return await errands.change(self._session, errand, self._quirks, self._trash)
            return await reshape(self._session, self._folders, errand)
        except ValueError as error:
            raise MessageTrouble("errand-unsendable") from error

    # -- looking without a cursor ------------------------------------------------------------------------------------

    async def census(self, folder: RemoteFolderId) -> frozenset[RemoteId]:
        """See `Source.census`."""
        selection = await self._session.hold(folder, anew=True)
        return frozenset(remote_id(selection.uid_validity, uid) for uid in await search(self._session, b"ALL"))

    async def describe(self, folder: RemoteFolderId, ids: Sequence[RemoteId]) -> Sequence[Arrival]:
        """See `Source.describe`."""
        selection = await self._session.hold(folder)
        uids = sorted(uid for uid_validity, uid in map(split_id, ids) if uid_validity == selection.uid_validity)
        return await described(self._session, selection.uid_validity, uids)

    async def window(self, folder: RemoteFolderId, before: Arrival | None, limit: int) -> Sequence[Arrival]:
        """See `Source.window`. Newest means the highest UID."""
        selection = await self._session.hold(folder, anew=before is None)
        top = before.ordinal - 1 if before else 0xFFFFFFFF
        found = await search(self._session, b"UID 1:%d" % top) if top > 0 else ()
        return await described(self._session, selection.uid_validity, [uid for uid in found if uid <= top][-limit:])

    async def search(self, folder: RemoteFolderId, words: Sequence[str], limit: int) -> Sequence[Arrival]:
        """See `Source.search`; RFC 9051 SEARCH TEXT. A server that knows no UTF-8 finds nothing but ASCII words."""
        selection = await self._session.hold(folder, anew=True)
        try:
            found = await search_text(self._session, words)
        except ValueError as error:
            raise MessageTrouble("search-unsupported") from error
        return await described(self._session, selection.uid_validity, found[-limit:])

    async def quota(self) -> Quota | None:
        """See `Source.quota`; the fullest of the inbox's storage limits (RFC 9208)."""
        if "QUOTA" not in self._session.capable:
            return None
        answer = await self._session.attempt(b"GETQUOTAROOT", command.string(b"INBOX"))
        told = [root.resources.get("STORAGE", (0, 0)) for root in answer.untagged if isinstance(root, wire.QuotaRoot)]
        limits = [Quota(used * 1024, limit * 1024) for used, limit in told if limit]
        return max(limits, key=lambda quota: quota.used / quota.limit, default=None)

    # -- waiting -----------------------------------------------------------------------------------------------------

    @property
    def tells_everything(self) -> bool:
        """NOTIFY is in force and all folders are ours, which are those it is asked about: `wait` reports changes in any."""
        return self._session.noticed is not None and not self._has_others

    async def wait(self, watched: RemoteFolderId, timeout: float) -> frozenset[RemoteFolderId] | None:
        """See `Source.wait`. Other folders than the watched one are reported where the server has NOTIFY."""
        return await self._watch.wait(watched, timeout)

    async def close(self) -> None:
        """See `Source.close`."""
        await self._session.close()


def _groups(sizes: dict[int, int], largest: int) -> list[list[int]]:
    """UIDs that are fetched together: a few MB, or one bigger message alone."""
    groups: list[list[int]] = [[]]
    total = 0
    for uid, size in sizes.items():
        if size > largest:
            continue
        if groups[-1] and (total + (max(size, 0) or UNTOLD_SIZE) > BATCH_BYTES or len(groups[-1]) >= _PER_FETCH):
            groups.append([])
            total = 0
        groups[-1].append(uid)
        total += max(size, 0) or UNTOLD_SIZE
    return [group for group in groups if group]


async def open_source(
    endpoint: Endpoint,
    login: Login,
    *,
    egress: EgressPolicy,
    tls: Trust,
    limits: wire.Limits | None = None,
    bulk: bool = False,
    inbox_is_root: bool = False,
) -> ImapSource:
    """Connect and log in. Raises `Trouble`; a way in that is no IMAP is a mistake of the caller (NeedsAttention).

    `bulk`: the session will carry much, so it is compressed where the server offers that; not worth its memory for one that waits.
    `inbox_is_root`: our folders lie below the inbox ("INBOX.Akten"), and paths do not show it.
    """
    if endpoint.protocol != "imap":
        raise NeedsAttention(
            "wrong-protocol", host=endpoint.host, port=endpoint.port, expected="imap", got=endpoint.protocol
        )
    session = await open_session(endpoint, login, egress=egress, tls=tls, limits=limits)
    try:
        quirks = await settle(session, bulk=bulk)
    except BaseException:
        await session.close()
        raise
    return ImapSource(session, quirks=quirks, inbox_is_root=inbox_is_root)
