"""People and what everybody chooses for themselves."""

from __future__ import annotations

import re

from poststelle.office import people, tokens
from poststelle.office.actor import SYSTEM
from poststelle.office.tokens import Scope
from tests.builders import PASSWORD, an_account
from tests.web.visitor import Visitor


def test_an_administrator_adds_somebody(ada: Visitor) -> None:
    ada.post("/people/", name="Bo", email="bo@amt.test", password=PASSWORD)
    assert {user.email for user in people.users(SYSTEM)} == {"ada@amt.test", "bo@amt.test"}
    assert "bo@amt.test" in ada.page("/people/")


def test_a_colleagues_name_and_role_are_changed_and_ones_own(ada: Visitor, bob: Visitor) -> None:
    address = f"/people/{bob.user.id}/"
    refused = ada.post(address, deed="change", person_name=" ", administrator="1")
    assert refused.status_code == 422
    assert 'id="field-person_name-error"' in refused.content.decode()
    ada.post(address, deed="change", person_name="Robert", administrator="1")
    assert bob.client.get("/people/").status_code == 200
    assert "Robert" in ada.page("/people/")
    answer = ada.post(f"/people/{ada.user.id}/", deed="change", person_name="Ada")
    assert answer["Location"] == "/me/"
    assert ada.client.get("/people/").status_code == 403
    assert bob.post(address, deed="change", person_name="Robert").status_code == 409


def test_a_mistake_keeps_what_was_typed(ada: Visitor) -> None:
    response = ada.post("/people/", name="Bo", email="ada@amt.test", password=PASSWORD)
    assert response.status_code == 422
    assert 'value="Bo"' in response.content.decode()
    assert "This is taken already" in response.content.decode()
    assert PASSWORD not in response.content.decode()


def test_everybody_reads_in_their_own_language(ada: Visitor, bob: Visitor) -> None:
    ada.post("/me/language/", language="de")
    assert '<html lang="de"' in ada.page("/me/")
    assert '<html lang="en"' in bob.page("/me/")


def test_a_language_nobody_speaks_is_refused(ada: Visitor) -> None:
    assert ada.post("/me/language/", language="fr").status_code == 400


def test_the_theme_is_kept_in_the_browser(ada: Visitor) -> None:
    ada.post("/me/theme/", theme="dark")
    assert 'data-theme="dark"' in ada.page("/me/")
    ada.post("/me/theme/", theme='"><script>')
    assert 'data-theme="auto"' in ada.page("/me/")


def test_an_access_token_is_shown_once(ada: Visitor) -> None:
    page = ada.post("/me/security/token/", name="Scanner", scopes=["read"]).content.decode()
    found = re.search(r'<code class="token">([^<]+)</code>', page)
    assert found
    caller = tokens.caller(found[1])
    assert (caller.actor.user, caller.scopes) == (ada.user, {Scope.READ})
    assert found[1] not in ada.page("/me/security/")
    assert "Scanner" in ada.page("/me/security/")


def test_people_are_looked_for_by_name_and_kind(ada: Visitor, bob: Visitor) -> None:
    def shown(query: str) -> list[str]:
        return re.findall(r'<b><a href="/people/[^"]+">([^<]+)<', ada.page(f"/people/?{query}"))

    assert shown("") == [ada.user.name, bob.user.name]
    assert (shown(f"q={bob.user.email.upper()}"), shown("only=administrator")) == ([bob.user.name], [ada.user.name])
    ada.post(f"/people/{bob.user.id}/", deed="block")
    assert shown("only=blocked") == [bob.user.name]
    assert "Nobody matches." in ada.page("/people/?q=niemand")


def test_where_links_would_be_kept_by_a_provider_is_said_wherever_they_are_made(ada: Visitor, bob: Visitor) -> None:
    google = {"protocol": "smtp", "host": "smtp.gmail.com", "port": 465, "encryption": "tls"}
    account = an_account(ada.actor, "Google", outgoing=google)
    told = "Links to choose a password are not mailed: Gmail / Google Workspace files everything the office account “Google” sends"
    assert "no office account that sends" in ada.page("/people/")
    assert "files everything sent here" in ada.page(f"/mailboxes/{account.id}/")
    assert told not in ada.page("/health/")
    ada.post(f"/mailboxes/{account.id}/line/", office_account="1")
    assert told in ada.page("/mailboxes/")
    for page in ("/people/", "/health/", f"/mailboxes/{account.id}/"):
        assert told in ada.page(page)
    assert told in ada.post("/people/invite/", name="Neu", email="neu@amt.test").content.decode()
    assert told not in bob.page("/health/")
