"""Looks at folders that are not fetched: what people want to see there, and the shelf on which an engine puts what it found.

Law: a wish is a row; it is answered once, with what was found or with why nothing was. What is found lies in the cache
(`store.cache`) and nowhere else. This module does not know servers, rights, or when a look is worth its while.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from poststelle.errors import Conflict, NotFound, PoststelleError
from poststelle.mail.ports import Arrival, RemoteFolder, RemoteFolderId, RemoteId, Role
from poststelle.mail.records import LookRecord, TroubleRecord
from poststelle.mail.settings import Right
from poststelle.mail.shelf import Observation, Tally
from poststelle.store import cache, disk, models, places
from poststelle.store.access import Reach, granted_folders
from poststelle.store.application import Kept, apply, message_ids
from poststelle.store.blobs import Origin, Raw, Written
from poststelle.store.rows import all_rows, change, chunks, column, flags_from, marks, stored
from poststelle.store.shelf import FolderShelf, Tools
from poststelle.store.trouble import trouble_column

FRESH = timedelta(seconds=2)
"""Whoever asks again so soon is shown what was found."""

REMEMBERED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """An open wish of an account. `before`: what the server has behind this one is wanted; `words`: what it finds."""

    number: int
    folder: UUID
    remote: RemoteFolder
    before: Arrival | None
    words: Sequence[str]


def is_live(reach: Reach, folder: str) -> bool:
    """Whether a folder that can be seen is not fetched, and looked at on its server. Raises NotFound."""
    return cache.is_live(_visible(reach, folder))


def want(reach: Reach, folder: str, before: str | None, words: Sequence[str]) -> LookRecord:
    """Have the server looked at; the same wish, where it is open or has just been answered well. Raises NotFound, Conflict."""
    row = _visible(reach, folder)
    if not cache.is_live(row):
        raise Conflict("folder-not-live")
    behind = _number(before) if before is not None else None
    known = behind is not None and models.Placement.objects.filter(pk=behind, folder=row).exists()
    if before is not None and not known:
        raise NotFound("message-unknown", message=before)
    now = timezone.now()
    with transaction.atomic():
        models.LiveWish.objects.filter(folder=row, answered_at__lt=now - REMEMBERED).delete()
        same = models.LiveWish.objects.filter(
            Q(answered_at=None) | Q(answered_at__gt=now - FRESH, answered_at__lte=now, trouble=None),
            folder=row, before=behind, words=list(words),
        ).first()  # fmt: skip
        if same is None:
            same = models.LiveWish.objects.create(folder=row, before=behind, words=list(words), asked_at=now)
    return _record(same)


def state(reach: Reach, folder: str, look: str | None = None) -> LookRecord | None:
    """That look, or the latest at the folder itself; None where nobody has looked lately. Raises NotFound."""
    row = _visible(reach, folder)
    looks = models.LiveWish.objects.filter(folder=row)
    if look is None:
        found = looks.filter(words=[]).order_by("-id").first()
        return _record(found) if found is not None else None
    found = looks.filter(pk=int(look)).first() if look.isascii() and look.isdigit() and len(look) < 19 else None
    if found is None:
        raise NotFound("look-unknown", look=look)
    return _record(found)


def oldest(reach: Reach, folder: str) -> str | None:
    """The placement furthest back in what the server has shown of the folder."""
    rows = column(
        f"SELECT id FROM store_placement WHERE folder_id = %s AND {places.OURS} ORDER BY ordinal LIMIT 1",  # noqa: S608
        [_visible(reach, folder).pk.hex],
    )
    return str(UUID(rows[0])) if rows else None


# -- what an engine does about it ------------------------------------------------------------------------------------


def waiting() -> set[str]:
    """Accounts with an open wish."""
    return {str(number) for number in _open().values_list("folder__account_id", flat=True).distinct()}


def following(account: str) -> Wish | None:
    """The oldest open wish of the account that can still be granted; those that cannot are answered."""
    for row in _open().filter(folder__account_id=account).select_related("folder__account").order_by("id"):
        if not cache.is_live(row.folder):
            answered(row.pk, [], more=False)
            continue
        folder = row.folder
        remote = RemoteFolder(RemoteFolderId(folder.remote_id), tuple(folder.path), Role(folder.role))
        return Wish(row.pk, folder.pk, remote, _arrival(row.before), tuple(row.words))
    return None


def answered(wish: int, found: Sequence[str], *, more: bool) -> None:
    """The server has been looked at; what it showed, as placements."""
    models.LiveWish.objects.filter(pk=wish).update(answered_at=timezone.now(), found=list(found), more=more)


def refused(wish: int, error: PoststelleError) -> None:
    """This look cannot be had."""
    models.LiveWish.objects.filter(pk=wish).update(answered_at=timezone.now(), trouble=trouble_column(error))


def failed(account: str, error: PoststelleError | None = None) -> None:
    """Nothing can be looked at in this account now: for the reason given, or the one the account is out of action for."""
    if error is None:
        row = models.Account.objects.filter(pk=account).first()
        known = row.trouble if row is not None and row.active else None
        told = known or trouble_column(Conflict("not-connected"))
    else:
        told = trouble_column(error)
    _open().filter(folder__account_id=account).update(answered_at=timezone.now(), trouble=told)


class LiveShelf(FolderShelf):
    """A folder that is not fetched. What is kept lies in the cache; what is applied says nothing of how far the folder was read."""

    def __init__(self, tools: Tools, pool: int, account: UUID, wish: Wish) -> None:
        super().__init__(tools, pool, account, wish.folder, wish.remote)

    async def apply(self, seen: Observation) -> Tally:
        kept: Kept = seen.kept if seen.kept is not None else Kept()
        await self._adopt(seen.arrivals, kept)
        now = timezone.now()
        write = self._tools.write
        return await write(lambda: apply(self._pool, self._account, self._id, seen, kept, cached_at=now))

    async def beside(self, shown: Sequence[Arrival], *, below: int | None, whole: bool) -> Sequence[RemoteId]:
        """What lies here, and was not shown, in the part of the folder the server was asked about: what is older than the ordinal
        `below`, down to the last one shown, or (`whole`) to the folder's end."""
        low = min((arrival.ordinal for arrival in shown), default=0)
        return await self._tools.write(self._beside, {arrival.id for arrival in shown}, below, None if whole else low)

    async def lasting(self, ids: Collection[RemoteId]) -> Sequence[RemoteId]:
        """Those of these that are kept for good."""
        return await self._tools.write(self._lasting, list(ids))

    async def placed(self, shown: Sequence[Arrival]) -> Sequence[str]:
        """The placements of these, in their order."""
        return await self._tools.write(self._placed, [arrival.id for arrival in shown])

    def _write(self, parcels: Sequence[tuple[Origin, bytes, Raw]]) -> Written:
        disk.leave_room()
        return self._tools.segments.write(parcels, cached=True)

    def _held_contents(self, contents: Sequence[bytes]) -> set[bytes]:
        return set(message_ids(self._pool, contents))

    def _beside(self, shown: Collection[str], below: int | None, low: int | None) -> list[RemoteId]:
        rows = all_rows(
            f"SELECT remote_id, ordinal FROM store_placement WHERE folder_id = %s AND {places.OURS} UNION ALL"  # noqa: S608
            " SELECT remote_id, ordinal FROM store_setaside WHERE folder_id = %s",
            [self._id.hex] * 2,
        )
        return [
            RemoteId(remote)
            for remote, ordinal in rows
            if remote not in shown and (below is None or ordinal < below) and (low is None or ordinal >= low)
        ]

    def _lasting(self, ids: Sequence[RemoteId]) -> list[RemoteId]:
        found: list[RemoteId] = []
        for some in chunks(ids):
            found += column(
                "SELECT remote_id FROM store_placement WHERE folder_id = %s AND cached_at IS NULL"  # noqa: S608
                f" AND remote_id IN ({marks(some)})",
                [self._id.hex, *some],
            )
        return found

    def _placed(self, remotes: Sequence[str]) -> list[str]:
        found: dict[str, str] = {}
        for some in chunks(remotes):
            found |= dict(
                all_rows(
                    f"SELECT remote_id, id FROM store_placement WHERE folder_id = %s AND remote_id IN ({marks(some)})",  # noqa: S608
                    [self._id.hex, *some],
                )
            )
        return [str(UUID(found[remote])) for remote in remotes if remote in found]


def looked(folder: UUID) -> None:
    """The folder is as its server showed it."""
    change("UPDATE store_folder SET synced_at = %s WHERE id = %s", [stored(timezone.now()), folder.hex])


async def make_room(tools: Tools, most_bytes: int) -> None:
    """Keep the cache within its bounds."""
    await tools.write(cache.make_room, tools.segments, most_bytes)


async def settle_in(tools: Tools, folders: Iterable[UUID], heard: Callable[[], None] = lambda: None) -> None:
    """These folders are fetched from now on: what lies in them is kept for good, a few messages at a time. `heard`: it goes on."""
    numbers = await tools.write(cache.cached_in, [*folders])
    for some in chunks(numbers):
        if lost := await tools.write(cache.keep_for_good, tools.segments, some):
            await tools.write(cache.let_go, lost)
        heard()


def _open() -> QuerySet[models.LiveWish]:
    return models.LiveWish.objects.filter(answered_at=None)


def _arrival(number: UUID | None) -> Arrival | None:
    row = models.Placement.objects.filter(pk=number).first() if number is not None else None
    if row is None or places.is_name(row.remote_id):
        return None
    return Arrival(RemoteId(row.remote_id), flags_from(row.flags), row.received_at, row.size, row.ordinal)


def _visible(reach: Reach, folder: str) -> models.Folder:
    rows = models.Folder.objects.filter(granted_folders(reach, Right.SEE)).exclude(place=places.LIMBO_PLACE)
    number = _number(folder)
    row = rows.select_related("account").filter(pk=number).first() if number is not None else None
    if row is None:
        raise NotFound("folder-unknown", folder=folder)
    return row


def _number(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _record(row: models.LiveWish) -> LookRecord:
    trouble = (
        TroubleRecord(row.trouble["code"], row.trouble["facts"], row.answered_at)
        if row.trouble and row.answered_at
        else None
    )
    return LookRecord(
        id=str(row.pk), folder_id=str(row.folder_id), asked_at=row.asked_at, answered_at=row.answered_at, trouble=trouble,
        words=tuple(row.words), found=tuple(row.found), more=row.more,
    )  # fmt: skip
