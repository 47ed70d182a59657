"""Servers inside the own network are open to mailboxes where an administrator says so, and only as long."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from django.conf import LazySettings

from poststelle.errors import Invalid, NeedsAttention, NotFound, NotPermitted
from poststelle.office import accounts, egress, feed
from poststelle.office.actor import Actor
from poststelle.office.doors import NetworkDoors
from poststelle.store import models
from poststelle.store.ways import Access
from tests.builders import a_person, an_account, an_office

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Actor:
    return an_office()


def is_open(address: str, port: int = 14300) -> bool:
    return egress.rule().permits("mail.intern", ip_address(address), port)


def test_what_is_allowed_is_open_at_once_until_it_is_taken_back(ada: Actor) -> None:
    assert not is_open("192.168.1.10")
    (one,) = egress.allow(ada, "192.168.1.10")
    assert (one.server, one.by, is_open("192.168.1.10"), is_open("192.168.1.11")) == (
        "192.168.1.10", "ada@amt.test", True, False,
    )  # fmt: skip
    egress.revoke(ada, "192.168.1.10")
    assert not is_open("192.168.1.10")
    with pytest.raises(NotFound):
        egress.revoke(ada, "192.168.1.10")
    entries = [entry for entry in feed.changes(ada, 0, 100).items if entry.kind.startswith("egress")]
    assert [(entry.kind, entry.facts["server"]) for entry in entries] == [
        ("egress-allowed", "192.168.1.10"), ("egress-revoked", "192.168.1.10"),
    ]  # fmt: skip


def test_it_stands_beside_the_setting_of_the_installation(ada: Actor, settings: LazySettings) -> None:
    settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update={"egress_allow": ("10.0.0.0/8",)})
    egress.allow(ada, "192.168.0.0/16")
    assert (is_open("10.1.2.3"), is_open("192.168.9.9"), egress.set_up(ada)) == (True, True, ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" 192.168.1.10 ", "192.168.1.10"), ("10.1.2.3/8", "10.0.0.0/8"), ("Mail.Intern", "mail.intern"),
        ("FD00::5", "fd00::5"), ("192.168.1.10/32", "192.168.1.10"),
    ],
)  # fmt: skip
def test_each_way_of_writing_a_server_is_kept_once(ada: Actor, typed: str, kept: str) -> None:
    egress.allow(ada, typed)
    assert [one.server for one in egress.allow(ada, kept)] == [kept]


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "missing"), ("192.168.1.10,10.0.0.1", "not-a-server"), ("a b", "not-a-server"), ("10.0.0.0/33", "not-a-server"),
        ("ü" * 300, "not-a-server"), ("0.0.0.0/0", "network-too-large"), ("::/0", "network-too-large"),
        ("169.254.169.254", "never-allowed"), ("fd00:ec2::254", "never-allowed"), ("100.100.100.200/32", "never-allowed"),
        ("::ffff:169.254.169.254", "never-allowed"), ("0.0.0.0", "never-allowed"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_or_may_never_be_is_refused_in_words(ada: Actor, typed: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        egress.allow(ada, "192.168.1.10", typed)
    assert (refused.value.fields, egress.allowed(ada)) == ({"server": reason}, ())


def test_where_machines_keep_their_secrets_stays_closed_whatever_network_is_allowed(ada: Actor) -> None:
    egress.allow(ada, "169.254.0.0/16", "100.64.0.0/10", "metadata.intern")
    assert [is_open(one) for one in ("169.254.1.1", "169.254.169.254", "100.100.100.200")] == [True, False, False]


def test_only_administrators_allow_and_look(ada: Actor) -> None:
    bob = a_person()
    for act in (lambda: egress.allow(bob, "10.0.0.1"), lambda: egress.revoke(bob, "10.0.0.1")):
        with pytest.raises(NotPermitted):
            act()
    with pytest.raises(NotPermitted):
        egress.allowed(bob)


def test_a_mailbox_that_stood_still_for_this_is_tried_again(ada: Actor) -> None:
    stopped, other = an_account(ada, "A"), an_account(ada, "B")
    rows = models.Account.objects
    rows.filter(pk=stopped.id).update(state="suspended", trouble={"code": "host-forbidden", "facts": {}})
    rows.filter(pk=other.id).update(state="suspended", trouble={"code": "login-rejected", "facts": {}})
    egress.allow(ada, "192.168.1.10")
    assert [accounts.show(ada, one.id).state for one in (stopped, other)] == ["active", "suspended"]


@pytest.mark.django_db(transaction=True)
async def test_an_engine_that_is_running_asks_for_every_connection() -> None:
    from asgiref.sync import sync_to_async

    def access_of() -> tuple[Actor, Access]:
        ada = an_office()
        account = an_account(ada, incoming={"host": "127.0.0.1", "port": 1, "encryption": "none"}, outgoing=None)
        from poststelle.store.ways import way_in_of

        return ada, way_in_of(account.id)

    ada, access = await sync_to_async(access_of)()
    doors = NetworkDoors(egress.rule)
    for forbidden, change in ((True, egress.allow), (False, egress.revoke), (True, egress.allow)):
        with pytest.raises(Exception, match="host-forbidden" if forbidden else "connection-refused") as refused:
            await doors.source(access)
        assert isinstance(refused.value, NeedsAttention) is forbidden
        await sync_to_async(change)(ada, "127.0.0.1")
