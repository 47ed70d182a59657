"""Folders, messages, attachments, flags and search over HTTP."""

from __future__ import annotations

import hashlib

import pytest

from poststelle.mail.ports import Role
from tests.api.caller import Caller
from tests.builders import a_folder, a_letter, a_message_in, an_account, everything_is_indexed


def test_folders_come_as_one_flat_list_with_those_that_hold_nothing(ada: Caller) -> None:
    account = an_account(ada.actor)
    inbox = a_folder(account)
    a_folder(account, "Archiv", selectable=False)
    a_folder(account, "Archiv", "Ein/Aus", role=Role.ARCHIVE)
    a_message_in(inbox)
    a_message_in(inbox, flags=["\\Seen"])
    told = ada.get(f"accounts/{account.id}/folders").json()
    assert told["next"] is None
    by_path = {folder["path"]: folder for folder in told["items"]}
    assert set(by_path) == {"INBOX", "Archiv", "Archiv/Ein/Aus"}
    assert (by_path["INBOX"]["total"], by_path["INBOX"]["unread"], by_path["INBOX"]["role"]) == (2, 1, "inbox")
    assert by_path["Archiv"]["selectable"] is False
    assert by_path["Archiv/Ein/Aus"]["components"] == ["Archiv", "Ein/Aus"]
    assert by_path["Archiv/Ein/Aus"]["name"] == "Ein/Aus"


def test_a_folder_is_read_newest_first_and_window_by_window(ada: Caller) -> None:
    folder = a_folder(an_account(ada.actor))
    placed = [a_message_in(folder, a_letter(f"Nr. {number}")).id for number in range(7)]
    seen, path = [], f"folders/{folder.id}/messages?limit=3"
    window = ada.get(path).json()
    while True:
        seen += [item["id"] for item in window["items"]]
        if window["next"] is None:
            break
        window = ada.get(f"{path}&cursor={window['next']}").json()
    assert seen == placed[::-1]


def test_a_row_says_what_a_list_shows(ada: Caller) -> None:
    folder = a_folder(an_account(ada.actor))
    raw = a_letter("Grüße aus Köln", "Anbei die Rechnung.", attachments=[("r.pdf", "application/pdf", b"%PDF")])
    a_message_in(folder, raw, flags=["\\Flagged", "$Important"])
    (row,) = ada.get(f"folders/{folder.id}/messages").json()["items"]
    assert row["content"] == hashlib.sha256(raw).hexdigest()
    assert row["subject"] == "Grüße aus Köln"
    assert row["from"] == {"name": "Eva Groß", "address": "eva@kunde.test"}
    assert row["recipients"] == [{"name": "", "address": "zentrale@amt.test"}]
    assert row["flags"] == ["$Important", "\\Flagged"]
    assert (row["seen"], row["flagged"], row["has_attachments"]) == (False, True, True)
    assert row["sent_at"] == "2026-03-02T07:00:00.000Z"
    assert row["received_at"].endswith("Z")
    assert (row["size"], row["preview"]) == (len(raw), "Anbei die Rechnung.")


def test_an_opened_message_tells_everything_and_marks_nothing(ada: Caller) -> None:
    folder = a_folder(an_account(ada.actor))
    raw = a_letter(
        text="Klartext", html='<p onclick="x()">Hallo<script>x()</script></p>', to="a@amt.test, Bé <b@amt.test>",
        headers={"Cc": "c@amt.test", "Reply-To": "r@kunde.test", "References": "<1@x> <2@x>", "In-Reply-To": "<2@x>"},
        attachments=[("Plan.pdf", "application/pdf", b"%PDF-1")],
    )  # fmt: skip
    placed = a_message_in(folder, raw)
    told = ada.get(f"messages/{placed.id}").json()
    assert told["to"] == [{"name": "", "address": "a@amt.test"}, {"name": "Bé", "address": "b@amt.test"}]
    assert told["cc"] == [{"name": "", "address": "c@amt.test"}]
    assert told["reply_to"] == [{"name": "", "address": "r@kunde.test"}]
    assert (told["references"], told["in_reply_to"]) == (["1@x", "2@x"], ["2@x"])
    assert told["text"].strip() == "Klartext"
    assert "Hallo" in told["html"]
    assert "script" not in told["html"].replace("script-src", "")
    assert "onclick" not in told["html"]
    assert ["Subject", "Hallo"] in told["headers"]
    assert told["attachments"] == [
        {
            "n": 0, "name": "Plan.pdf", "type": "application/pdf", "size": 6, "safe_name": "Plan.pdf", "dangers": [],
        }
    ]  # fmt: skip
    assert told["flags"] == []
    assert ada.get(f"messages/{placed.id}").json()["seen"] is False


def test_the_original_comes_byte_by_byte(ada: Caller) -> None:
    raw = b"From: a@b.test\nSubject: lone LF\r\n\r\n\xff\x00 not MIME"
    placed = a_message_in(a_folder(an_account(ada.actor)), raw)
    answer = ada.get(f"messages/{placed.id}/raw")
    assert answer.content == raw
    assert answer["Content-Type"] == "message/rfc822"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("name", "media_type", "told", "disposition"),
    [
        ("Plan.pdf", "application/pdf", "application/pdf", 'attachment; filename="Plan.pdf"'),
        ("x.html", "text/html", "application/octet-stream", 'attachment; filename="x.html"'),
        ("../../etc/passwd", "image/svg+xml", "application/octet-stream", 'attachment; filename="passwd"'),
        ("Größe.png", "image/png", "image/png", "attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe.png"),
    ],
)
def test_an_attachment_is_handed_out_as_something_that_cannot_run(
    ada: Caller, name: str, media_type: str, told: str, disposition: str
) -> None:
    raw = a_letter(attachments=[(name, media_type, b"<svg>\x00\x01")])
    placed = a_message_in(a_folder(an_account(ada.actor)), raw)
    answer = ada.get(f"messages/{placed.id}/attachments/0")
    assert answer.content == b"<svg>\x00\x01"
    assert answer["Content-Type"] == told
    assert answer["Content-Disposition"] == disposition
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_an_attachment_that_is_not_there_is_not_found(ada: Caller) -> None:
    placed = a_message_in(a_folder(an_account(ada.actor)))
    assert ada.get(f"messages/{placed.id}/attachments/0").status_code == 404
    assert ada.get(f"messages/{placed.id}/attachments/x").status_code in {404, 422}


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ([], {"seen": True}, ["\\Seen"]),
        (["\\Seen"], {"seen": False, "flagged": True}, ["\\Flagged"]),
        (["\\Seen", "$Todo"], {"flags": ["answered", "\\flagged"]}, ["\\Answered", "\\Flagged"]),
        (["\\Seen"], {"flags": []}, []),
        (["$Todo"], {"add": ["Seen", "$Done"], "remove": ["$Todo"]}, ["$Done", "\\Seen"]),
        (["\\Seen"], {}, ["\\Seen"]),
    ],
)
def test_flags_are_changed_as_asked(
    ada: Caller, before: list[str], change: dict[str, object], after: list[str]
) -> None:
    placed = a_message_in(a_folder(an_account(ada.actor)), flags=before)
    answer = ada.patch(f"messages/{placed.id}", change)
    assert (answer.status_code, answer.json()["flags"]) == (200, after)
    assert ada.get(f"messages/{placed.id}").json()["flags"] == after


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"add": ["two words"]}, {"add.0": "not-a-flag"}),
        ({"flags": ["seen", "\\Recent"]}, {"flags.1": "not-a-flag"}),
        ({"add": ["seen"], "remove": ["\\Seen"]}, {"remove": "contradiction"}),
        ({"flags": [], "seen": True}, {"flags": "contradiction"}),
        ({"read": True}, {"read": "unknown-field"}),
        ({"seen": "perhaps"}, {"seen": "not-true-or-false"}),
        ({"flags": "seen"}, {"flags": "not-a-list"}),
        ({"add": [f"label{number}" for number in range(51)]}, {"add": "too-many"}),
    ],
)
def test_flags_nobody_can_store_are_refused(ada: Caller, change: dict[str, object], fields: dict[str, str]) -> None:
    placed = a_message_in(a_folder(an_account(ada.actor)))
    answer = ada.patch(f"messages/{placed.id}", change)
    assert answer.status_code == 422
    assert {path: field["code"] for path, field in answer.json()["fields"].items()} == fields


def test_who_may_only_see_marks_nothing(ada: Caller, bob: Caller) -> None:
    account = an_account(ada.actor, grants=[{"user": "bob@amt.test", "rights": ["see"]}])
    placed = a_message_in(a_folder(account))
    assert bob.get(f"messages/{placed.id}").status_code == 200
    answer = bob.patch(f"messages/{placed.id}", {"seen": True})
    assert (answer.status_code, answer.json()["code"]) == (403, "process-needed")


def test_search_finds_what_the_caller_may_see(ada: Caller, bob: Caller) -> None:
    folder = a_folder(an_account(ada.actor))
    placed = a_message_in(folder, a_letter("Sonderangebot", "Die Zwergpinguine sind da."))
    a_message_in(folder)
    everything_is_indexed()
    (hit,) = ada.get("search?q=zwergping").json()["items"]
    assert (hit["id"], hit["subject"]) == (placed.id, "Sonderangebot")
    assert "Zwergpinguine" in hit["snippet"]
    assert bob.get("search?q=zwergping").json() == {"items": [], "next": None}
    assert ada.get("search").json()["fields"]["q"]["code"] == "missing"


def test_what_fits_best_may_come_first(ada: Caller) -> None:
    folder = a_folder(an_account(ada.actor))
    a_message_in(folder, a_letter("Zwergpinguin, Zwergpinguin", "Zwergpinguin um Zwergpinguin."))
    a_message_in(folder, a_letter("Rundschreiben", f"{'Wie besprochen. ' * 50} Zwergpinguin {'Viele Grüße. ' * 50}"))
    everything_is_indexed()

    def found(order: str) -> list[str]:
        return [hit["subject"] for hit in ada.get(f"search?q=zwergpinguin&order={order}").json()["items"]]

    assert found("best") == found("newest")[::-1] == ["Zwergpinguin, Zwergpinguin", "Rundschreiben"]
    assert ada.get("search?q=zwergpinguin&order=worst").json()["fields"]["order"]["code"] == "unknown-value"


def test_what_happened_is_told_in_order_and_from_where_the_caller_left_off(ada: Caller, bob: Caller) -> None:
    account = an_account(ada.actor)
    placed = a_message_in(a_folder(account))
    ada.patch(f"messages/{placed.id}", {"seen": True})
    changes = ada.get("changes?after=0").json()["items"]
    kinds = [change["kind"] for change in changes]
    assert kinds.index("account-added") < kinds.index("messages-arrived") < kinds.index("flags-changed")
    assert [change["id"] for change in changes] == sorted(change["id"] for change in changes)
    marked = changes[kinds.index("flags-changed")]
    assert (marked["actor"], marked["subject"]) == ("ada@amt.test", f"message:{placed.id}")
    first = ada.get("changes?limit=1").json()
    second = ada.get(f"changes?limit=1&cursor={first['next']}").json()
    assert [first["items"][0]["id"], second["items"][0]["id"]] == [changes[0]["id"], changes[1]["id"]]
    assert ada.get(f"changes?after={changes[-1]['id']}").json() == {"items": [], "next": None}
    assert not [change for change in bob.get("changes").json()["items"] if change["account"]]
    assert ada.get("changes?cursor=soon").json()["fields"]["cursor"]["code"] == "unknown-value"
