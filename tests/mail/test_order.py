"""Names and subjects stand where people look for them; preferences are read as values."""

from __future__ import annotations

import pytest

from poststelle.mail.order import KEY_LENGTH, collated, sender_key, subject_key


def test_names_stand_as_in_a_german_dictionary() -> None:
    names = ["Zaun", "Öl", "Ofen", "Straße", "Strasse", "strassenbau", "ähnlich", "Ärger", "Apfel", "Éclair", "Efeu"]
    assert sorted(names, key=collated) == [
        "ähnlich", "Apfel", "Ärger", "Éclair", "Efeu", "Ofen", "Öl", "Straße", "Strasse", "strassenbau", "Zaun",
    ]  # fmt: skip


def test_a_sender_stands_by_name_and_without_one_by_address() -> None:
    assert sender_key("„Müller“ Anna", "x@y.test") == "muller“ anna"
    assert sender_key("", "Info@Kunde.test") == "info@kunde.test"
    assert sender_key('"Eva"', "") == "eva"


def test_a_subject_stands_without_its_marks() -> None:
    assert subject_key("AW: Re: [Liste] Übersicht") == subject_key("übersicht") == "ubersicht"
    assert subject_key("") == ""


@pytest.mark.parametrize("text", ["\u0300" * 100_000, "ﷺ" * 100_000, "((((" * 100_000, "Re: " * 100_000, "\ud800"])
def test_hostile_texts_give_short_keys(text: str) -> None:
    assert len(sender_key(text, "")) <= KEY_LENGTH
    assert len(subject_key(text)) <= KEY_LENGTH
