"""The event log and the transcript: bounded, redacted, for who looks after the mailbox; and nobody waits for them."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from django.utils import timezone, translation

from poststelle.adapters import witness
from poststelle.errors import Invalid, LoginRejected, NotFound, NotPermitted, TryAgain
from poststelle.mail.records import AccountRecord, EventRecord
from poststelle.office import events, happenings
from poststelle.office.actor import Actor
from poststelle.store import connections, models, transcripts
from poststelle.store import events as log
from tests.builders import a_person, an_account, an_office
from tests.store.conftest import Shop, home

__all__ = ["home"]


@pytest.fixture(autouse=True)
def nothing_waits_from_other_tests() -> None:
    log._waiting.clear()
    transcripts._waiting.clear()
    connections._waiting.clear()
    connections._modes.clear()


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def account(db: None, home: Path) -> tuple[Actor, AccountRecord]:
    ada = an_office()
    return ada, an_account(ada)


def told(actor: Actor, **wanted: str) -> list[str]:
    return [happenings.event_sentence(one) for one in events.page(actor, "Zentrale", **wanted).items]


def test_what_was_noted_reads_as_sentences_newest_first(account: tuple[Actor, AccountRecord]) -> None:
    ada, record = account
    log.note(record.id, "connected", host="mail.amt.test", port=993, tls="TLSv1.3")
    log.note(record.id, "trouble", level="warning", trouble="connection-lost", host="mail.amt.test")
    log.flush()
    assert told(ada) == [
        "Trouble: The connection to “mail.amt.test” broke off.",
        "Connected with mail.amt.test, port 993 (TLSv1.3).",
    ]
    assert told(ada, level="warning") == ["Trouble: The connection to “mail.amt.test” broke off."]


def test_what_is_looked_at_again_by_itself_does_not_wait_for_a_person(account: tuple[Actor, AccountRecord]) -> None:
    ada, record = account
    events.troubled(record.id, TryAgain("read-timeout", host="mail.amt.test"), seconds=3600.0, suspended=True)
    log.flush()
    assert told(ada) == ["Next attempt in 3600 s.", "Trouble: “mail.amt.test” stopped answering."]
    events.troubled(record.id, LoginRejected("login-rejected"), suspended=True)
    log.flush()
    assert told(ada)[0] == "Stopped until a person acts: User name or password is wrong."


def test_every_event_and_state_has_a_sentence_whatever_is_known_of_it() -> None:
    assert happenings.EVENTS.keys() == set(get_args(log.EventCode))
    assert happenings.LEVELS.keys() == set(log.LEVELS)
    for code in happenings.EVENTS:
        assert "%(" not in happenings.event_sentence(EventRecord(1, timezone.now(), "info", code, {}))


def test_facts_are_cut_and_control_characters_shown(account: tuple[Actor, AccountRecord]) -> None:
    log.note(account[1].id, "trouble", answer="a\r\n\x1b[31m" + "x" * 5_000)
    log.flush()
    answer = models.Event.objects.get().facts["answer"]
    assert answer.startswith("a\\x0d\\x0a\\x1b[31m")
    assert len(answer) < 400


def test_the_log_keeps_the_newest_and_nothing_old(account: tuple[Actor, AccountRecord]) -> None:
    record = account[1]
    models.Event.objects.create(
        account_id=record.id, at=timezone.now() - timedelta(days=91), level="info", code="round", facts={}
    )
    for number in range(2_500):
        log.note(record.id, "errands", count=number)
    log.flush()
    counts = [row.facts.get("count") for row in models.Event.objects.order_by("id")]
    assert len(counts) == log.NEWEST
    assert (counts[0], counts[-1]) == (500, 2_499)


def test_an_account_that_has_been_removed_meanwhile_is_no_error(account: tuple[Actor, AccountRecord]) -> None:
    log.note(account[1].id, "resumed")
    models.Account.objects.all().delete()
    assert log.flush() == 1
    assert not models.Event.objects.exists()


def test_noting_costs_next_to_nothing(account: tuple[Actor, AccountRecord]) -> None:
    began = time.perf_counter()
    for _ in range(5_000):
        log.note(account[1].id, "round", new=1, changed=2, removed=0, set_aside=0, seconds=0.1)
    noted = time.perf_counter() - began
    log.flush()
    assert noted / 5_000 < 200e-6
    assert not log.waiting()


def test_only_who_looks_after_the_mailbox_reads_its_events(account: tuple[Actor, AccountRecord]) -> None:
    record = account[1]
    bob, eve = a_person(), a_person("eve@amt.test", administrator=True)
    log.note(record.id, "resumed")
    log.flush()
    assert len(events.page(eve, record.id).items) == 1
    with pytest.raises(NotFound):
        events.page(bob, record.id)
    assert bob.user is not None
    models.Grant.objects.create(account_id=record.id, user_id=bob.user.id, see=True)
    for refused in (
        lambda: events.page(bob, record.id),
        lambda: events.following(bob, record.id, 0),
        lambda: events.start_transcript(bob, record.id, timedelta(minutes=5)),
        lambda: events.stop_transcript(bob, record.id),
        lambda: events.transcript(bob, record.id),
    ):
        with pytest.raises(NotPermitted):
            refused()
    assert not models.Journal.objects.filter(kind="transcript-started").exists()


def test_a_log_is_followed_from_where_one_was(account: tuple[Actor, AccountRecord]) -> None:
    ada, record = account
    log.note(record.id, "resumed")
    log.flush()
    (first,) = events.following(ada, record.id, 0)
    log.note(record.id, "errands", count=3)
    log.flush()
    (second,) = events.following(ada, record.id, first.id)
    assert second.code == "errands"


@pytest.mark.parametrize("wrong", [{"level": "loud"}, {"before": "x"}, {"before": "9" * 30}])
def test_what_is_no_level_or_cursor_is_refused(account: tuple[Actor, AccountRecord], wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        events.page(account[0], account[1].id, 50, **wrong)  # type: ignore[arg-type]


def test_a_transcript_is_switched_on_for_a_day_at_most_and_makes_the_engine_connect_anew(
    account: tuple[Actor, AccountRecord],
) -> None:
    ada, record = account
    before = models.Account.objects.get().settings_version
    with pytest.raises(Invalid):
        events.start_transcript(ada, record.id, timedelta(hours=25))
    with pytest.raises(Invalid):
        events.start_transcript(ada, record.id, timedelta(0))
    until = events.start_transcript(ada, record.id, timedelta(minutes=30))
    row = models.Account.objects.get()
    assert (row.transcript_until, row.settings_version) == (until, before + 1)
    assert models.Journal.objects.get(kind="transcript-started").actor == "ada@amt.test"
    assert told(ada) == ["Protocol transcript switched on."]
    events.stop_transcript(ada, record.id)
    assert events.transcript(ada, record.id) == (b"", None)


async def test_what_is_said_under_watching_is_written_without_secrets(shop: Shop) -> None:
    await shop.write(events.start_transcript, shop.actor, shop.account, timedelta(minutes=5))
    async with events.watching(shop.account, "incoming", shop.write):
        mine = witness.current.get()
        heard = mine.listen()
        mine.met(
            "connected",
            host="mail.amt.test",
            port=993,
            tls="TLSv1.3",
            subject="CN=mail",
            not_after="2027-01-01T00:00:00+00:00",
        )
        heard("S", b"* OK hello\r\n")
        heard("C", b"P1 LOGIN ada geheim\r\n")
        heard("S", b"P1 OK in\r\n")
        mine.met("logged-in", mechanism="LOGIN", password="geheim")
    assert isinstance(witness.current.get(), witness.Nobody)
    await shop.write(events.flush)
    written, until = await shop.write(events.transcript, shop.actor, shop.account)
    assert until is not None
    lines = [line.split(" ", 1)[1] for line in written.decode().splitlines()]
    assert lines == [
        "[incoming 1] S: * OK hello", "[incoming 1] C: P1 LOGIN (rest left out)", "[incoming 1] S: P1 OK in"
    ]  # fmt: skip
    assert b"geheim" not in written
    (file,) = (shop.home / "transcripts").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    row = await shop.write(lambda: models.Account.objects.get(pk=shop.account))
    assert row.certificates["incoming"]["not_after"].startswith("2027")
    assert row.server["incoming"] == {"host": "mail.amt.test", "tls": "TLSv1.3"}
    facts = await shop.write(lambda: [str(one.facts) for one in models.Event.objects.all()])
    assert "geheim" not in "".join(facts)


async def test_nothing_is_written_where_nobody_asked(shop: Shop) -> None:
    async with events.watching(shop.account, "incoming", shop.write):
        witness.current.get().listen()("S", b"* OK hello\r\n")
    await shop.write(events.flush)
    assert await shop.write(events.transcript, shop.actor, shop.account) == (b"", None)


def test_a_transcript_stays_small(account: tuple[Actor, AccountRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcripts, "LARGEST", 10_000)
    for _ in range(50):
        for _ in range(20):
            transcripts.keep(account[1].id, "S: " + "x" * 50)
        transcripts.flush()
    kept = transcripts.read(account[1].id)
    assert 5_000 < len(kept) <= 20_000
    transcripts.remove(account[1].id)
    assert transcripts.read(account[1].id) == b""


async def test_what_is_noted_is_written_down_within_a_second(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "WRITE_SECONDS", 0.05)
    writing = asyncio.create_task(events.write_down(shop.write))
    events.round_done(
        shop.account, [{"folder": "INBOX", "new": 0, "changed": 0, "removed": 0, "set_aside": 0, "seconds": 0.1}]
    )
    events.round_done(
        shop.account, [{"folder": "INBOX", "new": 3, "changed": 0, "removed": 0, "set_aside": 0, "seconds": 0.1}]
    )
    events.push_mode(shop.account, "idle")
    events.push_mode(shop.account, "idle")
    for _ in range(40):
        if len(found := await shop.write(lambda: [row.code for row in models.Event.objects.order_by("id")])) == 2:
            break
        await asyncio.sleep(0.05)
    writing.cancel()
    assert found == ["round", "push"]
    assert await shop.write(lambda: models.Account.objects.get(pk=shop.account).watching) == "idle"


async def test_the_journals_head_is_logged_once_a_day(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events, "WRITE_SECONDS", 0.02)
    caplog.set_level("INFO", "poststelle.office.proof")
    writing = asyncio.create_task(events.write_down(shop.write))
    await asyncio.sleep(0.5)
    writing.cancel()
    head = await shop.write(lambda: models.Journal.objects.latest("id"))
    told = [one.getMessage() for one in caplog.records if "journal: head" in one.getMessage()]
    assert told == [f"journal: head of pool {head.pool_id} is {head.id}:{head.digest}"]
