"""Exceptions from safe connections: who made them, when and why is kept, and said wherever the exception holds (RELIABILITY Q44)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from poststelle.errors import Invalid
from poststelle.mail.records import AccountRecord
from poststelle.office import accounts, bulk, feed, kinds, outgoing_servers, templates
from poststelle.office.account_documents import document_of
from poststelle.office.actor import SYSTEM, Actor
from tests.builders import a_person, an_account, an_office

pytestmark = pytest.mark.django_db(transaction=True)

WHY = "Eigenes Zertifikat, Fingerabdruck am Telefon verglichen"
PIN = {"certificate": {"mode": "pinned", "fingerprint": "ab" * 32}, "exception_reason": WHY}


@pytest.fixture(autouse=True)
def _home(home: object) -> None:
    """A data folder of the test's own."""


@pytest.fixture
def clara() -> Actor:
    return an_office()


def told(record: AccountRecord) -> list[tuple[str, str, str, str, str]]:
    return [(one.way, one.what, one.by, one.reason, one.server) for one in record.exceptions]


def journaled(clara: Actor, kind: str) -> list[Mapping[str, object]]:
    return [one.facts for one in feed.changes(clara, 0, 200).items if one.kind == kind]


def test_why_an_exception_was_made_is_kept_with_it_and_stands_in_the_journal(clara: Actor) -> None:
    account = an_account(clara, incoming={"host": "mail.amt.test"} | PIN)
    assert told(account) == [("incoming", "certificate-pinned", clara.name, WHY, "")]
    (made,) = journaled(clara, "exception-made")
    assert (made["what"], made["reason"]) == (["certificate-pinned"], WHY)
    (listed,) = accounts.exceptions(clara).items
    assert told(listed) == told(account)


def test_a_reason_given_later_leaves_who_made_the_exception_and_when(clara: Actor) -> None:
    account = an_account(clara, incoming={"host": "mail.amt.test", "certificate": PIN["certificate"]})
    other = a_person("eva@amt.test", administrator=True)
    both = [{"user": one, "rights": ["administer"]} for one in ("eva@amt.test", clara.name)]
    accounts.change(clara, account.id, {"grants": both})
    changed = accounts.change(other, account.id, {"incoming": {"exception_reason": WHY}})
    assert told(changed) == [("incoming", "certificate-pinned", clara.name, WHY, "")]
    assert changed.exceptions[0].at == account.exceptions[0].at
    assert len(journaled(clara, "exception-made")) == 1
    facts = journaled(clara, "account-changed")[-1]
    assert (facts["fields"], facts["after"]) == (["incoming.exception_reason"], {"incoming.exception_reason": WHY})


def test_another_exception_forgets_the_reason_of_the_one_before(clara: Actor) -> None:
    account = an_account(clara, incoming={"host": "mail.amt.test"} | PIN)
    accounts.change(clara, account.id, {"display_name": "Zentrale", "incoming": {"host": "mail.amt.test"}})
    assert told(accounts.show(clara, account.id))[0][3] == WHY
    other = {"certificate": {"mode": "other-name", "name": "alt.amt.test"}}
    assert told(accounts.change(clara, account.id, {"incoming": other}))[0][3] == ""
    assert (
        told(accounts.change(clara, account.id, {"incoming": other | {"exception_reason": "Umzug"}}))[0][3] == "Umzug"
    )
    safe = accounts.change(clara, account.id, {"incoming": {"certificate": {"mode": "strict"}}})
    assert (told(safe), safe.incoming and safe.incoming.exception_reason) == ([], "")


def test_a_reason_is_one_short_line_and_none_is_kept_without_an_exception(clara: Actor) -> None:
    for reason, complaint in {
        "x" * 501: "too-long",
        "zwei\nZeilen": "control-character",
        "\ud800": "control-character",
    }.items():
        with pytest.raises(Invalid) as refused:
            an_account(clara, incoming={"host": "mail.amt.test"} | PIN | {"exception_reason": reason})
        assert refused.value.fields == {"incoming.exception_reason": complaint}
    account = an_account(clara, incoming={"host": "mail.amt.test", "exception_reason": WHY})
    assert account.incoming is not None
    assert account.incoming.exception_reason == ""


def test_whoever_only_sees_a_mailbox_does_not_read_why(clara: Actor) -> None:
    bob = a_person()
    assert bob.user is not None
    grants = [{"user": clara.name, "rights": ["administer"]}, {"user": bob.user.email, "rights": ["see"]}]
    an_account(clara, incoming={"host": "mail.amt.test"} | PIN, grants=grants)
    assert WHY not in str(document_of(accounts.show(bob, "Zentrale")))
    assert WHY in str(document_of(accounts.show(clara, "Zentrale")))


def test_the_reason_goes_along_with_tables_templates_and_duplicates(clara: Actor) -> None:
    account = an_account(clara, incoming={"host": "mail.amt.test"} | PIN)
    table = bulk.export(clara)
    accounts.change(clara, account.id, {"incoming": {"exception_reason": "verschrieben"}})
    assert not bulk.wrong_lines(bulk.apply(clara, table.encode(), update=True))
    assert told(accounts.show(clara, account.id))[0][3] == WHY
    assert kinds.duplicate(clara, account.id)["incoming"] == document_of(account)["incoming"]
    templates.put(clara, "Haus", {"incoming": document_of(account)["incoming"]})
    filled = templates.fill(clara, "Haus", {})["incoming"]
    assert isinstance(filled, Mapping)
    assert filled["exception_reason"] == WHY


@pytest.mark.parametrize("chosen", [True, False])
def test_a_mailbox_names_the_exception_of_the_outgoing_server_it_sends_through(clara: Actor, chosen: bool) -> None:
    outgoing_servers.add(clara, {"label": "Versand", "host": "out.amt.test", "default": not chosen} | PIN)
    account = an_account(clara, outgoing={"server": "Versand"} if chosen else None)
    assert told(account) == [("outgoing", "certificate-pinned", clara.name, WHY, "Versand")]
    # It is the server's: the list names it once, there.
    assert not accounts.exceptions(clara).items
    assert [one.label for one in outgoing_servers.exceptions(clara)] == ["Versand"]
    assert (
        told(accounts.change(clara, account.id, {"outgoing": {"host": "eigener.amt.test"}, "login": {"password": "x"}}))
        == []
    )


def test_a_server_of_ones_own_is_changed_by_its_owner_and_the_offices_by_administrators(clara: Actor) -> None:
    bob = a_person()
    assert bob.user is not None
    office = outgoing_servers.add(clara, {"label": "Amt", "host": "out.amt.test"})
    own = outgoing_servers.add(bob, {"label": "Bobs", "host": "out.bob.test", "owner": bob.user.email})
    may = [[outgoing_servers.may_change(actor, one) for one in (office, own)] for actor in (clara, bob, SYSTEM)]
    assert may == [[True, False], [False, True], [True, True]]


def test_the_reason_of_a_servers_exception_is_journaled_and_changed_alone(clara: Actor) -> None:
    outgoing_servers.add(clara, {"label": "Versand", "host": "out.amt.test"} | PIN)
    (made,) = journaled(clara, "outgoing-server-added")
    assert (made["exceptions"], made["reason"]) == (["certificate-pinned"], WHY)
    changed = outgoing_servers.change(clara, "Versand", {"exception_reason": "Umzug bis Ostern"})
    assert [(one.by, one.reason) for one in changed.exceptions] == [(clara.name, "Umzug bis Ostern")]
    (facts,) = journaled(clara, "outgoing-server-changed")
    assert facts["reason"] == "Umzug bis Ostern"


def test_an_exception_stays_behind_when_a_mailbox_moves_to_other_servers(clara: Actor) -> None:
    moved = kinds.elsewhere({"incoming": {"host": "neu.test"}, "login": {"password": "x"}})
    account = an_account(
        clara, incoming={"host": "mail.amt.test", "encryption": "starttls", "minimum_tls": "1.0"} | PIN
    )
    wanted = accounts.to_probe(clara, moved, account.id)
    assert wanted.incoming is not None
    assert (wanted.incoming.host, wanted.incoming.port, wanted.incoming.exceptions) == ("neu.test", 993, ())
