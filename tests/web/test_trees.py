"""The folder trees as they are drawn and arranged, and what the menu of an entry offers."""

from __future__ import annotations

import re

from poststelle.mail.ports import SEEN, Role
from poststelle.office import reading, trees
from tests.builders import a_folder, a_letter, a_message_in, an_account
from tests.web.visitor import Visitor, text_of


def names(page: str, tree: str = "shared") -> list[str]:
    """What stands in a tree, in order."""
    found = re.search(rf'<ul class="twigs" data-tree="{tree}".*?</ul>', page, re.S)
    return re.findall(r'class="twig[^>]*>(?:<svg.*?</svg>)<span>([^<]*)</span>', found[0], re.S) if found else []


def test_the_tree_shows_accounts_with_their_folders_special_ones_first(ada: Visitor) -> None:
    account = an_account(ada.actor)
    for path in (("Mandanten",), ("Mandanten", "Weber")):
        a_folder(account, *path)
    a_message_in(a_folder(account))
    page = ada.part("/mail/tree/", "tree").content.decode()
    assert names(page) == ["Zentrale", "Inbox", "Mandanten", "Weber"]
    assert re.search(r'class="count">1<', page)
    assert "All inboxes" not in page, "one mailbox has one inbox"


def test_folding_is_kept_for_the_person(ada: Visitor) -> None:
    account = an_account(ada.actor)
    a_folder(account)
    key = f"account:{account.id}"
    ada.post("/mail/tree/fold/", key=key, folded="1")
    page = ada.page("/mail/")
    assert names(page) == ["Zentrale"]
    assert 'aria-expanded="false"' in page
    ada.post("/mail/tree/fold/", key=key, folded="0")
    assert names(ada.page("/mail/")) == ["Zentrale", "Inbox"]


def test_a_folder_is_put_into_my_folders_renamed_moved_and_taken_out(ada: Visitor) -> None:
    account = an_account(ada.actor)
    weber, wolf = a_folder(account, "Weber"), a_folder(account, "Wolf")
    for folder in (weber, wolf):
        ada.post("/mail/tree/mount/", tree="own", kind="folder", id=folder.id)
    assert names(ada.page("/mail/"), "own") == ["Weber", "Wolf"]
    first, second = (entry.key for entry in trees.shown(ada.actor).own)
    ada.post("/mail/tree/move/", tree="own", key=second, anchor=first, spot="before")
    assert names(ada.page("/mail/"), "own") == ["Wolf", "Weber"]
    ada.post("/mail/tree/move/", tree="own", key=second, anchor=first, spot="below")
    assert names(ada.page("/mail/"), "own") == ["Weber", "Wolf"]
    ada.post("/mail/tree/rename/", tree="own", key=first, name="Wichtig")
    assert names(ada.page("/mail/"), "own") == ["Wichtig", "Wolf"]
    ada.post("/mail/tree/remove/", tree="own", key=first)
    assert names(ada.page("/mail/"), "own") == ["Wolf"]
    assert reading.folder(ada.actor, weber.id).name == "Weber"


def test_a_search_is_saved_and_opens_from_the_tree(ada: Visitor) -> None:
    an_account(ada.actor)
    ada.post("/mail/tree/mount/", tree="own", kind="search", query="von:eva ist:ungelesen", name="Neues von Eva")
    page = ada.page("/mail/")
    assert names(page, "own") == ["Neues von Eva"]
    assert 'href="/mail/search/?q=von%3Aeva+ist%3Aungelesen"' in page


def test_only_administrators_arrange_the_shared_tree(ada: Visitor, bob: Visitor) -> None:
    assert bob.post("/mail/tree/mount/", tree="shared", kind="heading", name="Alle").status_code == 403
    assert bob.post("/mail/tree/mount/", tree="garden", kind="heading", name="Alle").status_code == 400
    an_account(ada.actor)
    ada.post("/mail/tree/mount/", tree="shared", kind="heading", name="Alle")
    assert "Alle" in names(ada.page("/mail/"))


def test_the_menu_offers_what_the_person_may_do(ada: Visitor, bob: Visitor) -> None:
    account = an_account(ada.actor, grants=[
        {"user": ada.user.email, "rights": ["see", "process", "administer"]}, {"user": bob.user.email, "rights": ["see"]},
    ])  # fmt: skip
    folder = a_folder(account, "Weber")
    address = f"/mail/tree/menu/?tree=shared&key=folder:{folder.id}"
    menu = text_of(ada.part(address, "context").content.decode())
    for offered in (
        "Refresh folders",
        "Mark all as read",
        "New folder",
        "Rename",
        "Empty",
        "Delete folder",
        "Add to my",
    ):
        assert offered in menu
    menu = text_of(bob.part(address, "context").content.decode())
    assert "Add to my folders" in menu
    assert "Delete" not in menu
    assert bob.part("/mail/tree/menu/?tree=shared&key=folder:none", "context").status_code == 404


def test_emptying_the_trash_names_what_will_be_lost(ada: Visitor) -> None:
    trash = a_folder(an_account(ada.actor), "Trash", role=Role.TRASH)
    a_message_in(trash)
    menu = ada.part(f"/mail/tree/menu/?tree=shared&key=folder:{trash.id}", "context").content.decode()
    assert 'data-sure="1 message will be lost."' in menu


def test_folders_are_made_renamed_read_emptied_and_deleted(ada: Visitor) -> None:
    account = an_account(ada.actor)
    inbox, trash = a_folder(account), a_folder(account, "Trash", role=Role.TRASH)
    ada.post("/mail/folders/", account=account.id, name="Mandanten")
    made = next(one for one in reading.folders(ada.actor, account.id) if one.name == "Mandanten")
    ada.post("/mail/folders/", account=account.id, above=made.id, name="Weber")
    assert ("Mandanten", "Weber") in {one.path for one in reading.folders(ada.actor, account.id)}
    ada.post(f"/mail/f/{made.id}/rename/", name="Klienten")
    assert reading.folder(ada.actor, made.id).name == "Klienten"
    letter = a_message_in(inbox, a_letter())
    ada.post(f"/mail/f/{inbox.id}/read/")
    assert SEEN in reading.placement(ada.actor, letter.id).flags
    ada.post(f"/mail/f/{inbox.id}/empty/")
    assert reading.folder(ada.actor, trash.id).total == 1
    ada.post(f"/mail/f/{made.id}/delete/")
    assert "Klienten" not in names(ada.page("/mail/"))
    assert ada.post("/mail/folders/", account=account.id, name="").status_code == 400
