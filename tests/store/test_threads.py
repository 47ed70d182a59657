"""Conversations: what belongs together is together, in whatever order it came."""

from __future__ import annotations

import itertools
from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poststelle.mail.digest import Digest, digest
from poststelle.office.actor import Actor
from poststelle.store import models, threads
from tests.builders import MORNING, a_folder, a_letter, a_message_in, an_account, an_office

pytestmark = pytest.mark.django_db(transaction=True)

CUSTOMER, OFFICE = "eva@kunde.test", "zentrale@amt.test"


def a_mail(
    name: str,
    subject: str = "Anfrage",
    *,
    after: tuple[str, ...] = (),
    days: int = 0,
    sender: str = CUSTOMER,
    to: str = OFFICE,
) -> bytes:
    references = {"References": " ".join(f"<{one}@x.test>" for one in after)} if after else {}
    date = format_datetime(MORNING + timedelta(days=days))
    return (
        f"Message-ID: <{name}@x.test>\nFrom: {sender}\nTo: {to}\nSubject: {subject}\nDate: {date}\n"
        + "".join(f"{key}: {value}\n" for key, value in references.items())
        + f"\n{name}\n"
    ).encode()


class Post:
    """What has been kept, by the name in its Message-ID."""

    def __init__(self) -> None:
        self.actor: Actor = an_office()
        self.folder = a_folder(an_account(self.actor))

    def keep(self, *raws: bytes) -> None:
        """One after the other, as single arrivals."""
        for raw in raws:
            placed = a_message_in(self.folder, raw)
            row = models.Message.objects.get(placements=placed.id)
            with transaction.atomic():
                threads.assign(row.pool_id, [(row.pk, digest(raw))])

    def groups(self) -> set[frozenset[str]]:
        """The names, grouped by thread; placements say the same as messages."""
        found: dict[int, set[str]] = {}
        for row in models.Message.objects.all():
            assert row.thread > 0
            assert {placement.thread for placement in row.placements.all()} == {row.thread}
            found.setdefault(row.thread, set()).add(row.message_id.partition("@")[0])
        return {frozenset(names) for names in found.values()}

    def forget(self) -> None:
        for table in (models.ThreadTopic, models.ThreadLink, models.Placement, models.Message):
            table.objects.all().delete()


@pytest.fixture
def post(home: object) -> Post:
    return Post()


def together(*groups: str) -> set[frozenset[str]]:
    return {frozenset(group.split()) for group in groups}


def test_a_reply_joins_what_it_answers(post: Post) -> None:
    post.keep(a_mail("a"), a_mail("b", "AW: Anfrage", after=("a",)), a_mail("c", "Anderes"))
    assert post.groups() == together("a b", "c")


def test_a_missing_link_that_arrives_later_joins_both_ends(post: Post) -> None:
    post.keep(a_mail("a"), a_mail("c", "AW: x", after=("b",)))
    assert post.groups() == together("a", "c")
    post.keep(a_mail("b", "AW: Anfrage", after=("a",)))
    assert post.groups() == together("a b c")


def test_answers_to_the_same_unknown_message_are_together(post: Post) -> None:
    post.keep(a_mail("b", "AW: x", after=("a",)), a_mail("c", "AW: y", after=("a",)))
    assert post.groups() == together("b c")


def test_equal_subjects_alone_join_nothing(post: Post) -> None:
    post.keep(a_mail("a", "Rechnung"), a_mail("b", "Rechnung", days=1))
    assert post.groups() == together("a", "b")


@pytest.mark.parametrize("mark", ["Re:", "AW:", "RE: AW: WG:", "Antwort:", "Re[2]:"])
def test_a_reply_without_reference_joins_by_subject(post: Post, mark: str) -> None:
    post.keep(a_mail("a"), a_mail("b", f"{mark} Anfrage", days=29, sender=OFFICE, to=CUSTOMER))
    assert post.groups() == together("a b")


@pytest.mark.parametrize(
    "stranger",
    [
        a_mail("b", "AW: Anfrage", days=31, sender=OFFICE, to=CUSTOMER),
        a_mail("b", "AW: Anfrage", sender="max@anders.test", to=OFFICE),
        a_mail("b", "AW: Anfrage", sender=OFFICE, to="max@anders.test"),
        a_mail("b", "AW: Anfragen", sender=OFFICE, to=CUSTOMER),
        a_mail("b", "Anfrage", sender=OFFICE, to=CUSTOMER),
    ],
    ids=["too late", "another customer", "to somebody else", "another subject", "no reply"],
)
def test_a_reply_without_reference_does_not_join_strangers(post: Post, stranger: bytes) -> None:
    post.keep(a_mail("a"), stranger)
    assert post.groups() == together("a", "b")


LETTERS = (
    a_mail("a"),
    a_mail("b", "AW: Anfrage", after=("a",), sender=OFFICE, to=CUSTOMER),
    a_mail("c", "AW: AW: Anfrage", days=2),
    a_mail("d", "WG: Anfrage", after=("x", "b")),
    a_mail("e", "Frage", days=3),
    a_mail("f", "Re: Frage", days=3, sender=OFFICE, to=CUSTOMER),
    a_mail("g", "Re: Frage", after=("y",), days=3),
    a_mail("h", "Übersicht", after=("y", "z")),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(LETTERS))
def test_the_order_of_arrival_changes_nothing(post: Post, letters: list[bytes]) -> None:
    post.forget()
    post.keep(*letters)
    assert post.groups() == together("a b c d", "e f g h")


def test_a_batch_is_the_same_as_one_after_the_other(post: Post) -> None:
    rows = [models.Message.objects.get(placements=a_message_in(post.folder, raw).id) for raw in LETTERS]
    read: list[Digest] = [digest(raw) for raw in LETTERS]
    with transaction.atomic():
        threads.assign(rows[0].pool_id, [(row.pk, one) for row, one in zip(rows, read, strict=True)])
    assert post.groups() == together("a b c d", "e f g h")


def test_messages_from_before_there_were_threads_get_theirs_step_by_step(post: Post) -> None:
    for raw in reversed(LETTERS):
        a_message_in(post.folder, raw)
    models.Message.objects.update(thread=0)
    models.Placement.objects.update(thread=0)
    models.ThreadLink.objects.all().delete()
    models.ThreadTopic.objects.all().delete()
    assert list(itertools.takewhile(bool, (threads.catch_up(3) for _ in range(10)))) == [3, 3, 2]
    assert post.groups() == together("a b c d", "e f g h")


def test_repeating_it_changes_nothing(post: Post) -> None:
    post.keep(*LETTERS[:4])
    before = list(models.Message.objects.values_list("id", "thread"))
    for row, raw in zip(models.Message.objects.order_by("id"), LETTERS, strict=False):
        with transaction.atomic():
            threads.assign(row.pool_id, [(row.pk, digest(raw))])
    assert list(models.Message.objects.values_list("id", "thread")) == before


def test_a_message_that_names_thousands_links_only_some(post: Post) -> None:
    post.keep(a_mail("a", after=tuple(f"r{number}" for number in range(5_000))))
    assert models.ThreadLink.objects.count() <= threads.MAX_NAMES + 1
    post.keep(a_mail("b", after=("r4999",)), a_mail("c", after=("r0",)))
    assert post.groups() == together("a b c")


def test_a_letter_without_a_name_is_a_thread_of_its_own(post: Post) -> None:
    post.keep(a_letter("", "eins"), a_letter("", "zwei"))
    assert len(post.groups()) == models.Message.objects.values("thread").distinct().count()
