"""Each cause a test of an account can name: produced by a server, told by its code, with advice and the settings that would help.

The table docs/probe-causes.md is made from the same list: ``python -m tests.adapters.test_probe_causes`` writes it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from poststelle.adapters.connection import EgressPolicy, Trust
from poststelle.adapters.probe import probe
from poststelle.adapters.probe_ways import Times
from poststelle.adapters.trial import Trial
from poststelle.mail.account_document import read
from poststelle.mail.records import Step
from poststelle.mail.secret import Secret
from poststelle.mail.settings import (
    AccountSettings,
    Authentication,
    Certificate,
    CertificateMode,
    Encryption,
    Endpoint,
    Kind,
    Login,
    Mechanism,
    Scope,
)
from poststelle.office import advice, wording
from poststelle.office.account_documents import merged
from tests.adapters.scripted_imap import scripted
from tests.adapters.scripted_pop3 import scripted_pop3
from tests.adapters.scripted_smtp import scripted_smtp
from tests.servers.ca import CertificateAuthority
from tests.servers.process import free_port

ADDRESS = "info@kanzlei.test"
TABLE = Path(__file__).parents[2] / "docs" / "probe-causes.md"
EGRESS = EgressPolicy.of("127.0.0.0/8")
QUICK = Times(step=3.0, greeting=0.4, arrival=0.6)
LOGIN, STRICT = Login(ADDRESS, Secret("geheim")), Certificate()
NONE, STARTTLS, TLS = Encryption.NONE, Encryption.STARTTLS, Encryption.TLS
Answers = Mapping[str, bytes | list[bytes | None] | None]


@dataclass(frozen=True)
class Case:
    """One cause. `server`: imap, pop3, smtp, or what else is set up; `certificate`: of the authority's, by name."""

    code: str
    server: str
    answers: Answers = field(default_factory=dict)
    encryption: Encryption = NONE
    certificate: str = ""
    starttls: bool = False
    fixes: tuple[str, ...] = ()
    state: str = "failed"
    login: Login = LOGIN
    accepted: Certificate = STRICT
    trusted: bool = True
    sends: bool = False
    recipient: str = "jemand@anderswo.test"
    times: Times = QUICK


def _refused_login(code: str, words: str, *fixes: str) -> Case:
    return Case(code, "imap", {"LOGIN": f"{{tag}} NO {words}\r\n".encode()}, fixes=fixes)


def _refused_mail(code: str, verb: str, answer: str, *fixes: str) -> Case:
    return Case(code, "smtp", {verb: f"{answer}\r\n".encode()}, sends=True, fixes=fixes)


RICH = b"* CAPABILITY IMAP4rev1 LITERAL+ IDLE QUOTA\r\n{tag} OK\r\n"
ROOM = b'* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE %d 100)\r\n{tag} OK\r\n'
JUNK = b'* LIST () "." INBOX\r\n* LIST () "." Sent\r\n* LIST () "." Junk\r\n{tag} OK\r\n'
NOBODY, ONE, TWO = b"* SEARCH\r\n{tag} OK\r\n", b"* SEARCH 3\r\n{tag} OK\r\n", b"* SEARCH 2 3\r\n{tag} OK\r\n"

CASES = [
    # Reaching the server
    Case("host-unknown", "no such name"),
    Case("host-forbidden", "inside"),
    Case("connection-refused", "nobody", encryption=TLS, fixes=("use-usual-port", "use-starttls")),
    Case("connect-timeout", "full", encryption=TLS, fixes=("use-usual-port", "use-starttls"), times=Times(step=0.5)),
    Case("connection-lost", "imap", {"greeting": None}),
    Case("greeting-timeout", "imap", {"greeting": b""}, fixes=("use-usual-port", "use-tls")),
    Case("greeting-endless", "imap", {"greeting": b"* OK and"}, times=Times(step=0.5)),
    Case("line-too-long", "imap", {"greeting": b"* OK " + b"x" * 10_000}),
    Case("server-closed", "imap", {"greeting": b"* BYE not today\r\n"}),
    Case("too-many-connections", "imap", {"greeting": b"* BYE Too many connections from your host\r\n"}),
    Case("server-refused", "smtp", {"greeting": b"554 no\r\n"}),
    Case("server-busy", "smtp", {"greeting": b"421 later\r\n"}),
    Case("malformed-response", "smtp", {"EHLO": b"what?\r\n"}),
    Case("too-much-data", "smtp", {"EHLO": b"250-x\r\n" * 300}),
    Case("wrong-protocol", "imap", {"greeting": b"220 smtp here\r\n"}, fixes=("use-usual-port",)),
    Case("wrong-protocol", "imap", {"greeting": b"+OK pop3 here\r\n"}, fixes=("use-usual-port", "receive-by-pop3")),
    # Encryption
    Case("tls-on-plain-port", "imap", encryption=TLS, fixes=("use-starttls",)),
    Case("plain-on-tls-port", "imap", encryption=STARTTLS, certificate="good", fixes=("use-tls",)),
    Case("starttls-missing", "imap", encryption=STARTTLS, fixes=("use-tls",)),
    Case("starttls-injection", "imap", {"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK\r\n",
                                        "STARTTLS": b"{tag} OK\r\n* OK injected\r\n"}, STARTTLS, fixes=("use-tls",)),
    Case("preauth-before-starttls", "imap", {"greeting": b"* PREAUTH come in\r\n"}, STARTTLS, fixes=("use-tls",)),
    Case("tls-timeout", "imap", {"greeting": b""}, TLS, times=Times(step=1)),
    Case("tls-too-old", "old", encryption=TLS, fixes=("allow-old-tls",)),
    Case("certificate-expired", "imap", encryption=TLS, certificate="expired"),
    Case("certificate-not-yet-valid", "imap", encryption=TLS, certificate="not_yet_valid"),
    Case("certificate-self-signed", "imap", encryption=TLS, certificate="self_signed", fixes=("pin-certificate",)),
    Case("certificate-unknown-issuer", "imap", encryption=TLS, certificate="good", trusted=False, fixes=("pin-certificate",)),
    Case("certificate-wrong-name", "imap", encryption=TLS, certificate="wrong_name",
         fixes=("use-name-of-certificate", "accept-other-name", "pin-certificate")),
    Case("certificate-changed", "imap", encryption=TLS, certificate="good", fixes=("pin-certificate",),
         accepted=Certificate(CertificateMode.PINNED, "0" * 64)),
    Case("exception-expired", "imap", encryption=TLS, certificate="good",
         accepted=Certificate(CertificateMode.UNCHECKED, until="2020-01-01")),
    # Logging in
    Case("login-rejected", "imap", {"LOGIN": b"{tag} NO [AUTHENTICATIONFAILED] no\r\n"}),
    Case("login-rejected", "pop3", {"PASS geheim": b"-ERR no\r\n"}),
    Case("username-form", "imap", {"LOGIN": [b"{tag} NO no\r\n", b"{tag} OK\r\n"]}, fixes=("use-username",)),
    Case("username-form", "imap", {"LOGIN": [b"{tag} NO no\r\n", b"{tag} OK\r\n"]}, login=Login("info", Secret("x")),
         fixes=("use-username",)),
    _refused_login("app-password-needed", "[ALERT] Application-specific password required (Failure)"),
    _refused_login("web-login-needed", "[WEBALERT https://x.test/] Please log in via your web browser"),
    _refused_login("oauth-needed", "[AUTHENTICATIONFAILED] LOGIN failed: BasicAuthBlocked"),
    _refused_login("access-switched-off", "IMAP access is disabled for your account"),
    _refused_login("access-switched-off", "Der Zugriff per IMAP ist nicht freigeschaltet"),
    _refused_login("password-expired", "[EXPIRED] Your password has expired"),
    _refused_login("account-locked", "[CONTACTADMIN] Your account has been suspended"),
    _refused_login("too-many-logins", "[AUTHENTICATIONFAILED] Too many failed log-ins"),
    Case("oauth-needed", "imap", {"CAPABILITY": b"* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2\r\n{tag} OK\r\n"}, TLS,
         "good"),
    Case("login-needs-tls", "imap", {"CAPABILITY": b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK\r\n"},
         fixes=("use-starttls",)),
    Case("mechanism-not-offered", "imap", login=Login(ADDRESS, Secret("x"), Mechanism.SCRAM_SHA_256),
         fixes=("choose-mechanism-automatically",)),
    Case("client-certificate-missing", "imap", login=Login(ADDRESS, None, Mechanism.EXTERNAL),
         fixes=("choose-mechanism-automatically",)),
    Case("client-certificate-unusable", "imap", encryption=TLS, certificate="good",
         login=Login(ADDRESS, None, Mechanism.EXTERNAL, client_certificate=Secret("no certificate"))),
    Case("password-missing", "imap", login=Login(ADDRESS, None)),
    Case("maildrop-in-use", "pop3", {"PASS geheim": b"-ERR [IN-USE] maildrop is locked by another session\r\n"}),
    Case("login-not-offered", "smtp", {"EHLO": b"250 here\r\n"}, fixes=("send-without-login",)),
    Case("smtp-login-switched-off", "smtp",
         {"AUTH": b"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant\r\n"}),
    # Folders
    Case("command-rejected", "imap", {"LIST": b"{tag} BAD no idea\r\n"}),
    Case("inbox-is-root", "imap", {"LIST": b'* LIST () "." INBOX\r\n* LIST () "." INBOX.Sent\r\n{tag} OK\r\n'},
         state="warned", fixes=("inbox-is-root",)),
    Case("no-idle", "imap", state="warned", fixes=("push-off",)),
    Case("sent-missing", "imap", state="warned", sends=True, fixes=("keep-sent-here",)),
    Case("sent-ambiguous", "imap", {"LIST": b'* LIST () "." Sent\r\n* LIST () "." Gesendet\r\n{tag} OK\r\n'}, state="warned",
         sends=True, fixes=("take-for-sent", "take-for-sent")),
    Case("mailbox-full", "imap", {"CAPABILITY": RICH, "GETQUOTAROOT": ROOM % 100}, state="warned"),
    Case("mailbox-almost-full", "imap", {"CAPABILITY": RICH, "GETQUOTAROOT": ROOM % 96}, state="warned"),
    Case("uidl-missing", "pop3", {"CAPA": b"+OK\r\nUSER\r\n.\r\n"}, state="warned"),
    # Sending
    _refused_mail("login-required", "MAIL", "530 5.7.0 Authentication required", "send-with-login"),
    _refused_mail("login-required", "RCPT", "550 5.7.0 log in first", "send-with-login"),
    _refused_mail("sender-refused", "MAIL", "553 5.7.1 Sender address rejected: not owned by user"),
    _refused_mail("relay-denied", "RCPT", "550 5.7.1 relaying denied"),
    _refused_mail("recipient-refused", "RCPT", "550 5.1.1 User unknown"),
    _refused_mail("mailbox-full", "RCPT", "552 5.2.2 Mailbox full"),
    _refused_mail("greylisted", "RCPT", "450 4.7.1 Greylisted, try again later"),
    _refused_mail("sending-limit", "RCPT", "450 4.7.28 Daily sending limit reached"),
    _refused_mail("deferred", "RCPT", "451 local problem"),
    _refused_mail("message-too-big", "MAIL", "552 5.3.4 Message size exceeds fixed limit"),
    _refused_mail("content-refused", ".", "554 Message looks like spam"),
    _refused_mail("message-refused", ".", "554 no"),
    Case("smtputf8-missing", "smtp", sends=True, recipient="jörg@anderswo.test"),
    # Arriving
    Case("cannot-be-checked", "both", {"CAPABILITY": RICH, "LIST": JUNK}, state="warned", sends=True),
    Case("not-arrived", "both", {"CAPABILITY": RICH, "LIST": JUNK, "UID SEARCH": NOBODY}, sends=True, recipient=ADDRESS),
    Case("arrived-in-spam", "both", {"CAPABILITY": RICH, "LIST": JUNK, "UID SEARCH": [NOBODY, ONE]}, state="warned",
         sends=True, recipient=ADDRESS),
    Case("sent-copy-twice", "both", {"CAPABILITY": RICH, "LIST": JUNK, "UID SEARCH": [ONE, TWO]}, state="warned", sends=True,
         recipient=ADDRESS),
]  # fmt: skip


def tls_of(case: Case, ca: CertificateAuthority) -> ssl.SSLContext | None:
    if not case.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = getattr(ca, case.certificate)()
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


@contextlib.contextmanager
def old_server(ca: CertificateAuthority) -> Iterator[int]:
    """A server of long ago, in a thread, because asyncio's own does not say why it hangs up; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = ca.good()
    context.load_cert_chain(certificate.cert, certificate.key)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as talking:
            talking.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        thread.join(5)
        listening.close()


@contextlib.asynccontextmanager
async def served(case: Case, ca: CertificateAuthority) -> AsyncIterator[dict[str, Endpoint]]:
    """The servers of a case, by direction."""
    endpoint = Endpoint("imap", "localhost", 1, case.encryption, case.accepted)
    if case.server == "no such name":
        yield {"incoming": dataclasses.replace(endpoint, host="gibt-es-nicht.invalid")}
    elif case.server == "inside":
        yield {"incoming": dataclasses.replace(endpoint, host="192.168.1.10", port=993)}
    elif case.server == "nobody":
        yield {"incoming": dataclasses.replace(endpoint, port=free_port())}
    elif case.server == "full":
        with socket.socket() as listening, contextlib.ExitStack() as stack:
            listening.bind(("127.0.0.1", 0))
            listening.listen(0)
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listening.getsockname())
            yield {"incoming": dataclasses.replace(endpoint, port=listening.getsockname()[1], host="127.0.0.1")}
    elif case.server == "old":
        with old_server(ca) as port:
            yield {"incoming": dataclasses.replace(endpoint, port=port)}
    elif case.server == "smtp":
        async with scripted_smtp(case.answers) as smtp:  # type: ignore[arg-type]
            yield {"outgoing": smtp.endpoint(case.encryption)}
    elif case.server == "pop3":
        async with scripted_pop3((), answers=case.answers) as pop3:
            yield {"incoming": dataclasses.replace(endpoint, protocol="pop3", port=pop3.port)}
    else:
        async with scripted(case.answers, tls_of(case, ca)) as imap, scripted_smtp() as smtp:
            found = {"incoming": dataclasses.replace(endpoint, port=imap.port)}
            yield found | ({"outgoing": smtp.endpoint()} if case.server == "both" or case.sends else {})


async def steps_of(case: Case, ca: CertificateAuthority) -> tuple[AccountSettings, list[Step]]:
    async with served(case, ca) as ways:
        incoming, outgoing = ways.get("incoming"), ways.get("outgoing")
        kind = (
            Kind.SEND_ONLY
            if incoming is None
            else Kind.FETCH_ONLY
            if incoming.protocol == "pop3"
            else Kind.SYNCHRONISED
        )
        without = case.sends and case.server == "smtp"
        settings = AccountSettings(
            "Kanzlei", kind, Scope.SHARED, ADDRESS, incoming=incoming, outgoing=outgoing, login=case.login,
            authentication=Authentication.NONE if without else Authentication.SAME,
        )  # fmt: skip
        raw = b"Message-ID: <pruefung@kanzlei.test>\r\nSubject: Test\r\n\r\nTest\r\n"
        message = Trial(ADDRESS, case.recipient, raw, "pruefung@kanzlei.test", case.recipient == ADDRESS)
        sends = message if case.sends and (case.server != "imap") else None
        tls = Trust(ca.ca_file if case.trusted else None)
        egress = EgressPolicy() if case.server == "inside" else EGRESS
        return settings, [
            step async for step in probe(settings, egress=egress, tls=tls, message=sends, times=case.times)
        ]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.code}-{number}" for number, case in enumerate(CASES)])
async def test_a_cause_is_told_with_its_advice_and_what_would_help(case: Case, ca: CertificateAuthority) -> None:
    settings, steps = await steps_of(case, ca)
    found = next((step for step in steps if step.error == case.code), None)
    assert found is not None, [(step.name, step.state, step.error, step.detail) for step in steps]
    assert found.state == case.state
    assert [fix.code for fix in found.fixes] == list(case.fixes)
    assert case.code in wording.CODES
    assert wording.sentence(case.code, found.detail).advice
    assert "geheim" not in repr(steps)
    if case.state == "failed":
        behind = [step for step in steps if step.direction == found.direction][steps.index(found) + 1 :]
        assert all(step.state == "skipped" or case.server == "both" for step in behind)
    for fix in found.fixes:
        assert advice.fix_sentence(fix) not in {fix.code, ""}
        assert "…" not in advice.fix_sentence(fix)
        changed = merged(document_of(settings), fix.change)
        assert changed != document_of(settings)
        read(changed)


def document_of(settings: AccountSettings) -> dict[str, object]:
    """The account document, as somebody would have typed it."""
    assert settings.login is not None
    login = {"username": settings.login.username, "mechanism": settings.login.mechanism.value}
    ways = {"incoming": settings.incoming, "outgoing": settings.outgoing}
    servers = {
        way: {"protocol": one.protocol, "host": one.host, "port": one.port, "encryption": one.encryption.value}
        for way, one in ways.items()
        if one is not None
    }
    document: dict[str, object] = {"label": settings.label, "address": settings.address, "login": login, **servers}
    if "incoming" not in servers:
        servers["outgoing"]["authentication"] = settings.authentication.value
    return document


def test_there_are_at_least_forty_causes() -> None:
    assert len({case.code for case in CASES}) >= 60


def test_every_cause_a_pattern_can_find_has_words_and_is_produced_here() -> None:
    from poststelle.adapters import diagnosis

    found = {
        code for table in (diagnosis._REFUSED_LOGIN, diagnosis._BUSY, diagnosis._REFUSED_MESSAGE) for code, _ in table
    }
    assert found <= {case.code for case in CASES}


def table() -> str:
    """The documentation's table, in English."""
    rows = ["# What a test of a mailbox can find", "",
            "Each cause below is produced by a server in `tests/adapters/test_probe_causes.py`, which also writes this table.", "",
            "| Code | What happened | What to do | Offered |", "|---|---|---|---|"]  # fmt: skip
    offered: dict[str, tuple[str, ...]] = {}
    for case in CASES:
        offered[case.code] = tuple(dict.fromkeys((*offered.get(case.code, ()), *case.fixes)))
    for code, fixes in offered.items():
        told = wording.sentence(code, {})
        words = ", ".join(str(advice.FIXES[fix] % _Dots()) for fix in fixes) or "–"
        rows.append(f"| `{code}` | {told.title} | {told.advice} | {words} |")
    return "\n".join(rows) + "\n"


class _Dots(dict[str, str]):
    def __missing__(self, _: str) -> str:
        return "…"


def test_the_documentation_lists_every_cause() -> None:
    from django.utils import translation

    with translation.override("en"):
        assert TABLE.read_text(encoding="utf-8") == table()


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
