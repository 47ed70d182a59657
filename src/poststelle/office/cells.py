"""What strangers sent, read by somebody else: a confined process answers one question about one message or file, and ends.

Law: nothing of a message is parsed in the process that serves people (RELIABILITY Q11). What comes back is checked for its form; it
is no more to be trusted than the message. Which process that is the installation names (``CELLS`` in Django's settings).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, cast

from django.conf import settings as django_settings
from django.utils.module_loading import import_string
from pydantic import TypeAdapter

from poststelle.errors import Conflict, NotFound
from poststelle.mail.folding import Labels
from poststelle.mail.opened import UNREADABLE, Opened, Shown

_opened, _shown = TypeAdapter(Opened), TypeAdapter(Shown)
_file, _files = TypeAdapter(tuple[str, str]), TypeAdapter(list[tuple[str, str, int]])


def opened(raw: bytes, servers: Sequence[str] = ()) -> Opened:
    """The message opened; `UNREADABLE` in its place where it is too much for its reader. See `mail.opened.opened`."""
    answer = _ask("message", raw, servers=[*servers])
    try:
        return UNREADABLE if answer is None else _opened.validate_python(answer[0])
    except ValueError:
        return UNREADABLE


def shown(raw: bytes, labels: Labels, mark: str) -> Shown | None:
    """The HTML form of the message, None where there is none. See `mail.opened.shown`. Raises Conflict("message-unreadable")."""
    told, html = _answered("html", raw, quoted=labels.quoted, leads_to=labels.leads_to, mark=mark)
    try:
        return None if told is None else _shown.validate_python({**told, "html": html.decode("utf-8", "replace")})
    except (TypeError, ValueError) as error:
        raise Conflict("message-unreadable") from error


def file(raw: bytes, number: int) -> tuple[str, str, bytes]:
    """Name as sent, type and bytes of a file of the message. Raises NotFound, Conflict("message-unreadable")."""
    told, data = _answered("file", raw, number=number)
    if told is None:
        raise NotFound("attachment-unknown", attachment=number)
    try:
        return (*_file.validate_python(told), data)
    except ValueError as error:
        raise Conflict("message-unreadable") from error


def files(raw: bytes, *, as_sent: bool = False) -> list[tuple[str, str, bytes]]:
    """Every file people mean when they say all, or (`as_sent`) to be passed on, as `file` has them. Raises
    Conflict("message-unreadable")."""
    told, data = _answered("files", raw, as_sent=as_sent)
    try:
        described = _files.validate_python(told)
    except ValueError as error:
        raise Conflict("message-unreadable") from error
    found, start = [], 0
    for name, content_type, size in described:
        found.append((name, content_type, data[start : start + size]))
        start += size
    return found


def words(name: str, content_type: str, data: bytes) -> str | None:
    """The words of a file, None when they cannot be had."""
    answer = _ask("words", data, name=name[-255:], content_type=content_type)
    return None if answer is None else answer[1].decode("utf-8", "replace")


def picture(data: bytes, longest: int = 0) -> bytes:
    """A raster picture made again as PNG or JPEG, no side longer than `longest` (0: as it is); empty for anything else."""
    answer = _ask("picture", data, longest=longest)
    return b"" if answer is None else answer[1]


def page(data: bytes, number: int) -> tuple[bytes, int]:
    """A page of a PDF as PNG (empty when it cannot be drawn), and how many pages there are."""
    answer = _ask("page", data, number=number)
    if answer is None or not isinstance(answer[0], int):
        return b"", 0
    return answer[1], answer[0]


def _answered(question: str, data: bytes, **wish: object) -> tuple[Any, bytes]:
    answer = _ask(question, data, **wish)
    if answer is None:
        raise Conflict("message-unreadable")
    return answer


def _ask(question: str, data: bytes, **wish: object) -> tuple[Any, bytes] | None:
    ask = import_string(django_settings.CELLS)
    return cast("tuple[Any, bytes] | None", ask(question, wish, data))


class Recent:
    """The HTML forms shown last, so that the page that counts and the frame that shows make one only once. Bounded in characters."""

    def __init__(self, most: int = 32 << 20) -> None:
        self._most, self._held = most, 0
        self._kept: OrderedDict[object, tuple[str, Shown]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: object) -> tuple[str, Shown] | None:
        """What is kept under the key, if it still is."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: object, marked: tuple[str, Shown]) -> None:
        """Keep it with its mark, and let go what is oldest."""
        with self._lock:
            before = self._kept.pop(key, None)
            self._held += len(marked[1].html) - (len(before[1].html) if before else 0)
            self._kept[key] = marked
            while self._held > self._most:
                self._held -= len(self._kept.popitem(last=False)[1][1].html)
