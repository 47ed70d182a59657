"""The session that fetches much is compressed where the server offers that; the one that waits is not (Dovecot)."""

from __future__ import annotations

import pytest

from poststelle.adapters.connection import EgressPolicy
from poststelle.office import incoming
from poststelle.office.doors import NetworkDoors
from tests.adapters.test_imap_extensions import relayed
from tests.builders import an_account
from tests.run.engine_office import Office, home, office, until
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot

__all__ = ["home", "office"]

pytestmark = pytest.mark.servers
MANY = 450
"""More than are reported at once, so that there is something left to hand over."""


async def test_what_the_second_session_fetches_comes_compressed(
    office: Office, ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "PATIENCE_SECONDS", 0.0)
    office.doors = NetworkDoors(lambda: EgressPolicy.of("127.0.0.0/8"))  # type: ignore[assignment]
    server = Dovecot(ca.good(), plugins=True)
    try:
        user = server.user("viel")
        server.fill(user, (b"Subject: Brief %d\r\n\r\nGuten Tag.\r\n" % number for number in range(MANY)))
        async with relayed(server.imap_port) as (port, said), office.at_work():
            way_in = {"protocol": "imap", "host": "localhost", "port": port, "encryption": "none"}
            login = {"username": user.address, "password": user.password}
            account = await office.shop.write(lambda: an_account(office.ada, "viel", incoming=way_in, login=login))

            async def all_here() -> bool:
                return await office.held(account) == MANY and await office.synced(account)

            await until(all_here, within=30.0)
        compressed = [piece for piece in said if b"COMPRESS DEFLATE" in piece]
        logged_in = [piece for piece in said if b" AUTHENTICATE " in piece or b" LOGIN " in piece]
        assert (len(compressed), len(logged_in)) == (1, 2)
    finally:
        server.stop()
