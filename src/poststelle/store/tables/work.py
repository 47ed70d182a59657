"""What people add to mail: whose it is to answer, notes, dates, tags, how their folder trees are arranged, saved searches.

All of it hangs on the message within its pool, never on a placement: a move or a renumbered server loses none of it.
"""

from __future__ import annotations

from django.db import models

from poststelle.store.ids import uuid7
from poststelle.store.tables.mail import Folder, Message
from poststelle.store.tables.mailbox import Account
from poststelle.store.tables.people import Pool, User


class Task(models.Model):
    """Where the work on a message stands. `status`: open, waiting or done.

    `follow_up_at`: when it shows up again (Wiedervorlage), for one person or (`follow_up_for` None) for everybody who sees it;
    `reminded_at`: when that was announced.
    """

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="task")
    status = models.CharField(max_length=10, default="open")
    assignee = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="tasks")
    follow_up_at = models.DateTimeField(null=True, db_index=True)
    follow_up_for = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="follow_ups")
    reminded_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["assignee", "status"], name="task_by_assignee"),
            models.Index(fields=["follow_up_at"], condition=models.Q(reminded_at=None), name="task_to_remind"),
        ]


class Note(models.Model):
    """An internal note on a message."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="notes")
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(null=True)


class Mention(models.Model):
    """A note names somebody: their attention is wanted until they have looked."""

    note = models.ForeignKey(Note, on_delete=models.CASCADE, related_name="mentions")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mentions")
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["note", "user"], name="mention_once_per_note_and_user")]


class Looked(models.Model):
    """Somebody has had this message open: what is "new for me" beside the server's shared flag."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "user"], name="looked_once_per_message_and_user")]


class Presence(models.Model):
    """Who is reading or answering a message right now; older than a minute means no longer."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    doing = models.CharField(max_length=10)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "user"], name="presence_once_per_message_and_user")]


class Tag(models.Model):
    """How a keyword is shown: its name for people and its colour."""

    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    keyword = models.CharField(max_length=120)
    name = models.CharField(max_length=120)
    colour = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "keyword"], name="tag_is_unique_in_its_pool")]


class Branch(models.Model):
    """An entry of a folder tree arranged by hand: an account, a folder, a saved search or a heading.

    `owner` None is the shared tree. Siblings stand in the order of `position`. `hidden`: an account taken out of the tree, which
    would otherwise stand in it by itself.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="branches")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="children")
    position = models.PositiveIntegerField(default=0)
    label = models.CharField(max_length=200, blank=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True)
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True)
    query = models.TextField(blank=True)
    hidden = models.BooleanField(default=False)


class Trust(models.Model):
    """Somebody said: always show remote pictures from this sender."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="trusts")
    address = models.CharField(max_length=254)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="trust_once_per_user_and_address")]
