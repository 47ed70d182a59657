"""A whole POP3 maildrop over TLS: Poststelle's adapter beside raw reading, poplib and, where installed, getmail6, on the same Dovecot.

Poststelle lists, asks for the headers (when each message came) and fetches, as a first synchronisation does; raw and poplib only
fetch; getmail writes a Maildir, as it always does, and its start counts. Run from the checkout: python -m bench.pop3 u2k --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import poplib
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from bench.mailbox import SIZES, generate
from bench.rates import Contender, compare, run_here
from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.pop3.source import INBOX, open_source
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login, Mechanism
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot


def raw(arguments: Sequence[str]) -> int:
    """Every RETR sent ahead, every byte read and thrown away."""
    port, ca_file, user, password = arguments
    context = ssl.create_default_context(cafile=ca_file)
    with context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))), server_hostname="localhost") as wire:
        file = wire.makefile("rb")
        file.readline()
        for command in (f"USER {user}", f"PASS {password}", "STAT"):
            wire.sendall(f"{command}\r\n".encode())
            said = file.readline()
        count = int(said.split()[1])
        buffer, tail, ends, sent = memoryview(bytearray(256 * 1024)), b"", 0, 0
        while ends < count:
            if sent < count and sent - ends < 25:
                wire.sendall(b"".join(b"RETR %d\r\n" % number for number in range(sent + 1, min(count, sent + 50) + 1)))
                sent = min(count, sent + 50)
            got = wire.recv_into(buffer)
            piece = tail + bytes(buffer[:got])
            ends += piece.count(b"\r\n.\r\n")
            tail = b"" if piece.endswith(b"\r\n.\r\n") else piece[-4:]
    return count


def standard(arguments: Sequence[str]) -> int:
    """poplib, its limit on lines lifted."""
    port, ca_file, user, password = arguments
    poplib._MAXLINE = 1 << 20  # type: ignore[attr-defined]
    client = poplib.POP3_SSL("localhost", int(port), context=ssl.create_default_context(cafile=ca_file))
    client.user(user)
    client.pass_(password)
    count, _ = client.stat()
    for number in range(1, count + 1):
        client.retr(number)
    client.quit()
    return count


def ours(arguments: Sequence[str]) -> int:
    """The adapter as the engine uses it, on uvloop."""
    port, ca_file, user, password = arguments

    async def whole() -> int:
        endpoint = Endpoint("pop3", "localhost", int(port), Encryption.TLS)
        login, egress = Login(user, Secret(password), Mechanism.PLAIN), EgressPolicy.of("127.0.0.0/8")
        source = await open_source(endpoint, login, egress=egress, tls=Trust(ca_file))
        cursor, more, moved = None, True, 0
        while more:
            batch = await source.changes(INBOX, cursor)
            cursor, more = batch.cursor, batch.more
            async for _ in source.fetch(INBOX, [arrival.id for arrival in batch.arrivals]):
                moved += 1
        await source.close()
        return moved

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(whole())


def getmail(arguments: Sequence[str]) -> int:
    """getmail6 into a new Maildir. It refuses to deliver as root."""
    port, ca_file, user, password = arguments
    owner = "nobody" if os.geteuid() == 0 else getpass.getuser()
    with tempfile.TemporaryDirectory() as directory:
        mail = Path(directory) / "mail"
        for made in (mail, mail / "cur", mail / "new", mail / "tmp"):
            made.mkdir()
            shutil.chown(made, owner)
        Path(directory).chmod(0o755)
        (Path(directory) / "getmailrc").write_text(
            f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {port}\nusername = {user}\n"
            f"password = {password}\nca_certs = {ca_file}\n[destination]\ntype = Maildir\npath = {mail}/\nuser = {owner}\n"
            "[options]\nread_all = true\nverbose = 0\n",
            "utf-8",
        )
        subprocess.run(["getmail", f"--getmaildir={directory}"], check=True, capture_output=True)
        return len([*(mail / "new").iterdir()])


CONTENDERS: Mapping[str, Contender] = {"raw": raw, "poplib": standard, "poststelle": ours, "getmail": getmail}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--be", choices=CONTENDERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("rest", nargs="*")
    given = parser.parse_args()
    if given.be:
        run_here(CONTENDERS[given.be], given.rest)
        return
    size = given.rest[0] if given.rest else "u2k"
    with tempfile.TemporaryDirectory() as directory:
        authority = CertificateAuthority(Path(directory))
        server = Dovecot(authority.good())
        try:
            user = server.user("bench")
            messages = [made.raw for made in generate(SIZES[size], 1) if made.folder == "INBOX"]
            server.fill(user, messages)
            words = [str(server.pop3s_port), str(authority.ca_file), user.address, user.password]
            print(f"{len(messages)} messages, {sum(map(len, messages)) / 1e6:.0f} MB over TLS\n")
            installed = [name for name in CONTENDERS if name != "getmail" or shutil.which("getmail")]
            print(compare("bench.pop3", installed, words, rounds=given.rounds, expected=len(messages)))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
