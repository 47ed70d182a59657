"""A program works mail as a clerk does: lists, work on messages, tags, trees, preferences."""

from __future__ import annotations

from typing import Any

import pytest

from poststelle.mail.ports import Role
from poststelle.store import models
from tests.api.caller import Caller
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account

RIGHTS = [
    {"user": "ada@amt.test", "rights": ["see", "process", "administer"]},
    {"user": "bob@amt.test", "rights": ["see"]},
]


def test_a_list_is_read_window_by_window_in_any_order(ada: Caller) -> None:
    inbox = a_folder(an_account(ada.actor))
    placed = [a_message_in(inbox, a_letter(subject)) for subject in ("b", "c", "a")]
    first = ada.get("messages?limit=2").json()
    assert ([row["subject"] for row in first["items"]], first["total"], first["unread"]) == (["a", "c"], 3, 3)
    second = ada.get(f"messages?limit=2&cursor={first['next']}").json()
    assert ([row["subject"] for row in second["items"]], second["next"]) == (["b"], None)
    assert ada.get(f"messages?limit=2&cursor={second['previous']}").json()["items"] == first["items"]
    by_subject = ada.get(f"messages?where=folder:{inbox.id}&sort=subject&descending=false&only=unread").json()
    assert [row["subject"] for row in by_subject["items"]] == ["a", "b", "c"]
    around = ada.get(f"messages?around={placed[0].id}&limit=1").json()
    assert [row["id"] for row in around["items"]] == [placed[0].id]
    row = first["items"][0]
    assert (row["count"], row["notes"], row["task"], row["answer"], row["tags"]) == (1, 0, None, None, [])


@pytest.mark.parametrize(
    "query", ["where=nowhere", "where=folder:", "only=nonsense", "cursor=x", "sort=colour", "limit=0"]
)
def test_a_list_that_is_none_is_refused(ada: Caller, query: str) -> None:
    assert ada.get(f"messages?{query}").status_code == 422


def test_the_thread_of_a_message(ada: Caller) -> None:
    account = an_account(ada.actor)
    asked = a_message_in(a_folder(account), a_letter("Frage"))
    headers = {"In-Reply-To": f"<{asked.message_id}>"}
    answer = a_message_in(a_folder(account, "Sent", role=Role.SENT), a_letter("Re: Frage", headers=headers))
    items = ada.get(f"messages/{answer.id}/thread").json()["items"]
    assert [item["id"] for item in items] == [asked.id, answer.id]
    assert items[0]["answer"]["message"] == answer.id


def test_work_on_a_message(ada: Caller, bob: Caller) -> None:
    placed = a_message_in(a_folder(an_account(ada.actor, grants=RIGHTS)))
    there = f"messages/{placed.id}"
    changes = {"assignee": "bob@amt.test", "status": "waiting", "follow_up": {"at": "2027-01-02T09:00:00+01:00"}}
    task = ada.patch(f"{there}/work", changes).json()["task"]
    assert (task["assignee"]["email"], task["status"], task["follow_up_at"]) == (
        "bob@amt.test",
        "waiting",
        "2027-01-02T08:00:00.000Z",
    )
    assert [row["id"] for row in bob.get("messages?where=mine").json()["items"]] == [placed.id]
    assert bob.patch(f"{there}/work", {"status": "done"}).status_code == 403
    assert ada.post("work", {"ids": [placed.id], "assignee": "", "status": "done"}).json() == {"count": 1}
    assert ada.patch(f"{there}/work", {"follow_up": {"at": "2027-01-02T09:00:00"}}).status_code == 422
    note = bob.post(f"{there}/notes", {"text": "@ada@amt.test bitte"}).json()
    assert [one["email"] for one in note["mentions"]] == ["ada@amt.test"]
    assert ada.patch(f"{there}/notes/{note['id']}", {"text": "x"}).status_code == 404
    assert bob.patch(f"{there}/notes/{note['id']}", {"text": "Erledigt"}).json()["text"] == "Erledigt"
    assert bob.put(f"{there}/presence", {"doing": "answering"}).json() == {"items": [], "next": None}
    shown = ada.get(f"{there}/work").json()
    assert ([one["doing"] for one in shown["present"]], len(shown["notes"]), shown["may_process"]) == (
        ["answering"],
        1,
        True,
    )
    assert {one["email"] for one in shown["colleagues"]} == {"ada@amt.test", "bob@amt.test"}
    assert bob.delete(f"{there}/presence").status_code == 204
    assert bob.delete(f"{there}/notes/{note['id']}").status_code == 204
    assert [bob.post(f"{there}/looked").json()["was_new"] for _ in range(2)] == [True, False]
    assert bob.post("me/looked").status_code == 204
    assert bob.put(f"{there}/trust", {}).json() == {"address": "eva@kunde.test"}
    assert bob.get("me/trusted-senders").json()["items"] == [{"address": "eva@kunde.test"}]
    assert bob.delete("me/trusted-senders/eva@kunde.test").status_code == 204


def test_tags_are_named_by_the_office_and_put_on_messages_as_flags(ada: Caller, bob: Caller) -> None:
    placed = a_message_in(a_folder(an_account(ada.actor, grants=RIGHTS)))
    tag = ada.post("tags", {"name": "Frist läuft", "colour": "red"}).json()
    assert ada.patch(f"messages/{placed.id}", {"add": [tag["keyword"]]}).status_code == 200
    (row,) = ada.get(f"messages?only=tag:{tag['keyword']}").json()["items"]
    assert row["tags"] == [tag]
    assert bob.put(f"tags/{tag['keyword']}", {"name": "X"}).status_code == 403
    assert ada.put(f"tags/{tag['keyword']}", {"name": "Frist"}).json()["name"] == "Frist"
    assert [one["name"] for one in bob.get("tags").json()["items"]] == ["Frist"]
    assert ada.delete(f"tags/{tag['keyword']}").status_code == 204


def test_one_action_on_everything_a_list_shows(ada: Caller) -> None:
    account = an_account(ada.actor)
    inbox = a_folder(account)
    for flags in ([], [], ["\\Seen"]):
        a_message_in(inbox, flags=flags)
    done = ada.post("messages/bulk", {"where": "inbox", "only": "unread", "action": "flags", "add": ["flagged"]})
    assert done.json()["count"] == 2
    assert len(ada.get("messages?only=flagged").json()["items"]) == 2
    for body in (
        {"where": "inbox", "ids": ["x"], "action": "archive"}, {"action": "archive"}, {"where": "nowhere", "action": "archive"},
        {"folder": inbox.id, "only": "unread", "action": "archive"},
    ):  # fmt: skip
        assert ada.post("messages/bulk", body).status_code == 422


def test_the_trees_are_shown_and_arranged(ada: Caller, bob: Caller) -> None:
    account = an_account(ada.actor, grants=RIGHTS)
    a_folder(account)
    shown = bob.get("tree").json()
    (entry,) = shown["shared"]
    assert (entry["key"], entry["where"], entry["children"][0]["role"]) == (
        f"account:{account.id}",
        f"account:{account.id}",
        "inbox",
    )
    assert (shown["own"], shown["may_arrange_shared"], shown["badges"]["mine"]) == ([], False, 0)
    body = {"kind": "search", "label": "Eva", "query": "von:eva"}
    assert bob.post("tree/shared/entries", body).status_code == 403
    key = bob.post("tree/own/entries", body).json()["key"]
    assert bob.patch(f"tree/own/entries/{key}", {"label": "Eva Groß", "query": "von:groß"}).status_code == 204
    (search,) = bob.get("tree").json()["own"]
    assert (search["label"], search["query"], search["where"]) == ("Eva Groß", "von:groß", None)
    heading = ada.post("tree/shared/entries", {"kind": "heading", "label": "Büro"}).json()["key"]
    assert (
        ada.patch(f"tree/shared/entries/account:{account.id}", {"anchor": heading, "spot": "below"}).status_code == 204
    )
    assert [entry["label"] for entry in bob.get("tree").json()["shared"]] == ["Büro"]
    assert bob.put("tree/folded", {"key": heading, "folded": True}).status_code == 204
    assert bob.get("tree").json()["shared"][0]["children"] == []
    assert bob.get("tree?everything=true").json()["shared"][0]["children"][0]["label"] == "Zentrale"
    assert ada.delete(f"tree/shared/entries/{heading}").status_code == 204
    assert ada.delete("tree/shared").status_code == 204
    assert ada.get("tree/nowhere").status_code in {404, 405}


def test_ones_own_choices(ada: Caller, bob: Caller) -> None:
    me = bob.get("me").json()
    assert (me["email"], me["preferences"]["theme"], me["preferences"]["mark_read_after"]) == (
        "bob@amt.test",
        "system",
        2,
    )
    chosen = {
        "theme": "dark",
        "mark_read_after": None,
        "columns": ["subject", "date"],
        "language": "de",
        "start": "last",
        "totals": True,
        "refresh": 60,
    }
    changed = bob.patch("me", chosen).json()
    assert changed["language"] == "de"
    assert {name: changed["preferences"][name] for name in chosen if name != "language"} == {
        name: value for name, value in chosen.items() if name != "language"
    }
    assert bob.patch("me", {"theme": None}).json()["preferences"]["theme"] == "system"
    assert ada.get("me").json()["preferences"]["columns"] != ["subject", "date"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"theme": "pink"}, {"theme": "unknown-value"}), ({"theme": 7}, {"theme": "not-text"}), ({"density": "x", "nope": 1}, {"density": "unknown-value", "nope": "unknown-field"}),
        ({"mark_read_after": 61}, {"mark_read_after": "out-of-range"}), ({"mark_read_after": True}, {"mark_read_after": "not-a-number"}),
        ({"refresh": 5}, {"refresh": "out-of-range"}), ({"threads": "yes"}, {"threads": "not-true-or-false"}), ({"totals": 1}, {"totals": "not-true-or-false"}),
        ({"columns": ["date"]}, {"columns": "missing"}), ({"columns": ["subject", "subject"]}, {"columns": "taken"}),
        ({"columns": ["subject", {}]}, {"columns": "unknown-value"}), ({"columns": "subject"}, {"columns": "not-a-list"}),
        ({"start": "elsewhere"}, {"start": "unknown-value"}), ({"start": "branch:x"}, {"start": "unknown-value"}), ({"language": "fr"}, {"language": "unknown-value"}),
    ],
)  # fmt: skip
def test_a_choice_that_makes_no_sense_is_refused_by_field(
    ada: Caller, body: dict[str, object], wrong: dict[str, str]
) -> None:
    answer = ada.patch("me", body)
    assert answer.status_code == 422
    assert {name: field["code"] for name, field in answer.json()["fields"].items()} == wrong


def test_preferences_another_version_wrote_do_no_harm(ada: Caller) -> None:
    models.User.objects.filter(email="ada@amt.test").update(
        preferences={"view": {"theme": "neon", "density": "compact", "future": 1}, "toggled": "nonsense"}
    )
    view: dict[str, Any] = ada.get("me").json()["preferences"]
    assert (view["theme"], view["density"]) == ("system", "compact")
    assert ada.get("tree").status_code == 200


def test_all_attachments_of_a_message(ada: Caller) -> None:
    inbox = a_folder(an_account(ada.actor))
    placed = a_message_in(inbox, a_letter(attachments=[("a.exe", "text/plain", b"x")]))
    answer = ada.get(f"messages/{placed.id}/attachments.zip")
    assert (answer["Content-Type"], answer["Content-Disposition"]) == (
        "application/zip",
        f'attachment; filename="{placed.id}.zip"',
    )
    assert b"".join(answer.streaming_content).startswith(b"PK")
    opened = ada.get(f"messages/{placed.id}").json()
    assert (opened["attachments"][0]["dangers"], opened["marks"], opened["authentication"]) == (["program"], [], None)
    assert ada.get(f"messages/{a_message_in(inbox).id}/attachments.zip").status_code == 404
    assert Caller(a_person("eve@amt.test")).get(f"messages/{placed.id}/attachments.zip").status_code == 404
