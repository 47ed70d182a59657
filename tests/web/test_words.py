"""Words of templates, said once in each language: always what Django itself would say."""

from __future__ import annotations

import pytest
from django.template import engines
from django.utils import translation

from poststelle.web.templatetags.words import Words

TEMPLATES = (
    '{% translate "Save" %}',
    '{% translate "Spam" context "verb" %}',
    '{% translate "Reply to" context "header" %}',
    '{% translate "a < b & 100%% of it" %}',
    "{% translate name %}",
    '{% translate "Save" as word %}[{{ word }}]',
    '{% translate "Save"|upper %}',
    '{% autoescape off %}{% translate "a < b" %}{% endautoescape %}{% translate "a < b" %}',
)


@pytest.mark.parametrize("text", TEMPLATES)
def test_words_are_those_of_django_in_every_language_and_every_time(text: str) -> None:
    ours = engines["django"].from_string(text)
    djangos = engines["django"].from_string("{% load i18n %}" + text)
    for language in ("de", "en", "de"):
        with translation.override(language):
            for name in ("Save", "<b>"):
                assert ours.render({"name": name}) == djangos.render({"name": name})


def test_constant_words_are_kept_and_others_are_not() -> None:
    kept = [bool(engines["django"].from_string(text).template.nodelist.get_nodes_by_type(Words)) for text in TEMPLATES]
    assert kept == [True, True, True, True, False, False, False, True]
