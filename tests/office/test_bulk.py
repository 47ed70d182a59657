"""Many mailboxes at once: the preview names what is wrong, the import keeps what was meant, the export gives nothing away."""

from __future__ import annotations

import csv
import io

import pytest

from poststelle.errors import Invalid, NotPermitted
from poststelle.office import accounts, bulk, feed
from poststelle.office.account_documents import document_of
from poststelle.office.actor import Actor
from poststelle.store import models
from poststelle.store.ways import access_of
from tests.builders import a_person, an_account, an_office

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = """label;address;incoming.host;incoming.port;login.username;login.password;receiving.push
Recht;recht@amt.test;mail.amt.test;1993;recht;geheim;nein
Bau;bau@amt.test;mail.amt.test;;bau;auch geheim;
"""


@pytest.fixture(autouse=True)
def _home(home: object) -> None:
    """A data folder of the test's own."""


@pytest.fixture
def clara() -> Actor:
    return an_office()


def test_a_preview_saves_nothing_and_an_import_saves_every_line(clara: Actor) -> None:
    seen = bulk.preview(clara, TABLE.encode())
    assert [(one.number, one.label, one.action) for one in seen] == [(2, "Recht", "add"), (3, "Bau", "add")]
    assert not models.Account.objects.exists()
    assert not models.Login.objects.exists()
    done = bulk.apply(clara, TABLE.encode())
    login = access_of(done[0].account).login
    assert login is not None
    assert login.password is not None
    assert login.password.reveal() == "geheim"
    recht = accounts.show(clara, "Recht")
    assert recht.incoming is not None
    assert (recht.incoming.port, recht.receiving.push) == (1993, False)
    assert [one.facts for one in feed.changes(clara, 0, 200).items if one.kind == "accounts-imported"] == [
        {"added": 2, "changed": 0}
    ]


def test_wrong_lines_are_named_cell_by_cell_and_nothing_is_saved(clara: Actor) -> None:
    an_account(clara, "Zentrale")
    wrong = (
        "label,address,kind,incoming.host,incoming.port,login.username,login.password,grants,owner\n"
        "Zentrale,z@amt.test,,mail.amt.test,,z,x,,\n"
        "Eins,kein-klammeraffe,,mail.amt.test,viele,e,x,,\n"
        "eins,e@amt.test,,mail.amt.test,,e,x,{,\n"
        "Drei,d@amt.test,,mail.amt.test,,d,,,niemand@amt.test\n"
        "Vier,v@amt.test\n"
        "Fünf,f@amt.test,archive,mail.amt.test,,f,x,,\n"
    )
    seen = {one.label: one.wrong for one in bulk.preview(clara, wrong.encode("cp1252"))}
    assert seen == {
        "Zentrale": {"label": "taken"}, "Eins": {"incoming.port": "not-a-number"},
        "eins": {"label": "taken", "grants": "not-json"}, "Drei": {"owner": "unknown-user"},
        "": {"": "wrong-number-of-cells"}, "Fünf": {"incoming": "archive-has-no-server", "login": "archive-has-no-server"},
    }  # fmt: skip
    with pytest.raises(Invalid) as refused:
        bulk.apply(clara, wrong.encode())
    assert refused.value.fields["line.3.incoming.port"] == "not-a-number"
    assert refused.value.fields["line.6"] == "wrong-number-of-cells"
    assert models.Account.objects.count() == 1
    partly = wrong.replace("niemand@amt.test", "").replace("d,,,", "d,x,,")
    assert [one.label for one in bulk.apply(clara, partly.encode(), partly=True) if one.account] == ["Drei"]


def test_a_password_in_the_wrong_column_is_repeated_nowhere(clara: Actor, caplog: pytest.LogCaptureFixture) -> None:
    misplaced = "label,address,incoming.port,incoming.host\nX,S3cr3t-Wort,S3cr3t-Wort,S3cr3t Wort\n"
    with pytest.raises(Invalid) as refused:
        bulk.apply(clara, misplaced.encode())
    with pytest.raises(Invalid) as headless:
        bulk.apply(clara, b"label,S3cr3t-Wort\nX,Y\n")
    assert (
        "S3cr3t" not in f"{refused.value!r} {refused.value} {headless.value} {bulk.preview(clara, misplaced.encode())}"
    )
    assert "S3cr3t" not in caplog.text
    assert not models.Journal.objects.filter(facts__icontains="S3cr3t").exists()


def test_an_export_has_no_secrets_no_formulas_and_comes_back_exactly(clara: Actor) -> None:
    names = ["=1+1", "'=x", "@SUM(A1)", "\uff1d2", "-1", "+2", "'Anna'", 'ein "Wort"; und, mehr']
    for number, name in enumerate(names):
        an_account(clara, f"Nr {number}", display_name=name, signature={"text": f"{name}\nzweite Zeile"})
    before = [document_of(record) for record in accounts.overview(clara).items]
    text = bulk.export(clara)
    assert "geheim" not in text
    assert text.startswith("\ufeff")
    cells = [cell for row in csv.reader(io.StringIO(text.lstrip("\ufeff"), newline="")) for cell in row]
    assert [cell for cell in cells if cell[:1] in "=+-@\t\r\uff1d\uff0b\uff0d\uff20" and cell] == []
    done = bulk.apply(clara, text.encode(), update=True)
    assert [one.wrong for one in done] == [{}] * len(names)
    assert [document_of(record) for record in accounts.overview(clara).items] == before
    login = access_of(done[0].account).login
    assert login is not None
    assert login.password is not None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n\n", b"\0\0", b"address\nx@y.test\n", b"label,label\nx,y\n", b'label\n"offen\n', b"x" * (10 << 20) + b"y",
        b"\xff\xfe\x00", b"label," + b",".join(b"c%d" % n for n in range(2000)),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_and_bounded(clara: Actor, data: bytes) -> None:
    with pytest.raises(Invalid):
        bulk.preview(clara, data)


def test_only_administrators_import_and_export(clara: Actor) -> None:
    bob = a_person()
    for attempt in (
        lambda: bulk.preview(bob, TABLE.encode()),
        lambda: bulk.apply(bob, TABLE.encode()),
        lambda: bulk.export(bob),
    ):
        with pytest.raises(NotPermitted):
            attempt()
