"""``init``, ``user`` and ``token``."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from poststelle.office import departures, invitations, people
from poststelle.office.actor import SYSTEM
from poststelle.run.commands.terminal import read_password, say, say_table
from poststelle.run.configuration import Configuration
from poststelle.run.data_folder import prepare


def init(given: argparse.Namespace, configuration: Configuration) -> int:
    """Everything a fresh installation needs. Raises Conflict("already-set-up") the second time."""
    prepare(configuration.home)
    people.set_up(
        SYSTEM,
        office=given.office,
        language=given.language,
        email=given.admin_email,
        name=given.admin_name,
        password=read_password(),
    )
    say(configuration.home)
    return 0


def add_user(given: argparse.Namespace, _: Configuration) -> int:
    """Prints the new person's id."""
    user = people.add_user(
        SYSTEM, email=given.email, name=given.name, password=read_password(), administrator=given.admin
    )
    say(f"{user.email} {user.id}")
    return 0


def invite(given: argparse.Namespace, _: Configuration) -> int:
    """Prints the link; the office account mails it, where there is one."""
    invited = invitations.invite(SYSTEM, email=given.email, name=given.name, administrator=given.admin)
    say(f"{invited.user.email} {invitations.link(invited.token)}")
    return 0


def block(given: argparse.Namespace, _: Configuration) -> int:
    """Out at once, tokens included."""
    departures.block(SYSTEM, given.email)
    return 0


def unblock(given: argparse.Namespace, _: Configuration) -> int:
    """In again, with the old password."""
    departures.unblock(SYSTEM, given.email)
    return 0


def leave(given: argparse.Namespace, _: Configuration) -> int:
    """Prints how much went to the heir."""
    say_table(list(asdict(departures.depart(SYSTEM, given.email, given.heir)).items()))
    return 0


def add_token(given: argparse.Namespace, _: Configuration) -> int:
    """Prints the token: this once."""
    say(people.add_token(SYSTEM, given.user, given.name))
    return 0
