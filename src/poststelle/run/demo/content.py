"""The furnished demo office: some 200 messages in six mailboxes, and new ones that trickle in.

Law: pure and deterministic; the same seed and the same `now` give the same bytes. Dates lie before `now`, in office hours where
it matters. This module does not know how mailboxes are served or who may see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from poststelle.mail.ports import ANSWERED, FLAGGED, SEEN
from poststelle.run.demo import files, letters, office
from poststelle.run.demo.office import (
    AYLIN,
    CLARA,
    CLIENTS,
    DRAFTS,
    INBOX,
    INFO,
    JONAS,
    KANZLEI,
    PEOPLE,
    RECHNUNG,
    SENT,
    SPAM,
    SUPPLIERS,
    TRASH,
    Path,
    Person,
)
from poststelle.run.demo.writing import Attachment, DemoMessage, Letter, Writer, page, paragraphs, quoted, table

SEED = 1848
_SHARED = {
    address: Person(label, address)
    for address, label in ((KANZLEI, office.OFFICE), (RECHNUNG, "Buchhaltung"), (INFO, "Information"))
}
_FIRST_NAMES = (
    "Anneliese",
    "Björn",
    "Cem",
    "Dörte",
    "Emil",
    "Frauke",
    "Grzegorz",
    "Hülya",
    "Ingo",
    "Jördis",
    "Klaus",
    "Łucja",
)
_LAST_NAMES = (
    "Ahrens",
    "Böttcher",
    "Çelik",
    "Detjen",
    "Eggers",
    "Füßl",
    "Grüning",
    "Hövelmann",
    "Jessen",
    "Köster",
    "Lütje",
)


class _Furnisher:
    """Collects messages, each at its moment before `now`."""

    def __init__(self, now: datetime, seed: int) -> None:
        self.now = now
        self.writer = Writer(seed)
        self.dice = self.writer.dice
        self.placed: list[DemoMessage] = []

    def moment(self, days: float, *, hour: int | None = None) -> datetime:
        """So many days ago, in office hours, never in the future."""
        day = self.now - timedelta(days=days)
        at = day.replace(
            hour=hour or self.dice.randrange(8, 18), minute=self.dice.randrange(60), second=self.dice.randrange(60)
        )
        return min(at, self.now - timedelta(minutes=self.dice.randrange(5, 90)))

    def place(self, mailbox: str, path: Path, raw: bytes, at: datetime, *flags: str) -> None:
        """Put it down; what is older than three days has been read."""
        read = (SEEN,) if at < self.now - timedelta(days=3) or path in (SENT, DRAFTS) else ()
        self.placed.append(DemoMessage(mailbox, path, raw, tuple(dict.fromkeys((*read, *flags))), at))

    def send(self, letter: Letter, at: datetime, mailbox: str, *flags: str, path: Path = INBOX) -> str:
        """Write and place; returns the Message-ID."""
        raw, message_id = self.writer.write(letter, at)
        self.place(mailbox, path, raw, at, *flags)
        return message_id

    def somebody(self) -> Person:
        """A private person nobody knows yet."""
        first, last = self.dice.choice(_FIRST_NAMES), self.dice.choice(_LAST_NAMES)
        return Person(f"{first} {last}", f"person{self.dice.randrange(100, 1000)}@post.example")


def furnished(now: datetime, seed: int = SEED) -> list[DemoMessage]:
    """Everything the office has received, sent and drafted up to `now` (aware), oldest first."""
    made = _Furnisher(now, seed)
    for number, conversation in enumerate(letters.CONVERSATIONS):
        _conversation(made, number, *conversation)
    for number in range(34):
        _invoice(made, 1 + number * 2.6)
    for number in range(26):
        _enquiry(made, number, 0.2 + number * 1.9)
    for number in range(36):
        _memo(made, number, 0.1 + number * 1.1)
    for number in range(14):
        _deadline(made, number, 0.5 + number * 3.1)
    for number in range(27):
        _newsletter(made, number, 0.4 + number * 2.2)
    for number in range(8):
        _spam(made, number, 0.6 + number * 1.7)
    _oddities(made)
    return sorted(made.placed, key=lambda message: message.received_at)


def arrivals(seed: int, clock: Callable[[], datetime]) -> Iterator[DemoMessage]:
    """New mail without end, each message dated by `clock` (aware) when it is asked for."""
    number = 0
    made = _Furnisher(clock(), seed)
    kinds: Sequence[Callable[[], None]] = (
        lambda: _enquiry(made, number, 0),
        lambda: _memo(made, number, 0),
        lambda: _follow_up(made, number),
        lambda: _invoice(made, 0),
        lambda: _newsletter(made, number, 0),
    )
    while True:
        made.now = clock()
        made.placed.clear()
        made.dice.choices(kinds, weights=(5, 3, 5, 2, 1))[0]()
        number += 1
        message = made.placed[0]
        yield DemoMessage(message.mailbox, INBOX, message.raw, (), made.now)


def _conversation(made: _Furnisher, number: int, client_index: int, subject: str, turns: Sequence[str]) -> None:
    client = CLIENTS[client_index]
    clerk = next(person for person in PEOPLE if person.name.split()[0] in turns[1].splitlines()[-1])
    days = 1.2 + number * 2.3 + len(turns)
    thread: list[str] = []
    before, at = "", made.moment(days + 1)
    for turn, text in enumerate(turns):
        at = max(made.moment(max(days - turn * 0.9, 0.02)), at + timedelta(minutes=made.dice.randrange(20, 90)))
        ours = turn % 2 == 1
        sender, other = (clerk, client) if ours else (client, clerk if turn else _SHARED[KANZLEI])
        body = f"{text}\n\n{before}" if before else text
        letter = Letter(
            sender,
            (other,),
            f"Re: {subject}" if turn else subject,
            body,
            html=page(subject, paragraphs(body)) if turn % 3 == 0 else "",
            cc=(_SHARED[KANZLEI],) if ours else (),
            attachments=_papers(made, client, turn, at),
            answers=tuple(thread),
        )
        answered = (ANSWERED, SEEN) if turn + 1 < len(turns) else ()
        important = (FLAGGED,) if number % 4 == 0 and not turn else ()
        mailbox = clerk.address if turn else KANZLEI
        thread.append(
            made.send(letter, at, mailbox, *answered, *important, path=SENT if ours else _case(client, mailbox))
        )
        before = quoted(text, sender, at)


def _case(client: Person, mailbox: str) -> Path:
    known = {"Brückner": ("Mandate", "Brückner ./. Hansebau"), "Yıldız": ("Mandate", "Yıldız & Söhne")}
    return known.get(client.surname, INBOX) if mailbox == KANZLEI else INBOX


def _papers(made: _Furnisher, client: Person, turn: int, at: datetime) -> list[Attachment]:
    """What goes with a turn: pictures and tables from clients, drafts from us."""
    if turn == 0 and not client.english:
        colour = (made.dice.randrange(90, 200), made.dice.randrange(90, 200), made.dice.randrange(90, 200))
        rows = (
            ("Datum", "Vorgang", "Betrag"),
            *((f"{day:02}.03.", client.matter, f"{day * 117},50") for day in (3, 11, 24)),
        )
        return [
            Attachment(f"Foto {at:%d-%m}.png", "image/png", files.png(160, 120, colour)),
            Attachment("Übersicht.csv", "text/csv", files.csv(rows)),
        ]
    if turn == 0:
        return [
            Attachment("time sheet.txt", "text/plain", f"{client.matter}\r\n{at:%Y-%m-%d} 06:00 start\r\n".encode())
        ]
    if turn % 2:
        lines = (
            f"Entwurf: {client.matter}",
            office.OFFICE,
            f"Stand {at:%d.%m.%Y}",
            "",
            "Sehr geehrte Damen und Herren,",
        )
        return [Attachment(f"Entwurf {client.surname}.pdf", "application/pdf", files.pdf(lines))]
    return []


def _invoice(made: _Furnisher, days: float) -> None:
    supplier = made.dice.choice(SUPPLIERS)
    at = made.moment(days)
    number = f"R-{at:%Y}-{made.dice.randrange(1000, 9999)}"
    items = [
        (
            f"Position {n}",
            str(made.dice.randrange(1, 9)),
            f"{made.dice.randrange(900, 24000) / 100:.2f} €".replace(".", ","),
        )
        for n in range(1, 4)
    ]
    text = f"Guten Tag,\n\nanbei erhalten Sie unsere Rechnung {number} vom {at:%d.%m.%Y}. Zahlbar binnen 14 Tagen ohne Abzug.\n\nFreundliche Grüße\n{supplier.name}"
    letter = Letter(
        supplier,
        (_SHARED[RECHNUNG],),
        f"Ihre Rechnung {number}",
        text,
        html=page(number, paragraphs(text) + table(("Leistung", "Menge", "Betrag"), items)),
        attachments=[
            Attachment(
                f"{number}.pdf",
                "application/pdf",
                files.pdf((f"Rechnung {number}", supplier.name, *("   ".join(item) for item in items))),
            )
        ],
    )
    if days < 20:
        path = INBOX
    else:
        path = ("Bezahlt", "Büro & Technik") if supplier is SUPPLIERS[0] else ("Bezahlt",)
    made.send(letter, at, RECHNUNG, path=path)


def _enquiry(made: _Furnisher, number: int, days: float) -> None:
    subject, text = letters.ENQUIRIES[number % len(letters.ENQUIRIES)]
    sender, at = made.somebody(), made.moment(days)
    body = f"Guten Tag,\n\n{text}\n\nMit freundlichen Grüßen\n{sender.name}\n\n-- \nGesendet von unterwegs"
    asked = made.send(
        Letter(sender, (_SHARED[INFO],), subject, body), at, INFO, *((ANSWERED,) if number % 3 == 2 else ())
    )
    if days and number % 3 == 2:
        answered_at = min(at + timedelta(hours=3), made.now)
        answer = f"Guten Tag {sender.name},\n\nvielen Dank für Ihre Anfrage. Rufen Sie uns gern zwischen 9 und 12 Uhr an.\n\nJonas Weber\n\n{quoted(body, sender, at)}"
        made.send(
            Letter(_SHARED[INFO], (sender,), f"Re: {subject}", answer, answers=(asked,)), answered_at, INFO, path=SENT
        )


def _memo(made: _Furnisher, number: int, days: float) -> None:
    subject, text = letters.MEMOS[number % len(letters.MEMOS)]
    sender, receiver = made.dice.sample(PEOPLE, 2)
    at = made.moment(days)
    signed = f"{text}\n\n{sender.name.split()[0]}"
    raw, _ = made.writer.write(Letter(sender, (receiver,), subject, signed), at)
    made.place(receiver.address, TRASH if number % 12 == 11 and days else INBOX, raw, at)
    if days:
        made.place(sender.address, SENT, raw, at)


def _deadline(made: _Furnisher, number: int, days: float) -> None:
    court = Person("Amtsgericht Neuenfelde", "poststelle@ag-neuenfelde.example")
    client, what = CLIENTS[number % 7], letters.DEADLINES[number % len(letters.DEADLINES)]
    at = made.moment(days)
    ends = at + timedelta(days=14)
    text = f"In der Sache {client.surname}, Az. {number + 3} C {made.dice.randrange(100, 900)}/{at:%y}:\n\n{what} bis {ends:%d.%m.%Y}.\n\nDieses Schreiben ist ohne Unterschrift gültig."
    letter = Letter(
        court,
        (_SHARED[KANZLEI],),
        f"Fristsetzung: {what} ({client.surname})",
        text,
        attachments=[
            Attachment(f"Verfügung {at:%Y-%m-%d}.pdf", "application/pdf", files.pdf(("Verfügung", *text.split("\n"))))
        ],
        headers=(("X-Priority", "2"),),
    )
    made.send(letter, at, KANZLEI, *((FLAGGED,) if days < 10 else ()), path=INBOX if days < 12 else ("Fristen",))


def _newsletter(made: _Furnisher, number: int, days: float) -> None:
    name, address, title, topics = letters.NEWSLETTERS[number % len(letters.NEWSLETTERS)]
    at = made.moment(days, hour=6)
    items = "".join(
        f'<h2 style="color: #345">{topic}</h2><p>{made.dice.choice(letters.DEADLINES)} – <a href="https://news.example/{made.dice.randrange(10000)}">weiterlesen</a></p>'
        for topic in topics
    )
    picture = '<img src="https://news.example/kopf.png" width="600" height="120" alt="Kopfbild">'
    letter = Letter(
        Person(name, address),
        (_SHARED[INFO] if number % 2 else CLARA,),
        f"{title} – Ausgabe {200 - number}",
        "\n\n".join(f"* {topic}" for topic in topics),
        html=page(
            title,
            f"{picture}<h1>{title}</h1>{items}<p><small>Abmelden: <a href='https://news.example/ab'>hier</a></small></p>",
        ),
        headers=(
            ("List-Id", f"{name.split()[0]} <{address.replace('@', '.')}>"),
            ("List-Unsubscribe", "<https://news.example/ab>"),
        ),
    )
    made.send(letter, at, INFO if number % 2 else CLARA.address)


def _spam(made: _Furnisher, number: int, days: float) -> None:
    subject, text = letters.SPAM_TEXTS[number % len(letters.SPAM_TEXTS)]
    sender = Person("Service", f"no-reply{made.dice.randrange(1000)}@gluecklich.example")
    made.send(Letter(sender, (_SHARED[INFO],), subject, text), made.moment(days), INFO, path=SPAM)


def _follow_up(made: _Furnisher, number: int) -> None:
    client = CLIENTS[number % len(CLIENTS)]
    clerk = PEOPLE[number % len(PEOPLE)]
    if client.english:
        subject, text = (
            f"{client.matter}: quick question",
            f"Hello,\n\nis there any news in our matter? We would like to plan the next steps.\n\n{client.name}",
        )
    else:
        subject, text = (
            f"{client.matter}: Rückfrage",
            f"Guten Tag,\n\ngibt es in meiner Sache etwas Neues? Ich bin heute bis 17 Uhr zu erreichen.\n\nViele Grüße\n{client.name}",
        )
    made.send(Letter(client, (clerk,), subject, text), made.now, clerk.address)


def _oddities(made: _Furnisher) -> None:
    """What a mail room meets sooner or later: an invitation, a message in a message, a long text, broken MIME, a draft."""
    begins = (made.now + timedelta(days=2)).replace(hour=9, minute=30, second=0, microsecond=0)
    calendar = files.invitation(
        "ortstermin-1@lindner.example",
        "Ortstermin Brückner",
        "Lerchenweg 4",
        begins,
        begins + timedelta(hours=2),
        CLARA.address,
        JONAS.address,
    )
    text = f"Lieber Jonas,\n\nbitte komm am {begins:%d.%m.} um 9.30 Uhr mit zum Ortstermin.\n\nClara"
    made.send(
        Letter(CLARA, (JONAS,), "Einladung: Ortstermin Brückner", text, calendar=calendar),
        made.moment(0.3),
        JONAS.address,
    )

    client = CLIENTS[5]
    inner, _ = made.writer.write(
        Letter(client, (AYLIN,), "Fotos der Handläufe", "Hier die Bilder.\n\nJ. Pötzsch"), made.moment(1.4)
    )
    made.send(
        Letter(AYLIN, (JONAS,), "WG: Fotos der Handläufe", "Kam aus Versehen bei mir an.\n\nAylin", nested=inner),
        made.moment(1.2),
        JONAS.address,
    )

    chapter = "\n\n".join(
        f"{n}. Abschnitt\n\n" + "Die Beteiligten haben am Ort festgestellt, dass die Abdichtung fehlt. " * (n % 5 + 3)
        for n in range(1, 81)
    )
    expert = Person("Dr. Wiebke Tönnies, Sachverständige", "toennies@gutachten-nord.example")
    made.send(
        Letter(expert, (_SHARED[KANZLEI],), "Gutachten Lerchenweg 4 – vollständiger Text", chapter),
        made.moment(2.1),
        KANZLEI,
        FLAGGED,
    )

    at = made.moment(1.1)
    broken = (
        f"From: Scanner Flur <scanner@{office.DOMAIN}>\r\nTo: {KANZLEI}\r\nDate: {at:%d %b %Y %H:%M:%S} +0000\r\nSubject: Scan_0".encode()
        + "47 für Größe".encode("latin-1")
        + b'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="scan"\r\n\r\n--scan\r\nContent-Type: text/plain; charset=x-unbekannt\r\n\r\n'
        + "Seite 1 von 3, Gerät meldet: Fehler".encode("latin-1")
        + b"\r\n--scan\r\nContent-Type: application/pdf; name=scan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK!!!!\r\n"
    )
    made.place(KANZLEI, INBOX, broken, at)

    draft = Letter(
        JONAS, (CLIENTS[8],), "Licence agreement: next steps", "Hi Priya,\n\nfollowing up on our call, I suggest"
    )
    made.send(draft, made.moment(0.2), JONAS.address, "\\Draft", path=DRAFTS)
