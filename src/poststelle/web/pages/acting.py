"""Acting on messages: every verb of the action bar for some messages, and taking it back.

What a verb does and who may is the office's word (`office.handling`, `office.work`). A thread stands for its messages in the list.
The script sends thousands in portions and says so (`so_far`, `token`); the last answer speaks for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from django.http import HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, ngettext_lazy
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Conflict, Invalid, NotFound
from poststelle.mail.listing import Filter, Status, Where, read_filter, read_where
from poststelle.mail.ports import FLAGGED, SEEN, Role
from poststelle.office import choosing, handling, limits, reading, special_folders, work
from poststelle.office.actor import Actor
from poststelle.office.handling import Handled, Selection
from poststelle.web.entrance import Visit, is_part
from poststelle.web.names import ROLES, Text, role_name
from poststelle.web.pages.searching import LONGEST
from poststelle.web.returning import done

Act: TypeAlias = Callable[[Actor, Sequence[str], QueryDict], Handled]


@require_POST
def handle(request: Visit) -> HttpResponse:
    """Do ``verb`` to the messages ``ids``, or to ``everything`` the list (``where``, ``only``) holds.

    Where a folder for it is missing, it is offered (``X-Offer``) and nothing is done; asked again with ``create``, it is made.
    """
    given = request.POST
    act, told = _verb(given.get("verb", ""))
    ids = _ids(request.actor, given)
    try:
        handled = act(request.actor, ids, given) if ids else Handled(0, None)
    except Conflict as error:
        if error.code != "no-such-role" or not is_part(request):
            raise
        role = Role(str(error.facts["role"]))
        if given.get("create") != "1":
            return _offered(request, role)
        without = error.facts["accounts"]
        for account in without if isinstance(without, list) else ():
            special_folders.create(request.actor, account, {role})
        handled = act(request.actor, ids, given)
    before = given.get("so_far", "")
    count = handled.count + (int(before) if before.isdecimal() and len(before) < 8 else 0)
    tokens = [*given.getlist("token")[:100], *([handled.token] if handled.token else [])]
    answer = done(request, _told(request, told, count), tokens)
    answer["X-Count"] = str(handled.count)
    return answer


def _offered(request: Visit, role: Role) -> HttpResponse:
    told = _("This mailbox has no folder “%(folder)s” yet.") % {"folder": ROLES[role]}
    answer = render(request, "parts/offer.html", {"told": told})
    answer["X-Offer"], answer["X-Count"] = "create", "0"
    return answer


@require_safe
def choose(request: Visit) -> JsonResponse:
    """The ids of everything a list holds, or a search (``q``) finds, for the script to handle in portions."""
    if query := request.GET.get("q", "").strip():
        limits.searches.spend(request.actor.name)
        return JsonResponse({"ids": choosing.found(request.actor, query[:LONGEST])})
    where, only = _list(request.GET)
    if where is None:
        raise NotFound("folder-unknown")
    return JsonResponse({"ids": choosing.everything(request.actor, where, only)})


@require_POST
def undo(request: Visit) -> HttpResponse:
    """Take back what was done last, by its tokens."""
    count = sum(handling.undo(request.actor, token).count for token in reversed(request.POST.getlist("token")[:100]))
    told = ngettext("Taken back: %(n)s message.", "Taken back: %(n)s messages.", count) % {"n": count}
    return done(request, told if count else _("Taken back."))


def _ids(actor: Actor, given: QueryDict) -> list[str]:
    where, only = _list(given)
    if given.get("everything") == "1" and where is not None:
        return choosing.everything(actor, where, only)
    ids = [number for text in given.getlist("ids") for number in text.split()]
    if given.get("threads") == "1" and where is not None and ids:
        return choosing.with_threads(actor, where, ids)
    return ids


def _list(given: QueryDict) -> tuple[Where | None, Filter]:
    where, only = given.get("where", ""), given.get("only", "")
    return (read_where(where) if where else None), (read_filter(only) if only else Filter())


def _told(request: Visit, told: Text, count: int) -> str:
    target = request.POST.get("target", "")
    folder = str(role_name(reading.folder(request.actor, target))) if target else ""
    return str(told % {"n": count}) + (f" {folder}" if folder else "")


# -- verbs -----------------------------------------------------------------------------------------------------------


def _verb(name: str) -> tuple[Act, Text]:
    if name not in _VERBS:
        raise Invalid({"verb": "unknown-value"})
    return _VERBS[name]


def _marking(*, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Act:
    return lambda actor, ids, _given: handling.mark(actor, Selection(ids), add=add, remove=remove)


def _tag(actor: Actor, ids: Sequence[str], given: QueryDict) -> Handled:
    keyword, name = given.get("keyword", ""), given.get("name", "").strip()
    if name and not keyword:
        keyword = work.tag_named(actor, name).keyword
    return handling.mark(actor, Selection(ids), add=[_keyword(keyword)])


def _untag(actor: Actor, ids: Sequence[str], given: QueryDict) -> Handled:
    return handling.mark(actor, Selection(ids), remove=[_keyword(given.get("keyword", ""))])


def _keyword(text: str) -> str:
    if not text or text.startswith("\\"):
        raise Invalid({"keyword": "not-a-flag"})
    return text


def _move(actor: Actor, ids: Sequence[str], given: QueryDict) -> Handled:
    return handling.move(actor, Selection(ids), given.get("target", ""))


def _copy(actor: Actor, ids: Sequence[str], given: QueryDict) -> Handled:
    return handling.copy(actor, Selection(ids), given.get("target", ""))


def _archive(actor: Actor, ids: Sequence[str], _given: QueryDict) -> Handled:
    return handling.archive(actor, Selection(ids))


def _spam(actor: Actor, ids: Sequence[str], _given: QueryDict) -> Handled:
    return handling.mark_as_spam(actor, Selection(ids))


def _wanted(actor: Actor, ids: Sequence[str], _given: QueryDict) -> Handled:
    return handling.mark_as_wanted(actor, Selection(ids))


def _delete(actor: Actor, ids: Sequence[str], _given: QueryDict) -> Handled:
    return handling.delete(actor, Selection(ids))


def _assign(actor: Actor, ids: Sequence[str], given: QueryDict) -> Handled:
    return Handled(work.assign(actor, ids, given.get("user") or None), None)


def _status(actor: Actor, ids: Sequence[str], given: QueryDict) -> Handled:
    status = given.get("status", "")
    if status not in {one.value for one in Status}:
        raise Invalid({"status": "unknown-value"})
    return Handled(work.set_status(actor, ids, Status(status)), None)


_VERBS: Mapping[str, tuple[Act, Text]] = {
    "read": (_marking(add=[SEEN]), ngettext_lazy("%(n)s message marked as read.", "%(n)s messages marked as read.", "n")),
    "unread": (_marking(remove=[SEEN]), ngettext_lazy("%(n)s message marked as unread.", "%(n)s messages marked as unread.", "n")),
    "flag": (_marking(add=[FLAGGED]), ngettext_lazy("%(n)s message starred.", "%(n)s messages starred.", "n")),
    "unflag": (_marking(remove=[FLAGGED]), ngettext_lazy("Star taken off %(n)s message.", "Star taken off %(n)s messages.", "n")),
    "tag": (_tag, ngettext_lazy("%(n)s message tagged.", "%(n)s messages tagged.", "n")),
    "untag": (_untag, ngettext_lazy("Tag taken off %(n)s message.", "Tag taken off %(n)s messages.", "n")),
    "move": (_move, ngettext_lazy("%(n)s message moved:", "%(n)s messages moved:", "n")),
    "copy": (_copy, ngettext_lazy("%(n)s message copied:", "%(n)s messages copied:", "n")),
    "archive": (_archive, ngettext_lazy("%(n)s message archived.", "%(n)s messages archived.", "n")),
    "spam": (_spam, ngettext_lazy("%(n)s message is spam.", "%(n)s messages are spam.", "n")),
    "wanted": (_wanted, ngettext_lazy("%(n)s message is no spam.", "%(n)s messages are no spam.", "n")),
    "delete": (_delete, ngettext_lazy("%(n)s message deleted.", "%(n)s messages deleted.", "n")),
    "assign": (_assign, ngettext_lazy("%(n)s message assigned.", "%(n)s messages assigned.", "n")),
    "status": (_status, ngettext_lazy("%(n)s message changed.", "%(n)s messages changed.", "n")),
}  # fmt: skip
