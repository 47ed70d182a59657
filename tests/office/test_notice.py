"""What the office wants read before a mailbox is added (R21)."""

from __future__ import annotations

import pytest

from poststelle.errors import Invalid, NotPermitted
from poststelle.office import accounts, bulk, notice
from poststelle.office.actor import SYSTEM, Actor
from poststelle.store import models
from tests.builders import a_person, an_account_document, an_office

TEXT = "Mailboxes may be set up only after the owner has agreed."


@pytest.fixture
def ada(db: None) -> Actor:
    return an_office()


def refused(actor: Actor, **more: object) -> dict[str, str]:
    with pytest.raises(Invalid) as error:
        accounts.add(actor, an_account_document(**more))
    return error.value.fields


def test_without_a_text_nothing_has_to_be_read(ada: Actor) -> None:
    assert notice.show(ada).text == ""
    assert accounts.add(ada, an_account_document()).label == "Zentrale"


def test_a_mailbox_is_added_only_by_who_has_read_this_very_text(ada: Actor) -> None:
    version = notice.put(ada, TEXT).version
    assert refused(ada) == {"notice": "notice-unread"}
    assert refused(ada, notice="an older one", label="") == {"notice": "notice-unread", "label": "missing"}
    accounts.add(ada, an_account_document(notice=version))
    newer = notice.put(ada, TEXT + " By law.").version
    assert refused(ada, label="B", notice=version) == {"notice": "notice-unread"}
    accounts.add(ada, an_account_document(label="B", notice=newer))


def test_the_journal_keeps_who_read_which_text_when_and_every_text_there_was(ada: Actor) -> None:
    version = notice.put(ada, TEXT).version
    notice.put(ada, TEXT)
    account = accounts.add(ada, an_account_document(notice=version))
    notice.put(ada, "")
    added = models.Journal.objects.get(kind="account-added", account_id=account.id)
    assert (added.actor, added.facts["notice"]) == ("ada@amt.test", version)
    texts = {row.facts["version"]: row.facts["text"] for row in models.Journal.objects.filter(kind="notice-changed")}
    assert texts == {version: TEXT, "": ""}


def test_an_import_asks_as_well_and_the_command_line_reads_nothing(ada: Actor) -> None:
    version = notice.put(ada, TEXT).version
    table = b"label,address,kind\nArchiv,,archive\n"
    with pytest.raises(Invalid) as error:
        bulk.apply(ada, table)
    assert error.value.fields == {"notice": "notice-unread"}
    assert bulk.apply(ada, table, notice=version)[0].action == "add"
    assert accounts.add(SYSTEM, an_account_document(label="Von Hand")).label == "Von Hand"


def test_only_administrators_write_it_and_it_has_an_end(ada: Actor) -> None:
    with pytest.raises(NotPermitted):
        notice.put(a_person(), TEXT)
    with pytest.raises(Invalid) as error:
        notice.put(ada, "x" * (notice.LONGEST + 1))
    assert error.value.fields == {"text": "too-long"}
