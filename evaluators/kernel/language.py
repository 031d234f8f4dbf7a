"""What a kernel program may be written in: the rules that its text must obey, for the operator at hand."""

from ...kernels.operators import Operator
from ..kinds.folder import named
from ..language.rules import KernelRules, Rules

DTYPES = frozenset({"bfloat16", "bool", "float16", "float32", "float64", "int32", "int64", "uint8"})
MEMORY = frozenset({"empty", "empty_like", "zeros", "zeros_like"})
"""What torch may do: reserve memory for outputs, and clear it where kernels add into it."""
TRITON = frozenset({"cdiv", "next_power_of_2"})
ON_TENSORS = frozenset({
    "device", "dim", "dtype", "element_size", "ndim", "numel", "shape", "size", "stride",
})  # fmt: skip
BUILTINS = frozenset({"abs", "int", "len", "max", "min", "range"})
EFFECTS = frozenset({
    "atomic_add", "atomic_and", "atomic_max", "atomic_min", "atomic_or", "atomic_xchg", "atomic_xor",
    "assume", "debug_barrier", "static_assert", "store",
})  # fmt: skip
ARITHMETIC = frozenset({
    "abs", "ceil", "clamp", "cos", "div_rn", "erf", "exp", "exp2", "fdiv", "floor", "fma", "log", "log2",
    "maximum", "minimum", "rsqrt", "sigmoid", "sin", "sqrt", "sqrt_rn", "umulhi", "where",
})  # fmt: skip
TILES = frozenset({
    "arange", "argmax", "argmin", "broadcast", "broadcast_to", "cat", "cdiv", "cumprod", "cumsum", "dot",
    "expand_dims", "flip", "full", "gather", "histogram", "interleave", "join", "load", "max", "min",
    "multiple_of", "max_contiguous", "num_programs", "permute", "program_id", "range", "ravel", "reshape",
    "sort", "split", "static_range", "sum", "swizzle2d", "trans", "view", "xor_sum", "zeros", "zeros_like",
})  # fmt: skip
TYPES = frozenset({
    "bfloat16", "constexpr", "float16", "float32", "float64", "int1", "int16", "int32", "int64", "int8",
    "uint16", "uint32", "uint64", "uint8",
})  # fmt: skip
KERNELS = KernelRules(
    language=EFFECTS | ARITHMETIC | TILES | TYPES,
    methods=frozenset({
        "T", "abs", "broadcast_to", "cdiv", "dtype", "element_ty", "exp", "expand_dims", "log", "max", "min",
        "permute", "reshape", "shape", "sigmoid", "split", "sqrt", "sum", "to", "trans", "type", "view",
    }),
    builtins=frozenset({"abs", "float", "int", "len", "max", "min", "range"}),
    keywords=frozenset({
        "acc", "allow_tf32", "axis", "bitcast", "can_reorder", "dim", "dtype", "flatten", "keep_dims",
        "loop_unroll_factor", "mask", "max_num_imprecise_acc", "num_stages", "other", "out_dtype", "reverse",
        "val",
    }),
    texts={
        "input_precision": frozenset({"ieee", "tf32", "tf32x3"}),
        "eviction_policy": frozenset({"", "evict_first", "evict_last"}),
        "cache_modifier": frozenset({"", ".ca", ".cg", ".cs", ".cv", ".wb", ".wt"}),
        "sem": frozenset({"acq_rel", "acquire", "relaxed", "release"}),
    },
    effects=EFFECTS,
    options=frozenset({"num_ctas", "num_stages", "num_warps"}),
    host_keywords=frozenset({"device", "dtype"}),
)  # fmt: skip


def rules_for(operator: Operator) -> Rules:
    """The rules of programs for this operator: `forward` takes its inputs, `backward` the gradient first."""
    return Rules(
        functions={"forward": operator.inputs, "backward": ("grad", *operator.inputs)},
        constants=("CONFIG",),
        modules={
            "torch": MEMORY | DTYPES,
            "triton": TRITON,
            "triton.language": frozenset(),
        },
        methods=ON_TENSORS,
        builtins=BUILTINS,
        max_bytes=40_000,
        max_nodes=6_000,
        max_depth=32,
        kernels=KERNELS,
    )  # fmt: skip


ALLOWED = {
    "in kernels, from `tl`": named(KERNELS.language),
    "in kernels, on values": f"{named(KERNELS.methods)}; built in: {named(KERNELS.builtins)}",
    "in kernels, named arguments": f"{named(KERNELS.keywords)}; with a text: "
    + "; ".join(
        f"`{name}=` {', '.join(f'`{text!r}`' for text in sorted(known))}"
        for name, known in sorted(KERNELS.texts.items())
    ),
    "in kernels, as a statement": named(KERNELS.effects),
    "on the host, from `torch`": f"{named(MEMORY | DTYPES)}; from `triton`: {named(TRITON)}",
    "on the host, on tensors": f"{named(ON_TENSORS)}; built in: {named(BUILTINS)}",
    "launch options": named(KERNELS.options),
}
"""The allowed names for a reader, by the place that they may be used in."""
