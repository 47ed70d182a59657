"""Rights: users, groups, folders and dates; what they let somebody see, and what they do not."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from poststelle.errors import Conflict, Invalid, NotFound, NotPermitted
from poststelle.mail.ports import Role
from poststelle.mail.settings import Right
from poststelle.office import accounts, feed, groups, outbox, reading, rights
from poststelle.office.actor import Actor
from poststelle.office.outbox import Draft
from poststelle.store import messages, models
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account, an_office, everything_is_indexed

pytestmark = pytest.mark.django_db(transaction=True)

LETTER = a_letter("Vertraulich", "Inhalt Vertraulich")


@pytest.fixture(autouse=True)
def _home(home: object) -> None:
    """A data folder of the test's own."""


@pytest.fixture
def clara() -> Actor:
    return an_office()


@pytest.fixture
def bob(clara: Actor) -> Actor:
    return a_person()


def email(actor: Actor) -> str:
    assert actor.user is not None
    return actor.user.email


def test_a_group_gives_its_people_its_rights_and_takes_them_with_membership(clara: Actor, bob: Actor) -> None:
    groups.add(clara, "Kanzlei", [email(bob)])
    account = an_account(clara)
    rights.grant(clara, account.id, {"group": "kanzlei", "rights": ["see", "send-as"]})
    assert accounts.show(bob, account.id).rights == {Right.SEE, Right.SEND_AS}
    groups.change(clara, "Kanzlei", members=[])
    with pytest.raises(NotFound):
        accounts.show(bob, account.id)


def test_several_grants_of_one_person_show_nothing_twice(clara: Actor, bob: Actor) -> None:
    groups.add(clara, "Eins", [email(bob)])
    groups.add(clara, "Zwei", [email(bob)])
    account = an_account(clara)
    inbox = a_folder(account)
    a_message_in(inbox, LETTER)
    everything_is_indexed()
    for grant in ({"group": "Eins"}, {"group": "Zwei"}, {"user": email(bob)}, {"user": email(bob), "folder": inbox.id}):
        rights.grant(clara, account.id, grant | {"rights": ["see"]})
    assert len(accounts.page(bob).items) == 1
    assert len(reading.tree(bob)) == 1
    assert len(reading.folders(bob, account.id)) == 1
    assert len(reading.search(bob, "vertraulich").items) == 1


def test_a_grant_on_a_folder_shows_that_folder_and_no_other(clara: Actor, bob: Actor) -> None:
    account = an_account(clara)
    inbox, cases = a_folder(account), a_folder(account, "Fälle")
    hidden = a_message_in(inbox, a_letter("Geheim", "geheim"))
    shown = a_message_in(cases, a_letter("Offen", "offen"))
    everything_is_indexed()
    rights.grant(clara, account.id, {"user": email(bob), "rights": ["see"], "folder": cases.id})
    (branch,) = reading.tree(bob)
    assert [folder.id for folder in branch.folders] == [cases.id]
    assert branch.account.rights == frozenset()
    assert reading.placement(bob, shown.id).subject == "Offen"
    for attempt in (
        lambda: reading.placement(bob, hidden.id),
        lambda: reading.folder(bob, inbox.id),
        lambda: reading.page(bob, inbox.id),
        lambda: reading.raw(bob, hidden.id),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert [hit.placement.id for hit in reading.search(bob, "geheim").items] == []
    assert [hit.placement.id for hit in reading.search(bob, "offen").items] == [shown.id]
    told = {entry.folder_id for entry in feed.changes(bob, 0, 200).items if entry.account_id}
    assert told == {cases.id}
    with pytest.raises(NotPermitted):
        outbox.submit(bob, Draft(account.id, to=("a@b.test",), subject="x"))


def test_processing_by_a_grant_on_a_folder_ends_at_that_folder(clara: Actor, bob: Actor) -> None:
    account = an_account(clara)
    inbox, cases = a_folder(account), a_folder(account, "Fälle")
    there, here = a_message_in(inbox), a_message_in(cases)
    rights.grant(clara, account.id, {"user": email(bob), "rights": ["see"]})
    rights.grant(clara, account.id, {"user": email(bob), "rights": ["see", "process"], "folder": cases.id})
    assert messages.placement(bob.reach, here.id, Right.PROCESS).id == here.id
    with pytest.raises(NotFound):
        messages.placement(bob.reach, there.id, Right.PROCESS)
    assert accounts.show(bob, account.id).rights == {Right.SEE}


def test_a_deputys_rights_begin_and_end_with_their_dates(clara: Actor, bob: Actor) -> None:
    account = an_account(clara)
    today = timezone.localdate()
    rights.grant(
        clara, account.id, {"user": email(bob), "rights": ["see"], "from": (today + timedelta(days=1)).isoformat()}
    )
    with pytest.raises(NotFound):
        accounts.show(bob, account.id)
    rights.grant(clara, account.id, {"user": email(bob), "rights": ["see"], "until": today.isoformat()})
    assert accounts.show(bob, account.id).rights == {Right.SEE}
    models.Grant.objects.filter(user=bob.user.id if bob.user else "").update(
        ends_at=timezone.now() - timedelta(seconds=1)
    )
    with pytest.raises(NotFound):
        accounts.show(bob, account.id)
    with pytest.raises(Invalid) as refused:
        rights.grant(
            clara, account.id, {"user": email(bob), "rights": ["see"], "from": "2026-02-01", "until": "2026-01-01"}
        )
    assert refused.value.fields == {"until": "ends-before-it-begins"}


def test_administrators_read_nothing_before_they_have_granted_it_to_themselves_in_the_journal(
    clara: Actor, bob: Actor
) -> None:
    account = an_account(clara, "Bobs", scope="personal", owner=email(bob))
    placed = a_message_in(a_folder(account))
    with pytest.raises(NotFound):
        reading.placement(clara, placed.id)
    assert [one.label for one in accounts.overview(clara).items] == ["Bobs"]
    rights.grant(clara, account.id, {"user": email(clara), "rights": ["see"]})
    assert reading.placement(clara, placed.id).id == placed.id
    (entry,) = [one for one in feed.changes(bob, 0, 200).items if one.kind == "grants-changed"][-1:]
    changes = entry.facts["changes"]
    assert isinstance(changes, list)
    assert (entry.actor, changes[0]["user"], changes[0]["gained"]) == (email(clara), email(clara), ["see"])
    assert changes[0]["to_oneself"] is True


def test_without_rights_there_is_no_grant_and_somebody_still_administers(clara: Actor, bob: Actor) -> None:
    account = an_account(clara)
    rights.grant(clara, account.id, {"user": email(bob), "rights": ["see"]})
    rights.grant(clara, account.id, {"user": email(bob), "rights": []})
    rights.revoke(clara, account.id, user=email(clara))
    assert [grant.rights for grant in accounts.overview(clara).items[0].grants] == [{Right.ADMINISTER}]
    with pytest.raises(NotFound):
        rights.grant(bob, account.id, {"user": email(bob), "rights": ["see"]})


@pytest.mark.parametrize(
    ("grant", "field"),
    [
        ({"user": "niemand@x.test", "rights": ["see"]}, "user"),
        ({"group": "keine", "rights": ["see"]}, "group"),
        ({"rights": ["see"]}, "user"),
        ({"user": "ada@amt.test", "rights": ["fly"]}, "rights"),
        ({"user": "ada@amt.test", "rights": ["see"], "folder": "x"}, "folder"),
        ({"user": "ada@amt.test", "rights": ["administer"], "folder": "x"}, "rights"),
    ],
)
def test_what_is_wrong_with_a_grant_is_named_by_field(clara: Actor, grant: dict[str, object], field: str) -> None:
    account = an_account(clara)
    with pytest.raises(Invalid) as refused:
        rights.grant(clara, account.id, grant)
    assert field in refused.value.fields


def test_a_group_that_alone_administers_a_mailbox_stays(clara: Actor, bob: Actor) -> None:
    groups.add(clara, "Technik", [email(bob)])
    an_account(clara, grants=[{"group": "Technik", "rights": ["administer"]}])
    with pytest.raises(Conflict):
        groups.remove(clara, "Technik")
    with pytest.raises(Invalid) as refused:
        groups.add(clara, "technik", ["niemand@x.test"])
    assert refused.value.fields == {"members.0": "unknown-user"}


def test_sending_on_behalf_names_the_person_and_sending_as_does_not(clara: Actor, bob: Actor) -> None:
    senders = [{"address": "recht@amt.test", "display_name": "Rechtsamt", "organisation": "Amt für Recht"}]
    account = an_account(clara, identities=senders, reply_to="antwort@amt.test", organisation="Amt")
    rights.grant(clara, account.id, {"user": email(bob), "rights": ["send-on-behalf"]})
    sent = outbox.submit(bob, Draft(account.id, to=("eva@kunde.test",), subject="x", sender="recht@amt.test"))
    raw = messages.content(bob.reach.pool, bytes.fromhex(sent.content)).decode()
    assert "From: Rechtsamt <recht@amt.test>\r\n" in raw
    assert "Sender: Bob <bob@amt.test>\r\n" in raw
    assert "Organization: =?" in raw
    assert "Reply-To: antwort@amt.test\r\n" in raw
    assert sent.sender == "recht@amt.test"
    own = outbox.submit(clara, Draft(account.id, to=("eva@kunde.test",), subject="x"))
    assert "Sender:" not in messages.content(clara.reach.pool, bytes.fromhex(own.content)).decode()
    with pytest.raises(Invalid) as refused:
        outbox.submit(clara, Draft(account.id, to=("eva@kunde.test",), subject="x", sender="fremd@amt.test"))
    assert refused.value.fields == {"from": "not-an-identity"}


def test_the_matrix_shows_administrators_everything_and_others_what_they_administer(clara: Actor, bob: Actor) -> None:
    groups.add(clara, "Kanzlei", [email(bob)])
    for label in ("Eins", "Zwei", "Drei"):
        account = an_account(clara, label)
        rights.grant(clara, account.id, {"group": "Kanzlei", "rights": ["see"]})
    matrix = rights.matrix(clara, 2)
    assert [label for _, label in matrix.accounts] == ["Drei", "Eins"]
    assert bob.user is not None
    cell = matrix.cells[matrix.accounts[0][0], bob.user.id]
    assert (cell.rights, cell.groups) == ({Right.SEE}, ("Kanzlei",))
    rest = rights.matrix(clara, 2, matrix.next)
    assert ([label for _, label in rest.accounts], rest.next) == (["Zwei"], None)
    assert [label for _, label in rights.matrix(clara, words="zwe").accounts] == ["Zwei"]
    assert rights.matrix(bob).accounts == []
    rights.grant(clara, "Eins", {"user": email(bob), "rights": ["administer"]})
    assert [label for _, label in rights.matrix(bob).accounts] == ["Eins"]


def test_the_matrix_takes_as_many_queries_for_many_accounts_as_for_one(
    clara: Actor, django_assert_max_num_queries: object
) -> None:
    for number in range(12):
        an_account(clara, f"Nr {number}")
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        rights.matrix(clara, 10)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        accounts.page(clara, 10)
    began = time.thread_time()
    assert len(accounts.page(clara, 10).items) == 10
    assert time.thread_time() - began < 1


def test_a_folder_role_is_no_door(clara: Actor, bob: Actor) -> None:
    account = an_account(clara)
    sent, drafts = a_folder(account, "Sent", role=Role.SENT), a_folder(account, "Drafts", role=Role.DRAFTS)
    rights.grant(clara, account.id, {"user": email(bob), "rights": ["see"], "folder": sent.id})
    assert [folder.id for folder in reading.folders(bob, account.id)] == [sent.id]
    with pytest.raises(NotFound):
        reading.folder(bob, drafts.id)
