"""The search page: order, groups, marked words, completion; and what the palette and the desktop are told."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from poststelle.office import feed, preferences, work
from tests.builders import a_folder, a_letter, a_message_in, a_person, an_account, everything_is_indexed
from tests.store.conftest import home
from tests.web.visitor import Visitor, text_of

__all__ = ["home"]

pytestmark = pytest.mark.usefixtures("home")


def test_what_was_looked_for_is_marked_and_nothing_of_the_mail_becomes_markup(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    a_message_in(folder, a_letter("Mietverträge <b>neu</b>", "Der Mietvertrag liegt bei."))
    everything_is_indexed()
    page = ada.page("/mail/search/?q=mietvertrag")
    assert "<mark>Mietverträge</mark> &lt;b&gt;neu&lt;/b&gt;" in page
    assert "<mark>Mietvertrag</mark>" in page
    assert "<b>neu" not in page


def test_what_was_looked_for_is_marked_in_the_message_too(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    plain = a_message_in(folder, a_letter("Miete", "Der Mietvertrag & <b>mehr</b>: https://x.test/mietvertrag"))
    shown = ada.page(f"/mail/search/m/{plain.id}/?q=mietvertrag")
    assert "Der <mark>Mietvertrag</mark> &amp; &lt;b&gt;mehr" in shown
    assert 'href="https://x.test/mietvertrag"' in shown
    html = '<style>.mietvertrag{color:red}</style><p title="a>mietvertrag">Ihr <b>Mietvertrag</b></p>'
    designed = a_message_in(folder, a_letter("Entwurf", "Text", html=html))
    page = ada.page(f"/mail/search/m/{designed.id}/?q=mietvertrag")
    frame = re.search(r'<iframe [^>]*src="([^"]+)"', page)
    assert frame
    inside = ada.page(frame[1])
    assert "<b><mark>Mietvertrag</mark></b>" in inside
    assert inside.count("<mark>") == 1
    assert "<mark>" not in ada.page(f"/mail/f/{folder.id}/m/{plain.id}/")


def test_hits_are_grouped_by_mailbox_and_sender(ada: Visitor) -> None:
    for label, sender in (
        ("Nord", "Eva <eva@kunde.test>"),
        ("Süd", "Max <max@kunde.test>"),
        ("West", "Eva <eva@kunde.test>"),
    ):
        a_message_in(a_folder(an_account(ada.actor, label)), a_letter("Gutachten", sender=sender))
    everything_is_indexed()
    grouped = ada.page("/mail/search/?q=Gutachten&group=account")
    assert re.findall(r"<h2>([^<]+)</h2></li>", grouped) == ["West", "Süd", "Nord"]
    grouped = ada.page("/mail/search/?q=Gutachten&group=sender")
    assert re.findall(r"<h2>([^<]+)</h2></li>", grouped) == ["Eva", "Max"]
    assert ada.page("/mail/search/?q=Gutachten&order=best").count('class="row ') == 3
    assert ada.get("/mail/search/?q=Gutachten&group=weight").status_code == 200


def test_the_box_completes_operators_values_and_folders(ada: Visitor) -> None:
    a_folder(an_account(ada.actor), "Mandanten Nord")
    offered = re.findall(r'data-whole="([^"]+)"', ada.page("/mail/search/complete/?q=eva fr"))
    assert offered == ["eva from:"]
    assert "is:unread" in ada.page("/mail/search/complete/?q=is:un")
    assert "in:&quot;Mandanten Nord&quot;" in ada.page("/mail/search/complete/?q=in:mand")
    assert ada.page("/mail/search/complete/?q=").strip() == ""


def test_the_palette_knows_folders_pages_and_where_mail_may_be_put(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor, grants=[
        {"user": ada.user.email, "rights": ["see", "process", "administer"]}, {"user": bob.user.email, "rights": ["see"]},
    ])  # fmt: skip
    folder = a_folder(account, "Mandanten")
    a_folder(an_account(ada.actor, "Geheim"))
    items = {item["name"]: item for item in json.loads(ada.page("/mail/palette/"))["items"]}
    assert items["Mandanten"]["folder"] == folder.id
    assert items["Outbox"]["url"] == "/outbox/"
    assert items["Bob"]["group"] == "People"
    items = {item["name"]: item for item in json.loads(bob.page("/mail/palette/"))["items"]}
    assert "folder" not in items["Mandanten"]
    assert "Geheim" not in items
    assert "Health" not in items


def test_targets_are_the_offices_tags_and_the_colleagues_who_see_the_message(ada: Visitor) -> None:
    letter = a_message_in(a_folder(an_account(ada.actor)))
    a_person("carl@amt.test")
    work.add_tag(ada.actor, "Eilig", "red")
    found = json.loads(ada.page(f"/mail/targets/?message={letter.id}"))
    assert [one["name"] for one in found["tags"]] == ["Eilig"]
    assert [one["hint"] for one in found["people"]] == [ada.user.email]


def test_the_desktop_is_told_what_the_person_wants_to_be_told(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor, grants=[
        {"user": one.user.email, "rights": ["see", "process", "administer"]} for one in (ada, bob)
    ])  # fmt: skip
    before = feed.latest()
    inbox = a_folder(account)
    letter = a_message_in(inbox, a_letter("Eilsache"), received_at=timezone.now() - timedelta(hours=1))
    a_message_in(inbox, a_letter("Gelesen"), flags=["\\Seen"], received_at=timezone.now())
    a_message_in(inbox, a_letter("Von früher"), received_at=timezone.now() - timedelta(days=3))
    work.assign(bob.actor, [letter.id], ada.user.id)

    def told() -> list[str]:
        return [one["title"] for one in json.loads(ada.page(f"/mail/arrivals/?after={before}"))["arrivals"]]

    assert told() == []
    preferences.change(ada.actor, {"notifications": "mine"})
    assert told() == ["Assigned to you"]
    preferences.change(ada.actor, {"notifications": "all"})
    page = text_of(ada.page(f"/mail/arrivals/?after={before}"))
    assert "Eilsache" in page
    assert "Gelesen" not in page, "it was read elsewhere"
    assert "Von früher" not in page, "old mail that was moved here is no news"
    assert ada.get("/mail/arrivals/?after=x").status_code == 200
