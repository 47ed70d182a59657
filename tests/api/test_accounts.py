"""Accounts over HTTP."""

from __future__ import annotations

import json
from typing import Any

from django.test import AsyncClient

from poststelle.office import people
from poststelle.office.actor import SYSTEM
from tests.api.caller import Caller
from tests.builders import an_account, an_account_document


def test_an_added_account_is_found_where_its_location_says(ada: Caller) -> None:
    answer = ada.post("accounts", an_account_document())
    assert answer.status_code == 201
    told = answer.json()
    assert answer["Location"] == f"/api/v1/accounts/{told['id']}"
    assert ada.get(f"accounts/{told['id']}").json() == told
    assert told["label"] == "Zentrale"
    assert told["incoming"]["host"] == "mail.amt.test"
    assert told["grants"] == [
        {
            "user": "ada@amt.test", "group": None, "folder": None, "from": None, "until": None,
            "rights": ["see", "process", "send-as", "send-on-behalf", "administer"],
        }
    ]  # fmt: skip


def test_a_password_goes_in_and_never_comes_out(ada: Caller) -> None:
    answer = ada.post("accounts", an_account_document())
    shown = ada.get(f"accounts/{answer.json()['id']}")
    assert b"geheim" not in answer.content + shown.content
    assert shown.json()["login"]["username"] == "zentrale"
    assert shown.json()["login"]["password"] is None


def test_what_cannot_be_accepted_is_named_field_by_field_in_the_callers_language(ada: Caller) -> None:
    document = an_account_document(address="zentrale", incoming={"host": "mail.amt.test", "port": 70000}, shape="round")
    answer = ada.post("accounts", document, accept_language="de-DE,de;q=0.9")
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert {path: field["code"] for path, field in problem["fields"].items()} == {
        "address": "not-an-address",
        "incoming.port": "not-a-port",
        "shape": "unknown-field",
    }
    english = ada.post("accounts", document, accept_language="en").json()
    assert english["type"] == problem["type"] == "/problems/invalid"
    assert english["fields"]["incoming.port"]["message"] == "A port is a number from 1 to 65535."


def test_what_a_later_release_brings_is_refused_by_name(ada: Caller) -> None:
    answer = ada.post("accounts", an_account_document(incoming={"protocol": "ews", "host": "x.test"}))
    assert answer.json()["fields"]["incoming.protocol"]["code"] == "not-available"


def test_a_label_is_taken_once(ada: Caller) -> None:
    an_account(ada.actor)
    answer = ada.post("accounts", an_account_document())
    assert (answer.status_code, answer.json()["fields"]["label"]["code"]) == (422, "taken")


def test_only_administrators_add_accounts(bob: Caller) -> None:
    answer = bob.post("accounts", an_account_document())
    assert (answer.status_code, answer.json()["code"]) == (403, "administrators-only")


def test_a_change_leaves_what_it_does_not_name(ada: Caller) -> None:
    account = an_account(ada.actor)
    told = ada.patch(
        f"accounts/{account.id}", {"display_name": "Amt für Post", "incoming": {"encryption": "tls"}}
    ).json()
    assert told["display_name"] == "Amt für Post"
    assert (told["label"], told["incoming"]["host"]) == ("Zentrale", "mail.amt.test")


def test_a_new_host_asks_for_the_password_again(ada: Caller) -> None:
    account = an_account(ada.actor)
    answer = ada.patch(f"accounts/{account.id}", {"incoming": {"host": "evil.test"}})
    assert answer.json()["fields"] == {
        "login.password": {"code": "needed-again", "message": answer.json()["fields"]["login.password"]["message"]}
    }


def test_a_removed_account_is_gone(ada: Caller) -> None:
    account = an_account(ada.actor)
    assert ada.delete(f"accounts/{account.id}").status_code == 204
    assert ada.get(f"accounts/{account.id}").status_code == 404


def test_changing_takes_the_right_to_administer(ada: Caller, bob: Caller) -> None:
    grants = [{"user": "ada@amt.test", "rights": ["administer"]}, {"user": "bob@amt.test", "rights": ["see"]}]
    account = an_account(ada.actor, grants=grants)
    assert bob.get(f"accounts/{account.id}").status_code == 200
    assert bob.patch(f"accounts/{account.id}", {"label": "Mine"}).status_code == 403
    assert bob.delete(f"accounts/{account.id}").status_code == 403


def test_who_does_not_administer_sees_neither_login_nor_grants(ada: Caller, bob: Caller) -> None:
    grants = [{"user": "ada@amt.test", "rights": ["administer"]}, {"user": "bob@amt.test", "rights": ["see"]}]
    account = an_account(ada.actor, grants=grants)
    told = bob.get(f"accounts/{account.id}").json()
    assert (told["login"], told["grants"], told["rights"]) == (None, [], ["see"])


def test_the_list_is_walked_window_by_window_whatever_the_labels_are(ada: Caller) -> None:
    labels = ["Büro & Co/1", "Empfang?x=1", "Straße #2"]
    for label in labels:
        an_account(ada.actor, label)
    seen, cursor = [], None
    while True:
        window = ada.get("accounts?limit=1" + (f"&cursor={cursor}" if cursor else "")).json()
        seen += [account["label"] for account in window["items"]]
        cursor = window["next"]
        if cursor is None:
            break
    assert seen == labels


def test_a_foreign_cursor_and_a_wrong_limit_are_refused(ada: Caller) -> None:
    assert ada.get("accounts?cursor=zzz").json()["fields"]["cursor"]["code"] == "unknown-value"
    assert ada.get("accounts?limit=0").json()["fields"]["limit"]["code"] == "out-of-range"
    assert ada.get("accounts?limit=201").json()["fields"]["limit"]["code"] == "out-of-range"
    assert ada.get("accounts?limit=many").json()["fields"]["limit"]["code"] == "not-a-number"


def test_asking_for_a_round_is_noted_at_once(ada: Caller) -> None:
    account = an_account(ada.actor)
    answer = ada.post(f"accounts/{account.id}/sync")
    assert answer.status_code == 202
    assert answer.json()["account"] == account.id
    assert answer.json()["asked_at"].endswith("Z")


def test_a_mailbox_that_only_sends_has_no_round(ada: Caller) -> None:
    account = an_account(ada.actor, kind="send-only", incoming=None)
    answer = ada.post(f"accounts/{account.id}/sync")
    assert (answer.status_code, answer.json()["code"]) == (409, "no-way-in")


async def _probe(ada: Caller, document: dict[str, object], query: str = "") -> tuple[int, str, list[dict[str, Any]]]:
    answer: Any = await AsyncClient().post(
        f"/api/v1/accounts/probe{query}", json.dumps(document), content_type="application/json", headers=ada.headers
    )
    if not answer.streaming:
        return answer.status_code, answer["Content-Type"], [answer.json()]
    lines = b"".join([piece async for piece in answer]).decode().splitlines()
    return answer.status_code, answer["Content-Type"], [json.loads(line) for line in lines]


async def test_a_test_tells_step_by_step_what_works_and_what_to_do(ada: Caller) -> None:
    document = an_account_document(incoming={"host": "127.0.0.1", "port": 1}, outgoing=None)
    status, content_type, steps = await _probe(ada, document)
    assert (status, content_type) == (200, "application/x-ndjson")
    assert steps[0]["direction"] == "incoming"
    failed = [step for step in steps if step["state"] == "failed"]
    assert len(failed) == 1
    assert failed[0]["error"]
    assert failed[0]["title"]


async def test_settings_that_cannot_be_are_refused_before_the_first_step(ada: Caller) -> None:
    status, content_type, answer = await _probe(ada, an_account_document(address="nowhere"))
    assert (status, content_type) == (422, "application/problem+json")
    assert answer[0]["fields"]["address"]["code"] == "not-an-address"


async def test_strangers_test_nothing(bob: Caller) -> None:
    status, _, answer = await _probe(bob, an_account_document())
    assert (status, answer[0]["code"]) == (403, "administrators-only")


def test_the_language_is_the_persons_own_unless_the_request_asks(ada: Caller) -> None:
    people.set_language(ada.actor, "de")
    german = ada.get("accounts/nowhere").json()["title"]
    assert german != ada.get("accounts/nowhere", accept_language="en").json()["title"]
    assert people.office_language() == "en"
    assert SYSTEM.user is None
