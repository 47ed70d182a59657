"""An installation of the tests' own: a data folder, the real command line, `serve` in processes of its own, and its API.

Nothing of the product is imported to drive it: what happens here happens through commands, pages and HTTP.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User
from tests.servers.mta import Mta
from tests.servers.process import free_port

ADA = "ada@amt.test"
PASSWORD = "correct horse battery staple"
"""The first administrator of every office made here, and her password."""

PATIENCE = 20.0
"""Seconds anything may take that a loaded machine does in a fraction of one."""

_T = TypeVar("_T")
_UNTOUCHED: dict[str, TemporaryDirectory[str]] = {}
"""By language: an office nobody has worked in yet."""


class Installation:
    """A data folder of its own, worked on by the real command line in processes of their own."""

    def __init__(self, home: Path, ca: CertificateAuthority) -> None:
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("POSTSTELLE_")},
            "POSTSTELLE_HOME": str(home), "POSTSTELLE_CA_FILE": str(ca.ca_file),
            "POSTSTELLE_EGRESS_ALLOW": "127.0.0.0/8", "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip

    def start(self, *command: str, complaints: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Start it as leader of a session of its own, so that it can be killed with everything it started."""
        return subprocess.Popen(
            [sys.executable, "-m", "poststelle", *command], env=self.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=complaints, start_new_session=True,
        )  # fmt: skip

    def run(self, *command: str, given: str = "") -> str:
        """One command that must succeed; what it printed."""
        process = self.start(*command)
        out, complaints = process.communicate(given.encode(), timeout=300)
        assert process.returncode == 0, complaints.decode()
        return out.decode()

    def init(self, language: str = "en") -> None:
        """The office "Amt" of Ada. Setting one up takes seconds: it is done once, and copied from then on."""
        kept = _UNTOUCHED.setdefault(language, TemporaryDirectory())
        untouched = Path(kept.name) / "home"
        if not untouched.exists():
            self.run(
                "init", "--office", "Amt", "--admin-email", ADA, "--admin-name", "Ada", "--language", language,
                "--admin-password-stdin", given=PASSWORD,
            )  # fmt: skip
            shutil.copytree(self.home, untouched)
        else:
            shutil.copytree(untouched, self.home)

    def add_mailbox(self, label: str, user: User, dovecot: Dovecot) -> None:
        """The user's mailbox, set up and not yet fetched."""
        document = account_document(label, user, dovecot)
        self.run("account", "add", "--json", "-", given=json.dumps(document))


def kill(process: subprocess.Popen[bytes]) -> bool:
    """End it with everything it started; whether it was still at work."""
    at_work = process.poll() is None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return at_work


class Office:
    """A running `serve`. `address` has no trailing slash; `printed` is the link it printed; `owner` is its administrator."""

    def __init__(self, installation: Installation, address: str, printed: str, owner: str = ADA) -> None:
        self.installation = installation
        self.address = address
        self.printed = printed
        self.owner = owner
        self._token = ""

    def api(self, method: str, path: str, document: object = None) -> Any:
        """What the API answers the owner, read from JSON. Anything but success raises, with the answer."""
        if not self._token:
            self._token = self.installation.run("token", "add", "--user", self.owner, "--name", "journeys").split()[-1]
        request = urllib.request.Request(
            f"{self.address}/api/v1/{path}", method=method, data=json.dumps(document).encode() if document else None,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode())
            raise

    def add_mailbox(self, label: str, user: User, dovecot: Dovecot, mta: Mta | None = None) -> Mailbox:
        """Ada's mailbox on the test servers, its folders fetched once."""
        made = self.api("POST", "accounts", account_document(label, user, dovecot, mta))
        mailbox = Mailbox(self, str(made["id"]), user)
        eventually(lambda: self.api("GET", f"accounts/{mailbox.id}")["synced_at"])
        return mailbox


class Mailbox:
    """A mailbox as the office knows it, and its `user` on the server."""

    def __init__(self, office: Office, number: str, user: User) -> None:
        self.office = office
        self.id = number
        self.user = user

    def folder(self, name: str = "INBOX") -> Mapping[str, Any]:
        """The folder with that name, as the API shows it."""
        folders = self.office.api("GET", f"accounts/{self.id}/folders")["items"]
        return next(folder for folder in folders if folder["name"] == name)

    def url(self, name: str = "INBOX") -> str:
        """The address of that folder's page."""
        return f"{self.office.address}/mail/f/{self.folder(name)['id']}/"


def account_document(label: str, user: User, dovecot: Dovecot, mta: Mta | None = None) -> dict[str, object]:
    """The account document of that user, over TLS."""
    document: dict[str, object] = {
        "label": label, "address": user.address, "display_name": label,
        "incoming": {"protocol": "imap", "host": "localhost", "port": dovecot.imaps_port, "encryption": "tls"},
        "login": {"username": user.address, "password": user.password},
    }  # fmt: skip
    if mta is not None:
        document["outgoing"] = {"protocol": "smtp", "host": "localhost", "port": mta.tls_port, "encryption": "tls"}
    return document


@contextmanager
def served(installation: Installation, *more: str, owner: str = ADA) -> Iterator[Office]:
    """`serve` on a free port until the block ends. Fails if anything was logged as an unexpected exception."""
    port = free_port()
    log = installation.home.with_name(f"{installation.home.name}.log")
    with log.open("ab") as complaints:
        process = installation.start("serve", "--port", str(port), *more, complaints=complaints.fileno())
    try:
        assert process.stdout is not None
        printed = ""
        while not (link := re.search(r"http://\S+", printed)):
            line = process.stdout.readline().decode()
            assert line, log.read_text()
            printed += line
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(f"{address}/login"))
        yield Office(installation, address, link[0], owner)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=PATIENCE)
        finally:
            kill(process)
    assert "Traceback" not in log.read_text(), log.read_text()


def eventually(look: Callable[[], _T], within: float = PATIENCE) -> _T:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.05)
    return found


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
