"""Whatever waits for the engine is noticed by the one question it asks, and nothing else is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from poststelle.mail.listing import Status
from poststelle.office import handling, outbox, work
from poststelle.office.actor import SYSTEM
from poststelle.office.outbox import Draft
from poststelle.store import live, models, waiting
from poststelle.store.waiting import Waiting
from tests.builders import a_folder, a_letter, a_message_in, an_account, an_office

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = Waiting(*[False] * 5)
AGO, AHEAD = timedelta(minutes=-1), timedelta(minutes=1)


def test_what_people_do_waits_for_the_engine_until_it_is_done() -> None:
    ada = an_office()
    assert waiting.look() == NOTHING
    account = an_account(ada, receiving={"background": False})
    folder = a_folder(account)
    message = a_message_in(folder, a_letter("Frage"))
    assert waiting.look() == NOTHING

    wish = live.want(ada.reach, folder.id, None, ())
    assert waiting.look() == NOTHING._replace(looks=True)
    live.answered(int(wish.id), [], more=False)
    assert waiting.look() == NOTHING

    handling.mark(ada, handling.Selection([message.id]), add=frozenset({"\\seen"}))
    assert waiting.look() == NOTHING._replace(errands=True)
    models.Errand.objects.update(closed_at=timezone.now())
    assert waiting.look() == NOTHING

    outbox.submit(ada, Draft(account.id, to=("a@b.test",), subject="Antwort"))
    models.Outgoing.objects.update(due_at=timezone.now() + AHEAD)
    assert waiting.look() == NOTHING
    models.Outgoing.objects.update(due_at=timezone.now() + AGO)
    assert waiting.look() == NOTHING._replace(outgoing=True)


def test_a_follow_up_waits_once_it_is_due_until_somebody_was_reminded_or_is_done() -> None:
    ada = an_office()
    message = a_message_in(a_folder(an_account(ada)), a_letter("Frage"))
    work.follow_up(ada, [message.id], timezone.now() + AHEAD)
    assert waiting.look() == NOTHING
    models.Task.objects.update(follow_up_at=timezone.now() + AGO)
    assert waiting.look() == NOTHING._replace(follow_ups=True)
    work.set_status(ada, [message.id], Status.DONE)
    assert waiting.look() == NOTHING
    work.set_status(ada, [message.id], Status.OPEN)
    assert waiting.look() == NOTHING._replace(follow_ups=True)
    assert work.remind(SYSTEM) == 1
    assert waiting.look() == NOTHING
