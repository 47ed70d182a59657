"""Why a step of an account's test failed, as exactly as can be told, and which settings would help.

Law: pure. A cause is only refined on evidence: the server's words (which every provider words differently, so they are patterns),
what it turned out to speak, or a provider known to take nothing but app passwords. A fix is a change of settings, never an act.
This module does not know connections, nor sentences.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poststelle.adapters import presets
from poststelle.errors import LoginRejected, NeedsAttention, Trouble
from poststelle.mail.ports import RecipientResult, RecipientState
from poststelle.mail.records import Fix
from poststelle.mail.settings import DEFAULT_PORTS, Encryption, Endpoint, Login

_Patterns = Sequence[tuple[str, re.Pattern[str]]]


def _patterns(*pairs: tuple[str, str]) -> _Patterns:
    return [(code, re.compile(pattern, re.IGNORECASE)) for code, pattern in pairs]


_REFUSED_LOGIN = _patterns(
    ("app-password-needed", r"app(?:lication)?[- ]?(?:specific )?password|anwendungs(?:spezifisch|passwort)|second ?factor|5\.7\.9\b"),
    ("smtp-login-switched-off", r"smtpclientauthentication is disabled"),
    ("oauth-needed", r"basic ?auth\w*.{0,20}(?:block|disabl)|5\.7\.139|oauth"),
    ("web-login-needed", r"web ?(?:browser|alert|login)|5\.7\.14\b"),
    ("access-switched-off", r"\b(?:imap|pop3?|smtp)\b.{0,60}(?:disabled|not (?:enabled|activated)|deactivated|deaktiviert|"
                            r"nicht (?:aktiviert|freigeschaltet))|enable (?:imap|pop|smtp)"),
    ("password-expired", r"(?:password|passwort|kennwort|credentials).{0,20}(?:expired|abgelaufen)"),
    ("too-many-logins", r"too many (?:failed|log|attempts|auth)|zu viele (?:fehl|anmelde)"),
    ("account-locked", r"(?:account|user|mailbox|konto|postfach|benutzer).{0,40}(?:locked|suspended|blocked|disabled|gesperrt|"
                       r"deactivated)"),
)  # fmt: skip
_BUSY = _patterns(
    ("too-many-connections", r"too many.{0,40}(?:connections|sessions)|(?:connection|session)s?.{0,20}(?:limit|exceeded)|maximum.{0,30}connections"),
    ("too-many-logins", r"too many (?:failed|log|attempts|auth)"),
    ("maildrop-in-use", r"(?:maildrop|mailbox|mailspool|spool).{0,40}(?:lock|in use|busy)|\[in-use\]"),
)  # fmt: skip
_REFUSED_MESSAGE = _patterns(
    ("smtputf8-missing", r"smtputf8"),
    ("login-required", r"^530|log ?in first|authentication (?:is )?required|5\.5\.1 auth"),
    ("mailbox-full", r"\b[45]\.2\.2\b|(?:mailbox|quota).{0,20}(?:full|exceeded)|over ?quota"),
    ("message-too-big", r"^552|[45]\.3\.4\b|[45]\.2\.3\b|too (?:big|large)|maximum.{0,20}size|size limit"),
    ("sending-limit", r"(?:rate|sending|daily|hourly|message).{0,20}limit|too many (?:messages|mails|recipients)|5\.4\.5\b|4\.7\.28\b"),
    ("greylisted", r"^4.*(?:gr[ae]y ?list|try (?:again )?later|4\.7\.1\b|4\.2\.0\b)"),
    ("relay-denied", r"relay"),
    ("recipient-refused", r"\b5\.1\.[123]\b|(?:user|recipient|mailbox).{0,60}(?:unknown|reject|unavailable|not found|does not exist)|"
                          r"no such (?:user|recipient)"),
    ("sender-refused", r"\b5\.1\.[78]\b|5\.7\.60\b|send ?as|sender|from address|mail from|not owned"),
    ("content-refused", r"spam|virus|content|policy|block ?(?:ed|list)|blacklist|5\.7\.1\b|5\.7\.0\b"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """What was being tried. `direction`: ``incoming`` or ``outgoing``; `own_login`: the way out has a login of its own."""

    direction: str
    endpoint: Endpoint
    login: Login | None = None
    own_login: bool = False


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a step failed: a code, what is known, and what would help."""

    code: str
    facts: Mapping[str, object]
    fixes: Sequence[Fix] = ()
    needs_person: bool = True


def diagnose(trouble: Trouble, way: Way, step: str) -> Cause:
    """The cause behind a failure of this step."""
    code = _code(trouble, way, step)
    facts = {"host": way.endpoint.host, "port": way.endpoint.port, **trouble.facts}
    provider = presets.of_host(way.endpoint.host)
    if provider is not None and isinstance(trouble, LoginRejected):
        facts["hints"] = list(provider.hints)
    refined = code != trouble.code and isinstance(trouble, LoginRejected)
    return Cause(code, facts, fixes(code, way, facts), isinstance(trouble, NeedsAttention) or refined)


def _code(trouble: Trouble, way: Way, step: str) -> str:
    code, answer = trouble.code, str(trouble.facts.get("answer", ""))
    if code in {"login-rejected", "login-needs-tls", "server-refused"} and (told := _told(_REFUSED_LOGIN, answer)):
        return told
    if code == "login-rejected":
        provider = presets.of_host(way.endpoint.host)
        return "app-password-needed" if provider and "password" not in provider.auth and provider.auth else code
    if code in {"server-busy", "server-closed", "login-rejected"}:
        return _told(_BUSY, answer) or (_told(_REFUSED_LOGIN, answer) if step == "login" else "") or code
    if code == "mechanism-not-offered":
        offered = trouble.facts.get("offered")
        ways = {str(one).upper() for one in offered} if isinstance(offered, list) else set()
        if ways and ways <= {"XOAUTH2", "OAUTHBEARER", "NTLM", "GSSAPI"} and ways & {"XOAUTH2", "OAUTHBEARER"}:
            return "oauth-needed"
        if not ways and way.direction == "outgoing":
            return "login-not-offered"
    if code == "step-timeout":
        return {"connect": "connect-timeout", "greeting": "greeting-endless"}.get(step, code)
    if code == "tls-on-plain-port" and trouble.facts.get("got") in {"imap", "pop3", "smtp", "http", "ssh"} - {
        way.endpoint.protocol
    }:
        return "wrong-protocol"
    return code


def _told(patterns: _Patterns, answer: str) -> str:
    return next((code for code, pattern in patterns if pattern.search(answer)), "")


def refused(result: RecipientResult) -> str:
    """Why a server did not take the test message, from its answer."""
    usual = "deferred" if result.state is RecipientState.DEFERRED else "message-refused"
    return _told(_REFUSED_MESSAGE, result.answer) or usual


def other_username(username: str, address: str) -> str:
    """The other way to write it: the part before the @ of an address, or for a bare name the address; "" if there is none."""
    if "@" in username:
        return username.rpartition("@")[0]
    return address if address.rpartition("@")[0] else ""


# -- what would help -----------------------------------------------------------------------------------------------------

_OFFERED = 5
_OTHER_NAME = {"certificate-wrong-name"}
_PIN = {"certificate-wrong-name", "certificate-self-signed", "certificate-unknown-issuer", "certificate-changed"}
_UNREACHABLE = {"connection-refused", "connect-timeout", "greeting-timeout"}
_NOT_ENCRYPTED = {"starttls-missing", "starttls-injection", "preauth-before-starttls"}


def fixes(code: str, way: Way, facts: Mapping[str, object]) -> list[Fix]:
    """The settings that would help against a cause, best first."""
    one, direction = way.endpoint, way.direction

    def server(name: str, **change: object) -> Fix:
        return Fix(name, {direction: change})

    def encrypted(encryption: Encryption, port: int | None = None) -> Fix:
        usual = DEFAULT_PORTS[one.protocol, encryption]
        return server(f"use-{encryption.value}", encryption=encryption.value, port=port or usual)

    usual = DEFAULT_PORTS[one.protocol, one.encryption]
    if code == "tls-on-plain-port" or (code == "login-needs-tls" and one.encryption is Encryption.NONE):
        return [encrypted(Encryption.STARTTLS, one.port)]
    if code == "plain-on-tls-port":
        return [encrypted(Encryption.TLS, one.port)]
    if code in _NOT_ENCRYPTED:
        return [encrypted(Encryption.TLS)]
    if code == "wrong-protocol":
        found = [] if one.port == usual else [server("use-usual-port", port=usual)]
        return [*found, _by_pop3()] if facts.get("got") == "pop3" and one.protocol == "imap" else found
    if code in _UNREACHABLE and one.protocol in {"imap", "pop3", "smtp"}:
        there = [server("use-usual-port", port=usual)] if one.port != usual else []
        other = Encryption.STARTTLS if one.encryption is Encryption.TLS else Encryption.TLS
        return [*there, encrypted(other)]
    if code in _PIN:
        return _certificate_fixes(code, direction, facts)
    return _other_fixes(code, way, facts)


def _by_pop3() -> Fix:
    off = dict.fromkeys(("push", "all_folders", "subscribed_only", "inbox_is_root"), False)
    return Fix("receive-by-pop3", {"kind": "fetch-only", "incoming": {"protocol": "pop3"}, "receiving": off})


def _certificate_fixes(code: str, direction: str, facts: Mapping[str, object]) -> list[Fix]:
    found: list[Fix] = []
    listed = facts.get("names")
    names = [str(name) for name in listed if "*" not in str(name)] if isinstance(listed, list) else []
    if code in _OTHER_NAME and names:
        found.append(Fix("use-name-of-certificate", {direction: {"host": names[0]}}))
        exception = {"mode": "other-name", "name": names[0], "fingerprint": None, "key": None, "until": None}
        found.append(Fix("accept-other-name", {direction: {"certificate": exception}}))
    if facts.get("fingerprint"):
        pin = {
            "mode": "pinned",
            "fingerprint": facts["fingerprint"],
            "key": facts.get("key") or None,
            "name": None,
            "until": None,
        }
        found.append(Fix("pin-certificate", {direction: {"certificate": pin}}))
    return found


def _other_fixes(code: str, way: Way, facts: Mapping[str, object]) -> list[Fix]:
    def login(name: str, **change: object) -> Fix:
        return Fix(name, {"outgoing": {"login": change}} if way.own_login else {"login": change})

    if code == "username-form":
        return [login("use-username", username=facts["working"])]
    if code in {"mechanism-not-offered", "client-certificate-missing"} and way.login is not None:
        return (
            [] if way.login.mechanism.value == "auto" else [login("choose-mechanism-automatically", mechanism="auto")]
        )
    if code == "login-not-offered":
        return [Fix("send-without-login", {"outgoing": {"authentication": "none", "login": None}})]
    if code == "login-required":
        return [Fix("send-with-login", {"outgoing": {"authentication": "same"}})]
    if code == "tls-too-old":
        return [Fix("allow-old-tls", {way.direction: {"minimum_tls": "1.0"}})]
    if code == "inbox-is-root":
        return [Fix("inbox-is-root", {"receiving": {"inbox_is_root": True}})]
    if code == "no-idle":
        return [Fix("push-off", {"receiving": {"push": False}})]
    if code == "sent-ambiguous":
        named = facts.get("folders")
        paths = named if isinstance(named, list) else []
        return [Fix("take-for-sent", {"roles": {"sent": path}}) for path in paths[:_OFFERED]]
    if code == "sent-missing":
        return [Fix("keep-sent-here", {"sending": {"sent_copy": "local"}})]
    return []
