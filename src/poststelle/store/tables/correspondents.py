"""Whom mailboxes have had to do with: addresses to be offered while somebody types one.

All of it can be made again from the messages (store.correspondents).
"""

from __future__ import annotations

from django.db import models

from poststelle.store.tables.mailbox import Account
from poststelle.store.tables.people import Pool


class Correspondent(models.Model):
    """An address (in lower case) somewhere in a data pool's mail. `weight`: how much it has been met there, all in all."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, db_index=False)
    address = models.CharField(max_length=254)
    weight = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "address"], name="correspondent_once_per_pool")]


class CorrespondentWord(models.Model):
    """A word of an address or of a name it has gone by, as it is looked up: folded, in each of its spellings."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, db_index=False)
    word = models.CharField(max_length=40)
    correspondent = models.ForeignKey(Correspondent, on_delete=models.CASCADE, db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pool", "word", "correspondent"], name="correspondent_word_once")
        ]


class Acquaintance(models.Model):
    """What an account has had to do with an address: `heard` from it, `written` to it, the last time on `day` (from 1970); by which
    `name`."""

    correspondent = models.ForeignKey(Correspondent, on_delete=models.CASCADE, db_index=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False)
    name = models.CharField(max_length=120)
    heard = models.PositiveIntegerField(default=0)
    written = models.PositiveIntegerField(default=0)
    day = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["correspondent", "account"], name="acquaintance_once")]


class Correspondence(models.Model):
    """One of the latest messages of an acquaintance: whoever may see one of these may be offered the address.

    `message` is the number of a row that may have gone meanwhile; it is never given again.
    """

    acquaintance = models.ForeignKey(Acquaintance, on_delete=models.CASCADE, db_index=False)
    message = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["acquaintance", "message"], name="correspondence_once")]


class CorrespondentsRead(models.Model):
    """How far placements have been read for correspondents: one row."""

    upto = models.CharField(max_length=32)
