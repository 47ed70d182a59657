"""The POP3 adapter keeps what of the contract a maildrop can: with unique ids, without them, and where the server keeps nothing but mail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from itertools import count

import pytest

from poststelle.mail.ports import Source
from tests.adapters.scripted_pop3 import Answer, ScriptedPop3, scripted_pop3
from tests.contract.maildrop import MaildropContract
from tests.contract.world import INBOX, Held, Path, World, letter

POOR: Mapping[str, Answer] = dict.fromkeys(("CAPA", "UIDL", "TOP"), b"-ERR what?\r\n")


class MaildropWorld:
    """A scripted server's maildrop; flags and folders are nobody's business there."""

    place = INBOX
    keeps_flags = False
    impossible_names = frozenset[str]()
    histories = 12
    tells_new_ids = False
    tells_identities = False
    big_batch = 1000

    def __init__(self, server: ScriptedPop3) -> None:
        self._server = server
        self._numbers = count()

    async def deliver(
        self, raw: bytes, *, path: Path = INBOX, flags: Sequence[str] = (), received_at: datetime | None = None
    ) -> None:
        self._server.held.append((self._uidl(), raw))

    async def set_flags(self, path: Path, message_id: str, flags: Sequence[str]) -> None:
        """Nothing a maildrop would remember."""

    async def remove(self, path: Path, message_id: str) -> None:
        self._server.held = [one for one in self._server.held if message_id.encode() not in one[1]]

    async def create_folder(self, path: Path) -> None:
        """There is one already."""

    async def remove_folder(self, path: Path) -> None:
        self._server.held = []

    async def renumber(self, path: Path) -> None:
        self._server.held = [(self._uidl(), raw) for _, raw in self._server.held]

    async def contents(self, path: Path = INBOX) -> Sequence[Held]:
        return [(self.kept(raw), frozenset()) for _, raw in self._server.held]

    async def deliver_many(self, count: int, path: Path) -> None:
        for number in range(count):
            await self.deliver(letter(f"viel-{number}"))

    async def open_source(self) -> Source:
        return await self._server.open()

    def kept(self, raw: bytes) -> bytes:
        return raw if raw.endswith(b"\r\n") else raw + b"\r\n"

    def _uidl(self) -> str:
        return f"uid-{next(self._numbers)}"


class TestPop3KeepsWhatOfTheContractAMaildropCan(MaildropContract):
    @pytest.fixture(params=[{}, POOR], ids=["unique-ids", "poorest"])
    async def world(self, request: pytest.FixtureRequest) -> AsyncIterator[World]:
        async with scripted_pop3(answers=request.param) as server:
            yield MaildropWorld(server)
