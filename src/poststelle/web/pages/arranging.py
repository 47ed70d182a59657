"""The folder trees under somebody's hands: the menu of an entry, folding, arranging, and folders made, renamed, emptied, deleted.

Every gesture posts here and answers with a note; the tree is fetched anew behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Invalid, NotFound
from poststelle.mail.ports import Role
from poststelle.mail.settings import Right
from poststelle.mail.tree import EntryKind, Mount, Spot, Tree
from poststelle.office import accounts, handling, reading, trees
from poststelle.office.actor import require_administrator
from poststelle.web.entrance import Visit, is_part
from poststelle.web.names import ROLES, role_name
from poststelle.web.returning import back, done
from poststelle.web.tree import ARRANGING, Twig, drawn

_SPOTS = {one.value: one for one in Spot}
_TREES = {one.value: one for one in Tree}


@require_safe
def menu(request: Visit) -> HttpResponse:
    """What can be done with an entry (``tree``, ``key``) by whoever asks."""
    tree, key = _tree(request.GET.get("tree", "")), request.GET.get("key", "")
    drawing = drawn(request.actor, everything=True, arranging=bool(request.session.get(ARRANGING)))
    twigs = drawing.own if tree is Tree.OWN else drawing.shared
    twig = next((one for one in twigs if one.entry.key == key), None)
    if twig is None:
        raise NotFound("branch-unknown", branch=key)
    entry = twig.entry
    folder = reading.folder(request.actor, entry.folder_id) if entry.folder_id else None
    rights = _rights(request, entry.account_id)
    before, after = _neighbours(twigs, twig)
    may_arrange = tree is Tree.OWN or drawing.may_arrange_shared
    inbox = _inbox(request, entry.account_id) if entry.kind is EntryKind.ACCOUNT and rights else None
    context = {
        "twig": twig, "entry": entry, "folder": folder, "tree": tree.value,
        "may_process": Right.PROCESS in rights, "may_administer": Right.ADMINISTER in rights,
        "read_folder": entry.folder_id or inbox or "",
        "is_special": folder is not None and folder.role is not Role.NONE,
        "goes_for_good": folder is not None and folder.role in {Role.TRASH, Role.SPAM},
        "may_arrange": may_arrange, "is_root": twig.depth == 0,
        "can_move": may_arrange and (entry.is_manual or entry.kind is EntryKind.ACCOUNT),
        "before": before, "after": after, "is_arranging": drawing.is_arranging,
        "may_arrange_shared": drawing.may_arrange_shared,
        "may_mount_here": tree is not Tree.OWN and entry.kind in {EntryKind.ACCOUNT, EntryKind.FOLDER},
    }  # fmt: skip
    return render(request, "parts/menu.html", context)


@require_POST
def fold(request: Visit) -> HttpResponse:
    """Fold an entry up (``folded=1``) or unfold it."""
    trees.fold(request.actor, request.POST.get("key", ""), folded=request.POST.get("folded") == "1")
    if is_part(request):
        return render(request, "parts/tree.html")
    return redirect(back(request, reverse("mail")))


@require_POST
def mount(request: Visit) -> HttpResponse:
    """Put an account, a folder, a saved search or a heading into a tree."""
    given = request.POST
    kinds = {one.value: one for one in EntryKind}
    if given.get("kind") not in kinds:
        raise Invalid({"kind": "unknown-value"})
    kind, number = kinds[given["kind"]], given.get("id", "")
    label = given.get("name", "").strip()
    if kind is EntryKind.FOLDER and not label:
        record = reading.folder(request.actor, number)
        if record.role in ROLES:
            label = f"{accounts.show(request.actor, record.account_id).label}: {role_name(record)}"
    anchor, spot = _spot(request)
    tree, what = _tree(given.get("tree", "own")), Mount(kind, number, given.get("query", ""), label)
    trees.mount(request.actor, tree, what, anchor=anchor, spot=spot)
    if tree is Tree.SHARED:
        # An empty heading is seen only by whoever is arranging.
        request.session[ARRANGING] = True
    return done(request, _("Added to the tree."))


@require_POST
def move(request: Visit) -> HttpResponse:
    """Another place for an entry: ``spot`` (before, after, below) an ``anchor``."""
    anchor, spot = _spot(request)
    trees.move(
        request.actor, _tree(request.POST.get("tree", "")), request.POST.get("key", ""), anchor=anchor, spot=spot
    )
    return done(request, "")


@require_POST
def rename(request: Visit) -> HttpResponse:
    """What an entry is called in its tree."""
    given = request.POST
    trees.rename(request.actor, _tree(given.get("tree", "")), given.get("key", ""), given.get("name", ""))
    return done(request, "")


@require_POST
def remove(request: Visit) -> HttpResponse:
    """Take an entry out; its mail stays where it is."""
    trees.remove(request.actor, _tree(request.POST.get("tree", "")), request.POST.get("key", ""))
    return done(request, _("Taken out of the tree. The mail stays where it is."))


@require_POST
def arrange(request: Visit) -> HttpResponse:
    """Begin to arrange the shared tree for everybody (``on=1``), or be done with it."""
    require_administrator(request.actor)
    request.session[ARRANGING] = request.POST.get("on") == "1"
    return done(request, "")


@require_POST
def reset(request: Visit) -> HttpResponse:
    """The tree as it stands by itself."""
    trees.reset(request.actor, _tree(request.POST.get("tree", "")))
    return done(request, _("The tree stands again as it does by itself."))


@require_POST
def folder_new(request: Visit) -> HttpResponse:
    """A folder called ``name`` in an ``account``, below the folder ``above`` where one is named."""
    given = request.POST
    above = reading.folder(request.actor, given["above"]) if given.get("above") else None
    account = above.account_id if above is not None else given.get("account", "")
    path = [*(above.path if above is not None else ()), given.get("name", "").strip()]
    handling.create_folder(request.actor, account, path)
    return done(request, _("Folder “%(name)s” created.") % {"name": path[-1]})


@require_POST
def folder_rename(request: Visit, folder: str) -> HttpResponse:
    """Another name for a folder, here and on the server."""
    record = reading.folder(request.actor, folder)
    handling.rename_folder(request.actor, folder, [*record.path[:-1], request.POST.get("name", "").strip()])
    return done(request, _("Folder renamed."))


@require_POST
def folder_delete(request: Visit, folder: str) -> HttpResponse:
    """The folder with all that is in it."""
    handled = handling.delete_folder(request.actor, folder)
    return done(request, _("Folder deleted."), [handled.token] if handled.token else [])


@require_POST
def folder_empty(request: Visit, folder: str) -> HttpResponse:
    """Everything in the folder goes."""
    handled = handling.empty_folder(request.actor, folder)
    told = ngettext("%(n)s message deleted.", "%(n)s messages deleted.", handled.count) % {"n": handled.count}
    return done(request, told, [handled.token] if handled.token else [])


@require_POST
def folder_read(request: Visit, folder: str) -> HttpResponse:
    """Everything in the folder is read."""
    handled = handling.mark_folder_read(request.actor, folder)
    told = ngettext("%(n)s message marked as read.", "%(n)s messages marked as read.", handled.count)
    return done(request, told % {"n": handled.count}, [handled.token] if handled.token else [])


def _tree(word: str) -> Tree:
    if word not in _TREES:
        raise Invalid({"tree": "unknown-value"})
    return _TREES[word]


def _spot(request: Visit) -> tuple[str | None, Spot]:
    spot = request.POST.get("spot", "after")
    if spot not in _SPOTS:
        raise Invalid({"spot": "unknown-value"})
    return request.POST.get("anchor") or None, _SPOTS[spot]


def _neighbours(twigs: Sequence[Twig], twig: Twig) -> tuple[Twig | None, Twig | None]:
    """The movable entries above and below it on the same level, to move beside them."""
    at = twigs.index(twig)
    return _sibling(reversed(twigs[:at]), twig.depth), _sibling(twigs[at + 1 :], twig.depth)


def _sibling(twigs: Iterable[Twig], depth: int) -> Twig | None:
    for one in twigs:
        if one.depth < depth:
            return None
        if one.depth == depth and (one.entry.is_manual or one.entry.kind is EntryKind.ACCOUNT):
            return one
    return None


def _rights(request: Visit, account: str) -> frozenset[Right]:
    """The person's; none where an administrator arranges a mailbox they may not read."""
    try:
        return accounts.show(request.actor, account).rights if account else frozenset()
    except NotFound:
        return frozenset()


def _inbox(request: Visit, account: str) -> str | None:
    folders = reading.folders(request.actor, account)
    return next((one.id for one in folders if one.role is Role.INBOX), None)
