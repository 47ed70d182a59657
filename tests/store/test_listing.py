"""The server's folder list and our rows: told apart by what lasts, worked off in portions, and none the worse for being killed between."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from poststelle.mail.ports import RemoteFolder, RemoteFolderId
from poststelle.office.actor import Actor
from poststelle.store import folders, journal, listing, models, places, rounds
from tests.builders import an_account, an_office

KILLED_AFTER = range(1, 14)


def told(identity: str, name: str) -> RemoteFolder:
    """A folder as the server lists it; its id is its name."""
    return RemoteFolder(RemoteFolderId(name), tuple(name.split("/")), identity=identity)


@pytest.fixture
def ada(db: None) -> Actor:
    return an_office()


@pytest.fixture
def account(ada: Actor, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A mailbox whose lists are worked off two folders at a time."""
    monkeypatch.setattr(listing, "PORTION", 2)
    return UUID(an_account(ada).id)


def heard(
    ada: Actor, account: UUID, *listed: RemoteFolder, portions: int = 1000
) -> Sequence[tuple[UUID, RemoteFolder]]:
    """A list worked off, or killed after so many portions."""
    work = listing.reconcile(ada.reach.pool, account, listed)
    try:
        for _ in range(portions):
            next(work)
    except StopIteration as end:
        found: Sequence[tuple[UUID, RemoteFolder]] = end.value
        return found
    work.close()
    return []


def tree(account: UUID) -> dict[str, UUID]:
    """Rows of what is there, by path."""
    rows = models.Folder.objects.filter(account=account, vanished_at=None, place=places.REMOTE_PLACE)
    return {"/".join(row.path): row.pk for row in rows}


def test_a_long_list_becomes_rows_once_however_often_it_is_cut_short(ada: Actor, account: UUID) -> None:
    names = [told(str(number), f"Akte {number}") for number in range(7)]
    for portions in KILLED_AFTER:
        heard(ada, account, *names, portions=portions)
    found = heard(ada, account, *names)
    assert [folder.path for _, folder in found] == [folder.path for folder in names]
    assert tree(account) == {"/".join(folder.path): number for number, folder in found}
    assert models.Folder.objects.filter(account=account).count() == len(names)


def test_folders_that_trade_their_names_keep_their_rows_wherever_it_is_interrupted(ada: Actor, account: UUID) -> None:
    names = [told(str(number), f"Akte {number}") for number in range(7)]
    rows = {folder.identity: number for number, folder in heard(ada, account, *names)}
    turned = [told(str(number), f"Akte {(number + 3) % 7}") for number in range(7)]
    for portions in KILLED_AFTER:
        heard(ada, account, *turned, portions=portions)
        found = heard(ada, account, *turned)
        assert {folder.identity: number for number, folder in found} == rows
        heard(ada, account, *names)
    assert tree(account) == {f"Akte {identity}": number for identity, number in rows.items()}


def test_a_folder_that_takes_the_name_of_one_that_was_removed_is_not_taken_for_it(ada: Actor, account: UUID) -> None:
    (first, _), (second, _) = heard(ada, account, told("1", "Alt"), told("2", "Neu"))
    ((kept, _),) = heard(ada, account, told("2", "Alt"))
    assert kept == second
    assert models.Folder.objects.get(pk=first).vanished_at is not None
    again = dict(heard(ada, account, told("2", "Alt"), told("1", "Wieder")))
    assert again.keys() == {first, second}


def test_what_leaves_the_list_is_no_longer_shown_and_is_back_with_it(ada: Actor, account: UUID) -> None:
    names = [told(str(number), f"Akte {number}") for number in range(5)]
    before = {number for number, _ in heard(ada, account, *names)}
    heard(ada, account, names[0], portions=4)
    heard(ada, account, names[0])
    assert tree(account).keys() == {"Akte 0"}
    assert {number for number, _ in heard(ada, account, *names)} == before
    assert len(tree(account)) == 5


def test_a_list_that_says_nothing_new_writes_nothing(ada: Actor, account: UUID) -> None:
    names = [told(str(number), f"Akte {number}") for number in range(5)]
    heard(ada, account, *names)
    before = journal.latest()
    assert len(heard(ada, account, *names)) == 5
    assert journal.latest() == before


def test_a_folder_renamed_or_deleted_here_while_a_list_is_worked_off_stays_as_people_left_it(
    ada: Actor, account: UUID
) -> None:
    names = [told(str(number), f"Akte {number}") for number in range(5)]
    rows = {folder.identity: number for number, folder in heard(ada, account, *names)}
    changed = [told(str(number), f"Mandat {number}") for number in range(5)]
    work = listing.reconcile(ada.reach.pool, account, changed)
    for _ in range(8):
        next(work)
    pool = ada.reach.pool
    folders.rename(models.Folder.objects.get(pk=rows["3"]), ["Meine"], pool=pool, actor="ada")
    folders.delete(models.Folder.objects.get(pk=rows["4"]), pool=pool, actor="ada", batch=uuid4())
    for _ in work:
        pass
    assert tree(account)["Meine"] == rows["3"]
    assert rows["4"] not in tree(account).values()
    assert models.Folder.objects.get(pk=rows["4"]).place == places.LIMBO_PLACE


def test_the_last_word_about_a_subscription_is_that_of_the_people_here(ada: Actor, account: UUID) -> None:
    ((number, _),) = heard(ada, account, told("1", "Akte"))
    row = models.Folder.objects.get(pk=number)
    folders.subscribe(row, subscribed=False, pool=ada.reach.pool, actor="ada")
    heard(ada, account, told("1", "Akte"))
    assert not models.Folder.objects.get(pk=number).subscribed


def test_the_report_of_a_round_over_very_many_folders_stays_short(account: UUID) -> None:
    quiet = [{"folder": f"Akten/{number}", "new": 0} for number in range(rounds.MOST_TOLD)]
    for report, told in ((quiet, quiet), ([*quiet, {"folder": "INBOX", "new": 3}], [{"folder": "INBOX", "new": 3}])):
        rounds.finished(str(account), report, timezone.now())
        assert rounds.latest(str(account))[1] == told
