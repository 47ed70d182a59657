"""The health board: every account in a sentence, the worst first, quick for two thousand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from poststelle.errors import Invalid
from poststelle.mail.records import HealthRecord
from poststelle.office import happenings, health
from poststelle.office.actor import Actor
from poststelle.policy.health import STATES
from poststelle.store import journal, models
from tests.builders import a_folder, a_person, an_account, an_office


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def ada(db: None) -> Actor:
    return an_office()


def state(label: str, **columns: object) -> None:
    models.Account.objects.filter(label=label).update(**columns)


def board(actor: Actor, **wanted: str) -> list[HealthRecord]:
    page, _ = health.board(actor, **wanted)  # type: ignore[arg-type]
    return list(page.items)


def test_the_worst_stand_first_and_each_says_how_it_is(ada: Actor) -> None:
    now = timezone.now()
    for label in ("Ablage", "Buchhaltung", "Chefin", "Dienst"):
        an_account(ada, label)
    state("Ablage", synced_at=now)
    state("Buchhaltung", synced_at=now - timedelta(hours=1), created_at=now - timedelta(days=1))
    state("Chefin", state="suspended", trouble={"code": "login-rejected", "facts": {}}, trouble_since=now)
    state("Dienst", synced_at=now)
    a_folder(an_account(ada, "Empfang"))
    models.Folder.objects.update(remaining=1234)
    state("Empfang", synced_at=now)
    found = board(ada)
    assert [(one.label, one.state) for one in found] == [
        ("Chefin", "suspended"), ("Buchhaltung", "stalled"), ("Empfang", "behind"), ("Ablage", "well"), ("Dienst", "well"),
    ]  # fmt: skip
    words = [happenings.health_sentence(one) for one in found]
    assert words[0] == "stopped: User name or password is wrong."
    assert words[1].startswith("no sign of life since ")
    assert words[2] == "catching up: 1,234 to come"
    assert words[3].startswith("in step as of ")
    assert happenings.HEALTH.keys() == happenings.HEALTH_NAMES.keys() == set(STATES)


def test_figures_of_an_account(ada: Actor) -> None:
    record = an_account(ada)
    folder = a_folder(record)
    models.Folder.objects.update(total=90, remaining=10, ledger={"missing": 2})
    now = timezone.now()
    state(
        "Zentrale", synced_at=now, watching="idle", quota={"used": 900, "limit": 1000},
        certificates={"incoming": {"not_after": (now + timedelta(days=12, hours=1)).isoformat()}, "outgoing": {}},
    )  # fmt: skip
    models.SetAside.objects.create(
        folder_id=folder.id,
        remote_id="1.1",
        code="too-large",
        flags="",
        received_at=now,
        ordinal=1,
        size=1,
        generation=1,
    )
    models.Errand.objects.create(account_id=record.id, folder_id=folder.id, kind="delete", remote_id="1.5")
    for count in (30, 20):
        journal.write(
            ada.reach.pool, "system", "messages-arrived", "folder:1", account=record.id, facts={"count": count}
        )
    (one,) = board(ada)
    assert (one.held, one.behind, one.missing, one.set_aside, one.errands) == (90, 10, 2, 1, 1)
    assert (one.certificate_days, one.quota, one.watching, one.rate) == (12, (900, 1000), "idle", 10.0)
    assert one.state == "losing"
    _, totals = health.board(ada)
    assert (totals.by_state["losing"], totals.behind, totals.missing) == (1, 10, 2)


def test_a_person_sees_the_accounts_they_administer_and_administrators_all(ada: Actor) -> None:
    an_account(ada, "Eins")
    second = an_account(ada, "Zwei")
    bob, eve = a_person(), a_person("eve@amt.test", administrator=True)
    assert board(bob) == []
    assert bob.user is not None
    models.Grant.objects.create(account_id=second.id, user_id=bob.user.id, see=True)
    assert board(bob) == []
    models.Grant.objects.filter(user_id=bob.user.id).update(administer=True)
    assert [one.label for one in board(bob)] == ["Zwei"]
    assert len(board(eve)) == 2
    assert health.show(bob, second.id) is not None


def test_pages_go_on_where_they_ended_and_can_show_one_state_only(ada: Actor) -> None:
    for number in range(5):
        an_account(ada, f"Konto {number}")
    state("Konto 3", state="suspended")
    seen, after = [], None
    while True:
        page, _ = health.board(ada, 2, after)
        seen += [one.label for one in page.items]
        if (after := page.next) is None:
            break
    assert seen == ["Konto 3", "Konto 0", "Konto 1", "Konto 2", "Konto 4"]
    assert [one.label for one in board(ada, state="suspended")] == ["Konto 3"]
    for wrong in ({"after": "x"}, {"state": "sad"}):
        with pytest.raises(Invalid):
            health.board(ada, **wrong)  # type: ignore[arg-type]


def test_two_thousand_accounts_with_ten_folders_each_take_no_time(ada: Actor) -> None:
    pool = ada.reach.pool
    now = timezone.now()
    rows = [
        models.Account(
            pool_id=pool,
            label=f"Konto {n}",
            address="a@b.test",
            incoming_protocol="imap",
            synced_at=now,
            created_at=now,
        )
        for n in range(2_000)
    ]
    models.Account.objects.bulk_create(rows)
    models.Folder.objects.bulk_create(
        models.Folder(account=row, remote_id=str(n), path=[str(n)], total=5, ledger={"missing": 0, "server": 5})
        for row in rows
        for n in range(10)
    )
    models.Errand.objects.bulk_create(models.Errand(account=row, kind="delete", remote_id="1") for row in rows)
    models.Outgoing.objects.all().delete()
    health.board(ada)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        page, totals = health.board(ada, 100)
        times.append(time.perf_counter() - began)
    assert len(page.items) == 100
    assert totals.held == 100_000
    # The goal is 100 ms; a machine shared with other tests gets the double.
    assert min(times) < 0.2, times
