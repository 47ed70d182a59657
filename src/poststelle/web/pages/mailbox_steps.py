"""The larger steps in the life of a mailbox: handing it to its owner, turning it into an archive, moving it to another provider."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters

from poststelle.errors import Invalid, Trouble
from poststelle.mail.records import AccountRecord
from poststelle.mail.settings import Encryption
from poststelle.office import accounts, egress, hand_over, kinds, wording
from poststelle.office.doors import NetworkDoors
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field, choices
from poststelle.web.names import ENCRYPTIONS
from poststelle.web.pages import mailbox_form as forms


def create_hand_over(request: Visit, account: str) -> HttpResponse:
    """Asks, makes the one-time link, and shows it once."""
    record = accounts.administered(request.actor, account)
    context: dict[str, object] = {"base": base_of(request), "account": record, "area": "mailboxes"}
    if request.method == "POST":
        token, expires_at = hand_over.create(request.actor, record.id)
        link = request.build_absolute_uri(reverse("hand-over", args=[token]))
        context |= {"link": link, "expires_at": expires_at}
    return render(request, "mailbox_hand_over.html", context)


def archive(request: Visit, account: str) -> HttpResponse:
    """Asks first: there is no way back."""
    record = accounts.administered(request.actor, account)
    if request.method == "POST":
        kinds.to_archive(request.actor, record.id)
        messages.success(request, _("“%(label)s” is an archive now.") % {"label": record.label})
        return redirect("mailbox", record.id)
    context = {"base": base_of(request), "account": record, "lost": kinds.consequences(request.actor, record.id)}
    return render(request, "mailbox_archive.html", context)


@sensitive_post_parameters("login.password")
async def move(request: Visit, account: str) -> HttpResponse:
    """The new servers and log-in of the same mailbox; they are tried before anything is kept."""
    record = await sync_to_async(accounts.administered)(request.actor, account)
    wrong: dict[str, str] = {}
    told = None
    if request.method == "POST":
        doors = NetworkDoors(egress.rule)
        made = forms.document(request.POST.copy())
        changes = {name: made[name] for name in ("incoming", "outgoing", "login") if made.get(name) is not None}
        try:
            counts = await kinds.move(request.actor, record.id, changes, doors)
        except Invalid as error:
            wrong = wording.field_sentences(error)
        except Trouble as error:
            told = wording.sentence(error)
        else:
            return await sync_to_async(_moved)(request, record, counts["matched"], counts["new"])
    response: HttpResponse = await sync_to_async(_move_page)(request, record, wrong, told)
    return response


def _moved(request: Visit, record: AccountRecord, matched: int, new: int) -> HttpResponse:
    found = ngettext("%(count)s folder was found again", "%(count)s folders were found again", matched) % {
        "count": matched
    }
    messages.success(request, _("The mailbox has moved: %(found)s, %(new)s are new.") % {"found": found, "new": new})
    return redirect("mailbox", record.id)


def _move_page(
    request: Visit, record: AccountRecord, wrong: dict[str, str], told: wording.Wording | None
) -> HttpResponse:
    posted = request.method == "POST"
    usual = {"incoming.encryption": Encryption.TLS.value, "outgoing.encryption": Encryption.TLS.value,
             "login.username": record.login.username if record.login else ""}  # fmt: skip

    def field(name: str, label: str, kind: str = "text", **more: object) -> Field:
        value = request.POST.get(name, "") if posted and kind != "password" else usual.get(name, "")
        return Field(name, label, kind, value, error=wrong.get(name, ""), **more)  # type: ignore[arg-type]

    sections = [
        (title, [
            field(f"{way}.host", _("Server"), placeholder=example),
            field(f"{way}.encryption", _("Encryption"), "select", choices=choices(ENCRYPTIONS)),
            field(f"{way}.port", _("Port"), "number", help=_("Empty: the usual one for this encryption.")),
        ])
        for way, title, example in (("incoming", _("Receiving"), "imap.example.org"), ("outgoing", _("Sending"), "smtp.example.org"))
    ]  # fmt: skip
    sections.append((_("Log-in"), [
        field("login.username", _("User name")),
        field("login.password", _("Password"), "password", autocomplete="new-password"),
    ]))  # fmt: skip
    named = {one.name for _title, fields in sections for one in fields}
    context = {
        "base": base_of(request), "account": record, "sections": sections, "told": told,
        "general": [sentence for name, sentence in wrong.items() if name not in named],
    }  # fmt: skip
    return render(request, "mailbox_move.html", context, status=422 if wrong or told else 200)
