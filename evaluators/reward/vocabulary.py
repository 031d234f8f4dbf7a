"""The words that rewards are bred from: operators, and the idioms that known formulas are made of."""

from typing import Final

from ..language.vocabulary import Idiom, Layout, Operator, Vocabulary
from .logs.signals import Signal, Signals

T: Final = "tensor"
S: Final = "scalar"
LONG = 20.0
"""A signal from 0 to more than this, such as seconds, is put on a logarithmic scale before it is added."""

LAYOUT = Layout(
    function="reward",
    constants="WEIGHTS",
    constants_parameter="WEIGHTS",
    bounds={
        "power": (0.05, 2.0),
        "slope": (-50.0, 50.0),
        "middle": (-3600.0, 3600.0),
        "weight": (-1e4, 1e4),
        "floor": (1e-6, 1.0),
        "share": (0.0, 1.0),
        "second": (1e-3, 10.0),
    },
)

OPERATORS = (
    Operator("{0} + {1}", (T, T), T, "add", weight=3.0),
    Operator("{0} - {1}", (T, T), T, "subtract", weight=2.0),
    Operator("{0} * {1}", (T, T), T, "multiply", weight=3.0),
    Operator("{0} / (1.0 + numpy.abs({1}))", (T, T), T, "discount by the size of"),
    Operator("{0} * {1}", (S, T), T, "scale", weight=3.0),
    Operator("{0} + {1}", (T, S), T, "shift"),
    Operator("numpy.sqrt(numpy.abs({0}))", (T,), T, "take the square root of the size of"),
    Operator("numpy.square({0})", (T,), T, "square"),
    Operator("numpy.log1p(numpy.abs({0}))", (T,), T, "take log(1 + size) of", weight=2.0),
    Operator("numpy.tanh({0})", (T,), T, "squash with tanh", weight=2.0),
    Operator("1.0 / (1.0 + numpy.exp(-numpy.tanh({0})))", (T,), T, "squash to a soft yes or no"),
    Operator("numpy.exp(numpy.clip({0}, -10.0, 10.0))", (T,), T, "raise e to"),
    Operator("numpy.clip({0}, 0.0, 1.0)", (T,), T, "clip to 0 to 1"),
    Operator("numpy.maximum({0}, {1})", (T, T), T, "take the larger of"),
    Operator("numpy.minimum({0}, {1})", (T, T), T, "take the smaller of"),
    Operator("numpy.maximum({0}, {1})", (T, S), T, "lift to at least"),
    Operator("numpy.minimum({0}, {1})", (T, S), T, "cap at"),
    Operator("numpy.where({0}, {1}, {2})", ("bool", T, T), T, "choose by a mask between"),
    Operator("{0} > {1}", (T, S), "bool", "ask for more than a bound of"),
    Operator("{0} + {1}", (S, S), S, "add"),
    Operator("{0} * {1}", (S, S), S, "multiply", weight=2.0),
)

_GENERAL = (
    Idiom("power", "raise its size to a power", (T,), constants={"power": 0.5},
          result="numpy.power(numpy.abs({0}) + 1e-9, power)", weight=1.5),
    Idiom("log scale", "count its first units most", (T,), constants={"second": 1.0},
          result="numpy.log1p(second * numpy.abs({0}))", weight=1.5),
    Idiom("blend", "blend with another value", (T, T), constants={"share": 0.5},
          result="share * {0} + (1.0 - share) * {1}"),
    Idiom("boost", "multiply by one plus a weighted value", (T, T), constants={"weight": 1.0},
          result="{0} * (1.0 + weight * {1})", weight=1.5),
)  # fmt: skip


def vocabulary_for(signals: Signals) -> Vocabulary:
    """The words of rewards over these signals: operators, and one idiom of each sort per prediction."""
    return Vocabulary(
        layout=LAYOUT,
        operators=OPERATORS,
        leaves=dict.fromkeys((_leaf(one) for one in signals.predictions), T),
        idioms=(*_GENERAL, *(idiom for one in signals.predictions for idiom in _idioms(one))),
        literals=(0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0),
        ranges={_leaf(one): (one.low, one.high) for one in signals.predictions},
    )


def _leaf(one: Signal) -> str:
    return f"signals[{one.name}]"


def _idioms(one: Signal) -> tuple[Idiom, ...]:
    """What may be done with one prediction, in its own unit: added, multiplied, used as a gate."""
    read = f'signals["{one.name}"]'
    width = one.high - one.low
    long = one.low >= 0 and width > LONG
    plain = f"numpy.log1p({read})" if long else read
    middle = 2.0 if long else round((one.low + one.high) / 2, 6)
    size, steep = (0.1, 1.0) if width > 2 else (1.0, round(10.0 / width, 6))
    sign, symbol, side = ("add", "+", "low") if one.better >= 0 else ("subtract", "-", "high")
    slope = steep if one.better >= 0 else -steep
    gate = f"1.0 / (1.0 + numpy.exp(numpy.clip(slope * (middle - {plain}), -50.0, 50.0)))"
    return (
        Idiom(f"add {one.name}", f"{sign} {one.name} with a weight", (T,), constants={"weight": size},
              result=f"{{0}} {symbol} weight * {plain}", place="result", weight=1.5),
        Idiom(f"{one.name} inside", f"{sign} {one.name} with a weight", (T,), constants={"weight": size},
              result=f"{{0}} {symbol} weight * {plain}"),
        Idiom(f"gate by {one.name}", f"discount where {one.name} is {side}", (T,),
              constants={"slope": slope, "middle": middle}, result=f"{{0}} * ({gate})", weight=1.5),
        Idiom(f"times {one.name}", f"multiply by a power of {one.name}", (T,),
              constants={"floor": 0.001, "power": 0.5},
              result=f"{{0}} * numpy.power({read} - {one.low!r} + floor, power)", weight=1.5),
    )  # fmt: skip
