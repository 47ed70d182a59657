"""Good input to begin with: odd mail of `tests.corpora`, answers of servers, tables, documents; `mutated` spoils them."""

from __future__ import annotations

import base64
import io
import random
import zipfile
import zlib
from collections.abc import Mapping, Sequence

from tests.corpora.odd import ODD

_ANSWERS = (
    b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n* 3 EXISTS\r\n* 1 FETCH (UID 7 FLAGS (\\Seen) RFC822.SIZE 5 BODY[] {5}\r\nHallo)\r\n",
    b'* LIST (\\HasChildren) "/" {3}\r\na/b\r\n* STATUS "a b" (MESSAGES 3 UIDNEXT 9)\r\n* SEARCH 1 2 3\r\n* ESEARCH (TAG x) UID ALL 1:9,12\r\n',
    b'* VANISHED (EARLIER) 1:5,9\r\n* NAMESPACE (("" "/")) NIL NIL\r\n* QUOTA "" (STORAGE 1 2)\r\nP1 OK [COPYUID 1 2:3 4:5] done\r\n+ go\r\n',
)
_CAPABLE = (
    b"CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS MOVE NAMESPACE ID LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE QRESYNC ENABLE"
    b" UNSELECT QUOTA IDLE"
)
_IMAP_TALK = (
    b"* OK [" + _CAPABLE + b"] ready\r\n"
    b"P1 OK [" + _CAPABLE + b"] in\r\n"
    b'* ID NIL\r\nP2 OK\r\n* ENABLED QRESYNC\r\nP3 OK\r\n* NAMESPACE (("" "/")) NIL NIL\r\n'
    b'P4 OK\r\n* LIST (\\HasNoChildren \\Subscribed) "/" INBOX\r\n* STATUS INBOX (MESSAGES 2 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 5)\r\n'
    b'* LIST (\\Sent) "/" {7}\r\nGesandt\r\nP5 OK\r\n* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 1 2)\r\n'
    b"P6 OK\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 9]\r\n* OK [HIGHESTMODSEQ 5]\r\n"
    b'P7 OK [READ-ONLY]\r\n* SEARCH 7 8\r\nP8 OK\r\n* 1 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE "01-Feb-2026 10:00:00 +0000" RFC822.SIZE 5)\r\n'
    b'* 2 FETCH (UID 8 FLAGS () INTERNALDATE "02-Feb-2026 10:00:00 +0000" RFC822.SIZE 5)\r\n'
    b'P9 OK\r\n* 1 FETCH (UID 7 BODY[] {5}\r\nHallo)\r\n* 2 FETCH (BODY[] "Guten" UID 8)\r\n'
    b"P10 OK\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 9]\r\n* OK [HIGHESTMODSEQ 6]\r\n"
    b"P11 OK\r\n* SEARCH\r\nP12 OK\r\n* VANISHED (EARLIER) 8\r\n* 1 FETCH (UID 7 FLAGS (\\Flagged) MODSEQ (6))\r\n"
    b"P13 OK\r\n* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 9]\r\n* OK [HIGHESTMODSEQ 6]\r\n"
    b"P14 OK [READ-WRITE]\r\n* 2 FETCH (UID 7 FLAGS (\\Flagged) MODSEQ (7))\r\nP15 OK\r\n"
    b"P16 OK\r\n* SEARCH 8\r\nP17 OK\r\nP18 OK\r\n* SEARCH 8\r\nP19 OK\r\n* OK [COPYUID 9 8 1] done\r\n"
    b"* VANISHED 8\r\nP20 OK\r\nP21 OK\r\n* SEARCH 7\r\nP22 OK\r\nP23 OK\r\n* VANISHED 7\r\n"
    b"P24 OK\r\n* 0 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 9]\r\n* OK [HIGHESTMODSEQ 8]\r\n"
    b"P25 OK [READ-ONLY]\r\n* SEARCH\r\nP26 OK\r\nP27 OK [APPENDUID 7 9] done\r\nP28 OK\r\n"
    b"P29 OK\r\n"
    b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 10]\r\n* OK [HIGHESTMODSEQ 9]\r\nP30 OK [READ-ONLY]\r\n"
    b"* SEARCH 9\r\nP31 OK\r\n* 1 FETCH (UID 9 FLAGS () RFC822.SIZE 56)\r\nP32 OK\r\nP33 NO [NONEXISTENT] gone\r\n"
    b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 10]\r\n* OK [HIGHESTMODSEQ 10]\r\nP34 OK [READ-WRITE]\r\n"
)
_LISTS = (b"+OK\r\nSubject: a\r\n\r\n..b\r\n.\r\n+OK\r\n.\r\n", b"+OK 2\r\n1 aaa\r\n2 bbb\r\n.\r\n-ERR no\r\n")
_POP3_TALK = (
    b"+OK ready <7.8@mail.test>\r\n+OK\r\nUIDL\r\nTOP\r\nUSER\r\nPIPELINING\r\n.\r\n+OK in\r\n+OK\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n"
    b"+OK 2\r\n1 20\r\n2 30\r\n.\r\n+OK\r\n1 aaa\r\n2 bbb\r\n.\r\n+OK\r\nSubject: a\r\n\r\n..b\r\n.\r\n+OK\r\nSubject: c\r\n\r\nd\r\n.\r\n"
)
_SMTP_TALK = (
    b"220 mail.test ESMTP\r\n250-mail.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 AUTH PLAIN\r\n235 in\r\n"
    b"250 ok\r\n250 ok\r\n550-5.1.1 no\r\n550 5.1.1 such\r\n354 go\r\n250 2.0.0 taken\r\n"
    b"250 ok\r\n452 later\r\n250 ok\r\n354 go\r\n451 4.3.0 no\r\n"
)
_SCRAM_TALK = b"220 mail.test\r\n250-mail.test\r\n250 AUTH SCRAM-SHA-256 CRAM-MD5\r\n334 cj1hYmMscz1RU1hDUitRNnNlazhiZjky,i=4096\r\n235 in\r\n"
_ICS = (
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Europe/Berlin:20260301T100000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=5\r\n"
    b'SUMMARY:Termin\\, gut\r\nATTENDEE;CN="Eva":mailto:eva@kunde.test\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n',
)
_TNEF = (b"\x78\x9f\x3e\x22\x01\x00" + b"\x01\x06\x90\x08\x00\x04\x00\x00\x00\x00\x00\x01\x00\x01\x00" * 4,)
_RTF = (
    rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\uc1 Gr\u252?\'dfe\par{\*\htmltag <b>}\bin3 abc fett\cell\row}",
    b"\x20\x00\x00\x00\x10\x00\x00\x00LZFu\x00\x00\x00\x00\x03\x00\x0a\x00rcpg125\x42\x32\x0a\xf3 hallo\x12\x34\x0f\xf0",
)
_DSN = (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\n\r\nNicht zugestellt\r\n--x\r\n"
    b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.test\r\n\r\nFinal-Recipient: rfc822; eva@kunde.test\r\n"
    b"Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n--x\r\nContent-Type: text/rfc822-headers\r\n\r\n"
    b"Message-ID: <1@amt.test>\r\n--x--\r\n",
    b"Content-Type: multipart/report; report-type=disposition-notification; boundary=x\r\n\r\n--x\r\n\r\nGelesen\r\n--x\r\n"
    b"Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822;eva@kunde.test\r\nOriginal-Message-ID: <1@amt.test>\r\n"
    b"Disposition: manual-action/MDN-sent-manually; displayed\r\n--x--\r\n",
)
_FIELDS = (
    b'From: =?utf-8?Q?Eva_M=C3=BCller?= <eva@kunde.test>, "Amt, hier" (wir) <amt@amt.test>\r\nTo: Gruppe: a@b.test, c@d.test;\r\n'
    b"Subject: =?iso-8859-1?B?R3L832U=?= =?utf-8?q?_an_alle?=\r\nDate: Fri, 13 Feb 2026 10:00:00 +0100 (CET)\r\n",
    b"Content-Disposition: attachment; filename*0*=utf-8'de'Gr%C3; filename*1*=%BC%C3%9Fe; filename*2=.pdf; size=\"12\"\r\n"
    b"References: <1@amt.test> <2@amt.test>\r\n <3@amt.test>\r\nReceived: from a by b; 13 Feb 26 10:00 MEZ\r\n",
    b'Authentication-Results: mx.amt.test 1; dkim=pass (2048 bit) header.d=kunde.test; spf=fail smtp.mailfrom="a\\"b"@x.test;\r\n'
    b" dmarc=fail (p=reject) header.from=kunde.test\r\nSubject: Re: [Liste] AW[2]: Hallo (fwd)\r\n",
)
_XML = (
    b"<?xml version='1.0'?><clientConfig version='1.1'><emailProvider id='kunde.test'><domain>kunde.test</domain><displayName>Kunde</displayName>"
    b"<incomingServer type='imap'><hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>"
    b"<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username></incomingServer>"
    b"<outgoingServer type='smtp'><hostname>smtp.kunde.test</hostname><port>587</port><socketType>STARTTLS</socketType>"
    b"<username>%EMAILLOCALPART%</username></outgoingServer></emailProvider></clientConfig>",
    b"<Autodiscover xmlns='a'><Response xmlns='b'><Account><Protocol><Type>EXPR</Type><EwsUrl>https://ex.kunde.test/EWS</EwsUrl></Protocol>"
    b"<Protocol><Type>IMAP</Type><Server>imap.kunde.test</Server><Port>993</Port><SSL>on</SSL></Protocol></Account></Response></Autodiscover>",
    b'{"Protocol": "EWS", "Url": "https://ex.kunde.test/EWS/Exchange.asmx", "more": [1, {"a": null}]}',
)
_DER = (
    "MIIBeDCCAR6gAwIBAgIBBzAKBggqhkjOPQQDAjAuMRQwEgYDVQQKDAtBbXQgR3LDvMOfZTEWMBQGA1UEAwwNbWFpbC5hbXQudGVzdDAeFw0yNjAxMDEwMDAw"
    "MDBaFw0zNjAxMDEwMDAwMDBaMC4xFDASBgNVBAoMC0FtdCBHcsO8w59lMRYwFAYDVQQDDA1tYWlsLmFtdC50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD"
    "QgAE3JBqqxNUQZ0MZ8+kTo5Np43vJIl6L38Wpgm2wJUy/G/7BVxU6DHKCAQWskPQdcJz6NmyT9E1E3ZiWtPjAYLdiKMtMCswKQYDVR0RBCIwIIIKKi5hbXQu"
    "dGVzdIcEwAACAYEMZXZhQGFtdC50ZXN0MAoGCCqGSM49BAMCA0gAMEUCIQDguFNIU/TTazMtDppcLQyZNj8LUvKu7c8hRin9/dEbpgIgOIHfJ6vwFOycbqCA"
    "mYZ4BhYsadWYN/Xx27Ki6FIvHlo="
)
_QUERIES = (
    'von:eva -an:"Amt hier" betreff:rechnung vor:2026-01-31 nach:1.2.26 älter:3w hat:anhang größer:2mb "ganz genau" (oder) *?'.encode(),
    b"from:eva is:unread before:yesterday tag:wichtig subject:",
)
_TABLE = (
    "label;address;kind;incoming.protocol;incoming.host;incoming.port;login.username;login.password;active;grants\r\n"
    "Amt;amt@amt.test;synchronised;imap;mail.amt.test;993;amt;'=geheim;ja;[]\r\n"
    '"Zentrale ""Süd""";z@amt.test;;pop3;mail.amt.test;995;z;x;nein;"[{""group"": ""a""}]"\r\n'
).encode()
_DOCUMENTS = (
    b'{"label": "Amt", "address": "amt@amt.test", "kind": "synchronised", "scope": "shared", "incoming": {"protocol": "imap", "host": "a.test",'
    b'"port": 993, "encryption": "tls", "certificate": {"mode": "pinned", "fingerprint": "00"}}, "login": {"username": "a", "password": "b"},'
    b'"outgoing": {"host": "b.test", "authentication": "same"}, "receiving": {"interval_minutes": 5}, "sending": {"sent_copy": "append"},'
    b'"signature": {"text": "Gruss"}, "identities": [{"address": "b@amt.test"}], "grants": [{"user": "eva", "rights": ["see"]}]}',
)


def _office(**entries: str) -> bytes:
    """A zip of these, with fixed dates."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in entries.items():
            archive.writestr(zipfile.ZipInfo(name.replace("_", "/") + ".xml"), text)
    return held.getvalue()


_ENCLOSED = (
    _office(
        word_document="<w:document xmlns:w='w'><w:p><w:t>Hallo</w:t></w:p></w:document>", content="<a><p>Text</p></a>"
    ),
    _office(xl_sharedStrings="<sst><si><t>Summe</t></si></sst>"),
    b"<a><p>Text &amp; mehr</p><![CDATA[x]]></a>",
)
_DEFLATED = zlib.compressobj(wbits=-15)
_PACKED = (_DEFLATED.compress(b"* OK ready\r\n" * 50) + _DEFLATED.flush(zlib.Z_SYNC_FLUSH),)

SEEDS: Mapping[str, Sequence[bytes]] = {
    "imap": _ANSWERS, "imap-talk": (_IMAP_TALK,), "pop3": _LISTS, "pop3-talk": (_POP3_TALK,), "smtp": (_SMTP_TALK, _SCRAM_TALK),
    "names": [b"Entw&APw-rfe", b"&U,BTFw-", b"a&-b"], "packed": _PACKED, "certificates": (base64.b64decode(_DER),),
    "autoconfig": _XML, "mime": [raw for raw in ODD.values() if len(raw) < 20_000], "reports": _DSN, "fields": _FIELDS,
    "winmail": _TNEF, "rich-text": _RTF, "enclosed": _ENCLOSED, "appointments": _ICS,
    "html": [
        *(raw for name, raw in ODD.items() if name.startswith("html")),
        b"<a href=x style='color:red'><img src=cid:a>", b"<blockquote>Am 1.2. schrieb</blockquote><a href='https://a.test'>b.test</a>",
        b"<p style='color: rgb(1, 2, 3); background: url(x)'>a</p>",
    ],
    "queries": _QUERIES, "tables": (_TABLE,), "documents": _DOCUMENTS,
}  # fmt: skip

_ODD_BYTES = (b"(", b")", b"{9}\r\n", b"\r\n", b'"', b"\\", b"\0", b"--x", b"=?", b"<", b"99999999999", b"\xff")
_MANY = 20_000
LARGEST = 50_000


def mutated(seed: bytes, dice: random.Random) -> bytes:
    """The same with a few bytes turned, pieces lost, doubled, repeated without end, cut short or put elsewhere."""
    data = bytearray(seed)
    for _ in range(dice.randrange(1, 8)):
        at, length = dice.randrange(len(data) + 1), dice.randrange(1, 40)
        match dice.randrange(6):
            case 0 if at < len(data):
                data[at] = dice.getrandbits(8)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length] * dice.choice((1, 1, 30))
            case 3:
                data[at:at] = dice.choice(_ODD_BYTES)
            case 4:
                del data[at:]
            case _:
                data[at:at] = dice.randbytes(length)
    if dice.random() < 0.02:
        # What takes the square of its input shows only in much of the same.
        at, length = dice.randrange(len(data) + 1), dice.randrange(1, 4)
        data[at:at] = data[at : at + length] * _MANY
    return bytes(data[:LARGEST])
