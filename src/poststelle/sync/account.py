"""How one account is kept in step: errands first, then the folders, the inbox before the others.

One session does it all, folder by folder, batch by batch. Between two batches errands are carried out and the inbox is looked
at again, so that a huge folder delays neither what a person does here nor what arrives. A loss that is hard to believe is
looked at once more in a session of its own before it is applied.

This module does not know protocols, the store, or when to come back: that is the caller's, guided by `policy.retry`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from poststelle.errors import FolderMissing, MessageTrouble, TryAgain
from poststelle.mail.ports import Append, Outcome, RemoteFolderId, RemoteId, Role, Source
from poststelle.mail.shelf import Desk, Shelf, Tally
from poststelle.sync.folder import DoubtfulLoss, FolderRound, sync_folder

OpenSource = Callable[[], Awaitable[Source]]

INBOX_GLANCE_SECONDS = 1.0
LOOKS_AT_A_LOSS = 3
_ORDER = {Role.INBOX: 0, Role.SENT: 1, Role.DRAFTS: 2, Role.NONE: 3, Role.ARCHIVE: 4, Role.TRASH: 5, Role.SPAM: 6}


async def carry_out_errands(source: Source, desk: Desk) -> frozenset[RemoteFolderId]:
    """Tell the server what was changed here; the folders that got messages by it.

    Passing trouble is raised and leaves the errand open.
    """
    filled: set[RemoteFolderId] = set()
    while errands := await desk.errands():
        for number, errand in errands:
            try:
                outcome = await source.perform(errand)
            except FolderMissing:
                outcome = Outcome(gone=frozenset(getattr(errand, "ids", ())))
            except MessageTrouble as trouble:
                await desk.refused(number, trouble)
                continue
            await desk.performed(number, outcome)
            if isinstance(errand, Append):
                filled.add(errand.folder)
    return frozenset(filled)


async def sync_account(open_source: OpenSource, source: Source, desk: Desk) -> Mapping[str, Tally]:
    """One full round over `source`, which stays open. Tallies by remote folder id.

    `open_source` opens a second session where a large loss has to be confirmed.
    """
    await carry_out_errands(source, desk)
    shelves = sorted(await desk.reconcile(await source.folders()), key=lambda shelf: _ORDER[shelf.role])
    inbox = next((shelf for shelf in shelves if shelf.role is Role.INBOX), None)
    tallies: dict[str, Tally] = {}
    glanced = time.monotonic()
    for shelf in shelves:
        async with CarefulRound(open_source, source, shelf) as folder:
            more = True
            while more:
                try:
                    done, more = await folder.step()
                except FolderMissing:
                    break
                tallies[shelf.folder] = tallies.get(shelf.folder, Tally()) + done
                if more and time.monotonic() - glanced > INBOX_GLANCE_SECONDS:
                    await folder.settle()
                    await carry_out_errands(source, desk)
                    if inbox is not None and inbox is not shelf:
                        with suppress(FolderMissing):
                            seen = tallies.get(inbox.folder, Tally())
                            tallies[inbox.folder] = seen + await sync_one(open_source, source, inbox)
                    glanced = time.monotonic()
    return tallies


async def sync_one(open_source: OpenSource, source: Source, shelf: Shelf) -> Tally:
    """Bring one folder up to date: what a push asks for."""
    async with CarefulRound(open_source, source, shelf) as folder:
        tally, more = await folder.step()
        while more:
            done, more = await folder.step()
            tally += done
        return tally


class CarefulRound:
    """A `FolderRound` that looks again, in a session of its own, where a large loss has to be believed. A context manager."""

    def __init__(self, open_source: OpenSource, source: Source, shelf: Shelf) -> None:
        self._open_source = open_source
        self._source = source
        self._shelf = shelf
        self._round = FolderRound(source, shelf)

    async def __aenter__(self) -> CarefulRound:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._round.abandon()

    async def step(self) -> tuple[Tally, bool]:
        """As `FolderRound.step`, without DoubtfulLoss."""
        try:
            return await self._round.step()
        except DoubtfulLoss as loss:
            # That session brought the whole folder up to date; this one is not believed in this folder any more.
            return await self._look_again(loss.gone), False

    async def settle(self) -> None:
        """As `FolderRound.settle`."""
        await self._round.settle()

    async def _look_again(self, doubted: frozenset[RemoteId]) -> Tally:
        for _ in range(LOOKS_AT_A_LOSS):
            fresh = await self._open_source()
            try:
                await fresh.folders()
                return await sync_folder(fresh, self._shelf, doubted=doubted)
            except DoubtfulLoss as loss:
                doubted = loss.gone
            finally:
                await fresh.close()
        raise TryAgain("loss-keeps-changing")
