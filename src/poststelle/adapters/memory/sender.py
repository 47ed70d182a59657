"""A way out through a `MemoryServer`, as a `Sender`."""

from __future__ import annotations

from poststelle.adapters.memory.server import MemoryServer
from poststelle.adapters.memory.source import BeforeStep
from poststelle.mail.ports import (
    DataStarted,
    Envelope,
    Receipt,
    RecipientResult,
    RecipientState,
)


class MemorySender:
    """A way out through a `MemoryServer`, keeping the `Sender` port: mail for its mailboxes arrives in their inboxes.

    An unknown name in a domain of the server is rejected; mail to any other domain is accepted and goes nowhere.
    """

    def __init__(self, server: MemoryServer, login: str, *, before: BeforeStep | None = None) -> None:
        server.mailbox(login)
        self._server = server
        self._before = before

    async def send(self, envelope: Envelope, raw: bytes, data_started: DataStarted) -> Receipt:
        self._step("recipients")
        results, inboxes = [], dict[str, None]()
        for address in envelope.recipients:
            logins = self._server.route(address)
            if logins or not self._server.serves_domain_of(address):
                results.append(RecipientResult(address, RecipientState.ACCEPTED, "250 2.1.5 OK"))
                inboxes.update(dict.fromkeys(logins))
            else:
                results.append(RecipientResult(address, RecipientState.REJECTED, "550 5.1.1 No such mailbox"))
        if any(result.state is RecipientState.ACCEPTED for result in results):
            await data_started()
            self._step("data")
            for login in inboxes:
                self._server.deliver(login, raw)
        return Receipt(tuple(results))

    async def close(self) -> None:
        """Nothing to hang up."""

    def _step(self, name: str) -> None:
        if self._before:
            self._before(name)
