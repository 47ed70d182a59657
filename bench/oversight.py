"""How fast the lists of a large office come: 2,000 mailboxes, 500 people, 20 groups, a tenth of the people with grants of their own.

    python -m bench.oversight [--accounts 2000] [--people 500]

Server time of the whole page through Django, in milliseconds of processor time, which other work on the machine does not change, for
an administrator and for somebody with ten mailboxes.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

HOME = tempfile.mkdtemp(prefix="poststelle-bench-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ |= {"POSTSTELLE_HOME": HOME, "DJANGO_SETTINGS_MODULE": "poststelle.run.settings"}

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from poststelle.mail.secret import Secret  # noqa: E402
from poststelle.office import accounts, letters, people  # noqa: E402
from poststelle.office.actor import SYSTEM, Actor  # noqa: E402
from poststelle.run.asgi import COLLECTED  # noqa: E402
from poststelle.store import models  # noqa: E402

GOAL = 100
GROUPS, ROUNDS = 20, 40
PAGES = {
    "mailboxes": "/mailboxes/",
    "mailboxes, all of the office": "/mailboxes/?all=1",
    "mailboxes, looked for": "/mailboxes/?q=postfach+17",
    "rights": "/mailboxes/rights/",
    "rights, one person": "/mailboxes/rights/?who=person+17",
    "rights, further on": "/mailboxes/rights/?from=200",
    "rights of one mailbox": "/mailboxes/{account}/rights/",
    "mailbox": "/mailboxes/{account}/",
    "log-ins": "/mailboxes/logins/",
    "groups": "/mailboxes/groups/",
    "exceptions": "/mailboxes/exceptions/",
    "health": "/health/",
    "ledger": "/ledger/",
    "journal": "/journal/",
    "people": "/people/",
    "write": "/write/",
}


def an_office(accounts_wanted: int, people_wanted: int) -> tuple[Actor, Actor]:
    """The administrator and somebody else."""
    call_command("migrate", verbosity=0, interactive=False)
    owner = Actor(
        people.set_up(
            SYSTEM,
            office="Amt",
            language="de",
            email="p0@amt.test",
            name="Person 0",
            password=Secret("correct horse battery staple"),
        )
    )
    pool, dice = owner.reach.pool, random.Random(1)
    users = models.User.objects.bulk_create(
        models.User(email=f"p{n}@amt.test", name=f"Person {n}", pool_id=pool, password="!")
        for n in range(1, people_wanted)
    )
    groups = models.Group.objects.bulk_create(models.Group(pool_id=pool, name=f"Gruppe {n:02}") for n in range(GROUPS))
    for group in groups:
        group.members.set(dice.sample(users, len(users) // 10))
    logins = models.Login.objects.bulk_create(
        models.Login(pool_id=pool, username=f"a{n}") for n in range(accounts_wanted)
    )
    rows = models.Account.objects.bulk_create(
        models.Account(
            pool_id=pool,
            label=f"Postfach {n:04}",
            address=f"a{n}@amt.test",
            incoming_protocol="imap",
            login=login,
            incoming_host="mail.amt.test",
            incoming_port=993,
            incoming_encryption="tls",
            outgoing_protocol="smtp",
            outgoing_host="mail.amt.test",
            outgoing_port=465,
            outgoing_encryption="tls",
        )
        for n, login in enumerate(logins)
    )
    models.Folder.objects.bulk_create(
        models.Folder(account=row, remote_id=name, path=[name], total=100) for row in rows for name in ("INBOX", "Sent")
    )
    assert owner.user is not None
    everything = {"see": True, "process": True, "send_as": True, "send_on_behalf": True, "administer": True}
    grants = [models.Grant(account=row, user_id=owner.user.id, **everything) for row in rows]
    grants += [models.Grant(account=row, group=dice.choice(groups), see=True, process=True) for row in rows]
    grants += [
        models.Grant(account=dice.choice(rows), user=user, see=True, send_as=True) for user in users for _ in range(3)
    ]
    clerk = users[0]
    grants += [models.Grant(account=row, user=clerk, **everything) for row in rows[:10]]
    models.Grant.objects.bulk_create(grants)
    return owner, people.actor_named(clerk.email)


def measured(name: str, ask: Callable[[], Any]) -> None:
    """One line of the table."""
    ask()
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        ask()
        times.append((time.process_time() - began) * 1000)
    times.sort()
    print(f"| {name} | {times[len(times) // 2]:.1f} | {times[int(len(times) * 0.95)]:.1f} | {GOAL} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--people", type=int, default=500)
    chosen = parser.parse_args()
    settings.ALLOWED_HOSTS = ["*"]
    both = an_office(chosen.accounts, chosen.people)
    # As the web does once it has started.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)
    for who, actor in zip(("administrator", "clerk"), both, strict=True):
        assert actor.user is not None
        browser = Client()
        browser.force_login(
            models.User.objects.get(pk=actor.user.id), "allauth.account.auth_backends.AuthenticationBackend"
        )
        print(f"\n| {who} | p50 ms | p95 ms | goal |\n|---|---|---|---|")
        first = models.Account.objects.order_by("label").first()
        assert first is not None
        for name, pattern in PAGES.items():
            address = pattern.format(account=first.pk)
            if browser.get(address).status_code == 200:
                measured(
                    name,
                    lambda address=address, browser=browser: browser.get(
                        address, headers={"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "x#main"}
                    ),
                )  # type: ignore[misc]
        measured("senders", lambda actor=actor: letters.senders(actor))  # type: ignore[misc]
        measured("accounts one may send from", lambda actor=actor: accounts.senders(actor))  # type: ignore[misc]


if __name__ == "__main__":
    main()
