"""What people choose for themselves, on their own page."""

from __future__ import annotations

import re

from poststelle.office import preferences, work
from poststelle.store import models
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.web.visitor import Visitor

CHOSEN = {
    "density": "compact", "preview": "below", "mark_read_after": "never", "signature": "new", "start": "mine",
    "notifications": "mine", "refresh": "60", "threads": "0", "totals": "1",
}  # fmt: skip


def test_everything_one_can_choose_is_kept_and_shown(ada: Visitor) -> None:
    assert ada.post("/me/preferences/", **CHOSEN).status_code == 302
    kept = preferences.mine(ada.actor)
    assert (kept.density, kept.preview, kept.mark_read_after, kept.signature) == ("compact", "below", None, "new")
    assert (kept.start, kept.notifications, kept.refresh) == ("mine", "mine", 60)
    assert (kept.threads, kept.totals) == (False, True)
    page = ada.page("/me/")
    selected = re.findall(r'<option value="([^"]*)" selected', page)
    assert selected == ["compact", "below", "never", "", "new", "mine", "mine", "60"]


def test_what_is_not_named_stays_as_it_was(ada: Visitor) -> None:
    ada.post("/me/preferences/", density="compact")
    ada.post("/me/preferences/", preview="off")
    assert preferences.mine(ada.actor).density == "compact"


def test_nonsense_is_told_at_its_field_and_changes_nothing(ada: Visitor) -> None:
    before = preferences.mine(ada.actor)
    response = ada.post("/me/preferences/", **CHOSEN | {"refresh": "1", "mark_read_after": "-5", "start": "branch:x"})
    assert response.status_code == 422
    assert response.content.decode().count('class="error"') == 3
    assert preferences.mine(ada.actor) == before


def test_the_theme_follows_the_person_into_any_browser(ada: Visitor) -> None:
    ada.post("/me/theme/", theme="dark")
    ada.client.cookies.pop("theme")
    assert 'data-theme="dark"' in ada.page("/me/")


def test_the_start_page_is_the_chosen_one_while_it_can_be_reached(ada: Visitor) -> None:
    account = an_account(ada.actor)
    folder = a_folder(account)
    ada.post("/me/preferences/", start="follow-up")
    assert ada.get("/")["Location"] == "/mail/l/follow-up/"
    ada.post("/me/preferences/", start=f"account:{account.id}")
    assert ada.get("/")["Location"] == f"/mail/l/account:{account.id}/"
    ada.post("/me/preferences/", start="account:01990000-0000-7000-8000-000000000000")
    assert ada.get("/")["Location"] == f"/mail/f/{folder.id}/"


def test_who_wants_to_goes_on_where_they_were_in_this_browser(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor)
    inbox, other = a_folder(account), a_folder(account, "Weber")
    message = a_message_in(other, a_letter())
    ada.get(f"/mail/f/{other.id}/")
    assert "place" not in ada.client.cookies, "nothing is kept for who did not ask for it"
    ada.post("/me/preferences/", start="last")
    assert ada.get("/")["Location"] == f"/mail/f/{inbox.id}/"
    for address in (f"/mail/f/{other.id}/?sort=subject", "/mail/l/mine/", f"/mail/f/{other.id}/m/{message.id}/"):
        ada.get(address)
        assert ada.get("/")["Location"] == address
    ada.get("/mail/search/?q=Geheim")
    assert ada.get("/")["Location"] == f"/mail/f/{other.id}/m/{message.id}/", "what one searches for is not kept"
    bob.post("/me/preferences/", start="last")
    bob.client.cookies["place"] = ada.client.cookies["place"].value
    assert bob.get("/")["Location"] == "/mail/", "another person at this browser begins anew"


def test_where_one_was_and_can_no_longer_be_is_forgotten(ada: Visitor) -> None:
    account = an_account(ada.actor)
    inbox, other = a_folder(account), a_folder(account, "Weber")
    message = a_message_in(other, a_letter())
    ada.post("/me/preferences/", start="last")
    ada.get(f"/mail/f/{other.id}/m/{message.id}/")
    models.Placement.objects.filter(pk=message.id).delete()
    assert ada.get("/")["Location"] == f"/mail/f/{other.id}/"
    usual = f"/mail/f/{inbox.id}/"
    for address in (
        "/mail/f/nie/", "/mail/l/nie/", "/mail/l/branch:x/", f"/mail/l/folder:{other.id}/", "/mail/l/account:nie/", "//evil.test/",
        "https://evil.test/", "/me/", "", "x",
    ):  # fmt: skip
        ada.client.cookies["place"] = f"{ada.user.id} {address}"
        assert ada.get("/")["Location"] == usual


def test_folders_tell_how_much_they_hold_for_who_wants_it(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    for flags in ([], ["\\Seen"], ["\\Seen"]):
        a_message_in(folder, a_letter(), flags=flags)
    assert "in all" not in ada.page("/mail/")
    ada.post("/me/preferences/", totals="1")
    page = ada.page("/mail/")
    assert re.search(r'<b class="count">1<span[^>]*> unread</span></b><small class="count">3<span[^>]*> in all<', page)


def test_trusted_senders_are_listed_and_taken_off_the_list(ada: Visitor) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)), a_letter())
    work.trust_sender(ada.actor, message.id)
    assert "eva@kunde.test" in ada.page("/me/")
    ada.post("/me/distrust/", address="eva@kunde.test")
    assert "eva@kunde.test" not in ada.page("/me/")
