"""Logging in through the office's identity provider, which a test may make say anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.test import Client
from pydantic import SecretStr, ValidationError

from poststelle.office import departures, feed, groups, limits, people, second_factors
from poststelle.office.actor import SYSTEM
from poststelle.run.configuration import Configuration
from poststelle.store import models
from poststelle.web.login import CONFIRMED
from tests.servers.oidc import CLIENT, SECRET, Provider
from tests.web.visitor import Visitor, text_of


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    """A provider this installation is configured for."""
    cache.clear()
    limits.sign_on.forget()
    with Provider() as made:
        changes = {
            "oidc_issuer": made.address, "oidc_client_id": CLIENT, "oidc_client_secret": SecretStr(SECRET), "oidc_sign_up": False,
        }  # fmt: skip
        settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update=changes)
        app = {
            "provider_id": "office", "name": "Kennung des Amtes", "client_id": CLIENT, "secret": SECRET,
            "settings": {"server_url": made.address},
        }  # fmt: skip
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
        yield made
    limits.sign_on.forget()


def through(provider: Provider, **claims: object) -> tuple[Client, Any]:
    """A browser that has been there as that person, and what it got when it came back."""
    provider.person = claims
    client = Client(headers={"accept-language": "en"})
    asked = client.get("/login/office?next=/me/")
    assert asked["Location"].startswith(f"{provider.address}/authorize?"), asked.content[:300]
    return client, client.get(provider.log_in(asked["Location"]).removeprefix("http://testserver"))


def is_in(client: Client) -> bool:
    return client.get("/me/").status_code == 200


def test_the_log_in_page_offers_it_where_it_is_configured(ada: Visitor, provider: Provider) -> None:
    assert "Kennung des Amtes" in Client().get("/login").content.decode()


def test_a_verified_address_finds_the_person_once_and_their_name_there_from_then_on(
    ada: Visitor, bob: Visitor, provider: Provider
) -> None:
    client, response = through(provider, sub="b-1", email="BOB@amt.test", email_verified=True)
    assert (response["Location"], is_in(client)) == ("/me/", True)
    models.User.objects.filter(pk=bob.user.id).update(email="robert@amt.test")
    client, _ = through(provider, sub="b-1", email="somebody@else.test", email_verified=False)
    assert is_in(client)
    entries = [entry for entry in feed.changes(ada.actor, 0, 200).items if entry.kind == "sign-on-linked"]
    assert [entry.subject for entry in entries] == [f"user:{bob.user.id}"]
    assert SocialAccount.objects.get().extra_data == {}


def test_nobody_else_comes_in(ada: Visitor, bob: Visitor, provider: Provider) -> None:
    before = people.users(SYSTEM)
    claims: list[dict[str, object]] = [
        {"sub": "x", "email": "bob@amt.test", "email_verified": False},
        {"sub": "x", "email": "bob@amt.test"},
        {"sub": "x", "email": "bob@amt.test", "email_verified": "yes"},
        {"sub": "x", "email": "stranger@amt.test", "email_verified": True},
        {"sub": "x", "email": ["bob@amt.test"], "email_verified": True},
        {"sub": "x"},
        {"email": "bob@amt.test", "email_verified": True},
    ]
    for said in claims:
        client, response = through(provider, **said)
        assert response.status_code in {403, 502}, said
        assert not is_in(client)
    assert (people.users(SYSTEM), SocialAccount.objects.count()) == (before, 0)


def test_an_address_that_changed_hands_does_not_open_the_old_owners_mail(
    ada: Visitor, bob: Visitor, provider: Provider
) -> None:
    through(provider, sub="b-1", email="bob@amt.test", email_verified=True)
    client, response = through(provider, sub="b-2", email="bob@amt.test", email_verified=True)
    assert (response.status_code, is_in(client)) == (403, False)
    second_factors.reset(ada.actor, bob.user.id)
    client, _ = through(provider, sub="b-2", email="bob@amt.test", email_verified=True)
    assert is_in(client)


def test_who_is_blocked_stays_outside(ada: Visitor, bob: Visitor, provider: Provider) -> None:
    through(provider, sub="b-1", email="bob@amt.test", email_verified=True)
    departures.block(ada.actor, bob.user.id)
    client, response = through(provider, sub="b-1", email="bob@amt.test", email_verified=True)
    assert (response.status_code, is_in(client)) == (403, False)


def test_new_people_come_in_this_way_only_where_the_setting_says_so(
    ada: Visitor, provider: Provider, settings: Any
) -> None:
    settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update={"oidc_sign_up": True})
    client, _ = through(provider, sub="n-1", email="neu@amt.test", email_verified=True, name="Neu")
    assert is_in(client)
    record = people.actor_named("neu@amt.test").user
    assert record is not None
    assert (record.name, record.is_administrator) == ("Neu", False)


def test_single_sign_on_stands_for_a_second_factor_and_keeps_the_password(
    ada: Visitor, bob: Visitor, provider: Provider
) -> None:
    second_factors.require(ada.actor, everybody=True)
    client, _ = through(provider, sub="b-1", email="bob@amt.test", email_verified=True)
    assert is_in(client)
    assert models.User.objects.get(pk=bob.user.id).has_usable_password()


def test_an_answer_about_two_people_is_refused(ada: Visitor, bob: Visitor, provider: Provider) -> None:
    provider.proof = {"sub": "somebody else"}
    client, response = through(provider, sub="b-1", email="bob@amt.test", email_verified=True)
    assert (response.status_code, is_in(client)) == (403, False)


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
def test_a_provider_that_talks_nonsense_is_a_page_in_words(ada: Visitor, provider: Provider, path: str) -> None:
    for body in (b'["x"]', b"{", b"5", b"\xff\xfe", b"x" * 1_100_000):
        provider.broken[path] = body
        client, response = through(provider, sub="b-1", email="ada@amt.test", email_verified=True)
        assert response.status_code in {403, 502}, body[:20]
        assert "single sign-on did not work" in response.content.decode()
        assert not is_in(client)


def test_a_provider_that_is_down_is_a_page_in_words(ada: Visitor, provider: Provider) -> None:
    provider.broken["/.well-known/openid-configuration"] = b"<html>"
    assert Client().get("/login/office").status_code == 502
    assert Client().get("/login/office/done?code=x&state=y").status_code == 403


def test_an_answer_nobody_asked_for_is_refused(ada: Visitor, bob: Visitor, provider: Provider) -> None:
    provider.person = {"sub": "b-1", "email": "bob@amt.test", "email_verified": True}
    asked = Client().get("/login/office")["Location"]
    victim = Client()
    response = victim.get(provider.log_in(asked).removeprefix("http://testserver"))
    assert (response.status_code, is_in(victim)) == (403, False)


def asked_again(provider: Provider, client: Client, **claims: object) -> Any:
    """The person's browser went to the provider to prove who they are, and came back."""
    asked = client.get("/login/office/prove")["Location"]
    assert "prompt=login" in asked
    assert "max_age=0" in asked
    provider.person |= claims
    return client.get(provider.log_in(asked).removeprefix("http://testserver"))


@pytest.fixture
def lone(ada: Visitor, bob: Visitor, provider: Provider) -> Client:
    """Bob the administrator, who has single sign-on and nothing else, an hour after he came in."""
    models.User.objects.filter(pk=bob.user.id).update(is_administrator=True, password="!")
    client, _ = through(provider, sub="b-1", email="bob@amt.test", email_verified=True)
    session = client.session
    session[CONFIRMED] = time.time() - 3600
    session.save()
    return client


def test_who_has_single_sign_on_alone_is_asked_again_there_and_what_was_typed_waits(
    lone: Client, provider: Provider
) -> None:
    page = lone.post("/mailboxes/groups/", {"name": "Registratur"})
    assert (page.status_code, "Prove it at Kennung des Amtes" in page.content.decode()) == (403, True)
    back = asked_again(provider, lone, auth_time=int(time.time()))
    assert (back["Location"], is_in(lone)) == ("/login/office/proved", True)
    go_on = lone.get("/login/office/proved").content.decode()
    assert 'action="/mailboxes/groups/"' in go_on
    assert not groups.within(SYSTEM)
    assert lone.post("/mailboxes/groups/", {"confirm-sign-on": "1"}).status_code == 302
    assert [one.name for one in groups.within(SYSTEM)] == ["Registratur"]


def test_saying_that_one_was_asked_is_no_proof(lone: Client, provider: Provider) -> None:
    lone.post("/mailboxes/groups/", {"name": "Registratur"})
    assert lone.post("/mailboxes/groups/", {"confirm-sign-on": "1"}).status_code == 403
    for claims in ({}, {"auth_time": int(time.time()) - 900}, {"auth_time": "now"}):
        provider.person.pop("auth_time", None)
        answer = asked_again(provider, lone, **claims)
        assert (answer.status_code, is_in(lone)) == (403, True)
        assert "did not ask again" in answer.content.decode()
    answer = asked_again(provider, lone, sub="somebody-else", auth_time=int(time.time()))
    assert "That was somebody else." in answer.content.decode()
    assert lone.post("/mailboxes/groups/", {"confirm-sign-on": "1"}).status_code == 403
    assert not groups.within(SYSTEM)


def test_what_is_looked_at_goes_on_by_itself(lone: Client, provider: Provider) -> None:
    assert lone.get("/mailboxes/import/").status_code == 403
    asked_again(provider, lone, auth_time=int(time.time()))
    assert lone.get("/login/office/proved")["Location"] == "/mailboxes/import/"
    assert lone.get("/mailboxes/import/").status_code == 200
    assert Client().get("/login/office/prove")["Location"].startswith("/login")


def outcome(ada: Visitor) -> str:
    """What the page says after the test."""
    return text_of(ada.post("/people/single-sign-on/").content.decode())


def test_the_administrator_sees_what_the_provider_says_of_itself(busy_ada: Visitor, provider: Provider) -> None:
    provider.documents["/keys"] = {"keys": [{"kty": "RSA"}, {"kty": "EC", "x5c": ["AAAA"]}]}
    page = text_of(busy_ada.page("/people/single-sign-on/"))
    assert "http://testserver/login/office/done" in page
    assert provider.address in page
    told = outcome(busy_ada)
    assert f"Where people log in {provider.address}/authorize" in told
    assert "Its keys 2" in told


@pytest.mark.parametrize(
    ("path", "document", "told"),
    [
        ("/.well-known/openid-configuration", {"issuer": "https://id.other.test"}, "lacks authorization_endpoint"),
        ("/keys", {"keys": []}, "There are no keys"),
        ("/keys", {"keys": "x"}, "There are no keys"),
    ],
)
def test_what_is_wrong_with_the_provider_is_said_with_its_remedy(
    busy_ada: Visitor, provider: Provider, path: str, document: dict[str, object], told: str
) -> None:
    provider.documents[path] = document
    assert told in outcome(busy_ada)


def test_a_provider_that_is_silent_or_says_nonsense_is_told_in_words(busy_ada: Visitor, provider: Provider) -> None:
    for body in (b"<html>", b"[]", b"\xff", b"[" * 5000):
        provider.broken["/.well-known/openid-configuration"] = body
        assert "There is no discovery document at" in outcome(busy_ada)
    provider.broken["/.well-known/openid-configuration"] = b"x" * 1_000_001
    assert "sends far more than it was asked for" in outcome(busy_ada)


def test_a_provider_that_cannot_ask_again_is_known_beforehand(busy_ada: Visitor, provider: Provider) -> None:
    document = provider.look("/.well-known/openid-configuration", "") or {}
    provider.documents["/.well-known/openid-configuration"] = document | {
        "claims_supported": ["sub"], "issuer": "https://id.other.test",
    }  # fmt: skip
    told = outcome(busy_ada)
    assert "does not tell when somebody proved who they are" in told
    assert "calls itself “https://id.other.test”" in told


def test_without_a_provider_the_page_says_how_to_name_one(ada: Visitor, bob: Visitor) -> None:
    page = text_of(ada.page("/people/single-sign-on/"))
    assert "No identity provider is set up." in page
    assert "/login/office/done" in page
    assert bob.get("/people/single-sign-on/").status_code == 403


def test_without_configuration_there_is_nothing(ada: Visitor) -> None:
    assert Client().get("/login/office").status_code == 404
    assert Client().get("/login/office/done").status_code == 404


def test_a_configuration_that_cannot_be_safe_stops_the_start(tmp_path: Any) -> None:
    for changes in (
        {"oidc_issuer": "https://id.example"},
        {"oidc_issuer": "http://id.example", "oidc_client_id": "x", "oidc_client_secret": "y"},
        {"oidc_issuer": "id.example", "oidc_client_id": "x", "oidc_client_secret": "y"},
    ):
        with pytest.raises(ValidationError) as refused:
            Configuration.model_validate({"home": tmp_path, **changes})
        assert "oidc_issuer" in str(refused.value)
