"""Outgoing servers at the browser: the office's and one's own, and their test."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Invalid
from poststelle.mail.records import OutgoingServerRecord
from poststelle.mail.settings import DEFAULT_PORTS, Encryption
from poststelle.office import logins, outgoing_servers, people, wording
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field, applies, choices
from poststelle.web.names import CERTIFICATES, ENCRYPTIONS, MECHANISMS
from poststelle.web.pages.area import form_page
from poststelle.web.pages.mailbox_form import shown
from poststelle.web.pages.mailbox_sections import step_name

_NO_LOGIN, _OWN = "", "own"
_LOGIN = "login.way=own"
_PINS = {"fingerprint": "pinned", "name": "other-name", "until": "unchecked"}


@require_safe
def overview(request: Visit) -> HttpResponse:
    """The office's servers and one's own."""
    found = outgoing_servers.within(request.actor)
    lines = [(one, request.actor.is_administrator or one.owner is not None) for one in found]
    return render(request, "servers.html", {"base": base_of(request), "area": "servers", "servers": lines})


@sensitive_post_parameters("login.password")
def edit(request: Visit, server: str = "") -> HttpResponse:
    """A new server, or changes to one."""
    record = outgoing_servers.show(request.actor, server) if server else None

    def keep() -> object:
        if record is None:
            return outgoing_servers.add(request.actor, _document(request))
        return outgoing_servers.change(request.actor, record.id, _document(request))

    title = record.label if record else _("New outgoing server")
    return form_page(request, "servers", title, partial(_fields, request, record), keep)


@require_POST
def remove(request: Visit, server: str) -> HttpResponse:
    """Forget one no mailbox refers to."""
    outgoing_servers.remove(request.actor, server)
    messages.success(request, _("Removed."))
    return redirect("servers")


async def test(request: Visit, server: str) -> HttpResponseBase:
    """Try a saved server; whom a test writes to is kept for the next time."""
    record = await sync_to_async(outgoing_servers.show)(request.actor, server)
    lines, wrong = [], ""
    if request.method == "POST":
        try:
            async for step in outgoing_servers.probe(
                request.actor, record.id, request.POST.get("recipient", "").strip()
            ):
                told = wording.sentence(step.error, step.detail) if step.error else None
                lines.append((step, step_name(step.direction, step.name), told))
        except Invalid as error:
            wrong = next(iter(wording.field_sentences(error).values()))
    context = {
        "base": base_of(request), "area": "servers", "server": record, "lines": lines,
        "works": bool(lines) and all(step.state != "failed" for step, _name, _told in lines),
        "recipient": Field("recipient", _("Test recipient"), "email", request.POST.get("recipient", record.test_recipient), error=wrong,
                           help=_("Proposed again next time.")),
    }  # fmt: skip
    response: HttpResponseBase = await sync_to_async(render)(
        request, "server_test.html", context, status=422 if wrong else 200
    )
    return response


def _document(request: Visit) -> dict[str, object]:
    post = {
        name: value if name.endswith("password") else value.strip()
        for name, value in request.POST.items()
        if isinstance(value, str)
    }
    port, encryption = post.get("port", ""), post.get("encryption", "")
    number: object = int(port) if port.isascii() and port.isdecimal() and len(port) < 10 else port
    if not port and encryption in {one.value for one in Encryption}:
        number = DEFAULT_PORTS["smtp", Encryption(encryption)]
    mode = post.get("certificate.mode") or "strict"
    made: dict[str, object] = {
        "label": post.get("label"), "host": post.get("host"), "encryption": encryption, "port": number,
        "default": post.get("default") == "1", "login": None,
        "certificate": {"mode": mode} | {name: post.get(f"certificate.{name}") or None for name, of in _PINS.items() if of == mode},
    }  # fmt: skip
    if "owner" in post:
        made["owner"] = post["owner"] or None
    way = post.get("login.way", "")
    if applies(_LOGIN, post):
        made["login"] = {"username": post.get("login.username", ""), "mechanism": post.get("login.mechanism") or None}
        made["login"] |= {"password": secret} if (secret := post.get("login.password")) else {}  # type: ignore[operator]
    elif way:
        made["login"] = {"login": way}
    return made


def _fields(request: Visit, record: OutgoingServerRecord | None, wrong: Mapping[str, str]) -> list[Field]:
    stored = shown(outgoing_servers.document_of(record)) if record else {"encryption": "tls", "login.way": _OWN}
    if record:
        login = record.login
        stored["login.way"] = (login.label or _OWN) if login else _NO_LOGIN
    posted = request.POST if request.method == "POST" else None

    def field(name: str, label: str, kind: str = "text", **more: object) -> Field:
        value = posted.get(name, "") if posted is not None and kind != "password" else stored.get(name, "")
        return Field(name, label, kind, value, error=wrong.get(name, ""), **more)  # type: ignore[arg-type]

    kept = _("Leave empty to keep the stored one.") if record else ""
    ways = [(_OWN, _("Own, for this server only")), (_NO_LOGIN, _("No log-in"))]
    ways += [(one.label, f"{one.label} ({one.username})") for one in logins.within(request.actor) if one.label]
    owners = [(request.actor.user.id, _("mine"))] if request.actor.user else []
    if request.actor.is_administrator:
        owners = [
            ("", _("the office")),
            *((user.id, f"{user.name} ({user.email})") for user in people.users(request.actor)),
        ]
    return [
        field("label", _("Label"), help=_("What it is called where it can be chosen."), required=True),
        *([] if record else [field("owner", _("Whose it is"), "select", choices=owners)]),
        field("host", _("Server"), placeholder="smtp.example.org", required=True),
        field("encryption", _("Encryption"), "select", choices=choices(ENCRYPTIONS)),
        field("port", _("Port"), "number", help=_("Empty: the usual one for this encryption.")),
        field("default", _("Usual server: sends where nothing else is chosen"), "check"),
        field("login.way", _("Log-in"), "select", choices=ways),
        field("login.username", _("User name"), when=_LOGIN),
        field("login.password", _("Password"), "password", help=kept, autocomplete="new-password", when=_LOGIN),
        field("login.mechanism", _("Log-in method"), "select", choices=choices(MECHANISMS), when=_LOGIN),
        field("certificate.mode", _("Certificate"), "select", choices=choices(CERTIFICATES)),
        field("certificate.fingerprint", _("Fingerprint (SHA-256)"), when="certificate.mode=pinned"),
        field("certificate.name", _("Name in the certificate"), when="certificate.mode=other-name"),
        field("certificate.until", _("Until"), "date", when="certificate.mode=unchecked"),
    ]
