"""A launch as plain values: what a machine with a GPU needs to repeat it on buffers of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .account import Account
from .binary import Binary


@dataclass(frozen=True)
class Storage:
    """One allocation. `id` counts storages in the order in which the recorder met them."""

    id: int
    bytes: int
    origin: str
    """"given" from outside, or the name of the operation that made it, such as "aten.empty.memory_format"."""


@dataclass(frozen=True)
class Buffer:
    """A tensor that a kernel is given."""

    storage: int
    offset: int
    """Bytes from the start of the storage."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In elements."""
    dtype: str
    """As torch calls it: "bfloat16"."""


@dataclass(frozen=True)
class Scalar:
    """A number that a kernel is given."""

    type: str
    """Triton's name: "i32", "i64", "u1", "fp32"."""
    value: int | float | bool


@dataclass(frozen=True)
class Descriptor:
    """A tensor descriptor made by the host."""

    base: Buffer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    block_shape: tuple[int, ...]
    padding: str


Argument = Buffer | Scalar | Descriptor
Constant = int | float | bool | str | None
_KINDS: dict[str, type[Buffer] | type[Scalar] | type[Descriptor]] = {
    "buffer": Buffer,
    "scalar": Scalar,
    "descriptor": Descriptor,
}


@dataclass(frozen=True)
class Launch:
    """One launch of one kernel.

    To repeat it: pass the `arguments` in their order, then `hidden` pointers, null but for the first one
    where `scratch_bytes` is above zero; it then points to so many bytes for every program.
    """

    kernel: str
    """Name of the Python function."""
    symbol: str
    """Name in `ptx`."""
    target: str
    """"cuda:90" or "hip:gfx942"."""
    grid: tuple[int, int, int]
    warps: int
    stages: int
    ctas: int
    shared: int
    """Bytes of dynamic shared memory."""
    scratch_bytes: int
    hidden: int
    """Parameters after the arguments; -1 where the text does not say (amdgcn)."""
    signature: Mapping[str, str]
    constants: Mapping[str, Constant]
    """Compile-time constants, and numbers that are constants because they are 1. Types by their names."""
    arguments: Mapping[str, Argument]
    """In the kernel's order; parts of a tuple as "name.0"."""
    ptx: str
    """The assembly text: PTX, or amdgcn where the target is AMD."""
    operation: int
    """How many of the recorder's operations came before it."""
    binary: Binary | None = None
    account: Account | None = None

    @property
    def programs(self) -> int:
        """Of the whole grid."""
        return self.grid[0] * self.grid[1] * self.grid[2]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        data["grid"] = list(self.grid)
        data["signature"], data["constants"] = dict(self.signature), dict(self.constants)
        data["arguments"] = {name: argument_to_json(each) for name, each in self.arguments.items()}
        data["binary"] = self.binary.to_json() if self.binary else None
        data["account"] = self.account.to_json() if self.account else None
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Launch":
        """The launch that `to_json` was called on."""
        return cls(
            **{
                **data,
                "grid": tuple(data["grid"]),
                "arguments": {name: argument_from_json(each) for name, each in data["arguments"].items()},
                "binary": Binary.from_json(data["binary"]) if data["binary"] else None,
                "account": Account.from_json(data["account"]) if data["account"] else None,
            }
        )


def argument_to_json(argument: Argument) -> dict[str, Any]:
    """Plain values, with the kind of argument among them."""
    kind = next(name for name, type_ in _KINDS.items() if isinstance(argument, type_))
    return {"kind": kind, **asdict(argument)}


def argument_from_json(data: Mapping[str, Any]) -> Argument:
    """The argument that `argument_to_json` was called on."""
    values: dict[str, Any] = {
        name: tuple(each) if isinstance(each, (list, tuple)) else each for name, each in data.items()
    }
    kind: Any = _KINDS[values.pop("kind")]
    if kind is Descriptor:
        values["base"] = argument_from_json({"kind": "buffer", **values["base"]})
    made: Argument = kind(**values)
    return made


@dataclass(frozen=True)
class Operation:
    """One thing that torch did while launches were recorded."""

    name: str
    """"aten.empty.memory_format"."""
    kind: str
    """"allocation" (contents undefined), "fill" (one number), "view", "copy" (moves numbers) or "compute"."""
    inputs: Sequence[int]
    """Storages."""
    outputs: Sequence[int]
    value: float | None = None
    """Of a fill."""
    launches: int = 0
    """How many launches came before it."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Operation":
        """The operation that `to_json` was called on."""
        return cls(**{**data, "inputs": tuple(data["inputs"]), "outputs": tuple(data["outputs"])})


@dataclass(frozen=True)
class Recording:
    """All that happened between inputs and outputs, for a machine with a GPU to repeat on its own buffers."""

    target: str
    storages: tuple[Storage, ...]
    operations: tuple[Operation, ...]
    launches: tuple[Launch, ...]
    inputs: tuple[Buffer, ...]
    """Where the values come from; their storages are to be filled with them beforehand."""
    outputs: tuple[Buffer, ...]
    """Where the results lie afterwards."""

    def steps(self) -> Iterator[Operation | Launch]:
        """Operations and launches in the order in which they happened."""
        done = 0
        for count, launch in enumerate(self.launches):
            while done < len(self.operations) and self.operations[done].launches <= count:
                yield self.operations[done]
                done += 1
            yield launch
        yield from self.operations[done:]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {
            "target": self.target,
            "storages": [asdict(each) for each in self.storages],
            "operations": [each.to_json() for each in self.operations],
            "launches": [each.to_json() for each in self.launches],
            "inputs": [argument_to_json(each) for each in self.inputs],
            "outputs": [argument_to_json(each) for each in self.outputs],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Recording":
        """The recording that `to_json` was called on; KeyError or TypeError where something is missing."""
        return cls(
            target=data["target"],
            storages=tuple(Storage(**each) for each in data["storages"]),
            operations=tuple(Operation.from_json(each) for each in data["operations"]),
            launches=tuple(Launch.from_json(each) for each in data["launches"]),
            inputs=tuple(_buffer(each) for each in data["inputs"]),
            outputs=tuple(_buffer(each) for each in data["outputs"]),
        )


def _buffer(data: Mapping[str, Any]) -> Buffer:
    made = argument_from_json(data)
    if not isinstance(made, Buffer):
        raise TypeError(f"expected a buffer, got a {type(made).__name__.lower()}")
    return made
