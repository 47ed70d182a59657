"""``init``, ``user`` and ``token``."""

from __future__ import annotations

import argparse

from poststelle.office import people
from poststelle.office.actor import SYSTEM
from poststelle.run.commands.terminal import read_password, say
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


def add_token(given: argparse.Namespace, _: Configuration) -> int:
    """Prints the token: this once."""
    say(people.add_token(SYSTEM, given.user, given.name))
    return 0
