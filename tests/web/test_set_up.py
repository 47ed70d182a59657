"""The set-up page behind the one-time link."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client

from poststelle.office import people, setup
from poststelle.office.actor import SYSTEM
from tests.builders import PASSWORD, an_office

FORM = {"office": "Amt", "name": "Ada", "email": "ada@amt.test", "password": PASSWORD, "language": "de"}


@pytest.fixture
def link(db: None) -> str:
    return f"/setup/{setup.new_setup_token()}"


@pytest.mark.parametrize("path", ["/", "/mail/", "/login", "/mailboxes/", "/people/"])
def test_before_set_up_every_page_says_where_the_link_is(db: None, path: str) -> None:
    response = Client(headers={"accept-language": "en"}).get(path)
    assert response.status_code == 503
    assert "printed in the terminal" in response.content.decode()


def test_set_up_creates_the_office_logs_in_and_leads_to_the_first_mailbox(link: str) -> None:
    client = Client()
    response = client.post(link, FORM, follow=True)
    assert response.redirect_chain == [("/mailboxes/new/", 302)]
    assert people.office_name() == "Amt"
    (user,) = people.users(SYSTEM)
    assert (user.email, user.language, user.is_administrator) == ("ada@amt.test", "de", True)


def test_the_link_works_once(link: str) -> None:
    Client().post(link, FORM)
    assert Client().get(link).status_code == 404
    assert not (settings.POSTSTELLE.home / "setup-token").exists()


def test_a_foreign_token_opens_nothing(link: str) -> None:
    assert Client().get("/setup/guessed").status_code == 404
    assert Client().post("/setup/guessed", FORM).status_code == 404
    assert people.office_name() is None


def test_a_newer_link_voids_the_older_one(link: str) -> None:
    setup.new_setup_token()
    assert Client().get(link).status_code == 404


def test_the_data_folder_keeps_only_the_digest_readable_by_its_owner_alone(link: str) -> None:
    file = settings.POSTSTELLE.home / "setup-token"
    assert link.rpartition("/")[2] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_error_keeps_what_was_typed_except_the_password(link: str) -> None:
    response = Client().post(link, FORM | {"email": "ada", "password": "short-secret"[:8]})
    page = response.content.decode()
    assert response.status_code == 422
    assert 'value="ada"' in page
    assert 'value="Amt"' in page
    assert "short-se" not in page
    assert page.count('class="error"') == 2
    assert people.office_name() is None


def test_a_set_up_installation_has_no_link_any_more(db: None) -> None:
    an_office()
    with pytest.raises(Exception, match="already-set-up"):
        setup.new_setup_token()
