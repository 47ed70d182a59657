"""What mailboxes cost while nothing happens: memory and CPU of one engine that watches many over TLS.

A scripted IMAP server in a process of its own (6 empty folders a mailbox, IDLE); an engine as `serve` starts it. Measured from /proc:

- *start*: seconds until every mailbox, in step before, has connected, logged in, caught up and is being watched again, beside what the
  pace allows;
- *KiB each*: unshared memory (PSS) of the engine with all mailboxes watched, above the same engine with none, per mailbox;
- *CPU*: share of one core the engine uses while nothing happens, with all mailboxes and with none;
- *stop*: seconds from the request to the end.

Mailboxes are compared every hour here: the figure is that of watching. Goals (PERFORMANCE 8, 22): 40 KiB, 0.1 %, pace + 10 %.

    python -m bench.idle_accounts [--accounts 1000] [--seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import resource
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from poststelle.policy.scheduling import Limits
from tests.servers.ca import CertificateAuthority

PACE = int(Limits().connects_per_second)
FOLDERS = ("INBOX", "Sent", "Drafts", "Trash", "Archiv", "Projekte")
LISTED = b"".join(b'* LIST () "/" %s\r\n' % name.encode() for name in FOLDERS)
SELECTED = b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 1] ok\r\n"
ANSWERS = {
    b"CAPABILITY": b"* CAPABILITY IMAP4rev1 IDLE LITERAL+ SASL-IR AUTH=PLAIN UIDPLUS\r\n",
    b"LIST": LISTED, b"LSUB": LISTED.replace(b"* LIST", b"* LSUB"), b"SELECT": SELECTED, b"EXAMINE": SELECTED,
    b"UID": b"* SEARCH\r\n", b"NAMESPACE": b'* NAMESPACE (("" "/")) NIL NIL\r\n',
}  # fmt: skip


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One session with anybody who logs in."""
    with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
        writer.write(b"* OK ready\r\n")
        while line := await reader.readline():
            while literal := re.search(rb"\{(\d+)(\+?)\}\r\n$", line):
                if not literal[2]:
                    writer.write(b"+ go on\r\n")
                line += await reader.readexactly(int(literal[1])) + await reader.readline()
            tag, verb, *_ = [*line.strip().split(b" "), b""]
            if verb.upper() == b"IDLE":
                writer.write(b"+ idling\r\n")
                await reader.readline()
            writer.write(ANSWERS.get(verb.upper(), b"") + tag + b" OK done\r\n")
            if verb.upper() == b"LOGOUT":
                break
    writer.close()


async def serve(certificate: str, key: str) -> None:
    """Listen until killed; prints the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def pss(pid: int) -> float:
    """Unshared memory in KiB, and this process's part of what is shared."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return float(re.search(r"^Pss:\s+(\d+)", told, re.MULTILINE)[1])  # type: ignore[index]


def cpu(pid: int) -> float:
    """Seconds of CPU used so far, children excluded."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(pid: int, seconds: float) -> float:
    """Per cent of one core used in the time to come."""
    before = cpu(pid)
    time.sleep(seconds)
    return (cpu(pid) - before) / seconds * 100


def engine(home: Path) -> subprocess.Popen[bytes]:
    """An engine that is ready."""
    child = subprocess.Popen(
        [sys.executable, "-m", "poststelle.run.engine_process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    if child.stdout.readline() != b"ready\n":
        raise SystemExit(f"the engine in {home} does not start")
    return child


def furnish(port: int, count: int) -> None:
    """An office with so many mailboxes on that server."""
    from poststelle.mail.secret import Secret
    from poststelle.office import accounts, people
    from poststelle.office.actor import SYSTEM

    if not count:
        password = Secret("correct horse battery staple")
        people.set_up(SYSTEM, office="Amt", language="en", email="ada@amt.test", name="Ada", password=password)
    for number in range(count):
        accounts.add(
            SYSTEM,
            {
                "label": f"m{number}", "address": f"m{number}@amt.test",
                "incoming": {"protocol": "imap", "host": "localhost", "port": port, "encryption": "tls"},
                "login": {"username": f"m{number}", "password": "geheim"},
            },
        )  # fmt: skip


def watched(home: Path) -> int:
    """How many mailboxes are being watched, in step."""
    with contextlib.closing(sqlite3.connect(home / "poststelle.db")) as database:
        return int(database.execute("SELECT COUNT(*) FROM store_account WHERE standing = 'watching'").fetchone()[0])


def until_watched(home: Path, count: int) -> float:
    """Seconds until all of them are."""
    began = time.monotonic()
    while (here := watched(home)) < count:
        time.sleep(0.5)
        if time.monotonic() - began > 60 + 10 * count / PACE:
            raise SystemExit(f"only {here} of {count} are being watched")
    return time.monotonic() - began


def measure(home: Path, port: int, count: int, seconds: float) -> None:
    """Print the table."""
    child = engine(home)
    try:
        time.sleep(10)
        empty_cpu = share(child.pid, seconds / 2)
        empty = pss(child.pid)
    finally:
        child.terminate()
        child.wait()
    furnish(port, count)
    child = engine(home)
    until_watched(home, count)
    child.terminate()
    child.wait()
    child = engine(home)
    try:
        started = until_watched(home, count)
        time.sleep(40)
        full_cpu = share(child.pid, seconds)
        full = pss(child.pid)
        began = time.monotonic()
    finally:
        child.terminate()
        child.wait()
    stopped = time.monotonic() - began
    print(f"| {count} idle TLS mailboxes in one engine | figure | goal |\n|---|---|---|")
    print(f"| start: connected, logged in, caught up, watched | {started:.1f} s | {count / PACE * 1.1:.1f} s |")
    print(
        f"| memory each ({full / 1024:.0f} MiB above {empty / 1024:.0f}) | {(full - empty) / count:.1f} KiB | 40 KiB |"
    )
    print(f"| CPU of one core (no mailbox: {empty_cpu:.2f} %) | {full_cpu:.2f} % | 0.1 % |")
    print(f"| stop | {stopped:.1f} s | 5 s |")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))
    if given.serve:
        asyncio.run(serve(*given.serve))
        return
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir(mode=0o700)
        authority = CertificateAuthority(Path(scratch))
        good = authority.good()
        command = [sys.executable, "-m", "bench.idle_accounts", "--serve", str(good.cert), str(good.key)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert server.stdout is not None
        port = int(server.stdout.readline())
        os.environ |= {
            "POSTSTELLE_HOME": str(home), "POSTSTELLE_CA_FILE": str(authority.ca_file), "POSTSTELLE_POLL_SECONDS": "3600",
            "POSTSTELLE_EGRESS_ALLOW": "127.0.0.0/8", "POSTSTELLE_CONNECTS_PER_SECOND": str(PACE),
            "DJANGO_SETTINGS_MODULE": "poststelle.run.settings",
        }  # fmt: skip
        try:
            import django

            django.setup()
            from poststelle.run.data_folder import prepare

            prepare(home)
            furnish(port, 0)
            measure(home, port, given.accounts, given.seconds)
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
