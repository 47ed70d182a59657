"""A value that must not be seen: passwords, tokens, keys. Its repr, str and format are empty of content."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Wraps a secret text. Only `reveal()` gives it back; it cannot be pickled, printed, logged or compared by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself. Call it at the last moment, where it goes to the wire or into encryption."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")
