"""A secret is kept only after the real server has let it in."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings

from poststelle.errors import NotFound
from poststelle.mail.secret import Secret
from poststelle.office import hand_over, logins
from poststelle.store.ways import access_of
from tests.builders import an_account, an_office
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _reachable(home: object, ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test servers may be used, and their certificates are trusted."""
    reachable = settings.POSTSTELLE.model_copy(update={"egress_allow": ("127.0.0.0/8", "::1"), "ca_file": ca.ca_file})
    monkeypatch.setattr(settings, "POSTSTELLE", reachable)


async def test_the_passed_test_uses_the_hand_over_link_up(dovecot: Dovecot) -> None:
    user = dovecot.user("handover")
    clara = await sync_to_async(an_office)()
    incoming = {"host": "localhost", "port": dovecot.imaps_port}
    login = {"username": user.address, "by_owner": True}
    account = await sync_to_async(an_account)(clara, incoming=incoming, outgoing=None, login=login)
    token, _ = await sync_to_async(hand_over.create)(clara, account.id)
    wrong = [step async for step in hand_over.submit(token, Secret("falsch"))]
    assert [(step.name, step.error) for step in wrong if step.state == "failed"] == [("login", "login-rejected")]
    steps = [step async for step in hand_over.submit(token, Secret(user.password))]
    assert [(step.name, step.state) for step in steps][-2:] == [("folders", "ok"), ("kept", "ok")]
    assert all(step.detail.keys() <= {"host", "port"} for step in steps)
    kept = (await sync_to_async(access_of)(account.id)).login
    assert kept is not None
    assert kept.password is not None
    assert kept.password.reveal() == user.password
    with pytest.raises(NotFound):
        await sync_to_async(hand_over.look)(token)


async def test_a_changed_password_is_kept_once_the_server_lets_it_in(dovecot: Dovecot) -> None:
    user = dovecot.user("changed-password")
    clara = await sync_to_async(an_office)()
    document = {"label": "Haus", "username": user.address, "password": "alt"}
    await sync_to_async(logins.add)(clara, document)
    incoming = {"host": "localhost", "port": dovecot.imaps_port}
    accounts = [
        await sync_to_async(an_account)(clara, label, incoming=incoming, outgoing=None, login={"login": "Haus"})
        for label in ("Eins", "Zwei")
    ]
    steps = [pair async for pair in logins.test_and_change_password(clara, "Haus", Secret(user.password))]
    assert {label for label, _ in steps} == {"Eins", "Zwei", ""}
    assert (steps[-1][1].name, steps[-1][1].state, steps[-1][1].detail) == ("kept", "ok", {"accounts": 2})
    for account in accounts:
        kept = (await sync_to_async(access_of)(account.id)).login
        assert kept is not None
        assert kept.password is not None
        assert kept.password.reveal() == user.password
