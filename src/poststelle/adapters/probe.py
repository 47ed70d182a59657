"""The test of an account's settings, step by step: what works, what does not, why, and what would help.

Law: a stream of steps, each under its time; a failed step skips the rest of its direction; nothing is saved, and on the servers
nothing stays but what a trial that was cut off has sent. Closing or cancelling the stream hangs up at once.
This module does not know who asks, nor sentences: causes are codes with facts (`adapters.diagnosis`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.diagnosis import Way
from poststelle.adapters.probe_ways import Facts, Incoming, Maildrop, Outgoing, Times, World, tried
from poststelle.adapters.trial import Trial
from poststelle.mail.ports import Role
from poststelle.mail.records import Step
from poststelle.mail.settings import AccountSettings, Authentication


async def probe(
    settings: AccountSettings,
    *,
    egress: EgressPolicy,
    tls: Trust,
    local_hostname: str = "localhost",
    message: Trial | None = None,
    times: Times | None = None,
    inside: bool = False,
) -> AsyncGenerator[Step, None]:
    """Try both directions of the settings. Yields each step as it ends; never raises `Trouble`.

    `message`: send it, see it arrive and where its copy lands, and remove it. `inside`: tell the addresses of hosts that are
    forbidden, for whoever may know the own network.
    """
    world = World(settings, egress, tls, local_hostname, times or Times(), inside)
    way_in = way_out = None
    try:
        if settings.incoming is not None and settings.login is not None:
            kind = Maildrop if settings.incoming.protocol == "pop3" else Incoming
            way_in = kind(world, Way("incoming", settings.incoming, settings.login))
            async with aclosing(way_in.walk()) as steps:
                async for step in steps:
                    yield step
        if settings.outgoing is not None:
            own = settings.authentication is Authentication.OWN
            login = {Authentication.SAME: settings.login, Authentication.OWN: settings.outgoing_login}.get(
                settings.authentication
            )
            way_out = Outgoing(world, Way("outgoing", settings.outgoing, login, own), message)
            async with aclosing(way_out.walk()) as steps:
                async for step in steps:
                    yield step
            if message is not None and way_out.sent:
                async with aclosing(_delivery(world, message, way_in)) as steps:
                    async for step in steps:
                        yield step
    finally:
        for way in (way_in, way_out):
            if way is not None:
                await way.close()


async def _delivery(world: World, message: Trial, way_in: Incoming | Maildrop | None) -> AsyncGenerator[Step, None]:
    watcher = way_in.watcher() if way_in is not None and message.own else None
    if way_in is None or watcher is None:
        yield Step("incoming", "arrival", "warned", 0.0, {"address": message.recipient}, "cannot-be-checked")
        return
    arrival, seen = world.times.arrival, []

    async def arrive() -> Facts:
        seen.append(await watcher.arrived(message, arrival))
        return {"role": seen[0].role.value}

    async def copy() -> Facts:
        filed = await watcher.filed(message)
        return {"copies": len(filed.ids) if filed is not None else 0, "folder": filed is not None}

    async def clean_up() -> Facts:
        return {"removed": await watcher.remove(message)}

    arrived = await tried(way_in.way, "arrival", arrive, arrival + world.times.step)
    if seen and seen[0].role is Role.SPAM:
        arrived = replace(arrived, state="warned", error="arrived-in-spam")
    yield arrived
    copied = await tried(way_in.way, "sent-copy", copy, world.times.step)
    copies = copied.detail.get("copies")
    yield replace(copied, state="warned", error="sent-copy-twice") if isinstance(copies, int) and copies > 1 else copied
    yield await tried(way_in.way, "clean-up", clean_up, world.times.step)
