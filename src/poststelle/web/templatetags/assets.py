"""Where the built files of the browser are: the manifest of the asset build, read once."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from django import template
from django.templatetags.static import static

register = template.Library()

_DIST = Path(__file__).resolve().parent.parent / "static" / "dist"


@functools.cache
def _manifest() -> dict[str, str]:
    names: dict[str, str] = json.loads((_DIST / "manifest.json").read_text(encoding="utf-8"))
    return names


@register.simple_tag
def asset(name: str) -> str:
    """The address of a built file by its plain name (``app.js``). The name in the address changes with the content."""
    return static(f"dist/{_manifest()[name]}")
