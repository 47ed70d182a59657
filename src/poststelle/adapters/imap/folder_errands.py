"""Folders made, renamed, removed and subscribed on the server.

Law: what is done already is left as it is, so that every errand may come twice; a server's refusal counts only if the folders
do not stand as the errand wants them. A folder is never in hand while it is renamed or removed.
This module does not know messages.
"""

from __future__ import annotations

from collections.abc import Sequence

from poststelle.adapters.imap import wire
from poststelle.adapters.imap.command import string
from poststelle.adapters.imap.listing import FolderList
from poststelle.adapters.imap.naming import folder_id, server_name
from poststelle.adapters.imap.session import Answer, Session
from poststelle.errors import FolderMissing, MessageTrouble, Trouble
from poststelle.mail.ports import (
    CreateFolder,
    DeleteFolder,
    FolderErrand,
    Outcome,
    RemoteFolderId,
    RenameFolder,
    Subscribe,
)

_UNUSABLE = frozenset({"\\noselect", "\\nonexistent"})


async def reshape(session: Session, folders: FolderList, errand: FolderErrand) -> Outcome:
    """Carry out an errand about folders. Raises FolderMissing, and MessageTrouble with ``folder-name-impossible``,
    ``folder-exists``, ``inbox-stays`` or ``refused-by-server``."""
    if isinstance(errand, CreateFolder):
        return await _create(session, folders, errand.path)
    name = server_name(errand.folder, utf8=session.utf8)
    if isinstance(errand, Subscribe):
        await _subscribe(session, name, errand)
        return Outcome()
    if name.upper() == b"INBOX":
        raise MessageTrouble("inbox-stays")
    if session.selected is not None:
        await session.let_go()
    if isinstance(errand, RenameFolder):
        return await _rename(session, folders, name, errand)
    return await _delete(session, name, errand)


async def _create(session: Session, folders: FolderList, path: Sequence[str]) -> Outcome:
    name = (await folders.naming()).name(path, await folders.delimiter())
    answer = await session.attempt(b"CREATE", string(name))
    if answer.condition.status != "OK" and not await _is_there(session, name, usable=True):
        raise _refusal(session, answer, b"CREATE", path)
    await session.attempt(b"SUBSCRIBE", string(name))
    return Outcome(folder=folder_id(name, utf8=session.utf8))


async def _rename(session: Session, folders: FolderList, name: bytes, errand: RenameFolder) -> Outcome:
    delimiter = await folders.delimiter()
    new = (await folders.naming()).name(errand.path, delimiter)
    done = Outcome(folder=folder_id(new, utf8=session.utf8))
    if new == name:
        return done
    below = await _names_below(session, name, delimiter)
    answer = await session.attempt(b"RENAME", string(name), string(new))
    if answer.condition.status != "OK":
        if await _is_there(session, name):
            raise _refusal(session, answer, b"RENAME", errand.path)
        if not await _is_there(session, new):
            raise _missing(errand.folder)
    # Subscriptions are names, which RENAME leaves as they were (RFC 9051 section 6.3.6).
    for old in below:
        await session.attempt(b"SUBSCRIBE", string(new + old[len(name) :]))
        await session.attempt(b"UNSUBSCRIBE", string(old))
    return done


async def _delete(session: Session, name: bytes, errand: DeleteFolder) -> Outcome:
    answer = await session.attempt(b"DELETE", string(name))
    if answer.condition.status != "OK" and await _is_there(session, name, usable=True):
        raise _refusal(session, answer, b"DELETE", [errand.folder])
    await session.attempt(b"UNSUBSCRIBE", string(name))
    return Outcome()


async def _subscribe(session: Session, name: bytes, errand: Subscribe) -> None:
    answer = await session.attempt(b"SUBSCRIBE" if errand.subscribed else b"UNSUBSCRIBE", string(name))
    if answer.condition.status != "OK":
        if not await _is_there(session, name):
            raise _missing(errand.folder)
        raise session.refusal(answer.condition, b"SUBSCRIBE")


def _missing(folder: RemoteFolderId) -> FolderMissing:
    return FolderMissing("folder-missing", folder=folder)


def _refusal(session: Session, answer: Answer, verb: bytes, path: Sequence[str]) -> Trouble:
    told = session.told(answer.condition.text)
    if answer.condition.code == "CANNOT":
        return MessageTrouble("folder-name-impossible", path=list(path), answer=told)
    trouble = session.refusal(answer.condition, verb)
    # NONEXISTENT of a folder that is to be made says that its name leads nowhere.
    return MessageTrouble("refused-by-server", answer=told) if isinstance(trouble, FolderMissing) else trouble


async def _is_there(session: Session, name: bytes, *, usable: bool = False) -> bool:
    """Whether the server lists a folder of exactly this name; `usable`: that holds messages, too."""
    answer = await session.command(b"LIST", b'""', string(name))
    return any(
        isinstance(told, wire.Listed)
        and told.name == name
        and "\\nonexistent" not in told.attributes
        and not (usable and told.attributes & _UNUSABLE)
        for told in answer.untagged
    )


async def _names_below(session: Session, name: bytes, delimiter: bytes) -> list[bytes]:
    """The subscribed names of a folder and of those below it."""
    found: list[bytes] = []
    for pattern in (name, name + delimiter + b"*") if delimiter else (name,):
        answer = await session.attempt(b"LSUB", b'""', string(pattern))
        found += [
            told.name
            for told in answer.untagged
            if isinstance(told, wire.Listed) and (told.name == name or told.name.startswith(name + delimiter))
        ]
    return found
