"""From an address to settings, at the counter: known providers, and what can be found out. For those who set up mailboxes.

Nothing is saved, no password is needed, and a finding whose `confirm` is set is shown to a person before one goes there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings

from poststelle.adapters import discover as adapter
from poststelle.adapters import presets
from poststelle.adapters.connection import Trust
from poststelle.errors import Invalid, Trouble
from poststelle.mail.address import is_addr_spec
from poststelle.mail.provider import Finding, Places, Provider
from poststelle.office import egress
from poststelle.office.actor import Actor, require_administrator
from poststelle.office.probing import spend


def providers() -> tuple[Provider, ...]:
    """The known mail providers, in the order they are shown. Nobody's data: for everybody."""
    return presets.providers()


def settings_of(provider: str, address: str) -> Finding | None:
    """What a known provider (by id) means for an address; None where there is no such provider."""
    known = next((one for one in presets.providers() if one.id == provider), None)
    return presets.finding_of(known, address, "preset", confirm=False) if known else None


async def discover(actor: Actor, address: str, places: Places | None = None) -> AsyncGenerator[Finding, None]:
    """What can be found for an address, best first, as it comes in. Administrators only; counted like a test.

    `places`: where to ask, as the settings of the installation say where it is None. Raises Invalid,
    NotPermitted, TryAgain("too-many-probes") before the first finding.
    """
    require_administrator(actor)
    if not is_addr_spec(address) or "[" in address or "." not in address.rpartition("@")[2]:
        raise Invalid({"address": "not-an-address"})
    spend(actor)
    configuration = django_settings.POSTSTELLE
    where = places or configuration.discovery_places
    tls, rule = Trust(configuration.ca_file), await sync_to_async(egress.rule)()
    try:
        async with aclosing(adapter.discover(address, egress=rule, tls=tls, places=where)) as findings:
            async for finding in findings:
                yield finding
    except Trouble as error:
        raise Invalid({"address": "not-an-address"}) from error
