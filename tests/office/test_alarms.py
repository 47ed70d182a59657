"""A mailbox that stands still is told to those who can act, through another one, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from poststelle.errors import LoginRejected, TryAgain
from poststelle.mail.message import body_text, parse
from poststelle.mail.records import AccountRecord
from poststelle.office import accounts, alarms, feed, groups, rights
from poststelle.office.actor import SYSTEM, Actor
from poststelle.office.wording import sentence
from poststelle.store import messages, models, rounds
from tests.builders import a_person, an_account, an_office
from tests.store.conftest import home

__all__ = ["home"]


@pytest.fixture
def ada(db: None, home: object) -> Actor:
    return an_office()


def stop(account: AccountRecord, code: str = "login-rejected") -> None:
    """As the engine does when a person is needed."""
    rounds.failed(account.id, LoginRejected(code, host="mail.amt.test"), None, suspended=True)


def letters(account: AccountRecord | None = None) -> list[tuple[str, str, str]]:
    """(recipient, subject, text) of what is in the outbox, of one account or all."""
    rows = models.Outgoing.objects.order_by("pk")
    found = []
    for row in rows if account is None else rows.filter(account=account.id):
        raw = messages.content(row.message.pool_id, bytes(row.message.sha256))
        parsed = parse(raw)
        found.append((row.recipients.get().address, parsed.subject, body_text(raw, parsed, 10_000)))
    return found


def test_who_administers_a_stopped_mailbox_is_told_through_another_one_and_only_once(ada: Actor) -> None:
    ailing, office = an_account(ada, "Kanzlei"), an_account(ada, "Zentrale")
    stop(ailing)
    assert alarms.sound(SYSTEM, only_trouble=True) == 1
    assert alarms.sound(SYSTEM) == 0
    ((to, subject, text),) = letters(office)
    assert (to, subject) == ("ada@amt.test", "The mailbox “Kanzlei” stands still")
    with translation.override("en"):
        told = sentence("login-rejected")
    assert told.title in text
    assert told.advice in text
    assert f"/mailboxes/{ailing.id}/" in text
    assert not letters(ailing)
    kept = {entry.kind: entry.facts.get("facts") for entry in feed.changes(ada, 0, 200).items}
    assert kept["account-suspended"] == kept["alarm-sent"] == {"host": "mail.amt.test"}


def test_the_office_account_carries_the_news_before_any_other(ada: Actor) -> None:
    ailing = an_account(ada, "Kanzlei")
    an_account(ada, "Aktenraum")
    office = an_account(ada, "Zentrale", scope="system", office_account=True)
    stop(ailing)
    alarms.sound(SYSTEM)
    assert len(letters(office)) == 1


@pytest.mark.parametrize("why", ["own", "personal", "same-login", "troubled", "does-not-send"])
def test_a_mailbox_that_should_not_or_cannot_carry_the_news_is_left_alone(ada: Actor, why: str) -> None:
    ailing = an_account(ada, "Kanzlei")
    other = an_account(ada, "Zentrale", **({"scope": "personal", "owner": "ada@amt.test"} if why == "personal" else {}))
    row = models.Account.objects.filter(pk=other.id)
    if why == "own":
        accounts.remove(ada, other.id)
    elif why == "same-login":
        row.update(login=models.Account.objects.get(pk=ailing.id).login)
    elif why == "troubled":
        rounds.failed(other.id, TryAgain("connect-timeout"), 30.0)
    elif why == "does-not-send":
        accounts.change(ada, other.id, {"sending": {"included": False}})
    stop(ailing)
    assert alarms.sound(SYSTEM) == 0
    assert not letters()
    assert models.Account.objects.get(pk=ailing.id).alarm == {}


def test_everybody_who_can_act_is_told_in_their_language_and_nobody_else(ada: Actor) -> None:
    for name in ("bob", "eve", "tom"):
        a_person(f"{name}@amt.test")
    models.User.objects.filter(email="bob@amt.test").update(language="de")
    ailing = an_account(ada, "Kanzlei")
    an_account(ada, "Zentrale")
    groups.add(ada, "Technik", ["bob@amt.test"])
    rights.grant(ada, ailing.id, {"group": "Technik", "rights": ["administer"]})
    rights.grant(ada, ailing.id, {"user": "eve@amt.test", "rights": ["see", "process"]})
    rights.grant(ada, ailing.id, {"user": "tom@amt.test", "rights": ["administer"], "until": "2020-01-01"})
    stop(ailing)
    assert alarms.sound(SYSTEM) == 2
    assert {to for to, _, _ in letters()} == {"ada@amt.test", "bob@amt.test"}


def test_administrators_are_told_where_nobody_looks_after_a_mailbox(ada: Actor) -> None:
    a_person("chefin@amt.test", administrator=True)
    ailing = an_account(ada, "Kanzlei")
    an_account(ada, "Zentrale")
    models.Grant.objects.filter(account=ailing.id).delete()
    stop(ailing)
    assert alarms.sound(SYSTEM) == 2


def test_whoever_would_be_told_in_the_very_mailbox_is_not_the_only_one(ada: Actor) -> None:
    a_person("bob@amt.test")
    ailing = an_account(ada, "Bobs", scope="personal", owner="bob@amt.test", address="Bob@amt.test")
    an_account(ada, "Zentrale")
    stop(ailing)
    assert alarms.sound(SYSTEM) == 2
    assert {to for to, _, _ in letters()} == {"ada@amt.test", "bob@amt.test"}


def test_a_mailbox_that_works_again_may_be_told_of_another_day(ada: Actor) -> None:
    ailing = an_account(ada, "Kanzlei")
    an_account(ada, "Zentrale")
    stop(ailing)
    alarms.sound(SYSTEM)
    accounts.send_receive(ada, ailing.id)
    models.Account.objects.filter(pk=ailing.id).update(state="active", trouble=None, synced_at=timezone.now())
    alarms.sound(SYSTEM)
    stop(ailing)
    assert alarms.sound(SYSTEM) == 0
    day_before = (timezone.now() - timedelta(days=2)).isoformat()
    models.Account.objects.filter(pk=ailing.id).update(alarm={"code": "login-rejected", "at": day_before, "over": True})
    models.Account.objects.filter(pk=ailing.id).update(trouble_since=timezone.now())
    assert alarms.sound(SYSTEM) == 1


def test_two_engines_that_notice_the_same_send_one_letter(ada: Actor) -> None:
    ailing = an_account(ada, "Kanzlei")
    an_account(ada, "Zentrale")
    stop(ailing)
    alarms.sound(SYSTEM)
    # Killed between the letter and the note of it.
    models.Account.objects.filter(pk=ailing.id).update(alarm={})
    alarms.sound(SYSTEM)
    assert len(letters()) == 1


def test_a_mailbox_nothing_has_come_into_for_long_is_told_of_as_well(ada: Actor) -> None:
    ailing = an_account(ada, "Kanzlei")
    other = an_account(ada, "Zentrale")
    long_ago = timezone.now() - timedelta(hours=3)
    models.Account.objects.filter(pk=ailing.id).update(synced_at=long_ago, last_round_at=long_ago, created_at=long_ago)
    models.Account.objects.filter(pk=other.id).update(synced_at=timezone.now())
    assert alarms.sound(SYSTEM, only_trouble=True) == 0
    assert alarms.sound(SYSTEM) == 1
    ((_, subject, text),) = letters(other)
    assert "Kanzlei" in subject
    assert "no sign of life" in text


def test_before_the_office_is_set_up_there_is_nobody_to_tell(db: None) -> None:
    assert alarms.sound(SYSTEM) == 0
