"""What a token may be used for: every operation of the URL map takes one scope, and a token with all others is refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from poststelle.api.urls import api
from poststelle.office import limits, people, tokens
from poststelle.office.actor import SYSTEM, Actor
from poststelle.office.tokens import EVERYTHING, Scope
from tests.builders import a_person, a_token, an_account, an_office

pytestmark = pytest.mark.django_db

OPERATIONS = [
    (method, path.removeprefix("/api/v1/"), operation["security"][0]["BearerToken"])
    for path, methods in api.get_openapi_schema(path_prefix="/api/v1/")["paths"].items()
    for method, operation in methods.items()
]
ADMINISTRATION = (
    "people", "groups", "logins", "outgoing-servers", "templates", "rights", "second-factor-rule", "discover", "probe-report",
)  # fmt: skip
OWN = {"get people/me/default-sender", "put people/me/default-sender"}


@pytest.fixture
def ada() -> Actor:
    return an_office()


def token_for(actor: Actor, *scopes: Scope) -> str:
    assert actor.user is not None
    return tokens.make(actor, actor.user.id, "test", scopes=[scope.value for scope in scopes])[0]


def ask(token: str, method: str, path: str, body: object = None) -> Any:
    return Client().generic(
        method.upper(), f"/api/v1/{path}", headers={"authorization": f"Bearer {token}"},
        **({"data": body} if body else {}), content_type="application/json",
    )  # fmt: skip


def test_every_operation_names_the_scope_its_kind_takes() -> None:
    for method, path, scopes in OPERATIONS:
        name = f"{method} {path}"
        if path.split("/")[0] in ADMINISTRATION and name not in OWN:
            assert scopes == ["admin"], name
        elif method == "get":
            assert scopes[0] in {"read", "admin"}, name
        else:
            assert scopes[0] in {"write", "send", "admin"}, name
    assert [path for method, path, scopes in OPERATIONS if scopes == ["send"]] == [
        "outgoing",
        "outgoing/held",
        "outgoing/{outgoing}/decision",
    ]
    assert len(OPERATIONS) > 100


def test_a_token_without_the_scope_is_refused_on_every_route_and_one_with_it_is_not(ada: Actor) -> None:
    with_all_but = {scope: token_for(ada, *(EVERYTHING - {scope})) for scope in Scope}
    with_only = {scope: token_for(ada, scope) for scope in Scope}
    for method, path, scopes in OPERATIONS:
        scope = Scope(scopes[0])
        refused = ask(with_all_but[scope], method, path)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing"), f"{method} {path}"
        assert refused["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{scope.value}"'
        if method == "get":
            let_in = ask(with_only[scope], method, path)
            assert let_in.status_code < 500, f"{method} {path}"
            assert let_in.streaming or b"scope-missing" not in let_in.content, f"{method} {path}"


def test_a_token_makes_no_token_that_may_do_more(ada: Actor) -> None:
    token = token_for(ada, Scope.ADMIN, Scope.READ)
    more = ask(token, "post", "people/ada@amt.test/tokens", '{"name": "x", "scopes": ["send"]}')
    assert (more.status_code, more.json()["code"]) == (403, "scope-missing")
    made = ask(token, "post", "people/ada@amt.test/tokens", '{"name": "x", "scopes": ["read"], "days": 5}')
    assert made.status_code == 201
    fresh = made.json()
    assert tokens.caller(fresh["secret"]).scopes == {Scope.READ}
    listed = ask(token, "get", "people/ada@amt.test/tokens").json()["items"]
    assert [one["scopes"] for one in listed if one["id"] == fresh["token"]["id"]] == [["read"]]
    assert fresh["secret"] not in str(listed)
    assert ask(token, "delete", f"people/ada@amt.test/tokens/{fresh['token']['id']}").status_code == 204
    assert ask(fresh["secret"], "get", "accounts").status_code == 401


def test_a_program_reads_what_it_was_granted_and_nothing_else(ada: Actor) -> None:
    made = ask(token_for(ada, Scope.ADMIN), "post", "people/programs", '{"email": "scan@amt.test", "name": "Scanner"}')
    assert (made.status_code, made.json()["isService" if "isService" in made.json() else "is_service"]) == (201, True)
    program = people.actor_named("scan@amt.test")
    own = an_account(ada, "Zentrale", grants=[{"user": "scan@amt.test", "rights": ["see"]}])
    an_account(ada, "Andere")
    items = ask(token_for(program, Scope.READ), "get", "accounts").json()["items"]
    assert [one["id"] for one in items] == [own.id]


def test_whoever_asks_too_often_is_told_when_to_come_back(ada: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_requests", limits.Limit("too-many-requests", 3, 60))
    token, other = a_token(ada), a_token(ada)
    answers = [ask(token, "get", "accounts") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    assert answers[-1].json()["code"] == "too-many-requests"
    assert ask(other, "get", "accounts").status_code == 200


def test_a_person_sees_and_ends_their_own_log_ins_only(ada: Actor) -> None:
    bob = a_person()
    token = token_for(bob, Scope.ADMIN)
    assert ask(token, "get", "people/bob@amt.test/sessions").json()["items"] == []
    assert ask(token, "get", "people/ada@amt.test/sessions").status_code == 403
    assert ask(token, "delete", "people/bob@amt.test/sessions").json() == {"sessions": 0}
    factors = ask(token, "get", "people/bob@amt.test/second-factors").json()
    assert (factors["authenticator"], factors["passkeys"]) == (False, [])
    assert ask(token, "delete", "people/ada@amt.test/second-factors").status_code == 403


def test_the_system_makes_tokens_for_anybody_and_old_ones_are_void(ada: Actor) -> None:
    secret, record = tokens.make(SYSTEM, "ada@amt.test", "x", days=1)
    assert {Scope(scope) for scope in record.scopes} == EVERYTHING
    assert tokens.of(ada, "ada@amt.test")[0] == record
    tokens.revoke(ada, "ada@amt.test", record.id)
    assert ask(secret, "get", "accounts").status_code == 401
