"""Finding settings over HTTP: as it comes in, in the caller's language, and never for strangers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import AsyncClient

from tests.api.caller import Caller
from tests.builders import an_account_document

pytestmark = pytest.mark.django_db(transaction=True)


async def asked(caller: Caller, path: str, body: object) -> tuple[int, list[dict[str, Any]]]:
    answer: Any = await AsyncClient().post(
        f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=caller.headers
    )
    if not answer.streaming:
        return answer.status_code, [answer.json()]
    lines = b"".join([piece async for piece in answer]).decode().splitlines()
    return answer.status_code, [json.loads(line) for line in lines]


async def test_an_address_of_a_known_provider_is_answered_with_a_document(ada: Caller) -> None:
    status, [found] = await asked(ada, "discover", {"address": "kanzlei@gmx.de"})
    assert (status, found["source"], found["confirm"]) == (200, "preset", False)
    assert found["document"]["incoming"]["host"] == "imap.gmx.net"
    assert found["hints"][0]["code"] == "enable-access"
    assert found["hints"][0]["text"]


async def test_what_is_no_address_and_who_may_not_are_refused(ada: Caller, bob: Caller) -> None:
    status, [answer] = await asked(ada, "discover", {"address": "nowhere"})
    assert (status, answer["fields"]["address"]["code"]) == (422, "not-an-address")
    assert (await asked(bob, "discover", {"address": "kanzlei@gmx.de"}))[0] == 403


def test_the_known_providers_can_be_browsed(bob: Caller) -> None:
    presets = bob.get("presets").json()
    assert len(presets) == 49
    google = next(one for one in presets if one["id"] == "google")
    assert (google["saves_sent"], google["daily_megabytes"], google["imap"][0]["port"]) == (True, 2500, 993)


async def test_a_failure_comes_with_what_would_help_and_the_report_can_be_fetched(ada: Caller) -> None:
    document = an_account_document(incoming={"host": "192.168.1.10"}, outgoing=None)
    status, steps = await asked(ada, "accounts/probe", document)
    assert (status, steps[0]["error"], steps[0]["fixes"]) == (200, "host-internal", [])
    assert "192.168.1.10" in steps[0]["title"]


def test_there_is_no_report_before_the_first_test(bob: Caller) -> None:
    answer = bob.get("probe-report")
    assert (answer.status_code, answer.json()["code"]) == (404, "report-unknown")
