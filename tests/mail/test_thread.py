"""Base subjects and reference chains."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail.thread import MAX_CHAIN, base_subject, is_reply, references_chain


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Angebot", "Angebot"),
        ("Re: Angebot", "Angebot"),
        ("RE: AW: WG: Fwd: fw: Angebot  für\tSie", "Angebot für Sie"),
        ("Re[2]: Angebot", "Angebot"),
        ("Re^3: Angebot", "Angebot"),
        ("[Liste] Re: [Liste] Angebot", "Angebot"),
        ("Angebot (fwd) (FWD)", "Angebot"),
        ("[Fwd: Re: Angebot]", "Angebot"),
        ("[nur ein Wort]", "[nur ein Wort]"),
        ("Re:", ""),
        ("", ""),
        ("Regen: morgen", "Regen: morgen"),
        ("Zweite Re: Angebot", "Zweite Re: Angebot"),
    ],
)
def test_the_base_subject_has_no_marks(subject: str, base: str) -> None:
    assert base_subject(subject) == base


def test_a_reply_is_told_by_its_mark() -> None:
    assert [is_reply(subject) for subject in ("AW: x", "Re: x", "[L] WG: x", "x", "Regen: x")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_chain_names_each_ancestor_once_and_ends_with_the_message() -> None:
    assert references_chain("c", ("b",), ("a", "b", "a")) == ("a", "b", "c")
    assert references_chain("c", ("b",), ()) == ("b", "c")
    assert references_chain("c", ("a", "b"), ()) == ("c",)
    assert references_chain("", (), ("a",)) == ("a",)
    long = references_chain("z", (), tuple(map(str, range(500))))
    assert (len(long), long[0], long[-2:]) == (MAX_CHAIN, "0", ("499", "z"))


@pytest.mark.parametrize("piece", ["re:", "[a]", "[", "re[", " ", "(fwd)", "[fwd:", "re [a] "])
def test_no_subject_takes_long(piece: str) -> None:
    begun = time.process_time()
    base_subject(piece * 100_000)
    assert time.process_time() - begun < 1


@given(st.text(alphabet="re:aw[]fd() x\n", max_size=60))
def test_the_base_of_a_base_is_itself(subject: str) -> None:
    assert base_subject(base_subject(subject)) == base_subject(subject)
