"""What leaves is what was meant, or it is refused."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poststelle.errors import Invalid
from poststelle.mail.address import Address
from poststelle.mail.compose import Attachment, Draft, compose, make_message_id
from poststelle.mail.message import body_text, parse, part_bytes, part_text

SENDER = Address("Kanzlei Groß & Söhne, Köln", "post@kanzlei.test")
DRAFT = Draft(
    sender=SENDER,
    to=(Address("", "a@x.test"),),
    subject="Grüße",
    text="Guten Tag\n",
    date=datetime(2024, 1, 3, 9, tzinfo=UTC),
)


def on_the_wire(raw: bytes) -> bool:
    """7-bit, CRLF only, no line above 998 octets, no NUL."""
    lines = raw.split(b"\r\n")
    return (
        raw.isascii()
        and b"\0" not in raw
        and all(len(line) <= 998 and b"\r" not in line and b"\n" not in line for line in lines)
    )


def refusal(draft: Draft) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        compose(draft)
    return refused.value.fields


def test_a_message_arrives_as_it_was_written() -> None:
    draft = replace(
        DRAFT,
        to=(Address("Doe, John", "a@x.test"), Address("Müller, Jürgen", "b@bücher.test")),
        cc=(Address('"Q" \\ x', "c@x.test"),),
        bcc=(Address("", "d@x.test"), Address("", "A@x.test")),
        reply_to=(Address("", "e@x.test"),),
        subject="Angebot für Sie: " + "sehr lang 🙂 " * 20,
        text="Grüße aus Köln\n\n.\nFrom here on\n" + "ä" * 2_000,
        html="<p>Grüße</p>",
        attachments=(
            Attachment("Übersicht " * 10 + ".pdf", "application/pdf", b"%PDF\r\n\0"),
            Attachment('a"b\\c.txt', "text/plain", b"x"),
        ),
        in_reply_to="m0@x.test",
        references=("r@x.test", "m0@x.test"),
        message_id="m1@kanzlei.test",
    )
    composed = compose(draft)
    raw, parsed = composed.raw, parse(composed.raw)
    assert on_the_wire(raw)
    assert parsed.from_ == (SENDER,)
    assert parsed.to == (Address("Doe, John", "a@x.test"), Address("Müller, Jürgen", "b@xn--bcher-kva.test"))
    assert (parsed.cc, parsed.bcc, parsed.reply_to) == (draft.cc, (), draft.reply_to)
    assert (parsed.subject, parsed.date) == (draft.subject.strip(), draft.date)
    assert (parsed.message_id, parsed.in_reply_to, parsed.references) == (
        "m1@kanzlei.test",
        ("m0@x.test",),
        draft.references,
    )
    assert body_text(raw, parsed).rstrip("\n") == draft.text
    assert parsed.html_part is not None
    assert part_text(raw, parsed.html_part).strip() == draft.html
    files = [(part.name, part.content_type, part_bytes(raw, part)) for part in parsed.attachments]
    assert files == [(one.name, one.content_type, one.data) for one in draft.attachments]
    assert composed.envelope_recipients == ("a@x.test", "b@xn--bcher-kva.test", "c@x.test", "d@x.test")
    assert parsed.defects == ()


def test_another_reader_agrees_on_names_subject_and_recipients() -> None:
    draft = replace(
        DRAFT,
        to=tuple(Address(f"Müller, Jürgen {number}", f"a{number}@x.test") for number in range(30)),
        subject="ü" * 200,
    )
    read = email.message_from_bytes(compose(draft).raw, policy=email.policy.default)
    assert read["subject"] == draft.subject
    assert [(one.display_name, one.addr_spec) for one in read["to"].addresses] == [
        (one.name, one.address) for one in draft.to
    ]
    assert read["from"].addresses[0].display_name == SENDER.name


def test_bcc_is_in_the_envelope_only() -> None:
    composed = compose(replace(DRAFT, to=(), bcc=(Address("Geheim", "secret@x.test"),)))
    assert composed.envelope_recipients == ("secret@x.test",)
    assert b"secret" not in composed.raw
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in composed.raw


def test_the_message_id_is_in_the_senders_domain_and_new_each_time() -> None:
    first, second = compose(DRAFT).message_id, compose(DRAFT).message_id
    assert first != second
    assert first.endswith("@kanzlei.test")
    assert parse(compose(replace(DRAFT, message_id=first)).raw).message_id == first
    assert make_message_id("a@[IPv6:2001:db8::1]").endswith("@IPv6.2001.db8..1")


def test_plain_ascii_text_travels_readable() -> None:
    raw = compose(replace(DRAFT, subject="Hello")).raw
    assert b"Subject: Hello\r\n" in raw
    assert raw.endswith(
        b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nGuten Tag\r\n"
    )


@pytest.mark.parametrize(
    "text", ["a\rb", "a\r\nb\n", "\n.\n.\r\n..", "x" * 5_000, "tail \nFrom x\n", "a\0b", "日本" * 999, "a\u2028b", ""]
)
def test_any_line_ends_leave_as_crlf_and_come_back(text: str) -> None:
    raw = compose(replace(DRAFT, text=text, html=text)).raw
    assert on_the_wire(raw)
    normal = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    assert body_text(raw, parse(raw)).rstrip("\n") == normal.rstrip("\n")
    assert b"\nFrom " not in raw.partition(b"\r\n\r\n")[2]


def test_a_forwarded_message_is_attached_as_it_is_where_it_can_travel() -> None:
    plain = b"Subject: x\r\n\r\nhello\r\n"
    eightbit = "Subject: ü\r\n\r\nhello\r\n".encode()
    raw = compose(
        replace(
            DRAFT,
            attachments=(Attachment("a.eml", "message/rfc822", plain), Attachment("b.eml", "message/rfc822", eightbit)),
        )
    ).raw
    first, second = parse(raw).attachments
    assert (first.content_type, part_bytes(raw, first)) == ("message/rfc822", plain)
    assert (second.content_type, part_bytes(raw, second)) == ("application/octet-stream", eightbit)
    assert on_the_wire(raw)


@pytest.mark.parametrize("control", ["\r\nBcc: v@x.test", "\n", "\r", "\0", "\x0b", "\x7f"])
def test_control_characters_are_refused_naming_the_field(control: str) -> None:
    bad = f"a{control}b"
    assert refusal(replace(DRAFT, subject=bad)) == {"subject": "control-character"}
    assert refusal(replace(DRAFT, sender=Address(bad, "a@x.test"))) == {"sender": "control-character"}
    assert refusal(replace(DRAFT, cc=(Address("", "a@x.test"), Address("", f"a@x.test{control}")))) == {
        "cc.1": "control-character"
    }
    assert refusal(replace(DRAFT, attachments=(Attachment(bad, "a/b", b""),))) == {
        "attachments.0.name": "control-character"
    }
    assert refusal(replace(DRAFT, in_reply_to=bad, references=(bad,), message_id=bad)) == dict.fromkeys(
        ("in_reply_to", "references.0", "message_id"), "control-character"
    )


def test_every_wrong_field_is_named_at_once() -> None:
    draft = replace(
        DRAFT,
        to=(Address("", "nobody"), Address("", "a@x.test>")),
        bcc=(Address("", "jürgen@x.test"),),
        subject="a\nb",
        message_id="a b",
    )
    assert refusal(draft) == {
        "to.0": "not-an-address",
        "to.1": "not-an-address",
        "bcc.0": "not-available",
        "subject": "control-character",
        "message_id": "not-an-id",
    }
    assert refusal(replace(DRAFT, to=())) == {"to": "missing"}


def test_a_content_type_that_is_none_cannot_add_headers() -> None:
    raw = compose(replace(DRAFT, attachments=(Attachment("x", "text/html\r\nX-Evil: 1", b"x"),))).raw
    assert b"X-Evil" not in raw
    assert parse(raw).attachments[0].content_type == "application/octet-stream"


_TEXT = st.text(max_size=120)
_LINE = st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), max_size=120)


@given(subject=_LINE, name=_LINE, file_name=_LINE, text=_TEXT, html=st.none() | _TEXT, data=st.binary(max_size=200))
def test_any_draft_leaves_whole_and_with_the_intended_headers(
    subject: str, name: str, file_name: str, text: str, html: str | None, data: bytes
) -> None:
    draft = replace(
        DRAFT,
        subject=subject,
        to=(Address(name, "a@x.test"),),
        text=text,
        html=html,
        attachments=(Attachment(file_name, "a/b", data),),
    )
    raw = compose(draft).raw
    assert on_the_wire(raw)
    parsed = parse(raw)
    assert [field for field, _ in parsed.headers] == [
        "Date",
        "From",
        "To",
        "Subject",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
    ]
    assert [one.address for one in parsed.to] == ["a@x.test"]
    assert part_bytes(raw, parsed.attachments[-1]) == data
    assert re.sub(r"\W", "", parsed.subject) == re.sub(r"\W", "", subject)
    assert parsed.defects == ()


def test_a_calendars_answer_says_in_its_type_what_it_is_for() -> None:
    answer = Attachment("reply.ics", "text/calendar", b"BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nEND:VCALENDAR\r\n")
    plan = Attachment("plan.ics", "text/calendar", b"BEGIN:VCALENDAR\r\nX:METHOD:REPLY\r\nEND:VCALENDAR\r\n")
    raw = compose(replace(DRAFT, attachments=(answer, plan))).raw
    assert re.findall(rb"Content-Type: (text/calendar.*)\r\n", raw) == [
        b"text/calendar; method=REPLY; charset=utf-8", b"text/calendar"
    ]  # fmt: skip
