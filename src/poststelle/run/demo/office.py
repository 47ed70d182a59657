"""Who works at the demo's law office, who writes to it, and which mailboxes and folders it has.

All names are invented; all domains are reserved (`.example`). This module does not know mail.
"""

from __future__ import annotations

from dataclasses import dataclass

from poststelle.mail.ports import Role

Path = tuple[str, ...]

OFFICE = "Kanzlei Lindner & Partner"
DOMAIN = "lindner.example"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with an address; `matter` is what a client is about."""

    name: str
    address: str
    matter: str = ""
    english: bool = False

    @property
    def surname(self) -> str:
        return self.name.rsplit(" ", 1)[-1]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox of the office: its owner, or who else may work with it."""

    address: str
    label: str
    owner: str | None
    workers: tuple[str, ...] = ()


CLARA = Person("Clara Lindner", f"clara.lindner@{DOMAIN}")
JONAS = Person("Jonas Weber", f"jonas.weber@{DOMAIN}")
AYLIN = Person("Aylin Demir", f"aylin.demir@{DOMAIN}")
PEOPLE = (CLARA, JONAS, AYLIN)
"""Clara administers; Jonas and Aylin are clerks."""

PASSWORD = "Willkommen in der Poststelle"  # noqa: S105 - shown on terminal and log-in page: everybody may know it

KANZLEI, RECHNUNG, INFO = f"kanzlei@{DOMAIN}", f"rechnung@{DOMAIN}", f"info@{DOMAIN}"

MAILBOXES = (
    Mailbox(CLARA.address, "Clara Lindner", CLARA.address),
    Mailbox(JONAS.address, "Jonas Weber", JONAS.address),
    Mailbox(AYLIN.address, "Aylin Demir", AYLIN.address),
    Mailbox(KANZLEI, "Kanzlei", None, (CLARA.address, JONAS.address, AYLIN.address)),
    Mailbox(RECHNUNG, "Rechnungen", None, (CLARA.address, AYLIN.address)),
    Mailbox(INFO, "Info", None, (CLARA.address, JONAS.address)),
)

INBOX: Path = ("INBOX",)
SENT: Path = ("Gesendet",)
DRAFTS: Path = ("Entwürfe",)
TRASH: Path = ("Papierkorb",)
SPAM: Path = ("Spam",)
ARCHIVE: Path = ("Archiv",)

ROLES: dict[Path, Role] = {
    INBOX: Role.INBOX,
    SENT: Role.SENT,
    DRAFTS: Role.DRAFTS,
    TRASH: Role.TRASH,
    SPAM: Role.SPAM,
    ARCHIVE: Role.ARCHIVE,
}
"""The folders every mailbox has."""

OWN_FOLDERS: dict[str, tuple[Path, ...]] = {
    KANZLEI: (("Mandate",), ("Mandate", "Brückner ./. Hansebau"), ("Mandate", "Yıldız & Söhne"), ("Fristen",)),
    RECHNUNG: (("Bezahlt",), ("Bezahlt", "Büro & Technik")),
    CLARA.address: (("Privates",), ("Kammer",)),
}
"""What some mailboxes have besides."""

CLIENTS = (
    Person("Henrike Brückner", "h.brueckner@post.example", "Baumängel Hansebau"),
    Person("Mehmet Yıldız", "m.yildiz@yildiz-soehne.example", "Liefervertrag"),
    Person("Gudrun Ößner", "gudrun.oessner@post.example", "Erbauseinandersetzung"),
    Person("Torben Kählert", "kaehlert@kaehlert-holz.example", "Kündigungsschutz"),
    Person("Margarethe von Stein", "mvstein@gut-steinau.example", "Pachtvertrag"),
    Person("Jürgen Pötzsch", "poetzsch@metallbau-poetzsch.example", "Werklohnforderung"),
    Person("Amélie Dubois", "amelie.dubois@atelier-dubois.example", "Gewerbemiete"),
    Person("Søren Lindqvist", "soren@lindqvist-shipping.example", "Charter agreement", english=True),
    Person("Priya Raman", "priya.raman@ramantech.example", "Licence agreement", english=True),
    Person("Thomas O'Hara", "thomas@ohara-estates.example", "Property purchase", english=True),
)

SUPPLIERS = (
    Person("Bürobedarf Fröhlich", "rechnungen@buero-froehlich.example"),
    Person("Stadtwerke Neuenfelde", "kundenservice@sw-neuenfelde.example"),
    Person("Telefonica Nordwind", "rechnung@nordwind-telefon.example"),
    Person("Reinigungsdienst Glanz", "buchhaltung@glanz-reinigung.example"),
    Person("Fachbuch Jura & Co.", "bestellung@fachbuch-jura.example"),
    Person("Kaffeerösterei Morgenrot", "hallo@morgenrot-kaffee.example"),
)
