"""Working on messages: whose they are, notes, follow-ups, tags, presence; who may do it, and that it stays with the message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from poststelle.errors import Invalid, NotFound, NotPermitted
from poststelle.mail.listing import Place, Status, Where
from poststelle.mail.records import PlacementRecord
from poststelle.office import feed, lists, work
from poststelle.office.actor import SYSTEM, Actor
from poststelle.store import messages, models
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account, an_office

pytestmark = pytest.mark.usefixtures("home", "transactional_db")


class Desk:
    """Ada administers and has all rights; Bob may see; Cem may process; Dora may do nothing."""

    def __init__(self) -> None:
        self.ada = an_office()
        self.bob, self.cem, self.dora = (a_person(f"{name}@amt.test") for name in ("bob", "cem", "dora"))
        for name, person in (("Bob Berg", self.bob), ("Cem Can", self.cem), ("Dora Dorn", self.dora)):
            models.User.objects.filter(pk=person.user.id if person.user else None).update(name=name)
        grants = [
            {"user": "ada@amt.test", "rights": ["see", "process", "send-as", "administer"]},
            {"user": "bob@amt.test", "rights": ["see"]},
            {"user": "cem@amt.test", "rights": ["see", "process"]},
        ]
        self.account = an_account(self.ada, grants=grants)
        self.inbox = a_folder(self.account)
        self.message = a_message_in(self.inbox, a_letter("Frage"))

    def kinds_since(self, actor: Actor, after: int) -> list[str]:
        return [entry.kind for entry in feed.changes(actor, after).items]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def user_id(actor: Actor) -> str:
    assert actor.user is not None
    return actor.user.id


def test_a_message_is_assigned_told_in_the_journal_and_listed_as_ones_own(desk: Desk) -> None:
    before = feed.latest()
    assert work.assign(desk.cem, [desk.message.id], "bob@amt.test") == 1
    assert work.assign(desk.cem, [desk.message.id], user_id(desk.bob)) == 0
    assert desk.kinds_since(desk.bob, before) == ["assigned"]
    assert desk.kinds_since(desk.dora, before) == []
    assert [row.placement.id for row in lists.page(desk.bob, Where(Place.MINE)).items] == [desk.message.id]
    (row,) = lists.page(desk.ada, Where(Place.FOLDER, desk.inbox.id)).items
    assert row.task is not None
    assert row.task.assignee is not None
    assert row.task.assignee.name == "Bob Berg"
    assert work.assign(desk.cem, [desk.message.id], None) == 1
    assert lists.page(desk.bob, Where(Place.MINE)).items == []


def test_nobody_is_assigned_what_they_may_not_see(desk: Desk) -> None:
    for user in ("dora@amt.test", user_id(desk.dora), "nobody@amt.test"):
        with pytest.raises(Invalid) as refused:
            work.assign(desk.ada, [desk.message.id], user)
        assert refused.value.fields == {"user": "cannot-see"}


def test_work_takes_the_right_to_process_and_notes_the_right_to_see(desk: Desk) -> None:
    attempts: list[Any] = [
        lambda who: work.assign(who, [desk.message.id], "bob@amt.test"),
        lambda who: work.set_status(who, [desk.message.id], Status.DONE),
        lambda who: work.follow_up(who, [desk.message.id], timezone.now()),
    ]
    for attempt in attempts:
        with pytest.raises(NotPermitted):
            attempt(desk.bob)
        with pytest.raises(NotFound):
            attempt(desk.dora)
        assert attempt(desk.cem) == 1
    assert work.add_note(desk.bob, desk.message.id, "Gesehen.").is_own
    with pytest.raises(NotFound):
        work.add_note(desk.dora, desk.message.id, "Gesehen.")


def test_what_people_add_survives_a_move_and_a_renumbered_server(desk: Desk) -> None:
    work.assign(desk.cem, [desk.message.id], "cem@amt.test")
    work.add_note(desk.cem, desk.message.id, "Rückruf")
    elsewhere = a_folder(desk.account, "Mandant")
    models.Placement.objects.filter(pk=desk.message.id).update(folder=elsewhere.id, remote_id="99.1")
    moved = work.on(desk.cem, desk.message.id)
    assert moved.task.assignee is not None
    assert [note.text for note in moved.notes] == ["Rückruf"]
    models.Placement.objects.filter(pk=desk.message.id).delete()
    again = a_message_in(desk.inbox, _bytes_of(desk.message))
    assert [note.text for note in work.on(desk.cem, again.id).notes] == ["Rückruf"]


def _bytes_of(record: PlacementRecord) -> bytes:
    return messages.content(SYSTEM.reach.pool, bytes.fromhex(record.content))


def test_a_follow_up_comes_back_when_it_is_due_once_and_opens_waiting_work(desk: Desk) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    work.set_status(desk.cem, [desk.message.id], Status.WAITING)
    work.follow_up(desk.cem, [desk.message.id], tomorrow)
    assert work.remind(SYSTEM) == 0
    assert lists.page(desk.cem, Where(Place.FOLLOW_UP)).items == []
    models.Task.objects.update(follow_up_at=timezone.now() - timedelta(minutes=1))
    before = feed.latest()
    assert (work.remind(SYSTEM), work.remind(SYSTEM)) == (1, 0)
    assert desk.kinds_since(desk.cem, before) == ["follow-up-due"]
    (row,) = lists.page(desk.cem, Where(Place.FOLLOW_UP)).items
    assert row.task is not None
    assert (row.task.status, row.task.is_due) == (Status.OPEN, True)
    assert lists.page(desk.ada, Where(Place.FOLLOW_UP)).items == []
    work.follow_up(desk.cem, [desk.message.id], timezone.now() - timedelta(minutes=1), everybody=True)
    assert len(lists.page(desk.ada, Where(Place.FOLLOW_UP)).items) == 1
    work.set_status(desk.cem, [desk.message.id], Status.DONE)
    assert lists.page(desk.ada, Where(Place.FOLLOW_UP)).items == []
    assert work.remind(SYSTEM) == 0


@pytest.mark.parametrize(
    "at", [datetime(2026, 1, 1), datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)]
)
def test_a_follow_up_at_an_impossible_time_is_refused(desk: Desk, at: datetime) -> None:
    with pytest.raises(Invalid):
        work.follow_up(desk.cem, [desk.message.id], at)


def test_a_note_calls_whoever_it_names_and_may_follow(desk: Desk) -> None:
    note = work.add_note(
        desk.cem, desk.message.id, "Bitte @bob berg und @Ada ansehen, nicht @dora@amt.test oder @bobo."
    )
    assert {person.email for person in note.mentions} == {"ada@amt.test", "bob@amt.test"}
    assert [row.notes for row in lists.page(desk.bob, Where(Place.MENTIONS)).items] == [1]
    assert lists.page(desk.dora, Where(Place.MENTIONS)).items == []
    work.change_note(desk.cem, desk.message.id, note.id, "Doch nur @ada@amt.test.")
    assert lists.page(desk.bob, Where(Place.MENTIONS)).items == []
    (changed,) = work.on(desk.bob, desk.message.id).notes
    assert (changed.text, changed.is_own) == ("Doch nur @ada@amt.test.", False)
    assert changed.changed_at is not None


def test_a_note_belongs_to_whoever_wrote_it(desk: Desk) -> None:
    note = work.add_note(desk.cem, desk.message.id, "Meins")
    for somebody in (desk.bob, desk.ada):
        with pytest.raises(NotFound):
            work.change_note(somebody, desk.message.id, note.id, "Anders")
        with pytest.raises(NotFound):
            work.remove_note(somebody, desk.message.id, note.id)
    with pytest.raises(NotFound):
        work.remove_note(desk.cem, desk.message.id, "nonsense")
    before = feed.latest()
    work.remove_note(desk.cem, desk.message.id, note.id)
    assert work.on(desk.cem, desk.message.id).notes == []
    assert desk.kinds_since(desk.bob, before) == ["note-removed"]


@pytest.mark.parametrize(("text", "reason"), [("  ", "missing"), ("\0", "missing"), ("x" * 20_001, "too-long")])
def test_a_note_needs_words_and_an_end(desk: Desk, text: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        work.add_note(desk.bob, desk.message.id, text)
    assert refused.value.fields == {"text": reason}


def test_whoever_is_at_a_message_is_shown_to_others_for_a_minute(desk: Desk) -> None:
    assert work.here(desk.bob, desk.message.id) == []
    (other,) = work.here(desk.cem, desk.message.id, "answering")
    assert (other.user.email, other.doing) == ("bob@amt.test", "reading")
    assert [(one.user.email, one.doing) for one in work.here(desk.bob, desk.message.id)] == [
        ("cem@amt.test", "answering")
    ]
    models.Presence.objects.update(at=timezone.now() - timedelta(seconds=61))
    assert work.on(desk.ada, desk.message.id).present == []
    with pytest.raises(NotFound):
        work.here(desk.dora, desk.message.id)
    with pytest.raises(Invalid):
        work.here(desk.bob, desk.message.id, "sleeping")


def test_a_heartbeat_is_written_at_most_every_twenty_seconds(desk: Desk) -> None:
    work.here(desk.bob, desk.message.id)
    first = models.Presence.objects.get().at
    work.here(desk.bob, desk.message.id)
    assert models.Presence.objects.get().at == first
    models.Presence.objects.update(at=first - timedelta(seconds=21))
    work.here(desk.bob, desk.message.id)
    assert models.Presence.objects.get().at > first - timedelta(seconds=20)
    work.away(desk.bob, desk.message.id)
    assert not models.Presence.objects.exists()


def test_only_that_somebody_answers_is_in_the_journal_not_that_they_read(desk: Desk) -> None:
    before = feed.latest()
    work.here(desk.bob, desk.message.id)
    work.looked(desk.bob, desk.message.id)
    assert feed.latest() == before
    work.here(desk.bob, desk.message.id, "answering")
    work.here(desk.bob, desk.message.id, "answering")
    work.away(desk.bob, desk.message.id)
    assert desk.kinds_since(desk.cem, before) == ["answering-changed", "answering-changed"]


def test_looking_is_for_oneself_and_leaves_the_shared_mark_alone(desk: Desk) -> None:
    work.add_note(desk.cem, desk.message.id, "@Bob")
    assert (work.looked(desk.bob, desk.message.id), work.looked(desk.bob, desk.message.id)) == (True, False)
    assert models.Placement.objects.get(pk=desk.message.id).seen is False
    assert models.Mention.objects.get().seen_at is not None
    assert not models.Looked.objects.exclude(user=user_id(desk.bob)).exists()
    models.Placement.objects.update(received_at=timezone.now())
    models.User.objects.update(created_at=timezone.now() - timedelta(days=1))
    assert [row.is_new for row in lists.page(desk.cem, Where(Place.NEW)).items] == [True]
    work.looked_at_everything(desk.cem)
    assert lists.page(desk.cem, Where(Place.NEW)).items == []


def test_tags_are_the_offices_and_the_keywords_one_may_have_seen(desk: Desk) -> None:
    a_message_in(desk.inbox, flags=["Frist", "$label1", "$Forwarded", "NonJunk"])
    hidden = an_account(desk.ada, "Geheim", grants=[{"user": "ada@amt.test", "rights": ["see", "administer"]}])
    a_message_in(a_folder(hidden), flags=["Vertraulich"])
    made = work.add_tag(desk.cem, "Rückruf nötig", "orange")
    assert (made.keyword, made.name, made.colour) == ("ruckruf_notig", "Rückruf nötig", "orange")
    assert [tag.keyword for tag in work.offered_tags(desk.bob)] == ["ruckruf_notig", "Frist", "$label1"]
    assert "Vertraulich" in [tag.keyword for tag in work.offered_tags(desk.ada)]
    assert [tag.keyword for tag in work.offered_tags(desk.dora)] == ["ruckruf_notig"]
    work.change_tag(desk.ada, "Frist", "Frist läuft", "red")
    tag = next(tag for tag in work.offered_tags(desk.bob) if tag.keyword == "Frist")
    assert (tag.name, tag.colour, tag.is_defined) == ("Frist läuft", "red", True)
    rows = lists.page(desk.bob, Where(Place.FOLDER, desk.inbox.id)).items
    assert [[one.name for one in row.tags] for row in rows] == [["label1", "Frist läuft"], []]
    assert work.tag_named(desk.cem, "frist LÄUFT").keyword == "Frist"
    assert work.tag_named(desk.cem, "Neu").colour not in {"", "orange", "red"}, "a colour that nobody has yet"
    work.remove_tag(desk.ada, "frist")
    assert next(tag for tag in work.offered_tags(desk.bob) if tag.keyword == "Frist").name == "Frist"


def test_tags_nobody_could_use_are_refused(desk: Desk) -> None:
    work.add_tag(desk.cem, "Eilig")
    for name, colour, wrong in (
        ("", "", {"name": "missing"}), ("x" * 61, "", {"name": "too-long"}), ("a\nb", "", {"name": "control-character"}),
        ("Neu", "#fff", {"colour": "unknown-value"}), ("EILIG", "", {"name": "taken"}),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            work.add_tag(desk.cem, name, colour)
        assert refused.value.fields == wrong
    assert work.add_tag(desk.cem, "紧急").keyword.startswith("tag_")
    with pytest.raises(NotPermitted):
        work.add_tag(desk.bob, "Neu")
    with pytest.raises(NotPermitted):
        work.change_tag(desk.cem, "Eilig", "Anders", "")
    with pytest.raises(NotPermitted):
        work.remove_tag(desk.cem, "eilig")
    with pytest.raises(NotFound):
        work.remove_tag(desk.ada, "nie")
    with pytest.raises(Invalid):
        work.change_tag(desk.ada, "zwei Worte", "Zwei", "")


def test_a_sender_is_trusted_by_one_person_alone(desk: Desk) -> None:
    assert work.trust_sender(desk.bob, desk.message.id) == "eva@kunde.test"
    work.trust_sender(desk.bob, desk.message.id)
    assert (work.trusted_senders(desk.bob), work.trusted_senders(desk.cem)) == (["eva@kunde.test"], [])
    work.distrust_sender(desk.bob, "EVA@kunde.test")
    assert work.trusted_senders(desk.bob) == []
    with pytest.raises(NotFound):
        work.trust_sender(desk.dora, desk.message.id)


def test_groups_and_folder_grants_count_for_who_may_see(desk: Desk) -> None:
    group = models.Group.objects.create(pool_id=desk.ada.reach.pool, name="Empfang")
    group.members.add(user_id(desk.dora))
    models.Grant.objects.create(account_id=desk.account.id, group=group, see=True)
    assert "dora@amt.test" in {one.email for one in work.on(desk.ada, desk.message.id).colleagues}
    models.Grant.objects.filter(group=group).update(folder_id=a_folder(desk.account, "Anderer").id)
    assert "dora@amt.test" not in {one.email for one in work.on(desk.ada, desk.message.id).colleagues}
    models.Grant.objects.filter(user=user_id(desk.bob)).update(ends_at=timezone.now() - timedelta(seconds=1))
    assert "bob@amt.test" not in {one.email for one in work.on(desk.ada, desk.message.id).colleagues}


def test_too_many_messages_at_once_are_refused(desk: Desk) -> None:
    with pytest.raises(Invalid) as refused:
        work.set_status(desk.cem, [str(number) for number in range(1001)], Status.DONE)
    assert refused.value.fields == {"messages": "too-many"}
