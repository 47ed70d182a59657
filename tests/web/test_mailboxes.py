"""Mailboxes: the form, the test, suspended ones, removal."""

from __future__ import annotations

import re
from typing import Any

import pytest

from poststelle.errors import LoginRejected, TryAgain
from poststelle.mail.settings import Encryption, Right
from poststelle.office import accounts
from poststelle.store import models, rounds
from tests.builders import a_folder, a_message_in, an_account
from tests.web.visitor import Visitor, text_of

FORM = {
    "label": "Zentrale", "address": "zentrale@amt.test", "display_name": "Amt", "kind": "synchronised", "scope": "shared",
    "owner": "", "login.username": "zentrale", "login.password": "geheim", "incoming.host": "imap.amt.test",
    "incoming.port": "", "incoming.encryption": "tls", "outgoing.host": "smtp.amt.test", "outgoing.port": "",
    "outgoing.encryption": "starttls", "outgoing.authentication": "same",
}  # fmt: skip


def form(visitor: Visitor, **changes: str) -> dict[str, str]:
    """Filled in, and declined to be tested first."""
    rights = {f"grant.{visitor.user.id}.{right.value}": "1" for right in Right}
    return FORM | rights | {"untested": "1"} | {name.replace("__", "."): value for name, value in changes.items()}


def send(visitor: Visitor, path: str, fields: dict[str, str]) -> Any:
    return visitor.client.post(path, fields)


def errors(response: Any) -> dict[str, str]:
    page = response.content.decode()
    return dict(re.findall(r'id="field-([\w-]+)-error">([^<]+)<', page))


def test_a_saved_mailbox_shows_its_mail_coming_in(ada: Visitor) -> None:
    assert send(ada, "/mailboxes/new/", form(ada))["Location"] == "/mail/"
    (account,) = accounts.page(ada.actor).items
    assert account.incoming is not None
    assert account.outgoing is not None
    assert (account.incoming.port, account.outgoing.port) == (993, 587)
    assert account.rights == frozenset(Right)
    assert "Connecting" in text_of(ada.page("/mail/"))


@pytest.mark.parametrize(("encryption", "port"), [("tls", 993), ("starttls", 143), ("none", 143)])
def test_an_empty_port_follows_the_encryption(ada: Visitor, encryption: str, port: int) -> None:
    send(ada, "/mailboxes/new/", form(ada, incoming__encryption=encryption))
    (account,) = accounts.page(ada.actor).items
    assert account.incoming is not None
    assert account.incoming.port == port


def test_a_typed_port_is_kept(ada: Visitor) -> None:
    send(ada, "/mailboxes/new/", form(ada, incoming__port="9930"))
    (account,) = accounts.page(ada.actor).items
    assert account.incoming is not None
    assert account.incoming.port == 9930


def test_every_mistake_is_named_at_its_field_and_nothing_typed_is_lost(ada: Visitor) -> None:
    changes = {"address": "zentrale", "incoming__port": "70000", "outgoing__host": "https://smtp", "label": ""}
    response = send(ada, "/mailboxes/new/", form(ada, **changes))
    assert response.status_code == 422
    assert errors(response) == {
        "address": "This is not an e-mail address. It looks like name@example.org.",
        "label": "Please fill this in.",
        "incoming-port": "A port is a number from 1 to 65535.",
        "outgoing-host": "This is not a server name. It looks like mail.example.org, without https:// and without a port.",
    }
    page = response.content.decode()
    for typed in ("70000", "https://smtp", "imap.amt.test", 'value="zentrale"', "checked"):
        assert typed in page
    assert "geheim" not in page
    assert not accounts.page(ada.actor).items


def test_a_label_already_taken_is_said_in_words(ada: Visitor) -> None:
    an_account(ada.actor)
    response = send(ada, "/mailboxes/new/", form(ada))
    assert errors(response)["label"].startswith("This is taken already")


def test_settings_change_without_typing_the_password_again(ada: Visitor) -> None:
    account = an_account(ada.actor)
    fields = form(ada, login__password="", incoming__host="mail.amt.test", outgoing__host="mail.amt.test", label="Neu")
    fields |= {"outgoing.encryption": "tls"}
    assert send(ada, f"/mailboxes/{account.id}/", fields).status_code == 302
    changed = accounts.show(ada.actor, account.id)
    assert changed.label == "Neu"
    assert changed.login is not None
    assert changed.login.has_password


def test_another_server_asks_for_the_password_again(ada: Visitor) -> None:
    account = an_account(ada.actor)
    response = send(ada, f"/mailboxes/{account.id}/", form(ada, login__password="", incoming__host="mail.evil.test"))
    assert response.status_code == 422
    assert "enter the password again" in errors(response)["login-password"]


def test_changing_the_encryption_and_emptying_the_port_moves_the_port(ada: Visitor) -> None:
    account = an_account(ada.actor)
    fields = form(ada, incoming__host="mail.amt.test", incoming__encryption="starttls")
    assert send(ada, f"/mailboxes/{account.id}/", fields).status_code == 302
    incoming = accounts.show(ada.actor, account.id).incoming
    assert incoming is not None
    assert (incoming.port, incoming.encryption) == (143, Encryption.STARTTLS)


def test_the_stored_password_is_on_no_page(ada: Visitor) -> None:
    account = an_account(ada.actor)
    assert "geheim" not in ada.page(f"/mailboxes/{account.id}/")


def test_rights_are_given_on_their_own_page(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor)
    given = {"who": f"user:{bob.user.id}", "right": ["see"], "folder": "", "from": "", "until": ""}
    assert ada.client.post(f"/mailboxes/{account.id}/rights/", given).status_code == 302
    assert accounts.show(bob.actor, account.id).rights == {Right.SEE}
    assert "not change its settings" in bob.page(f"/mailboxes/{account.id}/")
    assert send(bob, f"/mailboxes/{account.id}/", form(bob)).status_code == 403
    taken = {"user": bob.user.id, "group": "", "folder": ""}
    assert ada.client.post(f"/mailboxes/{account.id}/rights/revoke/", taken).status_code == 302
    assert bob.get(f"/mailboxes/{account.id}/").status_code == 404


def test_testing_a_form_with_mistakes_shows_the_form_again(ada: Visitor) -> None:
    response = ada.client.post("/mailboxes/test/", form(ada, incoming__port="x"), headers={"X-Lines": "1"})
    assert response.status_code == 422
    assert "incoming-port" in errors(response)


def test_nobody_tests_a_mailbox_they_do_not_administer(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor)
    assert bob.client.post("/mailboxes/test/", form(bob)).status_code == 403
    assert bob.client.post(f"/mailboxes/{account.id}/test/", form(bob)).status_code == 404


def test_a_stopped_mailbox_says_why_since_when_and_what_to_do(ada: Visitor) -> None:
    account = an_account(ada.actor)
    trouble = LoginRejected("login-rejected", answer="NO [AUTHENTICATIONFAILED] <b>go away</b>")
    rounds.failed(account.id, trouble, None)
    page = ada.page(f"/mailboxes/{account.id}/")
    assert "User name or password is wrong. Since" in text_of(page)
    assert "Enter the log-in again." in text_of(page)
    assert "&lt;b&gt;go away&lt;/b&gt;" in page
    assert "User name or password is wrong." in ada.page("/mail/tree/")
    assert ada.post(f"/mailboxes/{account.id}/retry/").status_code == 302
    assert accounts.show(ada.actor, account.id).state == "active"


def test_how_full_the_server_is_stands_beside_what_stays_there(ada: Visitor) -> None:
    account = an_account(ada.actor)
    assert "the test and the health board say how full it is" in ada.page(f"/mailboxes/{account.id}/")
    models.Account.objects.update(quota={"used": 930 * 1024**2, "limit": 1000 * 1024**2})
    page = text_of(ada.page(f"/mailboxes/{account.id}/")).replace("\xa0", " ")
    assert "930.0 MB of 1000.0 MB are taken (93 %)." in page


def test_another_server_or_other_folders_offer_to_read_the_folders_anew(ada: Visitor) -> None:
    account = an_account(ada.actor)
    address, offer = f"/mailboxes/{account.id}/", "Refresh the folder structure now?"
    assert offer in ada.page(
        send(ada, address, form(ada, incoming__port="1993", login__password="anderes"))["Location"]
    )
    fields = form(ada, incoming__port="1993", login__password="")
    assert offer not in ada.page(send(ada, address, fields)["Location"])
    other = fields | {"receiving.all_folders": "0", "receiving.subscribed_only": "1"}
    assert offer in ada.page(send(ada, address, other)["Location"])


def test_removing_names_what_will_be_lost_and_asks_first(ada: Visitor) -> None:
    account = an_account(ada.actor)
    folder = a_folder(account)
    a_message_in(folder)
    a_message_in(folder)
    page = text_of(ada.page(f"/mailboxes/{account.id}/remove/"))
    assert "2 messages that are kept here will no longer be reachable" in page
    assert accounts.page(ada.actor).items
    ada.post(f"/mailboxes/{account.id}/remove/")
    assert not accounts.page(ada.actor).items


def test_a_mailbox_nobody_could_ever_change_again_is_refused(ada: Visitor) -> None:
    response = send(ada, "/mailboxes/new/", FORM)
    assert response.status_code == 422
    assert "Somebody must administer this mailbox" in response.content.decode()


def test_the_table_shows_only_what_is_in_trouble_where_that_is_asked_for(ada: Visitor) -> None:
    well, ailing = an_account(ada.actor, "Zentrale"), an_account(ada.actor, "Kanzlei")
    rounds.failed(ailing.id, TryAgain("connect-timeout"), 30.0)
    page = ada.page("/mailboxes/?only=trouble")
    table = page.partition("<tbody")[2]
    assert f"/mailboxes/{ailing.id}/" in table
    assert f"/mailboxes/{well.id}/" not in table
