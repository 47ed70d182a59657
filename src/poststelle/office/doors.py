"""Which adapter opens which mailbox. The only place where a protocol's name meets its code."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings as django_settings

from poststelle.adapters import smtp
from poststelle.adapters.connection import EgressPolicy, tls_context
from poststelle.adapters.imap import source as imap
from poststelle.errors import NeedsAttention
from poststelle.mail.ports import Sender, Source
from poststelle.store.accounts import Access


class Doors(Protocol):
    """Opens the two ports of an account. Raises Trouble."""

    async def source(self, access: Access) -> Source:
        """The way in, connected and logged in."""
        ...

    async def sender(self, access: Access) -> Sender:
        """The way out, connected and logged in."""
        ...


@dataclass(frozen=True, slots=True)
class NetworkDoors:
    """Real servers, through the one egress rule."""

    egress: EgressPolicy

    async def source(self, access: Access) -> Source:
        if access.incoming is None:
            raise NeedsAttention("no-way-in")
        if access.login is None or access.login.password is None:
            raise NeedsAttention("password-missing")
        tls = tls_context(django_settings.POSTSTELLE.ca_file)
        return await imap.open_source(access.incoming, access.login, egress=self.egress, tls=tls)

    async def sender(self, access: Access) -> Sender:
        if access.outgoing is None:
            raise NeedsAttention("no-way-out")
        if access.outgoing_login is not None and access.outgoing_login.password is None:
            raise NeedsAttention("password-missing")
        return await smtp.open_sender(
            access.outgoing,
            access.outgoing_login,
            egress=self.egress,
            tls=tls_context(django_settings.POSTSTELLE.ca_file),
            local_hostname=socket.gethostname(),
        )
