"""`./start` on a machine that has nothing but Python: install, serve, stop, start again, survive an interruption."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house.tree import ROOT, everything
from tests.servers.process import free_port

INSTALL_SECONDS = 300


def surroundings(home: Path, **more: str) -> dict[str, str]:
    """The environment of a stranger's shell: an empty home, no settings of ours."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("POSTSTELLE_", "DJANGO_"))}
    return {**inherited, "HOME": str(home), "PYTHON": sys.executable, "LC_ALL": "C.UTF-8", **more}


@contextmanager
def running(checkout: Path, *words: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [checkout / "start", *words],
        cwd="/",
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until_served(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + INSTALL_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"./start ended with {process.returncode}:\n{process.communicate()[0]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("./start does not serve")


def stop_with_ctrl_c(process: subprocess.Popen[str]) -> str:
    """What was printed; Ctrl-C reaches the whole foreground group, as a terminal sends it."""
    os.killpg(process.pid, signal.SIGINT)
    printed = process.communicate(timeout=20)[0]
    assert process.returncode == 0, printed
    assert "Traceback" not in printed
    return printed


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone: the files people write and nothing else."""
    copy = tmp_path_factory.mktemp("clone")
    for path in everything():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return copy


@pytest.mark.parametrize(
    ("language", "sentence"), [("de_DE.UTF-8", "python3 fehlt"), ("en_GB.UTF-8", "python3 is missing")]
)
def test_a_machine_without_python_is_told_so_in_its_language(
    checkout: Path, tmp_path: Path, language: str, sentence: str
) -> None:
    environment = surroundings(tmp_path, LC_ALL=language, PYTHON="python-that-is-not-there")
    result = subprocess.run([checkout / "start"], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert sentence in result.stderr


def test_an_interrupted_installation_is_repaired_and_a_finished_one_is_left_alone(
    checkout: Path, tmp_path: Path
) -> None:
    port = free_port()
    environment = surroundings(tmp_path, POSTSTELLE_HOME=str(tmp_path / "office"))
    stamp = checkout / ".venv" / "installed"

    with running(checkout, "--port", str(port), environment=environment) as killed:
        while not (checkout / ".venv/bin/pip").exists():
            assert killed.poll() is None
            time.sleep(0.05)
    assert not stamp.exists()

    with running(checkout, "--port", str(port), environment=environment) as first:
        wait_until_served(first, port)
        assert "2/2 Packages and user interface" in stop_with_ctrl_c(first)
    installed_at = stamp.stat().st_mtime_ns
    assert (tmp_path / "office").is_dir()

    with running(checkout, "--port", str(port), environment=environment) as second:
        wait_until_served(second, port)
        assert "Packages" not in stop_with_ctrl_c(second)
    assert stamp.stat().st_mtime_ns == installed_at
