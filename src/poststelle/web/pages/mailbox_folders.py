"""The folders of one mailbox: which are shown, fetched and processed, what each is for, and which are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from poststelle.errors import Invalid
from poststelle.mail.ports import Role
from poststelle.mail.records import FolderRecord
from poststelle.mail.settings import Right
from poststelle.office import accounts, handling, reading, special_folders, wording
from poststelle.web.entrance import Visit, base_of
from poststelle.web.names import ROLES, as_a_tree

_GIVEN = [role for role in ROLES if role is not Role.INBOX]
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Line:
    """One folder in the table. `depth` for indenting; `choices`: name of the switch and whether it is on; `chosen`: its role by hand."""

    folder: FolderRecord
    depth: int
    choices: Sequence[tuple[str, bool]]
    chosen: str


def folders(request: Visit, account: str) -> HttpResponse:
    """The tree with its switches; what was changed is kept folder by folder."""
    record = accounts.show(request.actor, account)
    found = reading.folders(request.actor, record.id) if Right.SEE in record.rights else []
    if request.method == "POST":
        changed = [_keep(request, folder, request.POST) for folder in found]
        if wanted := request.POST.get("fetch_now"):
            handling.fetch_now(request.actor, wanted)
            messages.success(request, _("What the folder holds is being fetched."))
        else:
            messages.success(request, _("Saved."))
        told = "?changed=1" if any(changed) else ""
        return redirect(reverse("mailbox-folders", args=[record.id]) + told)
    lines = [
        Line(
            one, min(len(one.path) - 1, 8),
            _switches(one),
            str(one.choices.get("role", "")),
        )
        for one in as_a_tree(found)
    ]  # fmt: skip
    context = {
        "base": base_of(request), "account": record, "here": "folders", "area": "mailboxes", "lines": lines,
        "may_see": Right.SEE in record.rights, "may_change": Right.PROCESS in record.rights,
        "roles": [(role.value, ROLES[role]) for role in _GIVEN],
        "has_changed": request.GET.get("changed") == "1" and record.incoming is not None,
        "missing": [(role.value, ROLES[role]) for role in special_folders.missing(found)] if found else [],
    }  # fmt: skip
    return render(request, "mailbox_folders.html", context)


@require_POST
def create(request: Visit, account: str) -> HttpResponse:
    """Folders that are missing: all special ones, the one for a role, or one of any name."""
    record = accounts.show(request.actor, account)
    role, name = request.POST.get("role", ""), request.POST.get("name", "").strip()
    try:
        if role:
            wanted = None if role == _ALL else [Role(role)] if role in {one.value for one in _GIVEN} else []
            names = [one.name for one in special_folders.create(request.actor, record.id, wanted)]
        else:
            handling.create_folder(request.actor, record.id, [name])
            names = [name]
    except Invalid as error:
        messages.error(request, " ".join(wording.field_sentences(error).values()))
    else:
        told = _("Created: %(names)s.") % {"names": ", ".join(names)} if names else _("Nothing was missing.")
        messages.success(request, told)
    return redirect("mailbox-folders", record.id)


def _switches(folder: FolderRecord) -> list[tuple[str, bool]]:
    """What is chosen per folder, and what holds."""
    return [("show", folder.shown), ("fetch", folder.fetched), ("process", bool(folder.choices.get("process")))]


def _keep(request: Visit, folder: FolderRecord, post: QueryDict) -> bool:
    """What the form says of one folder, where it differs from what holds; whether it does."""
    changes: dict[str, object] = {}
    for name, holds in _switches(folder):
        said = post.get(f"{folder.id}.{name}")
        if said is not None and (said == "1") != holds:
            changes[name] = said == "1"
    if changes:
        handling.choose(request.actor, folder.id, changes)
    subscribed = post.get(f"{folder.id}.subscribed")
    differs = subscribed is not None and (subscribed == "1") != folder.subscribed
    if differs:
        handling.subscribe(request.actor, folder.id, subscribed=subscribed == "1")
    role = post.get(f"{folder.id}.role")
    if role is not None and role != str(folder.choices.get("role", "")) and folder.role is not Role.INBOX:
        handling.set_role(request.actor, folder.id, Role(role) if role in {one.value for one in Role} else None)
        return True
    return differs or bool(changes)
