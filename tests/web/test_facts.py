"""What a journal entry knows, as people read it."""

from __future__ import annotations

from django.utils.translation import override

from poststelle.web import facts


def test_facts_are_said_in_the_readers_language_and_ids_for_machines_are_left_out() -> None:
    known = {"count": 3, "first": "0198", "last": "0199", "administrator": False, "left": [], "unheard_of": "x"}
    with override("en"):
        assert facts.told(known) == "number: 3, administrator: no, unheard_of: x"


def test_rights_causes_and_states_are_said_in_words() -> None:
    known = {
        "code": "login-rejected",
        "state": "sent",
        "changes": [{"user": "bob@amt.test", "gained": ["see", "process"], "to_oneself": True}],
    }
    with override("en"):
        assert facts.told(known) == (
            "cause: User name or password is wrong, state: Sent, changes: person: bob@amt.test, given: see, process"
        )


def test_a_long_list_ends_somewhere() -> None:
    assert len(facts.told({"joined": ["someone@amt.test"] * 1_000})) == 300
