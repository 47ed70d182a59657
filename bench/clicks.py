"""How long an office of a million messages lets its people wait: 50 browsers clicking at once, over HTTP, at the real web server.

    POSTSTELLE_HOME=/a/folder/of/its/own python -m bench.clicks [--users 50] [--seconds 60] [--think 3] [--index] [--rounds 1] [--probes 50]
        [--bulk]

The office is that of `bench.lists`. The web runs in a process of its own as `serve` runs it; this process only asks, over one kept
connection per person, for the parts a page asks for, and waits for the last byte. Two loads, both with everybody logged in:

- *clicking*: each person thinks for about `--think` seconds (exponentially distributed) between an answer and the next click. That is
  what the issue's "50 users clicking at once" means here: somebody who clicks every few seconds, all day;
- *closed loop*: nobody thinks. This saturates the machine whatever it costs to answer; it shows the rate, not a wait anybody would see.

With `--probes` the clicking is measured a second time while that many mailboxes are being tested at a server that thinks for three
seconds about every command (issue 4: fifty tests at a time do not slow the mail view). With `--bulk` once more while somebody moves
the newest 10,000 messages of the largest inbox into its archive and back, over and over, in portions as the page's script does; this
leaves errands in the office.

Milliseconds from the click to the last byte, and the server's processor time per click.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

GOALS = {"list": 100, "threads": 100, "message": 100, "tree": 100, "search": 150}
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
MAIL_SERVER_SECONDS = 3.0
_TOKEN = "a" * 32
_SHARES = {"list": 32, "threads": 20, "message": 40, "tree": 4, "search": 4}
_PLACES = ("inbox", "inbox", "inbox", "role:sent", "role:archive", "mine")
_ONLY = ("", "", "", "", "unread", "flagged", "attachments")
_QUERIES = (
    "frist klag",
    "rechtamt",
    "brief post",
    "hausmein",
    "verheit wort",
    "von:kunde7 ist:ungelesen",
    '"recht amt"',
)
_ROW = re.compile(rb'hx-get="(/mail/(?:l|f)/[^"]+/m/[^"]+)"')
_FOLDER = re.compile(rb'href="(/mail/f/[0-9a-f-]+/)"')


def percentile(values: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


class Browser:
    """One person's kept connection."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port, self._cookie = port, cookie
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, address: str, target: str = "", form: Mapping[str, str] | None = None) -> bytes:
        """The answer's body; `target`: as htmx asks for a part; `form`: posted. Raises ValueError for anything but 200."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self.streams
        if reader.at_eof():
            # The server lets go of a connection nobody has used for a while, as browsers know.
            writer.close()
            reader, writer = self.streams = await asyncio.open_connection("127.0.0.1", self._port)
        part = f"HX-Request: true\r\nHX-Request-Type: partial\r\nHX-Target: x#{target}\r\n" if target else ""
        body = b""
        if form:
            body = urlencode({**form, "csrfmiddlewaretoken": _TOKEN}).encode()
            part += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        cookies = f"sessionid={self._cookie}; csrftoken={_TOKEN}"
        method = "POST" if form else "GET"
        writer.write(
            f"{method} {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n{part}\r\n".encode() + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"{address}: {head[:200]!r}")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if length is not None:
            return await reader.readexactly(int(length[1]))
        answer = b""
        while (size := int(await reader.readline(), 16)) > 0:
            answer += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return answer


class Probes:
    """So many tests of a mailbox at a time, in an administrator's browsers, at a mail server that takes its time."""

    def __init__(self, many: int, port: int, cookie: str) -> None:
        self._many, self._port, self._cookie = many, port, cookie
        self.begun = self.steps = 0

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Until left."""
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        testing = [asyncio.create_task(self._test(port, number / self._many)) for number in range(self._many)]
        try:
            yield
        finally:
            for one in testing:
                one.cancel()
            await asyncio.gather(*testing, return_exceptions=True)
            server.close()

    async def _test(self, mail_port: int, at: float) -> None:
        from tests.web.test_mailboxes import FORM

        await asyncio.sleep(at * MAIL_SERVER_SECONDS)
        there = {
            "incoming.host": "127.0.0.1",
            "incoming.port": str(mail_port),
            "incoming.encryption": "none",
            "outgoing.host": "",
        }
        body = urlencode(FORM | there | {"csrfmiddlewaretoken": _TOKEN}).encode()
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                writer.write(
                    f"POST /mailboxes/test/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={self._cookie}; csrftoken={_TOKEN}\r\n"
                    f"X-Lines: 1\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                self.begun += 1
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    raise ValueError(f"a test is refused: {head[:200]!r}")
                while line := await reader.readline():
                    self.steps += b'<tr class="step' in line
            finally:
                writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from tests.adapters.scripted_imap import HONEST

        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.sleep(MAIL_SERVER_SECONDS)
            writer.write(HONEST["greeting"] or b"")
            while line := await reader.readline():
                tag, _, command = line.strip().partition(b" ")
                answer = HONEST.get(command.partition(b" ")[0].decode("latin-1").upper()) or b"{tag} BAD\r\n"
                await asyncio.sleep(MAIL_SERVER_SECONDS)
                writer.write(answer.replace(b"{tag}", tag))
        writer.close()


class Bulk:
    """Somebody who moves ten thousand messages to and fro in the page's portions. `times`: seconds each time."""

    PORTION = 500

    def __init__(self, folder: str, archive: str, port: int, cookie: str) -> None:
        self._folders, self._browser = (archive, folder), Browser(port, cookie)
        self.times: list[float] = []

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Until left."""
        chosen = await self._browser.get(f"/mail/choose/?where=folder:{self._folders[1]}")
        moving = asyncio.create_task(self._move(json.loads(chosen)["ids"]))
        try:
            yield
        finally:
            moving.cancel()
            (ended,) = await asyncio.gather(moving, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended

    async def _move(self, ids: Sequence[str]) -> None:
        while True:
            for target in self._folders:
                began = time.perf_counter()
                for at in range(0, len(ids), self.PORTION):
                    portion = " ".join(ids[at : at + self.PORTION])
                    await self._browser.get(
                        "/mail/handle/", "notes", {"verb": "move", "target": target, "ids": portion}
                    )
                self.times.append(time.perf_counter() - began)


class Clerk:
    """One person: thinks, clicks, and notes how long each answer took."""

    def __init__(self, browser: Browser, seed: int, *, search: bool) -> None:
        self._browser, self._dice = browser, random.Random(seed)
        self._shares = {name: share for name, share in _SHARES.items() if search or name != "search"}
        self.times: dict[str, list[float]] = {name: [] for name in _SHARES}
        self._rows: list[str] = []
        self._folders: list[str] = []

    def begin_anew(self) -> None:
        """Forget the times, and the connection, which belonged to another loop."""
        self.times = {name: [] for name in _SHARES}
        self._browser.streams = None

    async def arrive(self) -> None:
        """The first page, not counted: it is loaded once a day."""
        page = await self._browser.get("/mail/l/inbox/")
        self._folders = [found.decode() for found in _FOLDER.findall(page)]
        self._note(page)

    async def work(self, until: float, think: float) -> None:
        """Until the time is over."""
        await asyncio.sleep(self._dice.random() * think)
        while time.monotonic() < until:
            kind = self._dice.choices([*self._shares], [*self._shares.values()])[0]
            if kind == "message" and not self._rows:
                kind = "list"
            address, target = self._click(kind)
            began = time.perf_counter()
            answer = await self._browser.get(address, target)
            self.times[kind].append(time.perf_counter() - began)
            self._note(answer)
            if think:
                await asyncio.sleep(self._dice.expovariate(1 / think))

    def _click(self, kind: str) -> tuple[str, str]:
        dice = self._dice
        if kind == "message":
            return dice.choice(self._rows), "reader"
        if kind == "tree":
            return "/mail/tree/", "tree"
        if kind == "search":
            return f"/mail/search/?q={dice.choice(_QUERIES).replace(' ', '+')}", "main"
        query = [f"threads={int(kind == 'threads')}"]
        if only := dice.choice(_ONLY):
            query.append(f"only={only}")
        in_folder = self._folders and dice.random() < 0.5
        place = dice.choice(self._folders) if in_folder else f"/mail/l/{dice.choice(_PLACES)}/"
        return f"{place}?{'&'.join(query)}", "main"

    def _note(self, answer: bytes) -> None:
        rows = [found.decode().replace("&amp;", "&") for found in _ROW.findall(answer)]
        self._rows = rows or self._rows


async def load(clerks: Sequence[Clerk], seconds: float, think: float, beside: Probes | Bulk | None = None) -> None:
    """All of them at once, with something going on beside them."""
    for clerk in clerks:
        await clerk.arrive()
    async with beside.going_on() if beside is not None else contextlib.nullcontext():
        until = time.monotonic() + seconds
        await asyncio.gather(*(clerk.work(until, think) for clerk in clerks))


def sessions(people: int) -> list[str]:
    """The session cookies of the first people of the office."""
    from django.conf import settings
    from django.test import Client

    from poststelle.store import models

    made = []
    for number in range(people):
        browser = Client()
        browser.force_login(models.User.objects.get(email=f"p{number}@amt.test"), BACKEND)
        made.append(browser.cookies[settings.SESSION_COOKIE_NAME].value)
    return made


def largest() -> tuple[str, str]:
    """The largest inbox and its mailbox's archive."""
    from poststelle.store import models

    inbox = models.Folder.objects.filter(role="inbox").order_by("-total")[0]
    return str(inbox.pk), str(models.Folder.objects.get(account=inbox.account_id, role="archive").pk)


def served(port: int) -> subprocess.Popen[bytes]:
    """The web as `serve` starts it, without the engine: nobody has a server to talk to."""
    web = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "poststelle.run.asgi:application", "--port", str(port), "--loop", "uvloop",
         "--http", "httptools", "--lifespan", "on", "--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "1",
         "--timeout-keep-alive", "75"]
    )  # fmt: skip
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return web
        time.sleep(0.1)
    raise TimeoutError("the web does not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _processor(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(
    cookies: Sequence[str], seconds: float, think: float, *, search: bool, probes: int = 0, bulk: Sequence[str] = ()
) -> None:
    """One load and its table. `bulk`: the largest inbox and its archive."""
    port = free_port()
    beside: Probes | Bulk | None = Probes(probes, port, cookies[0]) if probes else None
    if bulk:
        beside = Bulk(bulk[0], bulk[1], port, cookies[0])
    web = served(port)
    try:
        clerks = [Clerk(Browser(port, cookie), seed, search=search) for seed, cookie in enumerate(cookies)]
        asyncio.run(load(clerks, 3, think))
        for clerk in clerks:
            clerk.begin_anew()
        began, spent = time.monotonic(), _processor(web.pid)
        asyncio.run(load(clerks, seconds, think, beside))
        spent, took = _processor(web.pid) - spent, time.monotonic() - began
    finally:
        web.terminate()
        web.wait()
    every = [one for clerk in clerks for times in clerk.times.values() for one in times]
    name = (
        f"{len(cookies)} people, each thinking for about {think:g} s"
        if think
        else f"{len(cookies)} people, closed loop"
    )
    if isinstance(beside, Probes):
        name += f", {probes} mailboxes tested at a time ({beside.begun} tests begun, {beside.steps} steps told)"
    elif beside is not None:
        moved = (
            f"{len(beside.times)} times, {statistics.median(beside.times):.1f} s each" if beside.times else "not once"
        )
        name += f", 10,000 messages moved to and fro ({moved}; goal 5)"
    print(f"\n{name}: {len(every) / seconds:.1f} clicks/s, {spent * 1000 / (len(every) + len(cookies)):.1f} ms of processor"
          f" time each, web process {spent / took * 100:.0f} % busy\n\n| click | count | p50 ms | p95 ms | p99 ms | goal p95 |\n|---|---|---|---|---|---|")  # fmt: skip
    for kind, goal in GOALS.items():
        times = [one for clerk in clerks for one in clerk.times[kind]]
        if times:
            print(f"| {kind} | {len(times)} | {percentile(times, 0.5):.1f} | {percentile(times, 0.95):.1f} | {percentile(times, 0.99):.1f} | {goal} |", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--index", action="store_true", help="build the search index too, and search")
    parser.add_argument("--probes", type=int, default=0, metavar="N", help="once more while N mailboxes are tested")
    parser.add_argument("--bulk", action="store_true", help="once more while 10,000 messages are moved to and fro")
    parser.add_argument("--no-loop", action="store_true", help="leave the closed loop out")
    chosen = parser.parse_args()
    home = Path(os.environ["POSTSTELLE_HOME"])
    home.mkdir(mode=0o700, exist_ok=True)
    os.environ |= {"DJANGO_SETTINGS_MODULE": "poststelle.run.settings", "POSTSTELLE_EGRESS_ALLOW": "127.0.0.1/32"}
    import django

    django.setup()
    from bench import million

    if not million.is_built():
        million.build(chosen.messages, index=chosen.index)
    cookies = sessions(chosen.users)
    for _ in range(chosen.rounds):
        measured(cookies, chosen.seconds, chosen.think, search=chosen.index)
        if chosen.probes:
            measured(cookies, chosen.seconds, chosen.think, search=chosen.index, probes=chosen.probes)
        if chosen.bulk:
            measured(cookies, chosen.seconds, chosen.think, search=chosen.index, bulk=largest())
        if not chosen.no_loop:
            measured(cookies, chosen.seconds / 3, 0, search=chosen.index)


if __name__ == "__main__":
    main()
