"""Outgoing mail over HTTP."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy

import pytest

from poststelle.office import outbox
from poststelle.office.actor import SYSTEM
from poststelle.store import messages
from tests.api.caller import Caller
from tests.builders import a_folder, a_letter, a_message_in, an_account


def a_request(**changes: object) -> dict[str, object]:
    return {"account": "Zentrale", "to": ["eva@kunde.test"], "subject": "Antwort", "text": "Gern."} | changes


def test_a_submitted_message_is_queued_with_a_state_for_every_recipient(ada: Caller) -> None:
    account = an_account(ada.actor)
    answer = ada.post("outgoing", a_request(cc=["Bé <b@amt.test>"], bcc=["c@amt.test"]))
    assert answer.status_code == 201
    told = answer.json()
    assert answer["Location"] == f"/api/v1/outgoing/{told['id']}"
    assert (told["account"], told["from"], told["state"], told["author"]) == (
        account.id, "zentrale@amt.test", "queued", "ada@amt.test",
    )  # fmt: skip
    assert [(one["address"], one["kind"], one["state"]) for one in told["recipients"]] == [
        ("eva@kunde.test", "to", "waiting"), ("b@amt.test", "cc", "waiting"), ("c@amt.test", "bcc", "waiting"),
    ]  # fmt: skip
    assert ada.get(f"outgoing/{told['id']}").json() == told
    assert [one["id"] for one in ada.get("outgoing").json()["items"]] == [told["id"]]


def test_what_is_submitted_is_what_is_sent(ada: Caller) -> None:
    an_account(ada.actor)
    data = bytes(range(256))
    file = {"name": "Größe.bin", "type": "application/x-thing", "content_base64": base64.b64encode(data).decode()}
    told = ada.post(
        "outgoing", a_request(html="<p>Gern.</p>", attachments=[file], **{"from": "Amt <zentrale@amt.test>"})
    )
    raw = messages.content(SYSTEM.reach.pool, bytes.fromhex(told.json()["content"]))
    message = message_from_bytes(raw, policy=policy.default)
    assert message["Subject"] == "Antwort"
    assert message["Message-ID"] == f"<{told.json()['message_id']}>"
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("Größe.bin", data)


def test_the_same_key_sends_once_and_another_content_under_it_is_refused(ada: Caller) -> None:
    an_account(ada.actor)
    first = ada.post("outgoing", a_request(), idempotency_key="k1")
    again = ada.post("outgoing", a_request(), idempotency_key="k1")
    assert first.json()["id"] == again.json()["id"]
    other = ada.post("outgoing", a_request(subject="Anders"), idempotency_key="k1")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    assert len(ada.get("outgoing").json()["items"]) == 1
    assert ada.post("outgoing", a_request(), idempotency_key="k" * 201).status_code == 422


def test_an_answer_goes_into_the_thread_of_the_message_it_names(ada: Caller) -> None:
    placed = a_message_in(a_folder(an_account(ada.actor)), a_letter())
    told = ada.post("outgoing", a_request(in_reply_to=placed.id)).json()
    raw = messages.content(SYSTEM.reach.pool, bytes.fromhex(told["content"]))
    assert message_from_bytes(raw)["In-Reply-To"] == f"<{placed.message_id}>"
    told = ada.post("outgoing", a_request(in_reply_to=f"<{placed.message_id}>")).json()
    raw = messages.content(SYSTEM.reach.pool, bytes.fromhex(told["content"]))
    assert message_from_bytes(raw)["In-Reply-To"] == f"<{placed.message_id}>"


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"attachments": [{"name": "x", "content_base64": "AAA"}]}, "attachments.0.content_base64", "not-base64"),
        ({"attachments": [{"name": "x"}]}, "attachments.0.content_base64", "missing"),
        ({"to": ["eva"]}, "to.0", "not-an-address"),
        ({"to": "eva@kunde.test", "from": "boss@kunde.test"}, "from", "not-an-identity"),
        ({"subject": 7}, "subject", "not-text"),
        ({"priority": "high"}, "priority", "unknown-field"),
        ({"account": None}, "account", "not-text"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_field(
    ada: Caller, changes: dict[str, object], field: str, code: str
) -> None:
    an_account(ada.actor)
    answer = ada.post("outgoing", a_request(**changes))
    assert answer.status_code == 422
    assert answer.json()["fields"][field]["code"] == code
    assert ada.get("outgoing").json()["items"] == []


def test_sending_takes_the_right_to(ada: Caller, bob: Caller) -> None:
    an_account(ada.actor, grants=[{"user": "bob@amt.test", "rights": ["see"]}])
    answer = bob.post("outgoing", a_request())
    assert (answer.status_code, answer.json()["code"]) == (403, "send-as-needed")


def test_outgoing_mail_is_walked_window_by_window(ada: Caller) -> None:
    an_account(ada.actor)
    sent = [ada.post("outgoing", a_request(subject=str(number))).json()["id"] for number in range(3)]
    first = ada.get("outgoing?limit=2").json()
    second = ada.get(f"outgoing?limit=2&cursor={first['next']}").json()
    assert [one["id"] for one in first["items"] + second["items"]] == sent[::-1]
    assert second["next"] is None
    assert ada.get("outgoing?cursor=soon").json()["fields"]["cursor"]["code"] == "unknown-value"


def test_what_may_have_left_already_is_decided_one_by_one_or_all_at_once(ada: Caller, bob: Caller) -> None:
    an_account(ada.actor)
    numbers = [ada.post("outgoing", a_request(subject=str(number))).json()["id"] for number in range(3)]
    assert ada.get("outgoing/held").json() == {"count": 0, "as_of": None}
    outbox.hold(SYSTEM)
    told = ada.get("outgoing/held").json()
    assert told["count"] == 3
    assert told["as_of"]
    assert bob.get("outgoing/held").json()["count"] == 0
    one = ada.post(f"outgoing/{numbers[0]}/decision", {"action": "discard"}).json()
    assert (one["state"], one["trouble"], one["due_at"]) == ("discarded", None, None)
    assert bob.post(f"outgoing/{numbers[1]}/decision", {"action": "send"}).status_code == 404
    assert bob.post("outgoing/held", {"action": "send"}).json() == {"count": 0}
    again = ada.post(f"outgoing/{numbers[0]}/decision", {"action": "discard"})
    assert (again.status_code, again.json()["code"]) == (409, "outgoing-settled")
    assert ada.post("outgoing/held", {"action": "perhaps"}).status_code == 422
    assert ada.post("outgoing/held", {"action": "send"}).json() == {"count": 2}
    assert [ada.get(f"outgoing/{number}").json()["state"] for number in numbers] == ["discarded", "queued", "queued"]
