"""What a mailbox can become: an archive, one at another provider, a second one like it; and how it is handed over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from poststelle.adapters.memory.server import MemoryServer
from poststelle.adapters.memory.source import MemorySource
from poststelle.errors import Conflict, Invalid, LoginRejected, NotFound, NotPermitted
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Kind
from poststelle.office import accounts, feed, hand_over, kinds, letters, outbox, reading, templates
from poststelle.office.actor import Actor
from poststelle.office.outbox import Draft
from poststelle.store import models
from poststelle.store.ways import access_of
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account, an_account_document, an_office
from tests.store.conftest import LOGIN, Shop

ARCHIVE = {"label": "Archiv", "kind": "archive"}


@pytest.fixture(autouse=True)
def _home(home: object) -> None:
    """A data folder of the test's own."""


@pytest.fixture
def clara(transactional_db: None) -> Actor:
    return an_office()


def test_an_archive_has_neither_servers_nor_a_log_in_and_is_never_synchronised(clara: Actor) -> None:
    record = accounts.add(clara, ARCHIVE)
    assert (record.kind, record.incoming, record.way_out, record.address) == (Kind.ARCHIVE, None, "", "")
    for field, part in {
        "incoming": {"incoming": {"host": "x.test"}},
        "outgoing": {"outgoing": {"host": "x.test"}},
        "login": {"login": {"username": "u", "password": "p"}},
    }.items():
        with pytest.raises(Invalid) as refused:
            accounts.add(clara, ARCHIVE | {"label": "Zwei"} | part)
        assert refused.value.fields[field] == "archive-has-no-server"
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, record.id, an_account_document("Archiv"))
    assert refused.value.fields == {"kind": "one-way"}
    assert accounts.change(clara, record.id, {"label": "Altpapier"}).label == "Altpapier"
    with pytest.raises(Conflict):
        kinds.to_archive(clara, record.id)


def test_a_mailbox_that_becomes_an_archive_keeps_messages_and_folders_and_forgets_its_password(clara: Actor) -> None:
    account = an_account(clara)
    inbox, cases = a_folder(account), a_folder(account, "Fälle", "2025")
    first, second = a_message_in(inbox), a_message_in(cases)
    record = kinds.to_archive(clara, account.id)
    assert (record.kind, record.login, record.outgoing) == (Kind.ARCHIVE, None, None)
    assert not models.Login.objects.exists()
    assert {reading.placement(clara, one.id).folder_id for one in (first, second)} == {inbox.id, cases.id}
    assert {folder.path for folder in reading.folders(clara, account.id)} == {("INBOX",), ("Fälle", "2025")}
    assert set(models.Folder.objects.values_list("place", "cursor")) == {("local", None)}
    assert all(remote.startswith("local.") for remote in models.Placement.objects.values_list("remote_id", flat=True))
    assert "account-converted" in [entry.kind for entry in feed.changes(clara, 0, 200).items]


def test_removing_a_mailbox_says_beforehand_what_goes_with_it(clara: Actor) -> None:
    account, other = an_account(clara), an_account(clara, "Andere")
    raw = a_letter()
    a_message_in(a_folder(account), raw)
    a_message_in(a_folder(other), raw)
    gone = a_folder(account, "Alt")
    a_message_in(gone)
    models.Folder.objects.filter(pk=gone.id).update(vanished_at=timezone.now())
    outbox.submit(clara, Draft(account.id, to=("a@b.test",), subject="x"))
    told = kinds.consequences(clara, account.id)
    assert (told.folders, told.messages, told.only_here, told.waiting_to_send, told.grants) == (1, 2, 1, 1, 1)


def test_a_second_mailbox_like_the_first_has_no_secret_and_is_added_once_it_is_complete(clara: Actor) -> None:
    account = an_account(clara, office_account=True, receiving={"push": False})
    document = kinds.duplicate(clara, account.id, "Zweite")
    assert "geheim" not in repr(document)
    assert document["login"] == {"mechanism": "auto", "domain": ""}
    document["login"] = {"username": "zweite", "password": "x"}
    second = accounts.add(clara, document)
    assert (second.label, second.receiving.push, second.is_office_account) == ("Zweite", False, False)


def test_there_is_one_office_account(clara: Actor) -> None:
    first = an_account(clara, office_account=True)
    with pytest.raises(Invalid) as refused:
        an_account(clara, "Zweite", office_account=True)
    assert refused.value.fields == {"office_account": "another-office-account"}
    accounts.change(clara, first.id, {"office_account": False})
    assert an_account(clara, "Zweite", office_account=True).is_office_account


def test_a_mailbox_fetched_by_pop3_has_no_folders_on_the_server(clara: Actor) -> None:
    pop3 = {"incoming": {"protocol": "pop3", "host": "pop.test"}, "kind": "fetch-only"}
    account = an_account(clara, **pop3, receiving={"after_import": "delete-later", "after_days": 30})
    assert account.incoming is not None
    assert (account.kind, account.incoming.port, account.receiving.all_folders) == (Kind.FETCH_ONLY, 995, False)
    access = access_of(account.id)
    assert (access.kind, access.receiving.after_days) == (Kind.FETCH_ONLY, 30)
    for name in ("all_folders", "subscribed_only", "inbox_is_root"):
        with pytest.raises(Invalid) as refused:
            accounts.change(clara, account.id, {"receiving": {name: True}})
        assert refused.value.fields == {f"receiving.{name}": "folders-need-imap"}
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, account.id, {"receiving": {"after_import": "trash"}})
    assert refused.value.fields == {"receiving.after_import": "trash-needs-imap"}
    assert accounts.change(clara, account.id, {"label": "Anders"}).kind is Kind.FETCH_ONLY


def test_the_document_says_everything_that_was_said_and_reads_back_to_the_same(clara: Actor) -> None:
    said: dict[str, Any] = {
        "organisation": "Amt", "reply_to": "r@amt.test", "active": False,
        "signature": {"text": "Gruß\nAmt", "html": "<p>Gruß</p>", "not_on_replies": True},
        "identities": [{"address": "b@amt.test", "display_name": "B", "signature": {"template": "Brief"}}],
        "receiving": {"interval_minutes": 15, "push": False, "since": "2025-01-01", "subscribed_only": True},
        "sending": {"sent_copy": "none"}, "grants": [{"user": "ada@amt.test", "rights": ["see", "administer"]}],
    }  # fmt: skip
    record = an_account(clara, **said)
    from poststelle.office.account_documents import document_of

    document = document_of(record)
    again = accounts.change(clara, record.id, document)
    assert document_of(again) == document
    assert again.version == record.version + 1
    assert (again.signature.text, again.receiving.interval_minutes, again.active) == ("Gruß\nAmt", 15, False)
    entries = [entry.facts["fields"] for entry in feed.changes(clara, 0, 200).items if entry.kind == "account-changed"]
    assert entries == [[]]


def test_a_signature_runs_nothing(clara: Actor) -> None:
    html = '<p onclick="x()">Gruß</p><script>alert(1)</script>'
    record = an_account(clara, signature={"text": "Gruß", "html": html})
    assert record.signature.html == "<p>Gruß</p>"


def test_letters_carry_the_words_of_an_html_signature(clara: Actor) -> None:
    html = '<p><b>Amt</b><br>Tel. 1</p><p><a href="https://amt.test/datenschutz">Datenschutz</a></p>'
    record = an_account(clara, signature={"html": html})
    assert record.signature.text == "Amt\nTel. 1\nDatenschutz <https://amt.test/datenschutz>"
    (sender,) = letters.senders(clara)
    assert sender.fresh.endswith("Datenschutz <https://amt.test/datenschutz>")
    changed = accounts.change(clara, record.id, {"signature": {"html": "<p>Neues Amt</p>"}})
    assert (changed.signature.text, changed.signature.html) == ("Neues Amt", "<p>Neues Amt</p>")
    own = accounts.change(clara, record.id, {"signature": {"text": "Kurz"}})
    assert (own.signature.text, own.signature.html) == ("Kurz", "<p>Neues Amt</p>")
    with pytest.raises(Invalid) as refused:
        accounts.change(clara, record.id, {"signature": {"html": "<img src=x>"}})
    assert refused.value.fields == {"signature.text": "missing"}


def test_a_change_made_from_an_earlier_version_is_refused(clara: Actor) -> None:
    record = an_account(clara)
    accounts.change(clara, record.id, {"version": record.version, "display_name": "Eins"})
    with pytest.raises(Conflict) as refused:
        accounts.change(clara, record.id, {"version": record.version, "display_name": "Zwei"})
    assert refused.value.facts == {"version": record.version + 1}
    assert accounts.show(clara, record.id).display_name == "Eins"


def test_a_template_says_what_it_would_change_and_holds_no_secret(clara: Actor) -> None:
    content = {"incoming": {"host": "imap.haus.test", "encryption": "starttls"}, "receiving": {"push": False}}
    templates.put(clara, "Haus", content)
    account = an_account(clara)
    told = {one.path: (one.before, one.after) for one in templates.preview(clara, "haus", None, account.id)}
    assert told == {
        "incoming.host": ("mail.amt.test", "imap.haus.test"), "incoming.encryption": ("tls", "starttls"),
        "receiving.push": (True, False),
    }  # fmt: skip
    filled = templates.fill(clara, "Haus", {"label": "Neu", "address": "n@amt.test", "incoming": {"port": 1143}})
    assert filled["incoming"] == {"host": "imap.haus.test", "encryption": "starttls", "port": 1143}
    templates.apply(clara, "Haus", account.id, {"login": {"password": "geheim"}})
    incoming = accounts.show(clara, account.id).incoming
    assert incoming is not None
    assert incoming.host == "imap.haus.test"
    for document, field in (
        ({"login": {"password": "x"}}, "document.login.password"),
        ({"label": "x"}, "document.label"),
        ({"incoming": {"port": 0}}, "document.incoming.port"),
        ({"shape": "round"}, "document.shape"),
    ):
        with pytest.raises(Invalid) as refused:
            templates.put(clara, "Falsch", document)
        assert field in refused.value.fields
    with pytest.raises(NotPermitted):
        templates.within(a_person())


class NewServer:
    """Opens the memory server a mailbox moves to."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server

    async def source(self, _: object, *, bulk: bool = False) -> MemorySource:
        return MemorySource(self.server, LOGIN)

    async def sender(self, _: object) -> Any:
        raise AssertionError("nothing is sent while moving")


class NoWayOut(NewServer):
    """Its server for sending lets nobody in."""

    async def sender(self, _: object) -> Any:
        raise LoginRejected("login-rejected")


async def test_a_mailbox_does_not_move_where_it_could_not_send(shop: Shop) -> None:
    new = MemoryServer()
    new.create_mailbox(LOGIN, "zentrale@amt.test")
    changes = {
        "incoming": {"host": "imap.neu.test"}, "outgoing": {"host": "smtp.neu.test", "port": 465, "encryption": "tls"},
        "login": {"username": "neu", "password": "neu"},
    }  # fmt: skip
    with pytest.raises(LoginRejected):
        await kinds.move(shop.actor, shop.account, changes, NoWayOut(new))  # type: ignore[arg-type]
    stayed = await sync_to_async(accounts.show)(shop.actor, shop.account)
    assert stayed.incoming is not None
    assert stayed.incoming.host == "mail.amt.test"


async def test_a_mailbox_moved_to_another_provider_fetches_nothing_twice_and_loses_nothing(shop: Shop) -> None:
    letters = [a_letter(f"Brief {number}") for number in range(8)]
    old = shop.server
    old.create_folder(LOGIN, ("Fälle",))
    for letter in letters[:5]:
        old.deliver(LOGIN, letter, path=("INBOX",))
    for letter in letters[5:]:
        old.deliver(LOGIN, letter, path=("Fälle",))
    await shop.sync()
    before = await sync_to_async(placed)(shop.account)
    assert len(before) == 8

    new = MemoryServer()
    new.create_mailbox(LOGIN, "zentrale@amt.test")
    new.create_folder(LOGIN, ("INBOX", "Fälle"))
    for letter in reversed(letters[1:5]):
        new.deliver(LOGIN, letter, path=("INBOX",))
    new.deliver(LOGIN, a_letter("Neu"), path=("INBOX",))
    for letter in letters[5:]:
        new.deliver(LOGIN, letter, path=("INBOX", "Fälle"))
    changes = {"incoming": {"host": "imap.neu.test"}, "outgoing": None, "login": {"username": "neu", "password": "neu"}}
    counts = await kinds.move(shop.actor, shop.account, changes, NewServer(new))  # type: ignore[arg-type]
    assert counts["matched"] == 2

    shop.server = new
    await shop.sync()
    after = await sync_to_async(placed)(shop.account)
    assert set(before) <= set(after)
    assert sorted(after.values()) == sorted([*before.values(), "Neu"])
    folders = await sync_to_async(reading.folders)(shop.actor, shop.account)
    assert sorted(folder.total for folder in folders if folder.total) == [3, 6]
    again = await shop.sync()
    assert (again.new, again.removed) == (0, 0)
    access = await sync_to_async(access_of)(shop.account)
    assert access.incoming is not None
    assert access.incoming.host == "imap.neu.test"


def placed(account: str) -> dict[str, str]:
    """The account's placements with the subjects of their messages."""
    rows = models.Placement.objects.filter(folder__account=account).values_list("id", "message__subject")
    return {str(number): subject for number, subject in rows}


def test_a_link_hands_the_password_over_without_showing_the_account(clara: Actor) -> None:
    account = an_account(clara, outgoing=None, login={"username": "zentrale", "by_owner": True})
    assert account.login is not None
    assert not account.login.has_password
    token, expires_at = hand_over.create(clara, account.id)
    assert timedelta(hours=23) < expires_at - timezone.now() <= timedelta(hours=24)
    seen = hand_over.look(token)
    assert (seen.office, seen.address, seen.asked_by) == ("Amt", "zentrale@amt.test", "Ada (ada@amt.test)")
    assert hand_over.look(token) == seen
    assert token not in repr(list(models.HandOver.objects.values()))
    second, _ = hand_over.create(clara, account.id)
    for void in (token, "erfunden", ""):
        with pytest.raises(NotFound):
            hand_over.look(void)
    models.HandOver.objects.update(expires_at=timezone.now())
    with pytest.raises(NotFound):
        hand_over.look(second)


async def test_a_failed_test_leaves_the_link_as_it_was(transactional_db: None) -> None:
    clara = await sync_to_async(an_office)()
    account = await sync_to_async(an_account)(clara)
    token, _ = await sync_to_async(hand_over.create)(clara, account.id)
    with pytest.raises(Invalid):
        await anext(hand_over.submit(token, Secret("")))
    steps = [step async for step in hand_over.submit(token, Secret("geraten"))]
    assert (steps[-1].name, steps[-1].state) == ("kept", "skipped")
    login = (await sync_to_async(access_of)(account.id)).login
    assert login is not None
    assert login.password is not None
    assert login.password.reveal() == "geheim"
    assert (await sync_to_async(hand_over.look)(token)).address == "zentrale@amt.test"


def test_only_who_administers_hands_over(clara: Actor) -> None:
    account = an_account(clara)
    with pytest.raises(NotFound):
        hand_over.create(a_person(), account.id)
