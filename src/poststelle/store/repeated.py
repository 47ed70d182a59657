"""What a placement repeats of its message, so that a list is sorted and filtered by an index alone.

Law: whoever makes a placement fills these columns in the same statement, with `of` for messages or by copying another
placement's. They can always be made again from the message (`fill`).
"""

from __future__ import annotations

from collections.abc import Sequence

from poststelle.mail.order import sender_key, subject_key
from poststelle.store.rows import all_rows, chunks, many, marks

COLUMNS = "thread, has_attachments, size, by_sender, by_subject"
"""Columns of `store_placement`."""

Repeated = tuple[int, bool, int, str, str]


def of(messages: Sequence[int]) -> dict[int, Repeated]:
    """The values of `COLUMNS` for placements of these messages."""
    found: dict[int, Repeated] = {}
    for some in chunks(messages):
        for number, thread, has_attachments, size, name, address, subject in all_rows(
            "SELECT id, thread, has_attachments, size, from_name, from_address, subject FROM store_message"  # noqa: S608
            f" WHERE id IN ({marks(some)})",
            some,
        ):
            keys = sender_key(name, address), subject_key(subject)
            found[number] = (thread, bool(has_attachments), size, *keys)
    return found


def fill(messages: Sequence[int]) -> None:
    """Write the columns into the placements of these messages, in the current transaction; safe to repeat."""
    many(
        "UPDATE store_placement SET thread = %s, has_attachments = %s, size = %s, by_sender = %s, by_subject = %s WHERE message_id = %s",
        [(*said, number) for number, said in of(messages).items()],
    )
