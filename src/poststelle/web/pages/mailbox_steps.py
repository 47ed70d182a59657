"""The larger steps in the life of a mailbox: handing it to its owner, turning it into an archive, moving it to another provider."""

from __future__ import annotations

import json
from collections.abc import Mapping

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters

from poststelle.errors import Invalid, Trouble
from poststelle.mail.records import AccountRecord, Step
from poststelle.mail.settings import DEFAULT_PORTS, CertificateMode, Encryption
from poststelle.office import accounts, egress, hand_over, kinds, wording
from poststelle.office.doors import NetworkDoors
from poststelle.web import typed_secrets
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field, choices
from poststelle.web.names import CERTIFICATES, ENCRYPTIONS
from poststelle.web.pages import mailbox_form as forms
from poststelle.web.pages import probe_lines
from poststelle.web.pages.mailbox_sections import why_help

_MOVE_SECRETS = ("login.password",)
_CERTIFICATE = ("certificate.mode", "certificate.fingerprint", "certificate.key", "certificate.name")
_MOVE_FIELDS = (
    *(f"{way}.{part}" for way in ("incoming", "outgoing") for part in ("host", "encryption", "port", *_CERTIFICATE)),
    "login.username",
)
_EXPECTED = {one.value: shown for one, shown in CERTIFICATES.items() if one is not CertificateMode.UNCHECKED}


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
        await sync_to_async(typed_secrets.restore)(request, _MOVE_SECRETS)
        doors = NetworkDoors(egress.rule)
        try:
            counts = await kinds.move(request.actor, record.id, _new_place(request), doors)
        except Invalid as error:
            wrong = wording.field_sentences(error)
        except Trouble as error:
            told = wording.sentence(error)
        else:
            return await sync_to_async(_moved)(request, record, counts["matched"], counts["new"])
    response: HttpResponse = await sync_to_async(_move_page)(request, record, wrong, told)
    return response


@sensitive_post_parameters("login.password")
async def try_move(request: Visit, account: str) -> HttpResponseBase:
    """The test of the new servers, line by line; nothing moves yet."""
    record = await sync_to_async(accounts.administered)(request.actor, account)
    if request.method != "POST":
        return redirect("mailbox-move", record.id)
    await sync_to_async(typed_secrets.restore)(request, _MOVE_SECRETS)
    steps = accounts.probe(request.actor, _new_place(request), record.id)
    try:
        first = await anext(steps, None)
    except Invalid as error:
        return await sync_to_async(_move_page)(request, record, wording.field_sentences(error), None)
    context = {"base": base_of(request), "area": "mailboxes", "nothing_saved": True}
    page = (
        ""
        if probe_lines.wants_lines(request)
        else await sync_to_async(render_to_string)("probe.html", context, request)
    )
    return probe_lines.streamed(first, steps, page, _move_verdict, _move_fields)


def _new_place(request: Visit) -> dict[str, object]:
    made = forms.document(request.POST.copy())
    return kinds.elsewhere(
        {name: made[name] for name in ("incoming", "outgoing", "login") if made.get(name) is not None}
    )


def _move_verdict(steps: list[Step]) -> str:
    failed = any(step.state == "failed" for step in steps)
    return probe_lines.verdict(steps, _("Something does not work yet. Nothing has been moved.") if failed else "")


def _move_fields(change: Mapping[str, object]) -> str:
    made = {name: value for name, value in forms.flat("", change) if name in _MOVE_FIELDS}
    return json.dumps(made) if made else ""


def _moved(request: Visit, record: AccountRecord, matched: int, new: int) -> HttpResponse:
    typed_secrets.forget(request)
    found = ngettext("%(count)s folder was found again", "%(count)s folders were found again", matched) % {
        "count": matched
    }
    messages.success(request, _("The mailbox has moved: %(found)s, %(new)s are new.") % {"found": found, "new": new})
    return redirect("mailbox", record.id)


def _move_page(
    request: Visit, record: AccountRecord, wrong: dict[str, str], told: wording.Wording | None
) -> HttpResponse:
    posted = request.method == "POST"
    typed = typed_secrets.keep(request, _MOVE_SECRETS) if posted else ""
    waits = _("Typed already. Leave it empty to keep that.") if typed else ""
    usual = {"incoming.encryption": Encryption.TLS.value, "outgoing.encryption": Encryption.TLS.value,
             "login.username": record.login.username if record.login else ""}  # fmt: skip

    def field(name: str, label: str, kind: str = "text", **more: object) -> Field:
        value = request.POST.get(name, "") if posted and kind != "password" else usual.get(name, "")
        return Field(name, label, kind, value, error=wrong.get(name, ""), **more)  # type: ignore[arg-type]

    sections = [
        (title, [
            field(f"{way}.host", _("Server"), placeholder=example, help=_("Empty: sending stays as it is.") if way == "outgoing" else ""),
            field(f"{way}.encryption", _("Encryption"), "select", choices=choices(ENCRYPTIONS)),
            field(f"{way}.port", _("Port"), "number", help=_("Empty: the usual one for this encryption.")),
            field(f"{way}.certificate.mode", _("Certificate"), "select", choices=choices(_EXPECTED)),
            field(f"{way}.certificate.fingerprint", _("Fingerprint (SHA-256)"), when=f"{way}.certificate.mode=pinned"),
            field(f"{way}.certificate.key", _("Fingerprint of its key (SHA-256)"), when=f"{way}.certificate.mode=pinned"),
            field(f"{way}.certificate.name", _("Name in the certificate"), when=f"{way}.certificate.mode=other-name"),
            field(f"{way}.exception_reason", _("Why this exception"), help=why_help(), when=forms.excepted(f"{way}.")),
        ])
        for way, title, example in (("incoming", _("Receiving"), "imap.example.org"), ("outgoing", _("Sending"), "smtp.example.org"))
    ]  # fmt: skip
    sections.append((_("Log-in"), [
        field("login.username", _("User name")),
        field("login.password", _("Password"), "password", autocomplete="new-password", help=waits),
    ]))  # fmt: skip
    named = {one.name for _title, fields in sections for one in fields}
    context = {
        "base": base_of(request), "account": record, "sections": sections, "told": told, "typed": typed,
        "ports": {f"{protocol}-{encryption.value}": port for (protocol, encryption), port in DEFAULT_PORTS.items()},
        "general": [sentence for name, sentence in wrong.items() if name not in named],
    }  # fmt: skip
    return render(request, "mailbox_move.html", context, status=422 if wrong or told else 200)
