"""What the script asks for in the background: places and deeds for the palette, arrivals for the desktop, choices about the look."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from poststelle.mail.ports import Role
from poststelle.mail.records import JournalRecord
from poststelle.mail.settings import Right
from poststelle.mail.tree import EntryKind
from poststelle.office import accounts, feed, people, preferences, reading, work
from poststelle.office.actor import Actor
from poststelle.web.entrance import Visit
from poststelle.web.lists import name_of
from poststelle.web.names import ROLES
from poststelle.web.returning import back
from poststelle.web.tree import Twig, drawn

_MOST_ARRIVALS, _MOST_ENTRIES = 5, 200
_NEWS = timedelta(days=1)
"""What is older has come from elsewhere, or at the first sync: nobody needs to be called for it."""
_MINE = frozenset({"assigned", "follow-up-due", "note-added"})


@require_safe
def palette(request: Visit) -> JsonResponse:
    """Everything the palette offers: ``group``, ``name``, ``hint`` and ``url``; folders with ``folder`` where mail may be put."""
    drawing = drawn(request.actor, everything=True)
    items = [{"group": _("Places"), "name": str(corner.name), "url": corner.url} for corner in drawing.corners]
    items += [*_folders([*drawing.own, *drawing.shared])]
    items += [*_pages(request.actor)]
    return JsonResponse({"items": items})


@require_safe
def targets(request: Visit) -> JsonResponse:
    """What messages can be given: tags, and colleagues of a message (``message``)."""
    number = request.GET.get("message", "")
    colleagues = work.on(request.actor, number).colleagues if number else ()
    return JsonResponse({
        "tags": [{"name": one.name, "keyword": one.keyword, "colour": one.colour} for one in work.offered_tags(request.actor)],
        "people": [{"name": one.name, "hint": one.email, "user": one.id} for one in colleagues],
    })  # fmt: skip


@require_safe
def arrivals(request: Visit) -> JsonResponse:
    """What the desktop may tell since the journal entry ``after``: as the reader has chosen, nothing, what is theirs, or all."""
    chosen, given = preferences.mine(request.actor).notifications, request.GET.get("after", "")
    told: dict[str, dict[str, str]] = {}
    if chosen != "off" and given.isascii() and given.isdecimal() and len(given) < 19:
        for entry in feed.changes(request.actor, int(given), _MOST_ENTRIES).items:
            for one in _arrived(request.actor, entry, everything=chosen == "all"):
                told[one["url"]] = one
    return JsonResponse({"arrivals": [*told.values()][-_MOST_ARRIVALS:]})


@require_POST
def look(request: Visit) -> HttpResponse:
    """How lists look for the person: density, preview, threads, columns."""
    given = request.POST
    changes: dict[str, object] = {name: given[name] for name in ("density", "preview") if name in given}
    changes["threads"] = given.get("threads") == "1"
    if given.getlist("columns"):
        changes["columns"] = list(dict.fromkeys(given.getlist("columns")))
    preferences.change(request.actor, changes)
    return redirect(back(request, reverse("mail")))


def _folders(twigs: list[Twig]) -> Iterator[dict[str, str]]:
    labels = {one.entry.account_id: str(one.name) for one in twigs if one.entry.account is not None}
    may = {one.entry.account_id for one in twigs if one.entry.account and Right.PROCESS in one.entry.account.rights}
    seen: set[str] = set()
    for one in twigs:
        entry = one.entry
        if not one.url or one.url in seen:
            continue
        seen.add(one.url)
        found = {"group": _("Folders"), "name": str(one.name), "hint": labels.get(entry.account_id, ""), "url": one.url}
        if entry.kind is EntryKind.SEARCH:
            found["group"] = _("Searches")
        elif entry.kind is EntryKind.ACCOUNT:
            found |= {"group": _("Mailboxes"), "hint": entry.account.address if entry.account else ""}
        elif entry.kind is EntryKind.FOLDER and entry.account_id in may:
            found["folder"] = entry.folder_id
        yield found


def _pages(actor: Actor) -> Iterator[dict[str, str]]:
    group = _("Pages")
    pages = [
        (_("Write"), "write"),
        (_("Outbox"), "outbox"),
        (_("Mailboxes"), "mailboxes"),
        (_("My settings"), "personal"),
    ]
    if actor.is_administrator:
        pages += [
            (_("Health"), "health"),
            (_("People"), "people"),
            (_("Journal"), "journal"),
            (_("Add mailbox"), "mailbox-new"),
        ]
    for name, url in pages:
        yield {"group": group, "name": name, "url": reverse(url)}
    for role, text in ROLES.items():
        if role is not Role.INBOX:
            yield {
                "group": _("Places"),
                "name": _("All: %(folder)s") % {"folder": text},
                "url": reverse("place", args=[f"role:{role.value}"]),
            }
    for one in accounts.page(actor, 200).items:
        if Right.ADMINISTER in one.rights:
            yield {
                "group": _("Settings"),
                "name": one.label,
                "hint": one.address,
                "url": reverse("mailbox", args=[one.id]),
            }
    for person in people.users(actor) if actor.is_administrator else ():
        yield {
            "group": _("People"),
            "name": person.name,
            "hint": person.email,
            "url": f"{reverse('search')}?q=von:{person.email}",
        }


def _arrived(actor: Actor, entry: JournalRecord, *, everything: bool) -> Iterator[dict[str, str]]:
    """What one entry of the journal is worth telling."""
    if entry.kind in _MINE and entry.subject.startswith("message:") and _concerns(actor, entry):
        record = reading.placement(actor, entry.subject.partition(":")[2])
        yield {
            "title": _TITLES[entry.kind](),
            "body": record.subject,
            "url": reverse("message", args=[record.folder_id, record.id]),
        }
    if entry.kind == "messages-arrived" and everything and entry.folder_id:
        if reading.folder(actor, entry.folder_id).role is not Role.INBOX:
            return
        ids = str(entry.facts.get("first")), str(entry.facts.get("last"))
        for record in reading.arrived(actor, entry.folder_id, ids, timezone.now() - _NEWS, _MOST_ARRIVALS):
            yield {
                "title": name_of(record.sender),
                "body": record.subject,
                "url": reverse("message", args=[record.folder_id, record.id]),
            }


def _concerns(actor: Actor, entry: JournalRecord) -> bool:
    assert actor.user is not None  # a session is always a person's
    if entry.actor == actor.user.email:
        return False
    if entry.kind == "note-added":
        mentioned = entry.facts.get("mentions", ())
        return isinstance(mentioned, list) and actor.user.id in mentioned
    return (
        entry.facts.get("user") in {actor.user.id, None}
        if entry.kind == "follow-up-due"
        else entry.facts.get("user") == actor.user.id
    )


_TITLES: dict[str, Any] = {
    "assigned": lambda: _("Assigned to you"),
    "follow-up-due": lambda: _("Follow-up"),
    "note-added": lambda: _("You were mentioned"),
}
