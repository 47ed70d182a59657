"""The tests beside outgoing servers, log-ins and the larger steps: line by line, with what would help, and asked for before saving."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

from asgiref.sync import sync_to_async
from django.test import AsyncClient

from poststelle.office import accounts, egress, hand_over, logins, outgoing_servers
from poststelle.office.actor import SYSTEM, Actor
from tests.adapters.scripted_imap import PASSWORD, scripted
from tests.adapters.scripted_smtp import scripted_smtp
from tests.builders import a_person, an_account
from tests.web.test_mailboxes import errors, form, send
from tests.web.visitor import Visitor, text_of

SERVER = {
    "label": "Ausgang", "owner": "", "host": "127.0.0.1", "encryption": "none", "port": "25", "default": "0", "login.way": "",
    "certificate.mode": "strict",
}  # fmt: skip


async def lines(visitor: Visitor, path: str, fields: dict[str, str]) -> str:
    """What the page's script gets to show."""
    client = AsyncClient()
    client.cookies = visitor.client.cookies
    response: Any = await client.post(path, fields, headers={"X-Lines": "1"})
    assert response.status_code == 200, response.content
    return b"".join([part async for part in response]).decode()


def allowed_by(markup: str) -> list[str]:
    """What its buttons would allow."""
    return re.findall(r'<button[^>]* data-allow="([^"]+)"', markup)


async def test_a_server_is_tested_as_it_is_typed_and_an_internal_one_allowed_with_one_click(busy_ada: Visitor) -> None:
    async with scripted_smtp() as smtp:
        fields = SERVER | {"port": str(smtp.port), "recipient": "eva@kunde.test"}
        before = await lines(busy_ada, "/mailboxes/servers/test/", fields)
        assert allowed_by(before) == ["127.0.0.1"]
        await sync_to_async(busy_ada.post)("/mailboxes/exceptions/allow/", server="127.0.0.1")
        told = text_of(await lines(busy_ada, "/mailboxes/servers/test/", fields))
        assert "Sending: Send a test message" in told
        assert "Everything works." in told
        assert not await sync_to_async(outgoing_servers.within)(busy_ada.actor)
        # What has just been tested is saved without a question, and whom the test wrote to is proposed the next time.
        saved = await sync_to_async(send)(busy_ada, "/mailboxes/servers/new/", fields)
    assert saved.status_code == 302
    (made,) = await sync_to_async(outgoing_servers.within)(busy_ada.actor)
    assert made.test_recipient == "eva@kunde.test"


def test_an_untested_server_is_asked_about_and_the_typed_password_waits(ada: Visitor) -> None:
    fields = SERVER | {"login.way": "own", "login.username": "amt", "login.password": "geheim", "encryption": "tls"}
    asked = send(ada, "/mailboxes/servers/new/", fields)
    page = asked.content.decode()
    assert ("the server has not been tested" in page, "geheim" in page) == (True, False)
    assert not outgoing_servers.within(ada.actor)
    word = re.findall(r'name="typed" value="([^"]+)"', page)
    send(ada, "/mailboxes/servers/new/", fields | {"login.password": "", "typed": word[0], "untested": "1"})
    (made,) = outgoing_servers.within(ada.actor)
    assert made.login is not None
    assert made.login.has_password
    # Nothing but its name has changed: there is nothing to test.
    again = {name: value for name, value in fields.items() if name not in {"owner", "login.password"}} | {
        "label": "Neu"
    }
    assert send(ada, f"/mailboxes/servers/{made.id}/", again).status_code == 302
    elsewhere = again | {"port": "466"}
    assert errors(send(ada, f"/mailboxes/servers/{made.id}/", elsewhere)).keys() == {"login-password"}
    asked = send(ada, f"/mailboxes/servers/{made.id}/", elsewhere | {"login.password": "geheim"})
    assert "has not been tested" in asked.content.decode()


async def test_a_remedy_of_a_server_changes_the_fields_of_its_own_form(busy_ada: Visitor) -> None:
    await sync_to_async(egress.allow)(busy_ada.actor, "127.0.0.1")
    async with scripted_smtp() as smtp:
        told = await lines(busy_ada, "/mailboxes/servers/test/", SERVER | {"port": str(smtp.port), "encryption": "tls"})
    fixes = [json.loads(unescape(found)) for found in re.findall(r'data-fix="([^"]+)"', told)]
    assert {"encryption": "starttls", "port": str(smtp.port)} in fixes


async def test_a_stored_password_is_tried_only_where_it_was_confirmed(busy_ada: Visitor) -> None:
    await sync_to_async(egress.allow)(busy_ada.actor, "127.0.0.1")
    async with scripted_smtp() as smtp:
        document = {
            "label": "Ausgang", "host": "127.0.0.1", "port": smtp.port, "encryption": "none", "plain_text_allowed": True,
            "login": {"username": "amt", "password": "geheim"},
        }  # fmt: skip
        server = await sync_to_async(outgoing_servers.add)(busy_ada.actor, document)
        path = f"/mailboxes/servers/{server.id}/test/"
        fields = SERVER | {
            "port": str(smtp.port),
            "login.way": "own",
            "login.username": "amt",
            "plain_text_allowed": "1",
        }
        assert "Everything works." in text_of(await lines(busy_ada, path, fields))
        elsewhere = await lines(busy_ada, path, fields | {"host": "localhost"})
    assert "There is no password for this mailbox." in text_of(elsewhere)


async def test_what_is_wrong_with_a_server_stands_beside_its_field(busy_ada: Visitor) -> None:
    answer = await sync_to_async(send)(
        busy_ada, "/mailboxes/servers/test/", SERVER | {"host": "https://x", "port": "viele", "recipient": "niemand"}
    )
    assert answer.status_code == 422
    assert {"host", "port"} <= errors(answer).keys()
    recipient = await sync_to_async(send)(busy_ada, "/mailboxes/servers/test/", SERVER | {"recipient": "niemand"})
    assert errors(recipient).keys() == {"recipient"}


def test_a_stored_login_asked_for_again_is_asked_beside_the_password(ada: Visitor) -> None:
    logins.add(ada.actor, {"label": "Zugang", "username": "amt", "password": "geheim"})
    (login,) = logins.within(ada.actor)
    fields = SERVER | {"encryption": "tls", "login.way": login.id, "untested": "1"}
    assert send(ada, "/mailboxes/servers/new/", fields).status_code == 302
    asked = send(ada, "/mailboxes/servers/new/", fields | {"label": "Zweiter", "host": "smtp.fremd.test"})
    assert errors(asked).keys() == {"login-password"}
    told = fields | {"label": "Zweiter", "host": "smtp.fremd.test", "login.password": "geheim"}
    assert send(ada, "/mailboxes/servers/new/", told).status_code == 302


def test_a_log_in_by_certificate_asks_for_the_certificate_and_not_for_a_password(ada: Visitor) -> None:
    external = {"login.username": "amt", "login.mechanism": "external", "login.password": ""}
    server = send(ada, "/mailboxes/servers/new/", SERVER | external | {"login.way": "own", "encryption": "tls"})
    assert errors(server).keys() == {"login-client_certificate"}
    assert errors(send(ada, "/mailboxes/new/", form(ada) | external)).keys() == {"login-client_certificate"}
    login = {"label": "Haus", "owner": "", "username": "amt", "mechanism": "external"}
    assert errors(send(ada, "/mailboxes/logins/new/", login)).keys() == {"client_certificate"}


async def test_whoever_may_not_allow_it_gets_the_same_text_for_every_forbidden_server(busy_ada: Visitor) -> None:
    bob = await sync_to_async(lambda: Visitor(a_person()))()
    fields = SERVER | {"owner": bob.user.id, "encryption": "tls"}
    told = await lines(bob, "/mailboxes/servers/test/", fields)
    assert not allowed_by(told)
    assert "127.0.0.1" not in told
    assert "This address is not open for mailboxes." in text_of(told)


async def test_a_new_password_is_tried_line_by_line_and_kept_when_it_works(busy_ada: Visitor) -> None:
    async with scripted() as imap:
        account = await sync_to_async(_at)(busy_ada.actor, imap.port)
        path = f"/mailboxes/logins/{account.login.id}/password/"
        fields = {"password": PASSWORD, "again": PASSWORD}
        before = await lines(busy_ada, path, fields)
        assert (allowed_by(before), "the old password stays" in before) == (["127.0.0.1"], True)
        await sync_to_async(egress.allow)(busy_ada.actor, "127.0.0.1")
        told = text_of(await lines(busy_ada, path, fields))
    assert "Zentrale Receiving: Log in" in told
    assert told.endswith("The new password works and is kept for 1 mailbox. Download the report")
    report = (await sync_to_async(busy_ada.get)("/mailboxes/test/report.txt")).content.decode()
    assert report.startswith("Test of a log-in: ")
    assert "\nZentrale\nincoming  resolve" in report
    assert PASSWORD not in report
    stored = await sync_to_async(accounts.to_probe)(SYSTEM, {}, account.id)
    assert stored.login is not None
    assert stored.login.password is not None
    assert stored.login.password.reveal() == PASSWORD


async def test_a_password_is_tried_at_outgoing_servers_too_and_without_any_server_just_kept(busy_ada: Visitor) -> None:
    await sync_to_async(egress.allow)(busy_ada.actor, "127.0.0.1")
    login = await sync_to_async(logins.add)(busy_ada.actor, {"label": "Haus", "username": "amt", "password": "alt"})
    path, fields = f"/mailboxes/logins/{login.id}/password/", {"password": "neu", "again": "neu"}
    assert "Nothing uses it yet" in text_of(await lines(busy_ada, path, fields))
    async with scripted_smtp({"AUTH": b"535 no\r\n"}) as smtp:
        document = {
            "label": "Ausgang", "host": "127.0.0.1", "port": smtp.port, "encryption": "none", "plain_text_allowed": True,
            "login": {"login": "Haus"},
        }  # fmt: skip
        await sync_to_async(outgoing_servers.add)(busy_ada.actor, document)
        refused = text_of(await lines(busy_ada, path, fields))
    assert "Ausgang Sending: Log in User name or password is wrong." in refused
    assert refused.endswith("It does not work everywhere, so the old password stays. Download the report")


async def test_behind_a_hand_over_link_only_an_administrator_is_offered_to_allow_the_server(busy_ada: Visitor) -> None:
    async with scripted() as imap:
        account = await sync_to_async(_at)(busy_ada.actor, imap.port, by_owner=True)
        token, _ = await sync_to_async(hand_over.create)(busy_ada.actor, account.id)
        owner, path = AsyncClient(), f"/hand-over/{token}/"
        neutral = (await owner.post(path, {"password": PASSWORD}, headers={"Accept-Language": "en"})).content.decode()
        assert "This address is not open for mailboxes." in text_of(neutral)
        assert (allowed_by(neutral), "127.0.0.1" in neutral, 'name="typed"' in neutral) == ([], False, False)
        offered = (await sync_to_async(send)(busy_ada, path, {"password": PASSWORD})).content.decode()
        assert (allowed_by(offered), PASSWORD in offered) == (["127.0.0.1"], False)
        await sync_to_async(busy_ada.post)("/mailboxes/exceptions/allow/", server="127.0.0.1")
        word = re.findall(r'name="typed" value="([^"]+)"', offered)
        kept = await sync_to_async(send)(busy_ada, path, {"password": "", "typed": word[0]})
    assert "works and is kept safely" in text_of(kept.content.decode())
    assert await sync_to_async(lambda: busy_ada.client.session["typed_secrets"])() == {}


async def test_a_move_is_tested_before_anything_moves(busy_ada: Visitor) -> None:
    await sync_to_async(egress.allow)(busy_ada.actor, "127.0.0.1")
    account = await sync_to_async(an_account)(busy_ada.actor, outgoing=None)
    path = f"/mailboxes/{account.id}/move/test/"
    async with scripted() as imap:
        fields = {
            "kind": "synchronised", "incoming.host": "127.0.0.1", "incoming.port": str(imap.port), "incoming.encryption": "none",
            "outgoing.host": "", "outgoing.encryption": "tls", "outgoing.port": "", "outgoing.authentication": "same",
            "login.username": "zentrale", "login.password": PASSWORD,
        }  # fmt: skip
        assert "Everything works." in text_of(await lines(busy_ada, path, fields))
        mixed_up = text_of(await lines(busy_ada, path, fields | {"incoming.encryption": "tls"}))
    assert "Nothing has been moved." in mixed_up
    after = await sync_to_async(accounts.show)(busy_ada.actor, account.id)
    assert after.incoming is not None
    assert after.incoming.host == "mail.amt.test"
    wrong = await sync_to_async(send)(busy_ada, path, fields | {"incoming.port": "viele"})
    assert (wrong.status_code, list(errors(wrong))) == (422, ["incoming-port"])


def test_an_exception_of_a_server_stands_on_its_page_and_in_the_list_with_who_made_it(ada: Visitor) -> None:
    send(ada, "/mailboxes/servers/new/", SERVER | {"untested": "1"})
    (server,) = outgoing_servers.within(ada.actor)
    assert [(one.what, one.by) for one in server.exceptions] == [("no-encryption", "ada@amt.test")]
    path = f"/mailboxes/servers/{server.id}/"
    shown = text_of(ada.page(path))
    assert "No encryption. Allowed by ada@amt.test" in shown
    assert "Nobody has said why." in shown
    assert "Ausgang Sending No encryption ada@amt.test" in text_of(ada.page("/mailboxes/exceptions/"))
    why = {name: value for name, value in SERVER.items() if name != "owner"} | {
        "exception_reason": "Im Haus <b>verkabelt</b>", "untested": "1",
    }  # fmt: skip
    assert send(ada, path, why).status_code == 302
    for page in (path, "/mailboxes/exceptions/"):
        assert "Im Haus &lt;b&gt;verkabelt&lt;/b&gt;" in ada.page(page)
    assert errors(send(ada, path, why | {"exception_reason": "x" * 501})).keys() == {"exception_reason"}
    (server,) = outgoing_servers.within(ada.actor)
    other = Visitor(a_person("eva@amt.test", administrator=True))
    send(other, path, why | {"label": "Neu"})
    (kept,) = outgoing_servers.exceptions(ada.actor)
    assert (kept.label, kept.exceptions) == ("Neu", server.exceptions)


def _at(actor: Actor, port: int, *, by_owner: bool = False) -> Any:
    """A mailbox at that server of the own machine, which nobody has allowed."""
    server = {
        "protocol": "imap", "host": "127.0.0.1", "port": port, "encryption": "none", "plain_text_allowed": True,
    }  # fmt: skip
    secret: dict[str, object] = {"by_owner": True} if by_owner else {"password": "alt"}
    return an_account(actor, incoming=server, outgoing=None, login={"username": "zentrale", **secret})
