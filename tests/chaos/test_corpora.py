"""Mail of all kinds goes into a real Dovecot and comes out of the engine: byte by byte, listed, opened, and found by its subject."""

from __future__ import annotations

import imaplib
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from poststelle.office import accounts, reading
from poststelle.store import index, models
from tests.builders import an_account
from tests.chaos.test_proxy import impatient
from tests.corpora.odd import ODD
from tests.run.engine_office import Office, home, office, until
from tests.servers.dovecot import Dovecot, User

__all__ = ["home", "impatient", "office"]

FOLDER = Path(os.environ.get("POSTSTELLE_CORPORA") or "nowhere")
LINE_END = re.compile(rb"\r\n|\n")

pytestmark = pytest.mark.servers


def put(dovecot: Dovecot, user: User, mails: Mapping[str, bytes]) -> Counter[bytes]:
    """Append them all; what the server hands out afterwards. A NUL it cannot be given is written as 0x80, as RFC 9051 has it."""
    client = imaplib.IMAP4(dovecot.host, dovecot.imap_port)
    client.login(user.address, user.password)
    for name, raw in mails.items():
        wire = LINE_END.sub(b"\r\n", raw).replace(b"\0", b"\x80")
        assert client.append("INBOX", "", "", wire)[0] == "OK", name
    client.select("INBOX", readonly=True)
    answers = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
    client.logout()
    return Counter(answer[1] for answer in answers if isinstance(answer, tuple))


async def taken(office: Office, dovecot: Dovecot, mails: Mapping[str, bytes], name: str) -> None:
    """Play it, and compare."""
    user = dovecot.user(name)
    expected = put(dovecot, user, mails)
    assert expected.total() == len(mails)
    document = {
        "address": user.address, "login": {"username": user.address, "password": user.password},
        "incoming": {"protocol": "imap", "host": "localhost", "port": dovecot.imaps_port, "encryption": "tls"},
    }  # fmt: skip
    record = await office.shop.write(lambda: an_account(office.ada, name, **document))

    async def in_step() -> bool:
        now = await office.shop.write(accounts.show, office.ada, record.id)
        return bool(now.synced_at) and not now.syncing and now.held >= len(mails)

    async def indexed() -> bool:
        return not await office.shop.write(index.behind)

    async with office.at_work():
        await until(in_step, within=300.0)
        await until(indexed, within=300.0)
    await office.shop.write(compared, office, record.id, expected)


def compared(office: Office, account: str, expected: Counter[bytes]) -> None:
    """Every message is listed, opens, is the same, and is found by a word of its subject."""
    (inbox,) = (one for one in reading.folders(office.ada, account) if one.path == ("INBOX",))
    found: Counter[bytes] = Counter()
    after, searched = None, 0
    while True:
        page = reading.page(office.ada, inbox.id, 200, after)
        for row in page.items:
            found[reading.raw(office.ada, row.id)] += 1
            opened = reading.open_message(office.ada, row.id)
            assert "unreadable" not in opened.parsed.defects, row.subject
            word = next(iter(re.findall(r"\b[a-zA-Z]{5,12}\b", row.subject)), "")
            if word and searched < 300:
                searched += 1
                assert reading.search(office.ada, f"subject:{word}").items, (word, row.subject)
        after = page.next
        if after is None:
            break
    assert found == expected
    assert models.Placement.objects.filter(folder=inbox.id).count() == expected.total()


def of_others() -> Mapping[str, bytes]:
    """The mail in the folder that `POSTSTELLE_CORPORA` names; none where none is named."""
    files = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in {".eml", ".msg"} or "maildir" in path.parts]
    mails = {str(path.relative_to(FOLDER)): path.read_bytes() for path in files if path.is_file()}
    return {name: raw for name, raw in mails.items() if raw}


async def test_mail_of_all_kinds_comes_through_whole(impatient: Office, dovecot: Dovecot) -> None:
    assert len(ODD) >= 40
    await taken(impatient, dovecot, {**ODD, **of_others()}, "kurios")
