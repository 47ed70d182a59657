"""The words of attachments come later, and never at the cost of mail."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from poststelle.office import reading
from poststelle.office.actor import Actor
from poststelle.run.attachments import Attachments
from poststelle.run.extractors import Extractor
from poststelle.store import index
from tests.builders import a_folder, a_letter, a_message_in, an_account, an_office, everything_is_indexed
from tests.mail.papers import a_docx

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own for everything but the database."""
    monkeypatch.setattr(settings, "POSTSTELLE", settings.POSTSTELLE.model_copy(update={"home": tmp_path}))
    return tmp_path


def found(actor: Actor, query: str) -> list[str]:
    return [hit.placement.subject for hit in reading.search(actor, query).items]


def eventually(true: Callable[[], object], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_words_of_an_attachment_are_found_soon_after_the_message(home: Path) -> None:
    ada = an_office()
    inbox = a_folder(an_account(ada))
    a_message_in(
        inbox, a_letter("Post", "anbei", attachments=[("v.docx", "application/msword", a_docx("Vorkaufsrecht"))])
    )
    everything_is_indexed()
    assert (found(ada, "anbei "), found(ada, "vorkaufsrecht ")) == (["Post"], [])
    attachments = Attachments()
    attachments.start()
    eventually(lambda: found(ada, "vorkaufsrecht "))
    attachments.stop(5)
    assert index.attachments_behind() == (0, 0)


def test_new_mail_is_found_while_an_attachment_takes_its_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=":")
    ada = an_office()
    inbox = a_folder(an_account(ada))
    a_message_in(inbox, a_letter("Zäh", attachments=[("a.txt", "text/plain", b"sleep")]))
    everything_is_indexed()
    attachments = Attachments(Extractor("tests.run.doomed_extractor"))
    attachments.start()
    time.sleep(1)
    a_message_in(inbox, a_letter("Eilig"))
    everything_is_indexed()
    assert found(ada, "eilig ") == ["Eilig"]
    assert index.attachments_behind() == (1, 0)
    attachments.stop(5)
    assert index.attachments_behind() == (1, 0)


def test_a_message_whose_attachment_kills_is_marked_and_the_next_is_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=":")
    ada = an_office()
    inbox = a_folder(an_account(ada))
    a_message_in(inbox, a_letter("Gut", attachments=[("a.txt", "text/plain", b"Sonnenuhr")]))
    a_message_in(
        inbox,
        a_letter("Bombe", attachments=[("a.txt", "text/plain", b"poison"), ("b.txt", "text/plain", b"Kirchturm")]),
    )
    everything_is_indexed()
    attachments = Attachments(Extractor("tests.run.doomed_extractor"))
    attachments.start()
    eventually(lambda: found(ada, "sonnenuhr "))
    attachments.stop(5)
    assert found(ada, "kirchturm ") == ["Bombe"]
    assert index.attachments_behind() == (0, 1)


def test_attachments_are_not_read_while_many_messages_come_in(home: Path) -> None:
    ada = an_office()
    inbox = a_folder(an_account(ada))
    a_message_in(inbox, a_letter("Post", attachments=[("a.txt", "text/plain", b"Sonnenuhr")]))
    everything_is_indexed()
    attachments = Attachments()
    attachments.look(many=True)
    attachments.start()
    time.sleep(0.1)
    assert not found(ada, "sonnenuhr ")
    eventually(lambda: found(ada, "sonnenuhr "))
    attachments.stop(5)
