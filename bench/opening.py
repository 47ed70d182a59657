"""How long a message takes to open: read by a cell, made safe, as page and frame give it (issue 5: p95 100 ms; 5 MB of HTML 500 ms).

    python -m bench.opening [FOLDER]

Server time through Django's test client, one after the other, in an office of its own. FOLDER holds mails (``*.eml``); without one,
letters made here. Every message is opened for the first time.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    os.environ["POSTSTELLE_HOME"] = tempfile.mkdtemp(prefix="bench-opening-")
    os.environ["DJANGO_SETTINGS_MODULE"] = "poststelle.run.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.test.utils import setup_test_environment

    setup_test_environment()
    call_command("migrate", verbosity=0)
    from tests.builders import a_folder, a_letter, a_message_in, an_account, an_office
    from tests.web.visitor import Visitor

    ada = Visitor(an_office())
    inbox = a_folder(an_account(ada.actor))

    def opened(raw: bytes) -> tuple[float, float, float]:
        """Seconds for the pane, for the frame, and of processor time here (without the cells')."""
        message = a_message_in(inbox, raw)
        cpu, began = time.process_time(), time.perf_counter()
        page = ada.part(f"/mail/f/{inbox.id}/m/{message.id}/", "reader").content.decode()
        pane = time.perf_counter() - began
        if frame := re.search(r'<iframe class="body"[^>]* src="([^"]+)"', page):
            assert ada.get(frame[1]).status_code == 200
        return pane, time.perf_counter() - began - pane, time.process_time() - cpu

    opened(a_letter())
    if len(sys.argv) > 1:
        raws = [path.read_bytes() for path in sorted(Path(sys.argv[1]).rglob("*.eml"))][:500]
    else:
        raws = [a_letter(f"Brief {number}", "Guten Tag\n" * 50, html=_newsletter(40_000)) for number in range(200)]
    _told(f"{len(raws)} messages", [opened(raw) for raw in raws])
    _told("5 MB of HTML", [opened(a_letter(html=_newsletter(5_000_000 + number))) for number in range(5)])


def _newsletter(size: int) -> str:
    """Tables in tables with styles, as newsletters are made."""
    row = (
        '<tr><td style="padding:8px;font-family:Arial,sans-serif;font-size:14px;color:#333"><table width="100%"><tr><td>'
        f'<a href="https://www.kunde.test/angebot" style="color:#0055aa">Zum Angebot</a> {"Worte und mehr Worte. " * 40}'
        '<img src="https://bilder.kunde.test/a.png" width="20" height="20"></td></tr></table></td></tr>'
    )
    return f"<html><body><table>{row * (size // len(row) + 1)}</table></body></html>"


def _told(what: str, times: list[tuple[float, float, float]]) -> None:
    for name, values in zip(("pane", "frame", "CPU here"), zip(*times, strict=True), strict=True):
        ordered = sorted(values)
        middle, high = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
        print(f"{what}: {name} median {1000 * middle:.1f} ms, p95 {1000 * high:.1f} ms")


if __name__ == "__main__":
    main()
