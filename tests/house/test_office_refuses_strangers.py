"""Every public function of the office refuses a stranger: somebody of the house without any right on the mailbox at hand.

A function that is new and named nowhere here fails the test: it gets an entry, or it says here why it needs none.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import FunctionType
from typing import Any

import pytest

from poststelle import office
from poststelle.errors import NotFound, NotPermitted
from poststelle.mail.listing import INBOX, Status, read_where
from poststelle.mail.ports import SEEN
from poststelle.mail.records import LookRecord, Page
from poststelle.mail.secret import Secret
from poststelle.mail.tree import EntryKind, Mount, Tree
from poststelle.office import (
    accounts,
    alarms,
    bulk,
    choosing,
    correspondents,
    departures,
    discovery,
    egress,
    events,
    feed,
    groups,
    hand_over,
    handling,
    health,
    identity_provider,
    invitations,
    kinds,
    ledger,
    letters,
    lists,
    live,
    logins,
    notice,
    outbox,
    outgoing_servers,
    oversight,
    people,
    pictures,
    proof,
    reading,
    rights,
    second_factors,
    sessions,
    special_folders,
    templates,
    tokens,
    trees,
    viewing,
    work,
)
from poststelle.office.actor import Actor, owner_of, require_administrator
from poststelle.office.doors import NetworkDoors
from poststelle.office.handling import Selection
from poststelle.office.outbox import Draft
from poststelle.store import messages
from tests.builders import (
    PASSWORD,
    a_folder,
    a_letter,
    a_message_in,
    a_person,
    an_account,
    an_account_document,
    an_office,
    everything_is_indexed,
)
from tests.store.conftest import home

__all__ = ["home"]


@dataclass(frozen=True)
class House:
    """Ada's mailbox with one message in it and one on its way; Bob is the stranger."""

    ada: Actor
    bob: Actor
    account: str
    folder: str
    message: str
    outgoing: str
    login: str
    note: str
    since: int
    """The journal's position before the mailbox: what comes after it is none of Bob's business."""

    def letter(self, **more: Any) -> Draft:
        return Draft(**{"account": self.account, "to": ("eva@kunde.test",), "subject": "Angebot"} | more)

    def first_step(self, account: str | None) -> object:
        async def ask() -> object:
            return await anext(accounts.probe(self.bob, an_account_document(), account))

        return asyncio.run(ask())

    def first_finding(self) -> object:
        async def ask() -> object:
            return await anext(discovery.discover(self.bob, "info@gmx.de"))

        return asyncio.run(ask())

    def first_try(self) -> object:
        async def ask() -> object:
            return await anext(logins.test_and_change_password(self.bob, self.login, Secret("x")))

        return asyncio.run(ask())

    def first_look(self) -> object:
        async def ask() -> object:
            return await anext(identity_provider.test(self.bob))

        return asyncio.run(ask())

    def first_step_of_server(self, server: str | None) -> object:
        async def ask() -> object:
            return await anext(outgoing_servers.probe(self.bob, {"label": "X", "host": "x.test"}, server))

        return asyncio.run(ask())


@pytest.fixture
def house(transactional_db: None, home: object) -> House:
    ada, bob = an_office(), a_person()
    since = feed.latest()
    account = an_account(ada)
    folder = a_folder(account)
    raw = a_letter("Geheim", html="<p>Geheim</p>", attachments=[("a.txt", "text/plain", b"Geheim")])
    message = a_message_in(folder, raw)
    outgoing = outbox.submit(ada, Draft(account.id, to=("eva@kunde.test",), subject="Geheim", text="Geheim"))
    everything_is_indexed()
    logins.add(ada, {"label": "Haus", "username": "haus", "password": "geheim"})
    templates.put(ada, "Haus", {"receiving": {"push": False}})
    groups.add(ada, "Alle", ["ada@amt.test"])
    outgoing_servers.add(ada, {"label": "Adas", "host": "out.test", "owner": "ada@amt.test"})
    assert account.login is not None
    note = work.add_note(ada, message.id, "Geheim")
    return House(ada, bob, account.id, folder.id, message.id, outgoing.id, account.login.id, note.id, since)


ATTEMPTS: dict[str, tuple[Callable[[House], object], ...]] = {
    "accounts.add": (lambda it: accounts.add(it.bob, an_account_document("Neu")),),
    "accounts.change": (lambda it: accounts.change(it.bob, it.account, {"display_name": "Bob"}),),
    "accounts.remove": (lambda it: accounts.remove(it.bob, it.account),),
    "accounts.show": (lambda it: accounts.show(it.bob, it.account), lambda it: accounts.show(it.bob, "Zentrale")),
    "accounts.page": (lambda it: accounts.page(it.bob),),
    "accounts.senders": (lambda it: accounts.senders(it.bob),),
    "accounts.sent_folders": (lambda it: accounts.sent_folders(it.bob, it.account),),
    "accounts.send_receive": (
        lambda it: accounts.send_receive(it.bob),
        lambda it: accounts.send_receive(it.bob, it.account),
    ),
    "accounts.accept_loss": (lambda it: accounts.accept_loss(it.bob, it.account),),
    "accounts.probe": (lambda it: it.first_step(None), lambda it: it.first_step(it.account)),
    "accounts.last_probe": (lambda it: accounts.last_probe(it.bob, it.account),),
    "discovery.discover": (lambda it: it.first_finding(),),
    "reading.tree": (lambda it: reading.tree(it.bob),),
    "reading.folders": (lambda it: reading.folders(it.bob, it.account),),
    "reading.folder": (lambda it: reading.folder(it.bob, it.folder),),
    "reading.arrived": (
        lambda it: reading.arrived(it.bob, it.folder, (it.message, it.message), datetime.min.replace(tzinfo=UTC), 5),
    ),
    "reading.page": (lambda it: reading.page(it.bob, it.folder),),
    "reading.set_aside": (lambda it: reading.set_aside(it.bob, it.folder),),
    "reading.placement": (lambda it: reading.placement(it.bob, it.message),),
    "reading.raw": (lambda it: reading.raw(it.bob, it.message),),
    "reading.open_message": (lambda it: reading.open_message(it.bob, it.message),),
    "reading.html_document": (lambda it: reading.html_document(it.bob, it.message, remote=False),),
    "reading.attachment": (lambda it: reading.attachment(it.bob, it.message, 0),),
    "handling.mark": (lambda it: handling.mark(it.bob, Selection([it.message]), add=[SEEN]),),
    "handling.mark_folder_read": (lambda it: handling.mark_folder_read(it.bob, it.folder),),
    "handling.move": (lambda it: handling.move(it.bob, Selection([it.message]), it.folder),),
    "handling.copy": (lambda it: handling.copy(it.bob, Selection([it.message]), it.folder),),
    "handling.delete": (
        lambda it: handling.delete(it.bob, Selection([it.message]), permanently=True),
        lambda it: handling.delete(it.bob, Selection(folder=it.folder)),
    ),
    "handling.empty_folder": (lambda it: handling.empty_folder(it.bob, it.folder),),
    "handling.archive": (lambda it: handling.archive(it.bob, Selection([it.message])),),
    "handling.mark_as_spam": (lambda it: handling.mark_as_spam(it.bob, Selection([it.message])),),
    "handling.mark_as_wanted": (lambda it: handling.mark_as_wanted(it.bob, Selection([it.message])),),
    "handling.undo": (lambda it: handling.undo(it.bob, "nothing"),),
    "handling.append": (lambda it: handling.append(it.bob, it.folder, a_letter()),),
    "handling.tidy_server": (lambda it: handling.tidy_server(it.bob, it.account),),
    "handling.create_folder": (lambda it: handling.create_folder(it.bob, it.account, ["Neu"]),),
    "handling.rename_folder": (lambda it: handling.rename_folder(it.bob, it.folder, ["Neu"]),),
    "handling.delete_folder": (lambda it: handling.delete_folder(it.bob, it.folder),),
    "handling.subscribe": (lambda it: handling.subscribe(it.bob, it.folder, subscribed=False),),
    "handling.set_role": (lambda it: handling.set_role(it.bob, it.folder, None),),
    "handling.check_purposes": (lambda it: handling.check_purposes(it.bob, it.account),),
    "handling.fetch_now": (lambda it: handling.fetch_now(it.bob, it.folder),),
    "handling.choose": (lambda it: handling.choose(it.bob, it.folder, {"show": False}),),
    "special_folders.create": (lambda it: special_folders.create(it.bob, it.account),),
    "correspondents.find": (lambda it: correspondents.find(it.bob, "eva"),),
    "reading.search": (lambda it: reading.search(it.bob, "geheim"),),
    "alarms.sound": (lambda it: alarms.sound(it.bob),),
    "health.everything": (lambda it: health.everything(it.bob),),
    "egress.allowed": (lambda it: egress.allowed(it.bob),),
    "egress.set_up": (lambda it: egress.set_up(it.bob),),
    "egress.allow": (lambda it: egress.allow(it.bob, "10.0.0.1"),),
    "egress.revoke": (lambda it: egress.revoke(it.bob, "10.0.0.1"),),
    "identity_provider.set_up": (lambda it: identity_provider.set_up(it.bob),),
    "identity_provider.test": (lambda it: it.first_look(),),
    "notice.show": (lambda it: notice.show(it.bob),),
    "notice.unread": (lambda it: notice.unread(it.bob, ""),),
    "notice.put": (lambda it: notice.put(it.bob, "Neuer Text"),),
    "rights.candidates": (lambda it: rights.candidates(it.bob, it.account),),
    "letters.senders": (lambda it: letters.senders(it.bob),),
    "outbox.submit": (lambda it: outbox.submit(it.bob, it.letter()),),
    "outbox.page": (lambda it: outbox.page(it.bob),),
    "outbox.held": (lambda it: [one for one in [outbox.held(it.bob)] if one is not None],),
    "outbox.open_to_decision": (lambda it: outbox.open_to_decision(it.bob, [outbox.show(it.ada, it.outgoing)]),),
    "outbox.send_again": (lambda it: outbox.send_again(it.bob, it.outgoing),),
    "outbox.discard": (lambda it: outbox.discard(it.bob, it.outgoing),),
    "outbox.hold": (lambda it: outbox.hold(it.bob),),
    "outbox.show": (lambda it: outbox.show(it.bob, it.outgoing),),
    "feed.changes": (lambda it: feed.changes(it.bob, it.since),),
    "events.page": (lambda it: events.page(it.bob, it.account),),
    "events.following": (lambda it: events.following(it.bob, it.account, 0),),
    "events.start_transcript": (lambda it: events.start_transcript(it.bob, it.account, timedelta(minutes=5)),),
    "events.stop_transcript": (lambda it: events.stop_transcript(it.bob, it.account),),
    "events.transcript": (lambda it: events.transcript(it.bob, it.account),),
    "health.board": (lambda it: health.board(it.bob)[0],),
    "health.silent_since": (lambda it: health.silent_since(it.bob, it.account) or (),),
    "health.of_the_office": (lambda it: health.of_the_office(it.bob),),
    "health.show": (lambda it: health.show(it.bob, it.account) or (),),
    "live.is_live": (lambda it: live.is_live(it.bob, it.folder),),
    "live.want": (lambda it: live.want(it.bob, it.folder),),
    "live.want_further": (lambda it: live.want_further(it.bob, it.folder),),
    "live.search": (lambda it: live.search(it.bob, it.folder, ["Wort"]),),
    "live.state": (lambda it: live.state(it.bob, it.folder),),
    "live.found": (
        lambda it: live.found(
            it.bob, LookRecord("1", it.folder, datetime.now(UTC), datetime.now(UTC), None, (), [it.message], more=False)
        ),
    ),
    "ledger.show": (lambda it: ledger.show(it.bob, it.account),),
    "ledger.window": (lambda it: ledger.window(it.bob, 10),),
    "accounts.labels": (lambda it: accounts.labels(it.bob, [it.account]),),
    "ledger.overview": (lambda it: ledger.overview(it.bob),),
    "ledger.ask": (lambda it: ledger.ask(it.bob, it.account),),
    "ledger.is_compared": (lambda it: ledger.is_compared(it.bob, it.account, datetime.now(UTC)),),
    "ledger.unreadable": (lambda it: ledger.unreadable(it.bob),),
    "ledger.set_aside": (lambda it: ledger.set_aside(it.bob),),
    "ledger.try_again": (lambda it: ledger.try_again(it.bob, it.folder),),
    "oversight.overseen": (lambda it: oversight.overseen(it.bob, it.account),),
    "oversight.overseen_accounts": (lambda it: oversight.overseen_accounts(it.bob),),
    "proof.verify": (lambda it: proof.verify(it.bob),),
    "proof.entries": (lambda it: proof.entries(it.bob),),
    "people.set_up": (
        lambda it: people.set_up(
            it.bob, office="Amt", language="de", email="b@b.test", name="B", password=Secret(PASSWORD)
        ),
    ),
    "people.add_user": (
        lambda it: people.add_user(it.bob, email="eve@amt.test", name="Eve", password=Secret(PASSWORD)),
    ),
    "people.change": (lambda it: people.change(it.bob, "bob@amt.test", administrator=True),),
    "people.users": (lambda it: people.users(it.bob),),
    "people.add_service": (lambda it: people.add_service(it.bob, email="x@x.test", name="X"),),
    "people.administered": (lambda it: people.administered(it.bob, "ada@amt.test"),),
    "tokens.make": (lambda it: tokens.make(it.bob, "ada@amt.test", "fremd"),),
    "tokens.of": (lambda it: tokens.of(it.bob, "ada@amt.test"),),
    "tokens.revoke": (lambda it: tokens.revoke(it.bob, "ada@amt.test", it.message),),
    "sessions.of": (lambda it: sessions.of(it.bob, "ada@amt.test"),),
    "sessions.end": (lambda it: sessions.end(it.bob, "ada@amt.test", "x"),),
    "sessions.end_all": (lambda it: sessions.end_all(it.bob, "ada@amt.test"),),
    "second_factors.of": (lambda it: second_factors.of(it.bob, "ada@amt.test"),),
    "second_factors.rule": (lambda it: second_factors.rule(it.bob),),
    "second_factors.require": (lambda it: second_factors.require(it.bob, everybody=True),),
    "second_factors.reset": (lambda it: second_factors.reset(it.bob, "ada@amt.test"),),
    "people.set_default_sender": (lambda it: people.set_default_sender(it.bob, it.account),),
    "accounts.new": (lambda it: accounts.new(it.bob, an_account_document("Neu")),),
    "accounts.overview": (lambda it: accounts.overview(it.bob),),
    "accounts.rights_on_all": (lambda it: accounts.rights_on_all(it.bob, [it.account]),),
    "people.blocked": (lambda it: people.blocked(it.bob),),
    "pictures.picture": (lambda it: pictures.picture(it.bob, it.message, "https://bild.example/1.png"),),
    "viewing.look": (lambda it: viewing.look(it.bob, it.message, 0),),
    "accounts.exceptions": (lambda it: accounts.exceptions(it.bob),),
    "accounts.to_probe": (
        lambda it: accounts.to_probe(it.bob, an_account_document("Neu")),
        lambda it: accounts.to_probe(it.bob, {}, it.account),
    ),
    "accounts.is_untested": (
        lambda it: accounts.is_untested(it.bob, an_account_document("Neu")),
        lambda it: accounts.is_untested(it.bob, {}, it.account),
    ),
    "accounts.administered": (lambda it: accounts.administered(it.bob, it.account),),
    "kinds.consequences": (lambda it: kinds.consequences(it.bob, it.account),),
    "kinds.to_archive": (lambda it: kinds.to_archive(it.bob, it.account),),
    "kinds.move": (lambda it: asyncio.run(kinds.move(it.bob, it.account, {}, NetworkDoors(egress.rule))),),
    "kinds.duplicate": (lambda it: kinds.duplicate(it.bob, it.account),),
    "logins.within": (lambda it: logins.within(it.bob),),
    "logins.show": (lambda it: logins.show(it.bob, it.login), lambda it: logins.show(it.bob, "Haus")),
    "logins.add": (lambda it: logins.add(it.bob, {"label": "X", "username": "x", "password": "x"}),),
    "logins.change": (lambda it: logins.change(it.bob, "Haus", {"label": "X"}),),
    "logins.remove": (lambda it: logins.remove(it.bob, "Haus"),),
    "logins.change_password": (
        lambda it: logins.change_password(it.bob, "Haus", Secret("x")),
        lambda it: logins.change_password(it.bob, it.login, Secret("x")),
    ),
    "logins.test_and_change_password": (lambda it: it.first_try(),),
    "outgoing_servers.which": (lambda it: outgoing_servers.which(it.bob, it.account),),
    "outgoing_servers.show": (lambda it: outgoing_servers.show(it.bob, "Adas"),),
    "outgoing_servers.add": (lambda it: outgoing_servers.add(it.bob, {"label": "X", "host": "x.test"}),),
    "outgoing_servers.change": (lambda it: outgoing_servers.change(it.bob, "Adas", {"label": "X"}),),
    "outgoing_servers.remove": (lambda it: outgoing_servers.remove(it.bob, "Adas"),),
    "outgoing_servers.probe": (
        lambda it: it.first_step_of_server("Adas"),
        lambda it: it.first_step_of_server(None),
    ),
    "outgoing_servers.is_untested": (lambda it: outgoing_servers.is_untested(it.bob, {"label": "X"}, "Adas"),),
    "outgoing_servers.exceptions": (lambda it: outgoing_servers.exceptions(it.bob),),
    "outgoing_servers.remember_recipient": (
        lambda it: outgoing_servers.remember_recipient(it.bob, "Adas", "x@x.test"),
    ),
    "templates.within": (lambda it: templates.within(it.bob),),
    "templates.show": (lambda it: templates.show(it.bob, "Haus"),),
    "templates.put": (lambda it: templates.put(it.bob, "X", {}),),
    "templates.remove": (lambda it: templates.remove(it.bob, "Haus"),),
    "templates.preview": (lambda it: templates.preview(it.bob, "Haus", {}),),
    "templates.fill": (lambda it: templates.fill(it.bob, "Haus", {}),),
    "templates.apply": (lambda it: templates.apply(it.bob, "Haus", it.account),),
    "groups.within": (lambda it: groups.within(it.bob),),
    "groups.show": (lambda it: groups.show(it.bob, "Alle"),),
    "groups.add": (lambda it: groups.add(it.bob, "X"),),
    "groups.change": (lambda it: groups.change(it.bob, "Alle", name="X"),),
    "groups.remove": (lambda it: groups.remove(it.bob, "Alle"),),
    "rights.overseen": (lambda it: rights.overseen(it.bob, it.account),),
    "rights.matrix": (lambda it: rights.matrix(it.bob).accounts,),
    "rights.grant": (lambda it: rights.grant(it.bob, it.account, {"user": "bob@amt.test", "rights": ["see"]}),),
    "rights.revoke": (lambda it: rights.revoke(it.bob, it.account, user="ada@amt.test"),),
    "hand_over.create": (lambda it: hand_over.create(it.bob, it.account),),
    "departures.block": (lambda it: departures.block(it.bob, "ada@amt.test"),),
    "departures.unblock": (lambda it: departures.unblock(it.bob, "ada@amt.test"),),
    "departures.depart": (lambda it: departures.depart(it.bob, "ada@amt.test", "bob@amt.test"),),
    "invitations.hindrance": (lambda it: invitations.hindrance(it.bob),),
    "invitations.filed_by": (lambda it: invitations.filed_by(it.bob, it.account),),
    "invitations.renew": (lambda it: invitations.renew(it.bob, "ada@amt.test"),),
    "invitations.invite": (lambda it: invitations.invite(it.bob, email="x@x.test", name="X"),),
    "bulk.preview": (lambda it: bulk.preview(it.bob, b"label\nX\n"),),
    "bulk.apply": (lambda it: bulk.apply(it.bob, b"label\nX\n"),),
    "bulk.export": (lambda it: bulk.export(it.bob),),
    "reading.thread": (lambda it: reading.thread(it.bob, it.message),),
    "reading.source": (lambda it: reading.source(it.bob, it.message),),
    "reading.zipped": (lambda it: reading.zipped(it.bob, it.message),),
    "lists.page": tuple(
        lambda it, place=place: lists.page(it.bob, read_where(place.format(folder=it.folder, account=it.account))).items
        for place in (
            "folder:{folder}",
            "account:{account}",
            "inbox",
            "role:inbox",
            "mine",
            "follow-up",
            "mentions",
            "new",
        )
    ),
    "choosing.found": (lambda it: choosing.found(it.bob, "geheim"),),
    "choosing.everything": (lambda it: choosing.everything(it.bob, read_where(f"folder:{it.folder}")),),
    "choosing.with_threads": (
        lambda it: choosing.with_threads(it.bob, read_where(f"folder:{it.folder}"), [it.message]),
    ),
    "lists.labels": (lambda it: lists.labels(it.bob, [it.account]),),
    "lists.troubles": (lambda it: lists.troubles(it.bob, it.account),),
    "lists.around": (lambda it: lists.around(it.bob, it.message, INBOX),),
    "lists.neighbours": (lambda it: lists.neighbours(it.bob, it.message, INBOX),),
    "work.on": (lambda it: work.on(it.bob, it.message),),
    "work.assign": (lambda it: work.assign(it.bob, [it.message], "bob@amt.test"),),
    "work.set_status": (lambda it: work.set_status(it.bob, [it.message], Status.DONE),),
    "work.follow_up": (lambda it: work.follow_up(it.bob, [it.message], datetime.now(UTC)),),
    "work.remind": (lambda it: work.remind(it.bob),),
    "work.add_note": (lambda it: work.add_note(it.bob, it.message, "Bob"),),
    "work.change_note": (lambda it: work.change_note(it.bob, it.message, it.note, "Bob"),),
    "work.remove_note": (lambda it: work.remove_note(it.bob, it.message, it.note),),
    "work.here": (lambda it: work.here(it.bob, it.message),),
    "work.away": (lambda it: work.away(it.bob, it.message),),
    "work.looked": (lambda it: work.looked(it.bob, it.message),),
    "work.offered_tags": (lambda it: work.offered_tags(it.bob),),
    "work.add_tag": (lambda it: work.add_tag(it.bob, "Neu"),),
    "work.tag_named": (lambda it: work.tag_named(it.bob, "Neu"),),
    "work.change_tag": (lambda it: work.change_tag(it.bob, "Geheim", "Neu", ""),),
    "work.remove_tag": (lambda it: work.remove_tag(it.bob, "Geheim"),),
    "work.trust_sender": (lambda it: work.trust_sender(it.bob, it.message),),
    "trees.shown": (
        lambda it: (*trees.shown(it.bob).own, *trees.shown(it.bob).shared),
        lambda it: trees.shown(it.bob, arranging=True),
    ),
    "trees.mount": (
        lambda it: trees.mount(it.bob, Tree.SHARED, Mount(EntryKind.HEADING, label="X")),
        lambda it: trees.mount(it.bob, Tree.OWN, Mount(EntryKind.FOLDER, id=it.folder)),
        lambda it: trees.mount(it.bob, Tree.OWN, Mount(EntryKind.ACCOUNT, id=it.account)),
    ),
    "trees.move": (lambda it: trees.move(it.bob, Tree.SHARED, f"account:{it.account}"),),
    "trees.rename": (lambda it: trees.rename(it.bob, Tree.SHARED, f"account:{it.account}", "X"),),
    "trees.change_query": (lambda it: trees.change_query(it.bob, Tree.SHARED, f"account:{it.account}", "X"),),
    "trees.remove": (lambda it: trees.remove(it.bob, Tree.SHARED, f"account:{it.account}"),),
    "trees.reset": (lambda it: trees.reset(it.bob, Tree.SHARED),),
    "actor.owner_of": (lambda it: owner_of(it.bob, ""), lambda it: owner_of(it.bob, "ada@amt.test")),
    "actor.require_administrator": (lambda it: require_administrator(it.bob),),
}

OPEN = {
    "egress.rule": "says where the installation may connect to; nobody's data",
    "account_documents.": "only rewrites and checks what its caller was given",
    "accounts.caretaker": "names whoever acts",
    "outgoing_servers.document_of": "only rewrites a record its caller was given",
    "kinds.elsewhere": "only completes a document its caller was given",
    "outgoing_servers.may_change": "says only whether somebody may, of a record its caller was given",
    "advice.": "sentences; no data",
    "discovery.providers": "a list that comes with the program",
    "discovery.settings_of": "a list that comes with the program",
    "probing.": "tests settings its caller has checked; reports are one's own",
    "bulk.wrong_lines": "counts what its caller was given",
    "single_sign_on.confirm": "looks whether the identity provider means the acting person",
    "special_folders.missing": "counts what its caller was given",
    "hand_over.look": "the link is the right, and shows office, address and who asks",
    "hand_over.submit": "the link is the right",
    "invitations.look": "the link is the right",
    "invitations.accept": "the link is the right",
    "invitations.ask_for_a_new_password": "the same answer for everybody",
    "invitations.link": "spells an address",
    "people.wrong_person": "looks at what its caller typed",
    "people.wrong_password": "looks at what its caller typed",
    "people.default_sender": "one's own choice: None where nothing is chosen",
    "outgoing_servers.within": "the office's servers are for everybody to send through, without their secrets",
    "doors.": "the engine's way to servers; no person acts",
    "health.lacking": "says what this machine lacks; nobody's data",
    "feed.commits": "notices that something was written, and not what",
    "feed.latest": "a number that says that something happened, and not what",
    "incoming.": "only the system acts here",
    "sending.": "only the system acts here",
    "work.looked_at_everything": "about oneself: there is nobody else it could touch",
    "work.trusted_senders": "one's own choices",
    "work.distrust_sender": "one's own choices",
    "trees.fold": "one's own choices; says nothing about what a key names",
    "preferences.": "one's own choices: there is nobody else they could touch",
    "people.change_password": "one's own: there is nobody else it could touch",
    "people.set_language": "one's own choice: there is nobody else it could touch",
    "people.office_name": "the log-in page shows it",
    "people.office_language": "the log-in page speaks it",
    "tokens.caller": "finds out who acts, from a token",
    "sessions.begin": "about the session of this very request",
    "sessions.used": "about the session of this very request",
    "sessions.device": "spells a name",
    "second_factors.must_set_up": "about oneself",
    "second_factors.added": "the log-in pages tell what their person did",
    "second_factors.removed": "the log-in pages tell what their person did",
    "second_factors.codes_made": "the log-in pages tell what their person did",
    "second_factors.seal": "makes a secret unreadable",
    "second_factors.unseal": "the log-in library's own secrets, inside this process",
    "single_sign_on.admit": "finds out who comes in, from what the identity provider says",
    "people.actor_of_session": "finds out who acts, from a session",
    "people.actor_named": "finds out for whom the command line acts",
    "setup.": "before there is anybody; the one-time token is the right",
    "wording.": "sentences; no data",
    "happenings.": "sentences; no data",
    "oversight.oversight": "a reach as the actor's own rights make it; every query applies it",
    "proof.kinds": "words; no data",
    "proof.tell_heads": "only the system acts here",
    "events.watching": "only the system acts here",
    "events.write_down": "only the system acts here",
    "events.flush": "only the system acts here",
    "events.troubled": "only the system acts here",
    "events.closed": "only the system acts here",
    "viewing.kind_of": "a word about a name; no data",
    "reading.described": "a word about a file one has seen already",
    "cells.": "reads bytes somebody has been given already; no data of the office",
    "events.round_done": "only the system acts here",
    "events.push_mode": "only the system acts here",
    "events.sent": "only the system acts here",
    "live.look_for_doubtful": "only the system acts here",
    "live.waiting": "only the system acts here",
    "live.failed": "only the system acts here",
    "live.show": "only the system acts here",
    "ledger.due": "only the system acts here",
    "ledger.compare": "only the system acts here",
}
"""What a stranger may call, or what no person can, and why. A name that ends in a dot stands for its module."""


def public_functions() -> Iterator[tuple[str, FunctionType]]:
    """Module and name, without the package's, of every public function defined there."""
    for module in pkgutil.iter_modules(office.__path__):
        made = importlib.import_module(f"poststelle.office.{module.name}")
        for name, function in inspect.getmembers(made, inspect.isfunction):
            if function.__module__ == made.__name__ and not name.startswith("_"):
                yield f"{module.name}.{name}", function


FUNCTIONS = dict(public_functions())


def is_open(name: str) -> bool:
    return name in OPEN or f"{name.partition('.')[0]}." in OPEN


def test_every_public_function_has_an_entry_and_every_entry_a_function() -> None:
    assert {name for name in FUNCTIONS if not is_open(name)} == set(ATTEMPTS)
    assert [name for name in OPEN if not name.endswith(".") and name not in FUNCTIONS] == []


@pytest.mark.parametrize("name", sorted(ATTEMPTS))
def test_the_actor_comes_first(name: str) -> None:
    assert next(iter(inspect.signature(FUNCTIONS[name]).parameters)) == "actor"


@pytest.mark.parametrize("name", sorted(ATTEMPTS))
def test_a_stranger_is_refused_or_finds_nothing(name: str, house: House) -> None:
    for attempt in ATTEMPTS[name]:
        try:
            found = attempt(house)
        except (NotFound, NotPermitted):
            continue
        shown = found.items if isinstance(found, Page) else found
        assert isinstance(shown, Sized), f"{name} let a stranger in: {found!r}"
        assert len(shown) == 0, f"{name} told a stranger: {found!r}"


def test_nothing_is_changed_by_a_stranger_who_tried_everything(house: House) -> None:
    before = accounts.show(house.ada, house.account), reading.placement(house.ada, house.message), feed.latest()
    for attempts in ATTEMPTS.values():
        for attempt in attempts:
            try:
                attempt(house)
            except (NotFound, NotPermitted):
                continue
    after = accounts.show(house.ada, house.account), reading.placement(house.ada, house.message), feed.latest()
    assert after == before


def test_answering_and_forwarding_do_not_reach_into_a_mailbox_one_may_not_read(house: House) -> None:
    assert house.bob.user is not None
    own = an_account(
        house.ada, "Bobs", grants=[{"user": house.bob.user.email, "rights": ["see", "send-as", "administer"]}]
    )
    for draft in (
        house.letter(account=own.id, answers=house.message),
        house.letter(account=own.id, forwards=house.message),
    ):
        with pytest.raises(NotFound):
            outbox.submit(house.bob, draft)
    with pytest.raises(NotFound):
        messages.raw(house.bob.reach, house.message)
