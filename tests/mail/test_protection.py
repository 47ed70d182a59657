"""What a message says about being encrypted or signed."""

from __future__ import annotations

import pytest

from poststelle.mail.opened import opened

HEAD = "From: a@b.test\r\nTo: c@d.test\r\nSubject: S\r\nMIME-Version: 1.0\r\nContent-Type: "


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ('multipart/encrypted; protocol="application/pgp-encrypted"; boundary=x', "--x\r\n\r\nVersion: 1\r\n--x--", "encrypted"),
        ("multipart/signed; boundary=x", "--x\r\n\r\nGuten Tag\r\n--x\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--x--", "signed"),
        ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "MIIB", "encrypted"),
        ('application/x-pkcs7-mime; name="smime.p7m"', "MIIB", "encrypted"),
        ('Application/PKCS7-mime; smime-type="signed-data"', "MIIB", "sealed"),
        ("application/pkcs7-mime; smime-type=certs-only", "MIIB", ""),
        ("text/plain", "-----BEGIN PGP MESSAGE-----\r\n\r\nabc", "encrypted"),
        ("text/plain", "\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nabc", "signed"),
        ("text/plain", "Er schrieb -----BEGIN PGP MESSAGE-----", ""),
        ("multipart/mixed; boundary=x", "--x\r\nContent-Type: application/pkcs7-mime\r\n\r\nMIIB\r\n--x--", ""),
        ("application/pkcs7-mime; smime-type=", "", "encrypted"),
    ],
)  # fmt: skip
def test_the_outermost_part_says_how_a_message_is_protected(content_type: str, body: str, expected: str) -> None:
    assert opened(f"{HEAD}{content_type}\r\n\r\n{body}\r\n".encode()).protection == expected
