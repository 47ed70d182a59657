"""Whatever happens to the line, once, at any point: the mailbox recovers by itself, nothing is lost and nothing comes twice."""

from __future__ import annotations

import asyncio
import os

import pytest
from django.conf import settings

from poststelle.policy import retry
from poststelle.run import watcher
from tests.chaos import plans as chaos
from tests.run.engine_office import Office, home, office
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot

__all__ = ["home", "office"]

PLANS, SEED = int(os.environ.get("CHAOS_PLANS", "30")), int(os.environ.get("CHAOS_SEED", "20261121"))
"""More of them and others: ``python -m bench.soak``."""

AT_ONCE = 12

pytestmark = pytest.mark.servers


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, office: Office, ca: CertificateAuthority) -> Office:
    """An office that waits for less long than offices do."""
    changed = {"ca_file": ca.ca_file, "egress_allow": ("127.0.0.0/8",)}
    monkeypatch.setattr(settings, "POSTSTELLE", settings.POSTSTELLE.model_copy(update=changed))
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.5)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 2.0)
    monkeypatch.setattr(retry, "NETWORK_WAIT", 2.0)
    monkeypatch.setattr(watcher, "LISTEN_SECONDS", 2.0)
    monkeypatch.setattr(watcher, "SAFETY_ROUND_SECONDS", 4.0)
    office.doors = chaos.ImpatientDoors()  # type: ignore[assignment]
    return office


async def test_a_fault_anywhere_on_the_line_costs_nothing_but_time(impatient: Office, dovecot: Dovecot) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(plan: chaos.Plan) -> str:
        async with turns:
            return await chaos.carry_out(impatient, dovecot, plan, "chaos")

    async with impatient.at_work(poll_seconds=4.0):
        problems = [problem for problem in await asyncio.gather(*map(one, chaos.plans(PLANS, SEED))) if problem]
    assert not problems, "\n".join(problems)
