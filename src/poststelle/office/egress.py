"""Where this installation may connect to, at the counter: what its settings say, and the internal servers the office allows beside them.

Law: `rule` is asked for every new connection, so that allowing and taking back hold at once, in every process. The metadata services of
machines and this installation itself can never be allowed (RELIABILITY Q51).
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from django.conf import settings as django_settings

from poststelle.adapters.connection import EgressPolicy
from poststelle.errors import Invalid, NotFound
from poststelle.mail.records import AllowedServer
from poststelle.mail.relay import read_relay
from poststelle.office.actor import Actor, require_administrator
from poststelle.store import egress

MOST = 200
LARGEST = {4: 8, 6: 7}
"""The shortest prefix of a network that may be allowed, by IP version: all of 10.0.0.0/8 or fc00::/7, not the whole Internet."""

_ANY_MAIL_PORT = 993


def rule() -> EgressPolicy:
    """Where connections may go now: never to this installation itself; to its own relay always."""
    configuration = django_settings.POSTSTELLE
    own = frozenset({(configuration.host, configuration.port)})
    words = [*configuration.egress_allow, *(one.server for one in egress.allowed())]
    if configuration.relay:
        words.append(read_relay(configuration.relay)[0].host)
    return EgressPolicy.of(",".join(words), own)


def set_up(actor: Actor) -> tuple[str, ...]:
    """What the setting `egress_allow` of this installation allows; changed by whoever runs it. Administrators only."""
    require_administrator(actor)
    configured: tuple[str, ...] = django_settings.POSTSTELLE.egress_allow
    return configured


def allowed(actor: Actor) -> tuple[AllowedServer, ...]:
    """What the office allows beside it, oldest first. Administrators only."""
    require_administrator(actor)
    return egress.allowed()


def allow(actor: Actor, *servers: str) -> tuple[AllowedServer, ...]:
    """Connections to these addresses, networks (CIDR) or host names are open from now on, on every port; all or none.

    Mailboxes that stood still because of such a refusal are tried again. Administrators only. Raises Invalid({"server": …}).
    """
    require_administrator(actor)
    words = [_checked(server) for server in servers] or [_checked("")]
    known = {one.server for one in egress.allowed()}
    if len(known.union(words)) > MOST:
        raise Invalid({"server": "too-many"})
    for word in words:
        egress.allow(actor.reach, word, actor=actor.name)
    return egress.allowed()


def revoke(actor: Actor, server: str) -> None:
    """No new connections there. Administrators only. Raises NotFound("egress-unknown")."""
    require_administrator(actor)
    if not egress.revoke(actor.reach, server, actor=actor.name):
        raise NotFound("egress-unknown")


def _checked(server: str) -> str:
    """As it is kept. Raises Invalid."""
    word = server.strip().lower() if isinstance(server, str) else ""
    if not word:
        raise Invalid({"server": "missing"})
    try:
        if len(word) > 253 or len(EgressPolicy.of(word).allow) != 1 or "," in word:
            raise ValueError(word)
        network = ip_network(word, strict=False) if "/" in word or _is_address(word) else None
    except ValueError as error:
        raise Invalid({"server": "not-a-server"}) from error
    if network is None:
        return word
    if network.prefixlen < LARGEST[network.version]:
        raise Invalid({"server": "network-too-large"})
    alone = network.num_addresses == 1
    if alone and not EgressPolicy.of(word).permits(word, network.network_address, _ANY_MAIL_PORT):
        raise Invalid({"server": "never-allowed"})
    return str(network.network_address) if alone else str(network)


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True
