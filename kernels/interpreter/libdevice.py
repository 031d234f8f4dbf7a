"""libdevice's functions on numpy arrays, by the symbol that a kernel would link: `__nv_tanhf`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[..., Array]


def _by_torch(function: Callable[[torch.Tensor], torch.Tensor]) -> Function:
    return lambda x: function(torch.from_numpy(np.ascontiguousarray(x))).numpy()


def _flag(function: Callable[[Array], Array]) -> Function:
    return lambda x: function(x).astype(np.int32)


erf = _by_torch(torch.special.erf)

_NAMED: dict[str, Function] = {
    **{
        name: getattr(np, name)
        for name in (
            "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh",
            "tanh", "sqrt", "cbrt", "hypot", "floor", "ceil", "trunc", "rint", "fmin", "fmax", "fmod",
            "copysign", "nextafter", "abs",
        )
    },
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "exp10": lambda x: np.power(x.dtype.type(10), x),
    "pow": np.power,
    "powi": np.power,
    "fabs": np.abs,
    "nearbyint": np.rint,
    "round": lambda x: np.copysign(np.floor(np.abs(x) + x.dtype.type(0.5)), x),
    "rsqrt": lambda x: x.dtype.type(1) / np.sqrt(x),
    "rcp_rn": lambda x: x.dtype.type(1) / x,
    "sqrt_rn": np.sqrt,
    "remainder": lambda x, y: x - y * np.rint(x / y),
    "fdim": lambda x, y: np.maximum(x - y, 0),
    "fma": lambda x, y, z: x * y + z,
    "fma_rn": lambda x, y, z: x * y + z,
    "add_rn": np.add,
    "sub_rn": np.subtract,
    "mul_rn": np.multiply,
    "div_rn": np.divide,
    "fdividef": np.divide,
    "fdivide": np.divide,
    "saturate": lambda x: np.clip(np.nan_to_num(x), 0, 1).astype(x.dtype),
    "sinpi": lambda x: np.sin(np.pi * x).astype(x.dtype),
    "cospi": lambda x: np.cos(np.pi * x).astype(x.dtype),
    "ldexp": np.ldexp,
    "isnan": _flag(np.isnan),
    "isinf": _flag(np.isinf),
    "finite": _flag(np.isfinite),
    "isfinited": _flag(np.isfinite),
    "signbit": _flag(np.signbit),
    "erf": erf,
    "erfc": _by_torch(torch.special.erfc),
    "erfinv": _by_torch(torch.special.erfinv),
    "erfcx": _by_torch(torch.special.erfcx),
    "normcdf": _by_torch(torch.special.ndtr),
    "normcdfinv": _by_torch(torch.special.ndtri),
    "lgamma": _by_torch(torch.special.gammaln),
    "tgamma": _by_torch(lambda x: torch.exp(torch.special.gammaln(x))),
    "j0": _by_torch(torch.special.bessel_j0),
    "j1": _by_torch(torch.special.bessel_j1),
    "cyl_bessel_i0": _by_torch(torch.special.i0),
    "cyl_bessel_i1": _by_torch(torch.special.i1),
    "float_as_int": lambda x: x.view(np.int32),
    "int_as_float": lambda x: x.view(np.float32),
    "float_as_uint": lambda x: x.view(np.uint32),
    "uint_as_float": lambda x: x.view(np.float32),
    "popc": lambda x: np.bitwise_count(x.view(f"u{x.dtype.itemsize}")).astype(np.int32),
}  # fmt: skip


def by_symbol(symbol: str) -> Function:
    """The function on arrays; NotImplementedError, naming the symbol, where we have none."""
    bare = symbol.removeprefix("__nv_").removeprefix("__ocml_").removesuffix("_f32").removesuffix("_f64")
    bare = bare.removeprefix("fast_")
    for name in (bare, bare.removesuffix("f"), bare.removesuffix("f_rn") + "_rn", bare.removesuffix("ll")):
        if name in _NAMED:
            return _NAMED[name]
    raise NotImplementedError(
        f"the interpreter knows no {symbol}; write it with tl.math, or add it to "
        "kernels/interpreter/libdevice.py"
    )
