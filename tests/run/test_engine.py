"""The engine at work on a mail server in memory: quick while all is well, quiet when it is not, and never down because of one account."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest
from django.db import connection

from poststelle.errors import CertificateRejected, LoginRejected, TryAgain
from poststelle.mail.digest import digest
from poststelle.mail.ports import FLAGGED, Role
from poststelle.office import accounts, handling, incoming, outbox, reading
from poststelle.run import engine
from poststelle.run.workshop import Remembered
from poststelle.store import index, models, removal, rounds, waiting
from tests.builders import a_letter
from tests.run.engine_office import Office, home, office, until

__all__ = ["home", "office"]


async def test_new_mail_is_here_within_a_second_of_its_delivery(office: Office) -> None:
    one, two = await office.mailbox("eins"), await office.mailbox("zwei")
    office.server.deliver("eins", a_letter("Von früher"))
    async with office.at_work():
        await until(lambda: office.holds(one, "Von früher"))
        await until(lambda: office.synced(two))
        office.server.deliver("eins", a_letter("Eben"))
        office.server.deliver("zwei", a_letter("Ebenfalls"))
        assert await until(lambda: office.holds(one, "Eben", "Von früher")) < 1.0
        assert await until(lambda: office.holds(two, "Ebenfalls")) < 1.0
        await until(lambda: _indexed(office))
    assert office.doors.opened == {"eins": 1, "zwei": 1}


async def _indexed(office: Office) -> bool:
    return await office.shop.write(index.behind) == 0


async def test_a_mark_is_on_the_server_at_once(office: Office) -> None:
    account = await office.mailbox("eins")
    uid = office.server.deliver("eins", a_letter("Frage"))
    async with office.at_work():
        await until(lambda: office.holds(account, "Frage"))

        def mark() -> None:
            inbox = next(one for one in reading.folders(office.ada, account.id) if one.role is Role.INBOX)
            chosen = handling.Selection([reading.page(office.ada, inbox.id).items[0].id])
            handling.mark(office.ada, chosen, add=[FLAGGED])

        await office.shop.write(mark)

        async def flagged() -> bool:
            return FLAGGED in office.server.contents("eins")[uid][1]

        assert await until(flagged) < 1.0
    assert office.doors.opened == {"eins": 1}


async def test_an_account_added_while_it_runs_is_fetched_and_a_removed_one_is_left(office: Office) -> None:
    async with office.at_work() as running:
        account = await office.mailbox("eins")
        office.server.deliver("eins", a_letter("Hallo"))
        await until(lambda: office.holds(account, "Hallo"))
        await office.shop.write(accounts.remove, office.ada, account.id)

        async def left() -> bool:
            return not running._watched and not office.server.mailbox("eins").listeners

        await until(left)


async def test_a_written_message_leaves_at_once_and_its_copy_is_shown(office: Office) -> None:
    account = await office.mailbox("eins")
    async with office.at_work():
        await until(lambda: office.synced(account))
        number = await office.submit(account)

        async def sent() -> bool:
            return await office.state_of(number) == "sent"

        assert await until(sent) < 1.0
        await until(lambda: office.holds(account, "Angebot"))
    assert len(office.server.contents("eins", ("Sent",))) == 1


async def test_a_server_that_hangs_while_taking_a_message_delays_nobody_else(office: Office) -> None:
    slow, quick = await office.mailbox("lahm"), await office.mailbox("flink")
    office.doors.hangs.add("lahm")
    async with office.at_work():
        hanging, passing = await office.submit(slow), await office.submit(quick)

        async def sent() -> bool:
            return await office.state_of(passing) == "sent"

        await until(sent)
        assert await office.state_of(hanging) == "sending"
        # A message under way when the engine is told to stop gets the time to end well.
        asyncio.get_running_loop().call_later(0.5, office.doors.hung.set)
    assert await office.state_of(hanging) == "sent"


async def test_a_message_whose_password_cannot_be_read_waits_for_a_person_and_the_next_one_leaves(
    office: Office,
) -> None:
    sealed, open_ = await office.mailbox("versiegelt"), await office.mailbox("offen")
    await office.shop.write(lambda: models.Login.objects.filter(username="versiegelt").update(secret=b"unlesbar"))
    async with office.at_work():
        first, second = await office.submit(sealed), await office.submit(open_)

        async def settled() -> bool:
            return [await office.state_of(one) for one in (first, second)] == ["deferred", "sent"]

        await until(settled)
        record = await office.shop.write(outbox.show, office.ada, first)
    assert (record.trouble.code, record.due_at) == ("secret-unreadable", None)


@pytest.mark.parametrize(
    "trouble", [CertificateRejected("certificate-expired"), LoginRejected("login-rejected")], ids=lambda one: one.code
)
async def test_a_suspended_account_rests_until_somebody_acts(office: Office, trouble: Exception) -> None:
    account = await office.mailbox("eins")
    office.doors.closed["eins"] = trouble
    # A refused log-in gets one more try, a minute later: it has been had.
    await office.shop.write(rounds.failed, account.id, trouble, 0.0)
    async with office.at_work():

        async def suspended() -> bool:
            return (await office.shown(account)).state == "suspended"

        await until(suspended)
        assert office.doors.opened["eins"] == 1
        # Whoever wants to see new mail does not knock with a refused password; whoever names the mailbox does.
        assert await office.shop.write(accounts.send_receive, office.ada) == []
        await asyncio.sleep(1.0)
        assert office.doors.opened["eins"] == 1
        del office.doors.closed["eins"]
        office.server.deliver("eins", a_letter("Wieder da"))
        await office.shop.write(accounts.send_receive, office.ada, account.id)
        await until(lambda: office.holds(account, "Wieder da"))
        assert (await office.shown(account)).trouble is None


async def test_a_refused_log_in_is_tried_once_and_then_left_alone_whatever_happens_elsewhere(office: Office) -> None:
    account, other = await office.mailbox("eins"), await office.mailbox("zwei")
    office.doors.closed["eins"] = LoginRejected("login-rejected")
    async with office.at_work():
        await until(lambda: office.troubled(account))
        for number in range(5):
            office.server.deliver("zwei", a_letter(f"{number}"))
            await asyncio.sleep(0.2)
        await until(lambda: office.holds(other, *map(str, range(5))))
    assert office.doors.opened["eins"] == 1


async def test_a_wish_for_mail_shortens_the_wait_after_passing_trouble(office: Office) -> None:
    account = await office.mailbox("eins")
    office.doors.closed["eins"] = TryAgain("connection-refused", host="h", port=1)
    async with office.at_work():
        await until(lambda: office.troubled(account))
        del office.doors.closed["eins"]
        office.server.deliver("eins", a_letter("Hallo"))
        await office.shop.write(accounts.send_receive, office.ada)
        assert await until(lambda: office.holds(account, "Hallo")) < 2.0


async def test_a_changed_account_is_opened_afresh_with_its_new_settings(office: Office) -> None:
    account = await office.mailbox("eins")
    async with office.at_work():
        await until(lambda: office.synced(account))
        await office.shop.write(accounts.change, office.ada, account.id, {"login": {"password": "neu"}})

        async def opened_again() -> bool:
            return office.doors.opened["eins"] == 2

        await until(opened_again)
        assert office.doors.passwords[-1] == "neu"
        office.server.deliver("eins", a_letter("Hallo"))
        await until(lambda: office.holds(account, "Hallo"))
        assert len(office.server.mailbox("eins").listeners) == 1


async def test_a_failure_with_the_old_password_does_not_suspend_the_new_one(office: Office) -> None:
    account = await office.mailbox("eins")
    (version,) = (await office.shop.write(incoming.to_watch)).values()
    await office.shop.write(accounts.change, office.ada, account.id, {"login": {"password": "neu"}})
    rejected = LoginRejected("login-rejected")
    for _ in range(2):
        await incoming.failed(account.id, rejected, office.shop.tools, version=version)
    assert (await office.shown(account)).state == "active"
    assert await office.troubled(account) == ""


async def test_a_bug_in_one_account_stops_no_other_and_is_told(office: Office) -> None:
    broken, sound = await office.mailbox("kaputt"), await office.mailbox("heil")
    office.doors.broken.add("kaputt")
    async with office.at_work():
        await until(lambda: office.troubled(broken))
        for number in range(3):
            office.server.deliver("heil", a_letter(f"{number}"))
            await asyncio.sleep(0.2)
        await until(lambda: office.holds(sound, "0", "1", "2"))
        record = await office.shown(broken)
        assert record.trouble is not None
        assert (record.trouble.code, record.trouble.facts) == ("internal-error", {"kind": "ZeroDivisionError"})
        assert record.retry_at is not None
    assert office.doors.opened["kaputt"] == 1


async def test_a_database_that_fails_for_a_while_ends_neither_engine_nor_accounts(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SET_BACK_SECONDS", 0.1)
    account = await office.mailbox("eins")

    def rename(table: str, to: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} RENAME TO {to}")

    async with office.at_work():
        await until(lambda: office.synced(account))
        await office.shop.write(rename, "store_account", "away")
        office.server.deliver("eins", a_letter("Währenddessen"))
        await asyncio.sleep(0.8)
        await office.shop.write(rename, "away", "store_account")
        await until(lambda: office.holds(account, "Währenddessen"))
        office.server.deliver("eins", a_letter("Danach"))
        await until(lambda: office.holds(account, "Danach", "Währenddessen"))


async def test_stopping_is_quick_however_many_accounts_listen(office: Office) -> None:
    logins = [f"m{number}" for number in range(12)]
    mailboxes = [await office.mailbox(login) for login in logins]
    async with office.at_work():
        for account in mailboxes:
            await until(partial(office.synced, account))
        began = time.monotonic()
    assert time.monotonic() - began < 2.0
    assert not any(office.server.mailbox(login).listeners for login in logins)


def test_what_is_remembered_for_the_index_is_counted_once_however_often_it_comes() -> None:
    remembered, one = Remembered(), digest(a_letter("Groß", "x" * 100_000))
    for _ in range(1000):
        remembered.put({b"1": one})
    remembered.put({b"2": one})
    assert remembered.take(b"1") == one
    assert remembered.take(b"2") == one
    for number in range(1000):
        remembered.put({str(number).encode(): one})
    assert remembered.take(b"999") == one
    assert remembered.take(b"0") is None


async def test_what_is_left_of_a_removed_account_is_forgotten_by_the_engine_at_work(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "PORTION", 2)
    account = await office.mailbox("eins")
    for number in range(20):
        office.server.deliver("eins", a_letter(str(number)))
    async with office.at_work():
        await until(partial(office.synced, account))
        await office.shop.write(accounts.remove, office.ada, account.id)

        async def forgotten() -> bool:
            return not (await office.shop.write(waiting.look)).removed

        await until(forgotten)
    assert not await office.shop.write(models.Placement.objects.exists)
