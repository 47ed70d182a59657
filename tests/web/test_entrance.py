"""Who comes in, and what the pages tell browsers to forbid."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.urls import URLPattern
from pytest_django.fixtures import Settings

from poststelle.errors import TooOften
from poststelle.office import limits
from poststelle.office.limits import Limit
from poststelle.run.urls import urlpatterns
from tests.builders import PASSWORD, a_folder, a_message_in, an_account
from tests.web.visitor import Visitor, text_of

OPEN = {
    "set-up",
    "hand-over",
    "welcome",
    "account_login",
    "account_logout",
    "account_inactive",
    "mfa_authenticate",
    "mfa_login_webauthn",
    "forgotten",
    "sign-on",
    "openid_connect_callback",
    "icon",
    "mail-frame",
    "picture",
    "alive",
    "ready",
    "metrics",
}
PAGES = [
    "/" + re.sub(r"<int:\w+>", "0", re.sub(r"<str:\w+>", "01990000-0000-7000-8000-000000000000", str(pattern.pattern)))
    for pattern in urlpatterns
    if isinstance(pattern, URLPattern) and pattern.name not in OPEN
]


def test_there_are_pages_to_test() -> None:
    assert len(PAGES) > 25


def test_a_stranger_is_sent_to_the_log_in_from_every_page(ada: Visitor) -> None:
    answers = {path: Client().get(path) for path in PAGES}
    open_to_all = [
        path for path, answer in answers.items() if not answer.get("Location", "").startswith("/login?next=")
    ]
    assert open_to_all == []


def test_a_part_asked_for_after_the_log_in_has_ended_leads_to_the_log_in(ada: Visitor) -> None:
    response = Client().get("/mail/tree/", headers={"HX-Request": "true", "HX-Request-Type": "partial"})
    assert response["HX-Redirect"].startswith("/login")


def test_logging_in_shows_the_mail(ada: Visitor) -> None:
    an_account(ada.actor)
    response = Client().post("/login", {"login": ada.user.email, "password": PASSWORD}, follow=True)
    assert response.redirect_chain[-1][0] == "/mail/"


def test_a_wrong_password_and_an_unknown_person_get_the_same_answer(ada: Visitor) -> None:
    def answer(login: str) -> tuple[int, str]:
        response = Client().post("/login", {"login": login, "password": "falsch"})
        found = re.search(r'role="alert">.*?<span>(.*?)</span>', response.content.decode(), re.S)
        assert found
        return response.status_code, found[1].strip()

    assert answer(ada.user.email) == answer("nobody@amt.test")


def test_looking_at_the_log_out_page_logs_nobody_out(ada: Visitor) -> None:
    ada.get("/logout")
    assert ada.get("/me/").status_code == 200
    ada.post("/logout")
    assert ada.get("/me/").status_code == 302


@pytest.mark.parametrize("path", ["/signup", "/signup/", "/password/reset/", "/email/", "/accounts/login/", "/admin/"])
def test_nothing_else_of_the_log_in_library_is_reachable(ada: Visitor, path: str) -> None:
    assert ada.get(path).status_code == 404


def test_no_form_is_taken_without_its_token(ada: Visitor) -> None:
    strict = Visitor(ada.actor, strict=True)
    assert [path for path in PAGES if strict.post(path).status_code != 403] == []


def test_the_policy_of_a_page_lets_only_its_own_script_run(ada: Visitor) -> None:
    response = ada.get("/me/")
    policy = dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";"))
    nonce = re.search(r'<script src="[^"]+" nonce="([^"]+)"', response.content.decode())
    assert nonce
    assert policy["script-src"] == f"'nonce-{nonce[1]}'"
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["frame-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in response["Content-Security-Policy"]
    assert ada.get("/me/")["Content-Security-Policy"] != response["Content-Security-Policy"]


def test_what_a_colleague_has_no_right_to_does_not_exist_for_them(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor)
    folder = a_folder(account)
    message = a_message_in(folder)
    paths = [
        f"/mail/f/{folder.id}/", f"/mail/f/{folder.id}/m/{message.id}/", f"/mail/search/m/{message.id}/",
        f"/mail/m/{message.id}/mark/", f"/mail/m/{message.id}/attachment/0/", f"/mail/m/{message.id}/original.eml",
        f"/mailboxes/{account.id}/", f"/mailboxes/{account.id}/remove/", f"/write/?reply={message.id}",
    ]  # fmt: skip
    assert [bob.get(path).status_code for path in paths] == [404] * len(paths)
    assert bob.post(f"/mail/m/{message.id}/mark/", add="seen").status_code == 404
    assert bob.post(f"/mailboxes/{account.id}/remove/").status_code == 404
    assert account.label not in bob.page("/mail/tree/")
    assert account.label not in bob.page("/mailboxes/")


def test_a_colleague_does_not_administer(bob: Visitor) -> None:
    assert bob.get("/people/").status_code == 403
    assert bob.get("/mailboxes/new/").status_code == 403


@pytest.mark.parametrize("people", [[], [("Clara Lindner", "clara@lindner.example", "kein Geheimnis")]])
def test_the_people_of_a_demonstration_are_offered_in_a_demonstration_only(
    ada: Visitor, settings: Settings, people: list[tuple[str, str, str]]
) -> None:
    settings.DEMO_LOGINS = people
    page = Client().get("/login").content.decode()
    assert ("Clara Lindner" in page) is ("kein Geheimnis" in page) is bool(people)


def test_the_page_for_a_mistake_of_our_own_may_run_its_script_and_asks_nobody(ada: Visitor) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE store_account RENAME TO store_account_lost")
    ada.client.raise_request_exception = False
    response = ada.get("/mailboxes/")
    assert response.status_code == 500
    nonce = re.search(r"'nonce-([^']+)'", response["Content-Security-Policy"])
    assert nonce
    assert f'nonce="{nonce[1]}"' in response.content.decode()
    assert "Something went wrong." in response.content.decode()


def test_a_machine_that_keeps_nothing_is_told_of_in_words_and_loses_nothing(ada: Visitor) -> None:
    an_account(ada.actor)
    ada.client.raise_request_exception = False
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        try:
            response = ada.post("/mail/receive/")
        finally:
            cursor.execute("PRAGMA query_only = OFF")
    assert response.status_code == 503
    assert "The disk of this installation can only be read. Nothing is lost." in text_of(response.content.decode())


def is_spent(limit: Limit, who: str) -> bool:
    try:
        limit.spend(who)
    except TooOften:
        return True
    return False


@pytest.mark.parametrize("name", ["searches", "exports", "letters"])
def test_whoever_asks_too_often_is_told_when_it_will_do_again(ada: Visitor, name: str) -> None:
    limit: Limit = getattr(limits, name)
    asks = {
        "searches": lambda: ada.get("/mail/search/?q=Frist"),
        "exports": lambda: ada.post("/mailboxes/export/"),
        "letters": lambda: ada.post("/write/", to="x@y.test", text="Guten Tag"),
    }
    try:
        while not is_spent(limit, ada.actor.name):
            pass
        answer = asks[name]()
    finally:
        limit.forget()
    assert "That was too often within a short time." in answer.content.decode()
    assert answer.status_code == (422 if name == "letters" else 429)
    assert "That was too often" not in asks[name]().content.decode(errors="replace")
