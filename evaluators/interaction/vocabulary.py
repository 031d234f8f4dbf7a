"""The words that interaction layers are bred from: operators, and the idioms that known layers are made of.

An idiom's weights start so that it changes little: gates near one half doubled, added paths small.
"""

from typing import Final

from ..language.vocabulary import Idiom, Layout, Operator, Sizes, Vocabulary

LAYOUT = Layout(
    function="interact",
    constants="HYPERPARAMETERS",
    constants_parameter="hp",
    state_function="init",
    state_parameter="params",
    fixed=True,
    bounds={
        **dict.fromkeys(("rank", "hidden", "squeezed", "tokens", "channels"), (1.0, 64.0)),
        "scale": (0.01, 10.0),
        "mix": (0.0, 10.0),
    },
)
SIZES = Sizes(inputs={"x": (100_003, 211, 199)}, lengths={"fields": 211, "dim": 199})

T: Final = "tensor"
S: Final = "scalar"
M: Final = "matrix"
C: Final = "cube"
SQUARE = "torch.randn(last, last) / (last) ** 0.5"
DOWN = "torch.randn(last, rank) / (last) ** 0.5"
UP = "0.1 * torch.randn(rank, last) / rank ** 0.5"

OPERATORS = (
    Operator("{0} + {1}", (T, T), T, "add", weight=3.0),
    Operator("{0} - {1}", (T, T), T, "subtract"),
    Operator("{0} * {1}", (T, T), T, "multiply", weight=3.0),
    Operator("{0} * {1}", (S, T), T, "scale", weight=2.0),
    Operator("{0} * torch.sigmoid({1})", (T, T), T, "gate", weight=2.0),
    Operator("{0} * torch.sigmoid({0})", (T,), T, "bend with SiLU"),
    Operator("torch.relu({0})", (T,), T, "cut off below zero"),
    Operator("torch.tanh({0})", (T,), T, "squash with tanh"),
    Operator("torch.sigmoid({0})", (T,), T, "squash to 0..1"),
    Operator("torch.square({0})", (T,), T, "square"),
    Operator("torch.abs({0})", (T,), T, "take the size of"),
    Operator("torch.sign({0}) * torch.log1p(torch.abs({0}))", (T,), T, "press large values of"),
    Operator("torch.softmax({0}, dim=-1)", (T,), T, "share out one over the last axis by"),
    Operator("{0} - {0}.mean(dim=-1, keepdim=True)", (T,), T, "centre"),
    Operator("torch.maximum({0}, {1})", (T, T), T, "take the larger of"),
    Operator("torch.minimum({0}, {1})", (T, T), T, "take the smaller of"),
    Operator("{0} + {1}", (S, S), S, "add"),
    Operator("{0} * {1}", (S, S), S, "multiply"),
)

IDIOMS = (
    Idiom("gate", "gate by a sigmoid of its own linear map", (M,),
          fixed={"gate": SQUARE, "gate_bias": "torch.zeros(last)"},
          result='{0} * torch.sigmoid({0} @ gate + gate_bias)'),
    Idiom("low-rank gate", "gate by a sigmoid of a low-rank map", (M,), constants={"rank": 8},
          fixed={"gate_down": DOWN, "gate_up": UP}, weight=2.0,
          result="2.0 * {0} * torch.sigmoid({0} @ gate_down @ gate_up)"),
    Idiom("cross", "cross with a linear map, and add it", (M, T),
          fixed={"cross": SQUARE, "bias": "torch.zeros(last)"},
          result="{1} * ({0} @ cross + bias) + {0}"),
    Idiom("low-rank cross", "cross with a low-rank map, and add it", (M, T), constants={"rank": 8},
          fixed={"cross_down": DOWN, "cross_up": "torch.randn(rank, last) / rank ** 0.5"}, weight=2.0,
          result="{1} * ({0} @ cross_down @ cross_up) + {0}"),
    Idiom("gated low-rank cross", "cross with a low-rank map behind a gate, and add it", (M, T),
          constants={"rank": 8},
          fixed={"value_down": DOWN, "value_up": "torch.randn(rank, last) / rank ** 0.5",
                 "gate_down": DOWN, "gate_up": UP},
          result="{0} + {1} * torch.sigmoid({0} @ gate_down @ gate_up) * ({0} @ value_down @ value_up)"),
    Idiom("bottleneck", "add a low-rank path with a bend", (T,), constants={"hidden": 8},
          fixed={"narrow": "torch.randn(last, hidden) / (last) ** 0.5",
                 "wide": "0.1 * torch.randn(hidden, last) / hidden ** 0.5"},
          result="{0} + torch.relu({0} @ narrow) @ wide"),
    Idiom("layer norm", "normalise each row", (T,), result="torch.layer_norm({0}, ({0}.shape[-1],))"),
    Idiom("root mean square", "divide by the root mean square of each row", (T,),
          result="{0} * torch.rsqrt(torch.square({0}).mean(dim=-1, keepdim=True) + 1e-4)"),
    Idiom("scale", "scale each feature by a trained number", (T,), fixed={"factor": "torch.ones(last)"},
          result="{0} * factor"),
    Idiom("loud scale", "scale each feature up by a trained number", (T,), constants={"scale": 4.0},
          fixed={"factor": "torch.ones(last)"}, result="{0} * scale * factor"),
    Idiom("residual", "add it to another", (T, T), constants={"mix": 0.5}, result="{0} + mix * {1}"),
    Idiom("squares", "add a little of its square", (T,), constants={"mix": 0.5},
          result="{0} + mix * {0} * {0}"),
    Idiom("squeeze and excite", "re-weigh fields by a small network over their means", (C,),
          constants={"squeezed": 4},
          fixed={"squeeze": "torch.randn(middle, squeezed) / (middle) ** 0.5",
                 "excite": "0.1 * torch.randn(squeezed, middle) / squeezed ** 0.5"}, weight=2.0,
          result="2.0 * {0} * torch.sigmoid(torch.relu({0}.mean(dim=2) @ squeeze) @ excite).unsqueeze(2)"),
    Idiom("field weights", "scale each field by a trained number", (C,),
          fixed={"importance": "torch.ones(middle, 1)"}, result="{0} * importance"),
    Idiom("attention", "add to each field the others, by how alike they are", (C,),
          constants={"mix": 0.5, "scale": 4.0},
          statements=("shares = torch.softmax(scale * torch.bmm({0}, {0}.transpose(1, 2)), dim=2)",),
          result="{0} + mix * torch.bmm(shares, {0})"),
    Idiom("mix fields", "add a small network across fields", (C,), constants={"tokens": 8},
          fixed={"token_in": "torch.randn(middle, tokens) / (middle) ** 0.5",
                 "token_out": "0.1 * torch.randn(tokens, middle) / tokens ** 0.5"},
          result="{0} + (torch.relu({0}.transpose(1, 2) @ token_in) @ token_out).transpose(1, 2)"),
    Idiom("field pairs", "multiply each field by a linear map of the sum of the others", (C,),
          fixed={"bilinear": SQUARE},
          result="{0} * ({0}.sum(dim=1, keepdim=True) @ bilinear) + {0}"),
    Idiom("join", "keep another beside it", (M, M), place="result", weight=3.0,
          result="torch.cat([{0}, {1}], dim=1)"),
    Idiom("join embeddings", "keep the embeddings beside it", (M,), place="result",
          result="torch.cat([{0}, x.flatten(1)], dim=1)"),
    Idiom("join pairs", "keep the dot products of all pairs beside it", (M,), place="result", weight=2.0,
          statements=("gram = torch.bmm(x, x.transpose(1, 2))",
                      "pairs = torch.triu_indices(x.shape[1], x.shape[1], 1)",
                      "dots = gram.flatten(1).index_select(1, pairs[0] * x.shape[1] + pairs[1])"),
          result="torch.cat([{0}, dots], dim=1)"),
    Idiom("join FM", "keep the sums of products of pairs beside it", (M,), place="result", weight=2.0,
          statements=("total = x.sum(dim=1)",),
          result="torch.cat([{0}, 0.5 * (total * total - (x * x).sum(dim=1))], dim=1)"),
    Idiom("join its product", "keep its product with another beside it", (M, T), place="result",
          result="torch.cat([{0}, {0} * {1}], dim=1)"),
    Idiom("weights of pairs", "keep products of pairs, weighed by trained numbers, beside it", (M,),
          place="result",
          fixed={"pair_weights": "torch.randn(fields, fields) / fields ** 0.5"},
          result="torch.cat([{0}, (x * (pair_weights @ x)).sum(dim=2)], dim=1)"),
)  # fmt: skip

VOCABULARY = Vocabulary(
    layout=LAYOUT,
    operators=OPERATORS,
    leaves={"x": T},
    idioms=IDIOMS,
    literals=(0.1, 0.5, 1.0, 2.0, 4.0),
    sizes=SIZES,
)
