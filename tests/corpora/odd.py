"""Odd mail, written by us: what senders and their programs get wrong, one kind each. Every mail has the word ``Kuriosum`` in its subject
as far as it can have one."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping

_HEAD = b"From: Eva <eva@kunde.test>\r\nTo: amt@amt.test\r\nSubject: Kuriosum %s\r\nMessage-ID: <%s@kunde.test>\r\nMIME-Version: 1.0\r\n"
_MANY = b"".join(b"X-Feld-%d: Wert\r\n" % number for number in range(3000))
_BITS = random.Random(4).randbytes(3000).replace(b"\0", b"1")


def _mail(name: str, rest: bytes) -> bytes:
    return _HEAD % (name.encode(), name.encode()) + rest


def _multipart(inner: bytes, kind: bytes = b"mixed", boundary: bytes = b"x") -> bytes:
    return b'Content-Type: multipart/%s; boundary="%s"\r\n\r\n%s' % (kind, boundary, inner)


def _nested(depth: int) -> bytes:
    inner = b"Content-Type: text/plain\r\n\r\nganz innen\r\n"
    for level in range(depth):
        inner = _multipart(b"--%d\r\n%s\r\n--%d--\r\n" % (level, inner, level), boundary=b"%d" % level)
    return inner


_PART = b"--x\r\nContent-Type: text/plain\r\n\r\nTeil\r\n"
_REST: Mapping[str, bytes] = {
    "ohne-grenze": b"Content-Type: multipart/mixed\r\n\r\nkein Teil\r\n",
    "ohne-ende": _multipart(_PART),
    "leere-grenze": _multipart(b"--\r\n\r\nTeil\r\n----\r\n", boundary=b""),
    "grenze-mit-leerzeichen": _multipart(b"--a b \r\n\r\nTeil\r\n--a b --\r\n", boundary=b"a b "),
    "lange-grenze": _multipart(b"--" + b"g" * 900 + b"\r\n\r\nTeil\r\n", boundary=b"g" * 900),
    "gleiche-grenzen": _multipart(b"--x\r\n" + _multipart(_PART) + b"--x--\r\n"),
    "tausend-teile": _multipart(_PART * 1000 + b"--x--\r\n"),
    "sechzig-ebenen": _nested(60),
    "dreihundert-ebenen": _nested(300),
    "nachricht-in-nachricht": b"Content-Type: message/rfc822\r\n\r\nSubject: innen\r\n\r\nText\r\n",
    "nachricht-als-base64": b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode(b"Subject: innen\r\n\r\nText\r\n") + b"\r\n",
    "zeichensatz-gibt-es-nicht": b"Content-Type: text/plain; charset=gibt-es-nicht\r\n\r\nGr\xfc\xdfe\r\n",
    "zeichensatz-ist-kein-text": b"Content-Type: text/plain; charset=zlib\r\n\r\nGruss\r\n",
    "zeichensatz-rot13": b"Content-Type: text/plain; charset=rot13\r\n\r\nTehff\r\n",
    "utf7": b"Content-Type: text/plain; charset=utf-7\r\n\r\nGr+APwA3w-e +ADw-script+AD4-\r\n",
    "utf16": b"Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode("Grüße".encode("utf-16")) + b"\r\n",
    "iso2022": b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B\x1b(B halb\r\n",
    "utf8-gesagt-latin1-gesandt": b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdfe\r\n",
    "kaputtes-base64": b"Content-Transfer-Encoding: base64\r\n\r\n!!!SGFsbG8*\r\n",
    "base64-ohne-zeilen": b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(_BITS) + b"\r\n",
    "kaputtes-quoted-printable": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=XY=4=\r\n=\r\n==3D\r\n",
    "unbekannte-kodierung": b"Content-Transfer-Encoding: x-geheim\r\n\r\nText\r\n",
    "uuencode": b"\r\nbegin 644 a.txt\r\n%2&%L;&\\\r\nend\r\n",
    "rohe-bytes": b"Content-Type: text/plain\r\n\r\n" + _BITS + b"\r\n",
    "nur-cr": b"Content-Type: text/plain\r\n\r\nerste\rzweite\rdritte\r\n",
    "lange-zeile": b"\r\n" + b"x" * 200_000 + b"\r\n",
    "punkte": b"\r\n.\r\n..\r\n.a\r\n\r\n.\r\n",
    "from-zeilen": b"\r\nFrom wegen\r\n>From wegen\r\n",
    "dreitausend-felder": _MANY + b"\r\nText\r\n",
    "feld-ohne-namen": b": leer\r\n : auch\r\n\r\nText\r\n",
    "feld-ohne-doppelpunkt": b"Das ist kein Feld\r\n\r\nText\r\n",
    "feld-mit-leerzeichen": b"Reply-To : eva@kunde.test\r\n\r\nText\r\n",
    "langes-feld": b"X-Lang: " + b"w" * 100_000 + b"\r\n\r\nText\r\n",
    "gefaltetes-nichts": b"X-Falte:\r\n \r\n \r\n\t\r\n\r\nText\r\n",
    "datum-im-jahr-99999": b"Date: Mon, 31 Feb 99999 25:61:61 +9999\r\n\r\nText\r\n",
    "datum-ist-keins": b"Date: gestern\r\n\r\nText\r\n",
    "zweites-from": b"From: Bank <bank@bank.test>\r\n\r\nText\r\n",
    "adressen-kaputt": b"Cc: <<<@,;:,\"a\r\n b\" <c@d, undisclosed:;, (\r\n\r\nText\r\n",
    "tausend-adressen": b"Cc: " + b", ".join(b"a%d@kunde.test" % number for number in range(1000)) + b"\r\n\r\nText\r\n",
    "kodierte-woerter": b"Comments: " + b" ".join([b"=?utf-8?q?=C3=BC?="] * 2000) + b"\r\n\r\nText\r\n",
    "kodiertes-wort-ohne-ende": b"Comments: =?utf-8?b?w7w\r\n\r\nText\r\n",
    "dateiname-mit-weg": _multipart(
        b'--x\r\nContent-Disposition: attachment; filename="../../etc/passwd"\r\n\r\nroot\r\n--x--\r\n'
    ),
    "dateiname-in-stuecken": _multipart(
        b"--x\r\nContent-Disposition: attachment; filename*0*=utf-8''Gr%C3; filename*1*=%BC; filename*7=aus.txt\r\n\r\nA\r\n--x--\r\n"
    ),
    "dateiname-verkehrt-herum": _multipart(
        b"--x\r\nContent-Disposition: attachment; filename*=utf-8''txt%E2%80%AEexe.pdf\r\n\r\nA\r\n--x--\r\n"
    ),
    "tausend-parameter": b"Content-Type: text/plain" + b"".join(b"; p%d=1" % n for n in range(1000)) + b"\r\n\r\nText\r\n",
    "leerer-inhalt": b"\r\n",
    "ohne-trennung": b"",
    "html-ohne-ende": b"Content-Type: text/html\r\n\r\n<table><tr><td><b><i><a href=\"x\r\n",
    "html-tief": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 5000 + b"Text\r\n",
    "html-mit-skript": b"Content-Type: text/html\r\n\r\n<svg onload=alert(1)><script>alert(1)</script>Text\r\n",
    "winmail-kaputt": _multipart(
        b"--x\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(b"\x78\x9f\x3e\x22\x01\x00" + _BITS[:200]) + b"\r\n--x--\r\n"
    ),
    "kalender-kaputt": b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nRRULE:FREQ=SECONDLY\r\nDTSTART:99999999\r\n",
    "bounce-kaputt": _multipart(b"--x\r\nContent-Type: message/delivery-status\r\n\r\nAction\r\n\r\n:\r\n--x--\r\n", b"report"),
    "signiert-kaputt": _multipart(b"--x\r\n\r\nText\r\n--x\r\nContent-Type: application/pkcs7-signature\r\n\r\nnein\r\n--x--\r\n", b"signed"),
}  # fmt: skip

ODD: Mapping[str, bytes] = {
    **{name: _mail(name, rest) for name, rest in _REST.items()},
    "nur-ein-zeilenende": b"\r\n",
    "gar-kein-kopf": b"\r\nnur Text\r\n",
    "nur-text": b"einfach so ein Text\r\n",
    "betreff-mit-bytes": b"Subject: Kuriosum =?utf-8?q?kaputt?=\xff\xfe\r\n\r\nText\r\n",
    "betreff-doppelt": b"Subject: Kuriosum eins\r\nSubject: Kuriosum zwei\r\n\r\nText\r\n",
}
"""By name: a mail with CR LF line ends, without NUL."""
