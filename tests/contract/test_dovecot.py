"""The IMAP adapter keeps the contract on a real Dovecot: with all its extensions, and with ever fewer of them."""

from __future__ import annotations

import base64
import imaplib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.imap import watching
from poststelle.adapters.imap.source import open_source
from poststelle.mail.ports import Source, flags_of
from poststelle.mail.secret import Secret
from poststelle.mail.settings import Encryption, Endpoint, Login
from tests.contract.suite import SourceContract
from tests.contract.world import FILES, INBOX, Held, Path, World, letter
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User

_numbers = count()

LOOPBACK = EgressPolicy.of("127.0.0.0/8, localhost")


LISTING = ("LIST-EXTENDED", "LIST-STATUS")

VARIANTS: Mapping[str, Collection[str]] = {
    "full": (),
    "condstore": ("QRESYNC", "NOTIFY"),
    "plain": ("QRESYNC", "CONDSTORE", "ESEARCH", "NOTIFY", *LISTING),
    "poorest": (
        "QRESYNC", "CONDSTORE", "ESEARCH", "NOTIFY", "UIDPLUS", "MOVE", "UNSELECT", "IDLE", "LITERAL+", "NAMESPACE", "ENABLE", "ID",
        "SPECIAL-USE", "SASL-IR", *LISTING,
    ),
}  # fmt: skip
"""What each server leaves out of what Dovecot can."""


class Servers:
    """One Dovecot of each kind, started when it is first asked for."""

    def __init__(self, ca: CertificateAuthority) -> None:
        self._ca = ca
        self._running: dict[str, Dovecot] = {}

    def __getitem__(self, kind: str) -> Dovecot:
        if kind not in self._running:
            below_inbox, without = kind == "below-inbox", VARIANTS.get(kind, ())
            plugins = kind == "full"
            self._running[kind] = Dovecot(self._ca.good(), below_inbox=below_inbox, without=without, plugins=plugins)
        return self._running[kind]

    def stop(self) -> None:
        for server in self._running.values():
            server.stop()


@pytest.fixture(scope="module")
def servers(ca: CertificateAuthority) -> Iterator[Servers]:
    running = Servers(ca)
    yield running
    running.stop()


class DovecotWorld:
    """Plays another client, over imaplib, which shares no code with the adapter."""

    place = FILES
    keeps_flags = True
    impossible_names = frozenset({"Ein/Aus", "Punkt.Komma", "~Tilde"})
    histories = 6
    big_batch = 10_000

    def __init__(self, server: Dovecot, user: User, ca: CertificateAuthority, kind: str) -> None:
        self._server, self._user, self._ca = server, user, ca
        self._below_inbox, self._bulk = kind == "below-inbox", kind == "full"
        self.tells_new_ids = "UIDPLUS" not in VARIANTS.get(kind, ())
        self.tells_identities = "LIST-STATUS" not in VARIANTS.get(kind, ())
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
        self._said(self._client.create(self._wire(path)))

    async def remove_folder(self, path: Path) -> None:
        self._leave()
        self._said(self._client.delete(self._wire(path)))

    async def renumber(self, path: Path) -> None:
        held = await self.contents(path)
        await self.remove_folder(path)
        await self.create_folder(path)
        for raw, flags in held:
            await self.deliver(raw, path=path, flags=tuple(flags))

    async def contents(self, path: Path = INBOX) -> Sequence[Held]:
        self._said(self._client.select(self._wire(path), readonly=True))
        answers = self._said(self._client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])"))
        found = [answer for answer in answers if isinstance(answer, tuple)]
        return [(raw, flags_of([flag.decode() for flag in imaplib.ParseFlags(head)])) for head, raw in found]

    async def deliver_many(self, count: int, path: Path) -> None:
        self._server.fill(self._user, (letter(f"viel-{number}") for number in range(count)), folder="/".join(path))

    def kept(self, raw: bytes) -> bytes:
        return raw

    async def open_source(self) -> Source:
        endpoint = Endpoint("imap", "localhost", self._server.imaps_port, Encryption.TLS)
        login = Login(self._user.address, Secret(self._user.password))
        return await open_source(
            endpoint,
            login,
            egress=LOOPBACK,
            inbox_is_root=self._below_inbox,
            bulk=self._bulk,
            tls=Trust(self._ca.ca_file),
        )

    def hang_up(self) -> None:
        self._client.logout()

    def _append(self, raw: bytes, path: Path, flags: Sequence[str], date: str | None) -> None:
        self._client.literal = raw  # type: ignore[assignment]  # append() would turn every bare CR into a line end
        words = [self._wire(path), f"({' '.join(flags)})", *([date] if date else [])]
        self._said(self._client._simple_command("APPEND", *words))

    def _store(self, path: Path, message_id: str, flags: str) -> str:
        self._said(self._client.select(self._wire(path)))
        (found,) = self._said(self._client.uid("SEARCH", "HEADER", "Message-ID", f'"{message_id}"'))
        uid = str(found, "ascii")
        self._said(self._client.uid("STORE", uid, "FLAGS", flags))
        return uid

    def _leave(self) -> None:
        if self._client.state == "SELECTED":
            self._client.unselect()

    def _wire(self, path: Path) -> str:
        """A quoted mailbox name in modified UTF-7 (RFC 3501 section 5.1.3)."""
        shown = "INBOX." * (self._below_inbox and path != INBOX) + ("." if self._below_inbox else "/").join(path)
        name = re.sub(r"&|[^\x20-\x7e]+", lambda found: _shifted(found[0]), shown)
        return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'

    @staticmethod
    def _said(answer: tuple[str, list[Any]]) -> list[Any]:
        assert answer[0] == "OK", answer
        return answer[1]


def _shifted(text: str) -> str:
    coded = "" if text == "&" else base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
    return f"&{coded}-"


@pytest.mark.servers
class TestImapKeepsTheContractOnDovecot(SourceContract):
    @pytest.fixture(params=[*VARIANTS, "below-inbox"])
    def world(
        self,
        request: pytest.FixtureRequest,
        ca: CertificateAuthority,
        servers: Servers,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[World]:
        monkeypatch.setattr(
            watching, "POLL_SECONDS", 1.0
        )  # a server without IDLE is asked; the tests are not as patient
        server = servers[request.param]
        world = DovecotWorld(server, server.user(f"vertrag-{next(_numbers)}"), ca, request.param)
        yield world
        world.hang_up()
