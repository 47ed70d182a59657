"""From an address to its settings: in the order of trust, bounded, and never with a password."""

from __future__ import annotations

import dataclasses
import gzip
import json
import ssl
from collections.abc import AsyncIterator

import pytest

from poststelle.adapters import presets
from poststelle.adapters.autoconfig import exchange_of, servers_of, xml
from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.discover import discover, registrable
from poststelle.adapters.http import fetch, json_of
from poststelle.errors import HostForbidden, NeedsAttention, ProtocolViolation, Trouble
from poststelle.mail.account_document import read
from poststelle.mail.provider import Finding, Places
from poststelle.mail.settings import Encryption
from tests.adapters.scripted_imap import scripted
from tests.servers.ca import CertificateAuthority
from tests.servers.names import names
from tests.servers.pages import Pages, page, pages

EGRESS = EgressPolicy.of("127.0.0.0/8")
ADDRESS = "info@kanzlei-muster.test"
CONFIG = """<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="kanzlei-muster.test">
<displayName>Kanzleipost</displayName>
<incomingServer type="pop3"><hostname>pop.{host}</hostname><port>995</port><socketType>SSL</socketType>
<username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer>
<incomingServer type="imap"><hostname>imap.{host}</hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication></incomingServer>
<outgoingServer type="smtp"><hostname>plain.{host}</hostname><port>25</port><socketType>plain</socketType></outgoingServer>
<outgoingServer type="smtp"><hostname>smtp.{host}</hostname><port>587</port><socketType>STARTTLS</socketType>
<username>%EMAILADDRESS%</username></outgoingServer></emailProvider></clientConfig>"""
OWN = CONFIG.format(host="kanzlei-muster.test").encode()
OTHER = CONFIG.format(host="provider.test").encode()


@pytest.fixture
def served(ca: CertificateAuthority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = ca.good()
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


@pytest.fixture
def trust(ca: CertificateAuthority) -> Trust:
    return Trust(ca.ca_file)


async def found(address: str, places: Places, trust: Trust) -> list[Finding]:
    async with names({}) as (port, _):
        places = places if places.dns_port else dataclasses.replace(places, dns_port=port)
        return [one async for one in discover(address, egress=EGRESS, tls=trust, places=places)]


def nowhere(port: int = 1, **more: object) -> Places:
    """Places at which nobody answers, but for those given."""
    silent = f"https://localhost:{port}/{{domain}}"
    values = {
        "autoconfig": (silent,), "database": "", "exchange_json": silent, "exchange": (), "guesses": (),
        "exchange_redirect": silent, "nameservers": ("127.0.0.1",), "dns_port": 0,
    }  # fmt: skip
    return Places(**{**values, **more})  # type: ignore[arg-type]


# -- known providers -----------------------------------------------------------------------------------------------------


def test_every_provider_of_the_list_is_complete_and_told_apart() -> None:
    known = presets.providers()
    assert len(known) == 49
    assert len({one.id for one in known}) == len({one.name for one in known}) == len(known)
    domains = [domain for one in known for domain in one.domains]
    endings = [ending for one in known for ending in one.mx]
    assert len(set(domains)) == len(domains)
    assert len(set(endings)) == len(endings)
    for one in known:
        assert one.source, one.id
        assert one.domains or one.mx, one.id
        assert set(one.auth) <= {"password", "app-password", "oauth"}
        assert {one.username, one.smtp_username or "address"} <= {"address", "local"}
        assert bool(one.imap) == (one.id not in {"tuta", "proton"})
        assert all(server.encryption is not Encryption.NONE for way in (one.imap, one.pop3, one.smtp) for server in way)


@pytest.mark.parametrize("provider", [one for one in presets.providers() if one.imap and set(one.auth) != {"oauth"}])
def test_what_a_preset_fills_in_is_a_valid_document(provider: presets.Provider) -> None:
    finding = presets.finding_of(provider, "maria.muster@beispiel.test", "preset", confirm=False)
    settings = read({"label": "x", "address": "maria.muster@beispiel.test", **finding.document})
    assert settings.incoming == provider.imap[0]
    assert settings.login is not None
    assert settings.login.username == ("maria.muster" if provider.username == "local" else "maria.muster@beispiel.test")


async def test_an_address_of_a_known_provider_needs_no_network() -> None:
    [finding] = await found("maria@gmx.de", nowhere(), Trust())
    assert (finding.source, finding.provider, finding.confirm) == ("preset", "gmx", False)
    assert "enable-access" in finding.hints
    assert finding.document["incoming"] == {
        "protocol": "imap",
        "host": "imap.gmx.net",
        "port": 993,
        "encryption": "tls",
    }


async def test_where_two_user_names_are_needed_the_way_out_has_its_own() -> None:
    [finding] = await found("maria@icloud.com", nowhere(), Trust())
    assert finding.document["login"] == {"username": "maria"}
    assert finding.document["outgoing"]["login"] == {"username": "maria@icloud.com"}  # type: ignore[index]


async def test_a_provider_without_an_open_protocol_says_so() -> None:
    [finding] = await found("maria@tuta.com", nowhere(), Trust())
    assert finding.document == {}
    assert finding.hints == ("no-open-protocol",)


async def test_the_mail_exchanger_tells_the_provider_and_is_to_be_confirmed() -> None:
    records = {("kanzlei-muster.test", "MX"): ["10 smtpin.rzone.de."]}
    async with names(records) as (port, _):
        [finding] = await found(ADDRESS, nowhere(dns_port=port), Trust())
    assert (finding.source, finding.provider, finding.confirm) == ("mx", "strato", True)


async def test_personal_and_office_microsoft_mailboxes_are_told_apart_by_the_longer_ending() -> None:
    assert presets.of_exchangers(["x.olc.protection.outlook.com"]).id == "outlook"  # type: ignore[union-attr]
    assert presets.of_exchangers(["firma-de.mail.protection.outlook.com"]).id == "microsoft365"  # type: ignore[union-attr]
    assert presets.of_exchangers(["notrzone.de"]) is None


async def test_a_mailbox_at_microsoft_is_recognised_although_it_takes_no_password() -> None:
    records = {("kanzlei-muster.test", "MX"): ["0 kanzlei.mail.protection.outlook.com."]}
    async with names(records) as (port, _):
        [finding] = await found(ADDRESS, nowhere(dns_port=port), Trust())
    assert (finding.provider, finding.document, finding.hints) == ("microsoft365", {}, ("oauth-only",))


# -- what the domain says ------------------------------------------------------------------------------------------------


@pytest.fixture
async def office(served: ssl.SSLContext) -> AsyncIterator[Pages]:
    async with pages({"/mail/config-v1.1.xml": page(OWN)}, served) as made:
        yield made


async def test_the_domain_describes_its_servers(office: Pages, trust: Trust) -> None:
    here = f"https://localhost:{office.port}"
    places = nowhere(autoconfig=(f"{here}/mail/config-v1.1.xml?emailaddress={{address}}", f"{here}/none"))
    [finding] = await found(ADDRESS, places, trust)
    assert (finding.source, finding.name, finding.confirm) == ("autoconfig", "Kanzleipost", False)
    assert finding.hosts == ("imap.kanzlei-muster.test", "smtp.kanzlei-muster.test")
    assert finding.document["login"] == {"username": "info"}
    assert finding.document["outgoing"]["login"] == {"username": ADDRESS}  # type: ignore[index]
    assert read({"label": "x", "address": ADDRESS, **finding.document}).outgoing.encryption is Encryption.STARTTLS  # type: ignore[union-attr]
    asked = next(one for one in office.heard if b"config" in one)
    assert b"emailaddress=info@kanzlei-muster.test" in asked
    assert b"cookie" not in asked.lower()
    assert b"authorization" not in asked.lower()


async def test_servers_outside_the_mail_domain_are_confirmed_by_a_person(served: ssl.SSLContext, trust: Trust) -> None:
    async with pages({"/c": page(OTHER)}, served) as made:
        [finding] = await found(ADDRESS, nowhere(autoconfig=(f"https://localhost:{made.port}/c",)), trust)
    assert finding.confirm


async def test_a_redirected_or_unencrypted_answer_is_confirmed_by_a_person(
    served: ssl.SSLContext, trust: Trust
) -> None:
    async with pages({"/c": page(OWN)}, served) as made:
        there = page(b"", "302 Found", f"Location: https://localhost:{made.port}/c")
        async with pages({"/c": page(OWN), "/r": there}) as plain:
            for path in ("c", "r"):
                places = nowhere(autoconfig=(f"http://localhost:{plain.port}/{path}",))
                [finding] = await found(ADDRESS, places, trust)
                assert finding.confirm


async def test_the_central_database_is_asked_unless_it_is_switched_off(served: ssl.SSLContext, trust: Trust) -> None:
    async with pages({"/v1.1/kanzlei-muster.test": page(OTHER)}, served) as made:
        database = f"https://localhost:{made.port}/v1.1/{{domain}}"
        [finding] = await found(ADDRESS, nowhere(database=database), trust)
        assert (finding.source, finding.confirm) == ("database", True)
        heard = len(made.heard)
        assert await found(ADDRESS, nowhere(database=""), trust) == []
        assert len(made.heard) == heard


async def test_dns_names_the_servers() -> None:
    records = {
        ("_imaps._tcp.kanzlei-muster.test", "SRV"): ["10 1 993 post.kanzlei-muster.test."],
        ("_pop3s._tcp.kanzlei-muster.test", "SRV"): ["0 0 0 ."],
        ("_submission._tcp.kanzlei-muster.test", "SRV"): ["0 1 587 smtp.hoster.test."],
    }
    async with names(records) as (port, asked):
        [finding] = await found(ADDRESS, nowhere(dns_port=port), Trust())
    assert (finding.source, finding.confirm) == ("srv", True)
    assert finding.document["incoming"]["host"] == "post.kanzlei-muster.test"  # type: ignore[index]
    assert finding.document["outgoing"]["encryption"] == "starttls"  # type: ignore[index]
    assert "SRV _submissions._tcp.kanzlei-muster.test" in asked


async def test_submission_at_port_465_speaks_tls_from_the_first_byte() -> None:
    records = {("_submission._tcp.kanzlei-muster.test", "SRV"): ["0 1 465 smtp.kanzlei-muster.test."]}
    async with names(records) as (port, _):
        [finding] = await found(ADDRESS, nowhere(dns_port=port), Trust())
    assert finding.document["outgoing"]["encryption"] == "tls"  # type: ignore[index]
    assert not finding.confirm


async def test_the_exchangers_own_domain_is_asked_but_nothing_above_it(served: ssl.SSLContext, trust: Trust) -> None:
    records = {("kanzlei-muster.test", "MX"): ["5 mx1.mail.hoster.co.uk."]}
    async with pages({"/hoster.co.uk": page(OTHER)}, served) as made, names(records) as (port, _):
        places = nowhere(autoconfig=(f"https://localhost:{made.port}/{{domain}}",), dns_port=port)
        [finding] = await found(ADDRESS, places, trust)
    assert (finding.source, finding.confirm) == ("mx", True)
    asked = {one.split(b" ")[1].decode() for one in made.heard}
    assert {"/mail.hoster.co.uk", "/hoster.co.uk"} <= asked
    assert "/co.uk" not in asked


def test_the_registrable_domain_is_known_without_network() -> None:
    assert registrable("imap.kanzlei.de") == "kanzlei.de"
    assert registrable("mail.firma.co.uk") == "firma.co.uk"
    assert registrable("co.uk") == "co.uk"


# -- Exchange ------------------------------------------------------------------------------------------------------------


async def test_an_exchange_server_is_recognised_and_shown(served: ssl.SSLContext, trust: Trust) -> None:
    told = json.dumps({"Protocol": "EWS", "Url": "https://exchange.kanzlei-muster.test/EWS/Exchange.asmx"}).encode()
    async with pages({"/j": page(told)}, served) as made:
        [finding] = await found(ADDRESS, nowhere(exchange_json=f"https://localhost:{made.port}/j"), trust)
    assert (finding.source, finding.hosts, finding.confirm) == ("autodiscover", ("exchange.kanzlei-muster.test",), True)
    assert finding.document == {}


async def test_the_cloud_is_recognised_by_its_address(served: ssl.SSLContext, trust: Trust) -> None:
    told = b'{"Protocol": "EWS", "Url": "https://outlook.office365.com/EWS/Exchange.asmx"}'
    async with pages({"/j": page(told)}, served) as made:
        [finding] = await found(ADDRESS, nowhere(exchange_json=f"https://localhost:{made.port}/j"), trust)
    assert finding.provider == "microsoft365"


async def test_exchange_that_wants_a_password_first_is_only_shown(served: ssl.SSLContext, trust: Trust) -> None:
    async with pages({"/x": page(b"", "401 Unauthorized", "WWW-Authenticate: Basic")}, served) as made:
        places = nowhere(exchange=(f"https://localhost:{made.port}/x",))
        [finding] = await found(ADDRESS, places, trust)
    assert (finding.hints, finding.document) == (("exchange",), {})
    posted = next(one for one in made.heard if one.startswith(b"POST"))
    assert b"<EMailAddress>info@kanzlei-muster.test</EMailAddress>" in posted
    assert b"authorization" not in posted.lower()


async def test_a_redirect_of_exchange_is_shown_and_not_followed(served: ssl.SSLContext, trust: Trust) -> None:
    there = page(b"", "302 Found", "Location: https://autodiscover.hoster.test/autodiscover.xml")
    async with pages({"/r": there}) as plain:
        [finding] = await found(ADDRESS, nowhere(exchange_redirect=f"http://localhost:{plain.port}/r"), trust)
    assert (finding.hosts, finding.confirm) == (("autodiscover.hoster.test",), True)


def test_mail_servers_in_an_autodiscover_answer_are_read() -> None:
    body = b"""<Autodiscover xmlns="http://x"><Response xmlns="http://y"><Account>
    <Protocol><Type>EXPR</Type><EwsUrl>https://ex.test/EWS</EwsUrl></Protocol>
    <Protocol><Type>IMAP</Type><Server>imap.ex.test</Server><Port>993</Port><SSL>on</SSL></Protocol>
    <Protocol><Type>SMTP</Type><Server>smtp.ex.test</Server><Port>587</Port><Encryption>TLS</Encryption></Protocol>
    </Account></Response></Autodiscover>"""
    ews, servers = exchange_of(body)
    assert ews == "https://ex.test/EWS"
    assert servers is not None
    assert servers.incoming is not None
    assert (servers.incoming.host, servers.incoming.encryption) == ("imap.ex.test", Encryption.TLS)
    assert servers.outgoing is not None
    assert servers.outgoing.encryption is Encryption.STARTTLS


# -- guessing ------------------------------------------------------------------------------------------------------------


async def test_at_last_the_usual_names_are_tried(served: ssl.SSLContext, trust: Trust) -> None:
    async with scripted(tls=served) as imap, scripted({"greeting": b"220 smtp\r\n"}) as smtp:
        guesses = (
            ("imap", "localhost", 1, Encryption.TLS), ("imap", "localhost", imap.port, Encryption.TLS),
            ("smtp", "localhost", imap.port, Encryption.TLS), ("smtp", "localhost", smtp.port, Encryption.STARTTLS),
        )  # fmt: skip
        [finding] = await found(ADDRESS, nowhere(guesses=guesses), trust)
        assert (finding.source, finding.confirm) == ("guess", True)
        assert finding.document["incoming"]["port"] == imap.port  # type: ignore[index]
        assert finding.document["outgoing"]["port"] == smtp.port  # type: ignore[index]
        assert imap.heard == []


async def test_where_nothing_is_found_nothing_is_said() -> None:
    assert await found(ADDRESS, nowhere(), Trust()) == []


# -- hostile answers -----------------------------------------------------------------------------------------------------

LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
FILE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'


@pytest.mark.parametrize("body", [LAUGHS, FILE, b"<a>" * 100_000, b"<a", b"", b"\xff\xfe", b'<?xml version="1.0" encoding="x"?><a/>'])  # fmt: skip
async def test_hostile_xml_is_refused(body: bytes, served: ssl.SSLContext, trust: Trust) -> None:
    with pytest.raises(ValueError, match=r".+"):
        xml(body)
    async with pages({"/c": page(body)}, served) as made:
        assert await found(ADDRESS, nowhere(autoconfig=(f"https://localhost:{made.port}/c",)), trust) == []


@pytest.mark.parametrize(
    "way",
    [
        "<hostname>a b.test</hostname><port>993</port><socketType>SSL</socketType>",
        "<hostname>imap.test</hostname><port>99999</port><socketType>SSL</socketType>",
        "<hostname>imap.test</hostname><port>-1</port><socketType>SSL</socketType>",
        "<hostname>imap.test</hostname><port>143</port><socketType>plain</socketType>",
    ],
)
def test_servers_that_make_no_sense_are_left_out(way: str) -> None:
    body = f'<c><emailProvider><incomingServer type="imap">{way}</incomingServer></emailProvider></c>'
    assert servers_of(body.encode(), ADDRESS) is None


async def test_a_file_of_50_mb_is_cut_off(served: ssl.SSLContext, trust: Trust) -> None:
    pieces = [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 1_000_000] * 50]
    async with pages({"/c": pieces}, served) as made:
        with pytest.raises(ProtocolViolation, match="http-too-big"):
            await fetch(f"https://localhost:{made.port}/c", egress=EGRESS, tls=trust, limit=256 * 1024)


async def test_what_a_packed_answer_unpacks_to_counts(served: ssl.SSLContext, trust: Trust) -> None:
    packed = gzip.compress(b"\0" * 50_000_000)
    good = gzip.compress(OWN)
    answers = {
        "/b": page(packed, "200 OK", "Content-Encoding: gzip"),
        "/g": page(good, "200 OK", "Content-Encoding: gzip"),
    }
    async with pages(answers, served) as made:
        with pytest.raises(ProtocolViolation, match="http-too-big"):
            await fetch(f"https://localhost:{made.port}/b", egress=EGRESS, tls=trust, limit=256 * 1024)
        answer = await fetch(f"https://localhost:{made.port}/g", egress=EGRESS, tls=trust, limit=256 * 1024)
        assert answer.body == OWN


async def test_redirects_come_to_an_end(served: ssl.SSLContext, trust: Trust) -> None:
    async with pages({}, served) as made:
        made.pages["/r"] = page(b"", "302 Found", f"Location: https://localhost:{made.port}/r")
        with pytest.raises(NeedsAttention, match="http-redirects"):
            await fetch(f"https://localhost:{made.port}/r", egress=EGRESS, tls=trust, limit=1000)
        assert len(made.heard) == 4


@pytest.mark.parametrize("target", ["http://localhost:{port}/x", "file:///etc/passwd", "https://u:p@localhost:{port}/x", "ftp://x/"])  # fmt: skip
async def test_a_redirect_to_anything_but_https_is_not_followed(
    target: str, served: ssl.SSLContext, trust: Trust
) -> None:
    async with pages({}, served) as made:
        made.pages["/r"] = page(b"", "302 Found", f"Location: {target.format(port=made.port)}")
        with pytest.raises(NeedsAttention, match="http-address"):
            await fetch(f"https://localhost:{made.port}/r", egress=EGRESS, tls=trust, limit=1000)
        assert len(made.heard) == 1


async def test_an_internal_address_is_not_connected_to_even_by_a_redirect(served: ssl.SSLContext, trust: Trust) -> None:
    async with pages({}, served) as made:
        made.pages["/r"] = page(b"", "302 Found", "Location: https://169.254.169.254/latest/meta-data")
        with pytest.raises(HostForbidden):
            await fetch(f"https://localhost:{made.port}/r", egress=EGRESS, tls=trust, limit=1000)
        with pytest.raises(HostForbidden):
            await fetch(f"https://localhost:{made.port}/r", egress=EgressPolicy(), tls=trust, limit=1000)
        assert len(made.heard) == 1


async def test_a_web_server_without_a_good_certificate_is_not_believed(ca: CertificateAuthority, trust: Trust) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = ca.wrong_name()
    context.load_cert_chain(certificate.cert, certificate.key)
    async with pages({"/c": page(OWN)}, context) as made:
        with pytest.raises(Trouble, match="certificate-wrong-name"):
            await fetch(f"https://localhost:{made.port}/c", egress=EGRESS, tls=trust, limit=1000)
        assert made.heard == []


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"])
async def test_a_broken_web_server_is_no_harm(answer: bytes, served: ssl.SSLContext, trust: Trust) -> None:
    async with pages({"/c": answer}, served) as made:
        with pytest.raises(Trouble):
            await fetch(f"https://localhost:{made.port}/c", egress=EGRESS, tls=trust, limit=1000)


def test_json_is_bounded_in_depth() -> None:
    assert json_of(b'{"a": [1, {"b": "c"}]}') == {"a": [1, {"b": "c"}]}
    for hostile in (b"[" * 101 + b"]" * 101, b"[" * 1_000_000, b'{"a":' * 100_000, b"\xff"):
        with pytest.raises(ValueError, match=r".+"):
            json_of(hostile)
