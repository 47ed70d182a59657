"""What counts as an address, and what address headers of the world are read as."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail.address import (
    MAX_ADDRESSES,
    Address,
    format_address,
    is_addr_spec,
    parse_addresses,
    typed_address,
)


@pytest.mark.parametrize(
    "text",
    [
        "a@b",
        "post@kanzlei.test",
        "post@drucker.local",
        "root@localhost",
        "first.last+tag@example.org",
        '"a\\"b"@example.org',
        "jürgen@example.org",
        "post@bücher.example",
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "x" * 64 + "@" + "d" * 60 + ".example",
    ],
)
def test_an_envelope_takes_this_address(text: str) -> None:
    assert is_addr_spec(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a",
        "a@",
        "@b",
        "a b@example.org",
        '"john doe"@example.org',
        "a@exa mple.org",
        "<a@example.org>",
        "A <a@example.org>",
        "a@example.org\n",
        "a@example.org\r\nRCPT TO:<b@example.org>",
        '"a\r\nb"@example.org',
        "a\0@example.org",
        "a..b@example.org",
        ".a@example.org",
        "a.@example.org",
        "a@.example.org",
        "a@example..org",
        "a@-example.org",
        "a@example.org,b@example.org",
        "a@b@example.org",
        '"a@example.org',
        "a\u2028@example.org",
        "a\u202e@example.org",
        "a\ud800@example.org",
        "x" * 250 + "@b.de",
        "ü" * 130 + "@b.de",
    ],
)
def test_an_envelope_refuses_this_address(text: str) -> None:
    assert not is_addr_spec(text)


@pytest.mark.parametrize(
    ("header", "mailboxes"),
    [
        ("a@b.test", [("", "a@b.test")]),
        ('"Doe, John" <j@x.test>, Jürg <g@x.test>', [("Doe, John", "j@x.test"), ("Jürg", "g@x.test")]),
        ("Team: a@x.test, B <b@x.test>; c@x.test", [("", "a@x.test"), ("B", "b@x.test"), ("", "c@x.test")]),
        ("undisclosed-recipients:;", [("undisclosed-recipients", "")]),
        ("a@x.test (John (Johnny) Doe)", [("John (Johnny) Doe", "a@x.test")]),
        ("john . doe @ example . com", [("", "john.doe@example.com")]),
        ('"john doe"@x.test', [("", '"john doe"@x.test')]),
        ('"J\\"D" <a@x.test>', [('J"D', "a@x.test")]),
        ("<@relay.test,@b.test:a@x.test>", [("", "a@x.test")]),
        ("a@x.test; b@x.test", [("", "a@x.test"), ("", "b@x.test")]),
        ('"A" <a@x.test> "B" <b@x.test>', [("A", "a@x.test"), ("B", "b@x.test")]),
        ("Mail Delivery Subsystem", [("Mail Delivery Subsystem", "")]),
        ("", []),
        (" , ;; ,", []),
        ("=?utf-8?q?J=C3=BCrg?= <a@x.test>", [("Jürg", "a@x.test")]),
        ('"=?utf-8?q?J=C3=BCrg?=" <a@x.test>', [("Jürg", "a@x.test")]),
        ("=?utf-8?q?Doe,_John?= <a@x.test>", [("Doe, John", "a@x.test")]),
        ('"never closed <a@x.test>, b@x.test', [("never closed", "a@x.test"), ("", "b@x.test")]),
        ("A (never closed <a@x.test>", [("A never closed", "a@x.test")]),
        ("A <a@x.test", [("A", "a@x.test")]),
    ],
)
def test_an_address_header_names_its_mailboxes(header: str, mailboxes: list[tuple[str, str]]) -> None:
    assert [(one.name, one.address) for one in parse_addresses(header)] == mailboxes


def test_a_decoded_name_never_becomes_an_address() -> None:
    spoofed = "=?utf-8?q?=22chef=40kanzlei=2Etest=22_=3Cchef=40kanzlei=2Etest=3E=2C?= <x@attacker.test>"
    assert [one.address for one in parse_addresses(spoofed)] == ["x@attacker.test"]


def test_a_name_has_no_line_ends_and_no_bidirectional_override() -> None:
    assert parse_addresses("=?utf-8?Q?chef=0A=00x?= <a@x.test>")[0].name == "chef x"
    assert parse_addresses('"\u202ered.lieb" <a@x.test>')[0].name == "red.lieb"


def test_of_a_million_addresses_the_first_ten_thousand_are_read() -> None:
    assert len(parse_addresses("a@b," * 1_000_000)) == MAX_ADDRESSES


@pytest.mark.parametrize(
    "piece", ['"', "(", "<", "@", '\\"', "=?a?q?(", "[a", ":", "a ", "a@ ", '"a" ', "(a)", "=?utf-8?q?x?= "]
)
def test_no_repetition_makes_reading_slow(piece: str) -> None:
    begun = time.process_time()
    parse_addresses(piece * 100_000)
    assert time.process_time() - begun < 3


@given(st.text(alphabet='"()<>@,;:\\ =?[]utf8qbax.\r\n\0ü\ud800', max_size=60) | st.text(max_size=60))
def test_any_text_is_read_without_an_error(value: str) -> None:
    for one in parse_addresses(value):
        assert one.name or one.address
        assert not set(one.name + one.address) & set("\r\n\0")


def test_an_address_is_shown_with_its_name_where_it_has_one() -> None:
    assert format_address("Jürgen Groß", "jg@x.test") == "Jürgen Groß <jg@x.test>"
    assert format_address("", "jg@x.test") == "jg@x.test"
    assert format_address("Nobody", "") == "Nobody"
    assert Address("", "a@b") == Address("", "a@b")


@pytest.mark.parametrize(
    "name", ["Petra Müller", "Müller, Petra", "a; b", 'Der "Chef"', "x <y>", "back\\slash", "", "(x)"]
)
def test_what_is_typed_among_others_is_read_back_as_one_address(name: str) -> None:
    typed = typed_address(name, "p@m.test")
    (first, _) = parse_addresses(f"{typed}, max@m.test")
    assert (first.address, first.name) == ("p@m.test", name.replace('"', "").replace("\\", ""))
