"""Secrets typed into a form wait sealed in the session while the form is shown again, so that nobody types a password twice.

Law: they never go into a page, an address or a log. The page holds a word (`FIELD`) that finds them again in this session, for a quarter
of an hour; the latest few forms only.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection

from django.http import HttpRequest

from poststelle.errors import Conflict
from poststelle.office import second_factors

FIELD = "typed"
"""The form's hidden field for the word."""

_KEPT, _SECONDS, _MOST, _LONGEST = "typed_secrets", 900, 3, 100_000


def restore(request: HttpRequest, names: Collection[str]) -> frozenset[str]:
    """Put what was typed before into those of the fields that came empty now; the names of all that are filled."""
    waiting = _waiting(request).get(request.POST.get(FIELD, ""))
    if waiting is not None:
        typed = _opened(waiting[1])
        post = request.POST.copy()
        for name in names:
            if not post.get(name) and name in typed:
                post[name] = typed[name]
        request.POST = post  # type: ignore[assignment]  # the stubs know frozen ones only
    return frozenset(name for name in names if request.POST.get(name))


def keep(request: HttpRequest, names: Collection[str]) -> str:
    """Seal what the fields hold; the word for `FIELD`, empty where nothing was typed."""
    typed = {name: request.POST[name] for name in names if request.POST.get(name)}
    text = json.dumps(typed)
    if not typed or len(text) > _LONGEST:
        return ""
    word = secrets.token_urlsafe(16)
    waiting = _waiting(request) | {word: (time.time(), second_factors.seal(text))}
    request.session[_KEPT] = dict([*waiting.items()][-_MOST:])
    return word


def forget(request: HttpRequest) -> None:
    """They are saved: nothing waits any more for the form with this word."""
    waiting = _waiting(request)
    if waiting.pop(request.POST.get(FIELD, ""), None) is not None:
        request.session[_KEPT] = waiting


def _waiting(request: HttpRequest) -> dict[str, tuple[float, str]]:
    kept = request.session.get(_KEPT, {})
    return {word: (at, sealed) for word, (at, sealed) in kept.items() if 0 <= time.time() - at < _SECONDS}


def _opened(sealed: str) -> dict[str, str]:
    try:
        typed: dict[str, str] = json.loads(second_factors.unseal(sealed))
    except Conflict:
        return {}
    return typed
