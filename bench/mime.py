"""Reading messages: our parser beside the standard library's, the same work on the same messages (PERFORMANCE goal 12).

The work: headers decoded, the text to be read, every attachment's name and bytes; in CPU seconds, rounds interleaved. What is
read: the generated mailbox `u5k`, or the files of a directory.

    python -m bench.mime [--messages 1000] [--mail DIRECTORY]
"""

from __future__ import annotations

import argparse
import email
import email.policy
import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage, Message
from pathlib import Path

from bench.mailbox import SIZES, generate
from poststelle.mail.message import body_text, parse, part_bytes

NAMES = ("subject", "from", "to", "cc", "date", "message-id")
GOALS = {"email, default policy": 12.0, "email, compat32": 5.0}
OURS = "poststelle"


def ours(raw: bytes) -> int:
    """How much was read, so that nobody skips it."""
    parsed = parse(raw)
    text = body_text(raw, parsed)
    return len(text) + sum(len(part_bytes(raw, part)) for part in parsed.attachments)


def default_policy(raw: bytes) -> int:
    """As its documentation says to read a message."""
    try:
        read = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        for name in NAMES:
            str(read[name])
        body = read.get_body(("plain", "html"))
        found = len(body.get_content()) if body else 0
        return found + sum(len(part.get_payload(decode=True) or b"") for part in read.iter_attachments())
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError, RecursionError):
        return 0  # it raises on some of what people send: that costs it nothing here


def compat32(raw: bytes) -> int:
    """The older way, which decodes no headers by itself."""
    try:
        read: Message = email.message_from_bytes(raw)
        for name in NAMES:
            str(read[name])
        found = 0
        for part in read.walk():
            if not part.is_multipart():
                payload = part.get_payload(decode=True)
                found += len(payload) if isinstance(payload, bytes) else 0
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return 0
    return found


READERS: Mapping[str, Callable[[bytes], int]] = {
    OURS: ours, "email, default policy": default_policy, "email, compat32": compat32,
}  # fmt: skip


def messages(mail: Path | None, count: int) -> Sequence[bytes]:
    """What is read."""
    if mail is not None:
        files = sorted(file for file in mail.rglob("*.eml") if file.is_file())
        return [file.read_bytes() for file in files[:: max(1, len(files) // count)]]
    made = itertools.islice(generate(SIZES["u5k"], 1), count)
    return [one.raw.replace(b"\n", b"\r\n") for one in made]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000)
    parser.add_argument("--mail", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    raws = messages(chosen.mail, chosen.messages)
    spent: dict[str, list[float]] = {name: [] for name in READERS}
    for _ in range(chosen.rounds):
        for name, read in READERS.items():
            began = time.process_time()
            for raw in raws:
                read(raw)
            spent[name].append(time.process_time() - began)
    took = {name: statistics.median(seconds) for name, seconds in spent.items()}
    print(f"{len(raws)} messages, {sum(map(len, raws)) / 1e6:.1f} MB, {chosen.rounds} rounds\n")
    print("| reader | messages a second of one core | ours is so many times as fast | goal |\n|---|---|---|---|")
    for name, seconds in took.items():
        ratio = f"{seconds / took[OURS]:.1f}" if name != OURS else ""
        goal = f"≥ {GOALS[name]:.0f}" if name in GOALS else ""
        print(f"| {name} | {len(raws) / seconds:.0f} | {ratio} | {goal} |")


if __name__ == "__main__":
    main()
