"""What a draft begins with when somebody answers or passes on a message."""

from __future__ import annotations

from poststelle.mail.address import Address
from poststelle.mail.answer import forward, reply
from poststelle.mail.compose import Draft, compose
from poststelle.mail.message import parse
from poststelle.mail.opened import files_as_sent, opened

ME = Address("Ich", "me@kanzlei.test")
OWN = frozenset({"me@kanzlei.test", "post@kanzlei.test"})
RAW = b"""From: Anna <anna@x.test>
To: Post@kanzlei.test, Bert <bert@x.test>, undisclosed-recipients:;
Cc: carl@x.test, anna@x.test
Subject: Re: AW: re: Angebot
Message-ID: <m2@x.test>
In-Reply-To: <m1@x.test>
References: <m0@x.test> <m1@x.test>
Content-Type: multipart/mixed; boundary=x

--x

Guten Tag

> von mir
--x
Content-Type: application/pdf; name=a.pdf

%PDF
--x--
"""


def answer(raw: bytes, *, everyone: bool = False) -> Draft:
    return reply(opened(raw), sender=ME, own=OWN, everyone=everyone, attribution="Anna schrieb:")


def test_a_reply_goes_to_the_writer_and_quotes_the_text() -> None:
    draft = answer(RAW)
    assert (draft.sender, draft.to, draft.cc) == (ME, (Address("Anna", "anna@x.test"),), ())
    assert draft.subject == "Re: Angebot"
    assert draft.text == "\n\nAnna schrieb:\n> Guten Tag\n>\n>> von mir\n"
    assert (draft.in_reply_to, draft.references) == ("m2@x.test", ("m0@x.test", "m1@x.test", "m2@x.test"))
    assert draft.attachments == ()


def test_a_reply_to_all_leaves_out_own_addresses_and_names_nobody_twice() -> None:
    draft = answer(RAW, everyone=True)
    assert [one.address for one in draft.to] == ["anna@x.test"]
    assert [one.address for one in draft.cc] == ["bert@x.test", "carl@x.test"]


def test_reply_to_comes_before_from() -> None:
    assert [one.address for one in answer(b"Reply-To: list@x.test\n" + RAW).to] == ["list@x.test"]


def test_answering_ones_own_message_goes_to_those_it_went_to() -> None:
    raw = RAW.replace(b"Anna <anna@x.test>", b"me@kanzlei.test", 1).replace(b"Post@kanzlei.test, ", b"")
    assert [one.address for one in answer(raw).to] == ["bert@x.test"]
    assert [one.address for one in answer(raw, everyone=True).cc] == ["carl@x.test", "anna@x.test"]


def test_forwarding_keeps_text_and_files_and_leaves_recipients_open() -> None:
    draft = forward(opened(RAW), sender=ME, heading="-- Weitergeleitet --")
    assert (draft.to, draft.in_reply_to) == ((), "")
    assert draft.subject == "Fwd: Re: AW: re: Angebot"
    assert draft.text == "\n\n-- Weitergeleitet --\n\nGuten Tag\n\n> von mir"
    assert files_as_sent(RAW) == [("a.pdf", "application/pdf", b"%PDF")]


def test_an_answer_to_the_worst_message_can_be_composed() -> None:
    raw = (
        b"From: <a b@x.test>, <\xfc@x.test>, b@x.test\nMessage-ID: <\xfc@x>\nReferences: <a\x01b@x> <r@x> "
        + b"<x%d@y>" * 3
        + b"\nSubject: a\x00\rb\n\n\x00"
    )
    draft = reply(opened(raw), sender=ME, own=OWN, everyone=True, attribution="")
    assert "r@x" in draft.references
    assert draft.in_reply_to == ""
    only_b = Draft(sender=ME, to=draft.to[-1:], subject=draft.subject, text=draft.text, references=draft.references)
    assert parse(compose(only_b).raw).subject == "Re: a b"
