"""Adapters are tested on the event loop the product runs them on, and against a poor Dovecot as well as a rich one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import uvloop

from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot


def pytest_asyncio_loop_factories() -> Mapping[str, object]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def poor_dovecot(ca: CertificateAuthority) -> Iterator[Dovecot]:
    """A Dovecot that offers neither CONDSTORE nor ESEARCH nor LIST-STATUS."""
    server = Dovecot(ca.good(), condstore=False)
    yield server
    server.stop()
