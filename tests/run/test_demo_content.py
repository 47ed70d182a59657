"""The demo office is furnished: believable, deterministic, readable by our own scanner, and never from the future."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parsedate_to_datetime

from poststelle.mail.message import body_text, parse
from poststelle.run.demo import files
from poststelle.run.demo.content import arrivals, furnished
from poststelle.run.demo.office import INBOX, KANZLEI, MAILBOXES, OWN_FOLDERS, PEOPLE, ROLES

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=200)


def messages() -> list[EmailMessage]:
    return [message_from_bytes(placed.raw, EmailMessage, policy=SMTP) for placed in furnished(NOW)]


def test_the_office_has_about_two_hundred_messages_all_before_now_and_the_newest_is_fresh() -> None:
    placed = furnished(NOW)
    assert 180 <= len(placed) <= 260
    assert [one.received_at for one in placed] == sorted(one.received_at for one in placed)
    assert NOW - timedelta(hours=8) < placed[-1].received_at < NOW


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others() -> None:
    assert furnished(NOW) == furnished(NOW)
    assert furnished(NOW, seed=2) != furnished(NOW)


def test_every_message_lies_in_a_folder_of_a_mailbox_of_the_office() -> None:
    for placed in furnished(NOW):
        assert placed.mailbox in {mailbox.address for mailbox in MAILBOXES}
        assert placed.path in {*ROLES, *OWN_FOLDERS.get(placed.mailbox, ())}
    assert {placed.mailbox for placed in furnished(NOW) if placed.path == INBOX} == {box.address for box in MAILBOXES}


def test_replies_name_the_message_they_answer_and_come_after_it() -> None:
    by_id = {message["Message-ID"]: message for message in messages()}
    replies = [message for message in by_id.values() if message["In-Reply-To"]]
    assert len(replies) >= 20
    for reply in replies:
        asked = by_id[reply["In-Reply-To"]]
        assert parsedate_to_datetime(asked["Date"]) < parsedate_to_datetime(reply["Date"])


def test_all_kinds_of_mail_a_mail_room_meets_are_there() -> None:
    kinds = Counter(part.get_content_type() for message in messages() for part in message.walk())
    for kind in ("text/html", "application/pdf", "image/png", "text/csv", "text/calendar", "message/rfc822"):
        assert kinds[kind] > 0, kind
    assert any(len(placed.raw) > 20_000 for placed in furnished(NOW))
    assert any("ü" in (message["Subject"] or "") for message in messages())


def test_all_but_one_are_sound_and_that_one_is_still_readable() -> None:
    broken = [placed for placed in furnished(NOW) if b"Scan_047" in placed.raw]
    assert len(broken) == 1
    assert "Seite 1 von 3" in body_of(broken[0].raw)
    for placed in furnished(NOW):
        assert b"\n" not in placed.raw.replace(b"\r\n", b""), "line ends are CRLF"


def body_of(raw: bytes) -> str:
    return body_text(raw, parse(raw))


def test_new_mail_trickles_in_without_end_dated_by_the_clock_and_unread() -> None:
    moments = (NOW + timedelta(minutes=minute) for minute in itertools.count())
    some = list(itertools.islice(arrivals(5, lambda: next(moments)), 200))
    assert {one.path for one in some} == {INBOX}
    assert {one.flags for one in some} == {()}
    assert len({one.raw for one in some}) == 200
    assert {one.mailbox for one in some} >= {person.address for person in PEOPLE}
    assert all(earlier.received_at < later.received_at for earlier, later in itertools.pairwise(some))
    assert list(itertools.islice(arrivals(5, lambda: NOW), 9)) == list(itertools.islice(arrivals(5, lambda: NOW), 9))


def test_pictures_and_documents_are_real_files() -> None:
    picture = files.png(3, 2, (10, 20, 30))
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    data = picture[picture.index(b"IDAT") + 4 : -16]
    assert len(zlib.decompress(data)) == 2 * (1 + 3 * 3)
    document = files.pdf(("Größe (1)", "Zeile"))
    start = int(document.rsplit(b"startxref\n", 1)[1].split()[0])
    assert document[start:].startswith(b"xref")
    assert b"(Gr\xf6\xdfe \\(1\\)) Tj" in document


def test_the_central_mailbox_has_folders_with_umlauts_and_signs() -> None:
    assert any("&" in path[-1] for path in OWN_FOLDERS[KANZLEI])
