"""What the action bar does, for some messages and for whole lists, and taking it back."""

from __future__ import annotations

import json
import re

from poststelle.mail.ports import FLAGGED, SEEN, Role
from poststelle.office import reading, work
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.web.visitor import Visitor, text_of

PART = {"HX-Request": "true", "HX-Request-Type": "partial"}


def act(visitor: Visitor, verb: str, **fields: object) -> tuple[str, list[str]]:
    """What the note says, and the tokens with which it can be undone."""
    answer = visitor.client.post("/mail/handle/", {"verb": verb} | fields, headers=PART)
    assert answer.status_code == 200, answer.content
    return text_of(answer.content.decode()), answer["X-Undo"].split()


def listed(visitor: Visitor, folder: str) -> set[str]:
    return {row.subject for row in reading.page(visitor.actor, folder).items}


def test_a_deletion_is_done_at_once_and_taken_back_with_its_token(ada: Visitor) -> None:
    account = an_account(ada.actor)
    inbox, trash = a_folder(account), a_folder(account, "Trash", role=Role.TRASH)
    letters = [a_message_in(inbox, a_letter(f"Brief {number}")) for number in range(3)]
    told, tokens = act(ada, "delete", ids=[letter.id for letter in letters[:2]])
    assert told.startswith("2 messages deleted.")
    assert listed(ada, inbox.id) == {"Brief 2"}
    assert listed(ada, trash.id) == {"Brief 0", "Brief 1"}
    answer = ada.client.post("/mail/undo/", {"token": tokens}, headers=PART)
    assert "Taken back: 2 messages" in text_of(answer.content.decode())
    assert listed(ada, inbox.id) == {"Brief 0", "Brief 1", "Brief 2"}


def test_everything_in_a_list_means_also_what_no_page_has_shown(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    for number in range(60):
        a_message_in(folder, a_letter(f"Brief {number}"), flags=[FLAGGED] if number < 55 else [])
    where, only = f"folder:{folder.id}", "flagged"
    chosen = json.loads(ada.get(f"/mail/choose/?where={where}&only={only}").content)["ids"]
    assert len(chosen) == 55
    told, _ = act(ada, "read", everything="1", where=where, only=only)
    assert told.startswith("55 messages marked as read.")
    assert reading.folder(ada.actor, folder.id).unread == 5


def test_portions_are_told_and_undone_as_one(ada: Visitor) -> None:
    account = an_account(ada.actor)
    inbox, archive = a_folder(account), a_folder(account, "Archive", role=Role.ARCHIVE)
    first, second = (a_message_in(inbox, a_letter(f"Brief {number}")) for number in range(2))
    _, tokens = act(ada, "archive", ids=first.id)
    told, tokens = act(ada, "archive", ids=second.id, so_far="1", token=tokens)
    assert told.startswith("2 messages archived.")
    assert len(tokens) == 2
    assert len(listed(ada, archive.id)) == 2
    ada.client.post("/mail/undo/", {"token": tokens}, headers=PART)
    assert len(listed(ada, inbox.id)) == 2


def test_a_thread_stands_for_its_messages_in_that_list_only(ada: Visitor) -> None:
    account = an_account(ada.actor)
    inbox, other = a_folder(account), a_folder(account, "Andere")
    first = a_letter("Termin")
    number = re.search(rb"Message-ID: (<[^>]+>)", first)
    assert number
    headers = {"References": number[1].decode()}
    earlier, elsewhere = a_message_in(inbox, first), a_message_in(other, a_letter("Re: Termin", headers=headers))
    latest = a_message_in(inbox, a_letter("Re: Termin", headers=headers))
    act(ada, "read", ids=latest.id, threads="1", where=f"folder:{inbox.id}")
    flags = [reading.placement(ada.actor, one.id).flags for one in (earlier, latest, elsewhere)]
    assert [SEEN in some for some in flags] == [True, True, False]


def test_moving_names_the_folder_and_tags_are_made_by_name(ada: Visitor) -> None:
    account = an_account(ada.actor)
    inbox, target = a_folder(account), a_folder(account, "Mandanten")
    letter = a_message_in(inbox)
    told, _ = act(ada, "tag", ids=letter.id, name="Eilig")
    assert told.startswith("1 message tagged.")
    assert [one.name for one in work.offered_tags(ada.actor)] == ["Eilig"]
    told, _ = act(ada, "move", ids=letter.id, target=target.id)
    assert told.startswith("1 message moved: Mandanten")
    assert len(listed(ada, target.id)) == 1


def test_without_a_script_the_page_comes_back_with_a_note_and_an_undo(ada: Visitor) -> None:
    folder = a_folder(an_account(ada.actor))
    letter = a_message_in(folder)
    answer = ada.post("/mail/handle/", verb="flag", ids=letter.id, back=f"/mail/f/{folder.id}/")
    assert answer["Location"] == f"/mail/f/{folder.id}/"
    page = ada.page(f"/mail/f/{folder.id}/")
    assert "1 message starred." in text_of(page)
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token
    ada.post("/mail/undo/", token=token[1])
    assert FLAGGED not in reading.placement(ada.actor, letter.id).flags


def test_who_may_only_see_can_do_nothing_and_strangers_find_nothing(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor, grants=[
        {"user": ada.user.email, "rights": ["see", "process", "administer"]}, {"user": bob.user.email, "rights": ["see"]},
    ])  # fmt: skip
    letter = a_message_in(a_folder(account))
    hidden = a_message_in(a_folder(an_account(ada.actor, "Geheim")))
    for verb in ("read", "delete", "archive", "spam", "flag"):
        assert bob.post("/mail/handle/", verb=verb, ids=letter.id).status_code == 403, verb
        assert bob.post("/mail/handle/", verb=verb, ids=hidden.id).status_code == 404, verb
    assert bob.get(f"/mail/choose/?where=folder:{hidden.folder_id}").status_code == 404


def test_nonsense_is_refused_in_words(ada: Visitor) -> None:
    letter = a_message_in(a_folder(an_account(ada.actor)))
    assert ada.post("/mail/handle/", verb="burn", ids=letter.id).status_code == 400
    assert ada.post("/mail/handle/", verb="tag", ids=letter.id, keyword="\\Deleted").status_code == 400
    assert ada.post("/mail/handle/", verb="read", ids="nobody").status_code == 404
    assert ada.post("/mail/handle/", verb="read", ids=letter.id, where="nowhere").status_code == 400
    assert ada.post("/mail/handle/", verb="move", ids=letter.id, target="x").status_code == 404
    assert ada.post("/mail/undo/", token="x").status_code == 404


def test_where_no_archive_is_there_one_is_offered_made_and_used_and_the_move_taken_back(ada: Visitor) -> None:
    account = an_account(ada.actor)
    inbox = a_folder(account)
    letter = a_message_in(inbox, a_letter("Brief"))
    offer = ada.client.post("/mail/handle/", {"verb": "archive", "ids": letter.id}, headers=PART)
    assert (offer.status_code, offer["X-Offer"], offer["X-Count"]) == (200, "create", "0")
    assert "This mailbox has no folder “Archive” yet." in text_of(offer.content.decode())
    assert listed(ada, inbox.id) == {"Brief"}, "nothing is done before somebody agrees"
    told, tokens = act(ada, "archive", ids=letter.id, create="1")
    assert told.startswith("1 message archived.")
    (archive,) = [one for one in reading.folders(ada.actor, account.id) if one.role is Role.ARCHIVE]
    assert listed(ada, archive.id) == {"Brief"}
    ada.client.post("/mail/undo/", {"token": tokens}, headers=PART)
    assert listed(ada, inbox.id) == {"Brief"}


def test_without_the_right_to_process_no_folder_is_offered(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor, grants=[
        {"user": ada.user.email, "rights": ["see", "administer"]}, {"user": bob.user.email, "rights": ["see"]},
    ])  # fmt: skip
    letter = a_message_in(a_folder(account))
    for create in ("", "1"):
        answer = bob.client.post("/mail/handle/", {"verb": "archive", "ids": letter.id, "create": create}, headers=PART)
        assert answer.status_code == 403
    assert not [one for one in reading.folders(ada.actor, account.id) if one.role is Role.ARCHIVE]


def test_without_a_script_a_missing_archive_is_a_refusal_that_says_what_to_do(ada: Visitor) -> None:
    letter = a_message_in(a_folder(an_account(ada.actor)))
    answer = ada.client.post("/mail/handle/", {"verb": "archive", "ids": letter.id})
    assert answer.status_code == 409
    assert "Set one of its folders up for it" in text_of(answer.content.decode())
