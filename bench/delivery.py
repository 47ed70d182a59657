"""How soon a delivered message is seen, beside the server's own word (PERFORMANCE goal 9).

A message is handed to Dovecot by LMTP. Taken are the milliseconds from its "taken" until a bare IDLE connection is told EXISTS, and
until a browser's live stream of `serve` says that the folder has changed; the difference is ours. Dovecot itself gathers changes
for half a second. What it writes itself while telling begins another half second, at whose end a connection that has stayed in IDLE is
told early of whatever came meanwhile; so the deliveries stand further apart.

    python -m bench.delivery [--messages 60]
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import ssl
import statistics
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

from bench.while_syncing import document
from tests.journeys.office import ADA, PASSWORD, Installation, Office, eventually, served
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User

APART_SECONDS = 1.2


class Idler(threading.Thread):
    """A socket in IDLE; `told` holds the moments it was told EXISTS."""

    def __init__(self, server: Dovecot, user: User, ca_file: Path) -> None:
        super().__init__(daemon=True)
        import socket

        context = ssl.create_default_context(cafile=str(ca_file))
        wire = socket.create_connection(("127.0.0.1", server.imaps_port))
        self._lines = context.wrap_socket(wire, server_hostname="localhost").makefile("rwb")
        self.told: list[float] = []
        self._lines.readline()
        for number, command in enumerate((f'LOGIN "{user.address}" "{user.password}"', "EXAMINE INBOX", "IDLE")):
            self._lines.write(f"{number} {command}\r\n".encode())
            self._lines.flush()
            while not self._lines.readline().startswith((b"%d " % number, b"+")):
                pass

    def run(self) -> None:
        """Until the interpreter ends."""
        while line := self._lines.readline():
            if line.endswith(b"EXISTS\r\n"):
                self.told.append(time.perf_counter())


class Browser(threading.Thread):
    """A log-in with its live stream; `told` holds the moments it was told that messages arrived."""

    def __init__(self, office: Office) -> None:
        super().__init__(daemon=True)
        self._host = urllib.parse.urlsplit(office.address).netloc
        self.told: list[float] = []
        page, cookies = self._ask("GET", "/login", {}, "")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None
        form = urllib.parse.urlencode({"login": ADA, "password": PASSWORD, "csrfmiddlewaretoken": token[1]})
        headers = {
            "Cookie": cookies,
            "Content-Type": "application/x-www-form-urlencoded",
            "Referer": f"{office.address}/login",
        }
        _, self._cookies = self._ask("POST", "/login", headers, form)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[str, str]:
        way = http.client.HTTPConnection(self._host)
        way.request(method, path, body, headers)
        answer = way.getresponse()
        cookies = "; ".join(
            value.partition(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"
        )
        return answer.read().decode(), cookies

    def run(self) -> None:
        """Until the stream ends."""
        way = http.client.HTTPConnection(self._host)
        way.request("GET", "/live/", headers={"Cookie": self._cookies})
        answer = way.getresponse()
        assert answer.status == 200, answer.status
        while line := answer.readline():
            if line.startswith(b"data: ") and json.loads(line[6:]).get("notable"):
                self.told.append(time.perf_counter())


def percentile(values: list[float], share: float) -> float:
    """In milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def measure(office: Office, server: Dovecot, user: User, ca_file: Path, count: int) -> None:
    """Print the table."""
    eventually(lambda: office.api("GET", "accounts/watched")["synced_at"])
    idler, browser = Idler(server, user, ca_file), Browser(office)
    idler.start()
    browser.start()
    time.sleep(3)
    server_took, we_took, ours = [], [], []
    for number in range(count):
        heard, seen = len(idler.told), len(browser.told)
        server.deliver(user, f"From: a@bench.example\r\nSubject: {number}\r\n\r\nText {number}\r\n".encode())
        taken = time.perf_counter()
        eventually(lambda: len(idler.told) > heard and len(browser.told) > seen)  # noqa: B023 - looked at at once
        server_took.append(idler.told[heard] - taken)
        we_took.append(browser.told[seen] - taken)
        ours.append(browser.told[seen] - idler.told[heard])
        time.sleep(APART_SECONDS)
    print(f"| {count} deliveries, milliseconds from LMTP's answer | median | p95 | goal |\n|---|---|---|---|")
    for name, values, goal in (
        ("a bare IDLE connection is told", server_took, ""),
        ("the browser's stream tells it", we_took, ""),
        ("difference", ours, "50"),
    ):
        print(f"| {name} | {statistics.median(values) * 1000:.0f} | {percentile(values, 0.95):.0f} | {goal} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=60)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as scratch:
        ca = CertificateAuthority(Path(scratch))
        server = Dovecot(ca.good())
        try:
            user = server.user("watched")
            installation = Installation(Path(scratch) / "home", ca)
            installation.init()
            installation.run("account", "add", "--json", "-", given=document("watched", server, user))
            with served(installation) as office:
                measure(office, server, user, ca.ca_file, chosen.messages)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
