"""What holds for the whole API: who gets in, what strangers find, how failures look, what the OpenAPI document says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from poststelle.api.urls import api
from tests.api.caller import Caller
from tests.builders import PASSWORD, an_account, an_account_document

SCHEMA = api.get_openapi_schema(path_prefix="/api/v1/")
OPERATIONS = [
    (method, path, operation) for path, methods in SCHEMA["paths"].items() for method, operation in methods.items()
]
BODIES = {
    ("post", "/api/v1/accounts/probe"): an_account_document(),
    ("post", "/api/v1/discover"): {"address": "kanzlei@posteo.de"},
    ("post", "/api/v1/accounts"): an_account_document(),
    ("post", "/api/v1/outgoing"): {"account": "Zentrale", "to": ["a@b.test"], "text": "x"},
}


def test_what_the_issue_promises_is_there() -> None:
    promised = {
        ("get", "accounts"), ("post", "accounts"), ("get", "accounts/{account}"), ("patch", "accounts/{account}"),
        ("delete", "accounts/{account}"), ("post", "accounts/probe"), ("post", "accounts/{account}/sync"),
        ("get", "accounts/{account}/folders"), ("get", "folders/{folder}/messages"), ("get", "messages/{message}"),
        ("patch", "messages/{message}"), ("get", "messages/{message}/raw"),
        ("get", "messages/{message}/attachments/{n}"), ("post", "outgoing"), ("get", "outgoing"),
        ("get", "outgoing/{outgoing}"), ("get", "search"), ("get", "changes"),
    }  # fmt: skip
    assert promised <= {(method, path.removeprefix("/api/v1/")) for method, path, _ in OPERATIONS}


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in OPERATIONS])
def test_nobody_gets_in_without_a_token(ada: Caller, method: str, path: str) -> None:
    answer: Any = Client().generic(method.upper(), path)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer["Content-Type"] == "application/problem+json"
    wrong: Any = Client().generic(method.upper(), path, headers={"authorization": "Bearer ps_made-up"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "token-unknown")
    assert wrong["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_session_counts_for_nothing(ada: Caller) -> None:
    client = Client()
    assert client.login(email="ada@amt.test", password=PASSWORD)
    assert client.get("/api/v1/accounts").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "accounts", 405), ("PUT", "accounts/probe", 405), ("POST", "docs.css", 405), ("POST", "docs", 405),
        ("POST", "nowhere", 404), ("GET", "accounts/", 404),
    ],
)  # fmt: skip
def test_a_wrong_method_or_address_is_told_as_a_problem(method: str, path: str, status: int) -> None:
    answer: Any = Client(enforce_csrf_checks=True).generic(method, f"/api/v1/{path}")
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert (status == 405) == ("Allow" in answer)


def test_whoever_has_no_right_names_an_account_in_vain(ada: Caller, bob: Caller) -> None:
    account = an_account(ada.actor)
    for name in (account.id, account.label):
        assert bob.post("outgoing", {"account": name, "to": ["a@b.test"], "text": "x"}).status_code == 404
        assert bob.post(f"accounts/probe?account={name}", {}).status_code == 404
    assert bob.get("accounts").json() == {"items": [], "next": None}
    assert bob.get("outgoing").json() == {"items": [], "next": None}


@pytest.mark.parametrize("path", ["accounts/nowhere", "folders/x/messages", "messages/x", "outgoing/x", "nothing/here"])
def test_what_is_not_there_is_a_problem_document(ada: Caller, path: str) -> None:
    answer = ada.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["type"] == f"/problems/{answer.json()['code']}"
    assert answer.json()["status"] == 404
    assert answer.json()["title"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_not_json_is_malformed(ada: Caller, body: bytes) -> None:
    answer: Any = Client().post("/api/v1/accounts", body, content_type="application/json", headers=ada.headers)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("body", ["", "[]", "7", "null", '"text"'])
def test_a_body_that_is_no_object_cannot_be_accepted(ada: Caller, body: str) -> None:
    answer: Any = Client().post("/api/v1/accounts", body, content_type="application/json", headers=ada.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_what_the_machine_lacks_is_told_as_such(ada: Caller) -> None:
    account = an_account(ada.actor)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        try:
            answer = ada.patch(f"accounts/{account.id}", {"display_name": "Empfang"})
        finally:
            cursor.execute("PRAGMA query_only = OFF")
    assert (answer.status_code, answer.json()["code"]) == (503, "disk-read-only")


def test_trouble_inside_is_told_without_the_inside(ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poststelle.api.v1.changes.feed.changes", lambda *_: 1 / 0)
    answer = ada.get("changes")
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert b"Zero" not in answer.content


def test_the_openapi_document_is_served_and_names_only_shapes_it_has(db: None) -> None:
    answer: Any = Client().get("/api/v1/openapi.json")
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    references = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references
    assert references <= set(document["components"]["schemas"])
    assert document == json.loads(json.dumps(SCHEMA))


def test_every_operation_parameter_and_field_is_documented() -> None:
    undocumented = [name for name, operation in _named() if not operation.get("description")]
    undocumented += [f"{name} {parameter['name']}" for name, operation in _named()
                     for parameter in operation.get("parameters", []) if not parameter.get("description")]  # fmt: skip
    undocumented += [
        f"{name}.{field}"
        for name, shape in SCHEMA["components"]["schemas"].items()
        for field, schema in shape.get("properties", {}).items()
        if not schema.get("description")
    ]
    assert undocumented == []
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


def _named() -> Iterator[tuple[str, dict[str, Any]]]:
    for method, path, operation in OPERATIONS:
        yield f"{method} {path}", operation


def test_the_page_for_people_shows_every_operation_and_fetches_nothing_from_elsewhere(db: None) -> None:
    answer: Any = Client().get("/api/v1/docs")
    page = answer.content.decode()
    assert answer.status_code == 200
    for _, path, operation in OPERATIONS:
        assert path in page
        assert f'id="{operation["operationId"]}"' in page
    for shape in SCHEMA["components"]["schemas"]:
        assert f'id="shape-{shape}"' in page
    assert "<script" not in page
    assert "style=" not in page
    assert re.findall(r'(?:href|src)="(?!#)([^"]+)"', page) == ["docs.css", "openapi.json"]
    assert Client().get("/api/v1/docs.css")["Content-Type"].startswith("text/css")
