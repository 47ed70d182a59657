"""Lists of every place: threads, order, filters, columns, and what a row shows."""

from __future__ import annotations

import re
from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from poststelle.mail.listing import Status
from poststelle.mail.ports import Role
from poststelle.office import preferences, work
from poststelle.store import models
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


def test_a_row_tells_where_the_work_stands(ada: Visitor) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)))
    address = f"/mail/f/{message.folder_id}/"
    assert "status-" not in ada.page(address), "what is open needs no word"
    work.set_status(ada.actor, [message.id], Status.WAITING)
    assert '<span class="tag status-waiting">Waiting</span>' in ada.page(address)
    work.set_status(ada.actor, [message.id], Status.DONE)
    assert '<span class="tag status-done">Done</span>' in ada.page(address)


def test_a_mailbox_in_trouble_says_so_above_its_list(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    assert "No mail since" not in ada.page(f"/mail/f/{folder.id}/")
    since = timezone.now()
    models.Folder.objects.update(synced_at=since)
    models.Account.objects.update(
        trouble={"code": "connection-refused", "facts": {"host": "h", "port": 1}}, trouble_since=since
    )
    page = text_of(ada.page(f"/mail/f/{folder.id}/"))
    assert re.search(r"No mail since \d\d:\d\d: .*port 1", page)


def test_a_mailbox_gone_silent_without_a_reason_says_so_above_its_lists(ada: Visitor) -> None:
    account = an_account(ada.actor)
    addresses = (f"/mail/f/{a_folder(account, 'INBOX', role=Role.INBOX).id}/", f"/mail/l/account:{account.id}/")
    early = timezone.now() - timedelta(hours=1)
    models.Folder.objects.update(synced_at=early)
    models.Account.objects.update(created_at=early, synced_at=timezone.now())
    for address in addresses:
        assert "No mail since" not in ada.page(address)
    models.Account.objects.update(synced_at=early)
    for address in addresses:
        assert re.search(r"No mail since .*: Nothing has been heard of this mailbox", text_of(ada.page(address)))
    models.Account.objects.update(active=False)
    assert "No mail since" not in ada.page(addresses[0])


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
    assert re.search(r'href="/mail/l/mine/"\s+data-back', opened)


def test_sent_mail_names_whom_it_went_to(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor), "Sent", role=Role.SENT)
    a_message_in(folder, a_letter("Bescheid", sender="zentrale@amt.test", to="Eva Groß <eva@kunde.test>"))
    assert re.findall(r'class="row-from[^>]*>([^<]+)<', ada.page(f"/mail/f/{folder.id}/")) == ["Eva Groß"]


def test_a_place_nobody_knows_and_a_mailbox_of_others_do_not_exist(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor)
    a_folder(account)
    assert ada.get("/mail/l/nowhere/").status_code == 404
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


def test_a_message_far_down_stands_in_its_list_with_the_rows_around_it(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    letters = [a_message_in(folder, a_letter(f"Brief {number}")) for number in range(106)]
    deep, near = letters[10], letters[60]
    page = ada.page(f"/mail/f/{folder.id}/m/{deep.id}/")
    shown = subjects(page)
    assert "Brief 10" in shown
    assert "Brief 105" not in shown
    earlier = re.search(r'id="above" class="more">\s*<a href="([^"]+)"', page)
    assert earlier
    above = ada.part(earlier[1].replace("&amp;", "&"), "above").content.decode()
    assert subjects(above)[-1] == f"Brief {int(shown[0].split()[1]) + 1}"
    assert 'id="more"' not in above
    # What lies just below the first window is shown with it.
    assert subjects(ada.page(f"/mail/f/{folder.id}/m/{near.id}/"))[0] == "Brief 105"
    # Whoever has gone into the depth has the rows renewed from where they begin there.
    rows = ada.part(f"/mail/f/{folder.id}/?rows=50&from={deep.id}", "rows").content.decode()
    assert subjects(rows)[0] == "Brief 10"
    assert 'id="above"' in rows
    gone = ada.part(f"/mail/f/{folder.id}/?rows=50&from=01a20057-f53e-7409-99a9-d134509b86ff", "rows")
    assert subjects(gone.content.decode())[0] == "Brief 105"


def test_what_a_mail_says_is_text_in_its_row(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    a_message_in(folder, a_letter("<b>fett</b>", sender='"<i>Eva</i>" <eva@kunde.test>'))
    page = ada.page(f"/mail/f/{folder.id}/")
    assert "&lt;b&gt;fett&lt;/b&gt;" in page
    assert "<b>fett" not in page
    assert "<i>Eva" not in page


def test_a_list_of_many_mailboxes_asks_as_much_as_one_of_few(ada: Visitor) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            ada.page("/mail/l/inbox/")
        return len(queries)

    def mailboxes(*labels: str) -> None:
        for label in labels:
            a_message_in(a_folder(an_account(ada.actor, label), Role.INBOX), a_letter())

    mailboxes("Eins", "Zwei")
    few = asked()
    mailboxes("Drei", "Vier", "Fuenf", "Sechs")
    assert asked() == few
