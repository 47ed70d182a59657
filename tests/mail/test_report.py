"""Bounces and receipts, as mail systems write them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail.message import parse
from poststelle.mail.report import DispositionReport, RecipientReport, delivery, disposition
from tests.builders import a_letter

HEAD = b"From: MAILER-DAEMON@mx.test\nTo: ada@amt.test\nSubject: Undelivered\n"
BOUNCE = (
    HEAD
    + b"""Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

Leider nicht.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test
Arrival-Date: Mon, 02 Mar 2026 08:00:00 +0100

Original-Recipient: rfc822;bob@amt.test
Final-Recipient: rfc822; bob@x.test
Action: failed (will not retry)
Status: 5.1.1
Remote-MTA: dns; mail.x.test
Diagnostic-Code: smtp; 550 5.1.1
    <bob@x.test>: no such user

Final-Recipient: rfc822; eve@x.test
Action: delayed
Status: 4.4.1 (timeout)

--b
Content-Type: message/rfc822

Message-ID: <sent@amt.test>
Subject: Bescheid

Text
--b--
"""
)


def test_a_bounce_tells_of_each_recipient_and_of_the_message_it_is_about() -> None:
    for raw in (BOUNCE, BOUNCE.replace(b"\n", b"\r\n"), BOUNCE.replace(b"\n", b"\r")):
        report = delivery(raw, parse(raw))
        assert report is not None
        assert (report.original_id, report.reporting_mta) == ("sent@amt.test", "mx.test")
        assert report.recipients == (
            RecipientReport(
                "bob@x.test", "bob@amt.test", "failed", "5.1.1", "550 5.1.1 <bob@x.test>: no such user", "mail.x.test"
            ),
            RecipientReport("eve@x.test", "", "delayed", "4.4.1", "", ""),
        )


def test_the_header_alone_of_the_message_it_is_about_is_enough() -> None:
    raw = BOUNCE.replace(b"Content-Type: message/rfc822", b"Content-Type: text/rfc822-headers")
    report = delivery(raw, parse(raw))
    assert report is not None
    assert report.original_id == "sent@amt.test"


def test_a_status_tells_what_a_missing_action_does_not() -> None:
    raw = BOUNCE.replace(b"Action: failed (will not retry)\n", b"").replace(b"Action: delayed\n", b"")
    report = delivery(raw, parse(raw))
    assert report is not None
    assert [one.action for one in report.recipients] == ["failed", "delayed"]


def test_exim_names_the_failed_in_a_header_of_its_own() -> None:
    raw = HEAD + b"X-Failed-Recipients: bob@x.test, eve@x.test\n\nThis message was created automatically.\n"
    report = delivery(raw, parse(raw))
    assert report is not None
    assert [(one.recipient, one.action) for one in report.recipients] == [
        ("bob@x.test", "failed"),
        ("eve@x.test", "failed"),
    ]


def test_a_bounce_somebody_forwards_is_no_bounce() -> None:
    raw = a_letter("Was heißt das?", "Siehe Anlage", attachments=[("bounce.eml", "application/octet-stream", BOUNCE)])
    wrapped = (
        b"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n" + BOUNCE + b"\n--o--\n"
    )
    assert delivery(raw, parse(raw)) is None
    assert delivery(wrapped, parse(wrapped)) is None


def test_a_read_receipt_tells_whether_a_person_saw_the_message() -> None:
    raw = (
        HEAD
        + b"""Content-Type: multipart/report; report-type=disposition-notification; boundary=b

--b

gelesen
--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822;bob@x.test
Original-Message-ID: <sent@amt.test>
Disposition: manual-action/MDN-sent-manually; displayed/error

--b--
"""
    )
    parsed = parse(raw)
    assert disposition(raw, parsed) == DispositionReport("bob@x.test", "displayed", False, "sent@amt.test")
    assert delivery(raw, parsed) is None


@given(st.binary(max_size=200), st.integers(0, len(BOUNCE)))
def test_any_report_is_read_without_an_error(data: bytes, at: int) -> None:
    raw = BOUNCE[:at] + data + BOUNCE[at:]
    parsed = parse(raw)
    delivery(raw, parsed)
    disposition(raw, parsed)
