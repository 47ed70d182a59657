"""People come by invitation and leave in one step, and nothing of theirs is left without somebody."""

from __future__ import annotations

import pytest

from poststelle.errors import Conflict, Invalid, NotFound, NotPermitted
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Right
from poststelle.office import accounts, departures, invitations, logins, outbox, people, rights, tokens
from poststelle.office.actor import Actor
from poststelle.office.outbox import Draft
from poststelle.store import messages, models
from tests.builders import PASSWORD, a_person, a_token, an_account, an_office

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
