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
from types import FunctionType
from typing import Any

import pytest

from poststelle import office
from poststelle.errors import NotFound, NotPermitted
from poststelle.mail.ports import SEEN
from poststelle.mail.records import Page
from poststelle.mail.secret import Secret
from poststelle.office import accounts, feed, outbox, people, reading
from poststelle.office.actor import Actor, require_administrator
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
    since: int
    """The journal's position before the mailbox: what comes after it is none of Bob's business."""

    def letter(self, **more: Any) -> Draft:
        return Draft(**{"account": self.account, "to": ("eva@kunde.test",), "subject": "Angebot"} | more)

    def first_step(self, account: str | None) -> object:
        async def ask() -> object:
            return await anext(accounts.probe(self.bob, an_account_document(), account))

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
    return House(ada, bob, account.id, folder.id, message.id, outgoing.id, since)


ATTEMPTS: dict[str, tuple[Callable[[House], object], ...]] = {
    "accounts.add": (lambda it: accounts.add(it.bob, an_account_document("Neu")),),
    "accounts.change": (lambda it: accounts.change(it.bob, it.account, {"display_name": "Bob"}),),
    "accounts.remove": (lambda it: accounts.remove(it.bob, it.account),),
    "accounts.show": (lambda it: accounts.show(it.bob, it.account), lambda it: accounts.show(it.bob, "Zentrale")),
    "accounts.page": (lambda it: accounts.page(it.bob),),
    "accounts.senders": (lambda it: accounts.senders(it.bob),),
    "accounts.send_receive": (
        lambda it: accounts.send_receive(it.bob),
        lambda it: accounts.send_receive(it.bob, it.account),
    ),
    "accounts.accept_loss": (lambda it: accounts.accept_loss(it.bob, it.account),),
    "accounts.probe": (lambda it: it.first_step(None), lambda it: it.first_step(it.account)),
    "reading.tree": (lambda it: reading.tree(it.bob),),
    "reading.folders": (lambda it: reading.folders(it.bob, it.account),),
    "reading.folder": (lambda it: reading.folder(it.bob, it.folder),),
    "reading.page": (lambda it: reading.page(it.bob, it.folder),),
    "reading.set_aside": (lambda it: reading.set_aside(it.bob, it.folder),),
    "reading.placement": (lambda it: reading.placement(it.bob, it.message),),
    "reading.raw": (lambda it: reading.raw(it.bob, it.message),),
    "reading.open_message": (lambda it: reading.open_message(it.bob, it.message),),
    "reading.html_document": (lambda it: reading.html_document(it.bob, it.message, remote=False),),
    "reading.attachment": (lambda it: reading.attachment(it.bob, it.message, 0),),
    "reading.mark": (lambda it: reading.mark(it.bob, [it.message], add=[SEEN]),),
    "reading.search": (lambda it: reading.search(it.bob, "geheim"),),
    "outbox.submit": (lambda it: outbox.submit(it.bob, it.letter()),),
    "outbox.page": (lambda it: outbox.page(it.bob),),
    "outbox.show": (lambda it: outbox.show(it.bob, it.outgoing),),
    "feed.changes": (lambda it: feed.changes(it.bob, it.since),),
    "people.set_up": (
        lambda it: people.set_up(
            it.bob, office="Amt", language="de", email="b@b.test", name="B", password=Secret(PASSWORD)
        ),
    ),
    "people.add_user": (
        lambda it: people.add_user(it.bob, email="eve@amt.test", name="Eve", password=Secret(PASSWORD)),
    ),
    "people.users": (lambda it: people.users(it.bob),),
    "people.add_token": (lambda it: people.add_token(it.bob, "ada@amt.test", "fremd"),),
    "actor.require_administrator": (lambda it: require_administrator(it.bob),),
}

OPEN = {
    "accounts.egress": "says where the installation may connect to; nobody's data",
    "accounts.document_of": "only rewrites a record its caller was given",
    "doors.": "the engine's way to servers; no person acts",
    "feed.latest": "a number that says that something happened, and not what",
    "incoming.": "only the system acts here",
    "sending.": "only the system acts here",
    "people.set_language": "one's own choice: there is nobody else it could touch",
    "people.office_name": "the log-in page shows it",
    "people.office_language": "the log-in page speaks it",
    "people.actor_of_token": "finds out who acts, from a token",
    "people.actor_of_session": "finds out who acts, from a session",
    "people.actor_named": "finds out for whom the command line acts",
    "setup.": "before there is anybody; the one-time token is the right",
    "wording.": "sentences; no data",
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
