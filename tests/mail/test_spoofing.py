"""Senders that pretend: each trick is marked, and honest mail is not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from poststelle.mail import spoofing
from poststelle.mail.message import parse
from poststelle.mail.spoofing import (
    HIDDEN_CHARACTERS,
    LOOKS_LIKE_ANOTHER,
    NAME_IS_ANOTHER_ADDRESS,
    NO_SENDER,
    NOTICES,
    REPLIES_GO_ELSEWHERE,
    SEVERAL_SENDERS,
    is_look_alike,
    marks,
    shown_domain,
)

CORPORA = Path(os.environ.get("POSTSTELLE_CORPORA") or Path(__file__).parents[3] / "shared" / "corpora")


def marked(*headers: str) -> tuple[str, ...]:
    return marks(parse("\r\n".join([*headers, "", "Text"]).encode()))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('From: "chef@kanzlei-beispiel.de" <x@attacker.example>', {NAME_IS_ANOTHER_ADDRESS}),
        ("From: =?utf-8?q?chef=40kanzlei-beispiel=2Ede?= <x@attacker.example>", {NAME_IS_ANOTHER_ADDRESS}),
        ("From: =?utf-8?Q?chef=40kanzlei-beispiel.de=0A=00?= <x@attacker.example>", {NAME_IS_ANOTHER_ADDRESS}),
        ('From: "\u202ered.lieb@ielznak" <x@attacker.example>', {HIDDEN_CHARACTERS}),
        ("From: =?utf-8?b?4oCucmVkLmxpZWI=?= <x@attacker.example>", {HIDDEN_CHARACTERS}),
        ("From: <ch\u200bef@kanzlei-beispiel.de>", {HIDDEN_CHARACTERS}),
        ("From: <info@xn--pple-43d.com>", {LOOKS_LIKE_ANOTHER}),
        ("From: <info@\u0440\u0430\u0443\u0440\u0430\u04cf.com>", {LOOKS_LIKE_ANOTHER}),
        ("From: <info@xn--80aa0cbo65f.com>", {LOOKS_LIKE_ANOTHER}),
        ("From: a@one.example, b@two.example", {SEVERAL_SENDERS}),
        ("From: a@one.example\r\nFrom: b@two.example", {SEVERAL_SENDERS}),
        ("From: ", {NO_SENDER}),
        ("Subject: nobody", {NO_SENDER}),
        ("From: Eva <eva@kunde.test>\r\nReply-To: eva@freemail.test", {REPLIES_GO_ELSEWHERE}),
    ],
)  # fmt: skip
def test_a_trick_is_marked(header: str, expected: set[str]) -> None:
    assert set(marked(header)) == expected


@pytest.mark.parametrize(
    "header",
    [
        "From: Eva Groß <eva@kunde.test>",
        "From: =?utf-8?b?w4ZybyDDmHN0?= <post@aero.test>",
        'From: "eva@kunde.test" <eva@kunde.test>',
        'From: "info@kunde.test" <noreply@mail.kunde.test>',
        "From: Müller <info@müller-söhne.de>",
        "From: <info@xn--mller-kva.de>",
        "From: <редакция@пример.рф>",
        "From: <info@例え.jp>",
        "From: Eva <eva@kunde.test>\r\nReply-To: service@kunde.test",
        "From: Eva <eva@kunde.test>\r\nReply-To: liste@verein.test\r\nList-Id: <liste.verein.test>",
        "X-Original-From: <chef@kanzlei-beispiel.de>\r\nFrom: <x@attacker.example>",
        "From: =?utf-8?b?%%%?= <x@attacker.example>",
    ],
)
def test_honest_mail_is_not_marked(header: str) -> None:
    assert marked(header) == ()


def test_a_domain_that_imitates_is_shown_in_its_technical_form() -> None:
    assert shown_domain("xn--pple-43d.com") == "xn--pple-43d.com"
    assert shown_domain("\u0440\u0430\u0443\u0440\u0430\u04cf.com") == "xn--80aa0cbo65f.com"
    assert shown_domain("xn--mller-kva.de") == "müller.de"
    assert shown_domain("kunde.test") == "kunde.test"
    assert not is_look_alike("пример.рф")
    assert not is_look_alike("xn--\ud800.de")


@pytest.mark.parametrize(
    "header",
    [
        "From: " + "a@b.test, " * 20_000,
        "From: " + "=?u?q?" * 20_000,
        'From: "' + "(" * 100_000,
        "From: " + "\u202e" * 50_000,
    ],
)
def test_hostile_headers_cost_little(header: str) -> None:
    assert set(marked(header)) <= set(spoofing.MARKS)


def test_the_own_cases_show_the_real_address_and_real_mail_raises_no_alarm() -> None:
    """Reads nothing where there is no folder of mail (tests/mail/test_corpora.py)."""
    listed = CORPORA / "own-cases" / "spoofed-senders.json"
    unmarked = {"sp-from-group", "sp-source-route", "sp-bad-base64", "sp-x-original-from"}
    for case in json.loads(listed.read_text()) if listed.is_file() else ():
        parsed = parse(f"{case['headers']}\r\n\r\nText".encode())
        assert bool(marks(parsed)) is (case["id"] not in unmarked), case["id"]
        if "attacker.example" in case["headers"]:
            assert [one.address for one in parsed.from_] == ["x@attacker.example"], case["id"]
    ham = [path for path in (CORPORA / "realworld-ham").rglob("*") if path.is_file()]
    alarms = [path.name for path in ham if set(marks(parse(path.read_bytes()))) - NOTICES]
    assert len(alarms) <= len(ham) * 0.005, alarms
