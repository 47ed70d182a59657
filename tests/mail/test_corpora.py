"""Mail nobody here wrote. The folder is named by POSTSTELLE_CORPORA or lies beside the checkout; without it nothing is read, and
that is printed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from poststelle.mail import calendar, report, tnef
from poststelle.mail.digest import digest
from poststelle.mail.html import linkify, sanitise, text_of
from poststelle.mail.message import body_text, parse, part_bytes, part_text, preview

FOLDER = Path(os.environ.get("POSTSTELLE_CORPORA") or Path(__file__).parents[3] / "shared" / "corpora")
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file()) if FOLDER.is_dir() else []
SECONDS = 10

_ACTIVE = "script,style,svg,math,form,input,button,iframe,frame,object,embed,applet,link,meta,base,audio,video,template,textarea,noscript"


def _told(capsys: pytest.CaptureFixture[str], what: str) -> None:
    with capsys.disabled():
        print(f"\n{what} (from {FOLDER.name})")  # noqa: T201


def assert_harmless(html: str) -> None:
    tree = LexborHTMLParser(html)
    assert not tree.css(_ACTIVE)
    for node in tree.css("*"):
        for name, value in node.attributes.items():
            assert not name.startswith("on")
            assert name not in {
                "srcset",
                "background",
                "action",
                "formaction",
                "id",
                "class",
                "name",
                "srcdoc",
                "xlink:href",
            }
            if name == "href":
                assert (value or "").lower().startswith(("http://", "https://", "mailto:", "tel:"))
            if name == "src":
                assert (value or "").lower().startswith("data:image/")
            if name == "style":
                assert not any(
                    word in (value or "").lower()
                    for word in ("url", "image-set", "var(", "expression", "@", "\\", "position", "behavior")
                )


def test_every_file_is_read_without_an_error_and_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    slowest = 0.0
    for path in FILES:
        raw = path.read_bytes()
        begun = time.process_time()
        parsed = parse(raw)
        text = body_text(raw, parsed)
        for shown in (text, preview(text), parsed.subject, *(part.name for part in parsed.attachments)):
            shown.encode("utf-8")
        for part in parsed.attachments:
            part_bytes(raw, part)
        if parsed.html_part is not None:
            assert_harmless(sanitise(part_text(raw, parsed.html_part), images=None, remote=False).html)
        linkify(text)
        read = digest(raw)
        for shown in (read.text, read.more, read.others, *read.files):
            shown.encode("utf-8")
        report.disposition(raw, parsed)
        taken = time.process_time() - begun
        assert taken < SECONDS, path.name
        slowest = max(slowest, taken)
    _told(capsys, f"{len(FILES)} files read, slowest {slowest:.3f} s")


def test_bounces_name_whom_they_are_about_and_appointments_when(capsys: pytest.CaptureFixture[str]) -> None:
    bounces = [path.read_bytes() for path in FILES if path.parent.parent.name == "bounces"]
    told = [found for raw in bounces if (found := report.delivery(raw, parse(raw))) is not None]
    named = sum(bool(found.recipients) for found in told)
    assert named * 100 >= len(told) * 98
    calendars = [path for path in FILES if path.suffix == ".ics"]
    begun = [event.start for path in calendars for event in calendar.events(path.read_text("utf-8", "replace"))]
    assert len(begun) >= len(calendars)
    _told(
        capsys, f"{len(told)} of {len(bounces)} bounces are reports, {named} name recipients; {len(begun)} appointments"
    )


def test_what_others_found_in_a_winmail_dat_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    checked = 0
    for path in (path for path in FILES if path.suffix == ".list"):
        unpacked = tnef.unpack(path.with_suffix(".tnef").read_bytes())
        expected = {name for name in path.read_text("utf-8").split("\n") if name and not name.startswith("body.")}
        names = {file.name for file in unpacked.files}
        assert expected <= names, path.name
        checked += 1
    _told(capsys, f"{checked} winmail.dat unpacked")


def test_no_cross_site_vector_keeps_a_script_or_handler(capsys: pytest.CaptureFixture[str]) -> None:
    vectors = [
        vector["payload"]
        for path in FILES
        if path.parent.name == "xss-vectors"
        for vector in json.loads(path.read_text("utf-8"))
    ]
    for payload in vectors:
        cleaned = sanitise(payload, images=None, remote=False).html
        assert_harmless(cleaned)
        assert_harmless(sanitise(cleaned, images=None, remote=False).html)
        text_of(payload)
    _told(capsys, f"{len(vectors)} vectors sanitised")


def test_no_remote_vector_keeps_its_address_where_it_would_be_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    lists = [path for path in FILES if path.parent.name == "own-cases" and path.name == "remote-content.json"]
    vectors = [vector["html"] for path in lists for vector in json.loads(path.read_text("utf-8"))]
    for html in vectors:
        assert_harmless(
            sanitise(
                html.replace("{{CANARY}}", "http://127.0.0.1:9").replace("{{CANARY_HOSTPORT}}", "127.0.0.1:9"),
                images=None,
                remote=False,
            ).html
        )
    _told(capsys, f"{len(vectors)} remote vectors sanitised")
