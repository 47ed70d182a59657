"""SASL: which mechanism to take, and the exchange of messages it prescribes (RFC 4422), the same for every protocol.

Law: pure. A secret is revealed only inside the bytes returned, which go to the wire and nowhere else. An exchange has a fixed
number of messages, so no server can keep us answering; SCRAM succeeds only once the server has proved that it knows the
password, too (RFC 5802), and never computes more than `MOST_ITERATIONS`.
This module does not know any mail protocol.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Generator
from typing import Protocol

from poststelle.errors import LoginRejected, NeedsAttention, ProtocolViolation
from poststelle.mail.settings import Login, Mechanism

FEWEST_ITERATIONS, MOST_ITERATIONS = 4096, 600_000
"""Below, the answer could be guessed too easily by whoever overhears it; above, the server is out to keep us busy (Q5)."""

LONGEST_CHALLENGE = 8 * 1024

EXPOSING = frozenset({Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.CRAM_MD5})
"""What a listener can read or guess the password from: not for an unencrypted line, unless a person allows it (Q43)."""

_SCRAM = {Mechanism.SCRAM_SHA_256: "sha256", Mechanism.SCRAM_SHA_1: "sha1"}
_AUTHENTIC = (*_SCRAM, Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.CRAM_MD5)
_DOUBTFUL = (*_SCRAM, Mechanism.CRAM_MD5, Mechanism.PLAIN, Mechanism.LOGIN)

Steps = Generator[bytes | None, bytes, None]
"""Yields what the client says, None where the server speaks first; is sent the server's challenges."""


def choose(
    wanted: Mechanism, offered: Collection[str], *, authentic: bool, exposing: bool = True, certified: bool = False
) -> Mechanism | None:
    """The mechanism to use, of those the server offers (upper-case names); None if none fits.

    `authentic`: the line is encrypted and the server's certificate checked. Then AUTO prefers PLAIN to CRAM-MD5, which adds
    nothing there, forces the server to keep readable passwords, has no rule for letters beyond ASCII, and is announced by many
    servers that cannot do it; everywhere else CRAM-MD5 at least hides the password. `exposing`: `EXPOSING` may be used.
    `certified`: there is a client certificate but no password.
    """
    if wanted is not Mechanism.AUTO:
        order: tuple[Mechanism, ...] = (wanted,)
    elif certified:
        order = (Mechanism.EXTERNAL,)
    else:
        order = _AUTHENTIC if authentic else _DOUBTFUL
    fitting = (mechanism for mechanism in order if exposing or mechanism not in EXPOSING)
    return next((mechanism for mechanism in fitting if mechanism.value.upper() in offered), None)


class Line(Protocol):
    """What a mechanism must know of the connection."""

    host: str
    port: int

    @property
    def encrypted(self) -> bool: ...

    @property
    def authentic(self) -> bool: ...

    @property
    def loopback(self) -> bool: ...


def mechanism_for(login: Login, offered: Collection[str], line: Line, *, plain_text_allowed: bool) -> Mechanism:
    """The mechanism to log in with over this line, of those offered (upper-case names).

    Nothing a listener could read or guess the password from is used on an unencrypted line, except to this machine or where a
    person allowed it (Q43). Raises NeedsAttention("login-needs-tls", "mechanism-not-offered", "client-certificate-missing").
    """
    exposing = line.encrypted or line.loopback or plain_text_allowed
    certified = bool(login.client_certificate)
    if login.mechanism is Mechanism.EXTERNAL and not certified:
        raise NeedsAttention("client-certificate-missing", host=line.host, port=line.port)
    taken = choose(
        login.mechanism,
        offered,
        authentic=line.authentic,
        exposing=exposing,
        certified=certified and not login.password,
    )
    if taken is None and not exposing:
        raise NeedsAttention("login-needs-tls", host=line.host, port=line.port)
    if taken is None:
        raise NeedsAttention("mechanism-not-offered", wanted=login.mechanism.value, offered=sorted(offered))
    if taken is Mechanism.EXTERNAL and not line.encrypted:
        raise NeedsAttention("login-needs-tls", host=line.host, port=line.port)
    return taken


def login_facts(way: str, line: Line) -> dict[str, object]:
    """How the log-in was done (a mechanism or command), and a `warning` (an error code) where others could listen."""
    warned = not line.encrypted and not line.loopback
    return {"mechanism": way, **({"warning": "password-unencrypted"} if warned else {})}


def password_of(login: Login) -> str:
    """The password. Raises NeedsAttention("password-missing")."""
    if not login.password:
        raise NeedsAttention("password-missing", username=login.username)
    return login.password.reveal()


def spellings(login: Login) -> tuple[str, ...]:
    """Every form in which the password goes over the wire, for redaction; longest first. None where there is no password."""
    if not login.password:
        return ()
    secret = login.password.reveal()
    forms = (secret, *(base64.b64encode(text).decode() for text in (_plain_message(login), secret.encode())))
    return tuple(sorted(forms, key=len, reverse=True))


def xoauth2(username: str, token: str) -> bytes:
    """The message of XOAUTH2, as Google and Microsoft define it; not yet base64."""
    return f"user={username}\x01auth=Bearer {token}\x01\x01".encode()


def oauthbearer(username: str, host: str, port: int, token: str) -> bytes:
    """The message of OAUTHBEARER (RFC 7628 section 3.1); not yet base64."""
    return f"n,a={_saslname(username)},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode()


class Exchange:
    """One log-in by one mechanism. Messages and challenges are bare bytes; the protocols wrap them in base64."""

    def __init__(self, mechanism: Mechanism, login: Login, *, nonce: str | None = None) -> None:
        """`nonce`: printable ASCII without comma, for tests with known answers. Raises NeedsAttention("password-missing")."""
        self.mechanism = mechanism
        self._done = False
        self._steps = _steps(mechanism, login, nonce or secrets.token_urlsafe(24))
        self.initial = next(self._steps)
        """What the client may say at once; None if the server speaks first."""

    def answer(self, challenge: bytes) -> bytes:
        """What to say to the server's challenge. Raises ProtocolViolation and LoginRejected; nothing may be sent then."""
        if self._done:
            raise ProtocolViolation("sasl-endless", mechanism=self.mechanism.value)
        if len(challenge) > LONGEST_CHALLENGE:
            raise ProtocolViolation("sasl-challenge-malformed", mechanism=self.mechanism.value)
        try:
            said = self._steps.send(challenge)
        except StopIteration:
            # The last word of a server that proves itself is answered by an empty message (RFC 4422 section 3.6).
            self._done = True
            return b""
        return said or b""

    def finished(self) -> None:
        """To be called when the server reports success. Raises ProtocolViolation("server-unproven") if it owes us a proof."""
        if self.mechanism in _SCRAM and not self._done:
            raise ProtocolViolation("server-unproven", mechanism=self.mechanism.value)


async def converse(
    exchange: Exchange, tell: Callable[[bytes | None], Awaitable[bytes | None]], *, at_once: bool
) -> None:
    """Carry an exchange through a protocol.

    `tell` sends one base64 message (None: begins the log-in without one) and returns the server's next challenge in base64, or
    None once it reports success; it raises what a refusal means. `at_once`: the protocol takes the first message with the command.
    """
    if exchange.initial is None or not at_once:
        challenge = await tell(None)
        if exchange.initial is not None and challenge is not None:
            challenge = await tell(_coded(exchange.initial))
    else:
        challenge = await tell(_coded(exchange.initial) or b"=")
    while challenge is not None:
        # In a thread, because the server decides how much there is to compute.
        said = await asyncio.to_thread(exchange.answer, _decoded(challenge, exchange.mechanism))
        challenge = await tell(_coded(said))
    exchange.finished()


def _coded(message: bytes) -> bytes:
    return base64.b64encode(message)


def _decoded(challenge: bytes, mechanism: Mechanism) -> bytes:
    try:
        return base64.b64decode(challenge.strip(), validate=True)
    except binascii.Error as error:
        if mechanism is Mechanism.LOGIN:
            return b""  # its prompts mean nothing, and some servers send them as they are
        raise ProtocolViolation("sasl-challenge-malformed", mechanism=mechanism.value) from error


# -- mechanisms ----------------------------------------------------------------------------------------------------------


def _steps(mechanism: Mechanism, login: Login, nonce: str) -> Steps:
    if mechanism in _SCRAM:
        return _scram(_SCRAM[mechanism], login.name, password_of(login), nonce)
    if mechanism is Mechanism.CRAM_MD5:
        return _cram(login.name, password_of(login))
    if mechanism is Mechanism.LOGIN:
        return _login(login.name, password_of(login))
    if mechanism is Mechanism.EXTERNAL:
        return _once(login.name.encode())
    password_of(login)
    return _once(_plain_message(login))


def _once(message: bytes) -> Steps:
    """PLAIN (RFC 4616) and EXTERNAL (RFC 4422 appendix A): one message, and nothing more to say."""
    yield message


def _plain_message(login: Login) -> bytes:
    return b"\0".join((b"", login.name.encode(), password_of(login).encode()))


def _login(name: str, password: str) -> Steps:
    """LOGIN (draft-murchison-sasl-login): name and password, whatever the prompts say."""
    yield None
    yield name.encode()
    yield password.encode()


def _cram(name: str, password: str) -> Steps:
    """CRAM-MD5 (RFC 2195)."""
    challenge = yield None
    yield name.encode() + b" " + hmac.new(password.encode(), challenge, "md5").hexdigest().encode()


def _scram(algorithm: str, name: str, password: str, nonce: str) -> Steps:
    """SCRAM without channel binding (RFC 5802, RFC 7677)."""
    first = f"n={_saslname(prepared(name))},r={nonce}".encode()
    challenge = yield b"n,," + first
    salt, iterations, joint = _server_first(challenge, nonce.encode())
    salted = hashlib.pbkdf2_hmac(algorithm, prepared(password).encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", algorithm)
    unproved = b"c=biws,r=" + joint
    spoken = b",".join((first, challenge, unproved))
    signature = hmac.digest(hashlib.new(algorithm, client_key).digest(), spoken, algorithm)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    final = yield unproved + b",p=" + base64.b64encode(proof)
    if final.startswith(b"e="):
        raise LoginRejected("login-rejected", answer=final[2:80].decode("ascii", "replace"))
    expected = hmac.digest(hmac.digest(salted, b"Server Key", algorithm), spoken, algorithm)
    if not hmac.compare_digest(final.split(b",")[0], b"v=" + base64.b64encode(expected)):
        raise ProtocolViolation("server-unproven", mechanism=f"scram-{algorithm}")


def _server_first(challenge: bytes, nonce: bytes) -> tuple[bytes, int, bytes]:
    """Salt, iteration count and joint nonce of a SCRAM server's first message."""
    parts = challenge.split(b",")
    try:
        joint, salt, count = (part[2:] for part in parts[:3])
        named = [part[:2] for part in parts[:3]] == [b"r=", b"s=", b"i="]
        iterations = int(count) if count.isdigit() and len(count) < 10 else 0
        if not named or not joint.startswith(nonce) or len(joint) == len(nonce) or not joint.isascii():
            raise ValueError
        if not FEWEST_ITERATIONS <= iterations <= MOST_ITERATIONS:
            raise ProtocolViolation("sasl-iterations", iterations=iterations, most=MOST_ITERATIONS)
        return base64.b64decode(salt, validate=True), iterations, joint
    except ValueError as error:
        raise ProtocolViolation("sasl-challenge-malformed", mechanism="scram") from error


def _saslname(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


_PROHIBITED = (
    stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
    stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9,
)  # fmt: skip


def prepared(text: str) -> str:
    """The text by SASLprep (RFC 4013). What that forbids is left as it is: the server may have taken it so, too."""
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in text if not stringprep.in_table_b1(letter)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    if not normal or any(forbidden(letter) for letter in normal for forbidden in _PROHIBITED):
        return text
    if any(map(stringprep.in_table_d1, normal)):
        ends = stringprep.in_table_d1(normal[0]) and stringprep.in_table_d1(normal[-1])
        if not ends or any(map(stringprep.in_table_d2, normal)):
            return text
    return normal
