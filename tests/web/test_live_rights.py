"""What the stream of events tells in every role of RELIABILITY G15, and to those whose right comes or goes while they listen.

Nothing here waits for silence: a tag that changes concerns everybody in the office, so everybody is told of it, and whatever could
have been told of the mail before must have been told by then.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from poststelle.mail.listing import Status
from poststelle.mail.secret import Secret
from poststelle.office import departures, groups, handling, outbox, people, reading, rights, sessions, work
from poststelle.office.actor import SYSTEM
from poststelle.office.handling import Selection
from poststelle.office.outbox import Draft
from poststelle.store import journal
from tests.builders import a_letter, a_message_in
from tests.web.house import LABEL, OUTSIDERS, SECRET, SENT, House, a_house
from tests.web.test_live import listen
from tests.web.visitor import Visitor

act = sync_to_async
_numbers = itertools.count(1)


@pytest.fixture
def house(busy_ada: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(settings, "POSTSTELLE", settings.POSTSTELLE.model_copy(update={"home": tmp_path}))
    return a_house(busy_ada)


class Ear:
    """A stream from the journal's beginning or `after`, and all that is heard on it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.folders: set[str] = set()
        self.accounts: set[str] = set()
        self.outgoing = False
        self.said = ""

    async def until_everybody_is_told(self) -> Ear:
        """Everything up to what concerns everybody; or the end, ``ended``."""
        while True:
            news = await self._stream.told()
            self.said += str(news)
            if news == "ended":
                return self
            self.folders |= set(news["folders"])
            self.accounts |= set(news["accounts"])
            self.outgoing = self.outgoing or news["outgoing"]
            if news["everything"]:
                return self

    def forget(self) -> None:
        """What has been heard so far."""
        self.folders, self.accounts, self.outgoing, self.said = set(), set(), False, ""

    async def close(self) -> None:
        await self._stream.close()


async def an_ear(visitor: Visitor, after: int | str = 0) -> Ear:
    return Ear(await listen(visitor, after))


def tell_everybody(visitor: Visitor) -> None:
    """In that person's pool, whatever they may themselves."""
    with transaction.atomic():
        journal.write(visitor.actor.reach.pool, journal.SYSTEM, "tag-changed", "tag:merkwort")


def much_happens(house: House) -> None:
    """Whatever an office does with its mail in a day, in the mailbox of the house."""
    ada, folder, message = house.ada.actor, house.message.folder_id, house.message.id
    a_message_in(reading.folder(ada, folder), a_letter(SECRET, SECRET))
    handling.mark(ada, Selection([message]), add=["seen", "flagged"])
    work.assign(ada, [message], ada.user.email if ada.user else None)
    work.set_status(ada, [message], Status.WAITING)
    work.follow_up(ada, [message], timezone.now() - timedelta(hours=1), everybody=True)
    work.remind(SYSTEM)
    work.add_note(ada, message, SECRET)
    outbox.submit(ada, Draft(house.ids["account"], to=("eva@kunde.test",), subject=SENT, text=SENT))
    handling.create_folder(ada, house.ids["account"], [f"{SECRET} {next(_numbers)}"])


async def test_no_role_hears_of_mail_it_may_not_see(house: House) -> None:
    ears = {role: await an_ear(house.roles[role]) for role in (*OUTSIDERS, "see")}
    await act(much_happens)(house)
    for visitor in (house.ada, house.roles["other-pool"]):
        await act(tell_everybody)(visitor)
    heard = {role: await ear.until_everybody_is_told() for role, ear in ears.items()}
    for role, ear in heard.items():
        assert not any(word in ear.said for word in (SECRET, LABEL, SENT, house.message.id)), role
        if role not in {"keeper", "see"}:
            assert house.message.folder_id not in ear.folders, role
            assert house.ids["account"] not in ear.accounts, role
            assert not ear.outgoing, role
        await ear.close()
    assert house.message.folder_id in heard["see"].folders
    # Who looks after a mailbox hears that something happens in it.
    assert house.ids["account"] in heard["keeper"].accounts


def _revoked(house: House, user: str) -> None:
    rights.revoke(house.ada.actor, house.ids["account"], user=user)


def _only_sending_left(house: House, user: str) -> None:
    rights.grant(house.ada.actor, house.ids["account"], {"user": user, "rights": ["send-as"]})


def _another_folder_left(house: House, user: str) -> None:
    _revoked(house, user)
    folder = handling.create_folder(house.ada.actor, house.ids["account"], ["Rest"])
    rights.grant(house.ada.actor, house.ids["account"], {"user": user, "rights": ["see"], "folder": folder})


def _out_of_the_group(house: House, user: str) -> None:
    """Their only right was the group's."""
    del user
    groups.change(house.ada.actor, house.ids["group"], members=[house.ada.user.email])


@pytest.mark.parametrize("taken", [_revoked, _only_sending_left, _another_folder_left, _out_of_the_group])
async def test_whose_right_is_taken_away_while_they_listen_hears_no_more(
    house: House, taken: Callable[[House, str], None]
) -> None:
    visitor = house.roles["see"]
    if taken is _out_of_the_group:
        await act(_seeing_by_a_group)(house, visitor.user.email)
    ear = await an_ear(visitor)
    await act(tell_everybody)(house.ada)
    assert house.message.folder_id in (await ear.until_everybody_is_told()).folders
    await act(taken)(house, visitor.user.email)
    await nothing_is_heard(house, ear)
    # Nor by who comes back and asks for everything from the beginning.
    await nothing_is_heard(house, await an_ear(visitor))


def _seeing_by_a_group(house: House, user: str) -> None:
    _revoked(house, user)
    groups.change(house.ada.actor, house.ids["group"], members=[user])
    group = groups.show(house.ada.actor, house.ids["group"]).name
    rights.grant(house.ada.actor, house.ids["account"], {"group": group, "rights": ["see"]})


async def nothing_is_heard(house: House, ear: Ear) -> None:
    ear.forget()
    await act(much_happens)(house)
    await act(tell_everybody)(house.ada)
    await ear.until_everybody_is_told()
    assert house.message.folder_id not in ear.folders
    # The mailbox is named only with a folder of it they still see.
    assert not ear.accounts or ear.folders
    assert not ear.outgoing
    await ear.close()


async def test_a_deputys_days_begin_and_end_while_they_listen(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, began = house.roles["see"], timezone.now()
    days = {"from": (began + timedelta(hours=1)).isoformat(), "until": (began + timedelta(hours=2)).isoformat()}
    wish = {"user": visitor.user.email, "rights": ["see"], **days}
    await act(rights.grant)(house.ada.actor, house.ids["account"], wish)
    ear, hour = await an_ear(visitor), timedelta(hours=1)
    for later, hears in ((0 * hour, False), (1.5 * hour, True), (2.5 * hour, False)):
        monkeypatch.setattr(timezone, "now", lambda now=began + later: now)
        ear.forget()
        await act(much_happens)(house)
        await act(tell_everybody)(house.ada)
        await ear.until_everybody_is_told()
        assert (house.message.folder_id in ear.folders) is hears, later
        assert (house.ids["account"] in ear.accounts) is hears, later
    await ear.close()


async def test_what_happened_before_a_deputys_days_is_not_told_when_they_begin(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = await an_ear(house.roles["not-yet"])
    await act(tell_everybody)(house.ada)
    await ear.until_everybody_is_told()
    began = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: began + timedelta(hours=2))
    await act(tell_everybody)(house.ada)
    await ear.until_everybody_is_told()
    assert (ear.folders, ear.accounts) == (set(), set())
    await ear.close()


def _blocked(house: House, visitor: Visitor) -> None:
    departures.block(house.ada.actor, visitor.user.id)


def _sessions_ended(house: House, visitor: Visitor) -> None:
    sessions.end_all(house.ada.actor, visitor.user.id)


def _password_changed(house: House, visitor: Visitor) -> None:
    del house
    people.change_password(visitor.actor, Secret("correct horse battery other staple"))


def _too_old(house: House, visitor: Visitor) -> None:
    del house
    session = visitor.client.session
    session.set_expiry(-1)
    session.save()


@pytest.mark.parametrize("ended", [_blocked, _sessions_ended, _password_changed, _too_old])
async def test_the_stream_ends_for_whom_no_page_would_open_any_more(
    house: House, ended: Callable[[House, Visitor], None]
) -> None:
    visitor = house.roles["see"]
    ear = await an_ear(visitor)
    await act(tell_everybody)(house.ada)
    await ear.until_everybody_is_told()
    await act(ended)(house, visitor)
    ear.forget()
    await act(much_happens)(house)
    await act(tell_everybody)(house.ada)
    assert (await ear.until_everybody_is_told()).said == "ended"
    await ear.close()
