"""Logins and outgoing servers as objects: one secret for several mailboxes, and which server sends, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.conf import settings
from django.utils import timezone

from poststelle.errors import Conflict, Invalid, NotFound, NotPermitted
from poststelle.mail.records import AccountRecord
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption
from poststelle.office import accounts, feed, logins, outgoing_servers, people
from poststelle.office.actor import Actor
from poststelle.store import models
from poststelle.store.ways import access_of
from tests.builders import a_person, an_account, an_office

pytestmark = pytest.mark.django_db(transaction=True)

SHARED = {"label": "Kanzlei", "username": "kanzlei@amt.test", "password": "geheim"}
SERVER = {"label": "Versand", "host": "out.amt.test", "login": {"username": "versand", "password": "post"}}


@pytest.fixture(autouse=True)
def _home(home: object) -> None:
    """A data folder of the test's own."""


@pytest.fixture
def clara() -> Actor:
    return an_office()


def password_of(account: AccountRecord) -> str | None:
    login = access_of(account.id).login
    return login.password.reveal() if login is not None and login.password is not None else None


def outgoing_password_of(account: AccountRecord) -> str | None:
    login = access_of(account.id).outgoing_login
    return login.password.reveal() if login is not None and login.password is not None else None


def test_one_password_serves_several_mailboxes_and_is_changed_in_one_place(clara: Actor) -> None:
    logins.add(clara, SHARED)
    first, second = (an_account(clara, label, login={"login": "Kanzlei"}) for label in ("Eins", "Zwei"))
    models.Account.objects.update(
        state="suspended", trouble={"code": "login-rejected", "facts": {}}, trouble_since=timezone.now()
    )
    assert logins.change_password(clara, "kanzlei", Secret("neu")) == 2
    assert (password_of(first), password_of(second)) == ("neu", "neu")
    assert [accounts.show(clara, one.id).state for one in (first, second)] == ["active", "active"]
    assert [one.facts["accounts"] for one in feed.changes(clara, 0, 200).items if one.kind == "password-changed"] == [
        2,
        2,
    ]


def test_moving_one_of_them_to_another_server_asks_for_the_secret_again_for_that_one_only(clara: Actor) -> None:
    logins.add(clara, SHARED)
    first, second = (an_account(clara, label, login={"login": "Kanzlei"}) for label in ("Eins", "Zwei"))
    moved = {"incoming": {"host": "elsewhere.test"}}
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, first.id, moved)
    assert refused.value.fields == {"login.password": "needed-again"}
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, first.id, moved | {"login": {"login": "Kanzlei", "password": "geraten"}})
    assert refused.value.fields == {"login.password": "does-not-match"}
    accounts.change(clara, first.id, moved | {"login": {"login": "Kanzlei", "password": "geheim"}})
    assert (password_of(first), password_of(second)) == ("geheim", "geheim")


def test_a_server_that_was_changed_behind_a_login_does_not_get_its_secret(clara: Actor) -> None:
    account = an_account(clara)
    models.Account.objects.filter(pk=account.id).update(incoming_host="elsewhere.test")
    assert password_of(account) is None


def test_a_colleagues_login_cannot_be_used_and_the_offices_only_by_administrators(clara: Actor) -> None:
    bob = a_person()
    assert bob.user is not None
    logins.add(bob, SHARED | {"owner": bob.user.email})
    carol = a_person("carol@amt.test", administrator=True)
    logins.add(carol, SHARED | {"label": "Haus"})
    with pytest.raises(Invalid) as refused:
        an_account(clara, login={"login": "Kanzlei"})
    assert refused.value.fields == {"login.login": "unknown-login"}
    rights = [{"user": bob.user.email, "rights": ["administer"]}]
    account = an_account(clara, login={"login": "Haus"}, grants=rights)
    other = an_account(clara, "Andere", grants=rights)
    with pytest.raises(Invalid) as refused:
        accounts.change(bob, other.id, {"login": {"login": "Haus"}})
    assert refused.value.fields == {"login.login": "unknown-login"}
    accounts.change(bob, account.id, {"display_name": "Bleibt"})


def test_an_owner_changes_the_password_without_administering_and_nobody_else(clara: Actor) -> None:
    bob = a_person()
    assert bob.user is not None
    assert clara.user is not None
    everything = [{"user": clara.user.email, "rights": ["administer"]}]
    account = an_account(clara, "Bobs", scope="personal", owner=bob.user.email, grants=everything)
    (own,) = logins.within(bob)
    assert logins.change_password(bob, own.id, Secret("bobs neues")) == 1
    assert password_of(account) == "bobs neues"
    eve = a_person("eve@amt.test")
    assert logins.within(eve) == []
    with pytest.raises(NotFound):
        logins.change_password(eve, own.id, Secret("x"))


def test_another_user_name_of_a_login_asks_for_its_password(clara: Actor) -> None:
    logins.add(clara, SHARED)
    with pytest.raises(Invalid) as refused:
        logins.change(clara, "Kanzlei", {"username": "anders"})
    assert refused.value.fields == {"password": "needed-again"}
    assert logins.change(clara, "Kanzlei", {"username": "anders", "password": "x"}).username == "anders"


def test_a_login_in_use_stays(clara: Actor) -> None:
    logins.add(clara, SHARED)
    account = an_account(clara, login={"login": "Kanzlei"})
    with pytest.raises(Conflict):
        logins.remove(clara, "Kanzlei")
    accounts.change(clara, account.id, {"login": {"username": "eigen", "password": "x"}})
    assert password_of(account) == "x"
    logins.remove(clara, "Kanzlei")
    assert [one.label for one in logins.within(clara)] == [""]


def test_the_user_name_of_a_shared_login_said_again_changes_nothing(clara: Actor) -> None:
    logins.add(clara, SHARED)
    account = an_account(clara, login={"login": "Kanzlei"})
    changed = accounts.change(clara, account.id, {"label": "Neu", "login": {"username": "kanzlei@amt.test"}})
    assert changed.login is not None
    assert changed.login.label == "Kanzlei"


async def test_a_new_password_is_kept_only_if_every_server_lets_it_in(transactional_db: None) -> None:
    from asgiref.sync import sync_to_async

    clara = await sync_to_async(an_office)()
    account = await sync_to_async(an_account)(clara)
    assert account.login is not None
    steps = [step async for _, step in logins.test_and_change_password(clara, account.login.id, Secret("neu"))]
    assert (steps[-1].name, steps[-1].state) == ("kept", "skipped")
    assert await sync_to_async(password_of)(account) == "geheim"


def test_a_mailbox_sends_through_the_first_server_of_the_chain(clara: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert clara.user is not None
    account = an_account(clara, outgoing=None)
    assert outgoing_servers.which(clara, account.id).reason == ""
    assert accounts.senders(clara) == []
    relay = settings.POSTSTELLE.model_copy(update={"relay": "smtp+starttls://relay.amt.test"})
    monkeypatch.setattr(settings, "POSTSTELLE", relay)
    assert outgoing_servers.which(clara, account.id).reason == "instance"
    outgoing_servers.add(clara, SERVER | {"default": True})
    office = outgoing_servers.which(clara, account.id)
    assert (office.reason, office.facts) == ("office", {"host": "out.amt.test", "port": 465, "label": "Versand"})
    outgoing_servers.add(clara, {"label": "Meiner", "host": "my.amt.test", "owner": clara.user.email, "default": True})
    assert outgoing_servers.which(clara, account.id).reason == "user"
    assert access_of(account.id).way_out == "office"
    assert access_of(account.id, clara.user.id).way_out == "user"
    assert [one.id for one in accounts.senders(clara)] == [account.id]
    accounts.change(clara, account.id, {"outgoing": {"server": "Versand"}})
    assert outgoing_servers.which(clara, account.id).reason == "server"
    assert outgoing_password_of(account) == "post"
    accounts.change(clara, account.id, {"sending": {"included": False}})
    assert outgoing_servers.which(clara, account.id).reason == ""


def test_a_shared_server_with_the_mailboxs_own_log_in_gets_it_only_where_it_was_confirmed(clara: Actor) -> None:
    outgoing_servers.add(clara, SERVER)
    account = an_account(clara)
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, account.id, {"outgoing": {"server": "Versand", "authentication": "same"}})
    assert refused.value.fields == {"login.password": "needed-again"}
    secret = {"login": {"password": "geheim"}}
    accounts.change(clara, account.id, secret | {"outgoing": {"server": "Versand", "authentication": "same"}})
    assert outgoing_password_of(account) == "geheim"
    outgoing_servers.change(clara, "Versand", {"host": "elsewhere.test", "login": None})
    assert outgoing_password_of(account) is None


def test_a_servers_own_secret_is_asked_for_again_with_another_host(clara: Actor) -> None:
    outgoing_servers.add(clara, SERVER)
    with pytest.raises(Invalid) as refused:
        outgoing_servers.change(clara, "Versand", {"host": "elsewhere.test"})
    assert refused.value.fields == {"login.password": "needed-again"}
    assert outgoing_servers.change(clara, "Versand", {"label": "Anders"}).label == "Anders"


def test_the_offices_servers_are_the_administrators_and_everybody_has_own_ones(clara: Actor) -> None:
    bob = a_person()
    assert bob.user is not None
    office = outgoing_servers.add(clara, SERVER)
    own = outgoing_servers.add(bob, {"label": "Bobs", "host": "bob.test", "owner": bob.user.email})
    for refused in (
        lambda: outgoing_servers.add(bob, SERVER | {"label": "X"}),
        lambda: outgoing_servers.change(bob, office.id, {"label": "X"}),
        lambda: outgoing_servers.remove(bob, office.id),
    ):
        with pytest.raises(NotPermitted):
            refused()
    with pytest.raises(NotFound):
        outgoing_servers.show(clara, own.id)
    with pytest.raises(Invalid) as wrong:
        an_account(clara, outgoing={"server": "Bobs"})
    assert wrong.value.fields == {"outgoing.server": "unknown-server"}


def test_a_server_that_mailboxes_refer_to_stays(clara: Actor) -> None:
    outgoing_servers.add(clara, SERVER)
    account = an_account(clara, outgoing={"server": "Versand"})
    assert outgoing_servers.show(clara, "Versand").accounts == 1
    with pytest.raises(Conflict):
        outgoing_servers.remove(clara, "Versand")
    accounts.change(clara, account.id, {"outgoing": None})
    outgoing_servers.remove(clara, "Versand")
    assert not models.Login.objects.filter(username="versand").exists()


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"label": "", "host": "x.test"}, "label"),
        ({"label": "X"}, "host"),
        ({"label": "X", "host": "x.test", "port": 0}, "port"),
        ({"label": "X", "host": "x.test", "protocol": "imap"}, "protocol"),
        ({"label": "X", "host": "x.test", "login": {"username": "u"}}, "login.password"),
        ({"label": "X", "host": "x.test", "login": {"login": "nirgends"}}, "login.login"),
        ({"label": "X", "host": "x.test", "owner": "niemand@x.test"}, "owner"),
        ({"label": "X", "host": "x.test", "shape": "round"}, "shape"),
        ({"label": "X", "host": "x.test", "default": "ja"}, "default"),
    ],
)
def test_what_is_wrong_with_an_outgoing_server_is_named_by_field(
    clara: Actor, document: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        outgoing_servers.add(clara, document)
    assert field in refused.value.fields


def test_the_default_sender_is_one_a_person_may_send_from(clara: Actor) -> None:
    account, bob = an_account(clara), a_person()
    people.set_default_sender(clara, account.label)
    sender = people.default_sender(clara)
    assert sender is not None
    assert sender.id == account.id
    with pytest.raises(NotFound):
        people.set_default_sender(bob, account.id)
    accounts.change(clara, account.id, {"outgoing": None})
    assert people.default_sender(clara) is None


def test_exceptions_from_safe_connections_are_administrators_and_listed_with_who_made_them(
    clara: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = a_person()
    assert bob.user is not None
    assert clara.user is not None
    rights = [{"user": bob.user.email, "rights": ["administer"]}, {"user": clara.user.email, "rights": ["administer"]}]
    account = an_account(clara, grants=rights)
    again = {"login": {"password": "geheim"}}
    for field, change in {
        "incoming.minimum_tls": {"incoming": {"minimum_tls": "1.1"}},
        "incoming.plain_text_allowed": {"incoming": {"plain_text_allowed": True}},
        "incoming.encryption": {"incoming": {"encryption": "none"}} | again,
        "incoming.certificate.mode": {"incoming": {"certificate": {"mode": "unchecked"}}},
    }.items():
        with pytest.raises(Invalid) as refused:
            accounts.change(bob, account.id, change)
        assert field in refused.value.fields
    unchecked = {"incoming": {"certificate": {"mode": "unchecked"}}}
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, account.id, unchecked)
    assert refused.value.fields == {"incoming.certificate.mode": "switched-off-here"}
    allowed = settings.POSTSTELLE.model_copy(update={"allow_unchecked_certificates": True})
    monkeypatch.setattr(settings, "POSTSTELLE", allowed)
    accounts.change(clara, account.id, unchecked)
    (listed,) = accounts.exceptions(clara).items
    (exception,) = listed.exceptions
    assert (exception.way, exception.what, exception.by) == ("incoming", "certificate-unchecked", clara.user.email)
    made = [one.facts for one in feed.changes(clara, 0, 200).items if one.kind == "exception-made"]
    assert [one["what"] for one in made] == [["certificate-unchecked"]]
    incoming = access_of(account.id).incoming
    assert incoming is not None
    assert incoming.certificate.mode.value == "unchecked"
    pin = {"incoming": {"certificate": {"mode": "pinned", "fingerprint": ":".join(["ab"] * 32)}}}
    accounts.change(bob, account.id, pin)
    changed = accounts.change(bob, account.id, {"incoming": {"certificate": {"mode": "strict"}}})
    assert changed.incoming is not None
    assert changed.incoming.exceptions == ()
    assert [one.kind for one in feed.changes(clara, 0, 200).items if one.kind == "exception-ended"] == [
        "exception-ended"
    ]


def test_an_unchecked_certificate_is_checked_again_after_its_last_day(
    clara: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = settings.POSTSTELLE.model_copy(update={"allow_unchecked_certificates": True})
    monkeypatch.setattr(settings, "POSTSTELLE", allowed)
    account = an_account(
        clara, incoming={"host": "x.test", "certificate": {"mode": "unchecked", "until": "2020-01-31"}}
    )
    incoming = access_of(account.id).incoming
    assert incoming is not None
    assert incoming.certificate.mode.value == "strict"
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, account.id, {"incoming": {"certificate": {"mode": "unchecked", "until": "2099-01-01"}}})
    assert refused.value.fields == {"incoming.certificate.until": "too-far-ahead"}


def test_a_login_tells_for_which_servers_it_is(clara: Actor) -> None:
    login = an_account(clara).login
    assert login is not None
    assert login.hosts == {("mail.amt.test", 993, Encryption.TLS), ("mail.amt.test", 465, Encryption.TLS)}
    assert replace(login, id="").has_password
