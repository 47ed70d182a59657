"""A transcript quotes commands and answers, and neither a secret nor a word of any message."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from poststelle.mail.transcript import Direction, Transcript

Spoken = list[tuple[Direction, bytes]]

SECRET, WORD = b"g3heim", b"Kontonummer"
ENCODED = base64.b64encode(b"\0ada\0" + SECRET)

IMAP: Spoken = [
    ("S", b"* OK ready\r\n"),
    ("C", b"a1 LOGIN ada " + SECRET + b"\r\n"),
    ("S", b"* CAPABILITY IMAP4rev1\r\na1 OK done\r\n"),
    ("C", b"a2 LOGIN {3+}\r\nada {6+}\r\n" + SECRET + b"\r\n"),
    ("S", b"a2 OK done\r\n"),
    ("C", b"a3 AUTHENTICATE PLAIN " + ENCODED + b"\r\n"),
    ("S", b"a3 NO no\r\n"),
    ("C", b"a4 AUTHENTICATE CRAM-MD5\r\n"),
    ("S", b"+ " + ENCODED + b"\r\n"),
    ("C", ENCODED + b"\r\n"),
    ("S", b"a4 OK in\r\n"),
    ("C", b"a5 UID FETCH 1:* (FLAGS ENVELOPE BODY.PEEK[])\r\n"),
    ("S", b'* 1 FETCH (UID 7 ENVELOPE ("Mon" "' + WORD + b'" NIL) BODY[] {24}\r\nSubject: ' + WORD + b"\r\n\r\n"),
    ("S", b' BODY[TEXT] "' + WORD + b'")\r\n* 2 FETCH (BODY[TEXT] "say \\"' + WORD + b'\\"")\r\n'),
    ("S", b"* 3 FETCH (FLAGS (" + b"x" * 5_000 + b") BODY[] {13}\r\n" + WORD + b"\r\n)\r\na5 OK done\r\n"),
    ("C", b'a6 UID SEARCH TEXT "' + WORD + b'"\r\n'),
    ("S", b"* SEARCH 7\r\na6 OK done\r\n"),
    ("C", b"a7 APPEND Sent {13}\r\n"),
    ("S", b"+ go\r\n"),
    ("C", WORD + b"\r\n\r\n"),
    ("S", b"a7 OK [APPENDUID 1 9] done\r\n"),
]
POP3: Spoken = [
    ("S", b"+OK hello\r\n"),
    ("C", b"USER ada\r\n"),
    ("S", b"+OK\r\n"),
    ("C", b"PASS " + SECRET + b"\r\n"),
    ("S", b"+OK in\r\n"),
    ("C", b"RETR 1\r\nRETR 2\r\nNOOP\r\nTOP 3 0\r\n"),
    (
        "S",
        b"+OK 20\r\n" + WORD + b"\r\n.\r\n+OK 20\r\n" + WORD + b"\r\n..\r\n.\r\n+OK\r\n+OK\r\n" + WORD + b"\r\n.\r\n",
    ),
    ("C", b"QUIT\r\n"),
    ("S", b"+OK bye\r\n"),
]
SMTP: Spoken = [
    ("S", b"220 mx\r\n"),
    ("C", b"EHLO here\r\n"),
    ("S", b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n"),
    ("C", b"AUTH LOGIN\r\n"),
    ("S", b"334 VXNlcm5hbWU6\r\n"),
    ("C", ENCODED + b"\r\n"),
    ("S", b"334 UGFzc3dvcmQ6\r\n"),
    ("C", ENCODED + b"\r\n"),
    ("S", b"235 in\r\n"),
    ("C", b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"),
    ("S", b"250 ok\r\n250 ok\r\n354 go\r\n"),
    ("C", b"Subject: " + WORD + b"\r\n\r\n" + WORD + b"\r\n.\r\n"),
    ("S", b"250 taken\r\n"),
    ("C", b"BDAT 13 LAST\r\n" + WORD + b"\r\n"),
    ("S", b"250 taken\r\n"),
    ("C", b"QUIT\r\n"),
    ("S", b"221 bye\r\n"),
]


def told(spoken: Spoken, sizes: list[int] | None = None) -> list[str]:
    lines: list[str] = []
    transcript = Transcript(lines.append)
    for direction, data in spoken:
        at = 0
        for size in sizes or ():
            transcript(direction, data[at : at + size])
            at += size
        transcript(direction, data[at:])
    return lines


def leaks(lines: list[str]) -> bool:
    text = "\n".join(lines)
    return any(secret.decode() in text for secret in (SECRET, WORD, ENCODED))


def test_commands_and_answers_are_quoted_in_order() -> None:
    assert told(IMAP)[0] == "S: * OK ready"
    assert "C: a5 UID FETCH 1:* (FLAGS ENVELOPE BODY.PEEK[])" in told(IMAP)
    assert told(IMAP)[-1] == "S: a7 OK [APPENDUID 1 9] done"
    assert told(SMTP)[-2:] == ["C: QUIT", "S: 221 bye"]
    assert told(POP3)[-2:] == ["C: QUIT", "S: +OK bye"]


def test_a_log_in_is_cut_after_its_command_and_mechanism() -> None:
    assert "C: a1 LOGIN (rest left out)" in told(IMAP)
    assert "C: a3 AUTHENTICATE PLAIN (rest left out)" in told(IMAP)
    assert "C: AUTH LOGIN (rest left out)" in told(SMTP)
    assert "S: a3 NO no" in told(IMAP)
    assert not leaks([*told(IMAP), *told(POP3), *told(SMTP)])


def test_messages_appear_as_their_size() -> None:
    assert any("BODY[] {24}" in line for line in told(IMAP))
    assert any('BODY[TEXT] "(11)"' in line for line in told(IMAP))
    assert "C: (37 bytes of message)" in told(SMTP)
    assert "S: (13 bytes of message)" in told(POP3)


def test_a_long_line_is_cut_and_its_length_told() -> None:
    (line,) = told([("S", b"* OK " + b"x" * 100_000 + b"\r\n")])
    assert len(line) < 1_200
    assert "100007 bytes" in line


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert told([("S", b"* OK \x1b[31m\r\n")]) == ["S: * OK \\x1b[31m"]


@given(st.sampled_from([IMAP, POP3, SMTP]), st.lists(st.integers(1, 12), max_size=12))
def test_no_split_of_the_stream_lets_anything_out(spoken: Spoken, sizes: list[int]) -> None:
    assert told(spoken, sizes) == told(spoken)
    assert not leaks(told(spoken, sizes))


@given(st.lists(st.tuples(st.sampled_from(["C", "S"]), st.binary(max_size=200)), max_size=20))
def test_it_never_fails_on_any_bytes(spoken: Spoken) -> None:
    told(spoken)
