"""What a fetched mailbox takes on disk beside the Maildir it came from (PERFORMANCE goal 13).

The bytes of the mail (segments), the rows (`poststelle.db`) and the search index (`search.db`), after one `sync --once` and a
checkpoint of both databases, as `du` counts, beside `du` of the Maildir; and the index beside the text it was made of. The
mailbox is a generated one, or every `.eml` file of a directory.

    python -m bench.disk [u5k] [--mail DIRECTORY]
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from bench.first_sync import hand_over
from bench.mailbox import SIZES, fill
from tests.journeys.office import Installation
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot

TABLES = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 6"


def used(*paths: Path) -> int:
    """Bytes of disk blocks."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", nargs="?", choices=sorted(SIZES), default="u5k")
    parser.add_argument("--mail", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-") as scratch:
        ca = CertificateAuthority(Path(scratch))
        server = Dovecot(ca.good())
        try:
            user = server.user("disk")
            if chosen.mail is None:
                fill(server.maildir(user), SIZES[chosen.size])
            else:
                files = sorted(file for file in chosen.mail.rglob("*.eml") if file.is_file())
                server.fill(user, (file.read_bytes() for file in files))
            hand_over(server.directory / "mail")
            maildir = used(*server.maildir(user).rglob("cur/*"), *server.maildir(user).rglob("new/*"))
            installation = Installation(Path(scratch) / "home", ca)
            installation.init()
            installation.add_mailbox("disk", user, server)
            installation.run("sync", "disk", "--once")
        finally:
            server.stop()
        report(installation.home, maildir)


def report(home: Path, maildir: int) -> None:
    """Print the table."""
    rows, index = home / "poststelle.db", home / "search.db"
    largest: list[tuple[str, int]] = []
    for path in (rows, index):
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if path == index:
                largest = database.execute(TABLES).fetchall()
    with closing(sqlite3.connect(rows)) as database:
        count, raw = database.execute("SELECT count(*), sum(size) FROM store_message").fetchone()
    parts = {"bytes of the mail": used(home / "segments"), "rows": used(rows), "search index": used(index)}
    whole = sum(parts.values())
    print(f"{count} messages of {raw / 1e6:.0f} MB; Maildir {maildir / 1e6:.0f} MB\n")
    print("| on disk | MB | / Maildir | goal |\n|---|---|---|---|")
    for name, size in parts.items():
        print(f"| {name} | {size / 1e6:.1f} | {size / maildir:.3f} | |")
    print(f"| together | {whole / 1e6:.1f} | {whole / maildir:.3f} | ≤ 0.70 |")
    print("\nsearch.db: " + ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in largest))


if __name__ == "__main__":
    main()
