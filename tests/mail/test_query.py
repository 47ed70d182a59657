"""What people type into the search box."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail.query import Query, Term, being_typed, completions, parse
from poststelle.mail.words import Stems, Vocabulary, folded, spellings, words

TODAY = date(2026, 11, 21)


def asked(text: str) -> Query:
    return parse(text, TODAY)


def test_words_phrases_exclusions_and_the_word_still_being_typed_are_told_apart() -> None:
    assert asked('Rechnung "Ablauf der Frist" -Werbung müll').terms == (
        Term(("rechnung",)),
        Term(("ablauf", "der", "frist"), exact=True),
        Term(("werbung",), excluded=True),
        Term(("müll",), open_ended=True),
    )
    assert asked("müll ").terms == (Term(("müll",)),)
    assert asked('"offen').terms == (Term(("offen",), exact=True, open_ended=True),)
    assert asked("AZ-12/26 ").terms == (Term(("az", "12", "26")),)


@pytest.mark.parametrize(
    ("german", "english"),
    [
        ("von:müller", "from:müller"),
        ("an:amt", "to:amt"),
        ('betreff:"neue frist"', 'subject:"neue frist"'),
        ("hat:anhang", "has:attachment"),
        ("-hat:anhang", "-has:attachment"),
        ("vor:1.3.2026", "before:2026-03-01"),
        ("nach:gestern", "after:yesterday"),
        ("in:Posteingang", "in:Posteingang"),
        ("ist:ungelesen ist:markiert", "is:unread is:flagged"),
        ("akte:12/26", "case:12/26"),
        ("datei:plan", "file:plan"),
    ],
)
def test_operators_are_german_and_english_alike(german: str, english: str) -> None:
    assert asked(german) == asked(english) != Query()


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-03-02", date(2026, 3, 2)),
        ("2.3.2026", date(2026, 3, 2)),
        ("02.03.26", date(2026, 3, 2)),
        ("2026-03", date(2026, 3, 1)),
        ("3.2026", date(2026, 3, 1)),
        ("2026", date(2026, 1, 1)),
        ("heute", TODAY),
        ("7t", date(2026, 11, 14)),
        ("2w", date(2026, 11, 7)),
    ],
)
def test_days_are_written_in_many_ways(value: str, day: date) -> None:
    assert asked(f"nach:{value}").after == day
    assert asked(f"-nach:{value}").before == day


@pytest.mark.parametrize(
    "text", ["nach:quark", "ist:blau", "http://x.test", "vor:31.2.2026", "az:12", "hat:geld", "in:"]
)
def test_an_operator_that_makes_no_sense_is_words(text: str) -> None:
    query = asked(f"{text} ")
    assert query.terms
    assert query == Query(terms=query.terms)


def test_suggestions_follow_what_was_typed_last() -> None:
    assert completions("frist v") == ["von:", "vor:"]
    assert completions("ist:un") == ["ist:ungelesen"]
    assert completions("-h", "en") == ["has:"]
    assert completions("frist ") == []


def test_more_words_than_anybody_types_are_cut() -> None:
    assert len(asked("wort " * 5_000).terms) == 30


@given(
    st.text(max_size=60),
    st.lists(st.sampled_from(['"', "-", "von:", "vor:", "ist:", ":", "\0", "2026-99-99", "9999t", " "]), max_size=8),
)
def test_any_text_is_a_query(text: str, pieces: list[str]) -> None:
    for one in (text, "".join(pieces) + text, text.join(pieces)):
        assert len(asked(one).terms) <= 30
        completions(one)


def test_a_word_is_spelled_with_and_without_umlauts() -> None:
    assert set(spellings("Müller")) == {"muller", "mueller"}
    assert "muller" in spellings("Mueller")
    assert set(spellings("Straße")) == {"straße", "strasse"}
    assert spellings("neue") == ["neue"]
    assert folded("Ärger") == "arger"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_of_any_texts_every_inflection_and_long_word_is_met_once(texts: list[str]) -> None:
    vocabulary, stems = Vocabulary(), Stems()
    for text in [*texts, *texts]:
        vocabulary.read(text.encode())
    held = {word for text in texts for word in words(text) if word.isalpha()}
    assert vocabulary.inflected == {(stems.of(word), folded(word)) for word in held if stems.of(word) != folded(word)}
    assert vocabulary.long == {folded(word) for word in held if 8 <= len(word) <= 40}


def test_inflections_share_a_stem() -> None:
    stems = Stems()
    assert stems.of("Rechnungen") == stems.of("Rechnung") == "rechnung"
    assert stems.of("Müller") == stems.of("Mueller")
    assert stems.of("Häuser") == stems.of("Haus")


def test_words_already_met_are_not_met_again_until_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poststelle.mail.words._REMEMBERED", 3)
    vocabulary, met = Vocabulary(), []
    for text in ("Häuser, HÄUSER; rechnungen", "rechnungen", "Fristen Akten", "Rechnungen_Häuser"):
        vocabulary.read(text.encode())
        met.append(sorted(word for _, word in vocabulary.inflected))
        vocabulary.inflected.clear()
    assert met == [["hauser", "rechnungen"], [], ["akten", "fristen"], ["hauser", "rechnungen"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("von:pet", ("", "von", "sender", "pet")),
        ("Frist -from:pet", ("Frist -", "from", "sender", "pet")),
        ('an:"petra mü', ("", "an", "recipient", "petra mü")),
        ('in:"Mandanten N', ("", "in", "folder", "Mandanten N")),
        ("von:", ("", "von", "sender", "")),
        ('von:"petra" ', None),
        ('von:"petra"', None),
        ("http://x", None),
        ("avon:pet", None),
        ("von:petra frist", None),
        ("", None),
    ],
)
def test_the_operator_being_typed_is_told_with_its_value(text: str, expected: tuple[str, str, str, str] | None) -> None:
    found = being_typed(text)
    assert (found and (found.before, found.operator, found.meaning, found.value)) == expected


def test_operators_of_the_other_language_are_completed_where_ones_own_has_none() -> None:
    assert completions("subj", "de") == ["subject:"]
    assert completions("betr", "en") == ["betreff:"]
    assert completions("is:un", "de") == ["is:unread"]
    assert completions("ist:un", "en") == ["ist:ungelesen"]
    assert completions("hat:", "en") == ["hat:anhang"]
    assert completions("i", "de") == ["in:", "ist:"], "one's own alone, as long as there is one"
