"""How the server is told what was changed here: one errand after the other, in the order people made them.

Passing trouble leaves an errand open for the next round; what the server will never do is closed with its reason and undone
here. Where a folder is not to be found, the folders are listed anew and the errand is tried once more: it may have another name.

This module does not know protocols, the store, or when to come back.
"""

from __future__ import annotations

from poststelle.errors import FolderMissing, MessageTrouble
from poststelle.mail.ports import Append, Copy, Errand, Move, RemoteFolderId, Source
from poststelle.mail.shelf import Desk


async def carry_out_errands(source: Source, desk: Desk) -> frozenset[RemoteFolderId]:
    """Tell the server what was changed here; the folders that got messages by it.

    Passing trouble is raised and leaves the errand open.
    """
    filled: set[RemoteFolderId] = set()
    missed: set[str] = set()
    while errands := await desk.errands():
        for number, errand in errands:
            try:
                outcome = await source.perform(errand)
            except FolderMissing:
                if number in missed:
                    await desk.refused(number, MessageTrouble("folder-missing"))
                    continue
                missed.add(number)
                await desk.reconcile(await source.folders())
                # Folders may have other names now, and errands about those that are gone are settled.
                break
            except MessageTrouble as trouble:
                await desk.refused(number, trouble)
                continue
            await desk.performed(number, outcome)
            filled.update(_filled_by(errand))
    return frozenset(filled)


def _filled_by(errand: Errand) -> tuple[RemoteFolderId, ...]:
    if isinstance(errand, Append):
        return (errand.folder,)
    return (errand.target,) if isinstance(errand, Move | Copy) else ()
