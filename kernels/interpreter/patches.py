"""Attributes changed for a while."""

from typing import Any

_MISSING = object()


class Patches:
    """Sets attributes of modules and classes, and puts back exactly what was there: inherited ones too."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, object]] = []

    def set(self, owner: Any, name: str, value: object) -> None:
        """From now on `owner.name` is the value."""
        self._before.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, value)

    def restore(self) -> None:
        """Everything is as before the first `set`."""
        while self._before:
            owner, name, value = self._before.pop()
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
