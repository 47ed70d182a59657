"""First synchronisation of a generated mailbox, Poststelle beside its peers on the same Dovecot, round by round.

Every contender starts with an empty destination and fetches everything over TLS with the certificate checked. Rounds are
interleaved, because machines are noisy; what counts are ratios of medians. Run from the checkout:

    python -m bench.first_sync u5k --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.mailbox import SIZES, fill
from tests.servers.ca import CertificateAuthority
from tests.servers.dovecot import Dovecot, User
from tests.servers.process import Account

MEASURE = Path(__file__).with_name("measure.py")

MBSYNC = """\
FSync {fsync}

IMAPAccount bench
Host localhost
Port {port}
User {user}
Pass "{password}"
SSLType IMAPS
CertificateFile {ca_file}

IMAPStore far
Account bench

MaildirStore near
Path {target}/
Inbox {target}/INBOX
SubFolders Verbatim

Channel bench
Far :far:
Near :near:
Patterns *
Create Near
Sync Pull
SyncState *
"""

NOTMUCH = """\
[database]
path={target}
[user]
name=Bench
primary_email=bench@bench.example
[new]
tags=new
ignore=.mbsyncstate;.uidvalidity
[maildir]
synchronize_flags=false
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to fetch from, and a scratch directory that survives until the end."""

    server: Dovecot
    user: User
    ca_file: Path
    scratch: Path
    messages: int

    def must_be_complete(self, found: int) -> None:
        """A contender that did not fetch everything is not measured."""
        if found != self.messages:
            raise SystemExit(f"{found} messages were fetched instead of {self.messages}")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: wall seconds, CPU seconds of it and its children, the largest process in MiB."""

    wall: float
    cpu: float
    rss: float


Contender = Callable[[Place], Cost]


def measured(*commands: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Cost:
    """Run the commands one after the other as one job. A command that fails ends the benchmark with its output."""
    os.sync()
    wall = cpu = rss = 0.0
    for command in commands:
        with tempfile.NamedTemporaryFile() as output:
            told = subprocess.run(
                [sys.executable, "-S", "-E", MEASURE, output.name, *map(str, command)],
                env=as_installed(environment or {}),
                check=True,
                capture_output=True,
            )
            used = json.loads(told.stdout)
            if used["code"]:
                said = Path(output.name).read_text(errors="replace")
                raise SystemExit(f"{command[0]} ended with {used['code']}:\n{said}")
        wall, cpu, rss = wall + used["wall"], cpu + used["cpu"], max(rss, used["rss"])
    return Cost(wall, cpu, rss)


def as_installed(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with these settings, in which Python finds its modules compiled, as an installation does."""
    whole = {
        **os.environ,
        **environment,
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "poststelle-bench-compiled"),
    }
    whole.pop("PYTHONDONTWRITEBYTECODE", None)
    return whole


def emptied(place: Place, name: str) -> Path:
    """An empty directory for a contender."""
    target = place.scratch / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    return target


def raw(place: Place) -> Cost:
    """Bytes read and thrown away."""
    words = [place.server.imaps_port, place.ca_file, place.user.address, place.user.password]
    return measured([sys.executable, "-m", "bench.raw_read", *map(str, words)])


def mbsync_command(place: Place, target: Path, *, fsync: str) -> list[str | Path]:
    configuration = target.with_suffix(".mbsyncrc")
    configuration.write_text(
        MBSYNC.format(
            fsync=fsync,
            port=place.server.imaps_port,
            user=place.user.address,
            password=place.user.password,
            ca_file=place.ca_file,
            target=target,
        )
    )
    return ["mbsync", "-q", "-c", configuration, "-a"]


def mbsync(place: Place, *, fsync: str = "yes") -> Cost:
    """As it comes: every message is made durable."""
    target = emptied(place, "mbsync")
    cost = measured(mbsync_command(place, target, fsync=fsync))
    place.must_be_complete(sum(1 for file in target.rglob("*,U=*") if file.is_file()))
    return cost


def mbsync_without_fsync(place: Place) -> Cost:
    """Not durable."""
    return mbsync(place, fsync="no")


def mbsync_and_notmuch(place: Place) -> Cost:
    """Searchable, not durable."""
    target = emptied(place, "notmuch")
    configuration = place.scratch / "notmuch.config"
    configuration.write_text(NOTMUCH.format(target=target))
    notmuch = ["notmuch", f"--config={configuration}"]
    cost = measured(mbsync_command(place, target, fsync="no"), [*notmuch, "new", "--quiet", "--no-hooks"])
    counted = subprocess.run([*notmuch, "count", "--output=files", "*"], check=True, capture_output=True, text=True)
    place.must_be_complete(int(counted.stdout))
    return cost


def poststelle(place: Place) -> Cost:
    """Durable and searchable, without the words of attachments, which are read when no more mail comes (notmuch reads none).

    The data folder and the account are made before the clock starts.
    """
    home = emptied(place, "poststelle")
    command = [sys.executable, "-c", "import sys; from poststelle.run.cli import main; sys.exit(main())"]
    environment = {
        "POSTSTELLE_HOME": str(home),
        "POSTSTELLE_CA_FILE": str(place.ca_file),
        "POSTSTELLE_EGRESS_ALLOW": "127.0.0.0/8",
        "PYTHONPATH": str(Path(__file__).parents[1] / "src"),
    }
    account = {
        "label": "bench",
        "kind": "synchronised",
        "scope": "shared",
        "address": place.user.address,
        "incoming": {"protocol": "imap", "host": "localhost", "port": place.server.imaps_port, "encryption": "tls"},
        "login": {"username": place.user.address, "password": place.user.password},
    }
    words = ["init", "--office", "Bench", "--admin-email", "admin@bench.example", "--admin-name", "Bench"]
    for words_of, given in (
        ([*words, "--admin-password-stdin", "--language", "en"], "ein langes Kennwort zum Messen\n"),
        (["account", "add", "--json", "-"], json.dumps(account)),
    ):
        subprocess.run(
            [*command, *words_of],
            input=given,
            text=True,
            check=True,
            capture_output=True,
            env=as_installed(environment),
        )
    cost = measured([*command, "sync", "bench", "--once", "--json"], environment=environment)
    shown = subprocess.run(
        [*command, "account", "show", "bench", "--json"],
        check=True,
        capture_output=True,
        env=as_installed(environment),
    )
    place.must_be_complete(json.loads(shown.stdout)["held"])
    return cost


CONTENDERS: Mapping[str, Contender] = {
    "raw TLS, discarded": raw,
    "mbsync, FSync no (no index)": mbsync_without_fsync,
    "mbsync, FSync yes (its default, no index)": mbsync,
    "mbsync FSync no + notmuch new": mbsync_and_notmuch,
    "poststelle sync --once": poststelle,
}
OURS = "poststelle sync --once"
GOALS = {
    "mbsync FSync no + notmuch new": 0.12,
    "raw TLS, discarded": 1.4,
    "mbsync, FSync yes (its default, no index)": 0.7,
}


def report(costs: Mapping[str, Sequence[Cost]]) -> str:
    """A Markdown table: medians, and how Poststelle's wall time compares with each peer's."""
    lines = [
        "| contender | wall s (min–max) | CPU s | peak RSS MiB | poststelle / this | goal |",
        "|---|---|---|---|---|---|",
    ]
    ours = statistics.median(cost.wall for cost in costs[OURS]) if costs.get(OURS) else None
    for name, runs in costs.items():
        walls = [cost.wall for cost in runs]
        wall, cpu = statistics.median(walls), statistics.median(cost.cpu for cost in runs)
        ratio = f"{ours / wall:.2f}" if ours and name != OURS else ""
        goal = f"≤ {GOALS[name]}" if name in GOALS else ""
        rss = max(cost.rss for cost in runs)
        lines.append(
            f"| {name} | {wall:.2f} ({min(walls):.2f}–{max(walls):.2f}) | {cpu:.2f} | {rss:.0f} | {ratio} | {goal} |"
        )
    return "\n".join(lines)


def hand_over(directory: Path) -> None:
    """Give the mailbox to the account Dovecot runs as."""
    account = Account.without_rights()
    for path in (directory, *directory.rglob("*")):
        account.owns(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=sorted(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=sorted(CONTENDERS), help="may be given several times")
    parser.add_argument("--scratch", type=Path, help="directory on the disk to be measured (default: the system's)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poststelle-bench-", dir=chosen.scratch) as scratch:
        place_directory = Path(scratch)
        ca = CertificateAuthority(place_directory)
        server = Dovecot(ca.good())
        try:
            user = server.user(chosen.size)
            total = fill(server.maildir(user), SIZES[chosen.size])
            hand_over(server.directory / "mail")
            place = Place(server, user, ca.ca_file, place_directory, SIZES[chosen.size].messages)
            raw(place)  # Dovecot builds its index once, before anybody is measured
            costs: dict[str, list[Cost]] = {name: [] for name in chosen.only or CONTENDERS}
            for number in range(chosen.rounds):
                for name, runs in costs.items():
                    runs.append(CONTENDERS[name](place))
                    print(f"round {number + 1}, {name}: {runs[-1].wall:.2f} s", file=sys.stderr)
        finally:
            server.stop()
    print(f"{chosen.size}: {SIZES[chosen.size].messages} messages, {total / 1e6:.0f} MB, {chosen.rounds} rounds\n")
    print(report(costs))


if __name__ == "__main__":
    main()
