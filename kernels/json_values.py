"""Frozen dataclasses as JSON values, and back with every type checked: what comes back may be hostile."""

import base64
import binascii
import functools
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

Value = TypeVar("Value")
INTEGERS = range(-(2**63), 2**64)
"""What a kernel can be given."""


def to_plain(value: Any) -> Any:
    """Values for `json.dumps`: a dataclass as a dict, a named tuple as a list, bytes as base64.

    A dataclass that has a `kind` of its own, being one of several in a union, names it.
    """
    if is_dataclass(value):
        kind = getattr(type(value), "KIND", None)
        named = {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
        return named if kind is None else {"kind": kind, **named}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: to_plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    return value


def from_plain(kind: type[Value], data: Any) -> Value:
    """The value of this type that `to_plain` was called on; ValueError, saying where, for anything else."""
    made: Value = _read(kind, data, kind.__name__.lower())
    return made


def _read(kind: Any, data: Any, at: str) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_union(parts, data, at)
    if isinstance(kind, type) and is_dataclass(kind):
        return _read_dataclass(kind, data, at)
    if origin is Literal:
        if data not in parts:
            raise ValueError(f"{at}: expected one of {', '.join(map(str, parts))}, got {data!r}")
        return data
    if origin is tuple and parts[-1:] != (Ellipsis,):
        return tuple(_zip(parts, _of(list, data, at), at))
    if origin in (tuple, Sequence):
        return tuple(_read(parts[0], each, f"{at}[{i}]") for i, each in enumerate(_of(list, data, at)))
    if origin is Mapping:
        return {
            str(name): _read(parts[1], each, f"{at}.{name}") for name, each in _of(dict, data, at).items()
        }
    if isinstance(kind, type) and issubclass(kind, tuple):
        return kind(*_zip(tuple(_hints(kind).values()), _of(list, data, at), at))
    if kind is bytes:
        try:
            return base64.b64decode(_of(str, data, at), validate=True)
        except binascii.Error as error:
            raise ValueError(f"{at}: expected base64, {error}") from None
    if kind is float:
        return float(data) if type(data) is int and data in INTEGERS else _of(float, data, at)
    if kind is int and _of(int, data, at) not in INTEGERS:
        raise ValueError(f"{at}: expected an integer of at most 64 bits")
    return None if kind is type(None) and data is None else _of(kind, data, at)


def _read_union(parts: tuple[Any, ...], data: Any, at: str) -> Any:
    """One of several types: by its `kind`, or else the first whose exact type it has."""
    named = {each.KIND: each for each in parts if hasattr(each, "KIND")}
    if named and isinstance(data, dict) and data.get("kind") in named:
        rest = {name: each for name, each in data.items() if name != "kind"}
        return _read_dataclass(named[data["kind"]], rest, at)
    for part in parts:
        if part in (int, float, bool, str, type(None)):
            if type(data) is part:
                return _read(part, data, at)
        elif data is not None and part not in named.values():
            return _read(part, data, at)
    raise ValueError(f"{at}: expected {' or '.join(_name(each) for each in parts)}, got {_name(type(data))}")


def _read_dataclass(kind: Any, data: Any, at: str) -> Any:
    given, hints = dict(_of(dict, data, at)), _hints(kind)
    if hasattr(kind, "KIND") and given.pop("kind", kind.KIND) != kind.KIND:
        raise ValueError(f"{at}: expected a {kind.KIND}")
    known = {each.name: each for each in fields(kind)}
    if extra := given.keys() - known.keys():
        raise ValueError(f"{at}: knows no {', '.join(sorted(map(str, extra)))}")
    if missing := [name for name, each in known.items() if name not in given and not _optional(each)]:
        raise ValueError(f"{at}: lacks {', '.join(missing)}")
    return kind(**{name: _read(hints[name], each, f"{at}.{name}") for name, each in given.items()})


def _zip(parts: tuple[Any, ...], data: list[Any], at: str) -> list[Any]:
    if len(parts) != len(data):
        raise ValueError(f"{at}: expected {len(parts)} values, got {len(data)}")
    return [_read(part, each, f"{at}[{i}]") for i, (part, each) in enumerate(zip(parts, data, strict=True))]


def _of(kind: type[Value], data: Any, at: str) -> Value:
    if type(data) is not kind:
        raise ValueError(f"{at}: expected {_name(kind)}, got {_name(type(data))}")
    return data


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _optional(field: "Field[Any]") -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
