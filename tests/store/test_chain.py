"""The journal's chain: what was written fits, and the first entry somebody touched is named."""

from __future__ import annotations

import pytest

from poststelle.office.actor import SYSTEM
from poststelle.store import chain, journal, models
from poststelle.store.ids import uuid7
from tests.builders import an_office


@pytest.fixture
def pool(db: None) -> int:
    """A pool with a handful of entries of different kinds."""
    an_office()
    account = uuid7()
    for count in range(5):
        journal.write(
            SYSTEM.reach.pool, "ada@amt.test", "messages-arrived", "folder:1", account=account,
            facts={"count": count, "share": 0.1, "name": "Ümläut", "list": ["a", None, True]},
        )  # fmt: skip
    return SYSTEM.reach.pool


def fifth(pool: int) -> models.Journal:
    return models.Journal.objects.filter(pool=pool).order_by("id")[4]


def test_what_was_written_fits(pool: int) -> None:
    report = chain.verify(pool)
    assert report.broken is None
    assert report.entries == models.Journal.objects.count()
    assert report.unproved == 0
    newest = models.Journal.objects.latest("id")
    assert (report.head_id, report.head) == (newest.id, newest.digest)


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "eve@amt.test"},
        {"facts": {"count": 99}},
        {"facts": "no object"},
        {"kind": "messages-removed"},
        {"subject": "folder:2"},
        {"account_id": None},
        {"digest": ""},
        {"digest": "0" * 64},
        {"previous": ""},
    ],
)
def test_a_changed_entry_is_named(pool: int, change: dict[str, object]) -> None:
    touched = fifth(pool).id
    models.Journal.objects.filter(id=touched).update(**change)
    assert chain.verify(pool).broken == touched


def test_a_removed_entry_breaks_the_one_after_it(pool: int) -> None:
    touched = fifth(pool)
    models.Journal.objects.filter(id=touched.id).delete()
    assert chain.verify(pool).broken == touched.id + 1


def test_a_removed_end_is_found_by_a_digest_noted_outside(pool: int) -> None:
    report = chain.verify(pool)
    number, digest = report.head_id, report.head
    assert chain.noted(number, digest)
    models.Journal.objects.filter(id=number).delete()
    assert chain.verify(pool).broken is None
    assert not chain.noted(number, digest)


def test_entries_from_before_the_chain_are_counted_as_unproved(pool: int) -> None:
    models.Journal.objects.filter(id__lte=fifth(pool).id).update(previous="", digest="")
    following = models.Journal.objects.filter(id__gt=fifth(pool).id).order_by("id")
    following.filter(id=following[0].id).delete()
    models.Journal.objects.filter(id__gt=fifth(pool).id).delete()
    journal.write(pool, "system", "user-added", "user:1")
    report = chain.verify(pool)
    assert (report.broken, report.unproved, report.entries) == (None, 5, 6)


def test_every_pool_has_a_chain_of_its_own(pool: int) -> None:
    other = models.Pool.objects.create(name="Andere").pk
    journal.write(other, "system", "user-added", "user:1")
    journal.write(pool, "system", "user-added", "user:2")
    journal.write(other, "system", "user-added", "user:3")
    assert chain.pools() == [pool, other]
    assert [chain.verify(one).broken for one in chain.pools()] == [None, None]
