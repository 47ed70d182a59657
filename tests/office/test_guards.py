"""Files of a mailbox that are for one group (M13, M32): whoever is not of it sees the mail, and that it has files, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from poststelle.errors import Conflict, Invalid, NotPermitted
from poststelle.mail.ports import Role
from poststelle.mail.records import AccountRecord, FolderRecord, PlacementRecord
from poststelle.office import accounts, groups, handling, outbox, reading, rights, special_folders, viewing
from poststelle.office.actor import Actor
from poststelle.office.handling import Selection
from poststelle.office.outbox import Attachment, Draft
from poststelle.store.index import Writer
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account, an_office, everything_is_indexed
from tests.store.conftest import home

__all__ = ["home"]

FILES = [("vertrag.txt", "text/plain", b"Geheimzahl 4711")]


@dataclass
class Office:
    """Ada administers; Bob may read, work and send, and is of no group; Eve is of the group Partner."""

    ada: Actor
    bob: Actor
    eve: Actor
    account: AccountRecord
    inbox: FolderRecord

    def letter(self, folder: FolderRecord | None = None) -> PlacementRecord:
        return a_message_in(folder or self.inbox, a_letter("Vertrag", "anbei", attachments=FILES))


@pytest.fixture
def office(db: None, home: object) -> Office:
    ada = an_office()
    bob, eve = a_person("bob@amt.test"), a_person("eve@amt.test")
    groups.add(ada, "Partner", ["eve@amt.test"])
    account = an_account(ada, "Kanzlei")
    for name in ("bob", "eve"):
        rights.grant(ada, account.id, {"user": f"{name}@amt.test", "rights": ["see", "process", "send-as"]})
    accounts.change(ada, account.id, {"receiving": {"files_for": "partner"}})
    return Office(ada, bob, eve, account, a_folder(account, "INBOX", role=Role.INBOX))


TRIES: dict[str, Callable[[Actor, PlacementRecord], object]] = {
    "attachment": lambda who, it: reading.attachment(who, it.id, 0),
    "look": lambda who, it: viewing.look(who, it.id, 0),
    "zip": lambda who, it: reading.zipped(who, it.id),
    "source": lambda who, it: reading.source(who, it.id),
    "original": lambda who, it: reading.raw(who, it.id),
    "forward": lambda who, it: outbox.submit(who, Draft(it.account_id, to=("x@y.test",), subject="W", forwards=it.id)),
}


@pytest.mark.parametrize("name", sorted(TRIES))
def test_files_are_for_the_group_and_nobody_else(office: Office, name: str) -> None:
    letter = office.letter()
    for stranger in (office.bob, office.ada):
        with pytest.raises(NotPermitted, match="files-for-a-group"):
            TRIES[name](stranger, letter)
    TRIES[name](office.eve, letter)


def test_the_mail_itself_is_read_as_ever_and_says_for_whom_its_files_are(office: Office) -> None:
    letter = office.letter()
    opened = reading.open_message(office.bob, letter.id)
    assert (opened.files_for, [file.name for file in opened.attachments]) == ("Partner", ["vertrag.txt"])
    assert "anbei" in opened.text
    assert reading.open_message(office.eve, letter.id).files_for == ""
    plain = a_message_in(office.inbox, a_letter("Ohne", "nichts"))
    assert reading.raw(office.bob, plain.id)


def test_the_way_out_has_a_group_of_its_own_and_whoever_sent_a_file_may_have_it(office: Office) -> None:
    sent = a_folder(office.account, "Sent", role=Role.SENT)
    letter = office.letter(sent)
    assert reading.attachment(office.bob, letter.id, 0).data
    accounts.change(
        office.ada, office.account.id, {"receiving": {"files_for": ""}, "sending": {"files_for": "Partner"}}
    )
    assert reading.attachment(office.bob, office.letter().id, 0).data
    with pytest.raises(NotPermitted):
        reading.attachment(office.bob, letter.id, 0)
    file = Attachment("a.txt", "text/plain", b"von Bob")
    draft = Draft(office.account.id, to=("x@y.test",), subject="Von Bob", text="hier", attachments=[file])
    content = outbox.submit(office.bob, draft).content
    own = a_message_in(sent, _bytes(content))
    assert reading.attachment(office.bob, own.id, 0).data == b"von Bob"
    with pytest.raises(NotPermitted):
        reading.attachment(office.ada, own.id, 0)


def _bytes(content: str) -> bytes:
    from poststelle.office.actor import SYSTEM
    from poststelle.store import messages

    return messages.content(SYSTEM.reach.pool, bytes.fromhex(content))


def test_what_is_for_a_group_is_not_carried_into_a_mailbox_of_ones_own(office: Office) -> None:
    letter = office.letter()
    own = an_account(office.ada, "Bob", scope="personal", owner="bob@amt.test")
    target, other = a_folder(own, "INBOX", role=Role.INBOX), a_folder(office.account, "Akten")
    for deed in (handling.copy, handling.move):
        with pytest.raises(NotPermitted, match="files-for-a-group"):
            deed(office.bob, Selection(ids=(letter.id,)), target.id)
    assert handling.copy(office.bob, Selection(ids=(letter.id,)), other.id).count == 1
    rights.grant(office.ada, own.id, {"user": "eve@amt.test", "rights": ["see", "process"]})
    assert handling.copy(office.eve, Selection(ids=(letter.id,)), target.id).count == 1


def test_what_is_for_a_group_is_not_moved_within_its_mailbox_to_where_nobody_asks(office: Office) -> None:
    letter, trash = office.letter(), a_folder(office.account, "Trash", role=Role.TRASH)
    sent, drafts = (a_folder(office.account, name, role=role) for name, role in (("S", Role.SENT), ("D", Role.DRAFTS)))
    for target in (sent, drafts):
        for deed in (handling.copy, handling.move):
            with pytest.raises(NotPermitted, match="files-for-a-group"):
                deed(office.bob, Selection(ids=(letter.id,)), target.id)
    assert handling.copy(office.eve, Selection(ids=(letter.id,)), sent.id).count == 1
    own_words = a_message_in(office.inbox, a_letter("Ohne", "nichts"))
    assert handling.move(office.bob, Selection(ids=(own_words.id,)), sent.id).count == 1
    assert handling.move(office.bob, Selection(ids=(letter.id,)), trash.id).count == 1
    with pytest.raises(NotPermitted):
        reading.attachment(office.bob, letter.id, 0)


def test_a_sent_file_that_is_thrown_away_stays_with_its_group(office: Office) -> None:
    sent, trash = (a_folder(office.account, n, role=r) for n, r in (("S", Role.SENT), ("T", Role.TRASH)))
    for way, group in (("receiving", ""), ("sending", "Partner")):
        accounts.change(office.ada, office.account.id, {way: {"files_for": group}})
    letter = office.letter(sent)
    assert handling.delete(office.bob, Selection(ids=(letter.id,))).count == 1
    assert reading.placement(office.bob, letter.id).folder_id == trash.id
    with pytest.raises(NotPermitted, match="files-for-a-group"):
        reading.attachment(office.bob, letter.id, 0)
    with pytest.raises(NotPermitted, match="files-for-a-group"):
        handling.move(office.bob, Selection(ids=(letter.id,)), office.inbox.id)
    assert reading.attachment(office.eve, letter.id, 0).data


def test_nobody_outside_the_group_says_that_a_folder_holds_sent_mail(office: Office) -> None:
    folder = a_folder(office.account, "Kunden")
    for attempt in (
        lambda who: handling.set_role(who, folder.id, Role.SENT),
        lambda who: special_folders.create(who, office.account.id),
        lambda who: handling.rename_folder(who, folder.id, ["Gesendet"]),
        lambda who: handling.create_folder(who, office.account.id, ["Sent Items"]),
    ):
        with pytest.raises(NotPermitted, match="purpose-for-a-group"):
            attempt(office.bob)
    handling.rename_folder(office.bob, folder.id, ["Mandanten"])
    handling.set_role(office.eve, folder.id, Role.SENT)
    with pytest.raises(NotPermitted, match="purpose-for-a-group"):
        handling.rename_folder(office.bob, folder.id, ["Kunden"])
    handling.set_role(office.ada, folder.id, Role.NONE)
    accounts.change(office.ada, office.account.id, {"receiving": {"files_for": ""}})
    handling.set_role(office.bob, folder.id, Role.SENT)


def test_a_search_shows_nothing_of_what_stands_in_the_files(office: Office) -> None:
    office.letter()
    everything_is_indexed()
    writer = Writer()
    ((number, _, _),) = writer.waiting(1)
    writer.attach(number, "Geheimzahl 4711", complete=True)
    writer.close()
    assert "4711" in reading.search(office.eve, "Geheimzahl").items[0].snippet
    assert "4711" not in reading.search(office.bob, "Geheimzahl").items[0].snippet


def test_a_group_that_guards_files_cannot_be_forgotten_and_must_be_there(office: Office) -> None:
    with pytest.raises(Conflict, match="group-guards-files"):
        groups.remove(office.ada, "Partner")
    with pytest.raises(Invalid) as refused:
        accounts.change(office.ada, office.account.id, {"sending": {"files_for": "Niemand"}})
    assert refused.value.fields == {"sending.files_for": "unknown-group"}
    assert accounts.show(office.ada, office.account.id).receiving.files_for == "Partner"
