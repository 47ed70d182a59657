"""Preferences at the counter: what the acting person has chosen for themselves. The fields are `mail.preferences.Preferences`."""

from __future__ import annotations

from collections.abc import Mapping

from poststelle.errors import Invalid, NotPermitted
from poststelle.mail.preferences import Preferences, changed
from poststelle.office import people
from poststelle.office.actor import Actor
from poststelle.store import preferences


def mine(actor: Actor) -> Preferences:
    """The acting person's own. Raises NotPermitted("people-only")."""
    return preferences.of(_person(actor))


def change(actor: Actor, changes: Mapping[str, object]) -> Preferences:
    """Change what is named and leave the rest; ``language`` (``de``, ``en``) may be among it. Null gives a default back.

    Raises Invalid naming the fields, NotPermitted("people-only").
    """
    person = _person(actor)
    given = dict(changes)
    language = given.pop("language", None)
    wrong: dict[str, str] = {}
    try:
        chosen = changed(preferences.of(person), given)
    except Invalid as error:
        wrong |= error.fields
    if language is not None and language not in people.LANGUAGES:
        wrong["language"] = "unknown-value"
    if wrong:
        raise Invalid(wrong)
    if isinstance(language, str):
        people.set_language(actor, language)
    if given:
        preferences.put(person, chosen)
    return chosen


def _person(actor: Actor) -> str:
    if actor.user is None:
        raise NotPermitted("people-only")
    return actor.user.id
