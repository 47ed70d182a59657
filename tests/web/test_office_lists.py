"""Log-ins, outgoing servers, groups, templates, rights, import: what the office keeps for its mailboxes."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from poststelle.mail.ports import Role
from poststelle.mail.settings import Right
from poststelle.office import (
    accounts,
    groups,
    handling,
    logins,
    notice,
    outgoing_servers,
    people,
    reading,
    rights,
    templates,
)
from poststelle.office.actor import SYSTEM
from poststelle.web.pages import logins as logins_pages
from tests.builders import PASSWORD, a_folder, an_account
from tests.web.test_mailboxes import form, send
from tests.web.visitor import Visitor, text_of


def test_a_stored_login_is_made_changed_and_removed(ada: Visitor) -> None:
    fields = {
        "label": "Zugang",
        "owner": "",
        "username": "zentrale",
        "password": "geheim",
        "mechanism": "auto",
        "domain": "",
    }
    assert ada.client.post("/mailboxes/logins/new/", fields).status_code == 302
    (login,) = logins.within(ada.actor)
    page = ada.page(f"/mailboxes/logins/{login.id}/")
    assert "geheim" not in page
    changed = fields | {"label": "Anderer Zugang", "password": ""}
    del changed["owner"]
    assert ada.client.post(f"/mailboxes/logins/{login.id}/", changed).status_code == 302
    assert logins.show(ada.actor, login.id).label == "Anderer Zugang"
    ada.post(f"/mailboxes/logins/{login.id}/remove/")
    assert not logins.within(ada.actor)


def test_log_ins_are_listed_page_by_page_the_shared_ones_first(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins_pages, "_WINDOW", 2)
    for name in ("Anna", "Berta"):
        an_account(ada.actor, name, login={"username": name.lower(), "password": "x"})
    logins.add(ada.actor, {"label": "Zuletzt", "username": "alle", "password": "x"})
    first, second = (
        text_of(ada.page(f"/mailboxes/logins/{query}").partition("<tbody>")[2]) for query in ("", "?after=2")
    )
    assert first.startswith("Zuletzt")
    assert ("anna" in first, "berta" in first) == (True, False)
    assert ("anna" in second, "berta" in second) == (False, True)


def test_a_new_password_is_typed_twice(ada: Visitor) -> None:
    logins.add(ada.actor, {"label": "Zugang", "username": "zentrale", "password": "geheim"})
    (login,) = logins.within(ada.actor)
    answer = ada.client.post(f"/mailboxes/logins/{login.id}/password/", {"password": "eins", "again": "zwei"})
    assert answer.status_code == 422
    assert "The two are not the same." in answer.content.decode()
    assert "eins" not in answer.content.decode()


def test_somebody_without_rights_finds_no_foreign_login(ada: Visitor, bob: Visitor) -> None:
    an_account(ada.actor)
    (login,) = logins.within(ada.actor)
    assert "zentrale" not in bob.page("/mailboxes/logins/")
    assert bob.get(f"/mailboxes/logins/{login.id}/password/").status_code == 404


def test_an_outgoing_server_with_a_login_of_its_own(ada: Visitor, bob: Visitor) -> None:
    fields = {
        "label": "Ausgang", "owner": "", "host": "smtp.amt.test", "encryption": "starttls", "port": "", "default": "1",
        "login.way": "own", "login.username": "amt", "login.password": "geheim", "login.mechanism": "auto", "certificate.mode": "strict",
        "untested": "1",
    }  # fmt: skip
    assert ada.client.post("/mailboxes/servers/new/", fields).status_code == 302
    (server,) = outgoing_servers.within(ada.actor)
    assert (server.endpoint.port, server.is_default, server.login and server.login.username) == (587, True, "amt")
    del fields["owner"]
    assert (
        ada.client.post(f"/mailboxes/servers/{server.id}/", fields | {"login.password": "", "label": "Neu"}).status_code
        == 302
    )
    assert outgoing_servers.show(ada.actor, server.id).label == "Neu"
    assert bob.client.post(f"/mailboxes/servers/{server.id}/", fields).status_code == 403
    wrong = ada.client.post("/mailboxes/servers/new/", fields | {"host": "https://x", "owner": ""}).content.decode()
    assert 'id="field-host-error"' in wrong
    assert "geheim" not in wrong


def test_a_group_is_made_filled_and_removed(ada: Visitor, bob: Visitor) -> None:
    ada.client.post("/mailboxes/groups/", {"name": "Sekretariat", "member": [bob.user.id]})
    (group,) = groups.within(ada.actor)
    assert [one.id for one in group.members] == [bob.user.id]
    ada.client.post(f"/mailboxes/groups/{group.id}/", {"name": "Empfang"})
    assert groups.show(ada.actor, group.id).name == "Empfang"
    assert not groups.show(ada.actor, group.id).members
    ada.client.post(f"/mailboxes/groups/{group.id}/", {"remove": "1"})
    assert not groups.within(ada.actor)
    assert bob.get("/mailboxes/groups/").status_code == 403


def test_a_template_is_made_from_a_mailbox_and_shows_what_it_would_change(ada: Visitor) -> None:
    one, other = an_account(ada.actor), an_account(ada.actor, "Zweite", address="zwei@amt.test")
    accounts.change(ada.actor, one.id, {"receiving": {"interval_minutes": 20}})
    assert ada.client.post("/mailboxes/templates/", {"label": "Muster", "account": one.id}).status_code == 302
    (template,) = templates.within(ada.actor)
    page = text_of(ada.page(f"/mailboxes/templates/{template.id}/?account={other.id}"))
    assert "receiving.interval_minutes 1 20" in page
    ada.client.post(f"/mailboxes/templates/{template.id}/", {"deed": "apply", "account": other.id})
    assert accounts.show(ada.actor, other.id).receiving.interval_minutes == 20


def test_a_template_that_is_no_json_or_holds_a_secret_is_refused(ada: Visitor) -> None:
    template = templates.put(ada.actor, "Muster", {})
    path = f"/mailboxes/templates/{template.id}/"
    for text in ("{", "[1]", '{"login": {"password": "geheim"}}', "[" * 100_000):
        answer = ada.client.post(path, {"deed": "save", "label": "Muster", "document": text})
        assert answer.status_code == 422
    assert templates.show(ada.actor, template.id).document == {}


def test_the_matrix_shows_who_may_do_what_and_a_cell_changes_it(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor)
    page = ada.page("/mailboxes/rights/")
    assert "SPWBA" in page
    cell = f"/mailboxes/rights/{account.id}/{bob.user.id}/"
    assert cell in page
    assert "<html" not in ada.get(cell, **{"X-Part": "1"}).content.decode()
    answer = ada.client.post(cell, {"right": ["see", "process"], "back": "/mailboxes/rights/?who=bob"})
    assert answer["Location"] == "/mailboxes/rights/?who=bob"
    assert accounts.show(bob.actor, account.id).rights == {Right.SEE, Right.PROCESS}
    assert bob.client.post(cell, {"right": ["administer"]}).status_code == 403
    wrong = ada.client.post(cell, {"right": ["see"], "from": "2026-05-02", "until": "2026-05-01"})
    assert wrong.status_code == 422
    ada.client.post(cell, {})
    assert bob.get(f"/mailboxes/{account.id}/").status_code == 404


def test_the_matrix_is_narrowed_to_mailboxes_and_people(ada: Visitor, bob: Visitor) -> None:
    an_account(ada.actor)
    an_account(ada.actor, "Vertrieb", address="v@amt.test")
    page = ada.page("/mailboxes/rights/?q=vertrieb&who=bob")
    assert "Vertrieb" in page
    assert re.findall(r'<span title="([^"]+)"', page) == ["bob@amt.test"]
    assert bob.page("/mailboxes/rights/").count("<tr>") == 0


def test_an_administrator_grants_rights_without_ever_seeing_the_folders(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor, grants=[{"user": bob.user.email, "rights": [right.value for right in Right]}])
    a_folder(account, "Geheimes")
    page = ada.page(f"/mailboxes/{account.id}/rights/")
    assert "Bob" in page
    assert "Geheimes" not in page


def test_folders_are_switched_one_by_one(ada: Visitor) -> None:
    account = an_account(ada.actor)
    a_folder(account)
    folder = a_folder(account, "Rundschreiben")
    fields = {
        f"{folder.id}.show": "0",
        f"{folder.id}.fetch": "1",
        f"{folder.id}.process": "1",
        f"{folder.id}.role": "archive",
    }
    answer = ada.client.post(f"/mailboxes/{account.id}/folders/", fields)
    assert "Refresh the folder structure now?" in ada.page(answer["Location"])
    changed = reading.folder(ada.actor, folder.id)
    assert (changed.choices["show"], changed.choices["process"], changed.role.value) == (False, True, "archive")
    assert "fetch" not in changed.choices
    again = ada.client.post(f"/mailboxes/{account.id}/folders/", fields)
    assert "Refresh the folder structure now?" not in ada.page(again["Location"])
    ada.client.post(f"/mailboxes/{account.id}/folders/", fields | {f"{folder.id}.role": ""})
    handling.choose(ada.actor, folder.id, {"show": True})
    ada.client.post(f"/mailboxes/{account.id}/folders/new/", {"role": "sent"})
    assert "sent" in {one.role.value for one in reading.folders(ada.actor, account.id)}


def test_an_import_is_looked_at_first_and_says_what_is_wrong_line_by_line(ada: Visitor) -> None:
    table = "label;address;incoming.host;login.username;login.password\nEins;eins@amt.test;imap.amt.test;eins;geheim1\nZwei;zwei;imap.amt.test;zwei;geheim2\n"
    page = ada.client.post("/mailboxes/import/", {"table": table, "deed": "preview"}).content.decode()
    assert "1 line is wrong" in page
    assert "geheim" not in page
    ada.client.post("/mailboxes/import/", {"table": table, "deed": "apply"})
    assert not accounts.page(ada.actor).items
    file = SimpleUploadedFile("x.csv", table.encode())
    done = ada.client.post("/mailboxes/import/", {"file": file, "deed": "apply", "partly": "1"}).content.decode()
    assert "1 mailbox has been imported." in done
    assert [one.label for one in accounts.page(ada.actor).items] == ["Eins"]


def test_an_export_holds_every_mailbox_and_no_secret(ada: Visitor, bob: Visitor) -> None:
    an_account(ada.actor)
    answer = ada.post("/mailboxes/export/")
    assert "attachment" in answer["Content-Disposition"]
    assert b"zentrale@amt.test" in answer.content
    assert b"geheim" not in answer.content
    assert bob.post("/mailboxes/export/").status_code == 403
    assert bob.get("/mailboxes/import/").status_code == 403


def test_the_checklist_says_whose_password_is_missing(ada: Visitor) -> None:
    an_account(ada.actor, login={"username": "zentrale", "by_owner": True})
    assert "zentrale missing the owner, by link" in text_of(ada.page("/mailboxes/checklist/"))


def test_somebody_invited_sets_a_password_and_the_link_is_used_up(ada: Visitor) -> None:
    from django.test import Client

    page = ada.client.post("/people/invite/", {"name": "Nina", "email": "nina@amt.test"}).content.decode()
    link = re.search(r"http://testserver(/welcome/[^<]+)<", page)
    assert link
    stranger = Client()
    assert "nina@amt.test" in stranger.get(link[1]).content.decode()
    assert stranger.post(link[1], {"password": PASSWORD, "again": "anders"}).status_code == 422
    assert stranger.post(link[1], {"password": "kurz", "again": "kurz"}).status_code == 422
    assert stranger.post(link[1], {"password": PASSWORD, "again": PASSWORD})["Location"] == "/login"
    assert stranger.get(link[1]).status_code == 404


def test_somebody_is_blocked_let_in_again_and_leaves(ada: Visitor, bob: Visitor) -> None:
    path = f"/people/{bob.user.id}/"
    assert bob.get(path).status_code == 403
    ada.client.post(path, {"deed": "block"})
    assert [one.id for one in people.blocked(SYSTEM)] == [bob.user.id]
    ada.client.post(path, {"deed": "unblock"})
    account = an_account(ada.actor, "Bobs", scope="personal", owner=bob.user.email, address="b@amt.test")
    ada.client.post(path, {"deed": "depart", "heir": ada.user.id})
    owner = accounts.show(ada.actor, account.id).owner
    assert owner is not None
    assert owner.id == ada.user.id
    assert bob.user.email in ada.page("/people/")


def test_nobody_blocks_themselves(ada: Visitor) -> None:
    path = f"/people/{ada.user.id}/"
    assert "This is you." in ada.page(path)
    assert ada.client.post(path, {"deed": "block"}).status_code == 409


def test_an_invitation_link_of_nobody_leads_nowhere(ada: Visitor) -> None:
    from django.test import Client

    assert Client().get("/welcome/nonsense/").status_code == 404


def test_a_notice_is_written_shown_before_a_new_mailbox_and_has_to_be_confirmed(ada: Visitor) -> None:
    assert "Please read" not in ada.page("/mailboxes/new/")
    ada.post("/mailboxes/notice/", text="Only with the owner's consent.\r\nBy law.")
    page = ada.page("/mailboxes/new/")
    assert "Only with the owner&#x27;s consent.<br>By law." in page
    version = notice.show(ada.actor).version
    response = send(ada, "/mailboxes/new/", form(ada))
    assert response.status_code == 422
    assert "Please read the notice and confirm it." in response.content.decode()
    assert send(ada, "/mailboxes/new/", form(ada) | {"notice": version}).status_code == 302


def test_the_table_shown_as_a_sample_can_be_imported(ada: Visitor) -> None:
    page = ada.page("/mailboxes/import/")
    sample = unescape(page.partition('<pre class="sample">')[2].partition("</pre>")[0])
    told = text_of(ada.post("/mailboxes/import/", table=sample, deed="preview").content.decode())
    assert "Every line is right." in told


def test_a_notice_is_the_administrators_to_write(bob: Visitor) -> None:
    assert bob.get("/mailboxes/notice/").status_code == 403


def test_whoever_administers_a_mailbox_chooses_people_and_groups_by_name(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor)
    groups.add(ada.actor, "Partner", [bob.user.email])
    rights.grant(ada.actor, account.id, {"user": bob.user.email, "rights": ["administer"]})
    page = bob.page(f"/mailboxes/{account.id}/rights/")
    assert f'<option value="user:{ada.user.id}">Ada (ada@amt.test)</option>' in page
    assert "Group: Partner" in page
    who = f"group:{groups.show(ada.actor, 'Partner').id}"
    assert bob.client.post(f"/mailboxes/{account.id}/rights/", {"who": who, "right": ["see"]}).status_code == 302
    granted = [grant for grant in accounts.show(ada.actor, account.id).grants if grant.group is not None]
    assert [(grant.group.name, grant.rights) for grant in granted if grant.group] == [("Partner", {Right.SEE})]


def test_log_ins_and_servers_are_looked_for(ada: Visitor) -> None:
    for label in ("Haus", "Hof"):
        logins.add(ada.actor, {"label": label, "username": f"{label.lower()}@amt.test", "password": "x"})
        outgoing_servers.add(ada.actor, {"label": label, "host": f"{label.lower()}.amt.test"})
    for page in ("logins", "servers"):
        found = text_of(ada.page(f"/mailboxes/{page}/?q=hof").partition("<tbody>")[2])
        assert ("Hof" in found, "Haus" in found) == (True, False)
        assert "matches." in ada.page(f"/mailboxes/{page}/?q=nirgends")


def test_folders_are_called_alike_wherever_they_are_looked_after(ada: Visitor) -> None:
    account = an_account(ada.actor)
    for path, role in ((("INBOX", "Lieferanten"), Role.NONE), (("Sent Items",), Role.SENT)):
        a_folder(account, *path, role=role)
    for page in (f"/mailboxes/{account.id}/rights/", f"/mailboxes/{account.id}/ledger/", "/ledger/"):
        told = text_of(ada.page(page))
        assert "Inbox / Lieferanten" in told
        assert "Sent" in told
        assert "INBOX" not in told
        assert "Sent Items" not in told


def test_a_right_until_a_day_is_shown_with_that_day_and_does_not_grow_when_kept_again(
    ada: Visitor, bob: Visitor
) -> None:
    account = an_account(ada.actor)
    rights.grant(ada.actor, account.id, {"user": bob.user.email, "rights": ["see"], "until": "2999-01-31"})
    cell = f"/mailboxes/rights/{account.id}/{bob.user.id}/"
    for _time in range(2):
        assert 'name="until" value="2999-01-31"' in ada.page(cell)
        assert "31 Jan 2999" in text_of(ada.page(f"/mailboxes/{account.id}/rights/"))
        assert "until 31 Jan 2999" in ada.page("/mailboxes/rights/")
        ada.client.post(cell, {"right": ["see"], "until": "2999-01-31"})


def test_the_office_account_is_offered_only_where_it_may_be_chosen(ada: Visitor, bob: Visitor) -> None:
    shared = an_account(ada.actor)
    own = an_account(ada.actor, "Bobs", scope="personal", owner=bob.user.email)
    rights.grant(ada.actor, shared.id, {"user": bob.user.email, "rights": ["see", "administer"]})
    assert ada.page("/mailboxes/").count('type="checkbox" name="office_account"') == 1
    assert 'name="office_account"' not in bob.page("/mailboxes/")
    for account in (shared, own):
        assert 'name="office_account"' not in bob.page(f"/mailboxes/{account.id}/")


def test_on_a_phone_every_value_of_a_table_stands_below_the_name_of_its_column(ada: Visitor) -> None:
    account = an_account(ada.actor)
    a_folder(account)
    outgoing_servers.add(ada.actor, {"label": "Ausgang", "host": "smtp.amt.test"})
    pages = (
        "health/",
        "ledger/",
        "mailboxes/logins/",
        "mailboxes/servers/",
        "mailboxes/checklist/",
        "mailboxes/exceptions/",
    )
    for page in (*pages, *(f"mailboxes/{account.id}/{part}/" for part in ("rights", "folders", "ledger"))):
        _before, stacked, table = ada.page(f"/{page}").partition('class="table-scroll stacked"')
        assert stacked or page == "mailboxes/exceptions/", page
        heads = re.findall(r'<th scope="col"[^>]*>(?:<span class="hidden">)?([^<]+)', table)
        named = re.findall(r'data-label="([^"]*)"', table.partition("</table>")[0])
        assert set(named) <= set(heads), page
