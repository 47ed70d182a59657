"""What people get of the files with a message."""

from __future__ import annotations

import pytest

from poststelle.errors import NotFound
from poststelle.office import reading
from tests.builders import a_folder, a_letter, a_message_in, an_account, an_office
from tests.mail.test_tnef import PACKED

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_files_in_a_winmail_dat_are_listed_and_handed_out_like_others() -> None:
    ada = an_office()
    raw = a_letter("Bescheid", "", attachments=[("winmail.dat", "application/ms-tnef", PACKED)])
    placed = a_message_in(a_folder(an_account(ada)), raw)
    opened = reading.open_message(ada, placed.id)
    assert opened.text == "Anbei der Bescheid."
    assert [(file.number, file.name, file.size) for file in opened.attachments][1:] == [
        (1, "Bescheid für Müller.pdf", 6),
        (2, "Anlage.txt", 4),
    ]
    assert reading.attachment(ada, placed.id, 1).data == b"%PDF-1"
    assert reading.attachment(ada, placed.id, 0).data == PACKED
    with pytest.raises(NotFound):
        reading.attachment(ada, placed.id, 3)
