"""Sensitive acts ask again who one is when that was proved longer ago than the setting `reauthenticate_minutes` (RELIABILITY Q72).

Law: the question comes at the address of the act itself, and once it is answered the act goes on with what was typed. That waits sealed in
the session meanwhile, because it may hold passwords. Whoever comes in by single sign-on may be asked by the identity provider instead; only
somebody who has nothing at all to prove themselves with is not asked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.base.forms import ReauthenticateForm
from allauth.mfa.webauthn.internal.auth import begin_authentication
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _

from poststelle.errors import Conflict
from poststelle.mail.records import FactorsRecord
from poststelle.office import second_factors
from poststelle.office.actor import Actor
from poststelle.web.login import CONFIRMED, confirm
from poststelle.web.second_step import ConfirmByPasskey
from poststelle.web.single_sign_on import sign_on_name

SENDING = frozenset(
    {
        "mailbox-new", "mailbox", "mailbox-remove", "mailbox-move", "mailbox-archive", "mailbox-hand-over", "mailbox-rights", "mailbox-revoke",
        "login-new", "login-edit", "login-password", "login-remove", "server-new", "server-edit", "server-remove", "grant",
        "groups", "group", "people", "invite", "person", "export", "second-factor-rule", "token", "password", "egress-allow",
    }
)  # fmt: skip
"""Names of routes where it is asked when a form is sent: credentials, exceptions, grants, people, exports."""
LOOKING = frozenset(
    {
        "bulk", "mfa_activate_totp", "mfa_deactivate_totp", "mfa_add_webauthn", "mfa_remove_webauthn",
        "mfa_generate_recovery_codes", "mfa_view_recovery_codes",
    }
)  # fmt: skip
"""Names of routes where it is asked before they are looked at, too: what shows secrets, and a form with a file, which cannot wait."""

_KEPT, _FIELDS = "kept_form", ("confirm-password", "confirm-code", "confirm-passkey", "confirm-sign-on")
_MOST_KEPT, _KEPT_SECONDS = 500_000, 900


def ask(request: HttpRequest, actor: Actor, name: str) -> HttpResponse | None:
    """The question, where one is due before this act; None to go on (with ``request.POST`` as it was typed first)."""
    sensitive = name in LOOKING or (name in SENDING and request.method == "POST")
    if not sensitive or actor.user is None:
        return None
    answered = request.method == "POST" and any(field in request.POST for field in _FIELDS)
    if _is_fresh(request) and not answered:
        return None
    has = second_factors.of(actor, actor.user.id)
    if not (has.password or has.any or asks_provider(has)):
        return None
    if not answered:
        _keep(request)
        return _question(request, has)
    wrong = _wrong(request, actor)
    if wrong:
        return _question(request, has, wrong)
    confirm(request)
    return _go_on(request)


def asks_provider(has: FactorsRecord) -> str:
    """The name of the identity provider that can ask this person, "" where there is none."""
    return sign_on_name() if has.single_sign_on else ""


def waiting(request: HttpRequest) -> tuple[str, bool] | None:
    """Where the person was asked last, and whether a form waits there; None when that was too long ago."""
    kept = _kept(request)
    return (kept["path"], "form" in kept) if kept else None


def _is_fresh(request: HttpRequest) -> bool:
    at = request.session.get(CONFIRMED)
    return isinstance(at, float) and 0 <= time.time() - at < settings.POSTSTELLE.reauthenticate_minutes * 60


def _wrong(request: HttpRequest, actor: Actor) -> str:
    """Why the answer proves nothing, "" when it does."""
    assert actor.user is not None
    password, code, passkey, provider = (request.POST.get(field, "") for field in _FIELDS)
    try:
        if provider:
            return "" if _is_fresh(request) else _("That was not right.")
        if passkey:
            form = ConfirmByPasskey(user=request.user, data={"credential": passkey})
        elif code:
            form = ReauthenticateForm(user=request.user, data={"code": code})
        else:
            given = {"email": actor.user.email, "password": password[:4096]}
            found = get_adapter().authenticate(request, **given)
            return "" if found is not None and found.pk == request.user.pk else _("That was not right.")
    except ValidationError as error:
        return " ".join(error.messages)
    if form.is_valid():
        form.save()
        return ""
    return " ".join(message for messages in form.errors.values() for message in messages) or _("That was not right.")


def _question(request: HttpRequest, has: FactorsRecord, wrong: str = "") -> HttpResponse:
    options = json.dumps(begin_authentication(request.user)) if has.passkeys else ""
    context: Mapping[str, object] = {
        "has": has, "wrong": wrong, "passkey_options": options, "address": request.get_full_path(),
        "lost_files": bool(request.FILES), "provider": asks_provider(has),
    }  # fmt: skip
    answer = render(request, "confirm.html", context, status=HTTPStatus.FORBIDDEN)
    answer["Cache-Control"] = "no-store"
    return answer


def _keep(request: HttpRequest) -> None:
    """What was typed, until the question is answered."""
    request.session.pop(_KEPT, None)
    form = {"form": request.POST.urlencode()} if request.method == "POST" and not request.FILES else {}
    kept = json.dumps({"path": request.get_full_path(), "at": time.time()} | form)
    if len(kept) <= _MOST_KEPT:
        request.session[_KEPT] = second_factors.seal(kept)


def _go_on(request: HttpRequest) -> HttpResponse | None:
    kept = _kept(request)
    request.session.pop(_KEPT, None)
    if kept.get("path") != request.get_full_path() or "form" not in kept:
        return HttpResponseRedirect(request.get_full_path())
    request.POST = QueryDict(kept["form"], encoding=request.encoding)
    return None


def _kept(request: HttpRequest) -> dict[str, Any]:
    sealed = request.session.get(_KEPT, "")
    try:
        kept: dict[str, Any] = json.loads(second_factors.unseal(sealed)) if sealed else {}
    except (Conflict, ValueError):
        return {}
    return kept if kept and time.time() - kept["at"] <= _KEPT_SECONDS else {}
