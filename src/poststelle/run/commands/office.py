"""``init``, ``user``, ``session``, ``second-factor`` and ``token``."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict

from poststelle.office import departures, invitations, people, second_factors, sessions, tokens
from poststelle.office.actor import SYSTEM
from poststelle.run.commands.terminal import read_password, say, say_json, say_table
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


def change_user(given: argparse.Namespace, _: Configuration) -> int:
    """Prints address and id; what is not named stays."""
    user = people.change(SYSTEM, given.email, name=given.name, email=given.new_email, administrator=given.administrator)
    say(f"{user.email} {user.id}")
    return 0


def invite(given: argparse.Namespace, configuration: Configuration) -> int:
    """Prints the link; the office account mails it, where there is one."""
    invited = invitations.invite(SYSTEM, email=given.email, name=given.name, administrator=given.admin)
    say(f"{invited.user.email} {invitations.link(invited.token, configuration.place)}")
    return 0


def new_password(given: argparse.Namespace, configuration: Configuration) -> int:
    """Prints the link."""
    say(invitations.link(invitations.renew(SYSTEM, given.email).token, configuration.place))
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


def add_service(given: argparse.Namespace, _: Configuration) -> int:
    """Prints the program's id."""
    user = people.add_service(SYSTEM, email=given.email, name=given.name)
    say(f"{user.email} {user.id}")
    return 0


def list_users(given: argparse.Namespace, _: Configuration) -> int:
    """People with what they have beside the password, blocked ones last: all, or those that words and kind are true of."""
    rows = []
    for only in [given.only] if given.only else ["", "blocked"]:
        state = "blocked" if only == "blocked" else "active"
        for user in people.users(SYSTEM, given.words, only):
            has = second_factors.of(SYSTEM, user.id) if state == "active" else None
            factors = [] if has is None else [*(["app"] if has.authenticator else []), *["passkey"] * len(has.passkeys)]
            rows.append(asdict(user) | {"state": state, "second_factors": factors})
    if given.json:
        say_json(rows)
    elif rows:
        kinds = ("administrator" if one["is_administrator"] else "program" if one["is_service"] else "" for one in rows)
        say_table([
            (one["email"], one["name"], one["state"], kind, " ".join(map(str, one["second_factors"])))
            for one, kind in zip(rows, kinds, strict=True)
        ])  # fmt: skip
    return 0


def reset_factors(given: argparse.Namespace, _: Configuration) -> int:
    """Second factors gone, logged out everywhere."""
    second_factors.reset(SYSTEM, given.email)
    sessions.end_all(SYSTEM, given.email)
    return 0


def require_factors(given: argparse.Namespace, _: Configuration) -> int:
    """Prints who must have one now."""
    if given.everybody or given.group or given.nobody:
        rule = second_factors.require(SYSTEM, everybody=given.everybody, groups_named=given.group)
    else:
        rule = second_factors.rule(SYSTEM)
    say("everybody" if rule.everybody else ", ".join(group.name for group in rule.groups) or "nobody")
    return 0


def try_sign_on(given: argparse.Namespace, _: Configuration) -> int:
    """Says at once what it finds; 1 where something does not work."""
    return asyncio.run(_sign_on_tried(as_json=given.json_lines))


async def _sign_on_tried(*, as_json: bool) -> int:
    from poststelle.api.steps import ProbeStep
    from poststelle.office import identity_provider

    result = 0
    async for step in identity_provider.test(SYSTEM):
        result = 1 if step.state == "failed" else result
        told = ProbeStep.of(step)
        say(
            told.model_dump_json()
            if as_json
            else " ".join(filter(None, (step.name, step.state, told.title, told.advice)))
        )
    return result


def list_sessions(given: argparse.Namespace, _: Configuration) -> int:
    """Where somebody is logged in."""
    records = sessions.of(SYSTEM, given.email)
    if given.json:
        say_json([asdict(record) for record in records])
    elif records:
        say_table([
            (one.id, " ".join(filter(None, sessions.device(one.agent))), one.address, one.seen_at) for one in records
        ])  # fmt: skip
    return 0


def end_sessions(given: argparse.Namespace, _: Configuration) -> int:
    """Prints how many there were."""
    say(sessions.end_all(SYSTEM, given.email))
    return 0


def add_token(given: argparse.Namespace, _: Configuration) -> int:
    """Prints the token: this once."""
    token, _record = tokens.make(SYSTEM, given.user, given.name, scopes=given.scope or None, days=given.days)
    say(token)
    return 0


def list_tokens(given: argparse.Namespace, _: Configuration) -> int:
    """A person's tokens, without their secrets."""
    records = tokens.of(SYSTEM, given.user)
    if given.json:
        say_json([asdict(record) for record in records])
    elif records:
        say_table([(one.id, one.name, " ".join(one.scopes), one.expires_at, one.used_at) for one in records])
    return 0


def revoke_token(given: argparse.Namespace, _: Configuration) -> int:
    """By its id."""
    tokens.revoke(SYSTEM, given.user, given.token)
    return 0
