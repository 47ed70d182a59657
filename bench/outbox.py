"""Thousands of queued messages: writing them, queueing them, sending them over one connection (PERFORMANCE goal 15).

Into a sink that keeps nothing (`bench.smtp`). Taken are the milliseconds a message costs by the clock and in CPU:

- *composed*: its bytes made, beside `email.message.EmailMessage`;
- *queued*: handed in as a person does it, right checked, composed, kept and durable;
- *sent*: taken from the queue, claimed, handed over, its answer kept: three commits, each durable before the next step, because
  nothing may be sent twice (RELIABILITY Q20);
- *bare*: the same sender without a queue.

    python -m bench.outbox [--messages 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Any

HOME = tempfile.mkdtemp(prefix="poststelle-bench-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ |= {
    "POSTSTELLE_HOME": HOME, "DJANGO_SETTINGS_MODULE": "poststelle.run.settings", "POSTSTELLE_EGRESS_ALLOW": "127.0.0.0/8",
}  # fmt: skip

import django  # noqa: E402

django.setup()

import uvloop  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from bench.smtp import RAW, bare, serve  # noqa: E402
from bench.smtp import ours as bare_sender  # noqa: E402
from poststelle.mail import compose  # noqa: E402
from poststelle.mail.address import Address  # noqa: E402
from poststelle.office import accounts, outbox, sending  # noqa: E402
from poststelle.office.actor import Actor  # noqa: E402
from poststelle.office.doors import NetworkDoors  # noqa: E402
from poststelle.office.egress import rule  # noqa: E402
from tests.builders import an_office  # noqa: E402

TEXT = RAW.partition(b"\r\n\r\n")[2].decode()


def timed(name: str, count: int, work: Callable[[], object]) -> float:
    """Do it; print and return the milliseconds a message took."""
    began, spent = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - began, time.process_time() - spent
    print(f"| {name} | {wall / count * 1000:.3f} | {cpu / count * 1000:.3f} | {count / wall:.0f} |", flush=True)
    return wall / count * 1000


def composed() -> None:
    """One message of ours."""
    compose.compose(
        compose.Draft(
            sender=Address("A", "a@bench.example"), to=(Address("B", "b@bench.example"),), subject="Messung", text=TEXT
        )
    )


def composed_by_the_library() -> None:
    """The same by `email`."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "A <a@bench.example>", "B <b@bench.example>", "Messung"
    made.set_content(TEXT)
    made.as_bytes()


def queue(actor: Actor, account: str, count: int) -> None:
    """Hand in so many."""
    for number in range(count):
        outbox.submit(
            actor, outbox.Draft(account, to=(f"b{number}@bench.example",), subject=f"Messung {number}", text=TEXT)
        )


def send_all() -> None:
    """Everything that is due, as the engine does it."""
    writer = ThreadPoolExecutor(max_workers=1)

    def write(function: Callable[..., Any], *arguments: Any) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(writer, function, *arguments)

    async def whole() -> None:
        for numbers in (await write(sending.due)).values():
            async with sending.Line(NetworkDoors(rule), write) as line:
                for number in numbers:
                    await sending.send(number, line, write)
        await write(lambda: connection.close())  # noqa: PLW0108 - the thread that runs it has one of its own

    while sending.due():
        uvloop.run(whole())
    writer.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    count = parser.parse_args().messages
    receiving, telling = multiprocessing.Pipe(duplex=False)
    sink = multiprocessing.Process(target=serve, args=(telling,), daemon=True)
    sink.start()
    port = receiving.recv()
    call_command("migrate", verbosity=0)
    ada = an_office()
    made = accounts.add(
        ada,
        {
            "label": "bench", "kind": "send-only", "address": "a@bench.example",
            "outgoing": {"protocol": "smtp", "host": "127.0.0.1", "port": port, "encryption": "none", "plain_text_allowed": True},
            "grants": [{"user": "ada@amt.test", "rights": ["see", "process", "send-as", "administer"]}],
        },
    )  # fmt: skip
    print("| step | ms each | CPU ms each | a second |\n|---|---|---|---|")
    ours = timed("composed", count, lambda: [composed() for _ in range(count)])
    library = timed(
        "composed by EmailMessage", count // 5, lambda: [composed_by_the_library() for _ in range(count // 5)]
    )
    queued = timed("queued", count, lambda: queue(ada, made.id, count))
    sent = timed("sent from the queue", count, send_all)
    alone = timed("sent bare, same sender", count, lambda: bare_sender([str(port), str(count)]))
    peer = timed("sent bare, aiosmtplib", count, lambda: bare([str(port), str(count)]))
    print(f"\ncomposing: {library / ours:.1f} × EmailMessage (goal ≥ 3)")
    print(f"bare: {peer / alone:.2f} × aiosmtplib (goal ≥ 0.9)")
    print(
        f"from the queue: {sent / peer:.2f} × the time of aiosmtplib; queueing {queued / peer:.2f} × (goal: both less than 0.2 more)"
    )
    sink.terminate()


if __name__ == "__main__":
    main()
