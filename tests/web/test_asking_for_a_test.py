"""Before a mailbox is saved without a test the page asks, and what was typed waits sealed meanwhile, passwords included."""

from __future__ import annotations

from poststelle.office import accounts
from poststelle.office.actor import SYSTEM
from tests.builders import an_account
from tests.web.test_mailbox_kinds import as_shown, fields_of
from tests.web.test_mailboxes import errors, form, send
from tests.web.visitor import Visitor, text_of


def password_of(account: str) -> str:
    """The stored one."""
    login = accounts.to_probe(SYSTEM, {}, account).login
    assert login is not None
    assert login.password is not None
    return login.password.reveal()


def test_saving_without_a_test_asks_first_and_nothing_typed_is_lost(ada: Visitor) -> None:
    response = send(ada, "/mailboxes/new/", form(ada, untested=""))
    page = response.content.decode()
    assert "the mailbox has not been tested" in text_of(page)
    assert ("Test now" in page, "Save without test" in page, "geheim" in page) == (True, True, False)
    assert not accounts.page(ada.actor).items
    assert "geheim" not in str(dict(ada.client.session))
    send(ada, "/mailboxes/new/", fields_of(page) | {"untested": "1"})
    (made,) = accounts.page(ada.actor).items
    assert made.login is not None
    assert (made.login.has_password, password_of(made.id)) == (True, "geheim")
    assert ada.client.session.get("typed_secrets") == {}


def test_what_could_not_be_saved_anyway_is_told_first(ada: Visitor) -> None:
    an_account(ada.actor)
    asked = send(ada, "/mailboxes/new/", form(ada, untested=""))
    assert (asked.status_code, list(errors(asked))) == (422, ["label"])


def test_only_new_places_ask_for_a_test(ada: Visitor) -> None:
    account = an_account(ada.actor)
    path = f"/mailboxes/{account.id}/"
    assert send(ada, path, as_shown(ada, path) | {"label": "Umbenannt"}).status_code == 302
    asked = send(
        ada, path, as_shown(ada, path) | {"incoming.host": "neu.amt.test", "login.password": "neu", "then": "close"}
    )
    assert "the new settings have not been tested" in text_of(asked.content.decode())
    saved = send(ada, path, fields_of(asked.content.decode()) | {"untested": "1"})
    assert saved["Location"] == "/mailboxes/"
    assert password_of(account.id) == "neu"


def test_a_password_typed_before_a_mistake_is_kept_out_of_the_page(ada: Visitor) -> None:
    page = send(ada, "/mailboxes/new/", form(ada, incoming__port="viele")).content.decode()
    assert ("geheim" in page, "Typed already" in page) == (False, True)
    send(ada, "/mailboxes/new/", fields_of(page) | {"incoming.port": "993", "untested": "1"})
    (made,) = accounts.page(ada.actor).items
    assert password_of(made.id) == "geheim"
    # The word of another form, or another session's, opens nothing.
    other = Visitor(ada.actor)
    again = fields_of(page) | {"label": "Zweite", "incoming.port": "993", "untested": "1"}
    assert errors(send(other, "/mailboxes/new/", again))["login-password"] == "Please fill this in."
