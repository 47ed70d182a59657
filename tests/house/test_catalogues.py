"""Nobody ever meets a sentence in the wrong language."""

from __future__ import annotations

import re

import pytest

from tests.house.extract import LANGUAGES, catalogue, forms, missing, shown

PLACEHOLDER = re.compile(r"%\((\w+)\)[a-z]|\{(\w*)\}")


def placeholders(text: str) -> set[str]:
    return {named or braced for named, braced in PLACEHOLDER.findall(text)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_that_is_shown_is_translated(language: str) -> None:
    assert shown()
    assert missing(language) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_catalogue_keeps_strings_nobody_shows(language: str) -> None:
    used = {(string.key, string.context) for string in shown()}
    kept = {
        (message.id if isinstance(message.id, str) else message.id[0], message.context)
        for message in catalogue(language)
        if message.id
    }
    assert kept - used == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_name_the_same_facts_as_the_source(language: str) -> None:
    for message in catalogue(language):
        if not message.id:
            continue
        source = message.id if isinstance(message.id, str) else message.id[-1]
        for text in forms(message)[-1:]:
            assert placeholders(text) == placeholders(source), message.id
