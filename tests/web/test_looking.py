"""The list of a folder that is not fetched says when its server was looked at, or why it could not be."""

from __future__ import annotations

from pathlib import Path

from poststelle.store import live, models
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.store.conftest import home
from tests.web.visitor import Visitor, text_of

__all__ = ["home"]


def test_opening_the_folder_asks_its_server_and_says_when_it_answered(ada: Visitor, home: Path) -> None:
    account = an_account(ada.actor, receiving={"background": False})
    folder = a_folder(account)
    assert 'hx-trigger="load"' in ada.page(f"/mail/f/{folder.id}/")
    assert not models.LiveWish.objects.exists()
    address = f"/mail/f/{folder.id}/live/"
    htmx = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#look-live"}
    assert "Asking the server" in ada.client.post(address, headers=htmx).content.decode()
    wish = models.LiveWish.objects.get()
    assert "load delay" in ada.client.get(f"{address}?look={wish.pk}", headers=htmx).content.decode()
    live.answered(wish.pk, [], more=True)
    told = text_of(ada.client.get(f"{address}?look={wish.pk}", headers=htmx).content.decode())
    assert told.startswith("Live from the server, as of ")
    assert "Show older" in told


def test_the_server_itself_is_searched_and_what_it_found_is_named(ada: Visitor, home: Path) -> None:
    folder = a_folder(an_account(ada.actor, receiving={"background": False}))
    found = a_message_in(folder, a_letter("Rechnung März"))
    address = f"/mail/f/{folder.id}/live/"
    htmx = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#look-live"}
    ada.client.post(address, {"words": "Rechnung März"}, headers=htmx)
    wish = models.LiveWish.objects.get()
    assert wish.words == ["Rechnung", "März"]
    live.answered(wish.pk, [found.id], more=False)
    page = ada.client.get(f"{address}?look={wish.pk}", headers=htmx).content.decode()
    assert text_of(page).startswith("The server found 1 message for “Rechnung März” Rechnung März")
    assert f"/mail/f/{folder.id}/m/{found.id}/" in page


def test_a_server_that_cannot_be_asked_is_named_as_the_reason(ada: Visitor, home: Path) -> None:
    account = an_account(ada.actor, receiving={"background": False})
    folder = a_folder(account)
    address = f"/mail/f/{folder.id}/live/"
    assert ada.client.post(address)["Location"] == f"/mail/f/{folder.id}/"
    live.failed(account.id)
    htmx = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#look-live"}
    told = text_of(ada.client.get(address, headers=htmx).content.decode())
    assert told.startswith("This mailbox is not connected at present.")
    assert "Look again" in told


def test_a_fetched_folder_has_no_such_line_and_a_stranger_none_at_all(ada: Visitor, bob: Visitor, home: Path) -> None:
    folder = a_folder(an_account(ada.actor))
    assert "look-live" not in ada.page(f"/mail/f/{folder.id}/")
    hidden = a_folder(an_account(ada.actor, "Zweite", receiving={"background": False}))
    assert bob.client.post(f"/mail/f/{hidden.id}/live/").status_code == 404
