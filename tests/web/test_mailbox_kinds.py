"""The form for mailboxes of every kind, what it leaves as it is, and the steps that change a mailbox as a whole."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from poststelle.errors import Invalid
from poststelle.mail.ports import Role
from poststelle.mail.settings import (
    AfterImport,
    Authentication,
    CertificateMode,
    Encryption,
    Kind,
    Right,
    SentCopy,
    Signature,
)
from poststelle.office import accounts, groups, hand_over, logins, outgoing_servers, rights, templates
from tests.builders import a_folder, a_message_in, an_account
from tests.web.test_mailboxes import errors, form, send
from tests.web.visitor import Visitor, text_of


def as_shown(visitor: Visitor, path: str) -> dict[str, str]:
    """What a browser would send if nothing were touched: every field of the mailbox form as the page fills it in."""
    return fields_of(visitor.page(path))


def fields_of(page: str) -> dict[str, str]:
    """The same of a page that was sent already."""
    page = page[page.index('id="mailbox-form"') :]
    page = page[: page.index("</form>")]
    fields: dict[str, str] = {}
    for tag in re.findall(r"<(?:input|select)\b[^>]*>|<option\b[^>]*>|<textarea\b[^>]*>[^<]*", page):
        said = {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        if tag.startswith("<select"):
            chosen = said["name"]
        elif tag.startswith("<option"):
            if " selected" in tag or chosen not in fields:
                fields[chosen] = said["value"]
        elif tag.startswith("<textarea"):
            fields[said["name"]] = unescape(tag.partition(">")[2])
        elif said.get("type") != "checkbox" or " checked" in tag:
            fields[said["name"]] = said.get("value", "")
    return fields


def only(visitor: Visitor) -> Any:
    (account,) = accounts.page(visitor.actor).items
    return account


def test_an_archive_needs_neither_address_nor_server(ada: Visitor) -> None:
    send(ada, "/mailboxes/new/", form(ada, kind="archive", address="", incoming__host="", outgoing__host=""))
    account = only(ada)
    assert (account.kind, account.incoming, account.outgoing, account.login) == (Kind.ARCHIVE, None, None, None)
    assert "An archive with 0 messages" in text_of(ada.page(f"/mailboxes/{account.id}/"))


def test_what_only_imap_knows_is_not_asked_of_pop3(ada: Visitor) -> None:
    fields = form(
        ada, kind="fetch-only", receiving__push="1", receiving__all_folders="1", receiving__subscribed_only="1"
    )
    assert send(ada, "/mailboxes/new/", fields).status_code == 302
    account = only(ada)
    assert account.incoming.protocol == "pop3"
    assert account.incoming.port == 995
    assert not account.receiving.push


def test_a_mailbox_that_only_sends_keeps_no_way_in(ada: Visitor) -> None:
    send(ada, "/mailboxes/new/", form(ada, kind="send-only"))
    account = only(ada)
    assert account.incoming is None
    assert account.outgoing is not None


def test_several_mailboxes_share_a_stored_login(ada: Visitor) -> None:
    logins.add(ada.actor, {"label": "Zugang", "username": "zentrale", "password": "geheim"})
    assert "Zugang (zentrale)" in ada.page("/mailboxes/new/")
    send(ada, "/mailboxes/new/", form(ada, login__login="Zugang", login__password=""))
    assert only(ada).login.label == "Zugang"


def test_a_chosen_outgoing_server_takes_the_place_of_an_own_one(ada: Visitor) -> None:
    outgoing_servers.add(ada.actor, {"label": "Ausgang", "host": "smtp.amt.test"})
    account = an_account(ada.actor)
    fields = as_shown(ada, f"/mailboxes/{account.id}/")
    fields |= {"outgoing.server": "Ausgang", "outgoing.authentication": "server", "untested": "1"}
    assert send(ada, f"/mailboxes/{account.id}/", fields).status_code == 302
    changed = accounts.show(ada.actor, account.id)
    assert (changed.outgoing_server, changed.outgoing) == ("Ausgang", None)
    assert "Sends through “Ausgang” (smtp.amt.test)" in ada.page(f"/mailboxes/{account.id}/")
    fields = as_shown(ada, f"/mailboxes/{account.id}/") | {"outgoing.server": "-", "untested": "1"}
    assert send(ada, f"/mailboxes/{account.id}/", fields).status_code == 302
    assert accounts.show(ada.actor, account.id).outgoing_server == ""


def test_receiving_and_sending_are_switched_apart(ada: Visitor) -> None:
    account = an_account(ada.actor)
    fields = as_shown(ada, f"/mailboxes/{account.id}/") | {
        "receiving.included": "0", "receiving.interval_minutes": "15", "receiving.after_import": "delete-later",
        "receiving.after_days": "30", "sending.included": "0", "sending.sent_copy": "local",
    }  # fmt: skip
    assert send(ada, f"/mailboxes/{account.id}/", fields).status_code == 302
    changed = accounts.show(ada.actor, account.id)
    assert (changed.receiving.included, changed.receiving.interval_minutes) == (False, 15)
    assert (changed.receiving.after_import, changed.receiving.after_days) == (AfterImport.DELETE_LATER, 30)
    assert (changed.sending.included, changed.sending.sent_copy) == (False, SentCopy.LOCAL)


def test_the_group_for_whom_files_are_is_chosen_in_the_form(ada: Visitor) -> None:
    account = an_account(ada.actor)
    address = f"/mailboxes/{account.id}/"
    assert "receiving.files_for" not in as_shown(ada, address)
    groups.add(ada.actor, "Partner", [])
    fields = as_shown(ada, address)
    assert (fields["receiving.files_for"], fields["sending.files_for"]) == ("", "")
    assert send(ada, address, fields | {"receiving.files_for": "Partner"}).status_code == 302
    kept = accounts.show(ada.actor, account.id)
    assert (kept.receiving.files_for, kept.sending.files_for) == ("Partner", "")


def test_signatures_are_written_in_the_form_of_the_mailbox_and_of_each_alias(ada: Visitor) -> None:
    alias = {"address": "info@amt.test", "signature": {"text": "Gruß", "html": "<p>Gruß</p>"}}
    account = an_account(ada.actor, identities=[alias])
    fields = as_shown(ada, f"/mailboxes/{account.id}/") | {
        "signature.template": "Guten Tag,\r\n\r\n{name}", "identity.0.signature": "Mit Gruß\r\n{name}",
    }  # fmt: skip
    assert send(ada, f"/mailboxes/{account.id}/", fields).status_code == 302
    changed = accounts.show(ada.actor, account.id)
    assert changed.signature.template == "Guten Tag,\n\n{name}"
    assert changed.identities[0].signature == Signature("Mit Gruß\n{name}")


def test_sent_mail_can_be_copied_into_the_sent_folder_of_a_mailbox_one_may_work_in(ada: Visitor) -> None:
    account = an_account(ada.actor)
    shared, hidden = an_account(ada.actor, "Kanzlei"), an_account(ada.actor, "Vorstand")
    folders = [a_folder(one, "Sent", role=Role.SENT) for one in (shared, hidden)]
    a_folder(shared, "Akten")
    rights.revoke(ada.actor, hidden.id, user=ada.user.email)
    page = ada.page(f"/mailboxes/{account.id}/")
    assert f'<option value="{folders[0].id}">Kanzlei / Sent</option>' in page
    assert "Kanzlei / Akten" not in page
    assert folders[1].id not in page
    fields = as_shown(ada, f"/mailboxes/{account.id}/") | {"sending.sent_copy": "folder"}
    assert send(ada, f"/mailboxes/{account.id}/", fields | {"sending.sent_folder": folders[1].id}).status_code == 422
    assert send(ada, f"/mailboxes/{account.id}/", fields | {"sending.sent_folder": folders[0].id}).status_code == 302
    assert accounts.show(ada.actor, account.id).sending.sent_folder == folders[0].id


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"identities": [{"address": "info@amt.test", "display_name": "Info", "signature": {"text": "Gruß"}}]},
        {"signature": {"text": "Gruß", "html": "<p>Gruß</p>"}},
        {"outgoing": None},
        {"login": {"username": "zentrale", "password": "geheim", "mechanism": "login", "domain": "AMT"}},
        {
            "incoming": {
                "host": "mail.amt.test",
                "certificate": {"mode": "pinned", "fingerprint": "a" * 64, "key": "b" * 64},
            }
        },
    ],
)
def test_saving_an_untouched_form_changes_nothing(ada: Visitor, changes: dict[str, object]) -> None:
    account = an_account(ada.actor, **changes)
    assert send(ada, f"/mailboxes/{account.id}/", as_shown(ada, f"/mailboxes/{account.id}/")).status_code == 302
    changed = accounts.show(ada.actor, account.id)
    for part in (
        "incoming",
        "outgoing",
        "authentication",
        "receiving",
        "sending",
        "signature",
        "grants",
        "kind",
        "active",
    ):
        assert getattr(changed, part) == getattr(account, part), part
    assert [(one.address, one.signature) for one in changed.identities] == [
        (one.address, one.signature) for one in account.identities
    ]
    assert changed.login.has_password


def test_a_pinned_certificate_is_chosen_in_the_form_and_shown_as_a_warning(ada: Visitor) -> None:
    account = an_account(ada.actor)
    fields = as_shown(ada, f"/mailboxes/{account.id}/")
    fields |= {
        "incoming.certificate.mode": "pinned",
        "incoming.certificate.fingerprint": "AA:" * 31 + "AA",
        "incoming.certificate.key": "BB:" * 31 + "BB",
        "incoming.exception_reason": "Am Telefon <verglichen>",
        "untested": "1",
    }
    assert send(ada, f"/mailboxes/{account.id}/", fields).status_code == 302
    incoming = accounts.show(ada.actor, account.id).incoming
    assert incoming is not None
    assert (incoming.certificate.mode, incoming.certificate.fingerprint) == (CertificateMode.PINNED, "a" * 64)
    assert incoming.certificate.key == "b" * 64
    for page in (f"/mailboxes/{account.id}/", "/mailboxes/exceptions/", "/journal/"):
        shown = ada.page(page)
        assert "Only one certificate is accepted" in shown
        assert "Am Telefon &lt;verglichen&gt;" in shown


def test_a_mailbox_warns_of_its_outgoing_servers_exception_and_leads_to_it_whoever_may_change_it(
    ada: Visitor, bob: Visitor
) -> None:
    document = {"label": "Versand", "host": "10.0.0.1", "encryption": "none", "exception_reason": "Im Haus verkabelt"}
    server = outgoing_servers.add(ada.actor, document)
    rights = [{"user": one.user.email, "rights": ["see", "administer"]} for one in (ada, bob)]
    account = an_account(ada.actor, outgoing={"server": "Versand"}, grants=rights)
    there = f'href="/mailboxes/servers/{server.id}/"'
    for visitor, may in ((ada, True), (bob, False)):
        page = visitor.page(f"/mailboxes/{account.id}/")
        assert "Sending through “Versand”: No encryption. Allowed by ada@amt.test" in text_of(page)
        assert "Why: Im Haus verkabelt" in text_of(page)
        assert (there in page) is may


def test_a_mistake_in_a_folded_section_opens_it(ada: Visitor) -> None:
    response = send(ada, "/mailboxes/new/", form(ada, receiving__interval_minutes="oft"))
    assert errors(response)["receiving-interval_minutes"] == "This must be a whole number."
    assert re.search(r'<details class="section choices" open', response.content.decode())


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(ada: Visitor) -> None:
    account = an_account(ada.actor)
    fields = as_shown(ada, f"/mailboxes/{account.id}/")
    accounts.change(ada.actor, account.id, {"display_name": "Von anderer Hand"})
    response = send(ada, f"/mailboxes/{account.id}/", fields | {"label": "Mein neuer Name"})
    assert response.status_code == 422
    page = response.content.decode()
    assert "Somebody else has changed this in the meantime." in page
    assert "Mein neuer Name" in page
    assert accounts.show(ada.actor, account.id).display_name == "Von anderer Hand"


def test_a_template_and_another_mailbox_fill_a_new_form(ada: Visitor) -> None:
    account = an_account(ada.actor)
    template = templates.put(
        ada.actor, "Anbieter", {"incoming": {"host": "imap.anbieter.test", "encryption": "starttls"}}
    )
    assert as_shown(ada, f"/mailboxes/new/?template={template.id}")["incoming.host"] == "imap.anbieter.test"
    twin = as_shown(ada, f"/mailboxes/new/?like={account.id}")
    assert (twin["label"], twin["incoming.host"]) == ("Zentrale (copy)", "mail.amt.test")


def test_who_usually_may_is_in_the_template_and_goes_along_with_a_second_mailbox(ada: Visitor, bob: Visitor) -> None:
    groups.add(ada.actor, "Kanzlei", [])
    keepers = {"group": "Kanzlei", "rights": ["see", "process", "administer"]}
    template = templates.put(ada.actor, "Haus", {"grants": [keepers]})
    fields = as_shown(ada, f"/mailboxes/new/?template={template.id}")
    ticked = {name for name in fields if name.startswith("grant.")}
    assert ticked == {f"grant.group:Kanzlei.{right}" for right in ("see", "process", "administer")}
    document = form(ada)
    for name in [name for name in document if name.startswith("grant.")]:
        del document[name]
    assert send(ada, "/mailboxes/new/", document | dict.fromkeys(ticked, "1")).status_code == 302
    (account,) = accounts.overview(ada.actor).items
    assert [(one.group.name, len(one.rights)) for one in account.grants if one.group] == [("Kanzlei", 3)]
    rights.grant(ada.actor, account.id, {"user": bob.user.email, "rights": ["see"]})
    groups.change(ada.actor, "Kanzlei", members=[ada.user.email])
    fields = as_shown(ada, f"/mailboxes/new/?like={account.id}")
    assert {f"grant.{bob.user.id}.see", "grant.group:Kanzlei.see"} <= {
        name for name in fields if name.startswith("grant.")
    }
    for one in ({"user": bob.user.email, "rights": ["see"]}, {"group": "Kanzlei", "rights": ["see"], "folder": "x"}):
        with pytest.raises(Invalid):
            templates.put(ada.actor, "Falsch", {"grants": [one]})


def test_no_password_in_an_address_ever_reaches_the_form(ada: Visitor) -> None:
    fields = as_shown(ada, "/mailboxes/new/?incoming.host=imap.amt.test&login.password=geheim&grant.x.see=1&active=0")
    assert fields["incoming.host"] == "imap.amt.test"
    assert "geheim" not in fields.values()
    assert fields["active"] == "1"


def test_the_table_changes_mailboxes_in_place(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor)
    path = f"/mailboxes/{account.id}/line/"
    ada.client.post(path, {"label": "Haupt", "active": "0", "office_account": "0"})
    changed = accounts.show(ada.actor, account.id)
    assert (changed.label, changed.active) == ("Haupt", False)
    ada.client.post(path, {"address": "keine"})
    assert accounts.show(ada.actor, account.id).address == account.address
    assert "This is not an e-mail address" in ada.page("/mailboxes/")
    assert bob.client.post(path, {"label": "Meins"}).status_code == 404


def test_the_table_finds_by_words_kind_and_state(ada: Visitor) -> None:
    an_account(ada.actor, "Vertrieb", address="verkauf@amt.test")
    an_account(ada.actor, "Ablage", kind="archive", incoming=None, outgoing=None, login=None, address=None)
    an_account(ada.actor, "Ruhend", active=False)

    def found(query: str) -> set[str]:
        page = ada.page(f"/mailboxes/?{query}")
        return {name for name in ("Vertrieb", "Ablage", "Ruhend") if f'value="{name}"' in page}

    assert found("") == {"Vertrieb", "Ablage", "Ruhend"}
    assert found("q=verkauf") == {"Vertrieb"}
    assert found("only=archive") == {"Ablage"}
    assert found("only=inactive") == {"Ruhend"}
    assert found("only=personal") == set()
    an_account(ada.actor, "Adas", scope="personal", address="ada-post@amt.test")
    mine = text_of(ada.page("/mailboxes/?only=personal"))
    assert "Receives and sends Ada" in mine
    assert found("only=shared") == {"Vertrieb", "Ablage", "Ruhend"}
    assert "No mailbox matches." in ada.page("/mailboxes/?q=nirgends")


def test_administrators_see_every_mailbox_in_the_table_and_open_only_their_own(ada: Visitor, bob: Visitor) -> None:
    grants = [{"user": bob.user.email, "rights": [right.value for right in Right]}]
    account = an_account(ada.actor, "Fremd", grants=grants)
    page = ada.page("/mailboxes/")
    assert "Fremd" in page
    assert f'href="/mailboxes/{account.id}/"' not in page


def test_an_archive_is_made_only_after_asking_and_keeps_its_mail(ada: Visitor) -> None:
    account = an_account(ada.actor)
    a_message_in(a_folder(account))
    assert "can be read and searched: 1 message in 1 folder." in text_of(ada.page(f"/mailboxes/{account.id}/archive/"))
    assert accounts.show(ada.actor, account.id).kind is Kind.SYNCHRONISED
    ada.post(f"/mailboxes/{account.id}/archive/")
    changed = accounts.show(ada.actor, account.id)
    assert (changed.kind, changed.held) == (Kind.ARCHIVE, 1)


def test_the_link_for_the_owner_is_shown_once_and_reveals_only_what_it_must(ada: Visitor) -> None:
    from django.test import Client

    account = an_account(ada.actor, login={"username": "zentrale", "by_owner": True})
    assert "The password is still missing." in ada.page(f"/mailboxes/{account.id}/")
    page = ada.post(f"/mailboxes/{account.id}/hand-over/").content.decode()
    link = re.search(r"http://testserver(/hand-over/[^<]+)<", page)
    assert link
    answer = Client(headers={"Accept-Language": "en"}).get(link[1])
    shown = text_of(answer.content.decode())
    assert "zentrale@amt.test" in shown
    assert "Ada (ada@amt.test) asks you" in shown
    for hidden in ("mail.amt.test", "Zentrale", "993"):
        assert hidden not in shown
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cache-Control"] == "no-store"


def test_a_wrong_or_empty_hand_over_keeps_nothing_and_leaves_the_link_usable(ada: Visitor) -> None:
    from django.test import Client

    account = an_account(
        ada.actor, login={"username": "zentrale", "by_owner": True}, incoming={"host": "127.0.0.1", "port": 1}
    )
    token, _ = hand_over.create(ada.actor, account.id)
    assert Client(headers={"Accept-Language": "en"}).get("/hand-over/nonsense/").status_code == 404
    assert Client(headers={"Accept-Language": "en"}).post(f"/hand-over/{token}/", {"password": ""}).status_code == 422
    assert Client(headers={"Accept-Language": "en"}).get(f"/hand-over/{token}/").status_code == 200
    record = accounts.show(ada.actor, account.id)
    assert record.login is not None
    assert not record.login.has_password
    assert record.authentication is Authentication.SAME
    assert record.incoming is not None
    assert record.incoming.encryption is Encryption.TLS


def test_the_trash_is_offered_only_where_there_is_one(ada: Visitor) -> None:
    page = ada.page("/mailboxes/new/")
    assert 'value="trash" data-when="kind=synchronised"' in " ".join(page.split())
    refused = send(ada, "/mailboxes/new/", form(ada, kind="fetch-only", receiving__after_import="trash", untested="1"))
    assert refused.status_code == 422
    assert "POP3 knows no trash." in refused.content.decode()


def test_a_mailbox_without_a_trash_says_that_nothing_goes_there(ada: Visitor) -> None:
    account = an_account(ada.actor, receiving={"after_import": "trash"})
    told = "has no folder for trash"
    assert told not in ada.page(f"/mailboxes/{account.id}/")
    a_folder(account)
    assert told in ada.page(f"/mailboxes/{account.id}/")
    a_folder(account, "Trash", role=Role.TRASH)
    assert told not in ada.page(f"/mailboxes/{account.id}/")
