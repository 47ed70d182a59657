"""Writing, replying, forwarding, and the outbox."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from poststelle.office import accounts, outbox, preferences
from poststelle.office.actor import SYSTEM
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.web.visitor import Visitor, text_of

FORM = {
    "to": "Eva Groß <eva@kunde.test>, max@kunde.test", "cc": "", "bcc": "", "subject": "Frist", "text": "Guten Tag",
    "key": "4f1c", "draft": "new", "back": "/outbox/", "answers": "", "forwards": "",
}  # fmt: skip


def value_of(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', page)
    assert found, name
    return found[1]


def test_a_letter_is_queued_and_one_is_back_where_one_was(ada: Visitor) -> None:
    account = an_account(ada.actor)
    response = ada.client.post("/write/", FORM | {"account": account.id}, follow=True)
    assert response.redirect_chain == [("/outbox/", 302)]
    (sent,) = outbox.page(ada.actor).items
    assert [one.address for one in sent.recipients] == ["eva@kunde.test", "max@kunde.test"]
    page = response.content.decode()
    assert 'data-sent="new"' in page
    assert "Waiting to be sent" in text_of(page)
    assert "Sending" in text_of(ada.page(f"/outbox/{sent.id}/note/"))


def test_sending_the_same_form_twice_sends_once(ada: Visitor) -> None:
    form = FORM | {"account": an_account(ada.actor).id}
    ada.client.post("/write/", form)
    ada.client.post("/write/", form)
    assert len(outbox.page(ada.actor).items) == 1


def test_an_error_stands_at_its_field_and_keeps_everything_typed(ada: Visitor) -> None:
    form = FORM | {"account": an_account(ada.actor).id, "to": "eva@kunde.test, kein Mensch", "text": "Lange <getippt>"}
    response = ada.client.post("/write/", form)
    page = response.content.decode()
    assert response.status_code == 422
    assert value_of(page, "to") == "eva@kunde.test, kein Mensch"
    assert value_of(page, "subject") == "Frist"
    assert "Lange &lt;getippt&gt;</textarea>" in page
    assert "This is not an e-mail address" in page
    assert not outbox.page(ada.actor).items


def test_a_letter_to_nobody_is_refused(ada: Visitor) -> None:
    response = ada.client.post("/write/", FORM | {"account": an_account(ada.actor).id, "to": ""})
    assert response.status_code == 422
    assert "Please fill this in" in response.content.decode()


def test_attachments_go_along(ada: Visitor) -> None:
    file = SimpleUploadedFile("Übersicht.pdf", b"%PDF-", "application/pdf")
    ada.client.post("/write/", FORM | {"account": an_account(ada.actor).id, "files": [file]})
    assert len(outbox.page(ada.actor).items) == 1


def test_more_than_may_go_along_is_refused_at_its_field(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DATA_UPLOAD_MAX_MEMORY_SIZE", 10_000)
    big = SimpleUploadedFile("groß.bin", b"x" * 10_001)
    response = ada.client.post("/write/", FORM | {"account": an_account(ada.actor).id, "files": [big]})
    assert response.status_code == 422
    assert "This is too long." in text_of(response.content.decode())
    assert not outbox.page(ada.actor).items


def test_a_reply_begins_with_recipient_subject_and_quotation(ada: Visitor) -> None:
    message = a_message_in(a_folder(an_account(ada.actor)), a_letter("Termin", "Passt Montag?"))
    page = ada.page(f"/write/?reply={message.id}&back=/mail/")
    assert value_of(page, "to") == "Eva Groß &lt;eva@kunde.test&gt;"
    assert value_of(page, "subject") == "Re: Termin"
    assert value_of(page, "answers") == message.id
    assert "Eva Groß wrote:\n&gt; Passt Montag?" in page


def test_a_reply_to_all_reaches_everybody_but_oneself(ada: Visitor) -> None:
    letter = a_letter(to='zentrale@amt.test, "Weiß, Max" <max@kunde.test>')
    message = a_message_in(a_folder(an_account(ada.actor)), letter)
    page = ada.page(f"/write/?reply_all={message.id}")
    assert value_of(page, "cc") == "&quot;Weiß, Max&quot; &lt;max@kunde.test&gt;"
    assert "zentrale@amt.test" not in value_of(page, "cc") + value_of(page, "to")


def test_a_forward_takes_text_and_attachments_along(ada: Visitor) -> None:
    letter = a_letter("Plan", "siehe Anlage", attachments=[("plan.pdf", "application/pdf", b"%PDF-")])
    account = an_account(ada.actor)
    message = a_message_in(a_folder(account), letter)
    page = ada.page(f"/write/?forward={message.id}")
    assert value_of(page, "to") == ""
    assert value_of(page, "subject") == "Fwd: Plan"
    assert "plan.pdf" in page
    assert "siehe Anlage" in page
    ada.client.post("/write/", FORM | {"account": account.id, "forwards": message.id})
    assert len(outbox.page(ada.actor).items) == 1


def test_back_never_leads_to_a_foreign_site(ada: Visitor) -> None:
    form = FORM | {"account": an_account(ada.actor).id, "back": "//evil.test/"}
    assert ada.client.post("/write/", form)["Location"] == "/mail/"


def test_who_may_send_from_nothing_is_told_so(bob: Visitor) -> None:
    assert "no mailbox you may send from" in bob.page("/write/")


SIGNATURE = "Amt für Post\n{name}, {address}"


def text_typed(page: str) -> str:
    """What stands in the letter as it begins (the browser leaves the first line end out)."""
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.S)
    assert found
    return unescape(found[1])


def test_a_new_letter_begins_with_the_senders_signature_in_sight(ada: Visitor) -> None:
    an_account(ada.actor, signature={"text": SIGNATURE})
    assert text_typed(ada.page("/write/")) == "\n\n-- \nAmt für Post\nAda, zentrale@amt.test\n"


def test_a_signature_stands_above_what_is_quoted_and_can_be_left_out_of_answers(ada: Visitor) -> None:
    account = an_account(ada.actor, signature={"text": SIGNATURE})
    message = a_message_in(a_folder(account), a_letter("Termin", "Passt Montag?"))
    answer, forward = (text_typed(ada.page(f"/write/?{how}={message.id}")) for how in ("reply", "forward"))
    assert answer.startswith("\n\nAmt für Post\nAda, zentrale@amt.test\n\n\nOn ")
    assert "Amt für Post" in forward
    accounts.change(ada.actor, account.id, {"signature": {"not_on_replies": True}})
    assert "Amt für Post" not in ada.page(f"/write/?reply={message.id}").partition("<textarea")[2]
    assert "Amt für Post" in text_typed(ada.page("/write/"))


def test_a_text_template_frames_the_letter_and_stays_in_answers(ada: Visitor) -> None:
    template = "Guten Tag,\n\n\nMit freundlichen Grüßen\n{name}"
    account = an_account(ada.actor, signature={"template": template, "not_on_replies": True})
    message = a_message_in(a_folder(account), a_letter("Termin", "Passt Montag?"))
    for query in ("", f"?reply={message.id}"):
        assert text_typed(ada.page(f"/write/{query}")).startswith("Guten Tag,\n\n\nMit freundlichen Grüßen\nAda\n")


@pytest.mark.parametrize(
    ("choice", "fresh", "answer"), [("always", True, True), ("new", True, False), ("never", False, False)]
)
def test_everybody_decides_for_themselves_where_a_signature_is_put(
    ada: Visitor, choice: str, fresh: bool, answer: bool
) -> None:
    account = an_account(ada.actor, signature={"text": SIGNATURE})
    message = a_message_in(a_folder(account), a_letter("Termin", "Passt Montag?"))
    preferences.change(ada.actor, {"signature": choice})
    assert ("Amt für Post" in text_typed(ada.page("/write/"))) is fresh
    assert ("Amt für Post" in text_typed(ada.page(f"/write/?reply={message.id}"))) is answer


def test_an_alias_is_chosen_as_sender_with_its_own_signature(ada: Visitor) -> None:
    alias = {"address": "presse@amt.test", "display_name": "Presse", "signature": {"text": "Pressestelle"}}
    account = an_account(ada.actor, signature={"text": SIGNATURE}, identities=[alias])
    page = ada.page("/write/")
    key = f"{account.id} presse@amt.test"
    assert f'<option value="{key}" data-block="-- \nPressestelle"' in page
    ada.client.post("/write/", FORM | {"account": key})
    (sent,) = outbox.page(ada.actor).items
    assert sent.sender == "presse@amt.test"


def test_an_answer_comes_from_the_alias_that_was_written_to(ada: Visitor) -> None:
    account = an_account(ada.actor, identities=[{"address": "presse@amt.test", "signature": {"text": "Pressestelle"}}])
    message = a_message_in(a_folder(account), a_letter(to="presse@amt.test, max@kunde.test"))
    page = ada.page(f"/write/?reply_all={message.id}")
    assert re.search(r'<option value="[^"]* presse@amt.test"[^>]* selected', page)
    assert "Pressestelle" in text_typed(page)
    assert "presse@amt.test" not in value_of(page, "cc")


def test_new_letters_begin_with_ones_usual_sender(ada: Visitor) -> None:
    an_account(ada.actor, "Aktenraum")
    usual = an_account(ada.actor, "Zentrale")
    assert ada.post("/me/preferences/", default_sender=usual.id).status_code == 302
    assert f'<option value="{usual.id}" selected' in ada.page("/me/")
    assert f'<option value="{usual.id}" data-block="" selected' in ada.page("/write/")


def test_after_a_restore_the_outbox_says_what_is_held_and_takes_the_word_of_who_may_send(
    ada: Visitor, bob: Visitor
) -> None:
    account = an_account(ada.actor)
    for subject in ("Eins", "Zwei", "Drei"):
        ada.client.post("/write/", FORM | {"account": account.id, "subject": subject, "key": subject})
    assert "restored" not in text_of(ada.page("/outbox/"))
    outbox.hold(SYSTEM)
    page = ada.page("/outbox/")
    assert "This data was restored or copied" in text_of(page)
    assert "3 messages have waited since" in text_of(page)
    assert page.count("Discard</button>") == 3
    assert "restored" not in text_of(bob.page("/outbox/"))
    _, two, one = [record.id for record in outbox.page(ada.actor).items]
    assert ada.post(f"/outbox/{one}/", do="discard")["Location"] == "/outbox/"
    # Once more, as by a second click, and by somebody who may not.
    assert ada.post(f"/outbox/{one}/", do="discard")["Location"] == "/outbox/"
    assert bob.post(f"/outbox/{two}/", do="send").status_code == 404
    assert ada.post("/outbox/held/", do="nonsense")["Location"] == "/outbox/"
    assert [record.state for record in outbox.page(ada.actor).items] == ["held", "held", "discarded"]
    ada.post("/outbox/held/", do="send")
    assert [record.state for record in outbox.page(ada.actor).items] == ["queued", "queued", "discarded"]
    page = text_of(ada.page("/outbox/"))
    assert "restored" not in page
    assert "Discarded" in page


def test_a_name_with_a_comma_is_one_recipient(ada: Visitor) -> None:
    account = an_account(ada.actor)
    ada.client.post("/write/", FORM | {"account": account.id, "to": '"Müller, Petra" <p@kunde.test>; max@kunde.test'})
    (sent,) = outbox.page(ada.actor).items
    assert [one.address for one in sent.recipients] == ["p@kunde.test", "max@kunde.test"]
