"""The IMAP adapter keeps the contract on a real Dovecot, with CONDSTORE and with it hidden."""

from __future__ import annotations

import base64
import imaplib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from poststelle.adapters.connection import EgressPolicy, tls_context
from poststelle.adapters.imap.source import open_source
from poststelle.mail.ports import Source, flags_of
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login
from tests.contract.suite import INBOX, Held, Path, SourceContract, World
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User

_numbers = count()

LOOPBACK = EgressPolicy.of("127.0.0.0/8, localhost")


@pytest.fixture(scope="module")
def poor_dovecot(ca: CertificateAuthority) -> Iterator[Dovecot]:
    """Announces neither CONDSTORE nor QRESYNC."""
    server = Dovecot(ca.good(), condstore=False)
    yield server
    server.stop()


class DovecotWorld:
    """Plays another client, over imaplib, which shares no code with the adapter."""

    impossible_names = frozenset({"Ein/Aus", "Punkt.Komma", "~Tilde"})
    histories = 8

    def __init__(self, server: Dovecot, user: User, ca: CertificateAuthority) -> None:
        self._server, self._user, self._ca = server, user, ca
        self._client = imaplib.IMAP4(server.host, server.imap_port, timeout=60)
        self._client.login(user.address, user.password)

    async def deliver(
        self, raw: bytes, *, path: Path = INBOX, flags: Sequence[str] = (), received_at: datetime | None = None
    ) -> None:
        date = imaplib.Time2Internaldate(received_at) if received_at else None
        self._append(raw, path, flags, date)

    async def set_flags(self, path: Path, message_id: str, flags: Sequence[str]) -> None:
        self._store(path, message_id, f"({' '.join(flags)})")

    async def remove(self, path: Path, message_id: str) -> None:
        uid = self._store(path, message_id, "(\\Deleted)")
        self._said(self._client.uid("EXPUNGE", uid))

    async def create_folder(self, path: Path) -> None:
        self._leave()
        self._said(self._client.create(_wire(path)))

    async def remove_folder(self, path: Path) -> None:
        self._leave()
        self._said(self._client.delete(_wire(path)))

    async def renumber(self, path: Path) -> None:
        held = await self.contents(path)
        await self.remove_folder(path)
        await self.create_folder(path)
        for raw, flags in held:
            await self.deliver(raw, path=path, flags=tuple(flags))

    async def contents(self, path: Path = INBOX) -> Sequence[Held]:
        self._said(self._client.select(_wire(path), readonly=True))
        answers = self._said(self._client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])"))
        found = [answer for answer in answers if isinstance(answer, tuple)]
        return [(raw, flags_of([flag.decode() for flag in imaplib.ParseFlags(head)])) for head, raw in found]

    async def open_source(self) -> Source:
        endpoint = Endpoint("imap", "localhost", self._server.imaps_port, Encryption.TLS)
        login = Login(self._user.address, Secret(self._user.password))
        return await open_source(endpoint, login, egress=LOOPBACK, tls=tls_context(self._ca.ca_file))

    def hang_up(self) -> None:
        self._client.logout()

    def _append(self, raw: bytes, path: Path, flags: Sequence[str], date: str | None) -> None:
        self._client.literal = raw  # type: ignore[assignment]  # append() would turn every bare CR into a line end
        words = [_wire(path), f"({' '.join(flags)})", *([date] if date else [])]
        self._said(self._client._simple_command("APPEND", *words))

    def _store(self, path: Path, message_id: str, flags: str) -> str:
        self._said(self._client.select(_wire(path)))
        (found,) = self._said(self._client.uid("SEARCH", "HEADER", "Message-ID", f'"{message_id}"'))
        uid = str(found, "ascii")
        self._said(self._client.uid("STORE", uid, "FLAGS", flags))
        return uid

    def _leave(self) -> None:
        if self._client.state == "SELECTED":
            self._client.unselect()

    @staticmethod
    def _said(answer: tuple[str, list[Any]]) -> list[Any]:
        assert answer[0] == "OK", answer
        return answer[1]


def _wire(path: Path) -> str:
    """A quoted mailbox name in modified UTF-7 (RFC 3501 section 5.1.3)."""
    name = re.sub(r"&|[^\x20-\x7e]+", lambda found: _shifted(found[0]), "/".join(path))
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _shifted(text: str) -> str:
    coded = "" if text == "&" else base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
    return f"&{coded}-"


@pytest.mark.servers
class TestImapKeepsTheContractOnDovecot(SourceContract):
    @pytest.fixture(params=["condstore", "plain"])
    def world(
        self, request: pytest.FixtureRequest, ca: CertificateAuthority, dovecot: Dovecot, poor_dovecot: Dovecot
    ) -> Iterator[World]:
        server = dovecot if request.param == "condstore" else poor_dovecot
        world = DovecotWorld(server, server.user(f"vertrag-{next(_numbers)}"), ca)
        yield world
        world.hang_up()
