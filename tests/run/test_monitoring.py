"""What machines ask: alive, ready, figures; and who gets them."""

from __future__ import annotations

import errno
import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from poststelle.office.actor import Actor
from poststelle.run.commands import operation
from poststelle.run.locks import ENGINE, held, is_held
from poststelle.store import disk
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


def test_what_the_machine_lacks_is_told_by_status_though_no_row_could_be_written(
    ada: Actor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(disk, "RESERVE", disk.free() * 2)
    with translation.override("en"):
        assert operation.status(Namespace(json=False), settings.POSTSTELLE) == 0
    assert "The disk of this installation is full. Nothing is lost." in capsys.readouterr().out
    assert operation.status(Namespace(json=True), settings.POSTSTELLE) == 0
    assert json.loads(capsys.readouterr().out)["lacking"] == "no-room"


def test_whether_somebody_serves_is_asked_without_writing_anything(home: Path) -> None:
    assert not is_held(home, ENGINE)
    assert not [*home.iterdir()]
    with held(home, ENGINE):
        assert is_held(home, ENGINE)
    assert not is_held(home, ENGINE)


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EROFS, "disk-read-only"), (errno.EIO, "disk-failing"), (errno.ENOENT, "file-unusable")],
)
def test_the_doctor_does_not_take_a_disk_for_a_damaged_database(number: int, code: str) -> None:
    def check() -> None:
        raise OSError(number, "so it says", "some.lock")

    assert operation._checked("engine", check).code == code


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
