"""The servers the other tests lean on do what those tests take for granted."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
import time

import pytest

from tests.servers.ca import Certificate, CertificateAuthority
from tests.servers.dovecot import WITHOUT_CONDSTORE, Dovecot, User
from tests.servers.mta import Mta

LETTER = b"From: Bert <bert@example.test>\r\nTo: anna@example.test\r\nSubject: Akte 12/26\r\n\r\nGuten Tag\r\n"


def log_in(server: Dovecot, user: User, trusted: ssl.SSLContext) -> imaplib.IMAP4:
    connection = imaplib.IMAP4_SSL("localhost", server.imaps_port, ssl_context=trusted)
    connection.login(user.address, user.password)
    return connection


def inbox_of(server: Dovecot, user: User, trusted: ssl.SSLContext, *, expected: int) -> list[bytes]:
    """The messages in the user's INBOX, waiting up to ten seconds for `expected` of them."""
    deadline = time.monotonic() + 10
    while True:
        with log_in(server, user, trusted) as connection:
            found = int(connection.select("INBOX", readonly=True)[1][0] or b"0")
            if found >= expected or time.monotonic() > deadline:
                parts = connection.fetch("1:*", "(BODY.PEEK[])")[1] if found else []
                return [part[1] for part in parts if isinstance(part, tuple)]
        time.sleep(0.05)


@pytest.fixture(scope="module")
def trusted(ca: CertificateAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca.ca_file)


def test_what_is_delivered_by_lmtp_lies_in_the_inbox(dovecot: Dovecot, trusted: ssl.SSLContext) -> None:
    anna = dovecot.user("servers-lmtp")
    dovecot.deliver(anna, LETTER)
    (raw,) = inbox_of(dovecot, anna, trusted, expected=1)
    assert raw.endswith(LETTER)
    assert any(dovecot.maildir(anna).glob("*/*"))


def test_a_mailbox_can_be_filled_at_once_in_any_folder(dovecot: Dovecot, trusted: ssl.SSLContext) -> None:
    anna = dovecot.user("servers-fill")
    dovecot.fill(anna, [LETTER] * 30)
    dovecot.fill(anna, [LETTER], folder="Mandanten")
    assert len(inbox_of(dovecot, anna, trusted, expected=30)) == 30
    with log_in(dovecot, anna, trusted) as connection:
        assert connection.select("Mandanten") == ("OK", [b"1"])


def test_starttls_leads_to_the_same_mailbox(dovecot: Dovecot, trusted: ssl.SSLContext) -> None:
    anna = dovecot.user("servers-starttls")
    with imaplib.IMAP4("localhost", dovecot.imap_port) as connection:
        connection.starttls(trusted)
        assert connection.login(anna.address, anna.password)[0] == "OK"


def test_dovecot_refuses_a_wrong_password_without_a_growing_delay(dovecot: Dovecot) -> None:
    anna = dovecot.user("servers-password")
    began = time.monotonic()
    for _ in range(4):
        connection = imaplib.IMAP4("localhost", dovecot.imap_port)
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            connection.login(anna.address, "falsch")
        connection.shutdown()
    assert time.monotonic() - began < 15


def test_the_special_folders_are_there_and_marked(dovecot: Dovecot, trusted: ssl.SSLContext) -> None:
    with log_in(dovecot, dovecot.user("servers-folders"), trusted) as connection:
        listed = b"\n".join(line for line in connection.list()[1] if isinstance(line, bytes))
    for mark in (b"\\Sent", b"\\Drafts", b"\\Trash", b"\\Junk", b"\\Archive"):
        assert mark in listed


def test_a_poor_server_announces_neither_condstore_nor_move(ca: CertificateAuthority, trusted: ssl.SSLContext) -> None:
    server = Dovecot(ca.good(), condstore=False)
    try:
        with log_in(server, server.user("anna"), trusted) as connection:
            announced = connection.capability()[1][0].decode()
    finally:
        server.stop()
    assert announced == WITHOUT_CONDSTORE


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("expired", "certificate has expired"),
        ("not_yet_valid", "certificate is not yet valid"),
        ("wrong_name", "Hostname mismatch"),
        ("self_signed", "self-signed certificate"),
    ],
)
def test_each_bad_certificate_is_bad_in_its_own_way(
    ca: CertificateAuthority, trusted: ssl.SSLContext, wrong: str, reason: str
) -> None:
    certificate: Certificate = getattr(ca, wrong)()
    server = Dovecot(certificate)
    try:
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            imaplib.IMAP4_SSL("localhost", server.imaps_port, ssl_context=trusted)
    finally:
        server.stop()


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_what_is_submitted_arrives_at_the_other_side(
    dovecot: Dovecot, mta: Mta, trusted: ssl.SSLContext, encryption: str
) -> None:
    anna, bert = dovecot.user(f"servers-{encryption}-a"), dovecot.user(f"servers-{encryption}-b")
    if encryption == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL("localhost", mta.tls_port, context=trusted)
    else:
        connection = smtplib.SMTP("localhost", mta.starttls_port)
        connection.starttls(context=trusted)
    with connection:
        connection.login(anna.address, anna.password)
        connection.sendmail(anna.address, [bert.address], LETTER)
    (raw,) = inbox_of(dovecot, bert, trusted, expected=1)
    assert raw.endswith(LETTER)


def test_the_mta_answers_per_recipient_and_bounces_unknown_ones(
    dovecot: Dovecot, mta: Mta, trusted: ssl.SSLContext
) -> None:
    anna = dovecot.user("servers-bounce")
    recipients = [
        "servers-nobody@example.test",
        "refused.x@example.test",
        "deferred.x@example.test",
        "x@elsewhere.test",
    ]
    with smtplib.SMTP_SSL("localhost", mta.tls_port, context=trusted) as connection:
        connection.login(anna.address, anna.password)
        answers = connection.sendmail(anna.address, recipients, LETTER)
    assert {address: code for address, (code, _text) in answers.items()} == {
        "refused.x@example.test": 550,
        "deferred.x@example.test": 451,
        "x@elsewhere.test": 550,
    }
    (bounce,) = inbox_of(dovecot, anna, trusted, expected=1)
    assert b"report-type=delivery-status" in bounce


def test_submission_asks_for_a_login_and_the_relay_does_not(
    dovecot: Dovecot, mta: Mta, trusted: ssl.SSLContext
) -> None:
    anna = dovecot.user("servers-relay")
    with smtplib.SMTP("localhost", mta.starttls_port) as connection, pytest.raises(smtplib.SMTPRecipientsRefused):
        connection.sendmail("stranger@elsewhere.test", [anna.address], LETTER)
    connection = smtplib.SMTP_SSL("localhost", mta.tls_port, context=trusted)
    with connection, pytest.raises(smtplib.SMTPAuthenticationError):
        connection.login(anna.address, "falsch")
    with smtplib.SMTP("localhost", mta.relay_port) as connection:
        connection.sendmail("stranger@elsewhere.test", [anna.address], LETTER)
    assert len(inbox_of(dovecot, anna, trusted, expected=1)) == 1
