"""The demo's data folder: emptied for every start, and never anybody else's. Knows neither Django nor mail."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from poststelle.errors import Conflict
from poststelle.run.locks import SERVE, is_held

MARKER = "demo.json"


def make_room(home: Path) -> None:
    """Empty the demo's data folder for a fresh start.

    Raises Conflict("not-a-demo-folder") where other data lies, Conflict("lock-taken") while it is being served.
    """
    if home.exists() and any(home.iterdir()):
        if not (home / MARKER).exists():
            raise Conflict("not-a-demo-folder", home=str(home))
        if is_held(home, SERVE):
            raise Conflict("lock-taken", lock=SERVE)
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / MARKER).write_text(json.dumps({"began_at": datetime.now(UTC).isoformat()}), encoding="ascii")
