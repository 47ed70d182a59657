"""The mailbox form: how what is typed becomes the account document (`mail.account_document`), and a document what is shown.

Names of fields are the dotted paths of the document, so that what the office finds wrong stands beside the right field. A field
the form does not send is left as it is; one that means nothing for the chosen kind (`WHEN`) is not asked. The fields themselves
are in `mailbox_sections`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from django.http import QueryDict

from poststelle.errors import Invalid
from poststelle.mail.records import AccountRecord, UserRecord
from poststelle.mail.settings import DEFAULT_PORTS, Authentication, Encryption, Kind, Mechanism, Right, Scope, SentCopy
from poststelle.office.account_documents import document_of
from poststelle.office.actor import Actor
from poststelle.web.fields import applies

USUAL = "-"
"""The choice of outgoing server that says: whatever applies for person, office, installation."""

WITH_FOLDERS = "kind=synchronised"
RECEIVES = "kind=synchronised,fetch-only"
SENDS = "kind=synchronised,fetch-only,send-only"
OWN_SERVER = f"{SENDS};outgoing.server="
OWN_LOGIN = f"{SENDS};outgoing.authentication=own"
WHEN: Mapping[str, str] = {
    "owner": "scope=personal",
    "office_account": f"scope=shared,system;{SENDS}",
    "receiving.push": WITH_FOLDERS, "receiving.subscribed_only": WITH_FOLDERS, "receiving.all_folders": WITH_FOLDERS,
    "receiving.inbox_is_root": WITH_FOLDERS, "receiving": RECEIVES,
    "receiving.after_days": f"{RECEIVES};receiving.after_import=delete-later",
    "incoming": RECEIVES, "login": SENDS, "outgoing": SENDS, "sending": SENDS,
    "sending.sent_folder": f"{SENDS};sending.sent_copy=folder",
    "login.username": f"{SENDS};login.login=", "login.domain": f"{SENDS};login.login=",
    "login.mechanism": f"{SENDS};login.login=", "login.by_owner": f"{SENDS};login.login=",
    "login.client_certificate": f"{SENDS};login.login=;login.mechanism=external",
    "outgoing.host": OWN_SERVER, "outgoing.encryption": OWN_SERVER, "outgoing.port": OWN_SERVER,
    "outgoing.certificate": OWN_SERVER, "outgoing.minimum_tls": OWN_SERVER, "outgoing.plain_text_allowed": OWN_SERVER,
    "outgoing.login.login": OWN_LOGIN, "outgoing.login.username": f"{OWN_LOGIN};outgoing.login.login=",
    "outgoing.login.password": f"{OWN_LOGIN};outgoing.login.login=",
}  # fmt: skip
"""Under which choices a field, or what lies below its path, means something."""
_EXCEPTED = (
    "{0}certificate.mode=pinned,other-name,unchecked|{0}minimum_tls=1.0,1.1|{0}plain_text_allowed=1|{0}encryption=none"
)
_PIN = {"fingerprint": "pinned", "key": "pinned", "name": "other-name", "until": "unchecked"}
_TOP = ("label", "address", "display_name", "organisation", "reply_to", "kind", "scope")
_NUMBERS = frozenset({"receiving.interval_minutes", "receiving.after_days"})
_CHOSEN = frozenset({"since", "after_import", "sent_copy", "sent_folder", "files_for"})


def when(name: str) -> str:
    """Under which choices the field means something: its own condition, or that of the nearest path above it."""
    way, _, part = name.rpartition(".")
    if part == "exception_reason":
        return f"{when(f'{way}.certificate')};{excepted(f'{way}.')}"
    if part in _PIN and way.endswith("certificate"):
        return f"{when(way)};{way}.mode={_PIN[part]}"
    return WHEN[name] if name in WHEN else when(way) if way else ""


def excepted(way: str) -> str:
    """Under which choices a server (`way`: what its fields begin with) is less safe than usual."""
    return _EXCEPTED.format(way)


GROUP = "group:"
"""Before a group's name among those who get rights."""


def fresh(actor: Actor) -> dict[str, str]:
    """A new form: everything encrypted, all rights for whoever adds the mailbox."""
    values = {
        "kind": Kind.SYNCHRONISED.value, "scope": Scope.SHARED.value, "incoming.encryption": Encryption.TLS.value,
        "outgoing.encryption": Encryption.TLS.value, "outgoing.authentication": Authentication.SAME.value, "active": "1",
        "receiving.included": "1", "receiving.automatic": "1", "receiving.push": "1", "receiving.background": "1",
        "receiving.all_folders": "1", "receiving.interval_minutes": "1", "receiving.after_days": "14", "sending.included": "1",
    }  # fmt: skip
    if actor.user is not None:
        values |= {f"grant.{actor.user.id}.{right.value}": "1" for right in Right} | {"owner": actor.user.id}
    return values


def typed(post: QueryDict) -> dict[str, str]:
    """What was typed, secrets left out."""
    return {
        name: value
        for name, value in post.items()
        if isinstance(value, str) and not name.endswith(("password", "client_certificate"))
    }


def stored(record: AccountRecord) -> dict[str, str]:
    """What is stored, without secrets."""
    values = shown(document_of(record)) | {
        "version": str(record.version),
        "owner": record.owner.id if record.owner else "",
    }
    if record.login is not None and record.login.label:
        values["login.username"] = record.login.username
    return values


def shown(document: Mapping[str, object]) -> dict[str, str]:
    """A document as the form shows it."""
    values = dict(flat("", document))
    way_out = document.get("outgoing")
    if (
        document.get("kind") != Kind.ARCHIVE.value
        and "outgoing.host" not in values
        and not values.get("outgoing.server")
    ):
        values["outgoing.server"] = USUAL if way_out is not None or document.get("incoming") else ""
    return {"outgoing.encryption": Encryption.TLS.value, "incoming.encryption": Encryption.TLS.value} | values


def granted(document: Mapping[str, object], users: Sequence[UserRecord], known: Sequence[str]) -> dict[str, str]:
    """The ticks for a document's grants on the whole mailbox: to these people, and to groups `known` by name."""
    emails = {user.email.casefold(): user.id for user in users}
    names = {name.casefold(): f"{GROUP}{name}" for name in known}
    ticks: dict[str, str] = {}
    grants = document.get("grants")
    for one in grants if isinstance(grants, list) else ():
        who = emails.get(str(one.get("user", "")).casefold()) or names.get(str(one.get("group", "")).casefold())
        if who and not (one.get("folder") or one.get("from") or one.get("until")):
            ticks |= {grant_name(who, right): "1" for right in one["rights"]}
    return ticks


def grant_name(who: str, right: str) -> str:
    """What the tick for a right is called, of that person (id) or group (`GROUP` and its name)."""
    return f"grant.{who}.{right}"


def flat(where: str, document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """A document's fields by their dotted paths, as a form holds them; lists are left out."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from flat(f"{where}{name}.", value)
        elif isinstance(value, bool):
            yield f"{where}{name}", "1" if value else "0"
        elif not isinstance(value, list):
            yield f"{where}{name}", "" if value is None else str(value)


def document(post: QueryDict) -> dict[str, object]:
    """The account document the form describes. Empty ports follow the encryption; an empty password is not named."""
    values = {
        name: value.replace("\r\n", "\n") if "signature" in name else value.strip()
        for name, value in post.items()
        if isinstance(value, str)
    }
    kind = values.get("kind", Kind.SYNCHRONISED.value)
    made: dict[str, object] = {name: values.get(name) or None for name in _TOP if name in values}
    made["owner"] = values.get("owner") or None if values.get("scope") == Scope.PERSONAL.value else None
    made |= {"incoming": None, "login": None, "outgoing": None}
    for name in ("active", "office_account"):
        if name in values:
            made[name] = values[name] == "1" and applies(when(name), values)
    if applies(RECEIVES, values):
        made["incoming"] = _server(values, "incoming", "pop3" if kind == Kind.FETCH_ONLY.value else "imap")
        made["receiving"] = _below(values, "receiving")
        if kind == Kind.FETCH_ONLY.value:
            made["receiving"] |= {"push": False}  # type: ignore[operator]  # just made
    if applies(SENDS, values):
        made["outgoing"] = _way_out(values)
        made["sending"] = _below(values, "sending")
        if values.get("sending.sent_copy", "") not in {"", SentCopy.FOLDER.value}:
            made["sending"] |= {"sent_folder": None}  # type: ignore[operator]  # just made
        needed = made["incoming"] is not None or values.get("outgoing.authentication") == Authentication.SAME.value
        if needed or values.get("login.username") or values.get("login.login"):
            made["login"] = _login(values, "login")
    roles = {name.removeprefix("roles."): _path(value) for name, value in values.items() if name.startswith("roles.")}
    if roles and kind == Kind.SYNCHRONISED.value:
        made["roles"] = roles
    if any(name.startswith("signature.") for name in values):
        made["signature"] = {
            "text": values.get("signature.text", "").rstrip(),
            "not_on_replies": values.get("signature.not_on_replies") == "1",
        } | ({"template": values["signature.template"].rstrip() or None} if "signature.template" in values else {})
    if any(name.startswith("identity.") for name in values):
        made["identities"] = _identities(values)
    if any(name.startswith("grant.") for name in values):
        made["grants"] = _grants(values)
    if values.get("version", "").isdecimal():
        made["version"] = int(values["version"])
    return made


def _path(text: str) -> object:
    """A folder's path as the form holds it; what is none is left to be refused."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text


def _number(text: str) -> object:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def _server(values: Mapping[str, str], way: str, protocol: str) -> dict[str, object]:
    encryption, port = values.get(f"{way}.encryption", ""), values.get(f"{way}.port", "")
    number = _number(port) if port else None
    if not port and encryption in {one.value for one in Encryption}:
        number = DEFAULT_PORTS[protocol, Encryption(encryption)]
    made: dict[str, object] = {
        "protocol": protocol, "host": values.get(f"{way}.host", ""), "encryption": encryption, "port": number,
    }  # fmt: skip
    if f"{way}.minimum_tls" in values:
        made["minimum_tls"] = values[f"{way}.minimum_tls"] or None
    if f"{way}.plain_text_allowed" in values:
        made["plain_text_allowed"] = values[f"{way}.plain_text_allowed"] == "1"
    if f"{way}.exception_reason" in values:
        made["exception_reason"] = values[f"{way}.exception_reason"] or None
    if mode := values.get(f"{way}.certificate.mode"):
        asked = {name: values.get(f"{way}.certificate.{name}") or None for name, of in _PIN.items() if of == mode}
        made["certificate"] = {"mode": mode, **asked}
    return made


def _way_out(values: Mapping[str, str]) -> dict[str, object] | None:
    chosen, authentication = values.get("outgoing.server", ""), values.get("outgoing.authentication", "")
    if chosen == USUAL:
        # A partial document: whatever server was named before goes.
        gone = (
            "protocol",
            "host",
            "port",
            "encryption",
            "certificate",
            "minimum_tls",
            "plain_text_allowed",
            "exception_reason",
            "server",
            "login",
        )
        return dict.fromkeys(gone) | {"authentication": Authentication.SERVER.value}
    if not chosen and not values.get("outgoing.host") and values.get("kind") != Kind.SEND_ONLY.value:
        return None
    own = authentication == Authentication.OWN.value
    login = {"login": _login(values, "outgoing.login") if own else None, "authentication": authentication}
    server: dict[str, object] = {"server": chosen} if chosen else _server(values, "outgoing", "smtp")
    return server | login


def _login(values: Mapping[str, str], where: str) -> dict[str, object]:
    password = {"password": values[f"{where}.password"]} if values.get(f"{where}.password") else {}
    if shared := values.get(f"{where}.login"):
        return {"login": shared, **password}
    made: dict[str, object] = {"username": values.get(f"{where}.username", "")}
    made |= {name: values[f"{where}.{name}"] or None for name in ("domain", "mechanism") if f"{where}.{name}" in values}
    if made.get("mechanism") == Mechanism.EXTERNAL.value:
        certificate = values.get(f"{where}.client_certificate", "")
        return made | ({"client_certificate": certificate} if certificate else {})
    if values.get(f"{where}.by_owner") == "1" and not password:
        made["by_owner"] = True
    return made | password


def _below(values: Mapping[str, str], where: str) -> dict[str, object]:
    """What the form says of the switches and choices below a path, as far as they mean something."""
    made: dict[str, object] = {}
    for name, value in values.items():
        above, _, part = name.partition(".")
        if above != where or not applies(when(name), values):
            continue
        if name in _NUMBERS:
            made[part] = _number(value) if value else None
        elif part in _CHOSEN:
            made[part] = value or None
        else:
            made[part] = value == "1"
    return made


def _identities(values: Mapping[str, str]) -> list[dict[str, object]]:
    """One document for each row of senders with an address or a name."""
    rows: dict[str, dict[str, object]] = {}
    for name, value in values.items():
        word, _, rest = name.partition(".")
        number, _, part = rest.partition(".")
        if word == "identity" and part in {"address", "display_name", "organisation", "reply_to"} and value:
            rows.setdefault(number, {})[part] = value
        elif word == "identity" and part == "signature" and value.strip():
            rows.setdefault(number, {})[part] = {"text": value.rstrip()}
    return list(rows.values())


def _grants(values: Mapping[str, str]) -> list[dict[str, object]]:
    rights: dict[str, list[str]] = {}
    for name in values:
        if name.startswith("grant.") and name.count(".") >= 2:
            who, _, right = name.removeprefix("grant.").rpartition(".")
            rights.setdefault(who, []).append(right)
    return [
        {"group": who.removeprefix(GROUP), "rights": given} if who.startswith(GROUP) else {"user": who, "rights": given}
        for who, given in rights.items()
    ]


def kept(record: AccountRecord, made: dict[str, object]) -> dict[str, object]:
    """The changes with what this form does not show left as it is: a shared way out, the rest of senders."""
    way_out = made.get("outgoing")
    names_one = isinstance(way_out, dict) and bool(way_out.get("server") or way_out.get("host"))
    if not names_one and record.outgoing is None and not record.outgoing_server:
        made.pop("outgoing", None)
    known = {one.address.casefold(): one for one in record.identities}
    identities = made.get("identities")
    for one in identities if isinstance(identities, list) else ():
        before = known.get(str(one.get("address", "")).casefold())
        if before is not None and before.signature is not None:
            told = one.get("signature")
            text = told["text"] if isinstance(told, dict) else ""
            if text == before.signature.text:
                one["signature"] = asdict(before.signature)
            elif text:
                one["signature"] = {"text": text, "not_on_replies": before.signature.not_on_replies}
    signature_now = made.get("signature")
    if isinstance(signature_now, dict):
        if signature_now["text"] == record.signature.text:
            del signature_now["text"]
        else:
            signature_now["html"] = None
    return made


def check_grants(post: QueryDict) -> None:
    """A mailbox nobody administers could never be changed again. Raises Invalid({"grants": "nobody-administers"})."""
    if not any(name.startswith("grant.") and name.endswith(f".{Right.ADMINISTER.value}") for name in post):
        raise Invalid({"grants": "nobody-administers"})
