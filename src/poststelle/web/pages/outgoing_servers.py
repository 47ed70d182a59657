"""Outgoing servers at the browser: the office's and one's own, each with its test beside the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from poststelle.errors import Invalid, PoststelleError
from poststelle.mail.records import OutgoingServerRecord
from poststelle.mail.settings import DEFAULT_PORTS, Encryption
from poststelle.office import logins, outgoing_servers, people, wording
from poststelle.web import typed_secrets
from poststelle.web.entrance import Visit, base_of
from poststelle.web.fields import Field, applies, choices
from poststelle.web.names import CERTIFICATES, ENCRYPTIONS, EXCEPTIONS, MECHANISMS
from poststelle.web.pages import probe_lines
from poststelle.web.pages.mailbox_form import excepted, shown
from poststelle.web.pages.mailbox_sections import TLS_VERSIONS, fix_fields, why_help

_NO_LOGIN, _OWN = "", "own"
_LOGIN = "login.way=own"
_EXTERNAL = f"{_LOGIN};login.mechanism=external"
_PINS = {"fingerprint": "pinned", "key": "pinned", "name": "other-name", "until": "unchecked"}
_SECRETS = ("login.password", "login.client_certificate")
_ELSEWHERE = {"login.login": "login.way", "test_recipient": "recipient"}
"""Fields of the document that the form calls otherwise."""


@require_safe
def overview(request: Visit) -> HttpResponse:
    """The office's servers and one's own."""
    words = request.GET.get("q", "").strip()[:200]
    found = outgoing_servers.within(request.actor, words)
    lines = [(one, outgoing_servers.may_change(request.actor, one)) for one in found]
    return render(request, "servers.html", {"base": base_of(request), "area": "servers", "servers": lines, "q": words})


@sensitive_post_parameters(*_SECRETS)
def edit(request: Visit, server: str = "") -> HttpResponse:
    """A new server, or changes to one; asks before it saves what has not been tested."""
    record = outgoing_servers.show(request.actor, server) if server else None
    if request.method != "POST":
        return _page(request, record, {})
    typed_secrets.restore(request, _SECRETS)
    document = _document(request)
    try:
        if _asks_first(request, document, record):
            return _page(request, record, {}, untested=True)
        if record is None:
            kept = outgoing_servers.add(request.actor, document)
        else:
            kept = outgoing_servers.change(request.actor, record.id, document)
        if recipient := request.POST.get("recipient", "").strip():
            outgoing_servers.remember_recipient(request.actor, kept.id, recipient)
    except Invalid as error:
        return _page(request, record, _wrong(error))
    typed_secrets.forget(request)
    messages.success(request, _("Saved."))
    return redirect("servers")


@require_POST
def remove(request: Visit, server: str) -> HttpResponse:
    """Forget one no mailbox refers to."""
    outgoing_servers.remove(request.actor, server)
    messages.success(request, _("Removed."))
    return redirect("servers")


@sensitive_post_parameters(*_SECRETS)
async def probe(request: Visit, server: str = "") -> HttpResponseBase:
    """Try what the form says, line by line; saves nothing but whom the test of a saved server writes to."""
    record = await sync_to_async(outgoing_servers.show)(request.actor, server) if server else None
    if request.method != "POST":
        return redirect("server-edit", record.id) if record is not None else redirect("server-new")
    await sync_to_async(typed_secrets.restore)(request, _SECRETS)
    recipient = request.POST.get("recipient", "").strip()
    steps = outgoing_servers.probe(request.actor, _document(request), record.id if record else None, recipient)
    try:
        first = await anext(steps, None)
    except Invalid as error:
        response: HttpResponse = await sync_to_async(_page)(request, record, _wrong(error))
        return response
    context = {"base": base_of(request), "area": "servers", "nothing_saved": True}
    page = (
        ""
        if probe_lines.wants_lines(request)
        else await sync_to_async(render_to_string)("probe.html", context, request)
    )
    return probe_lines.streamed(first, steps, page, probe_lines.verdict, _fix_fields)


def _asks_first(request: Visit, document: Mapping[str, object], record: OutgoingServerRecord | None) -> bool:
    """Whether it is asked before untested settings are saved; once declined (``untested``), or where they are wrong, it is not."""
    if request.POST.get("untested") == "1":
        return False
    try:
        return outgoing_servers.is_untested(request.actor, document, record.id if record else None)
    except PoststelleError:
        return False


def _wrong(error: Invalid) -> dict[str, str]:
    return {_ELSEWHERE.get(name, name): told for name, told in wording.field_sentences(error).items()}


def _fix_fields(change: Mapping[str, object]) -> str:
    """What a remedy would change in this form, which shows the way out of a mailbox alone."""
    way_out = change.get("outgoing", change)
    made = dict(way_out) if isinstance(way_out, Mapping) else {}
    if made.pop("authentication", None) == "none":
        made["login"] = {"way": _NO_LOGIN}
    return fix_fields(made)


def _page(
    request: Visit, record: OutgoingServerRecord | None, wrong: Mapping[str, str], *, untested: bool = False
) -> HttpResponse:
    """The form; `untested`: it asks whether these settings are to be tested before they are saved."""
    typed = typed_secrets.keep(request, _SECRETS) if request.method == "POST" else ""
    usual, security = _fields(request, record, wrong, waits=bool(typed))
    known = request.POST.get("recipient", record.test_recipient if record else "")
    recipient = Field(
        "recipient", _("Test recipient"), "email", known, _("The test sends a message there. Proposed again next time."),
        wrong.get("recipient", ""), offers_people=True,
    )  # fmt: skip
    named = {field.name for field in (*usual, *security, recipient)}
    context = {
        "base": base_of(request), "area": "servers", "server": record, "fields": usual, "security": security,
        "exceptions": [(EXCEPTIONS.get(one.what, one.what), one) for one in record.exceptions] if record else (),
        "security_opened": any(field.error for field in security), "recipient": recipient, "wrong": wrong, "typed": typed,
        "untested": untested, "general": [told for name, told in wrong.items() if name not in named],
        "ports": {f"{protocol}-{encryption.value}": port for (protocol, encryption), port in DEFAULT_PORTS.items()},
    }  # fmt: skip
    return render(request, "server.html", context, status=422 if wrong else 200)


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
        "default": post.get("default") == "1", "login": _login(post),
        "certificate": {"mode": mode} | {name: post.get(f"certificate.{name}") or None for name, of in _PINS.items() if of == mode},
    }  # fmt: skip
    if "minimum_tls" in post:
        made["minimum_tls"] = post["minimum_tls"] or None
    if "plain_text_allowed" in post:
        made["plain_text_allowed"] = post["plain_text_allowed"] == "1"
    if "exception_reason" in post:
        made["exception_reason"] = post["exception_reason"] or None
    if "owner" in post:
        made["owner"] = post["owner"] or None
    return made


def _login(post: Mapping[str, str]) -> dict[str, object] | None:
    way = post.get("login.way", "")
    if not way:
        return None
    password = {"password": post["login.password"]} if post.get("login.password") else {}
    if way != _OWN:
        return {"login": way, **password}
    made: dict[str, object] = {
        "username": post.get("login.username", ""), "mechanism": post.get("login.mechanism") or None,
        "domain": post.get("login.domain") or None,
    }  # fmt: skip
    if applies(_EXTERNAL, post):
        certificate = post.get("login.client_certificate", "")
        return made | ({"client_certificate": certificate} if certificate else {})
    return made | password


def _fields(
    request: Visit,
    record: OutgoingServerRecord | None,
    wrong: Mapping[str, str],
    *,
    waits: bool,
) -> tuple[Sequence[Field], Sequence[Field]]:
    """What everybody fills in, and what makes the connection less safe or prescribes it. `waits`: secrets were typed before."""
    stored = shown(outgoing_servers.document_of(record)) if record else {"encryption": "tls", "login.way": _OWN}
    if record:
        login = record.login
        stored["login.way"] = (login.id if login.label else _OWN) if login else _NO_LOGIN
    posted = request.POST if request.method == "POST" else None

    def field(name: str, label: str, kind: str = "text", **more: Any) -> Field:
        value = posted.get(name, "") if posted is not None and name not in _SECRETS else stored.get(name, "")
        if waits and name in _SECRETS and request.POST.get(name):
            more["help"] = _("Typed already. Leave it empty to keep that.")
        return Field(name, label, kind, value, error=wrong.get(name, ""), **more)

    shared = logins.within(request.actor, shared=True)
    known = {one.id for one in shared}
    if record and record.login and record.login.label and record.login.id not in known:
        shared.append(record.login)
    return _usual(request, record, field, [(one.id, f"{one.label} ({one.username})") for one in shared]), [
        field("certificate.mode", _("Certificate"), "select", choices=choices(CERTIFICATES)),
        field("certificate.fingerprint", _("Fingerprint (SHA-256)"), when="certificate.mode=pinned"),
        field("certificate.key", _("Fingerprint of its key (SHA-256)"), when="certificate.mode=pinned"),
        field("certificate.name", _("Name in the certificate"), when="certificate.mode=other-name"),
        field("certificate.until", _("Until"), "date", when="certificate.mode=unchecked"),
        field("minimum_tls", _("Oldest TLS allowed: %(way)s") % {"way": _("Sending")}, "select", choices=TLS_VERSIONS),
        field("plain_text_allowed", _("The password may go unencrypted: %(way)s") % {"way": _("Sending")}, "check"),
        field("exception_reason", _("Why this exception"), help=why_help(), when=excepted("")),
    ]  # fmt: skip


def _usual(
    request: Visit,
    record: OutgoingServerRecord | None,
    field: Callable[..., Field],
    shared: Sequence[tuple[str, str]],
) -> list[Field]:
    kept = _("Leave empty to keep the stored one.") if record else ""
    ways = [(_OWN, _("Own, for this server only")), (_NO_LOGIN, _("No log-in")), *shared]
    logging_in = "login.way=" + ",".join(way for way, _label in ways if way)
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
        field("login.password", _("Password"), "password", help=kept, autocomplete="new-password", when=logging_in),
        field("login.mechanism", _("Log-in method"), "select", choices=choices(MECHANISMS), when=_LOGIN),
        field(
            "login.domain",
            _("Windows domain"),
            help=_("Only where the user name is written DOMAIN\\name."),
            when=_LOGIN,
        ),
        field(
            "login.client_certificate", _("Client certificate with key (PEM)"), "textarea", help=kept, when=_EXTERNAL
        ),
    ]
