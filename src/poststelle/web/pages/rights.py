"""Who may do what: the table of mailboxes and people, the grants of one mailbox, and setting one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Invalid, NotFound
from poststelle.mail.records import AccountRecord, Cell, GrantRecord, UserRecord
from poststelle.mail.settings import Right
from poststelle.office import people, reading, rights, wording
from poststelle.web.entrance import Visit, base_of
from poststelle.web.markup import Markup, joined, markup
from poststelle.web.names import RIGHT_LETTERS, RIGHTS, as_a_tree, path_name
from poststelle.web.returning import back
from poststelle.web.telling import plain_day

_ACCOUNTS, _PEOPLE = 50, 40
_NOTHING = Cell(frozenset())
_ACCOUNT, _PERSON = "the-account", "the-person"
_INDIRECT = markup(' class="indirect"')


@require_safe
def matrix(request: Visit) -> HttpResponse:
    """A window of mailboxes by a window of people; a cell opens its grant."""
    words, who = request.GET.get("q", "").strip()[:200], request.GET.get("who", "").strip().casefold()[:200]
    first = request.GET.get("from", "")
    start = int(first) if first.isascii() and first.isdigit() and len(first) < 6 else 0
    found = rights.matrix(request.actor, _ACCOUNTS, request.GET.get("after") or None, words=words)
    chosen = [one for one in found.people if who in one.name.casefold() or who in one.email.casefold()]
    columns = chosen[start : start + _PEOPLE]
    drawer = _Cells(request.get_full_path())
    rows = [
        (
            number,
            label,
            drawer.row(number, label, [(one, found.cells.get((number, one.id), _NOTHING)) for one in columns]),
        )
        for number, label in found.accounts
    ]
    asked = {"q": words, "who": who}
    context = {
        "base": base_of(request), "area": "rights", "rows": rows, "columns": columns, "q": words, "who": who,
        "letters": [(RIGHT_LETTERS[right], RIGHTS[right]) for right in Right],
        "people": len(chosen), "first": start + 1, "last": start + len(columns),
        "fewer": urlencode(asked | {"after": request.GET.get("after", ""), "from": max(0, start - _PEOPLE)}) if start else "",
        "wider": urlencode(asked | {"after": request.GET.get("after", ""), "from": start + _PEOPLE}) if start + _PEOPLE < len(chosen) else "",
        "more": urlencode(asked | {"after": found.next, "from": start}) if found.next else "",
    }  # fmt: skip
    return render(request, "rights.html", context)


class _Cells:
    """Draws the cells of the table, of which there are thousands: equal ones are worded once."""

    def __init__(self, here: str) -> None:
        self._address, self._back = reverse("grant", args=[_ACCOUNT, _PERSON]), quote(here, safe="")
        self._worded: dict[int, tuple[str, str, str]] = {}
        self._nothing = _("nothing")

    def row(self, account: str, label: str, cells: Iterable[tuple[UserRecord, Cell]]) -> Markup:
        """The cells of one mailbox: letters stand for rights, a title says them and where they come from, if not given here."""
        return joined(self._cell(account, label, user, cell) for user, cell in cells)

    def _cell(self, account: str, label: str, user: UserRecord, cell: Cell) -> Markup:
        worded = self._worded.get(id(cell))
        if worded is None:
            worded = self._worded[id(cell)] = _words(cell)
        letters, words, way = worded
        return markup(
            '<td><a href="{}?back={}" data-dialog{} title="{}" aria-label="{} {}, {}: {}">{}</a></td>',
            self._address.replace(_ACCOUNT, account).replace(_PERSON, user.id), self._back, _INDIRECT if way else "",
            f"{words} ({way})" if way else words, letters or "·", label, user.name, words or self._nothing, letters or "·",
        )  # fmt: skip


def _words(cell: Cell) -> tuple[str, str, str]:
    held = [right for right in Right if right in cell.rights]
    way = ", ".join(cell.groups)
    if cell.folders:
        way = ", ".join(filter(None, [way, _("on single folders")]))
    if cell.until is not None:
        way = ", ".join(filter(None, [way, _("until %(day)s") % {"day": plain_day(_last_moment(cell.until))}]))
    letters = "".join(str(RIGHT_LETTERS[right]) for right in held) or ("…" if cell.folders else "")
    return letters, ", ".join(str(RIGHTS[right]) for right in held), way


def of_mailbox(request: Visit, account: str) -> HttpResponse:
    """Every grant of one mailbox, and a form for a further one."""
    record = _overseen(request, account)
    wrong: dict[str, str] = {}
    if request.method == "POST":
        try:
            rights.grant(request.actor, record.id, _document(request, request.POST.get("who", "")))
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            messages.success(request, _("Saved."))
            return redirect(back(request, reverse("mailbox-rights", args=[record.id])))
    folders = (
        {one.id: path_name(one.path, one.role) for one in as_a_tree(reading.folders(request.actor, record.id))}
        if Right.SEE in record.rights
        else {}
    )
    context = {
        "base": base_of(request), "area": "mailboxes", "here": "rights", "account": record, "wrong": list(wrong.values()),
        "grants": [_line(one, folders) for one in record.grants], "folders": folders.items(), "people": _choosable(request, record.id),
        "rights": [(right.value, words, right.value in request.POST.getlist("right")) for right, words in RIGHTS.items()],
        "who": request.POST.get("who", ""), "starts": request.POST.get("from", ""), "ends": request.POST.get("until", ""),
    }  # fmt: skip
    return render(request, "mailbox_rights.html", context, status=422 if wrong else 200)


def one(request: Visit, account: str, user: str) -> HttpResponse:
    """What one person may do with one mailbox as a whole: a page of its own, or the content of a dialogue."""
    record = _overseen(request, account)
    person = people.actor_named(user).user
    if person is None:
        raise NotFound("user-unknown", user=user)
    wrong: dict[str, str] = {}
    if request.method == "POST":
        try:
            rights.grant(request.actor, record.id, _document(request, f"user:{person.id}"))
        except Invalid as error:
            wrong = wording.field_sentences(error)
        else:
            messages.success(request, _("Saved."))
            return redirect(back(request, reverse("rights")))
    grant = next((one for one in record.grants if one.user and one.user.id == person.id and not one.folder), None)
    held = {right.value for right in grant.rights} if grant else set()
    context = {
        "base": base_of(request), "area": "rights", "account": record, "person": person, "wrong": list(wrong.values()),
        "rights": [(right.value, words, right.value in held) for right, words in RIGHTS.items()],
        "starts": _day(grant.starts_at) if grant else "", "ends": _day(grant.ends_at and _last_moment(grant.ends_at)) if grant else "",
        "others": [one for one in record.grants if one.group is not None], "back": back(request, reverse("rights")),
    }  # fmt: skip
    alone = request.headers.get("X-Part") == "1"
    return render(request, "parts/grant.html" if alone else "grant.html", context, status=422 if wrong else 200)


@require_POST
def revoke(request: Visit, account: str) -> HttpResponse:
    """Take one grant away."""
    record = _overseen(request, account)
    rights.revoke(
        request.actor, record.id, user=request.POST.get("user", ""), group=request.POST.get("group", ""),
        folder=request.POST.get("folder", ""),
    )  # fmt: skip
    messages.success(request, _("Taken away."))
    return redirect("mailbox-rights", record.id)


def _overseen(request: Visit, account: str) -> AccountRecord:
    """The mailbox with its grants, for administrators any one of the office's."""
    return rights.overseen(request.actor, account)


def _document(request: Visit, who: str) -> dict[str, object]:
    kind, _sign, number = who.partition(":")
    return {
        "group" if kind == "group" else "user": number, "rights": request.POST.getlist("right"),
        "folder": request.POST.get("folder") or None, "from": request.POST.get("from") or None,
        "until": request.POST.get("until") or None,
    }  # fmt: skip


def _line(grant: GrantRecord, folders: dict[str, str]) -> dict[str, Any]:
    return {
        "grant": grant, "words": ", ".join(str(RIGHTS[right]) for right in Right if right in grant.rights),
        "folder": folders.get(grant.folder, _("a folder")) if grant.folder else "",
        "starts": plain_day(grant.starts_at) if grant.starts_at else "",
        "ends": plain_day(_last_moment(grant.ends_at)) if grant.ends_at else "",
    }  # fmt: skip


def _choosable(request: Visit, account: str) -> Sequence[tuple[str, str]]:
    """People and groups a grant can go to."""
    persons, groups = rights.candidates(request.actor, account)
    found = [(f"group:{one.id}", _("Group: %(name)s") % {"name": one.name}) for one in groups]
    return found + [(f"user:{one.id}", f"{one.name} ({one.email})") for one in persons]


def _last_moment(ends_at: datetime) -> datetime:
    """When it still holds: a grant until the 31st ends with that day, which is the midnight after it."""
    return ends_at - timedelta(microseconds=1)


def _day(at: datetime | None) -> str:
    """As a date field has it."""
    return timezone.localtime(at).date().isoformat() if at is not None else ""
