"""Looking for settings at the counter: for administrators, counted, and of everything found the sentence is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from asgiref.sync import sync_to_async

from poststelle.errors import Invalid, NotPermitted, TryAgain
from poststelle.mail.provider import Finding, Places
from poststelle.office import accounts, advice, discovery, probing
from poststelle.office.actor import Actor
from poststelle.run.configuration import Configuration
from tests.builders import a_person, an_office

pytestmark = pytest.mark.django_db(transaction=True)


async def found(actor: Actor, address: str) -> list[Finding]:
    return [one async for one in discovery.discover(actor, address, Places(database=""))]


async def test_an_address_is_enough_for_a_complete_document() -> None:
    ada = await sync_to_async(an_office)()
    [finding] = await found(ada, "kanzlei@posteo.de")
    document = {"label": "Kanzlei", "address": "kanzlei@posteo.de", **finding.document}
    document["login"] = {**document["login"], "password": "geheim"}  # type: ignore[dict-item]
    record = await sync_to_async(accounts.add)(ada, document)
    assert record.incoming is not None
    assert record.incoming.host == "posteo.de"


async def test_only_whoever_sets_mailboxes_up_looks_for_settings() -> None:
    await sync_to_async(an_office)()
    with pytest.raises(NotPermitted):
        await found(await sync_to_async(a_person)(), "kanzlei@posteo.de")


@pytest.mark.parametrize(
    "address", ["", "kanzlei", "kanzlei@posteo", "a@[127.0.0.1]", "a b@c.test", "a@xn--.test\n", "@x.de"]
)
async def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Invalid) as refused:
        await found(await sync_to_async(an_office)(), address)
    assert refused.value.fields == {"address": "not-an-address"}


async def test_looking_is_counted() -> None:
    ada = await sync_to_async(an_office)()
    for _ in range(probing.PER_HOUR_ADMINISTRATOR):
        await found(ada, "kanzlei@posteo.de")
    with pytest.raises(TryAgain) as refused:
        await found(ada, "kanzlei@posteo.de")
    assert refused.value.code == "too-many-probes"
    assert 0 < (refused.value.after or 0) <= 3600


def test_every_hint_of_the_providers_and_every_source_has_words() -> None:
    hints = {hint for one in discovery.providers() for hint in one.hints} | {"exchange", "oauth-only"}
    assert hints == set(advice.HINTS)
    assert set(advice.SOURCES) == {"preset", "mx", "autoconfig", "database", "srv", "autodiscover", "guess"}


def test_a_provider_can_be_chosen_by_hand() -> None:
    chosen = discovery.settings_of("strato", "info@kanzlei.test")
    assert chosen is not None
    assert chosen.document["incoming"]["host"] == "imap.strato.de"  # type: ignore[index]
    assert discovery.settings_of("nobody", "info@kanzlei.test") is None


def test_where_is_asked_is_the_installations_to_say(tmp_path: Path) -> None:
    assert Configuration(home=tmp_path).discovery_places == Places()
    told = Configuration(
        home=tmp_path, discovery_autoconfig="https://mail.amt.test/{domain}.xml", discovery_database=False,
        discovery_exchange=False, discovery_guessing=False, discovery_nameserver="10.0.0.1:5353",
    ).discovery_places  # fmt: skip
    assert told.autoconfig == ("https://mail.amt.test/{domain}.xml",)
    assert (told.database, told.exchange_json, told.exchange, told.guesses) == ("", "", (), ())
    assert (told.nameservers, told.dns_port) == (("10.0.0.1",), 5353)
    assert Configuration(home=tmp_path, discovery_nameserver="2001:db8::1").discovery_places.dns_port == 53


@pytest.mark.parametrize("wrong", ["dns.amt.test", "10.0.0.1:", "10.0.0.1:99999", "10.0.0.1:x", ":53"])
def test_a_name_server_that_is_no_address_stops_the_start(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match="discovery_nameserver"):
        Configuration(home=tmp_path, discovery_nameserver=wrong)
