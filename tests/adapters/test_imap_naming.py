"""Folder names: what a server calls a folder, what we call it, and what people see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.adapters.imap.naming import Naming, folder_id, server_name
from poststelle.adapters.imap.wire import Listed, Space, Spaces
from poststelle.errors import MessageTrouble

texts = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=30)
COURIER = Spaces((Space(b"INBOX.", b"."),), (Space(b"user.", b"."),), (Space(b"shared.", b"."), Space(b"#news.", b".")))


def listed(name: bytes, delimiter: bytes = b".") -> Listed:
    return Listed(frozenset(), delimiter, name)


@given(texts)
def test_a_folder_keeps_its_id_when_its_server_learns_utf8(name: str) -> None:
    spoken = name.encode()
    assert server_name(folder_id(spoken, utf8=True), utf8=True) == spoken
    assert folder_id(server_name(folder_id(spoken, utf8=True), utf8=False), utf8=False) == folder_id(spoken, utf8=True)


@given(st.binary(min_size=1, max_size=40), st.booleans())
def test_any_bytes_a_server_calls_a_folder_lead_back_to_it(name: bytes, utf8: bool) -> None:
    assert server_name(folder_id(name, utf8=utf8), utf8=utf8) == name


@given(st.lists(texts.filter(lambda text: "." not in text), min_size=1, max_size=4), st.booleans())
def test_a_made_name_is_shown_as_the_path_it_was_made_from(path: list[str], utf8: bool) -> None:
    naming = Naming(Spaces((Space(b"", b"."),)), utf8)
    shown = naming.path(listed(naming.name(path, b".")))
    assert shown == tuple(
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in piece) for piece in path
    )


@pytest.mark.parametrize(
    ("name", "plain", "rooted", "owner"),
    [
        (b"INBOX", ("INBOX",), ("INBOX",), ""),
        (b"INBOX.Akten", ("INBOX", "Akten"), ("Akten",), ""),
        (b"INBOX.Akten.2026", ("INBOX", "Akten", "2026"), ("Akten", "2026"), ""),
        (b"user.clara.Fristen", ("user", "clara", "Fristen"), ("user", "clara", "Fristen"), "clara"),
        (b"user", ("user",), ("user",), "user"),
        (b"shared.Aushang", ("shared", "Aushang"), ("shared", "Aushang"), "shared"),
        (b"shared", ("shared",), ("shared",), "shared"),
        (b"sharedness", ("sharedness",), ("sharedness",), ""),
        (b"...", ("...",), ("...",), ""),
    ],
)
def test_paths_and_owners_below_an_inbox_prefix(
    name: bytes, plain: tuple[str, ...], rooted: tuple[str, ...], owner: str
) -> None:
    assert Naming(COURIER).path(listed(name)) == plain
    assert Naming(COURIER, inbox_is_root=True).path(listed(name)) == rooted
    assert Naming(COURIER).owner(name) == owner


@pytest.mark.parametrize(
    ("path", "plain", "rooted"),
    [
        (("INBOX",), b"INBOX", b"INBOX"),
        (("inbox",), b"inbox", b"inbox"),
        (("Akten",), b"INBOX.Akten", b"INBOX.Akten"),
        (("INBOX", "Akten"), b"INBOX.Akten", b"INBOX.INBOX.Akten"),
        (("user", "clara", "Neu"), b"user.clara.Neu", b"user.clara.Neu"),
        (("Größe",), b"INBOX.Gr&APYA3w-e", b"INBOX.Gr&APYA3w-e"),
    ],
)
def test_a_new_folder_goes_below_the_personal_prefix(path: tuple[str, ...], plain: bytes, rooted: bytes) -> None:
    assert Naming(COURIER).name(path, b".") == plain
    assert Naming(COURIER, inbox_is_root=True).name(path, b".") == rooted


def test_where_folders_do_not_nest_none_is_made_within_another() -> None:
    naming = Naming()
    assert naming.name(["a/b"], b"") == b"a/b"
    with pytest.raises(MessageTrouble):
        naming.name(["a", "b"], b"")
