"""Lists of every place: threads, order, filters, columns, and what a row shows."""

from __future__ import annotations

import re

from poststelle.mail.ports import Role
from poststelle.office import preferences, work
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.web.visitor import Visitor, text_of


def subjects(page: str) -> list[str]:
    """The subjects of the rows, in order."""
    return re.findall(r'class="row-subject[^>]*>(?:<span class="hidden">[^<]*</span>)?([^<]*)<', page)


def a_conversation(visitor: Visitor) -> str:
    """An inbox with a question, its answer, and something else; the folder's address."""
    folder = a_folder(an_account(visitor.actor))
    a_message_in(folder, a_letter("Frage", headers={}).replace(b"Message-ID: <", b"Message-ID: <frage-"))
    reference = re.search(rb"Message-ID: (<[^>]+>)", a_letter())
    assert reference
    first = a_letter("Termin")
    number = re.search(rb"Message-ID: (<[^>]+>)", first)
    assert number
    a_message_in(folder, first, flags=["\\Seen"])
    answer = a_letter("Re: Termin", sender="Max Moll <max@kunde.test>", headers={"References": number[1].decode()})
    a_message_in(folder, answer)
    return f"/mail/f/{folder.id}/"


def test_a_thread_is_one_row_with_its_people_and_how_many_messages(ada: Visitor) -> None:
    address = a_conversation(ada)
    page = ada.page(address)
    assert subjects(page) == ["Re: Termin", "Frage"]
    assert "Eva, Max" in text_of(page)
    assert subjects(ada.page(f"{address}?threads=0")) == ["Re: Termin", "Termin", "Frage"]


def test_who_likes_single_messages_better_gets_them_by_choice(ada: Visitor) -> None:
    address = a_conversation(ada)
    preferences.change(ada.actor, {"threads": False})
    assert len(subjects(ada.page(address))) == 3
    assert len(subjects(ada.page(f"{address}?threads=1"))) == 2


def test_a_list_is_sorted_by_what_the_address_says(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    for subject in ("Birne", "Apfel", "Clementine"):
        a_message_in(folder, a_letter(subject))
    assert subjects(ada.page(f"/mail/f/{folder.id}/?sort=subject")) == ["Apfel", "Birne", "Clementine"]
    assert subjects(ada.page(f"/mail/f/{folder.id}/?sort=subject&order=down")) == ["Clementine", "Birne", "Apfel"]
    assert subjects(ada.page(f"/mail/f/{folder.id}/?sort=weight")) == ["Clementine", "Apfel", "Birne"]


def test_filters_stay_in_the_addresses_of_the_rows(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    a_message_in(folder, a_letter("Alt"), flags=["\\Seen"])
    fresh = a_message_in(folder, a_letter("Neu"))
    page = ada.page(f"/mail/f/{folder.id}/?only=unread")
    assert subjects(page) == ["Neu"]
    assert f"/mail/f/{folder.id}/m/{fresh.id}/?only=unread" in page
    assert "Nothing here passes the filter" in text_of(ada.page(f"/mail/f/{folder.id}/?only=flagged"))
    assert ada.get(f"/mail/f/{folder.id}/?only=nonsense").status_code == 200


def test_all_inboxes_are_one_list_that_names_the_mailbox_where_wanted(ada: Visitor) -> None:
    preferences.change(ada.actor, {"columns": ["sender", "subject", "account", "date"]})
    for label in ("Nord", "Süd"):
        a_message_in(a_folder(an_account(ada.actor, label)), a_letter(f"An {label}"))
    page = ada.page("/mail/l/inbox/")
    assert subjects(page) == ["An Süd", "An Nord"]
    assert re.findall(r'row-account">([^<]+)<', page) == ["Süd", "Nord"]


def test_my_work_lists_what_was_assigned_to_me_and_opens_beside_that_list(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    a_message_in(folder, a_letter("Für niemand"))
    mine = a_message_in(folder, a_letter("Für Ada"))
    work.assign(ada.actor, [mine.id], ada.user.id)
    page = ada.page("/mail/l/mine/")
    assert subjects(page) == ["Für Ada"]
    opened = ada.page(f"/mail/l/mine/m/{mine.id}/")
    assert subjects(opened) == ["Für Ada"]
    assert 'href="/mail/l/mine/" data-back' in opened


def test_sent_mail_names_whom_it_went_to(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor), "Sent", role=Role.SENT)
    a_message_in(folder, a_letter("Bescheid", sender="zentrale@amt.test", to="Eva Groß <eva@kunde.test>"))
    assert re.findall(r'class="row-from[^>]*>([^<]+)<', ada.page(f"/mail/f/{folder.id}/")) == ["Eva Groß"]


def test_a_place_nobody_knows_and_a_mailbox_of_others_do_not_exist(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor)
    a_folder(account)
    assert ada.get("/mail/l/nowhere/").status_code == 400
    assert bob.get(f"/mail/l/account:{account.id}/").status_code == 404
    assert subjects(bob.page("/mail/l/inbox/")) == []
    assert ada.get(f"/mail/l/folder:{a_folder(account, 'B').id}/").status_code == 404


def test_how_lists_look_is_everybodys_own_choice(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    answer = ada.post(
        "/mail/list-look/",
        density="compact",
        preview="below",
        columns=["subject", "date"],
        back=f"/mail/f/{folder.id}/",
    )
    assert answer["Location"] == f"/mail/f/{folder.id}/"
    chosen = preferences.mine(ada.actor)
    assert (chosen.density, chosen.preview, chosen.columns, chosen.threads) == (
        "compact",
        "below",
        ("subject", "date"),
        False,
    )
    assert 'data-density="compact" data-preview="below"' in ada.page(f"/mail/f/{folder.id}/")
