"""The words that optimizers are bred from: operators, and the idioms that known methods are made of."""

import math
from typing import Final

from ..language.vocabulary import Idiom, Layout, Operator, Vocabulary

FRACTION = (0.0, 0.999999)
"""Where a decay rate stays: at 1 an average would never see its input."""

LAYOUT = Layout(
    function="update",
    constants="HYPERPARAMETERS",
    constants_parameter="hp",
    state_function="init",
    state_parameter="state",
    pinned=frozenset({"lr"}),
    bounds={
        "lr": (1e-6, 100.0),
        "eps": (1e-12, 1.0),
        **dict.fromkeys(("beta", "beta1", "beta2", "rho", "momentum", "decay", "mix"), FRACTION),
        "weight_decay": (0.0, 10.0),
        "power": (0.05, 2.0),
    },
)

T: Final = "tensor"
S: Final = "scalar"

OPERATORS = (
    Operator("{0} + {1}", (T, T), T, "add", weight=2.0),
    Operator("{0} - {1}", (T, T), T, "subtract", weight=2.0),
    Operator("{0} * {1}", (T, T), T, "multiply", weight=2.0),
    Operator("{0} / ({1} + 1e-8)", (T, T), T, "divide"),
    Operator("{0} * {1}", (S, T), T, "scale", weight=3.0),
    Operator("{0} + {1}", (T, S), T, "shift"),
    Operator("torch.sqrt(torch.abs({0}))", (T,), T, "take the square root of the size of"),
    Operator("torch.square({0})", (T,), T, "square"),
    Operator("torch.sign({0})", (T,), T, "take the sign of", weight=2.0),
    Operator("torch.abs({0})", (T,), T, "take the size of"),
    Operator("torch.tanh({0})", (T,), T, "squash with tanh"),
    Operator("torch.log1p(torch.abs({0}))", (T,), T, "take log(1 + size) of"),
    Operator("torch.clamp({0}, min=-1.0, max=1.0)", (T,), T, "clip to one"),
    Operator("torch.maximum({0}, {1})", (T, T), T, "take the larger of"),
    Operator("torch.minimum({0}, {1})", (T, T), T, "take the smaller of"),
    Operator("torch.lerp({0}, {1}, 0.1)", (T, T), T, "mix a tenth of the second into the first,"),
    Operator("torch.where({0}, {1}, {2})", ("bool", T, T), T, "choose by a mask between"),
    Operator("torch.mean({0})", (T,), T, "average over the whole tensor", reduces=True),
    Operator("torch.norm({0})", (T,), T, "take the norm of", reduces=True),
    Operator("{0} > {1}", (T, T), "bool", "compare"),
    Operator("{0} * {1} > 0.0", (T, T), "bool", "ask for equal signs of"),
    Operator("torch.abs({0}) > {1}", (T, S), "bool", "ask for sizes above a bound of"),
    Operator("{0} + {1}", (S, S), S, "add"),
    Operator("{0} * {1}", (S, S), S, "multiply", weight=2.0),
    Operator("1.0 - {0}", (S,), S, "take one minus"),
    Operator("{0} ** 0.5", (S,), S, "take the square root of"),
    Operator("1.0 / (1.0 + 0.001 * {0})", ("int",), S, "decay slowly with"),
    Operator("min(1.0, {0} / 100.0)", ("int",), S, "warm up over 100 of"),
)

IDIOMS = (
    Idiom("momentum", "smooth by an exponential moving average", (T,), constants={"beta": 0.9},
          state={"mean": "torch.zeros_like(param)"}, weight=2.0,
          statements=("new = beta * mean + (1.0 - beta) * {0}",), kept={"mean": "new"}, result="new"),
    Idiom("nesterov", "look ahead along an exponential moving average", (T,), constants={"beta": 0.9},
          state={"mean": "torch.zeros_like(param)"},
          statements=("new = beta * mean + (1.0 - beta) * {0}",), kept={"mean": "new"},
          result="beta * new + (1.0 - beta) * {0}"),
    Idiom("total", "divide by the root of the sum of squares so far", (T,), constants={"eps": 1e-8},
          state={"total": "torch.zeros_like(param)"}, weight=2.0,
          statements=("new = total + {0} * {0}",), kept={"total": "new"},
          result="{0} / (torch.sqrt(new) + eps)"),
    Idiom("fading total", "divide by the root of the moving mean of squares", (T,),
          constants={"decay": 0.99, "eps": 1e-8}, state={"square": "torch.zeros_like(param)"},
          statements=("new = decay * square + (1.0 - decay) * {0} * {0}",), kept={"square": "new"},
          result="{0} / (torch.sqrt(new) + eps)"),
    Idiom("rows", "divide by the root of the mean square of each row", (T,), constants={"eps": 1e-8},
          state={"row": "torch.zeros_like(param)"},
          statements=("size = {0} * {0}",
                      "new = row + (torch.mean(size, dim=-1, keepdim=True) if grad.dim() == 2 else size)"),
          kept={"row": "new"}, result="{0} / (torch.sqrt(new) + eps)"),
    Idiom("power", "raise its size to a power", (T,), constants={"power": 0.5},
          result="torch.sign({0}) * torch.pow(torch.abs({0}) + 1e-12, power)"),
    Idiom("bias correction", "correct the bias of a moving average", (T,), constants={"beta": 0.9},
          result="{0} / (1.0 - beta ** step)"),
    Idiom("clip norm", "clip by the norm of the tensor", (T,), constants={"bound": 1.0},
          result="{0} * torch.clamp(bound / (torch.norm({0}) + 1e-8), max=1.0)"),
    Idiom("clip values", "clip each value", (T,), constants={"bound": 1.0},
          result="torch.clamp({0}, min=-bound, max=bound)"),
    Idiom("weight decay", "decay the weights apart from the gradient", (T,),
          constants={"weight_decay": 0.01},
          result="{0} - hp[\"lr\"] * weight_decay * param", place="result"),
    Idiom("touched decay", "decay only the weights that have a gradient", (T,),
          constants={"weight_decay": 0.01},
          result="{0} - hp[\"lr\"] * weight_decay * torch.where(grad == 0.0, 0.0, param)", place="result"),
    Idiom("only touched", "leave weights alone that have no gradient", (T,),
          result="torch.where(grad == 0.0, param, {0})", place="result"),
    Idiom("cautious", "drop what goes against the gradient", (T,),
          result="torch.where({0} * grad > 0.0, {0}, 0.0)"),
    Idiom("cool down", "shrink with the square root of the step", (T,), constants={"cooling": 0.01},
          result="{0} / (1.0 + cooling * step) ** 0.5"),
)  # fmt: skip

VOCABULARY = Vocabulary(
    layout=LAYOUT,
    operators=OPERATORS,
    leaves={"grad": T, "param": T, "step": "int"},
    idioms=IDIOMS,
    literals=(0.0, 1e-8, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0, 2.0, 10.0),
    ranges={"step": (1.0, math.inf)},
    follows={"param": 1, "grad": -1},
)
