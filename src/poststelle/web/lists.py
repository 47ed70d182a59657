"""Lists as pages ask for them: what the address says, and the rows with all a row shows.

Law: the address always names what is shown: place, order, filter, threads. What it leaves out is the reader's own choice. This
module does not know where a row is opened beside, nor what is done with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID
from zlib import crc32

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from poststelle.errors import Invalid, NotFound
from poststelle.mail.listing import Filter, Place, Sort, Where, read_filter
from poststelle.mail.ports import SEEN, Role
from poststelle.mail.records import AddressRecord, SearchHit
from poststelle.mail.work import ListPage, ListRow
from poststelle.office import lists, reading, trees
from poststelle.web.entrance import Visit
from poststelle.web.names import FILTERS, PLACES, ROLES, SORTS, Text, role_name
from poststelle.web.tree import address_of

WINDOW, LARGEST_WINDOW = 50, 200
_HUES, _ANY = 10, str(UUID(int=0))
_WRITTEN_HERE = {Role.SENT, Role.DRAFTS}
_BACKWARDS = {Sort.DATE: True, Sort.SIZE: True, Sort.SENDER: False, Sort.SUBJECT: False}


@dataclass(frozen=True, slots=True)
class Asked:
    """A list as an address asks for it. `threads`, `sort`, `descending`, `filter` as `office.lists.page` takes them."""

    where: Where
    threads: bool
    threads_chosen: bool
    sort: Sort
    descending: bool
    filter: Filter

    @property
    def address(self) -> str:
        """The page of the place itself."""
        return address_of(self.where)

    def with_query(self, address: str, **more: str) -> str:
        """The address with everything of this list that does not go without saying."""
        said: dict[str, str] = {}
        if self.threads is not self.threads_chosen:
            said["threads"] = "1" if self.threads else "0"
        if self.sort is not Sort.DATE:
            said["sort"] = self.sort.value
        if self.descending is not _BACKWARDS[self.sort]:
            said["order"] = "down" if self.descending else "up"
        if self.filter:
            said["only"] = str(self.filter)
        said |= more
        return f"{address}?{urlencode(said)}" if said else address

    def message_url(self, placement: str) -> str:
        """A message beside this list."""
        if self.where.place is Place.FOLDER:
            return self.with_query(reverse("message", args=[self.where.id, placement]))
        return self.with_query(reverse("placed", args=[str(self.where), placement]))


@dataclass(frozen=True, slots=True)
class DrawnRow:
    """A row as it is drawn. `people`: whom the row names; `initials` in a circle of one of ten hues; `line` below the subject."""

    item: ListRow
    url: str
    people: str
    initials: str
    hue: int
    line: str
    account: str = ""
    heading: str = ""


def asked(request: Visit, where: Where) -> Asked:
    """What the address says. Words nobody knows count for nothing."""
    given, chosen = request.GET, request.chosen
    sort = Sort(given["sort"]) if given.get("sort") in {one.value for one in Sort} else Sort.DATE
    order = given.get("order")
    try:
        only = read_filter(given.get("only", ""))
    except Invalid:
        only = Filter()
    return Asked(
        where, chosen.threads if given.get("threads") not in {"0", "1"} else given["threads"] == "1", chosen.threads,
        sort, order == "down" if order in {"up", "down"} else _BACKWARDS[sort], only,
    )  # fmt: skip


def shown(request: Visit, where: Where, opened: str = "") -> dict[str, Any]:
    """What the templates of a list need. `opened`: a message (id) that is to stand in it. Raises NotFound, Invalid for a forged cursor.

    The address may say where the window begins: ``after`` a cursor, or ``from`` a message, for as many ``rows``.
    """
    ask = asked(request, where)
    page = _page(request, ask, opened)
    return _named(request, ask) | {
        "asked": ask,
        "where": str(where),
        "rows": _rows(request, ask, page),
        "list_page": page,
        "rows_url": ask.with_query(ask.address),
        "earlier": ask.with_query(ask.address, after=page.previous) if page.previous else "",
        "more": ask.with_query(ask.address, after=page.next) if page.next else "",
        "looked_for": (),
        "orders": _orders(ask),
        "threads_url": replace(ask, threads=not ask.threads).with_query(ask.address),
        "filters": _filters(ask),
        "columns": request.chosen.columns,
    }


def _page(request: Visit, ask: Asked, opened: str) -> ListPage:
    limit, after, begins = (request.GET.get(name, "") for name in ("rows", "after", "from"))
    rows = min(max(int(limit), WINDOW), LARGEST_WINDOW) if limit.isdecimal() and len(limit) < 10 else WINDOW
    order: dict[str, Any] = {
        "threads": ask.threads, "sort": ask.sort, "descending": ask.descending, "filter": ask.filter, "limit": rows,
    }  # fmt: skip
    if begins and not after:
        try:
            return lists.around(request.actor, begins, ask.where, above=0, **order)
        except NotFound:
            # It has gone meanwhile: from the top, then.
            begins = ""
    page = lists.page(request.actor, ask.where, after=after or None, **order)
    if not opened or after or opened in {item.placement.id for item in page.items}:
        return page
    there = lists.around(request.actor, opened, ask.where, **order)
    is_near = there.items and there.items[0].placement.id in {item.placement.id for item in page.items}
    return lists.page(request.actor, ask.where, **order | {"limit": 2 * rows}) if is_near else there


def found(hits: Sequence[SearchHit], urls: Sequence[str], headings: Sequence[str]) -> list[DrawnRow]:
    """Hits of a search as rows."""
    drawn = []
    for hit, url, heading in zip(hits, urls, headings, strict=True):
        record = hit.placement
        unread = int(SEEN not in record.flags)
        item = ListRow(record, 0, 1, unread, [record.sender], None, 0, (), is_new=False, answer=None)
        row = _row(item, url, [record.sender], "")
        drawn.append(replace(row, line=hit.snippet or record.preview, heading=heading))
    return drawn


def name_of(person: AddressRecord) -> str:
    """What a list calls somebody."""
    return person.name or person.address or _("(no sender)")


def _rows(request: Visit, ask: Asked, page: ListPage) -> list[DrawnRow]:
    several = ask.where.place is not Place.FOLDER
    numbers = {item.placement.account_id for item in page.items} if several else set()
    labels = lists.labels(request.actor, numbers)
    outwards = _is_outwards(request, ask.where)
    # Looking an address up costs as much as drawing half a row.
    url = ask.message_url(_ANY)
    drawn = []
    for item in page.items:
        record = item.placement
        people = item.participants if ask.threads else [record.sender]
        if outwards:
            people = record.recipients or [AddressRecord("", "")]
        drawn.append(_row(item, url.replace(_ANY, record.id), people, labels.get(record.account_id, "")))
    return drawn


def _row(item: ListRow, url: str, people: Sequence[AddressRecord], account: str) -> DrawnRow:
    latest = people[-1] if people else item.placement.sender
    names = [name_of(one) for one in people]
    shown_names = names[0] if len(names) == 1 else ", ".join(_first(name) for name in names[-3:])
    return DrawnRow(item, url, shown_names, initials(latest), hue(latest), item.placement.preview, account)


def hue(person: AddressRecord) -> int:
    """Which of the ten colours somebody's circle has."""
    return crc32((person.address or person.name).lower().encode()) % _HUES


def initials(person: AddressRecord) -> str:
    """One or two letters for somebody's circle."""
    words = [
        word
        for word in (person.name or person.address.partition("@")[0]).replace(".", " ").split()
        if word[0].isalnum()
    ]
    chosen = words if len(words) < 2 else [words[0], words[-1]]
    return "".join(word[0] for word in chosen).upper() or "?"


def _first(name: str) -> str:
    """What a thread calls one of several: the first name, or what stands for it."""
    words = name.split()
    return name.partition(",")[2].strip() or words[0] if len(words) > 1 else name.partition("@")[0]


def _is_outwards(request: Visit, where: Where) -> bool:
    if where.place is Place.ROLE:
        return where.role in _WRITTEN_HERE
    return where.place is Place.FOLDER and reading.folder(request.actor, where.id).role in _WRITTEN_HERE


def _named(request: Visit, ask: Asked) -> dict[str, Any]:
    """Title and what else a place shows on top of its list."""
    where = ask.where
    if where.place is Place.FOLDER:
        record = reading.folder(request.actor, where.id)
        return {
            "folder": record,
            "title": role_name(record),
            "subtitle": _label(request, record.account_id),
            "troubles": lists.troubles(request.actor, record.account_id),
            "set_aside": reading.set_aside(request.actor, record.id) if record.set_aside else (),
        }
    if where.place is Place.ACCOUNT:
        troubles = lists.troubles(request.actor, where.id)
        return {"title": ROLES[Role.INBOX], "subtitle": _label(request, where.id), "troubles": troubles}
    if where.place is Place.ROLE:
        return {"title": ROLES.get(where.role, where.id)}
    if where.place is Place.BRANCH:
        both = trees.shown(request.actor, everything=True)
        flat = [*both.own, *both.shared]
        while flat:
            entry = flat.pop()
            if entry.key == str(where):
                return {"title": entry.label}
            flat += entry.children
        return {"title": ""}
    return {"title": PLACES[where.place]}


def _label(request: Visit, account: str) -> str:
    return lists.labels(request.actor, [account]).get(account, "")


def _orders(ask: Asked) -> list[tuple[Text, str, str]]:
    """Name, address and state (``""``, ``up``, ``down``) of every order."""
    found = []
    for sort, name in SORTS.items():
        now = sort is ask.sort
        backwards = not ask.descending if now else _BACKWARDS[sort]
        url = replace(ask, sort=sort, descending=backwards).with_query(ask.address)
        found.append((name, url, ("down" if ask.descending else "up") if now else ""))
    return found


def _filters(ask: Asked) -> list[tuple[Text, str, bool]]:
    """Name, address and whether it is on, of every filter."""
    found: list[tuple[Text, str, bool]] = []
    for name, text in FILTERS.items():
        on = bool(getattr(ask.filter, name))
        changes: Mapping[str, Any] = {name: not on}
        found.append((text, replace(ask, filter=replace(ask.filter, **changes)).with_query(ask.address), on))
    if ask.filter.tag:
        found.append((ask.filter.tag, replace(ask, filter=replace(ask.filter, tag="")).with_query(ask.address), True))
    return found
