"""Every icon a page asks for is one of Lucide's: an unknown one would break the page that shows it."""

from __future__ import annotations

import re

import lucide

from poststelle.web import names, tree
from tests.house.tree import PACKAGE, files


def test_every_icon_exists() -> None:
    texts = [page.read_text(encoding="utf-8") for page in files(PACKAGE / "web", ".html", ".py")]
    asked = {name for text in texts for name in re.findall(r"""lucide\(? ?["']([a-z0-9-]+)["']""", text)}
    asked |= {*names.ICONS.values(), *tree._ICONS.values(), *tree._PLACE_ICONS.values()}
    assert len(asked) > 80
    unknown = set()
    for name in sorted(asked):
        try:
            lucide._load_icon(name)
        except lucide.IconDoesNotExist:
            unknown.add(name)
    assert unknown == set()
