"""Whom the counter offers while somebody types an address: people from mail one may read, those one wrote to first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from poststelle.mail.ports import Role
from poststelle.mail.records import AccountRecord, FolderRecord
from poststelle.office import accounts, correspondents, handling, rights
from poststelle.office.actor import Actor
from poststelle.office.handling import Selection
from poststelle.store import correspondents as kept
from poststelle.store import models, removal
from tests.builders import (
    MORNING,
    a_folder,
    a_letter,
    a_message_in,
    a_person,
    an_account,
    an_office,
    everybody_is_known,
)
from tests.store.conftest import home

__all__ = ["home"]
pytestmark = pytest.mark.usefixtures("home", "db")


@pytest.fixture
def ada(db: None, home: object) -> Actor:
    return an_office()


@pytest.fixture
def account(ada: Actor) -> AccountRecord:
    return an_account(ada)


@pytest.fixture
def inbox(account: AccountRecord) -> FolderRecord:
    return a_folder(account)


@pytest.fixture
def sent(account: AccountRecord) -> FolderRecord:
    return a_folder(account, "Gesendet", role=Role.SENT)


def heard_from(folder: FolderRecord, *senders: str) -> None:
    for sender in senders:
        a_message_in(folder, a_letter(sender=sender))
    everybody_is_known()


def written_to(folder: FolderRecord, *recipients: str) -> None:
    for recipient in recipients:
        a_message_in(folder, a_letter(sender="zentrale@amt.test", to=recipient))
    everybody_is_known()


def offered(actor: Actor, typed: str) -> Sequence[str]:
    return [one.address for one in correspondents.find(actor, typed)]


@pytest.mark.parametrize(
    "typed",
    [
        "mü", "Müller", "mueller", "MULLER", "pet", "petra mü", "müller pet", "p.mue", "p.mueller@kanz", "kanzlei",
        "p.mueller@kanzlei-nord.de",
    ],
)  # fmt: skip
def test_somebody_is_found_by_the_beginning_of_any_part_of_name_and_address(
    ada: Actor, inbox: FolderRecord, typed: str
) -> None:
    heard_from(inbox, "Petra Müller <P.Mueller@kanzlei-nord.de>", "Paul Schmidt <paul@amtsgericht.de>")
    (found,) = correspondents.find(ada, typed)
    assert (found.name, found.address, found.heard, found.written) == (
        "Petra Müller", "p.mueller@kanzlei-nord.de", 1, 0,
    )  # fmt: skip


@pytest.mark.parametrize("typed", ["", " ", "@", "üller", "petra schmidt", "xyz", "'); --", "%", "_"])
def test_what_begins_no_word_finds_nobody(ada: Actor, inbox: FolderRecord, typed: str) -> None:
    heard_from(inbox, "Petra Müller <p.mueller@kanzlei-nord.de>", "Paul Schmidt <paul@amtsgericht.de>")
    assert offered(ada, typed) == []


def test_those_one_wrote_to_come_first_then_those_one_heard_of_more_often(
    ada: Actor, inbox: FolderRecord, sent: FolderRecord
) -> None:
    heard_from(inbox, "Max Laut <laut@m.test>", "Max Laut <laut@m.test>", "Max Leise <leise@m.test>")
    written_to(sent, "Max Freund <freund@m.test>")
    assert offered(ada, "max") == ["freund@m.test", "laut@m.test", "leise@m.test"]


def test_a_lately_met_one_comes_before_one_of_long_ago(ada: Actor, inbox: FolderRecord) -> None:
    for _ in range(2):
        a_message_in(inbox, a_letter(sender="Max Alt <alt@m.test>"), received_at=MORNING - timedelta(days=2000))
    a_message_in(inbox, a_letter(sender="Max Neu <neu@m.test>"), received_at=MORNING + timedelta(days=200))
    everybody_is_known()
    assert offered(ada, "max") == ["neu@m.test", "alt@m.test"]


def test_recipients_count_where_the_letter_is_ones_own_wherever_it_lies(
    ada: Actor, inbox: FolderRecord, account: AccountRecord
) -> None:
    written_to(a_folder(account, "Ablage"), "Eva <eva@kunde.test>, Otto <otto@kunde.test>")
    heard_from(inbox, "Chef <chef@m.test>")
    assert sorted(offered(ada, "kunde")) == ["eva@kunde.test", "otto@kunde.test"]
    assert all(one.written == 1 for one in correspondents.find(ada, "kunde"))
    assert offered(ada, "zentrale") == [], "one's own address is nobody one writes to"


def test_the_latest_name_stands_for_somebody(ada: Actor, inbox: FolderRecord) -> None:
    heard_from(inbox, "Petra Meier <p@m.test>", "Petra Schulz <p@m.test>", "p@m.test")
    assert [one.name for one in correspondents.find(ada, "petra")] == ["Petra Schulz"]
    assert offered(ada, "meier") == []


def test_a_name_only_another_mailbox_knows_neither_shows_nor_finds_anybody(ada: Actor, inbox: FolderRecord) -> None:
    bob, other = a_person(), an_account(ada, "Zweites", address="zwei@amt.test")
    heard_from(inbox, "Petra Geheim <p@m.test>")
    heard_from(a_folder(other), "p@m.test")
    rights.grant(ada, other.id, {"user": "bob@amt.test", "rights": ["see"]})
    assert [(one.name, one.heard) for one in correspondents.find(bob, "p@m")] == [("", 1)]
    assert offered(bob, "geheim") == []
    assert [one.heard for one in correspondents.find(ada, "geheim")] == [2]


def test_nobody_is_offered_from_spam_trash_or_drafts(ada: Actor, account: AccountRecord, inbox: FolderRecord) -> None:
    for role in (Role.SPAM, Role.TRASH, Role.DRAFTS):
        heard_from(a_folder(account, role.value, role=role), f"Werber <{role.value}@m.test>")
    assert offered(ada, "werber") == []
    heard_from(inbox, "Werber <echt@m.test>")
    placed = a_message_in(inbox, a_letter(sender="Werber <lästig@m.test>"))
    everybody_is_known()
    assert len(offered(ada, "werber")) == 2
    handling.mark_as_spam(ada, Selection([placed.id]))
    assert offered(ada, "werber") == ["echt@m.test"], "what is spam now is no longer offered"


def test_who_may_not_see_the_mailbox_is_offered_nobody_from_it(ada: Actor, inbox: FolderRecord) -> None:
    bob = a_person()
    heard_from(inbox, "Eva <eva@kunde.test>")
    assert offered(bob, "eva") == []
    rights.grant(ada, inbox.account_id, {"user": "bob@amt.test", "rights": ["see"]})
    assert offered(bob, "eva") == ["eva@kunde.test"]
    rights.revoke(ada, inbox.account_id, user="bob@amt.test")
    assert offered(bob, "eva") == []


def test_the_guest_of_a_folder_is_offered_its_people_and_no_others(
    ada: Actor, account: AccountRecord, inbox: FolderRecord
) -> None:
    bob, project = a_person(), a_folder(account, "Projekt")
    heard_from(inbox, "Eva Geheim <geheim@kunde.test>")
    heard_from(project, "Eva Offen <offen@kunde.test>")
    rights.grant(ada, account.id, {"user": "bob@amt.test", "rights": ["see"], "folder": project.id})
    assert offered(bob, "eva") == ["offen@kunde.test"]


def test_the_right_to_send_alone_shows_nobody(ada: Actor, inbox: FolderRecord) -> None:
    bob = a_person()
    rights.grant(ada, inbox.account_id, {"user": "bob@amt.test", "rights": ["send-as"]})
    heard_from(inbox, "Eva <eva@kunde.test>")
    assert offered(bob, "eva") == []


def test_with_the_last_message_somebody_is_forgotten(ada: Actor, inbox: FolderRecord) -> None:
    heard_from(inbox, "Eva <eva@kunde.test>")
    models.Placement.objects.all().delete()
    assert offered(ada, "eva") == []
    heard_from(inbox, "Eva <eva@kunde.test>")
    assert offered(ada, "eva") == ["eva@kunde.test"]


def test_two_mailboxes_know_the_same_one_and_offer_it_once(ada: Actor, inbox: FolderRecord) -> None:
    heard_from(inbox, "Eva <eva@kunde.test>")
    heard_from(a_folder(an_account(ada, "Zweites", address="zwei@amt.test")), "Eva Groß <EVA@kunde.test>")
    (found,) = correspondents.find(ada, "eva")
    assert (found.name, found.heard) == ("Eva Groß", 2)


def test_somebody_many_mailboxes_know_is_offered_though_only_the_one_that_met_them_first_still_has_a_letter(
    ada: Actor, inbox: FolderRecord
) -> None:
    a_message_in(inbox, a_letter(sender="Eva Erst <eva@kunde.test>"), received_at=MORNING - timedelta(days=9))
    for number in range(kept._MAILBOXES + 1):
        later = a_folder(an_account(ada, f"Fach {number}", address=f"fach{number}@amt.test"))
        a_message_in(later, a_letter(sender="Eva Letzt <eva@kunde.test>"))
    everybody_is_known()
    (found,) = correspondents.find(ada, "eva")
    assert (found.name, found.heard) == ("Eva Letzt", kept._MAILBOXES)
    models.Placement.objects.exclude(folder_id=inbox.id).delete()
    (found,) = correspondents.find(ada, "eva")
    assert (found.name, found.heard) == ("Eva Erst", 1)
    assert offered(ada, "letzt") == []


def test_who_sees_little_is_offered_somebody_others_outshine(
    ada: Actor, inbox: FolderRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_MET_MOST", 2)
    heard_from(inbox, *(f"Max {number} <max{number}@m.test>" for number in range(4)), *["Max 0 <max0@m.test>"] * 2)
    guest = a_person("gast@amt.test")
    own = a_folder(an_account(ada, "Eigenes", address="gast@amt.test"))
    rights.grant(ada, own.account_id, {"user": "gast@amt.test", "rights": ["see"]})
    heard_from(own, "Max Leise <leise@m.test>")
    assert offered(guest, "max") == ["leise@m.test"]
    assert len(offered(ada, "m")) == 5


def test_of_somebody_only_the_latest_messages_are_remembered(ada: Actor, inbox: FolderRecord) -> None:
    for _ in range(kept.LATEST + 5):
        a_message_in(inbox, a_letter(sender="Eva <eva@kunde.test>"))
    everybody_is_known()
    assert models.Correspondence.objects.count() == kept.LATEST
    (found,) = correspondents.find(ada, "eva")
    assert found.heard == kept.LATEST + 5


def test_it_is_filled_in_portions_for_what_was_there_before(ada: Actor, inbox: FolderRecord) -> None:
    for number in range(7):
        a_message_in(inbox, a_letter(sender=f"Max {number} <max{number}@m.test>"))
    soon = -timedelta(seconds=1)
    assert [kept.catch_up(3, soon) for _ in range(4)] == [3, 3, 1, 0]
    assert len(offered(ada, "max")) == 7


def test_what_may_still_get_an_earlier_neighbour_is_left_for_later(ada: Actor, inbox: FolderRecord) -> None:
    a_message_in(inbox, a_letter(sender="Eva <eva@kunde.test>"))
    assert not kept.is_behind()
    assert kept.catch_up() == 0


def test_a_removed_mailbox_takes_its_people_with_it(ada: Actor, inbox: FolderRecord) -> None:
    heard_from(inbox, "Eva <eva@kunde.test>")
    accounts.remove(ada, inbox.account_id)
    assert offered(ada, "eva") == []
    for _ in removal.forgotten():
        pass
    for table in (models.Correspondent, models.CorrespondentWord, models.Acquaintance, models.Correspondence):
        assert not table.objects.exists()


def test_a_letter_to_thousands_or_with_an_endless_name_stays_small(
    ada: Actor, inbox: FolderRecord, sent: FolderRecord
) -> None:
    written_to(sent, ", ".join(f"viele{number}@m.test" for number in range(300)))
    heard_from(inbox, f"{'Wort ' * 400} <lang@m.test>", "kein Mensch <kein mensch>")
    assert models.Correspondent.objects.count() < 60
    assert models.CorrespondentWord.objects.filter(correspondent__address="lang@m.test").count() < 20
    assert len(correspondents.find(ada, "viele", 1000)) <= correspondents.MOST
