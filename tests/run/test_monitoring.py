"""What machines ask: alive, ready, figures; and who gets them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from poststelle.office.actor import Actor
from poststelle.run.locks import ENGINE, held
from tests.builders import a_folder, a_person, a_token, an_account, an_office
from tests.store.conftest import home

__all__ = ["home"]


@pytest.fixture
def ada(transactional_db: None, home: Path) -> Actor:
    return an_office()


def get(path: str, address: str = "127.0.0.1", **headers: str) -> Any:
    return Client(REMOTE_ADDR=address).get(
        path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_alive_and_ready_tell_nothing_but_yes_or_no(ada: Actor, home: Path) -> None:
    assert (get("/healthz").status_code, get("/healthz").content) == (200, b"ok\n")
    assert (get("/readyz").status_code, get("/readyz").content) == (503, b"no\n")
    with held(home, ENGINE):
        assert (get("/readyz").status_code, get("/readyz").content) == (200, b"ok\n")


def test_figures_are_in_the_prometheus_format(ada: Actor) -> None:
    an_account(ada, "Zentrale")
    response = get("/metrics")
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = response.content.decode().splitlines()
    assert 'poststelle_accounts{state="connecting"} 1' in lines
    assert "poststelle_engine_up 0" in lines
    assert "poststelle_attachments_to_read 0" in lines
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"\})? -?[0-9.]+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in lines)
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert all(re.match(r"[a-z_]+", line)[0] in named for line in lines if not line.startswith("#"))  # type: ignore[index]


def test_no_label_names_a_mailbox_unless_the_setting_says_so(ada: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    a_folder(an_account(ada, 'Zen"trale\\'))
    assert "trale" not in get("/metrics").content.decode()
    monkeypatch.setattr(settings, "POSTSTELLE", settings.POSTSTELLE.model_copy(update={"metrics_per_account": True}))
    assert 'poststelle_account_messages_behind{account="Zen\\"trale\\\\"} 0' in get("/metrics").content.decode()


def test_figures_are_for_this_machine_and_administrators(ada: Actor) -> None:
    bob = a_person()
    assert get("/metrics").status_code == 200
    assert get("/metrics", "192.0.2.7").status_code == 403
    assert get("/metrics", x_forwarded_for="192.0.2.7").status_code == 403
    assert get("/metrics", "192.0.2.7", authorization=f"Bearer {a_token(ada)}").status_code == 200
    assert get("/metrics", "192.0.2.7", authorization=f"Bearer {a_token(bob)}").status_code == 403
    assert get("/metrics", "192.0.2.7", authorization="Bearer nonsense").status_code == 403


def test_an_installation_nobody_has_set_up_has_figures_too(transactional_db: None, home: Path) -> None:
    assert get("/metrics").status_code == 200
