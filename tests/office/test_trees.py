"""The folder trees: as they stand by themselves, as people arrange them, and what nobody sees of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from poststelle.errors import Invalid, NotFound, NotPermitted
from poststelle.mail.listing import Place, Where
from poststelle.mail.ports import SEEN, Role
from poststelle.mail.records import AccountRecord, FolderRecord
from poststelle.mail.tree import EntryKind, Mount, Spot, Tree, TreeEntry
from poststelle.office import feed, lists, reading, trees, work
from poststelle.office.actor import SYSTEM, Actor
from poststelle.store import models
from poststelle.store.trees import MANY_ACCOUNTS
from tests.builders import a_folder, a_message_in, a_person, an_account, an_office

pytestmark = pytest.mark.usefixtures("home", "transactional_db")

Drawn = list[object]


def drawn(entries: Sequence[TreeEntry]) -> Drawn:
    """Labels, each with what stands below it."""
    return [[entry.label, drawn(entry.children)] if entry.children else entry.label for entry in entries]


def seen_by(*people: Actor) -> list[dict[str, object]]:
    return [{"user": one.user.email, "rights": ["see", "process"]} for one in people if one.user is not None]


def own(actor: Actor) -> Drawn:
    return drawn(trees.shown(actor).own)


def shared(actor: Actor) -> Drawn:
    return drawn(trees.shown(actor).shared)


def key_of(actor: Actor, label: str) -> str:
    def found(entries: Sequence[TreeEntry]) -> list[str]:
        return [key for one in entries for key in ([one.key] if one.label == label else found(one.children))]

    shown = trees.shown(actor, everything=True)
    return found([*shown.own, *shown.shared])[0]


@pytest.fixture
def ada() -> Actor:
    return an_office()


@pytest.fixture
def bob(ada: Actor) -> Actor:
    return a_person()


def a_mailbox(actor: Actor, label: str, *people: Actor, **more: object) -> AccountRecord:
    account = an_account(
        actor, label, grants=[*seen_by(actor, *people), {"user": "ada@amt.test", "rights": ["administer"]}], **more
    )
    a_folder(account)
    return account


def test_by_itself_every_mailbox_stands_there_with_its_folders_in_the_usual_order(ada: Actor, bob: Actor) -> None:
    account = a_mailbox(ada, "Zentrale", bob)
    for name, role in (
        ("Trash", Role.TRASH),
        ("Sent", Role.SENT),
        ("Spam", Role.SPAM),
        ("Drafts", Role.DRAFTS),
        ("Archiv", Role.ARCHIVE),
    ):
        a_folder(account, name, role=role)
    for path in (("Zeitung",), ("Ämter",), ("Amt",), ("Bau",), ("Bau", "Äcker"), ("Bau", "Zaun"), ("Verloren", "Tief")):
        a_folder(account, *path)
    a_mailbox(ada, "Änderungen", bob)
    a_mailbox(ada, "Bobs", bob, scope="personal", owner="bob@amt.test")
    folders = [
        "INBOX", "Drafts", "Sent", "Archiv", "Spam", "Trash", "Amt", "Ämter", ["Bau", ["Äcker", "Zaun"]], "Tief", "Zeitung",
    ]  # fmt: skip
    assert own(bob) == [["Bobs", ["INBOX"]]]
    assert shared(bob) == [["Änderungen", ["INBOX"]], ["Zentrale", folders]]
    assert [entry.label for entry in trees.shown(ada).shared] == ["Änderungen", "Bobs", "Zentrale"]
    assert drawn(trees.shown(SYSTEM).own) == []


def test_nobody_sees_of_a_tree_what_they_may_not_see_of_the_mail(ada: Actor, bob: Actor) -> None:
    account = a_mailbox(ada, "Geheim")
    archive = a_folder(account, "Archiv", role=Role.ARCHIVE)
    assert (own(bob), shared(bob)) == ([], [])
    assert bob.user is not None
    models.Grant.objects.create(account_id=account.id, folder_id=archive.id, user_id=bob.user.id, see=True)
    assert shared(bob) == [["Geheim", ["Archiv"]]]
    heading = trees.mount(ada, Tree.SHARED, Mount(EntryKind.HEADING, label="Vertraulich"))
    trees.move(ada, Tree.SHARED, key_of(ada, "Geheim"), anchor=heading, spot=Spot.BELOW)
    models.Grant.objects.filter(user=bob.user.id).delete()
    assert shared(bob) == []


def test_hidden_folders_limbo_and_what_the_server_no_longer_lists_stay_out(ada: Actor) -> None:
    account = a_mailbox(ada, "Zentrale")
    for label, change in (
        ("Versteckt", {"choices": {"show": False}}), ("Fort", {"vanished_at": "2026-01-01T00:00:00Z"}), ("Grenze", {"place": "limbo"}),
    ):  # fmt: skip
        models.Folder.objects.filter(pk=a_folder(account, label).id).update(**change)
    shown = a_folder(account, "Gezeigt")
    models.Folder.objects.filter(pk=shown.id).update(choices={"show": True, "fetch": False})
    assert shared(ada) == [["Zentrale", ["INBOX", "Gezeigt"]]]


def test_counts_are_the_folders_own_and_an_account_counts_its_inbox(ada: Actor) -> None:
    account = an_account(ada)
    inbox, other = a_folder(account), a_folder(account, "Andere")
    a_message_in(inbox)
    a_message_in(inbox, flags=[SEEN])
    a_message_in(other)
    (entry,) = trees.shown(ada).shared
    assert (entry.total, entry.unread) == (2, 1)
    assert [(one.total, one.unread) for one in entry.children] == [(2, 1), (1, 1)]
    assert entry.where == Where(Place.ACCOUNT, account.id)
    assert entry.account is not None
    assert (entry.account.label, entry.account.state) == ("Zentrale", "active")


def test_entries_go_before_after_and_below_others(ada: Actor) -> None:
    for label in ("Eins", "Zwei", "Drei"):
        a_mailbox(ada, label)
    heading = trees.mount(
        ada, Tree.SHARED, Mount(EntryKind.HEADING, label="Büro"), anchor=key_of(ada, "Eins"), spot=Spot.BEFORE
    )
    assert [entry.label for entry in trees.shown(ada, arranging=True).shared] == ["Drei", "Büro", "Eins", "Zwei"]
    assert [entry.label for entry in trees.shown(ada).shared] == ["Drei", "Eins", "Zwei"]
    trees.move(ada, Tree.SHARED, key_of(ada, "Zwei"), anchor=heading, spot=Spot.BELOW)
    trees.move(ada, Tree.SHARED, key_of(ada, "Drei"), anchor=key_of(ada, "Zwei"), spot=Spot.AFTER)
    trees.move(ada, Tree.SHARED, heading)
    folders = ["INBOX"]
    assert shared(ada) == [["Eins", folders], ["Büro", [["Zwei", folders], ["Drei", folders]]]]
    trees.move(ada, Tree.SHARED, key_of(ada, "Drei"), anchor=key_of(ada, "Eins"), spot=Spot.BEFORE)
    assert shared(ada) == [["Drei", folders], ["Eins", folders], ["Büro", [["Zwei", folders]]]]
    trees.remove(ada, Tree.SHARED, heading)
    assert shared(ada) == [["Drei", folders], ["Eins", folders], ["Zwei", folders]]
    positions = models.Branch.objects.filter(parent=None).order_by("position").values_list("position", flat=True)
    assert list(positions) == [0, 1, 2]


def test_a_folder_is_mounted_with_what_lies_below_it(ada: Actor, bob: Actor) -> None:
    account = a_mailbox(ada, "Zentrale", bob)
    parent = a_folder(account, "Mandanten")
    a_folder(account, "Mandanten", "Huber")
    trees.mount(bob, Tree.OWN, Mount(EntryKind.FOLDER, id=parent.id, label="Meine Mandanten"))
    assert own(bob) == [["Meine Mandanten", ["Huber"]]]
    trees.rename(bob, Tree.OWN, key_of(bob, "Meine Mandanten"), "")
    assert own(bob) == [["Mandanten", ["Huber"]]]
    assert own(ada) == []


def test_a_saved_search_stands_in_the_tree_with_its_query(ada: Actor) -> None:
    key = trees.mount(ada, Tree.OWN, Mount(EntryKind.SEARCH, query="von:eva ist:ungelesen", label="Eva"))
    (entry,) = trees.shown(ada).own
    assert (entry.key, entry.kind, entry.query, entry.where) == (key, EntryKind.SEARCH, "von:eva ist:ungelesen", None)
    trees.change_query(ada, Tree.OWN, key, "von:max")
    assert trees.shown(ada).own[0].query == "von:max"
    with pytest.raises(Invalid):
        lists.page(ada, Where(Place.BRANCH, key.partition(":")[2]))
    with pytest.raises(NotFound):
        trees.change_query(ada, Tree.OWN, "branch:nonsense", "x")


def test_a_heading_lists_the_mail_of_everything_below_it(ada: Actor, bob: Actor) -> None:
    first, second = a_mailbox(ada, "Eins", bob), a_mailbox(ada, "Zwei")
    placed = [a_message_in(inbox_of(account)) for account in (first, second)]
    filed = a_folder(first, "Ablage")
    placed.append(a_message_in(filed))
    heading = trees.mount(ada, Tree.SHARED, Mount(EntryKind.HEADING, label="Alles"))
    for label in ("Eins", "Zwei"):
        trees.move(ada, Tree.SHARED, key_of(ada, label), anchor=heading, spot=Spot.BELOW)
    trees.mount(ada, Tree.SHARED, Mount(EntryKind.FOLDER, id=filed.id), anchor=key_of(ada, "Zwei"), spot=Spot.AFTER)
    where = Where(Place.BRANCH, heading.partition(":")[2])
    assert [row.placement.id for row in lists.page(ada, where).items] == [one.id for one in reversed(placed)]
    assert [row.placement.id for row in lists.page(bob, where).items] == [placed[2].id, placed[0].id]
    (entry,) = trees.shown(bob).shared
    assert (entry.label, entry.total, entry.where) == ("Alles", 2, where)


def inbox_of(account: AccountRecord) -> FolderRecord:
    return next(one for one in reading.folders(SYSTEM, account.id) if one.role is Role.INBOX)


def test_a_mailbox_added_later_appears_by_itself_and_one_taken_out_stays_out(ada: Actor, bob: Actor) -> None:
    first = a_mailbox(ada, "Eins", bob)
    a_mailbox(ada, "Zwei", bob)
    trees.remove(ada, Tree.SHARED, key_of(ada, "Eins"))
    a_mailbox(ada, "Aller erstes", bob)
    assert [entry.label for entry in trees.shown(bob).shared] == ["Zwei", "Aller erstes"]
    trees.mount(ada, Tree.SHARED, Mount(EntryKind.ACCOUNT, id=first.id))
    assert [entry.label for entry in trees.shown(bob).shared] == ["Zwei", "Aller erstes", "Eins"]
    with pytest.raises(Invalid) as refused:
        trees.mount(ada, Tree.SHARED, Mount(EntryKind.ACCOUNT, id=first.id))
    assert refused.value.fields == {"id": "taken"}
    trees.reset(ada, Tree.SHARED)
    assert [entry.label for entry in trees.shown(bob).shared] == ["Aller erstes", "Eins", "Zwei"]


def test_a_shared_mailbox_mounted_among_ones_own_moves_there_and_back(ada: Actor, bob: Actor) -> None:
    account = a_mailbox(ada, "Zentrale", bob)
    key = trees.mount(bob, Tree.OWN, Mount(EntryKind.ACCOUNT, id=account.id, label="Mein Empfang"))
    assert ([entry.label for entry in trees.shown(bob).own], shared(bob)) == (["Mein Empfang"], [])
    assert [entry.label for entry in trees.shown(ada).shared] == ["Zentrale"]
    trees.remove(bob, Tree.OWN, key)
    assert (own(bob), [entry.label for entry in trees.shown(bob).shared]) == ([], ["Zentrale"])


def test_the_shared_tree_is_arranged_by_administrators_alone_and_for_all(ada: Actor, bob: Actor) -> None:
    account = a_mailbox(ada, "Zentrale", bob)
    key = f"account:{account.id}"
    for attempt in (
        lambda: trees.mount(bob, Tree.SHARED, Mount(EntryKind.HEADING, label="X")),
        lambda: trees.move(bob, Tree.SHARED, key),
        lambda: trees.rename(bob, Tree.SHARED, key, "X"),
        lambda: trees.remove(bob, Tree.SHARED, key),
        lambda: trees.reset(bob, Tree.SHARED),
        lambda: trees.change_query(bob, Tree.SHARED, key, "x"),
    ):
        with pytest.raises(NotPermitted):
            attempt()
    before = feed.latest()
    trees.rename(ada, Tree.SHARED, key, "Empfang")
    assert [entry.label for entry in trees.shown(bob).shared] == ["Empfang"]
    assert [entry.kind for entry in feed.changes(bob, before).items] == ["shared-tree-arranged"]
    assert not trees.shown(bob).may_arrange_shared
    before = feed.latest()
    trees.mount(ada, Tree.OWN, Mount(EntryKind.HEADING, label="Meins"))
    assert feed.changes(bob, before).items == []


def test_an_administrator_arranges_mailboxes_they_may_not_read(ada: Actor, bob: Actor) -> None:
    account = an_account(ada, "Personalrat", grants=[*seen_by(bob), {"user": "ada@amt.test", "rights": ["administer"]}])
    a_folder(account)
    heading = trees.mount(ada, Tree.SHARED, Mount(EntryKind.HEADING, label="Gremien"))
    trees.move(ada, Tree.SHARED, f"account:{account.id}", anchor=heading, spot=Spot.BELOW)
    assert shared(bob) == [["Gremien", [["Personalrat", ["INBOX"]]]]]
    assert shared(ada) == []
    assert drawn(trees.shown(ada, arranging=True).shared) == [["Gremien", ["Personalrat"]]]
    with pytest.raises(NotPermitted):
        trees.shown(bob, arranging=True)


def test_nobody_mounts_what_is_out_of_their_reach(ada: Actor, bob: Actor) -> None:
    account = a_mailbox(ada, "Geheim")
    folder = a_folder(account, "Akte")
    personal = a_mailbox(ada, "Adas", scope="personal", owner="ada@amt.test")
    for what in (
        Mount(EntryKind.ACCOUNT, id=account.id), Mount(EntryKind.FOLDER, id=folder.id), Mount(EntryKind.ACCOUNT, id=personal.id),
        Mount(EntryKind.ACCOUNT, id="nonsense"), Mount(EntryKind.FOLDER, id="nonsense"),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            trees.mount(bob, Tree.OWN, what)
    key = trees.mount(ada, Tree.OWN, Mount(EntryKind.HEADING, label="Adas Ordnung"))
    with pytest.raises(NotFound):
        trees.rename(bob, Tree.OWN, key, "Bobs Ordnung")
    with pytest.raises(NotFound):
        lists.page(bob, Where(Place.BRANCH, key.partition(":")[2]))


def test_what_makes_no_sense_is_refused_by_field(ada: Actor) -> None:
    heading = trees.mount(ada, Tree.OWN, Mount(EntryKind.HEADING, label="Eins"))
    below = trees.mount(ada, Tree.OWN, Mount(EntryKind.HEADING, label="Zwei"), anchor=heading, spot=Spot.BELOW)
    wrong = {
        Mount(EntryKind.HEADING): {"label": "missing"},
        Mount(EntryKind.HEADING, label="a\nb"): {"label": "control-character"},
        Mount(EntryKind.HEADING, label="x" * 201): {"label": "too-long"},
        Mount(EntryKind.SEARCH, label="S"): {"query": "missing"},
        Mount(EntryKind.SEARCH, label="S", query="x" * 501): {"query": "too-long"},
        Mount(EntryKind.ACCOUNT): {"id": "missing"},
    }
    for what, fields in wrong.items():
        with pytest.raises(Invalid) as refused:
            trees.mount(ada, Tree.OWN, what)
        assert refused.value.fields == fields
    for anchor in (heading, below):
        with pytest.raises(Invalid) as refused:
            trees.move(ada, Tree.OWN, heading, anchor=anchor, spot=Spot.BELOW)
        assert refused.value.fields == {"anchor": "contradiction"}
    with pytest.raises(Invalid) as refused:
        trees.mount(ada, Tree.OWN, Mount(EntryKind.HEADING, label="Drei"), anchor="branch:nonsense")
    assert refused.value.fields == {"anchor": "unknown-value"}
    with pytest.raises(Invalid):
        trees.rename(ada, Tree.OWN, heading, "")
    with pytest.raises(NotPermitted):
        trees.mount(SYSTEM, Tree.OWN, Mount(EntryKind.HEADING, label="X"))
    deep = below
    for _ in range(8):
        deep = trees.mount(ada, Tree.OWN, Mount(EntryKind.HEADING, label="Tiefer"), anchor=deep, spot=Spot.BELOW)
    with pytest.raises(Invalid) as refused:
        trees.mount(ada, Tree.OWN, Mount(EntryKind.HEADING, label="Tiefer"), anchor=deep, spot=Spot.BELOW)
    assert refused.value.fields == {"anchor": "out-of-range"}


def test_what_is_folded_stays_folded_for_that_person_and_many_mailboxes_are_by_themselves(
    ada: Actor, bob: Actor
) -> None:
    account = a_mailbox(ada, "M00", bob)
    a_folder(account, "Bau")
    a_folder(account, "Bau", "Lärm")
    trees.fold(bob, key_of(bob, "Bau"), folded=True)
    (entry,) = trees.shown(bob).shared
    assert [(one.label, one.is_folded, one.has_children, len(one.children)) for one in entry.children] == [
        ("INBOX", False, False, 0), ("Bau", True, True, 0),
    ]  # fmt: skip
    assert drawn(trees.shown(bob, everything=True).shared) == [["M00", ["INBOX", ["Bau", ["Lärm"]]]]] == shared(ada)
    trees.fold(bob, key_of(bob, "Bau"), folded=False)
    assert shared(bob) == shared(ada)
    for number in range(1, MANY_ACCOUNTS + 1):
        a_mailbox(ada, f"M{number:02}", bob)
    assert all(one.is_folded and one.has_children and not one.children for one in trees.shown(bob).shared)
    trees.fold(bob, f"account:{account.id}", folded=False)
    shown = trees.shown(bob).shared
    assert drawn(shown[:2]) == [["M00", ["INBOX", ["Bau", ["Lärm"]]]], "M01"]
    trees.fold(bob, f"account:{account.id}", folded=True)
    assert trees.shown(bob).shared[0].is_folded


def test_badges_count_what_waits_for_the_person(ada: Actor, bob: Actor) -> None:
    account = a_mailbox(ada, "Zentrale", bob)
    placed = a_message_in(inbox_of(account))
    work.assign(bob, [placed.id], "bob@amt.test")
    work.add_note(ada, placed.id, "@bob@amt.test")
    badges = trees.shown(bob).badges
    assert (badges.mine, badges.follow_up, badges.mentions) == (1, 0, 1)
    work.looked(bob, placed.id)
    assert trees.shown(bob).badges.mentions == 0
    assert trees.shown(SYSTEM).badges.mine == 0
