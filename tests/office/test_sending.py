"""A message on its way out: sent once, copied once, and never twice by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
from django.conf import settings
from django.utils import timezone

from poststelle.adapters.memory.sender import MemorySender
from poststelle.adapters.memory.source import MemorySource
from poststelle.errors import Conflict, Invalid, LoginRejected, NotPermitted, TryAgain
from poststelle.mail.message import parse
from poststelle.mail.ports import (
    ANSWERED,
    DataStarted,
    Envelope,
    Receipt,
    RecipientResult,
    RecipientState,
    Role,
    Sender,
)
from poststelle.mail.records import OutgoingRecord
from poststelle.office import accounts, incoming, outbox, reading, sending
from poststelle.office.outbox import Attachment, Draft
from poststelle.office.sending import Line, due, send
from poststelle.policy.sending import LONGEST_DEFERRAL_ATTEMPTS
from poststelle.store import models
from poststelle.store.ways import Access
from tests.builders import a_folder, a_letter, a_person, an_account
from tests.store.conftest import LOGIN, Shop

SENT = ("Sent",)


class Crash(BaseException):
    """The engine dies here."""


@dataclass
class Doors:
    """The memory server's doors; `sender` may be replaced by one that misbehaves."""

    shop: Shop
    other: Sender | None = None
    refusal: Exception | None = None
    sent: list[tuple[Envelope, bytes]] = field(default_factory=list)

    async def source(self, access: Access, *, bulk: bool = False) -> MemorySource:
        return MemorySource(self.shop.server, LOGIN)

    async def sender(self, access: Access) -> Sender:
        if self.refusal is not None:
            raise self.refusal
        return self.other or MemorySender(self.shop.server, LOGIN)

    async def run(self) -> None:
        for numbers in (await self.shop.write(due)).values():
            async with Line(self, self.shop.write) as line:
                for number in numbers:
                    await send(number, line, self.shop.write)


@dataclass
class Scripted:
    """A way out that answers as told, or fails before or after the first byte."""

    answers: dict[str, RecipientState] = field(default_factory=dict)
    before: BaseException | None = None
    after: BaseException | None = None
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def send(self, envelope: Envelope, raw: bytes, data_started: DataStarted) -> Receipt:
        self.asked.append(envelope.recipients)
        if self.before is not None:
            raise self.before
        await data_started()
        if self.after is not None:
            raise self.after
        results = [
            RecipientResult(one, self.answers.get(one, RecipientState.ACCEPTED), "250 ok")
            for one in envelope.recipients
        ]
        return Receipt(tuple(results))

    async def close(self) -> None:
        """Nothing to hang up."""


def draft(shop: Shop, *to: str, **more: object) -> Draft:
    return Draft(shop.account, to=to or ("eva@kunde.test",), subject="Angebot", text="Anbei.", **more)  # type: ignore[arg-type]


async def submit(shop: Shop, *to: str, **more: object) -> str:
    record = await shop.write(lambda: outbox.submit(shop.actor, draft(shop, *to, **more)))
    return str(record.id)


async def shown(shop: Shop, number: str) -> OutgoingRecord:
    record = await shop.write(outbox.show, shop.actor, number)
    assert isinstance(record, OutgoingRecord)
    return record


async def due_again(shop: Shop) -> None:
    earlier = timezone.now() - timedelta(seconds=1)
    await shop.write(lambda: models.Outgoing.objects.filter(due_at__isnull=False).update(due_at=earlier))


async def test_a_message_is_sent_and_its_copy_in_sent_is_not_a_second_message(shop: Shop) -> None:
    shop.server.create_folder(LOGIN, SENT, role=Role.SENT)
    await shop.sync()
    number = await submit(shop)
    await Doors(shop).run()
    record = await shown(shop, number)
    assert (record.state, [one.state for one in record.recipients]) == ("sent", ["accepted"])
    await shop.sync()
    await shop.sync()
    assert len(shop.server.contents(LOGIN, SENT)) == 1
    assert await shop.write(models.Message.objects.count) == 1
    assert await shop.write(models.Placement.objects.count) == 1


@dataclass
class Tired(Scripted):
    """A way out whose server ends the line after one message, before or after it has begun to take the next."""

    begins_another: bool = False
    taken: int = 0

    async def send(self, envelope: Envelope, raw: bytes, data_started: DataStarted) -> Receipt:
        if self.taken:
            if self.begins_another:
                await data_started()
            raise TryAgain("server-closed")
        self.taken += 1
        return await super().send(envelope, raw, data_started)


@dataclass
class Opening(Doors):
    """Doors that open another way out every time."""

    made: list[Scripted] = field(default_factory=list)
    kind: Callable[[], Scripted] = Scripted

    async def sender(self, access: Access) -> Sender:
        self.made.append(self.kind())
        return self.made[-1]


async def test_messages_in_a_row_go_over_one_line(shop: Shop) -> None:
    numbers = [await submit(shop) for _ in range(3)]
    doors = Opening(shop)
    await doors.run()
    assert len(doors.made) == 1
    assert [(await shown(shop, number)).state for number in numbers] == ["sent"] * 3


async def test_a_line_the_server_has_ended_is_opened_again_at_once(shop: Shop) -> None:
    numbers = [await submit(shop) for _ in range(3)]
    doors = Opening(shop, kind=Tired)
    await doors.run()
    assert [way_out.taken for way_out in doors.made] == [1, 1, 1]
    assert [(await shown(shop, number)).state for number in numbers] == ["sent"] * 3


async def test_a_line_that_ends_within_a_message_leaves_it_uncertain(shop: Shop) -> None:
    numbers = [await submit(shop) for _ in range(3)]
    await Opening(shop, kind=partial(Tired, begins_another=True)).run()
    assert [(await shown(shop, number)).state for number in numbers] == ["sent", "uncertain", "sent"]


async def test_a_line_carries_a_bounded_number_of_messages(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MESSAGES_PER_LINE", 2)
    for _ in range(3):
        await submit(shop)
    doors = Opening(shop)
    await doors.run()
    assert [len(way_out.asked) for way_out in doors.made] == [2, 1]


def copies(shop: Shop, **sending: object) -> None:
    accounts.change(shop.actor, shop.account, {"sending": sending})


async def kept_here(shop: Shop) -> list[tuple[str, int]]:
    """The names of folders that lie here only, and how many messages each holds."""
    rows = models.Folder.objects.filter(account=shop.account, place="local").order_by("id")
    return await shop.write(lambda: [(row.path[-1], row.placements.count()) for row in rows])


async def test_no_copy_is_kept_where_none_is_wanted(shop: Shop) -> None:
    shop.server.create_folder(LOGIN, SENT, role=Role.SENT)
    await shop.sync()
    await shop.write(partial(copies, shop, sent_copy="none"))
    await submit(shop)
    await Doors(shop).run()
    await shop.sync()
    assert not shop.server.contents(LOGIN, SENT)
    assert await kept_here(shop) == []


async def test_a_copy_wanted_here_only_never_reaches_the_server(shop: Shop) -> None:
    shop.server.create_folder(LOGIN, SENT, role=Role.SENT)
    await shop.sync()
    await shop.write(partial(copies, shop, sent_copy="local"))
    for _ in range(2):
        await submit(shop)
    await Doors(shop).run()
    await shop.sync()
    assert not shop.server.contents(LOGIN, SENT)
    assert await kept_here(shop) == [("Sent (kept here)", 2)]
    assert await shop.write(models.Message.objects.count) == 2


async def test_a_copy_goes_into_the_chosen_folder_even_of_another_mailbox(shop: Shop) -> None:
    other = await shop.write(
        partial(an_account, shop.actor, "Archiv", kind="archive", incoming=None, outgoing=None, login=None)
    )
    folder = await shop.write(lambda: a_folder(other, "Versandt"))
    await shop.write(lambda: models.Folder.objects.filter(pk=folder.id).update(place="local"))
    shop.server.create_folder(LOGIN, SENT, role=Role.SENT)
    await shop.sync()
    await shop.write(partial(copies, shop, sent_copy="folder", sent_folder=folder.id))
    await submit(shop)
    await Doors(shop).run()
    await shop.sync()
    assert not shop.server.contents(LOGIN, SENT)
    assert await shop.write(models.Placement.objects.filter(folder=folder.id).count) == 1


async def test_a_copy_for_a_chosen_folder_on_the_server_is_told_to_that_server(shop: Shop) -> None:
    shop.server.create_folder(LOGIN, ("Versand", "2026"))
    shop.server.create_folder(LOGIN, SENT, role=Role.SENT)
    await shop.sync()
    chosen = await shop.write(lambda: models.Folder.objects.get(path=["Versand", "2026"]))
    await shop.write(partial(copies, shop, sent_copy="folder", sent_folder=str(chosen.pk)))
    await submit(shop)
    await Doors(shop).run()
    await shop.sync()
    assert len(shop.server.contents(LOGIN, ("Versand", "2026"))) == 1
    assert not shop.server.contents(LOGIN, SENT)


async def test_where_the_chosen_folder_is_gone_the_copy_goes_where_copies_usually_go(shop: Shop) -> None:
    shop.server.create_folder(LOGIN, SENT, role=Role.SENT)
    shop.server.create_folder(LOGIN, ("Versand",))
    await shop.sync()
    chosen = await shop.write(lambda: models.Folder.objects.get(path=["Versand"]))
    await shop.write(partial(copies, shop, sent_copy="folder", sent_folder=str(chosen.pk)))
    await shop.write(lambda: models.Folder.objects.filter(pk=chosen.pk).update(vanished_at=timezone.now()))
    await submit(shop)
    await Doors(shop).run()
    await shop.sync()
    assert len(shop.server.contents(LOGIN, SENT)) == 1


async def test_the_folder_chosen_before_the_mailbox_was_saved_gets_the_first_copy(shop: Shop) -> None:
    document = {"roles": {"sent": ["Versand", "2026"]}}
    await shop.write(partial(accounts.change, shop.actor, shop.account, document))
    for path, role in ((SENT, Role.SENT), (("Versand", "2026"), Role.NONE)):
        shop.server.create_folder(LOGIN, path, role=role)
    await submit(shop)
    await Doors(shop).run()
    await shop.sync()
    assert len(shop.server.contents(LOGIN, ("Versand", "2026"))) == 1
    assert not shop.server.contents(LOGIN, SENT)
    rows = models.Folder.objects.filter(account=shop.account, path=["Versand", "2026"])
    assert [row.role for row in await shop.write(lambda: list(rows))] == [Role.SENT.value]


async def test_a_folder_expected_for_sent_mail_that_is_not_there_is_forgotten(shop: Shop) -> None:
    await shop.write(partial(accounts.change, shop.actor, shop.account, {"roles": {"sent": ["Nirgends"]}}))
    shop.server.create_folder(LOGIN, SENT, role=Role.SENT)
    await shop.sync()
    await submit(shop)
    await Doors(shop).run()
    await shop.sync()
    assert len(shop.server.contents(LOGIN, SENT)) == 1
    (branch,) = await shop.write(reading.tree, shop.actor)
    assert ["Nirgends"] not in [list(folder.path) for folder in branch.folders]


async def test_a_mailbox_without_folders_on_a_server_keeps_its_sent_mail_here(shop: Shop) -> None:
    await shop.write(lambda: models.Account.objects.filter(pk=shop.account).update(incoming_protocol="pop3"))
    await submit(shop)
    await Doors(shop).run()
    assert await kept_here(shop) == [("Sent (kept here)", 1)]
    row = await shop.write(models.Folder.objects.get)
    assert row.role == Role.SENT.value


async def test_bcc_is_in_the_envelope_and_in_no_header(shop: Shop) -> None:
    number = await submit(shop, bcc=("still@kunde.test",))
    way_out = Scripted()
    await Doors(shop, way_out).run()
    assert way_out.asked == [("eva@kunde.test", "still@kunde.test")]
    raw = await shop.write(lambda: models.Outgoing.objects.get(pk=number).message)
    assert b"still@kunde.test" not in await shop.write(
        lambda: shop.tools.segments.read(
            raw.segment.name, raw.offset, raw.length, sha256=bytes(raw.sha256), size=raw.size
        )
    )


async def test_a_retry_goes_only_to_those_still_open(shop: Shop) -> None:
    number = await submit(shop, "a@kunde.test", "b@kunde.test", "c@kunde.test")
    way_out = Scripted({"b@kunde.test": RecipientState.DEFERRED, "c@kunde.test": RecipientState.REJECTED})
    doors = Doors(shop, way_out)
    await doors.run()
    assert [one.state for one in (await shown(shop, number)).recipients] == ["accepted", "deferred", "rejected"]
    way_out.answers.clear()
    await due_again(shop)
    await doors.run()
    assert way_out.asked[1:] == [("b@kunde.test",)]
    assert (await shown(shop, number)).state == "partly-sent"


async def test_trouble_before_the_first_byte_waits_and_tries_again(shop: Shop) -> None:
    number = await submit(shop)
    way_out = Scripted(before=TryAgain("connection-lost"))
    doors = Doors(shop, way_out)
    await doors.run()
    record = await shown(shop, number)
    assert record.state == "deferred"
    assert record.trouble is not None
    assert record.trouble.code == "connection-lost"
    assert record.due_at is not None
    assert record.due_at > timezone.now()
    way_out.before = None
    await due_again(shop)
    await doors.run()
    assert (await shown(shop, number)).state == "sent"


async def test_trouble_after_the_first_byte_is_uncertain_and_never_sent_again_by_itself(shop: Shop) -> None:
    number = await submit(shop)
    way_out = Scripted(after=TryAgain("connection-lost"))
    doors = Doors(shop, way_out)
    for _ in range(3):
        await doors.run()
        await due_again(shop)
    assert len(way_out.asked) == 1
    record = await shown(shop, number)
    assert (record.state, [one.state for one in record.recipients]) == ("uncertain", ["uncertain"])


@pytest.mark.parametrize(("step", "state"), [("before", "sent"), ("after", "uncertain")])
async def test_an_engine_killed_while_sending_loses_nothing_and_doubles_nothing(
    shop: Shop, step: str, state: str
) -> None:
    await shop.write(incoming.engine_started)
    number = await submit(shop)
    with pytest.raises(Crash):
        await Doors(shop, Scripted(**{step: Crash()})).run()
    await shop.write(incoming.engine_started)
    way_out = Scripted()
    await Doors(shop, way_out).run()
    assert len(way_out.asked) == (1 if step == "before" else 0)
    assert (await shown(shop, number)).state == state


async def test_what_a_person_must_mend_waits_until_somebody_has_acted(shop: Shop) -> None:
    number = await submit(shop)
    doors = Doors(shop, refusal=LoginRejected("login-rejected"))
    await doors.run()
    await due_again(shop)
    await doors.run()
    assert (await shown(shop, number)).due_at is None
    doors.refusal = None
    await doors.run()
    assert (await shown(shop, number)).state == "deferred"


async def test_what_a_server_has_accepted_is_on_record_before_we_take_leave_of_it(shop: Shop) -> None:
    """A crash while hanging up must not make an accepted message uncertain (RELIABILITY Q20)."""
    number = await submit(shop)
    states: list[str] = []

    class Leaving(Scripted):
        async def close(self) -> None:
            states.append((await shown(shop, number)).state)

    await Doors(shop, Leaving()).run()
    assert states == ["sent"]


async def test_two_engines_do_not_send_one_message_twice(shop: Shop) -> None:
    await submit(shop)
    way_out = Scripted()
    await asyncio.gather(*(Doors(shop, way_out).run() for _ in range(5)))
    assert len(way_out.asked) == 1


async def test_the_same_idempotency_key_is_the_same_message_and_other_content_is_refused(shop: Shop) -> None:
    first = await shop.write(lambda: outbox.submit(shop.actor, draft(shop), idempotency_key="k1"))
    again = await shop.write(lambda: outbox.submit(shop.actor, draft(shop), idempotency_key="k1"))
    assert first.id == again.id
    with pytest.raises(Conflict, match="idempotency-key-reused"):
        await shop.write(lambda: outbox.submit(shop.actor, draft(shop, "x@kunde.test"), idempotency_key="k1"))
    attached = draft(shop, attachments=[Attachment("a.txt", "text/plain", b"1")])
    with pytest.raises(Conflict, match="idempotency-key-reused"):
        await shop.write(lambda: outbox.submit(shop.actor, attached, idempotency_key="k1"))


async def test_a_reply_continues_the_thread_and_marks_what_it_answers(shop: Shop) -> None:
    uid = shop.server.deliver(LOGIN, a_letter("Frage"))
    await shop.sync()
    (branch,) = await shop.write(reading.tree, shop.actor)
    (question,) = (await shop.write(reading.page, shop.actor, branch.folders[0].id)).items
    number = await submit(shop, answers=question.id)
    await Doors(shop, Scripted()).run()
    await shop.sync()
    assert ANSWERED in shop.server.contents(LOGIN)[uid][1]
    content = (await shown(shop, number)).content
    raw = await shop.write(lambda: outbox_bytes(shop, content))
    assert parse(raw).in_reply_to == (question.message_id,)


async def test_a_message_with_odd_identifiers_can_be_answered(shop: Shop) -> None:
    odd = "<ä@kunde.test> <a b@kunde.test> <gut@kunde.test>"
    shop.server.deliver(LOGIN, a_letter("Frage", headers={"References": odd}).replace(b".letter@", b".le<tter@"))
    await shop.sync()
    (branch,) = await shop.write(reading.tree, shop.actor)
    (question,) = (await shop.write(reading.page, shop.actor, branch.folders[0].id)).items
    number = await submit(shop, answers=question.id)
    raw = await shop.write(lambda: outbox_bytes(shop, models.Outgoing.objects.get(pk=number).message.sha256.hex()))
    assert "gut@kunde.test" in parse(raw).references


async def test_a_postponement_too_many_is_a_refusal_in_the_servers_own_words(shop: Shop) -> None:
    number = await submit(shop, "a@kunde.test", "b@kunde.test")
    await shop.write(lambda: models.Outgoing.objects.update(attempts=LONGEST_DEFERRAL_ATTEMPTS - 1))
    await Doors(shop, Scripted({"b@kunde.test": RecipientState.DEFERRED})).run()
    record = await shown(shop, number)
    assert record.state == "partly-sent"
    assert [(one.state, one.answer) for one in record.recipients] == [("accepted", "250 ok"), ("rejected", "250 ok")]


@pytest.mark.parametrize(("step", "state"), [("before", "deferred"), ("after", "uncertain")])
async def test_a_bug_while_sending_leaves_no_message_between_two_states(shop: Shop, step: str, state: str) -> None:
    number = await submit(shop)
    await Doors(shop, Scripted(**{step: ZeroDivisionError()})).run()
    record = await shown(shop, number)
    assert record.state == state
    assert record.trouble is not None
    assert record.trouble.code == "internal-error"


async def test_a_copy_whose_bytes_are_lost_does_not_hold_up_the_others(shop: Shop) -> None:
    shop.server.create_folder(LOGIN, SENT, role=Role.SENT)
    await shop.sync()
    lost, kept = await submit(shop), await submit(shop)
    await Doors(shop).run()
    name = await shop.write(lambda: models.Outgoing.objects.get(pk=lost).message.segment.name)
    (segment,) = settings.POSTSTELLE.home.glob(f"segments/*/{name}.seg")
    segment.write_bytes(b"nichts mehr zu lesen")
    await shop.sync()
    (copy, _), *more = shop.server.contents(LOGIN, SENT).values()
    assert not more
    assert parse(copy).message_id == (await shown(shop, kept)).message_id
    assert not await shop.write(models.Errand.objects.filter(closed_at=None).exists)


def outbox_bytes(shop: Shop, content: str) -> bytes:
    row = models.Message.objects.select_related("segment").get(sha256=bytes.fromhex(content))
    return shop.tools.segments.read(row.segment.name, row.offset, row.length, sha256=bytes(row.sha256), size=row.size)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"to": ("kein-empfaenger",)}, "to.0"),
        ({"to": ()}, "to"),
        ({"cc": ("a@b.test\r\nBcc: x@y.test",)}, "cc.0"),
        ({"subject": "zwei\r\nZeilen"}, "subject"),
        ({"sender": "chef@woanders.test"}, "from"),
    ],
)
async def test_a_wrong_value_is_refused_at_its_field_and_nothing_is_queued(
    shop: Shop, wrong: dict[str, object], field: str
) -> None:
    values = {"to": ("eva@kunde.test",), "subject": "Angebot", "text": "Anbei."} | wrong
    with pytest.raises(Invalid) as refused:
        await shop.write(lambda: outbox.submit(shop.actor, Draft(shop.account, **values)))  # type: ignore[arg-type]
    assert field in refused.value.fields
    assert await shop.write(models.Outgoing.objects.count) == 0


async def test_nobody_sends_from_an_account_without_the_right(shop: Shop) -> None:
    stranger = await shop.write(a_person)
    with pytest.raises(Exception, match="account-unknown"):
        await shop.write(lambda: outbox.submit(stranger, draft(shop)))
    await shop.write(lambda: models.Grant.objects.create(account_id=shop.account, user_id=stranger.user.id, see=True))
    with pytest.raises(NotPermitted):
        await shop.write(lambda: outbox.submit(stranger, draft(shop)))
