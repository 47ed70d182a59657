"""Nothing is reached that an administrator has not allowed, however the address is written."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket

import pytest

from poststelle.adapters.connection import EgressPolicy, connect, host_name, is_internal, resolve
from poststelle.errors import HostForbidden, NeedsAttention, TryAgain

CLOSED = EgressPolicy()
PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
INTERNAL = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.8.9.1", "169.254.1.1",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.10", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001::1", "3fff::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::1",
    "2002:a9fe:a9fe::1", "64:ff9b:1::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open_on_mail_ports_only(address: str) -> None:
    there = ipaddress.ip_address(address)
    assert not is_internal(there)
    assert CLOSED.permits("mail.example.test", there, 993)
    assert not CLOSED.permits("mail.example.test", there, 22)
    assert not CLOSED.permits("mail.example.test", there, 6379)


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_addresses_are_closed(address: str) -> None:
    assert is_internal(ipaddress.ip_address(address))
    assert not CLOSED.permits("mail.example.test", ipaddress.ip_address(address), 993)


@pytest.mark.parametrize(
    ("allow", "host", "address", "port", "permitted"),
    [
        ("10.0.0.0/8", "x", "10.1.2.3", 14300, True),
        ("10.0.0.0/8", "x", "::ffff:10.1.2.3", 14300, True),
        ("10.0.0.0/8", "x", "192.168.1.1", 993, False),
        ("10.0.0.0/8", "x", "64:ff9b::a01:203", 993, False),
        ("127.0.0.0/8,::1/128", "localhost", "127.0.0.1", 31143, True),
        ("127.0.0.0/8, ::1/128", "localhost", "::1", 31143, True),
        ("192.168.1.10", "x", "192.168.1.10", 8143, True),
        ("192.168.1.10", "x", "192.168.1.11", 143, False),
        ("mail.intern", "MAIL.intern.", "10.0.0.5", 9993, True),
        ("mail.intern", "other.intern", "10.0.0.5", 993, False),
        ("müller.intern", "xn--mller-kva.intern", "10.0.0.5", 993, True),
        ("0.0.0.0/0,::/0", "x", "169.254.169.254", 143, False),
        ("0.0.0.0/0,::/0", "x", "fd00:ec2::254", 143, False),
        ("0.0.0.0/0,::/0", "x", "::ffff:169.254.169.254", 143, False),
        ("0.0.0.0/0,::/0", "x", "64:ff9b::a9fe:a9fe", 143, False),
        ("0.0.0.0/0,::/0", "x", "0.0.0.0", 143, False),
        ("metadata.intern", "metadata.intern", "169.254.169.254", 143, False),
    ],
)
def test_what_is_allowed_is_open_on_every_port_but_never_the_metadata_service(
    allow: str, host: str, address: str, port: int, permitted: bool
) -> None:
    assert EgressPolicy.of(allow).permits(host, ipaddress.ip_address(address), port) is permitted


@pytest.mark.parametrize(
    ("own", "address", "permitted"),
    [
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "::ffff:127.0.0.1", False),
        ("0.0.0.0", "127.0.0.1", False),
        ("0.0.0.0", "::1", False),
        ("localhost", "127.0.0.1", False),
        ("10.0.0.1", "10.0.0.1", False),
        ("10.0.0.1", "10.0.0.2", True),
    ],
)
def test_our_own_services_are_never_reached(own: str, address: str, permitted: bool) -> None:
    policy = EgressPolicy.of("127.0.0.0/8,::1/128,10.0.0.0/8", frozenset({(own, 8025)}))
    assert policy.permits("x", ipaddress.ip_address(address), 8025) is permitted
    assert policy.permits("x", ipaddress.ip_address(address), 8026)


def test_a_network_that_is_none_is_refused_when_it_is_set() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/33"):
        EgressPolicy.of("10.0.0.0/33")
    with pytest.raises(ValueError, match="no host name"):
        EgressPolicy.of("ü" * 300)
    assert EgressPolicy.of("") == CLOSED


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "::1", "::ffff:7f00:1",
     "0", "0.0.0.0", "169.254.169.254", "10.0.0.1", "LOCALHOST.", "１２７.０.０.１"],
)  # fmt: skip
async def test_every_spelling_of_an_internal_host_is_forbidden(host: str) -> None:
    with pytest.raises((HostForbidden, TryAgain, NeedsAttention)) as caught:
        await connect(host, 993, egress=CLOSED)
    assert caught.value.code in {"host-forbidden", "host-unknown"}
    assert caught.value.facts["host"] == host


async def test_a_host_that_does_not_exist_is_unknown() -> None:
    with pytest.raises(TryAgain) as caught:
        await resolve("gibt-es-nicht.invalid", 993, egress=CLOSED)
    assert caught.value.code == "host-unknown"
    with pytest.raises(NeedsAttention) as impossible:
        host_name("ü" * 300)
    assert impossible.value.code == "host-unknown"


async def test_a_closed_port_refuses() -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(TryAgain) as caught:
        await connect("127.0.0.1", port, egress=EgressPolicy.of("127.0.0.0/8"))
    assert caught.value.code == "connection-refused"
    assert caught.value.facts == {"host": "127.0.0.1", "port": port}


async def test_a_server_that_does_not_answer_times_out() -> None:
    with socket.socket() as deaf, contextlib.ExitStack() as waiting:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):
            queued = waiting.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(deaf.getsockname())
        with pytest.raises(TryAgain) as caught:
            await connect("127.0.0.1", deaf.getsockname()[1], egress=EgressPolicy.of("127.0.0.0/8"), timeout=0.3)
    assert caught.value.code == "connect-timeout"


def test_names_are_spelled_as_dns_spells_them() -> None:
    assert host_name("Mail.Example.TEST.") == "mail.example.test"
    assert host_name("straße.example") == "xn--strae-oqa.example"
    assert host_name("mail") == "mail"


async def test_a_name_that_leads_elsewhere_when_it_is_asked_again_leads_nowhere_but_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: permitted when it is looked at, internal when it is connected to."""
    answers, asked = ["127.0.0.2", "127.0.0.1"], 0
    loop = asyncio.get_running_loop()
    really = loop.getaddrinfo

    async def resolver(host: str, port: int, **more: int) -> list[tuple[object, ...]]:
        nonlocal asked
        if host != "rebinds.example.test":
            return [*await really(host, port, **more)]
        asked += 1
        return [*await really(answers[min(asked, 2) - 1], port, **more)]

    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.2", 0)
    monkeypatch.setattr(loop, "getaddrinfo", resolver)
    port = server.sockets[0].getsockname()[1]
    made = await connect("rebinds.example.test", port, egress=EgressPolicy.of("127.0.0.2"))
    assert made.getpeername() == ("127.0.0.2", port)
    made.close()
    with pytest.raises(HostForbidden):
        await connect("rebinds.example.test", port, egress=EgressPolicy.of("127.0.0.2"))
    assert asked == 2
    server.close()
