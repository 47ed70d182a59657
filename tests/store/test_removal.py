"""An account is removed in steps: out of sight with the first one, and whatever kills the others, the next engine goes on."""

from __future__ import annotations

from itertools import islice

import pytest

from poststelle.errors import NotFound
from poststelle.office import accounts, handling, reading
from poststelle.office.actor import SYSTEM
from poststelle.store import accounts as store
from poststelle.store import models, removal, waiting
from tests.builders import a_folder, a_letter, a_message_in, an_account, an_office

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_account_whose_removal_was_cut_off_is_out_of_sight_and_forgotten_by_the_next_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(removal, "PORTION", 2)
    ada = an_office()
    gone, kept = an_account(ada, "Alt"), an_account(ada, "Bleibt")
    for account in (gone, kept):
        folders = [a_folder(account, name) for name in ("Eins", "Zwei")]
        for number in range(3):
            a_message_in(folders[0], a_letter(f"Brief {number}"))
    handling.move(
        ada, handling.Selection(folder=reading.folders(ada, gone.id)[0].id), reading.folders(ada, gone.id)[1].id
    )
    with monkeypatch.context() as killed:
        killed.setattr(removal, "forgotten", lambda first=removal.forgotten: islice(first(), 2))
        accounts.remove(ada, "Alt")
    assert models.Folder.objects.filter(account=gone.id).exists()
    for actor in (ada, SYSTEM):
        assert [one.label for one in accounts.page(actor, 10).items] == ["Bleibt"]
        with pytest.raises(NotFound):
            accounts.show(actor, gone.id)
        assert {branch.account.id for branch in reading.tree(actor)} == {kept.id}
    assert an_account(ada, "Alt").id != gone.id, "its name is free"
    for _ in removal.forgotten():
        pass
    assert not models.Account.objects.filter(pk=gone.id).exists()
    assert not models.Folder.objects.exclude(account__label__in=["Alt", "Bleibt"]).exists()
    assert models.Placement.objects.count() == 3
    assert [*removal.forgotten()] == []


def test_what_was_on_its_way_into_a_removed_account_stays_where_it_was() -> None:
    ada = an_office()
    here, gone = an_account(ada, "Bleibt"), an_account(ada, "Alt")
    inbox, target = a_folder(here), a_folder(gone)
    row = a_message_in(inbox)
    handling.move(ada, handling.Selection([row.id]), target.id)
    store.remove(ada.reach, gone.id, actor="ada")
    assert not models.Errand.objects.filter(closed_at=None).exists()
    folder = models.Folder.objects.get(pk=inbox.id)
    assert (folder.cursor, folder.whole) == (None, False)


def test_of_a_large_account_only_some_portions_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "PORTION", 2)
    ada = an_office()
    gone = an_account(ada, "Alt")
    folder = a_folder(gone)
    for number in range(2 * removal.PORTIONS_AT_ONCE + 1):
        a_message_in(folder, a_letter(f"Brief {number}"))
    accounts.remove(ada, "Alt")
    assert models.Placement.objects.count() == 1
    assert waiting.look().removed
    for _ in removal.forgotten():
        pass
    assert not waiting.look().removed


def test_a_small_account_is_forgotten_at_once() -> None:
    ada = an_office()
    gone = an_account(ada, "Alt")
    handling.copy(ada, handling.Selection([a_message_in(a_folder(gone)).id]), a_folder(gone, "Akten").id)
    accounts.remove(ada, "Alt")
    assert not waiting.look().removed
    assert not models.Folder.objects.exists()
