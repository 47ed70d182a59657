"""Special folders that are missing are made in one go, called as their neighbours are."""

from __future__ import annotations

import pytest

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.ports import Role
from poststelle.office import reading, special_folders
from poststelle.office.actor import Actor
from poststelle.store import models
from tests.builders import a_folder, an_account, an_office

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Actor:
    return an_office()


def made_beside(ada: Actor, *there: tuple[str, Role]) -> list[str]:
    account = an_account(ada)
    a_folder(account)
    for name, role in there:
        a_folder(account, name, role=role)
    made = special_folders.create(ada, account.id)
    assert special_folders.missing(reading.folders(ada, account.id)) == ()
    assert special_folders.create(ada, account.id) == []
    return [one.name for one in made]


def test_in_an_office_that_speaks_german_they_are_german(ada: Actor) -> None:
    models.Office.objects.update(language="de")
    assert made_beside(ada) == ["Gesendet", "Entwürfe", "Papierkorb", "Spam", "Archiv"]


@pytest.mark.parametrize("there", ["Sent Items", "Sent", "Junk"])
def test_beside_english_ones_they_are_english(ada: Actor, there: str) -> None:
    role = Role.SPAM if there == "Junk" else Role.SENT
    assert "Trash" in made_beside(ada, (there, role))


def test_beside_german_ones_they_are_german(ada: Actor) -> None:
    there = (("Archiv", Role.ARCHIVE), ("Gesendete Objekte", Role.SENT), ("Trash", Role.TRASH))
    assert made_beside(ada, *there) == ["Entwürfe", "Spam"]


def test_one_that_is_there_under_the_right_name_is_used(ada: Actor) -> None:
    account = an_account(ada)
    a_folder(account)
    a_folder(account, "Entwürfe", role=Role.DRAFTS)
    there = a_folder(account, "archiv")
    made = special_folders.create(ada, account.id, [Role.ARCHIVE])
    assert [(one.id, one.role) for one in made] == [(there.id, Role.ARCHIVE)]
    assert Role.SENT in special_folders.missing(reading.folders(ada, account.id))


def test_only_who_may_process_makes_them_and_only_those_there_are(ada: Actor) -> None:
    account = an_account(ada, grants=[{"user": "ada@amt.test", "rights": ["see", "administer"]}])
    with pytest.raises(NotPermitted):
        special_folders.create(ada, account.id)
    other = an_account(ada, "Andere")
    with pytest.raises(Invalid):
        special_folders.create(ada, other.id, [Role.INBOX])
