"""Ledger, events, transcript and health over the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from poststelle.office.actor import SYSTEM
from poststelle.store import events, models
from tests.api.caller import Caller
from tests.builders import a_folder, an_account
from tests.store.conftest import home

__all__ = ["home"]


@pytest.fixture
def account(ada: Caller, home: Path) -> str:
    record = an_account(ada.actor)
    a_folder(record)
    models.Folder.objects.update(synced_at=timezone.now(), ledger_at=timezone.now(), total=3)
    return record.id


def test_the_ledger_of_an_account_and_a_comparison(ada: Caller, account: str) -> None:
    (folder,) = ada.get("accounts/Zentrale/ledger").json()["items"]
    assert (folder["path"], folder["server"], folder["held"], folder["balanced"]) == ("INBOX", None, 3, False)
    asked = ada.post(f"accounts/{account}/ledger/compare")
    assert asked.status_code == 202
    assert models.Folder.objects.get().ledger_at is None


def test_events_come_newest_first_in_the_callers_language(ada: Caller, account: str) -> None:
    events.note(account, "resumed")
    events.note(account, "trouble", level="warning", trouble="connection-lost", host="mail.amt.test")
    events.flush()
    items = ada.get(f"accounts/{account}/events", accept_language="en").json()["items"]
    assert [one["code"] for one in items] == ["trouble", "resumed"]
    assert items[0]["text"] == "Trouble: The connection to “mail.amt.test” broke off."
    first = ada.get(f"accounts/{account}/events?limit=1").json()
    assert ada.get(f"accounts/{account}/events?limit=1&cursor={first['next']}").json()["items"][0]["code"] == "resumed"
    assert ada.get(f"accounts/{account}/events?level=loud").status_code == 422


def test_a_transcript_by_api(ada: Caller, account: str) -> None:
    assert ada.post(f"accounts/{account}/transcript").status_code == 202
    assert ada.get(f"accounts/{account}/transcript").status_code == 200
    assert ada.post(f"accounts/{account}/transcript?minutes=3000").status_code == 422
    assert ada.delete(f"accounts/{account}/transcript").status_code == 204
    assert models.Account.objects.get().transcript_until is None


def test_the_health_of_every_account(ada: Caller, account: str) -> None:
    models.Account.objects.update(synced_at=timezone.now())
    (one,) = ada.get("health", accept_language="en").json()["items"]
    assert (one["label"], one["state"]) == ("Zentrale", "well")
    assert one["text"].startswith("in step as of ")
    assert ada.get("health?state=suspended").json()["items"] == []
    assert ada.get("health?state=sad").status_code == 422


def test_what_concerns_the_office_as_a_whole_is_told_administrators_in_their_language(ada: Caller, bob: Caller) -> None:
    assert ada.get("health/office").json() == []
    google = {"protocol": "smtp", "host": "smtp.gmail.com", "port": 465, "encryption": "tls"}
    an_account(SYSTEM, "Google", office_account=True, outgoing=google)
    (told,) = ada.get("health/office", accept_language="en").json()
    assert (told["code"], told["facts"]["account"]) == ("links-filed", "Google")
    assert told["text"].startswith("Links to choose a password are not mailed")
    invited = ada.post("people/invitations", {"email": "neu@amt.test", "name": "Neu"}).json()
    assert (invited["mailed"], invited["hindrance"]["code"]) == (False, "links-filed")
    assert bob.get("health/office").json() == []


def test_people_logins_and_servers_are_looked_for(ada: Caller, bob: Caller) -> None:
    for label in ("Haus", "Hof"):
        ada.post("logins", {"label": label, "username": f"{label.lower()}@amt.test", "password": "x"})
        ada.post("outgoing-servers", {"label": label, "host": f"{label.lower()}.amt.test"})
    for path in ("logins", "outgoing-servers"):
        assert [one["label"] for one in ada.get(f"{path}?words=hof").json()["items"]] == ["Hof"]
    assert [one["email"] for one in ada.get("people?only=administrator").json()["items"]] == ["ada@amt.test"]
    assert ada.get("people?words=BOB").json()["items"] == ada.get("people?words=bob").json()["items"] != []


@pytest.mark.parametrize("path", ["ledger", "events", "transcript"])
def test_a_stranger_finds_nothing(bob: Caller, account: str, path: str) -> None:
    assert bob.get(f"accounts/{account}/{path}").status_code == 404
    assert bob.get("health").json()["items"] == []
