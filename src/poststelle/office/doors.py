"""Which adapter opens which mailbox. The only place where a protocol's name meets its code."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings

from poststelle.adapters import smtp
from poststelle.adapters.connection import EgressPolicy, Trust, connect
from poststelle.adapters.imap import source as imap
from poststelle.adapters.imap.wire import Limits as ImapLimits
from poststelle.adapters.pop3 import source as pop3
from poststelle.adapters.pop3.session import Limits as Pop3Limits
from poststelle.errors import NeedsAttention
from poststelle.mail.ports import Sender, Source
from poststelle.mail.settings import Endpoint
from poststelle.store.ways import Access

REACH_SECONDS = 3.0


class Doors(Protocol):
    """Opens the two ports of an account. Raises Trouble."""

    async def source(self, access: Access, *, bulk: bool = False) -> Source:
        """The way in, connected and logged in. `bulk`: for a session that fetches much and ends."""
        ...

    async def sender(self, access: Access) -> Sender:
        """The way out, connected and logged in."""
        ...

    async def reach(self, endpoint: Endpoint) -> None:
        """See whether anybody answers there, and hang up."""
        ...


@dataclass(frozen=True, slots=True)
class NetworkDoors:
    """Real servers, through the one egress rule: `rule` says for every connection what it is now."""

    rule: Callable[[], EgressPolicy]

    async def source(self, access: Access, *, bulk: bool = False) -> Source:
        if access.incoming is None:
            raise NeedsAttention("no-way-in")
        if access.login is None or not (access.login.password or access.login.client_certificate):
            raise NeedsAttention("password-missing")
        if access.incoming.protocol == "pop3":
            return await pop3.open_source(
                access.incoming, access.login, egress=await self._egress(), tls=_trust(), limits=bounds().pop3
            )
        return await imap.open_source(
            access.incoming, access.login, egress=await self._egress(), tls=_trust(),
            limits=bounds().imap, inbox_is_root=access.receiving.inbox_is_root, bulk=bulk,
        )  # fmt: skip

    async def sender(self, access: Access) -> Sender:
        if access.outgoing is None:
            raise NeedsAttention("no-way-out")
        login = access.outgoing_login
        if login is not None and not (login.password or login.client_certificate):
            raise NeedsAttention("password-missing")
        return await smtp.open_sender(
            access.outgoing, login, egress=await self._egress(), tls=_trust(), local_hostname=socket.gethostname(),
            connect_seconds=bounds().imap.connect_seconds, greeting_seconds=bounds().imap.greeting_seconds,
        )  # fmt: skip

    async def reach(self, endpoint: Endpoint) -> None:
        (await connect(endpoint.host, endpoint.port, egress=await self._egress(), timeout=REACH_SECONDS)).close()

    async def _egress(self) -> EgressPolicy:
        return await sync_to_async(self.rule)()


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much servers may send and how long they may take (RELIABILITY Q5), by protocol."""

    imap: ImapLimits
    pop3: Pop3Limits


def bounds() -> Bounds:
    """As the administrator has set them."""
    told = django_settings.POSTSTELLE
    return _bounds(
        told.largest_message_megabytes << 20, told.connect_seconds, told.greeting_seconds, told.answer_seconds,
        60 * told.command_minutes,
    )  # fmt: skip


@functools.lru_cache(maxsize=2)
def _bounds(largest: int, connect: float, greeting: float, answer: float, command: float) -> Bounds:
    """One for all connections."""
    return Bounds(
        ImapLimits(
            literal=largest, read_seconds=answer, command_seconds=command, greeting_seconds=greeting,
            connect_seconds=connect,
        ),
        Pop3Limits(
            message=largest, read_seconds=answer, command_seconds=command, greeting_seconds=greeting,
            connect_seconds=connect,
        ),
    )  # fmt: skip


def _trust() -> Trust:
    """Whom this installation trusts."""
    return Trust(django_settings.POSTSTELLE.ca_file)
