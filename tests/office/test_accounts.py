"""Accounts at the counter: who may, who must, and what a secret survives."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from ipaddress import ip_address

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone

from poststelle.errors import Invalid, NotFound, NotPermitted
from poststelle.mail.ports import SEEN
from poststelle.mail.settings import Right
from poststelle.office import (
    accounts,
    egress,
    feed,
    groups,
    handling,
    logins,
    outbox,
    outgoing_servers,
    people,
    reading,
)
from poststelle.office.actor import SYSTEM
from poststelle.office.outbox import Draft
from poststelle.store import models
from poststelle.store.ways import access_of
from tests.builders import (
    a_folder,
    a_letter,
    a_message_in,
    a_person,
    an_account,
    an_account_document,
    an_office,
)

OUTGOING = {"protocol": "smtp", "host": "mail.amt.test", "port": 465, "encryption": "tls"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _home(home: object) -> None:
    """A data folder of the test's own."""


def test_whoever_adds_an_account_without_grants_gets_all_rights() -> None:
    clara = an_office()
    assert an_account(clara).rights == frozenset(Right)


def test_the_owner_gets_all_rights_of_a_personal_account_and_its_maker_none() -> None:
    clara, bob = an_office(), a_person()
    assert bob.user is not None
    number = accounts.add(clara, an_account_document(scope="personal", owner=bob.user.email)).id
    assert accounts.show(bob, number).rights == frozenset(Right)
    with pytest.raises(NotFound):
        accounts.show(clara, number)


def test_a_personal_account_without_an_owner_is_its_makers() -> None:
    clara = an_office()
    owner = accounts.add(clara, an_account_document(scope="personal")).owner
    assert clara.user is not None
    assert owner is not None
    assert owner.id == clara.user.id


def test_an_account_nobody_would_administer_is_administered_by_its_maker_who_cannot_read_it() -> None:
    clara, bob = an_office(), a_person()
    assert bob.user is not None
    document = an_account_document(grants=[{"user": bob.user.email, "rights": ["see", "process"]}])
    number = accounts.add(clara, document).id
    assert accounts.show(clara, number).rights == {Right.ADMINISTER}
    assert accounts.show(bob, number).rights == {Right.SEE, Right.PROCESS}


def test_only_administrators_add_and_only_those_with_the_right_change() -> None:
    clara, bob = an_office(), a_person()
    with pytest.raises(NotPermitted):
        accounts.add(bob, an_account_document())
    assert bob.user is not None
    assert clara.user is not None
    document = an_account_document(
        grants=[
            {"user": bob.user.email, "rights": ["see"]},
            {"user": clara.user.email, "rights": ["administer"]},
        ]
    )
    number = accounts.add(clara, document).id
    with pytest.raises(NotPermitted):
        accounts.change(bob, number, {"display_name": "Bob"})
    with pytest.raises(NotPermitted):
        accounts.remove(bob, number)


@pytest.mark.parametrize(
    "move",
    [
        {"incoming": {"host": "elsewhere.test"}},
        {"incoming": {"port": 1993}},
        {"incoming": {"encryption": "starttls"}},
        {"login": {"username": "somebody"}},
    ],
)
def test_moving_the_server_or_the_user_name_asks_for_the_password_again(move: dict[str, object]) -> None:
    clara = an_office()
    number = an_account(clara).id
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, number, move)
    assert refused.value.fields == {"login.password": "needed-again"}
    secret = move.get("login", {}) | {"password": "neu"}  # type: ignore[operator]
    accounts.change(clara, number, move | {"login": secret})
    login = access_of(number).login
    assert login is not None
    assert login.password is not None
    assert login.password.reveal() == "neu"


def test_a_change_that_moves_nothing_keeps_the_password() -> None:
    clara = an_office()
    number = an_account(clara).id
    accounts.change(clara, number, {"label": "Neuer Name", "login": {"username": "zentrale"}})
    login = access_of(number).login
    assert login is not None
    assert login.password is not None
    assert login.password.reveal() == "geheim"


def test_removing_the_way_out_asks_for_no_password() -> None:
    clara = an_office()
    number = an_account(clara).id
    assert accounts.change(clara, number, {"outgoing": None}).outgoing is None


@pytest.mark.parametrize(
    "first", [{"outgoing": None}, {"outgoing": {"host": "elsewhere.test", "authentication": "none"}}]
)
def test_no_detour_sends_the_stored_password_to_another_server(first: dict[str, object]) -> None:
    clara = an_office()
    number = an_account(clara).id
    accounts.change(clara, number, first)
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, number, {"outgoing": {"host": "elsewhere.test", "authentication": "same"}})
    assert refused.value.fields == {"login.password": "needed-again"}


async def test_a_test_does_not_try_the_stored_password_at_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    reachable = settings.POSTSTELLE.model_copy(update={"egress_allow": ("127.0.0.1",)})
    monkeypatch.setattr(settings, "POSTSTELLE", reachable)
    clara = await sync_to_async(an_office)()
    number = (await sync_to_async(an_account)(clara)).id
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 elsewhere.test\r\n")
        while line := await reader.readline():
            heard.append(line)
            writer.write(b"250 AUTH PLAIN LOGIN\r\n")
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as elsewhere:
        port = elsewhere.sockets[0].getsockname()[1]
        moved = {
            "incoming": None,
            "kind": "send-only",
            "outgoing": {"host": "127.0.0.1", "port": port, "encryption": "none"},
        }
        steps = [step async for step in accounts.probe(clara, moved, number)]
    assert [step.name for step in steps if step.state == "failed"] == ["login"]
    assert not [line for line in heard if line.startswith(b"AUTH")]


def test_a_log_in_without_password_is_refused() -> None:
    clara = an_office()
    with pytest.raises(Invalid) as refused:
        an_account(clara, login={"username": "zentrale"})
    assert refused.value.fields == {"login.password": "missing"}


def test_grants_set_to_null_are_those_of_an_account_without_any_named() -> None:
    clara = an_office()
    number = an_account(clara, grants=[{"user": "ada@amt.test", "rights": ["administer"]}]).id
    changed = accounts.change(clara, number, {"grants": None})
    assert [grant.rights for grant in changed.grants] == [frozenset(Right)]


def test_a_label_is_unique_whatever_its_case() -> None:
    clara = an_office()
    an_account(clara, "Zentrale")
    with pytest.raises(Invalid) as refused:
        an_account(clara, "ZENTRALE")
    assert refused.value.fields == {"label": "taken"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "archive"}, "incoming"),
        ({"kind": "archive", "incoming": None, "outgoing": None}, "login"),
        ({"incoming": {"protocol": "ews", "host": "x.test"}}, "incoming.protocol"),
        ({"incoming": {"protocol": "pop3", "host": "x.test"}}, "kind"),
        ({"kind": "fetch-only"}, "kind"),
        ({"incoming": {"host": "x.test", "certificate": {"mode": "pinned"}}}, "incoming.certificate.fingerprint"),
        ({"incoming": {"host": "x.test", "certificate": {"mode": "other-name"}}}, "incoming.certificate.name"),
        ({"incoming": {"host": "x.test", "certificate": {"name": "y.test"}}}, "incoming.certificate.name"),
        ({"incoming": {"host": "x.test", "certificate": {"mode": "unchecked"}}}, "incoming.certificate.mode"),
        ({"incoming": {"host": "x.test", "minimum_tls": "0.9"}}, "incoming.minimum_tls"),
        ({"login": {"username": "u", "password": "p", "mechanism": "ntlm"}}, "login.mechanism"),
        ({"login": {"username": "u", "mechanism": "external"}}, "login.client_certificate"),
        ({"login": {"username": "u", "client_certificate": "PEM"}}, "login.client_certificate"),
        ({"login": {"login": "niemandes"}}, "login.login"),
        ({"outgoing": {"server": "keiner"}}, "outgoing.server"),
        ({"outgoing": {"server": "keiner", "host": "x.test"}}, "outgoing.host"),
        ({"outgoing": {"host": "x.test", "authentication": "server"}}, "outgoing.authentication"),
        ({"receiving": {"interval_minutes": 0}}, "receiving.interval_minutes"),
        ({"receiving": {"since": "31.12.2025"}}, "receiving.since"),
        ({"receiving": {"after_import": "burn"}}, "receiving.after_import"),
        ({"receiving": {"push": "yes"}}, "receiving.push"),
        ({"receiving": []}, "receiving"),
        ({"sending": {"sent_copy": "folder"}}, "sending.sent_folder"),
        ({"sending": {"sent_copy": "folder", "sent_folder": "nirgends"}}, "sending.sent_folder"),
        ({"roles": {"sent": "Gesendet"}}, "roles.sent"),
        ({"roles": {"sent": ["a"] * 21}}, "roles.sent"),
        ({"roles": {"sent": ["", 1]}}, "roles.sent"),
        ({"roles": {"inbox": ["INBOX"]}}, "roles.inbox"),
        ({"roles": {"sent": ["Gesendet"]}, "incoming": {"protocol": "pop3", "host": "x.test"}}, "roles"),
        ({"signature": {"text": "Gruß", "template": "Brief"}}, "signature.template"),
        ({"identities": [{"address": "a@b.test"}, {"address": "A@B.test"}]}, "identities.1.address"),
        ({"identities": ["a@b.test"]}, "identities.0"),
        ({"scope": "personal", "office_account": True}, "office_account"),
        ({"reply_to": "niemand"}, "reply_to"),
        ({"grants": [{"user": "ada@amt.test", "rights": ["see"], "from": "morgen"}]}, "grants.0.from"),
        ({"grants": [{"user": "ada@amt.test", "rights": ["send-as"], "folder": "x"}]}, "grants.0.rights"),
        ({"grants": [{"group": "alle", "rights": ["see"]}]}, "grants.0.group"),
        ({"incoming": {"host": "x.test", "port": 70000}}, "incoming.port"),
        ({"address": "ohne-klammeraffe"}, "address"),
        ({"unbekannt": 1}, "unbekannt"),
        ({"label": "halbes Paar \ud800"}, "label"),
        ({"login": {"username": "u", "password": "\ud800"}}, "login.password"),
        ({"kind": ["archive"]}, "kind"),
        ({"incoming": {"protocol": {}, "host": "x.test"}}, "incoming.protocol"),
        ({"incoming": {"host": "x.test", "certificate": {"mode": []}}}, "incoming.certificate.mode"),
        ({"grants": [{"user": "ada@amt.test", "rights": [{}]}]}, "grants.0.rights"),
        ({"incoming": None}, "incoming"),
    ],
)
def test_what_cannot_be_served_is_refused_by_the_name_of_its_field(changes: dict[str, object], field: str) -> None:
    clara = an_office()
    with pytest.raises(Invalid) as refused:
        accounts.add(clara, an_account_document(**changes))
    assert field in refused.value.fields


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"encryption": "none"}, "encryption"), ({"minimum_tls": "1.0"}, "minimum_tls"),
        ({"plain_text_allowed": True}, "plain_text_allowed"), ({"certificate": {"mode": "unchecked"}}, "certificate.mode"),
    ],
)  # fmt: skip
def test_only_administrators_make_a_connection_less_safe(
    part: dict[str, object], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lenient = settings.POSTSTELLE.model_copy(update={"allow_unchecked_certificates": True})
    monkeypatch.setattr(settings, "POSTSTELLE", lenient)
    clara, bob = an_office(), a_person()
    account = an_account(clara, grants=[{"user": bob.name, "rights": ["administer"]}])
    secret = {"login": {"password": "geheim"}}
    for way in ("incoming", "outgoing"):
        with pytest.raises(Invalid) as refused:
            accounts.change(bob, account.id, {way: part} | secret)
        assert refused.value.fields == {f"{way}.{field}": "only-administrators"}
        kept = accounts.change(SYSTEM, account.id, {way: part} | secret)
        assert getattr(kept, way).exceptions


def test_removing_an_account_forgets_it_for_everybody() -> None:
    clara = an_office()
    number = an_account(clara).id
    accounts.remove(clara, number)
    with pytest.raises(NotFound):
        accounts.show(SYSTEM, number)


def test_the_journal_says_which_parts_of_an_account_were_changed_and_by_whom() -> None:
    clara, bob = an_office(), a_person()
    assert clara.user is not None
    assert bob.user is not None
    number = an_account(clara).id
    everything = [right.value for right in Right]
    grants = [{"user": clara.user.email, "rights": everything}, {"user": bob.user.email, "rights": ["see"]}]
    accounts.change(clara, number, {"label": "Neu", "login": {"password": "neu"}, "grants": grants})
    accounts.change(clara, number, {"display_name": "Amt"})
    told = [(one.actor, one.facts) for one in feed.changes(clara, 0).items if one.kind == "account-changed"]
    was_and_is = {"before": {"label": "Zentrale"}, "after": {"label": "Neu"}}
    assert told == [
        (clara.user.email, {"fields": ["grants", "label", "login"]} | was_and_is), (clara.user.email, {"fields": []}),
    ]  # fmt: skip


def test_the_journal_says_what_was_and_what_is_and_no_secret() -> None:
    clara = an_office()
    groups.add(clara, "Partner", [])
    number = an_account(clara).id
    accounts.change(
        clara, number, {
            "incoming": {"host": "neu.test"}, "receiving": {"push": False, "files_for": "Partner"}, "scope": "personal",
            "owner": clara.name, "signature": {"text": "x" * 5000}, "identities": [{"address": "b@amt.test"}], "login": {"username": "neu", "password": "Geheimwort-1"},
        },
    )  # fmt: skip
    (facts,) = [one.facts for one in feed.changes(clara, 0).items if one.kind == "account-changed"]
    assert facts["before"] == {
        "scope": "shared", "owner": None, "signature.text": "", "receiving.push": True, "receiving.files_for": "",
        "incoming.host": "mail.amt.test", "identities": [],
    }  # fmt: skip
    assert facts["after"] == {
        "scope": "personal", "owner": clara.name, "signature.text": f"{'x' * 300}…", "receiving.push": False,
        "receiving.files_for": "Partner", "incoming.host": "neu.test", "identities": ["b@amt.test"],
    }  # fmt: skip
    logins.add(clara, {"label": "Alle", "username": "alle", "password": "Geheimwort-2"})
    logins.change(clara, "Alle", {"username": "jeder", "password": "Geheimwort-3"})
    outgoing_servers.add(clara, {"label": "Aus", "host": "aus.test"})
    outgoing_servers.change(clara, "Aus", {"host": "raus.test"})
    groups.change(clara, "Partner", name="Sozien")
    told = {one.kind: one.facts for one in feed.changes(clara, 0, 200).items}
    assert (told["login-changed"]["before"], told["login-changed"]["after"]) == (
        {"username": "alle"},
        {"username": "jeder"},
    )
    assert told["outgoing-server-changed"]["after"] == {"host": "raus.test"}
    assert told["group-changed"]["before"] == {"name": "Partner"}
    assert "Geheimwort" not in str(told)


def test_a_login_that_no_account_uses_any_more_is_forgotten_with_its_password() -> None:
    clara = an_office()
    own = {"authentication": "own", "login": {"username": "versand", "password": "geheim2"}}
    number = an_account(clara, outgoing=OUTGOING | own).id
    accounts.change(
        clara, number, {"outgoing": {"authentication": "same", "login": None}, "login": {"password": "neu"}}
    )
    assert [row.username for row in models.Login.objects.all()] == ["zentrale"]
    accounts.remove(clara, number)
    assert not models.Login.objects.exists()


def test_the_grant_of_somebody_who_keeps_it_keeps_its_dates() -> None:
    clara, bob = an_office(), a_person()
    assert bob.user is not None
    number = an_account(clara).id
    until = timezone.now() + timedelta(days=1)
    models.Grant.objects.create(account_id=number, user_id=bob.user.id, see=True, ends_at=until)
    grants = [{"user": bob.user.email, "rights": ["see", "process"]}]
    accounts.change(clara, number, {"grants": grants})
    assert accounts.show(bob, number).rights == {Right.SEE, Right.PROCESS}
    assert models.Grant.objects.get(account_id=number, user_id=bob.user.id).ends_at == until


def test_a_removed_account_takes_its_placements_along_and_leaves_other_mailboxes_alone() -> None:
    clara = an_office()
    gone, kept = an_account(clara, "Alt"), an_account(clara, "Bleibt")
    inboxes = [a_folder(account) for account in (gone, kept)]
    raw = a_letter()
    answered, other = (a_message_in(inbox, raw) for inbox in inboxes)
    handling.mark(clara, handling.Selection([answered.id, other.id]), add=[SEEN])
    outgoing = outbox.submit(clara, Draft(kept.id, to=("a@b.test",), subject="Re", answers=answered.id))
    accounts.remove(clara, gone.id)
    assert [str(number) for number in models.Placement.objects.values_list("id", flat=True)] == [other.id]
    assert models.Errand.objects.count() == 1
    assert outbox.show(clara, outgoing.id).state == "queued"
    assert reading.raw(clara, other.id) == raw


def test_a_name_that_looks_like_an_id_and_is_none_is_nobody() -> None:
    an_office()
    with pytest.raises(NotFound):
        people.actor_named("z" * 32)


def test_nothing_here_ever_connects_to_this_installation_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = settings.POSTSTELLE.model_copy(update={"egress_allow": ("127.0.0.0/8",), "host": "0.0.0.0", "port": 8025})
    monkeypatch.setattr(settings, "POSTSTELLE", allowed)
    here = ip_address("127.0.0.1")
    assert not egress.rule().permits("localhost", here, 8025)
    assert egress.rule().permits("localhost", here, 1143)
