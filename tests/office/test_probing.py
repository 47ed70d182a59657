"""Tests of mailboxes at the counter: who may, how often, what strangers to the network are told, and what stays of a test."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django.utils import translation

from poststelle.adapters.connection import EgressPolicy
from poststelle.errors import Conflict, Invalid, TryAgain
from poststelle.mail.records import Step
from poststelle.mail.secret import Secret
from poststelle.mail.settings import AccountSettings, Encryption, Endpoint, Kind, Login, Scope
from poststelle.office import accounts, probing
from poststelle.office.actor import SYSTEM, Actor
from tests.adapters.scripted_imap import scripted
from tests.adapters.scripted_smtp import scripted_smtp
from tests.builders import a_person, an_account_document, an_office

pytestmark = pytest.mark.django_db(transaction=True)

INSIDE = AccountSettings(
    "Innen", Kind.SYNCHRONISED, Scope.SHARED, "x@amt.test",
    incoming=Endpoint("imap", "192.168.1.10", 993, Encryption.TLS), login=Login("x", Secret("geheim")),
)  # fmt: skip


async def run(actor: Actor, settings: AccountSettings, recipient: str = "", allow: str = "") -> list[Step]:
    return [step async for step in probing.run(actor, settings, EgressPolicy.of(allow), recipient)]


async def people() -> tuple[Actor, Actor]:
    return await sync_to_async(an_office)(), await sync_to_async(a_person)()


async def test_administrators_learn_which_internal_address_it_is_and_others_do_not() -> None:
    ada, bob = await people()
    told = (await run(ada, INSIDE))[0]
    assert (told.error, told.detail["addresses"]) == ("host-internal", "192.168.1.10")
    told = (await run(bob, INSIDE))[0]
    assert (told.error, dict(told.detail)) == ("host-forbidden", {})
    assert told.seconds == pytest.approx(2.0)


async def test_twenty_tests_an_hour_are_enough() -> None:
    _, bob = await people()
    broken = AccountSettings("Leer", Kind.SEND_ONLY, Scope.SHARED, "x@amt.test")
    for _ in range(probing.PER_HOUR):
        await run(bob, broken)
    with pytest.raises(TryAgain, match="too-many-probes"):
        await run(bob, broken)
    assert await run(SYSTEM, broken) == []


async def test_more_tests_at_once_than_there_is_room_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, _ = await people()
    monkeypatch.setattr(probing._memory, "running", probing.AT_ONCE)
    with pytest.raises(Conflict, match="probes-busy"):
        await run(ada, INSIDE)


async def test_a_test_that_was_cut_off_makes_room_and_leaves_an_incomplete_report() -> None:
    ada, _ = await people()
    steps = probing.run(ada, INSIDE, EgressPolicy())
    await anext(steps)
    await steps.aclose()
    assert probing._memory.running == 0
    report = probing.last_report(ada)
    assert report is not None
    assert not report.complete
    assert not report.passed


async def test_the_report_says_what_happened_and_no_secret() -> None:
    ada, bob = await people()
    async with scripted({"LOGIN": b"{tag} NO geheim is wrong\r\n"}) as server:
        endpoint = server.endpoint()
        settings = AccountSettings(
            "Kanzlei", Kind.SYNCHRONISED, Scope.SHARED, "x@amt.test", incoming=endpoint,
            login=Login("x@amt.test", Secret("geheim")),
        )  # fmt: skip
        await run(ada, settings, allow="127.0.0.0/8")
    report = probing.last_report(ada)
    assert report is not None
    with translation.override("en"):
        told = report.as_text()
    for text in (told, report.as_json()):
        assert "login" in text
        assert "geheim" not in text
    assert json.loads(report.as_json())["passed"] is False
    assert "User name or password is wrong." in told
    assert probing.last_report(bob) is None


async def test_a_test_message_is_marked_so_that_it_is_never_routed() -> None:
    ada, _ = await people()
    async with scripted_smtp() as server:
        settings = AccountSettings(
            "Kanzlei", Kind.SEND_ONLY, Scope.SHARED, "kanzlei@amt.test", outgoing=server.endpoint(),
            login=Login("x", Secret("geheim")),
        )  # fmt: skip
        steps = await run(ada, settings, "jemand@anderswo.test", "127.0.0.0/8")
    assert (steps[-1].state, steps[-1].error) == ("warned", "cannot-be-checked")
    [sent] = server.taken
    assert probing.HEADER.encode() + b": 1\r\n" in sent
    assert b"Auto-Submitted: auto-generated\r\n" in sent
    assert b"kanzlei@amt.test" in sent


@pytest.mark.parametrize("recipient", ["kein", "a@b.test\r\nBcc: c@d.test", "<x@y.test>"])
async def test_a_recipient_that_is_no_address_is_refused(recipient: str) -> None:
    ada, _ = await people()
    with pytest.raises(Invalid) as refused:
        await run(ada, INSIDE, recipient)
    assert refused.value.fields == {"recipient": "not-an-address"}


async def test_an_account_keeps_the_test_it_was_saved_with(settings: LazySettings) -> None:
    ada, _ = await people()
    settings.POSTSTELLE = settings.POSTSTELLE.model_copy(update={"egress_allow": ("127.0.0.0/8",)})
    async with scripted() as server:
        place = {"host": "localhost", "port": server.port, "encryption": "none"}
        document = an_account_document(incoming=place, outgoing=None)
        steps = [step async for step in accounts.probe(ada, document)]
        assert "failed" not in {step.state for step in steps}
        tested = await sync_to_async(accounts.add)(ada, document)
        other = await sync_to_async(accounts.add)(
            ada, an_account_document("Andere", incoming={**place, "port": 1}, outgoing=None)
        )
    kept = await sync_to_async(accounts.last_probe)(ada, tested.id)
    assert kept is not None
    assert kept["passed"] is True
    assert await sync_to_async(accounts.last_probe)(ada, other.id) is None
