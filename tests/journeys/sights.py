"""Everything there is to see: a furnished demonstration office and the address of each of its pages.

For those who look at every page: the check for barriers and the pictures of the documents. Another test compares the list with
the URL map, so that a page nobody looks at is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.journeys.office import Office, eventually

CLARA, CLARAS_PASSWORD = "clara.lindner@lindner.example", "Willkommen in der Poststelle"
"""The demonstration's administrator."""
JONAS, AYLIN = "jonas.weber@lindner.example", "aylin.demir@lindner.example"


@dataclass(frozen=True, slots=True)
class Sight:
    """One page: the name of its route in the URL map, what tells it from others of that route, and its path."""

    route: str
    path: str
    detail: str = ""

    @property
    def name(self) -> str:
        return f"{self.route}-{self.detail}" if self.detail else self.route


@dataclass(frozen=True, slots=True)
class Furnished:
    """What was put into the office, by what it is called in `places`."""

    ids: Mapping[str, str]

    def sights(self) -> tuple[Sight, ...]:
        """The pages of somebody who is logged in."""
        return tuple(Sight(route, path.format_map(self.ids), detail) for route, path, detail in _INSIDE)

    def doors(self) -> tuple[Sight, ...]:
        """Those of somebody who is not."""
        return tuple(Sight(route, path.format_map(self.ids), detail) for route, path, detail in _OUTSIDE)


_OUTSIDE = (
    ("account_login", "login", ""),
    ("forgotten", "login/forgotten", ""),
    ("hand-over", "hand-over/{hand_over}/", ""),
    ("hand-over", "hand-over/gone/", "gone"),
    ("welcome", "welcome/{welcome}/", ""),
)
_INSIDE = (
    ("mail", "mail/", ""),
    ("folder", "mail/f/{inbox}/", ""),
    ("folder", "mail/f/{empty}/", "empty"),
    ("folder", "mail/f/{inbox}/?only=flagged", "filtered"),
    ("place", "mail/l/inbox/", ""),
    ("place", "mail/l/mine/", "mine"),
    ("place", "mail/l/mentions/", "mentions"),
    ("message", "mail/f/{inbox}/m/{worked}/", ""),
    ("message", "mail/f/{invoices}/m/{invoice}/", "html"),
    ("placed", "mail/l/inbox/m/{worked}/", ""),
    ("search", "mail/search/", ""),
    ("search", "mail/search/?q=Vertrag", "found"),
    ("search", "mail/search/?q=Zwiebelkuchenrezept", "nothing"),
    ("print", "mail/m/{worked}/print/", ""),
    ("source", "mail/m/{worked}/source/", ""),
    ("attachment-look", "mail/m/{attached}/attachment/{number}/look/", ""),
    ("write", "write/", ""),
    ("write", "write/?reply={worked}", "reply"),
    ("outbox", "outbox/", ""),
    ("mailboxes", "mailboxes/", ""),
    ("mailbox-new", "mailboxes/new/", ""),
    ("mailbox", "mailboxes/{account}/", ""),
    ("mailbox", "mailboxes/{unreachable}/", "unreachable"),
    ("mailbox-folders", "mailboxes/{account}/folders/", ""),
    ("mailbox-rights", "mailboxes/{account}/rights/", ""),
    ("mailbox-hand-over", "mailboxes/{unreachable}/hand-over/", ""),
    ("mailbox-archive", "mailboxes/{unreachable}/archive/", ""),
    ("mailbox-move", "mailboxes/{account}/move/", ""),
    ("mailbox-remove", "mailboxes/{account}/remove/", ""),
    ("mailbox-events", "mailboxes/{account}/events/", ""),
    ("mailbox-events", "mailboxes/{unreachable}/events/", "unreachable"),
    ("mailbox-ledger", "mailboxes/{account}/ledger/", ""),
    ("providers", "mailboxes/providers/", ""),
    ("mailbox-discover", "mailboxes/discover/?address=kanzlei@gmx.de", ""),
    ("groups", "mailboxes/groups/", ""),
    ("group", "mailboxes/groups/{group}/", ""),
    ("templates", "mailboxes/templates/", ""),
    ("template", "mailboxes/templates/{template}/", ""),
    ("exceptions", "mailboxes/exceptions/", ""),
    ("checklist", "mailboxes/checklist/", ""),
    ("bulk", "mailboxes/import/", ""),
    ("notice", "mailboxes/notice/", ""),
    ("logins", "mailboxes/logins/", ""),
    ("login-new", "mailboxes/logins/new/", ""),
    ("login-edit", "mailboxes/logins/{login}/", ""),
    ("login-password", "mailboxes/logins/{login}/password/", ""),
    ("servers", "mailboxes/servers/", ""),
    ("server-new", "mailboxes/servers/new/", ""),
    ("server-edit", "mailboxes/servers/{server}/", ""),
    ("rights", "mailboxes/rights/", ""),
    ("grant", "mailboxes/rights/{account}/{person}/", ""),
    ("health", "health/", ""),
    ("ledger", "ledger/", ""),
    ("unreadable", "unreadable/", ""),
    ("journal", "journal/", ""),
    ("people", "people/", ""),
    ("sign-on-state", "people/single-sign-on/", ""),
    ("person", "people/{person}/", ""),
    ("personal", "me/", ""),
    ("mfa_index", "me/security/", ""),
    ("mfa_activate_totp", "me/security/authenticator/", ""),
    ("mfa_add_webauthn", "me/security/passkey/", ""),
    ("api-docs", "api/v1/docs", ""),
    ("folder", "mail/f/nothing-of-the-kind/", "missing"),
)
ROUTES = frozenset(route for route, _path, _detail in (*_OUTSIDE, *_INSIDE))
"""The names of the routes of all of them."""


def furnish(office: Office) -> Furnished:
    """Give the demonstration what an office gathers: work on messages, groups, log-ins, a mailbox in trouble, mail on its way."""
    api = office.api
    accounts = {one["label"]: one["id"] for one in api("GET", "accounts")["items"]}
    ids = {"account": accounts["Kanzlei"], "person": _person(office, JONAS)}
    inbox, invoices = (_folder(office, accounts[label], "INBOX") for label in ("Kanzlei", "Rechnungen"))
    ids |= {"inbox": inbox, "invoices": invoices}
    ids["empty"] = api("POST", f"accounts/{ids['account']}/folders", {"path": "Ablage"})["id"]
    letters = eventually(lambda: len(found := _letters(office, inbox)) > 5 and found)
    ids["worked"] = letters[0]["id"]
    ids["invoice"] = eventually(lambda: _letters(office, invoices))[0]["id"]
    _attachment(office, ids)
    _work(office, letters)
    _mailboxes(office, ids)
    return Furnished(ids)


def _person(office: Office, email: str) -> str:
    return next(str(one["id"]) for one in office.api("GET", "people")["items"] if one["email"] == email)


def _folder(office: Office, account: str, name: str) -> str:
    def found() -> str | None:
        items = office.api("GET", f"accounts/{account}/folders")["items"]
        return next((str(one["id"]) for one in items if one["name"] == name), None)

    return eventually(found)


def _letters(office: Office, folder: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.api("GET", f"messages?where=folder:{folder}")["items"]
    return found


def _attachment(office: Office, ids: dict[str, str]) -> None:
    for row in office.api("GET", "search?q=has:attachment")["items"]:
        for number, file in enumerate(office.api("GET", f"messages/{row['id']}")["attachments"]):
            if file["type"] == "application/pdf":
                ids |= {"attached": row["id"], "number": str(number)}
                return


def _work(office: Office, letters: list[dict[str, Any]]) -> None:
    """Tags, colleagues, notes, follow-ups, a search worth keeping, and mail that went out."""
    api = office.api
    tags = [
        api("POST", "tags", {"name": name, "colour": colour})["keyword"]
        for name, colour in (("Frist läuft", "red"), ("Mandat", "blue"), ("Rückruf", "green"))
    ]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    first, second, third = (letter["id"] for letter in letters[:3])
    api("PATCH", f"messages/{first}", {"add": [tags[0], tags[1], "flagged"]})
    api("PATCH", f"messages/{second}", {"add": [tags[2]]})
    api("PATCH", f"messages/{first}/work", {"assignee": JONAS, "status": "waiting", "follow_up": {"at": tomorrow}})
    api("PATCH", f"messages/{third}/work", {"assignee": CLARA, "status": "open"})
    api("POST", f"messages/{first}/notes", {"text": "@Clara Lindner Bitte bis Freitag zurückrufen, die Frist läuft."})
    heading = api("POST", "tree/own/entries", {"kind": "heading", "label": "Dringend"})["key"]
    search = {"kind": "search", "label": "Fristen", "query": "Frist", "anchor": heading, "spot": "below"}
    api("POST", "tree/own/entries", search)
    senders = {one["label"]: one["id"] for one in api("GET", "accounts")["items"]}
    for to, subject in (
        (["h.brueckner@post.example"], "Fristverlängerung"),
        (["nobody@lindner.example"], "Rundschreiben"),
    ):
        api("POST", "outgoing", {"account": senders["Kanzlei"], "to": to, "subject": subject, "text": "Guten Tag,\n"})


def _mailboxes(office: Office, ids: dict[str, str]) -> None:
    """What administrators have made besides; nothing answers at the mailbox "Insolvenzen"."""
    api = office.api
    silent = {"host": "localhost", "port": 9, "encryption": "tls"}
    ids["unreachable"] = api("POST", "accounts", {
        "label": "Insolvenzen", "address": "insolvenz@lindner.example", "incoming": {"protocol": "imap", **silent},
        "outgoing": {"protocol": "smtp", **silent}, "login": {"username": "insolvenz", "password": "falsch"},
        "grants": [{"user": CLARA, "rights": ["see", "process", "administer"]}],
    })["id"]  # fmt: skip
    api("POST", "accounts", {"label": "Archiv 2019", "kind": "archive", "grants": [{"user": CLARA, "rights": ["see"]}]})
    ids["group"] = api("POST", "groups", {"name": "Sekretariat", "members": [JONAS, AYLIN]})["id"]
    endpoint = {"host": "imap.lindner.example", "port": 993, "encryption": "tls"}
    ids["template"] = api("POST", "templates", {
        "label": "Sachbearbeitung", "document": {"incoming": {"protocol": "imap", **endpoint}},
    })["id"]  # fmt: skip
    ids["login"] = api("POST", "logins", {"label": "Sammelkonto", "username": "kanzlei", "password": "geheim"})["id"]
    ids["server"] = api("POST", "outgoing-servers", {
        "label": "Hauspost", "host": "smtp.lindner.example", "port": 465, "encryption": "tls", "default": True,
    })["id"]  # fmt: skip
    ids["hand_over"] = api("POST", f"accounts/{ids['unreachable']}/hand-over")["token"]
    invited = api("POST", "people/invitations", {"email": "neu@lindner.example", "name": "Nele Neumann"})
    ids["welcome"] = invited["link"].rstrip("/").rsplit("/", 1)[-1]
