"""Moving, copying, deleting and undoing over HTTP; folders made, changed and deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from poststelle.mail.ports import Role
from tests.api.caller import Caller
from tests.builders import MORNING, a_folder, a_letter, a_message_in, an_account


def test_a_message_is_moved_copied_and_deleted_and_each_can_be_undone(ada: Caller) -> None:
    account = an_account(ada.actor)
    inbox, archive = a_folder(account), a_folder(account, "Archiv", role=Role.ARCHIVE)
    trash = a_folder(account, "Papierkorb", role=Role.TRASH)
    placed = a_message_in(inbox, a_letter("Angebot"))

    def lies() -> list[str]:
        names = {inbox.id: "inbox", archive.id: "archive", trash.id: "trash"}
        return [
            name
            for folder, name in names.items()
            for item in ada.get(f"folders/{folder}/messages").json()["items"]
            if item["subject"] == "Angebot"
        ]

    for path, body, afterwards in (
        (f"messages/{placed.id}/move", {"folder": archive.id}, ["archive"]),
        (f"messages/{placed.id}/copy", {"folder": archive.id}, ["inbox", "archive"]),
    ):
        told = ada.post(path, body).json()
        assert told["count"] == 1
        assert lies() == afterwards
        assert ada.post(f"undo/{told['undo']}").json() == {"count": 1, "undo": None}
        assert lies() == ["inbox"]
    told = ada.delete(f"messages/{placed.id}").json()
    assert lies() == ["trash"]
    ada.post(f"undo/{told['undo']}")
    told = ada.delete(f"messages/{placed.id}?permanently=true").json()
    assert lies() == []
    assert ada.get(f"messages/{placed.id}").status_code == 404
    assert ada.post(f"undo/{told['undo']}").status_code == 200
    assert lies() == ["inbox"]
    again = ada.post(f"undo/{told['undo']}")
    assert (again.status_code, again.json()["code"]) == (404, "nothing-to-undo")
    assert ada.post("undo/never").json()["code"] == "nothing-to-undo"


def test_many_messages_are_handled_at_once_by_ids_or_by_folder_and_filter(ada: Caller) -> None:
    account = an_account(ada.actor)
    inbox, archive = a_folder(account), a_folder(account, "Archiv", role=Role.ARCHIVE)
    old = [a_message_in(inbox, received_at=MORNING - timedelta(days=number)).id for number in range(1, 4)]
    new = [a_message_in(inbox).id for _ in range(3)]
    told = ada.post("messages/bulk", {"ids": new[:2], "action": "flags", "add": ["seen"]}).json()
    assert told["count"] == 2
    everything = {"folder": inbox.id, "filter": {"seen": False, "before": MORNING.isoformat()}, "action": "archive"}
    assert ada.post("messages/bulk", everything).json()["count"] == 3
    held = {item["id"] for item in ada.get(f"folders/{archive.id}/messages").json()["items"]}
    assert held == set(old)
    assert ada.get(f"folders/{inbox.id}").json()["unread"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "delete"}, "ids"),
        ({"ids": ["x"], "folder": "y", "action": "delete"}, "ids"),
        ({"ids": ["x"], "filter": {"seen": True}, "action": "delete"}, "filter"),
        ({"ids": ["x"], "action": "move"}, "target"),
        ({"ids": ["x"], "action": "flags"}, "add"),
        ({"ids": ["x"], "action": "flags", "add": ["seen"], "remove": ["seen"]}, "remove"),
        ({"ids": ["x"], "action": "burn"}, "action"),
        ({"folder": "x", "filter": {"before": "2026-01-01T00:00:00"}, "action": "delete"}, "filter.before"),
        ({"ids": [1], "action": "delete"}, "ids.0"),
        ({"ids": ["x"] * 10_001, "action": "delete"}, "ids"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(ada: Caller, body: dict[str, object], field: str) -> None:
    answer = ada.post("messages/bulk", body)
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [field]


def test_one_unknown_message_among_many_stops_them_all(ada: Caller) -> None:
    inbox = a_folder(an_account(ada.actor))
    placed = a_message_in(inbox)
    for other in ("nonsense", "01a2000b-2cf7-7574-bcd2-dbe314dae886"):
        answer = ada.post("messages/bulk", {"ids": [placed.id, other], "action": "delete"})
        assert (answer.status_code, answer.json()["code"]) == (404, "message-unknown")
    assert ada.get(f"messages/{placed.id}").status_code == 200


def test_folders_are_made_changed_and_deleted(ada: Caller) -> None:
    account = an_account(ada.actor)
    inbox = a_folder(account)
    made = ada.post(f"accounts/{account.id}/folders", {"path": "Akten/Müller"})
    assert made.status_code == 201
    assert made.json()["components"] == ["Akten", "Müller"]
    path = f"folders/{made.json()['id']}"
    changed = ada.patch(
        path,
        {"path": ["Akten", "Ein/Aus"], "role": "archive", "subscribed": False, "choices": {"process": True}},
    ).json()
    assert (changed["components"], changed["role"]) == (["Akten", "Ein/Aus"], "archive")
    assert (changed["subscribed"], changed["process"], changed["show"]) == (False, True, True)
    again = ada.post(f"accounts/{account.id}/folders", {"path": ["Akten", "Ein/Aus"]})
    assert (again.status_code, again.json()["code"]) == (409, "folder-exists")
    told = ada.delete(path).json()
    assert ada.get(path).status_code == 404
    assert ada.post(f"undo/{told['undo']}").status_code == 200
    assert ada.get(path).status_code == 200
    assert ada.delete(f"folders/{inbox.id}").json()["code"] == "inbox-stays"
    assert ada.patch(f"folders/{inbox.id}", {"role": "trash"}).json()["fields"]["role"]["code"] == "inbox-stays"
    for wrong in ("", "a//b", "a\u0000b", "x" * 201):
        assert ada.post(f"accounts/{account.id}/folders", {"path": wrong}).json()["fields"]["path"]


def test_who_may_only_see_handles_nothing(ada: Caller, bob: Caller) -> None:
    rights = ["see", "process", "administer"]
    account = an_account(
        ada.actor,
        grants=[{"user": "bob@amt.test", "rights": ["see"]}, {"user": "ada@amt.test", "rights": rights}],
    )
    inbox, archive = a_folder(account), a_folder(account, "Archiv", role=Role.ARCHIVE)
    placed = a_message_in(inbox)
    for answer in (
        bob.post(f"messages/{placed.id}/move", {"folder": archive.id}),
        bob.delete(f"messages/{placed.id}"),
        bob.post("messages/bulk", {"folder": inbox.id, "action": "delete"}),
        bob.post(f"accounts/{account.id}/folders", {"path": "Neu"}),
        bob.patch(f"folders/{archive.id}", {"subscribed": False}),
        bob.delete(f"folders/{archive.id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "process-needed")
    token = ada.post(f"messages/{placed.id}/move", {"folder": archive.id}).json()["undo"]
    assert bob.post(f"undo/{token}").status_code == 404
