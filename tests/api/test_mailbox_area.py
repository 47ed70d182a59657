"""Log-ins, outgoing servers, templates, groups, rights, people and tables over HTTP."""

from __future__ import annotations

import json
from typing import Any

from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

from tests.api.caller import Caller
from tests.builders import PASSWORD, a_person, a_token, an_account, an_account_document, an_office


def test_a_shared_login_is_added_used_and_never_gives_its_secret(ada: Caller) -> None:
    answer = ada.post("logins", {"label": "Haus", "username": "haus", "password": "geheim"})
    assert answer.status_code == 201
    account = ada.post("accounts", an_account_document(login={"login": "Haus"})).json()
    assert account["login"]["login"] == "Haus"
    (shown,) = ada.get("logins").json()["items"]
    assert (shown["accounts"], shown["has_password"], shown["servers"][0]["host"]) == (1, True, "mail.amt.test")
    assert ada.post("logins/Haus/password", {"password": "neues Wort"}).json() == {"accounts": 1}
    assert b"geheim" not in answer.content + ada.get("logins").content
    assert ada.post("logins", {"label": "haus"}).json()["fields"].keys() == {"username"}


async def test_a_tested_password_is_told_line_by_line(transactional_db: None) -> None:
    ada = await sync_to_async(lambda: Caller(an_office()))()
    await sync_to_async(ada.post)("logins", {"label": "Haus", "username": "haus", "password": "geheim"})
    await sync_to_async(ada.post)("accounts", an_account_document(login={"login": "Haus"}))
    answer: Any = await AsyncClient().post(
        "/api/v1/logins/Haus/password/test", {"password": "neu"}, content_type="application/json", headers=ada.headers
    )
    lines = [json.loads(line) async for line in answer.streaming_content]
    assert (lines[0]["account"], lines[0]["name"], lines[0]["state"]) == ("Zentrale", "resolve", "failed")
    assert (lines[-1]["name"], lines[-1]["state"]) == ("kept", "skipped")


def test_the_way_out_is_told_with_its_reason(ada: Caller) -> None:
    account = an_account(ada.actor, outgoing=None)
    assert ada.get(f"accounts/{account.id}/way-out").json() == {"reason": "", "facts": {}}
    ada.post("outgoing-servers", {"label": "Versand", "host": "out.test", "default": True})
    assert ada.get(f"accounts/{account.id}/way-out").json() == {
        "reason": "office", "facts": {"host": "out.test", "port": 465, "label": "Versand"},
    }  # fmt: skip
    assert ada.get("accounts").json()["items"][0]["way_out"] == "office"
    changed = ada.patch("outgoing-servers/Versand", {"label": "Post", "encryption": "starttls", "port": None}).json()
    assert (changed["label"], changed["port"]) == ("Post", 587)


def test_a_change_from_an_earlier_version_is_a_conflict(ada: Caller) -> None:
    account = an_account(ada.actor)
    made = ada.patch(f"accounts/{account.id}", {"display_name": "Eins", "version": account.version})
    assert (made.status_code, made.json()["version"]) == (200, account.version + 1)
    late = Client().patch(
        f"/api/v1/accounts/{account.id}", {"display_name": "Zwei"}, content_type="application/json",
        headers=ada.headers | {"if-match": f'"{account.version}"'},
    )  # fmt: skip
    assert (late.status_code, late.json()["code"]) == (409, "changed-meanwhile")
    wrong = ada.patch(f"accounts/{account.id}", {"version": "drei"})
    assert wrong.json()["fields"]["version"]["code"] == "not-a-number"


def test_a_template_is_previewed_and_fills_a_document(ada: Caller) -> None:
    account = an_account(ada.actor)
    ada.post("templates", {"label": "Haus", "document": {"incoming": {"host": "imap.haus.test"}}})
    told = ada.post(f"templates/Haus/preview?account={account.id}", {}).json()
    assert told["differences"] == [{"path": "incoming.host", "before": "mail.amt.test", "after": "imap.haus.test"}]
    assert ada.post("templates/Haus/preview", {"label": "N"}).json()["document"]["label"] == "N"
    refused = ada.post("templates", {"label": "X", "document": {"login": {"password": "geheim"}}})
    assert refused.json()["fields"]["document.login.password"]["code"] == "not-in-a-template"


def test_rights_are_set_one_by_one_and_seen_in_the_matrix(ada: Caller, bob: Caller) -> None:
    account = an_account(ada.actor)
    ada.post("groups", {"name": "Kanzlei", "members": ["bob@amt.test"]})
    answer = ada.put(f"accounts/{account.id}/grants", {"group": "Kanzlei", "rights": ["see"], "until": "2999-12-31"})
    assert [(one["user"], one["group"]) for one in answer.json()["grants"]] == [
        ("ada@amt.test", None),
        (None, "Kanzlei"),
    ]
    matrix = ada.get("rights").json()
    (cell,) = [one for one in matrix["cells"] if one["groups"]]
    assert (cell["account"], cell["rights"], cell["until"][:10]) == (account.id, ["see"], "2999-12-31")
    assert bob.get("rights").json()["accounts"] == []
    assert bob.get(f"accounts/{account.id}").json()["rights"] == ["see"]


def test_administrators_read_the_journal(ada: Caller, bob: Caller) -> None:
    account = an_account(ada.actor)
    ada.put(f"accounts/{account.id}/grants", {"user": "bob@amt.test", "rights": ["see"]})
    page = ada.get(f"journal?kind=grants-changed&account={account.label}&limit=1").json()
    assert [one["facts"]["changes"][0]["user"] for one in page["items"]] == ["bob@amt.test"]
    older = ada.get(f"journal?kind=grants-changed&limit=1&cursor={page['next']}").json()
    assert older["items"][0]["id"] < page["items"][0]["id"]
    assert bob.get("journal").status_code == 403
    assert ada.get("journal?kind=gibt-es-nicht").json()["code"] == "invalid"


def test_many_mailboxes_come_and_go_as_a_table(ada: Caller, bob: Caller) -> None:
    table = (
        "label,address,incoming.host,login.username,login.password\nRecht,r@amt.test,mail.test,r,geheim\nBau,x,y,z,\n"
    )

    def sent(caller: Caller, query: str) -> Any:
        return Client().post(f"/api/v1/accounts/import{query}", table, content_type="text/csv", headers=caller.headers)

    seen = sent(ada, "").json()
    assert [line["action"] for line in seen["lines"]] == ["add", "none"]
    assert seen["lines"][1]["wrong"] == {"address": "not-an-address"}
    assert sent(ada, "?apply=true").json()["fields"]["line.3.address"]["code"] == "not-an-address"
    assert sent(ada, "?apply=true&partly=true").json()["wrong"] == 1
    assert sent(bob, "").status_code == 403
    export = ada.get("accounts/export")
    assert export["Content-Type"].startswith("text/csv")
    assert "Recht" in export.content.decode()
    assert "geheim" not in export.content.decode()


def test_an_archive_a_copy_and_what_would_be_lost(ada: Caller) -> None:
    account = an_account(ada.actor)
    assert ada.get(f"accounts/{account.id}/consequences").json()["grants"] == 1
    document = ada.post(f"accounts/{account.id}/copy", {"label": "Zwei"}).json()
    assert (document["label"], document["login"]) == ("Zwei", {"mechanism": "auto", "domain": ""})
    archived = ada.post(f"accounts/{account.id}/archive").json()
    assert (archived["kind"], archived["incoming"], archived["login"]) == ("archive", None, None)
    assert ada.post(f"accounts/{account.id}/sync").json()["code"] == "no-way-in"
    assert len(ada.post(f"accounts/{an_account(ada.actor, 'B').id}/hand-over").json()["token"]) > 40


def test_somebody_is_invited_chooses_a_sender_and_leaves(ada: Caller) -> None:
    account = an_account(ada.actor)
    invited = ada.post("people/invitations", {"email": "neu@amt.test", "name": "Neu"}).json()
    assert (invited["mailed"], "/welcome/" in invited["link"]) == (False, True)
    assert ada.put("people/me/default-sender", {"account": account.label}).json() == {"account": account.id}
    assert ada.get("people/me/default-sender").json() == {"account": account.id}
    eve = a_person("eve@amt.test")
    token = a_token(eve)
    assert ada.post("people/eve@amt.test/depart", {"heir": "ada@amt.test"}).json()["tokens_revoked"] == 1
    assert [one["email"] for one in ada.get("people?blocked=true").json()["items"]] == ["eve@amt.test"]
    given = {"email": "kim@amt.test", "name": "Kim", "password": "kurz"}
    assert ada.post("people", given).json()["fields"]["password"]
    assert ada.post("people", given | {"password": PASSWORD}).status_code == 201
    assert Client().login(email="kim@amt.test", password=PASSWORD)
    assert ada.patch("people/neu@amt.test", {"name": "Neuer", "administrator": True}).json()["name"] == "Neuer"
    gone: Any = Client().get("/api/v1/accounts", headers={"authorization": f"Bearer {token}"})
    assert gone.status_code == 401
    assert not Client().login(email="eve@amt.test", password=PASSWORD)


def test_a_template_is_given_to_a_mailbox_with_what_has_to_be_said_anew(ada: Caller) -> None:
    account = an_account(ada.actor)
    ada.post("templates", {"label": "Haus", "document": {"incoming": {"host": "neu.amt.test"}}})
    refused = ada.post(f"templates/Haus/apply?account={account.id}", {})
    assert (refused.status_code, refused.json()["fields"]["login.password"]["code"]) == (422, "needed-again")
    given = ada.post(f"templates/Haus/apply?account={account.id}", {"login": {"password": "noch einmal"}})
    assert (given.status_code, given.json()["incoming"]["host"]) == (200, "neu.amt.test")


def test_moving_to_another_provider_is_refused_by_its_field_and_tried_before_anything_is_kept(ada: Caller) -> None:
    account = an_account(ada.actor)
    changes = {"incoming": {"host": "127.0.0.1", "port": 1}, "login": {"password": "neu"}}
    tried = ada.post(f"accounts/{account.id}/move", changes)
    assert (tried.status_code, tried.json()["code"]) == (502, "host-forbidden")
    assert (
        ada.post(f"accounts/{account.id}/move", {"incoming": {"port": 0}}).json()["fields"]["incoming.port"]["code"]
        == "not-a-port"
    )
    assert ada.get(f"accounts/{account.id}").json()["incoming"]["host"] == "mail.amt.test"


def test_the_list_of_mailboxes_is_narrowed_by_words_kind_scope_and_state(ada: Caller) -> None:
    ada.post("accounts", an_account_document("Eigene", scope="personal", address="eigen@amt.test"))
    ada.post("accounts", an_account_document("Ruhend", active=False))

    def found(query: str) -> list[str]:
        return [one["label"] for one in ada.get(f"accounts?{query}").json()["items"]]

    assert (found("only=personal"), found("only=inactive"), found("words=eigen")) == (
        ["Eigene"],
        ["Ruhend"],
        ["Eigene"],
    )
    assert ada.get("accounts?only=quatsch").status_code == 422


def test_a_server_is_tested_before_it_is_saved(ada: Caller) -> None:
    wrong = ada.post("outgoing-servers/probe", {"label": "Neu", "host": "https://x"})
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["host"])
    ada.post(
        "outgoing-servers",
        {"label": "Innen", "host": "10.0.0.1", "encryption": "none", "exception_reason": "verkabelt", "default": True},
    )
    (listed,) = ada.get("outgoing-servers/exceptions").json()["items"]
    made = [("no-encryption", "ada@amt.test", "verkabelt", "")]
    assert [(one["what"], one["by"], one["reason"], one["server"]) for one in listed["exceptions"]] == made
    # A mailbox that sends through it says so itself.
    account = an_account(ada.actor, outgoing=None)
    shown = ada.get(f"accounts/{account.id}").json()["exceptions"]
    assert [(one["what"], one["reason"], one["server"]) for one in shown] == [("no-encryption", "verkabelt", "Innen")]
    assert not ada.get("accounts/exceptions").json()["items"]


def test_internal_servers_are_allowed_listed_and_taken_back(ada: Caller) -> None:
    (made,) = ada.post("internal-servers", {"server": "192.168.1.0/24"}).json()["items"]
    assert (made["server"], made["by"]) == ("192.168.1.0/24", "ada@amt.test")
    refused = ada.post("internal-servers", {"server": "169.254.169.254"})
    assert (refused.status_code, refused.json()["fields"]["server"]["code"]) == (422, "never-allowed")
    assert len(ada.get("internal-servers").json()["items"]) == 1
    assert ada.delete("internal-servers?server=192.168.1.0/24").status_code == 204
    assert ada.delete("internal-servers?server=192.168.1.0/24").status_code == 404


def test_the_notice_is_read_before_an_account_is_added(ada: Caller) -> None:
    assert ada.get("notice").json()["text"] == ""
    version = ada.put("notice", {"text": "Erst fragen."}).json()["version"]
    assert ada.post("accounts", an_account_document()).json()["fields"]["notice"]["code"] == "notice-unread"
    assert ada.post("accounts", an_account_document(notice=version)).status_code == 201


def test_folders_are_given_their_purpose_with_the_account(ada: Caller) -> None:
    made = ada.post("accounts", an_account_document(roles={"sent": ["Versandt"], "trash": ["INBOX", "Weg"]}))
    assert made.status_code == 201
    folders = ada.get(f"accounts/{made.json()['id']}/folders").json()["items"]
    assert {folder["name"]: folder["role"] for folder in folders} == {"Versandt": "sent", "Weg": "trash"}
