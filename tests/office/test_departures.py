"""People come by invitation and leave in one step, and nothing of theirs is left without somebody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from poststelle.errors import Conflict, Invalid, NotFound, NotPermitted
from poststelle.mail.listing import Status
from poststelle.mail.ports import RecipientResult, RecipientState, Role
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Right
from poststelle.office import (
    accounts,
    departures,
    feed,
    health,
    invitations,
    logins,
    outbox,
    people,
    proof,
    reading,
    rights,
    tokens,
    work,
)
from poststelle.office.actor import Actor
from poststelle.office.outbox import Draft
from poststelle.store import messages, models
from poststelle.store import outbox as store_outbox
from tests.builders import PASSWORD, a_folder, a_letter, a_message_in, a_person, a_token, an_account, an_office

pytestmark = pytest.mark.django_db(transaction=True)


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


def test_a_departing_colleague_is_out_at_once_and_everything_of_theirs_is_the_heirs(clara: Actor, bob: Actor) -> None:
    eve = a_person("eve@amt.test")
    own = an_account(clara, "Bobs", scope="personal", owner=email(bob))
    shared = an_account(clara, "Allein", grants=[{"user": email(bob), "rights": ["see", "administer"]}])
    logins.add(bob, {"label": "Bobs", "username": "b", "password": "x", "owner": email(bob)})
    token = a_token(bob)
    waiting = outbox.submit(bob, Draft(own.id, to=("a@b.test",), subject="x"), idempotency_key="1")
    done = departures.depart(clara, email(bob), email(eve))
    assert (done.mailboxes, done.logins, done.waiting_mail, done.tokens_revoked) == (1, 1, 1, 1)
    with pytest.raises(NotFound):
        tokens.caller(token)
    with pytest.raises(NotFound):
        people.actor_of_session(bob.user.id if bob.user else "")
    assert accounts.show(eve, own.id).rights == frozenset(Right)
    assert accounts.show(eve, shared.id).rights == {Right.ADMINISTER}
    assert outbox.show(eve, waiting.id).author == eve.user
    assert [one.label for one in logins.within(eve) if one.label] == ["Bobs"]
    assert not models.Grant.objects.filter(user=bob.user.id if bob.user else "").exists()
    departures.unblock(clara, email(bob))
    assert accounts.page(Actor(people.actor_named(email(bob)).user)).items == []


def test_work_not_yet_done_goes_to_the_heir_or_to_whoever_sees_it(clara: Actor, bob: Actor) -> None:
    eve = a_person("eve@amt.test")
    both, hers = an_account(clara, "Beide"), an_account(clara, "Ohne Eva")
    for account, people_named in ((both, ("bob", "eve")), (hers, ("bob",))):
        for name in people_named:
            rights.grant(clara, account.id, {"user": f"{name}@amt.test", "rights": ["see", "process"]})
    seen, done, hidden = (
        a_message_in(a_folder(account, name), a_letter(name))
        for account, name in ((both, "Offen"), (both, "Erledigt"), (hers, "Fremd"))
    )
    for one in (seen, done, hidden):
        work.assign(bob, [one.id], email(bob))
    work.set_status(bob, [done.id], Status.DONE)
    work.follow_up(bob, [hidden.id], timezone.now() + timedelta(days=3))
    since = feed.latest()
    assert departures.depart(clara, email(bob), email(eve)).open_work == 1
    task = work.on(eve, seen.id).task
    assert (task.assignee, task.status) == (eve.user, Status.OPEN)
    left = work.on(clara, hidden.id).task
    assert (left.assignee, left.follow_up_for) == (None, None)
    assert left.follow_up_at is not None
    told = [one for one in feed.changes(clara, since).items if one.kind == "assigned"]
    assert {one.account_id for one in told} == {both.id, hers.id}


def test_whoever_has_left_is_no_administrator_when_they_come_back(clara: Actor, bob: Actor) -> None:
    people.change(clara, email(bob), administrator=True)
    departures.depart(clara, email(bob), email(clara))
    departures.unblock(clara, email(bob))
    assert not people.actor_named(email(bob)).is_administrator
    (told,) = [one.facts for one in proof.entries(clara, kind="mailboxes-handed-over").items]
    assert told["before"] == {"administrator": True}


def test_nobody_departs_to_themselves_and_the_last_administrator_stays(clara: Actor, bob: Actor) -> None:
    for attempt, code in (
        (lambda: departures.depart(clara, email(bob), email(bob)), "own-heir"),
        (lambda: departures.block(clara, email(clara)), "not-oneself"),
        (lambda: departures.block(Actor(None), email(clara)), "last-administrator"),
    ):
        with pytest.raises(Conflict) as refused:
            attempt()
        assert refused.value.code == code
    with pytest.raises(NotPermitted):
        departures.block(bob, email(clara))
    assert people.actor_named(email(clara)).user == clara.user


def test_a_colleague_becomes_administrator_and_stays_one_while_there_is_no_other(clara: Actor, bob: Actor) -> None:
    changed = people.change(clara, email(bob), name="Robert", administrator=True)
    assert (changed.name, changed.is_administrator) == ("Robert", True)
    assert people.users(Actor(changed))
    people.change(clara, email(clara), administrator=False)
    with pytest.raises(Conflict, match="last-administrator"):
        people.change(Actor(changed), email(bob), administrator=False)
    told = [entry.facts for entry in proof.entries(Actor(changed), kind="user-changed").items]
    assert told[-1] == {
        "email": "bob@amt.test", "before": {"name": "Bob", "administrator": False},
        "after": {"name": "Robert", "administrator": True},
    }  # fmt: skip
    people.change(Actor(changed), email(bob), name="Robert")
    assert len(proof.entries(Actor(changed), kind="user-changed").items) == len(told)


def test_what_is_wrong_with_a_changed_person_is_named_by_field(clara: Actor, bob: Actor) -> None:
    people.add_service(clara, email="scan@amt.test", name="Scanner")
    for attempt, wrong in (
        (lambda: people.change(clara, email(bob), name=" "), {"name": "missing"}),
        (lambda: people.change(clara, "scan@amt.test", administrator=True), {"administrator": "unknown-value"}),
        (lambda: people.change(Actor(None), email(bob), email="nirgends"), {"email": "not-an-address"}),
        (lambda: people.change(Actor(None), email(bob), email="ADA@amt.test"), {"email": "taken"}),
    ):
        with pytest.raises(Invalid) as refused:
            attempt()
        assert refused.value.fields == wrong


def test_the_address_passwords_are_renewed_by_is_changed_by_the_system_alone(clara: Actor, bob: Actor) -> None:
    invited = invitations.renew(Actor(None), email(bob))
    with pytest.raises(NotPermitted, match="system-only"):
        people.change(clara, email(bob), email="ada+bob@amt.test")
    assert people.change(Actor(None), email(bob), email="robert@amt.test").email == "robert@amt.test"
    with pytest.raises(NotFound):
        invitations.look(invited.token)


def test_an_invitation_goes_through_the_office_account_and_its_link_sets_one_password(clara: Actor) -> None:
    an_account(clara, office_account=True)
    invited = invitations.invite(clara, email="neu@amt.test", name="Neu", place="https://post.amt.test/")
    (sent,) = outbox.page(clara).items
    assert (sent.recipients[0].address, invited.mailed) == ("neu@amt.test", True)
    raw = messages.content(clara.reach.pool, bytes.fromhex(sent.content))
    assert invited.token[:40].encode() in raw.replace(b"=\r\n", b"")
    assert invitations.look(invited.token) == invited.user
    with pytest.raises(Invalid) as refused:
        invitations.accept(invited.token, Secret("kurz"))
    assert refused.value.fields == {"password": "too-short"}
    invitations.accept(invited.token, Secret(PASSWORD))
    assert models.User.objects.get(email="neu@amt.test").check_password(PASSWORD)
    for void in (invited.token, "x", "x.y", f"{'0' * 32}.y", ""):
        with pytest.raises(NotFound):
            invitations.accept(void, Secret(PASSWORD))


def test_without_an_office_account_the_link_is_handed_over_in_person(clara: Actor, bob: Actor) -> None:
    assert not invitations.invite(clara, email="neu@amt.test", name="Neu", place="https://post.amt.test/").mailed
    with pytest.raises(Invalid) as refused:
        invitations.invite(clara, email="bob@amt.test", name="")
    assert refused.value.fields == {"name": "missing"}
    with pytest.raises(NotPermitted):
        invitations.invite(bob, email="x@amt.test", name="X")


def test_only_the_system_makes_a_link_for_somebody_who_gets_no_mail(clara: Actor, bob: Actor) -> None:
    with pytest.raises(NotPermitted):
        invitations.renew(clara, email(bob))
    invitations.accept(invitations.renew(Actor(None), email(bob)).token, Secret("ein ganz anderes Passwort"))
    assert models.User.objects.get(email=email(bob)).check_password("ein ganz anderes Passwort")
    people.add_service(clara, email="scan@amt.test", name="Scanner")
    with pytest.raises(NotFound):
        invitations.renew(Actor(None), "scan@amt.test")


def test_no_copy_of_a_link_lies_where_colleagues_read_along(clara: Actor, bob: Actor) -> None:
    office = an_account(clara, office_account=True)
    sent = a_folder(office, "Sent", role=Role.SENT)
    rights.grant(clara, office.id, {"user": email(bob), "rights": ["see", "send-as"]})
    invitations.ask_for_a_new_password(email(clara), "https://post.amt.test/")
    own = outbox.submit(bob, Draft(office.id, to=("a@b.test",), subject="x"))
    for letter in outbox.page(bob).items:
        claimed = store_outbox.claim(letter.id)
        assert claimed is not None
        results = [RecipientResult(one, RecipientState.ACCEPTED, "250") for one in claimed.recipients]
        store_outbox.answered(letter.id, results, "sent", due_at=None, filed_copy=False, kept_here="Kopien")
    copies = models.Errand.objects.filter(kind="append")
    assert [(str(one.folder_id), bytes(one.message.sha256).hex()) for one in copies] == [(sent.id, own.content)]
    assert not reading.page(bob, sent.id).items


def test_a_link_is_not_mailed_where_the_provider_keeps_what_is_sent(clara: Actor, bob: Actor) -> None:
    google = {"protocol": "smtp", "host": "smtp.gmail.com", "port": 465, "encryption": "tls"}
    an_account(clara, office_account=True, outgoing=google)
    invited = invitations.invite(clara, email="neu@amt.test", name="Neu", place="https://post.amt.test/")
    assert not invited.mailed
    invitations.ask_for_a_new_password(email(bob), "https://post.amt.test/")
    assert outbox.page(clara).items == []


def test_an_administrator_learns_why_links_are_not_mailed(clara: Actor, bob: Actor) -> None:
    def why() -> tuple[str, dict[str, object]] | None:
        found = invitations.hindrance(clara)
        return (found.code, dict(found.facts)) if found else None

    assert why() == ("links-unsent", {})
    assert health.of_the_office(clara) == []
    google = {"protocol": "smtp", "host": "smtp.gmail.com", "port": 465, "encryption": "tls"}
    filing = an_account(clara, "Google", outgoing=google)
    filed = ("links-filed", {"account": "Google", "provider": "Gmail / Google Workspace"})
    assert invitations.filed_by(clara, filing.id) == "Gmail / Google Workspace"
    accounts.change(clara, filing.id, {"office_account": True})
    assert why() == filed
    assert [one.code for one in health.of_the_office(clara)] == ["links-filed"]
    assert health.of_the_office(bob) == []
    with pytest.raises(NotPermitted):
        invitations.hindrance(bob)
    accounts.change(clara, filing.id, {"office_account": False})
    own = an_account(clara, "Eigen", office_account=True)
    assert (why(), invitations.filed_by(clara, own.id)) == (None, "")
    accounts.change(clara, own.id, {"active": False})
    assert why() == ("links-unsent", {})


def test_asking_for_a_new_password_says_nothing_about_who_exists(clara: Actor) -> None:
    an_account(clara, office_account=True)
    for address in (email(clara), "niemand@amt.test", "", "x" * 1000):
        invitations.ask_for_a_new_password(address, "https://post.amt.test/")
    assert [one.recipients[0].address for one in outbox.page(clara).items] == [email(clara)]


def test_a_blocked_persons_rights_wait_for_them(clara: Actor, bob: Actor) -> None:
    account = an_account(clara)
    rights.grant(clara, account.id, {"user": email(bob), "rights": ["see"]})
    departures.block(clara, email(bob))
    assert rights.matrix(clara).cells.keys() == {(account.id, clara.user.id if clara.user else "")}
    departures.unblock(clara, email(bob))
    assert accounts.show(bob, account.id).rights == {Right.SEE}
