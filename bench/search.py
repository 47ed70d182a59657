"""The search index of a generated mailbox: how fast it is built and how soon it answers, beside notmuch on request.

The mailbox is `u100k` of `bench.mailbox`; its rows are real, its bytes are not kept (searching never opens them). Two people ask:
the administrator, who sees everything, and somebody who sees one small mailbox of it. Figures (PERFORMANCE goals 10, 11, 14):

- *index*: messages per second of one core, in tenths of the mailbox, to see whether the rate falls;
- *search*: p50 and p95 in ms per class of question, newest 50 with their rows, and ranked;
- *notmuch*: `notmuch search --output=messages` over the first N messages of the same mailbox (its indexing takes minutes);
- *Dovecot*: SEARCH TEXT over the first N, which Dovecot reads for every question: its time grows with N.

    python -m bench.search [--messages 100000] [--notmuch 2000] [--dovecot 2000] [--cpu]
"""

from __future__ import annotations

import argparse
import atexit
import hashlib
import imaplib
import itertools
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from bench.mailbox import SIZES, Made, generate

HOME = tempfile.mkdtemp(prefix="poststelle-bench-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ |= {"POSTSTELLE_HOME": HOME, "DJANGO_SETTINGS_MODULE": "poststelle.run.settings"}

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402

from poststelle.mail.digest import Digest, digest  # noqa: E402
from poststelle.mail.ports import SEEN, Arrival, Cursor, RemoteId  # noqa: E402
from poststelle.mail.records import FolderRecord  # noqa: E402
from poststelle.mail.shelf import Observation  # noqa: E402
from poststelle.office.actor import SYSTEM, Actor  # noqa: E402
from poststelle.store import index  # noqa: E402
from poststelle.store.access import Reach  # noqa: E402
from poststelle.store.application import Kept, apply  # noqa: E402
from poststelle.store.blobs import Entry, Origin, Written  # noqa: E402
from poststelle.store.search import find  # noqa: E402
from tests.builders import a_folder, a_person, an_account, an_office  # noqa: E402
from tests.servers.ca import CertificateAuthority  # noqa: E402
from tests.servers.dovecot import Dovecot  # noqa: E402

BATCH = 1_000
SMALL_SHARE = 100
ROUNDS = 7


def percentile(values: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def place(folder: FolderRecord, batch: Sequence[tuple[int, Made]]) -> dict[bytes, Digest]:
    """Rows for these messages, as if the sync had kept them."""
    kept, arrivals, read = Kept(), [], {}
    name = f"bench-{batch[0][0]}"
    for number, made in batch:
        content, remote = hashlib.sha256(made.raw).digest(), RemoteId(str(number))
        entry = Entry(Origin(folder.account_id, "INBOX", remote), content, len(made.raw), 0, 1)
        kept.content[remote] = content
        kept.entries[content] = (Written(name, 1, [entry]), entry)
        read[content] = digest(made.raw)
        flags = frozenset({SEEN}) if made.seen else frozenset()
        arrivals.append(Arrival(remote, flags, datetime.fromtimestamp(made.received, UTC), len(made.raw), number))
    kept.digests = read
    seen = Observation(Cursor(name), arrivals, kept, (), {}, (), 0, True)
    apply(SYSTEM.reach.pool, UUID(folder.account_id), UUID(folder.id), seen, kept)
    return read


def batches(messages: int) -> Iterator[list[tuple[int, Made]]]:
    numbered = enumerate(itertools.islice(generate(SIZES["u100k"], 1), messages))
    while batch := list(itertools.islice(numbered, BATCH)):
        yield batch


def build(big: FolderRecord, small: FolderRecord, messages: int) -> Counter[str]:
    """Keep and index the mailbox; the words seen, for questions."""
    words: Counter[str] = Counter()
    cpu = done = chars = text = 0.0
    writer = index.Writer()
    for count, batch in enumerate(batches(messages)):
        read = place(big, [pair for pair in batch if pair[0] % SMALL_SHARE])
        read |= place(small, [pair for pair in batch if not pair[0] % SMALL_SHARE])
        for one in itertools.islice(read.values(), 0, None, 20):
            words.update(set(one.text.lower().split()))
        said = sum(len(one.text) for one in read.values())
        chars, text = chars + said, text + said
        began = time.process_time()
        while writer.index_some(lambda content, read=read: read.pop(content, None)):
            pass
        cpu += time.process_time() - began
        done += len(batch)
        if (count + 1) % max(1, messages // BATCH // 10) == 0:
            print(
                f"index: {done:8.0f} messages, {done / cpu:6.0f} msg/s of one core, {chars / done:5.0f} characters each"
            )
            done = cpu = chars = 0.0
    writer.close()
    with sqlite3.connect(index.file()) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = index.file().stat().st_size
    print(f"search.db: {size / 1e6:.0f} MB, {size / text:.2f} of the text")
    return words


def questions(words: Counter[str]) -> Mapping[str, Sequence[str]]:
    dice = random.Random(5)
    known = [(word, count) for word, count in words.most_common() if word.isalpha() and len(word) > 4]
    ordered = [word for word, _ in known]
    rare = [word for word, count in known if count <= 2]
    medium = ordered[len(ordered) // 50 : len(ordered) // 10]
    common = ordered[:20]
    pick: Callable[[Sequence[str], int], list[str]] = lambda some, count: dice.sample(some, min(count, len(some)))  # noqa: E731
    return {
        "rare": [f"{word} " for word in pick(rare, 8)],
        "medium": [f"{word} " for word in pick(medium, 8)],
        "common": [f"{word} " for word in pick(common, 8)],
        "phrase": [f'"{one} {two}"' for one, two in zip(pick(common, 8), pick(common, 8), strict=True)],
        "three letters": [word[:3] for word in pick(ordered[:2000], 8)],
        "beginning": [word[:-1] for word in pick([word for word in ordered[:5000] if 5 <= len(word) <= 8], 8)],
        "and": [f"{one} {two} " for one, two in zip(pick(common, 8), pick(medium, 8), strict=True)],
        "from": [f"von:person{number}" for number in dice.sample(range(400), 8)],
        "not": [f"{one} -{two}" for one, two in zip(pick(common, 8), pick(common, 8), strict=True)],
        "unread": [f"{word} ist:ungelesen" for word in pick(common, 8)],
        "days": [f"{word} nach:2023 vor:2024" for word in pick(common, 8)],
    }


def ask(reach: Reach, asked: Sequence[str], clock: Callable[[], float], *, ranked: bool) -> tuple[list[float], float]:
    """Seconds of each question, and how many hits a page had on average."""
    seconds, hits = [], 0
    for _ in range(ROUNDS):
        for query in asked:
            began = clock()
            page = find(reach, query, 50, None, ranked=ranked)
            seconds.append(clock() - began)
            hits += len(page.items)
    return seconds, hits / (ROUNDS * len(asked))


def table(reaches: Mapping[str, Reach], asked: Mapping[str, Sequence[str]], clock: Callable[[], float]) -> None:
    print(f"\n{'search p50/p95 ms':20}" + "".join(f"{name:>26}" for name in reaches))
    for ranked in (False, True):
        for name, queries in asked.items():
            cells = []
            for reach in reaches.values():
                seconds, hits = ask(reach, queries, clock, ranked=ranked)
                cells.append(f"{percentile(seconds, 0.5):8.1f} /{percentile(seconds, 0.95):7.1f} ({hits:3.0f})")
            print(
                f"{'ranked ' if ranked else ''}{name:{13 if ranked else 20}}" + "".join(f"{cell:>26}" for cell in cells)
            )


def notmuch(messages: int, asked: Mapping[str, Sequence[str]], mailbox: Path) -> None:
    (mailbox / "cur").mkdir(parents=True)
    for number, made in enumerate(itertools.islice(generate(SIZES["u100k"], 1), messages)):
        (mailbox / "cur" / f"{number}.bench:2,S").write_bytes(made.raw)
    configuration = mailbox.parent / "notmuch"
    configuration.write_text(f"[database]\npath={mailbox}\n[new]\ntags=\n[search]\nexclude_tags=\n", "utf-8")
    run = ["notmuch", f"--config={configuration}"]
    began = os.times()
    subprocess.run([*run, "new", "--quiet"], check=True)
    used = os.times()
    print(
        f"\nnotmuch new: {messages / (used.children_user + used.children_system - began.children_user - began.children_system):.0f} msg/s of one core"
    )
    for name in ("rare", "medium", "common", "phrase", "and"):
        seconds = []
        for query in asked[name] * 3:
            start = time.perf_counter()
            subprocess.run([*run, "search", "--output=messages", "--limit=50", query], check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        print(f"notmuch {name:12}{percentile(seconds, 0.5):8.1f} /{percentile(seconds, 0.95):7.1f}")


def dovecot(messages: int, asked: Mapping[str, Sequence[str]], scratch: Path) -> None:
    scratch.mkdir()
    server = Dovecot(CertificateAuthority(scratch).good())
    try:
        user = server.user("search")
        server.fill(user, (made.raw for made in itertools.islice(generate(SIZES["u100k"], 1), messages)))
        client = imaplib.IMAP4(server.host, server.imap_port)
        client.login(user.address, user.password)
        client.select("INBOX", readonly=True)
        print()
        for name in ("rare", "medium", "common", "phrase"):
            seconds = []
            for query in asked[name]:
                client.literal = query.strip('" ').encode()  # type: ignore[attr-defined]  # imaplib's way to send a string
                start = time.perf_counter()
                said, _ = client.uid("SEARCH", "CHARSET", "UTF-8", "TEXT")
                seconds.append(time.perf_counter() - start)
                assert said == "OK", query
            print(f"Dovecot {name:12}{percentile(seconds, 0.5):8.1f} /{percentile(seconds, 0.95):7.1f}")
        client.logout()
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the search index.")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--notmuch", type=int, default=0, metavar="N")
    parser.add_argument("--dovecot", type=int, default=0, metavar="N")
    parser.add_argument(
        "--cpu", action="store_true", help="processor time of searches instead of the clock: for a busy machine"
    )
    chosen = parser.parse_args()
    call_command("migrate", verbosity=0)
    ada = an_office()
    bob: Actor = a_person()
    grants = [{"user": "ada@amt.test", "rights": ["see", "administer"]}]
    big = a_folder(an_account(ada, "Groß", grants=grants))
    both = [*grants, {"user": "bob@amt.test", "rights": ["see"]}]
    small = a_folder(an_account(ada, "Klein", address="klein@amt.test", grants=both))
    words = build(big, small, chosen.messages)
    asked = questions(words)
    table(
        {"sees everything": ada.reach, "sees one hundredth": bob.reach},
        asked,
        time.thread_time if chosen.cpu else time.perf_counter,
    )
    if chosen.notmuch:
        notmuch(chosen.notmuch, asked, Path(HOME) / "mail")
    if chosen.dovecot:
        dovecot(chosen.dovecot, asked, Path(HOME) / "dovecot")


if __name__ == "__main__":
    main()
