"""The search page: order, groups, marked words, completion; and what the palette and the desktop are told."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from poststelle.mail.query import OPERATORS
from poststelle.office import feed, preferences, work
from tests.builders import (
    a_folder,
    a_letter,
    a_message_in,
    a_person,
    an_account,
    everybody_is_known,
    everything_is_indexed,
)
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


def test_every_value_says_in_its_own_words_what_it_finds(ada: Visitor) -> None:
    for label in ("Nord", "Süd"):
        a_folder(an_account(ada.actor, label), "Mandanten")
    a_folder(an_account(ada.actor, "West"), "Mandanten alt")
    told = {
        word: re.findall(r"<b>([^<]+)</b> <small>([^<]+)</small>", ada.page(f"/mail/search/complete/?q={word}:"))
        for operator in OPERATORS
        for word in (operator.german, operator.english)
    }
    assert told["is"] == [
        ("is:unread", "not yet read"), ("is:read", "already read"), ("is:flagged", "marked with a star"),
        ("is:answered", "already answered"),
    ]  # fmt: skip
    assert [words for _, words in told["ist"]] == [words for _, words in told["is"]]
    assert [words for _, words in told["hat"]] == ["with at least one file"]
    for words in ([words for _, words in one] for one in told.values()):
        assert len(set(words)) == len(words)
    assert told["in"] == [("in:Mandanten", "2 mailboxes"), ("in:&quot;Mandanten alt&quot;", "West")]


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


def test_everything_a_search_finds_can_be_chosen_also_what_no_page_has_shown(ada: Visitor, bob: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    letters = [a_message_in(folder, a_letter(f"Gutachten {number}")) for number in range(60)]
    a_message_in(folder, a_letter("Rechnung"))
    everything_is_indexed()
    page = ada.page("/mail/search/?q=Gutachten")
    assert "data-pick-all" in page
    assert 'data-query="Gutachten"' in page
    chosen = json.loads(ada.get("/mail/choose/?q=Gutachten").content)["ids"]
    assert chosen == [letter.id for letter in reversed(letters)]
    assert json.loads(bob.get("/mail/choose/?q=Gutachten").content)["ids"] == []
    assert json.loads(ada.get("/mail/choose/?q=Gutachten+ist:ungelesen+-%22Gutachten+7%22").content)["ids"] == [
        letter.id for letter in reversed(letters) if letter.subject != "Gutachten 7"
    ]


def test_a_message_found_leads_back_to_what_was_found_and_on_to_its_neighbours(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    letter = a_message_in(folder, a_letter("Gutachten"))
    everything_is_indexed()
    address = f"/mail/search/m/{letter.id}/?q=Gutachten"
    for page in (ada.page(address), ada.part(address, "reader").content.decode()):
        assert 'href="/mail/search/?q=Gutachten"' in page
        assert page.count("data-step=") == 2
    assert "data-step=" not in ada.page(f"/mail/f/{folder.id}/m/{letter.id}/")


def test_the_box_offers_people_behind_von_and_an_in_either_language(ada: Visitor, bob: Visitor) -> None:
    a_message_in(a_folder(an_account(ada.actor)), a_letter(sender="Petra Müller <p.mueller@kunde.test>"))
    everybody_is_known()
    for typed in ("von:pet", "from:müll", "an:p.mue", "to:%22petra mü", "Frist von:petra", "-von:pet"):
        offered = re.findall(r'data-whole="([^"]+)"', ada.page(f"/mail/search/complete/?q={typed}"))
        assert [one.rpartition(":")[2] for one in offered] == ["p.mueller@kunde.test"], typed
    assert 'data-whole="Frist von:p.mueller' in ada.page("/mail/search/complete/?q=Frist von:petra")
    assert bob.page("/mail/search/complete/?q=von:pet").strip() == ""
    assert "<b>ist:ungelesen" in ada.page("/mail/search/complete/?q=ist:un"), "German words count for everybody"


def test_an_address_field_offers_people_as_one_writes_them(ada: Visitor, bob: Visitor) -> None:
    inbox = a_folder(an_account(ada.actor))
    for sender in ('"Müller, Petra" <p.mueller@kunde.test>', "kahl@kunde.test", '"<b>Böse</b>" <b@kunde.test>'):
        a_message_in(inbox, a_letter(sender=sender))
    everybody_is_known()
    page = ada.page("/mail/people/?q=petra")
    assert 'data-whole="&quot;Müller, Petra&quot; &lt;p.mueller@kunde.test&gt;"' in page
    assert 'data-address="p.mueller@kunde.test"' in page
    assert 'data-whole="kahl@kunde.test"' in ada.page("/mail/people/?q=kahl")
    assert "<b>Böse" not in ada.page("/mail/people/?q=böse").replace("<b>&lt;b&gt;Böse", "")
    assert bob.page("/mail/people/?q=petra").strip() == ""
