"""The logged-in person's own language; before log-in the browser's (Django's LocaleMiddleware)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin


class PersonalLanguageMiddleware(MiddlewareMixin):
    """Activates the language a person has chosen. Views marked ``ignores_cookies`` do not even look who it is."""

    def process_view(self, request: HttpRequest, view: Callable[..., object], *_given: object) -> None:
        if getattr(view, "ignores_cookies", False):
            return
        language = getattr(request.user, "language", None)
        if language and translation.check_for_language(language):
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language() or language
