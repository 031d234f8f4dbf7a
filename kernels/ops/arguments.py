"""What an operator was given: checked against shapes that are spelled in letters."""

from collections.abc import Mapping

import torch
from torch import Tensor

FLOATING = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def match(operator: str, arguments: Mapping[str, tuple[Tensor, str]]) -> dict[str, int]:
    """Sizes by letter, from arguments of one dtype on one device: `{"x": (x, "BFD")}` gives B, F and D.

    Raises ValueError where a shape or a device disagrees, TypeError where a dtype does.
    """
    sizes: dict[str, int] = {}
    (first, (model, _)), *_ = arguments.items()
    for name, (tensor, letters) in arguments.items():
        if tensor.dtype not in FLOATING:
            raise TypeError(f"{operator} takes floating tensors, got {name} of {tensor.dtype}: convert it")
        if tensor.dtype != model.dtype:
            raise TypeError(
                f"{operator} takes one dtype, got {first} of {model.dtype} and {name} of {tensor.dtype}: "
                "convert one of them"
            )
        same_device(operator, first, model, name, tensor)
        fits = tensor.dim() == len(letters) and all(
            sizes.setdefault(letter, size) == size for letter, size in zip(letters, tensor.shape, strict=True)
        )
        if not fits:
            expected = ", ".join(
                f"{letter} = {sizes[letter]}" if letter in sizes else letter for letter in letters
            )
            raise ValueError(f"{operator} expects {name} of shape ({expected}), got {tuple(tensor.shape)}")
    return sizes


def match_indices(operator: str, model: Tensor, indices: Mapping[str, tuple[Tensor, int | None]]) -> None:
    """Indices are int64, of one dimension and this length where one is given, on the device of `model`.

    Raises ValueError or TypeError.
    """
    for name, (tensor, length) in indices.items():
        if tensor.dtype != torch.int64:
            raise TypeError(
                f"{operator} takes indices of torch.int64, got {name} of {tensor.dtype}: convert it"
            )
        same_device(operator, "the floating tensors", model, name, tensor)
        if tensor.dim() != 1 or (length is not None and tensor.shape[0] != length):
            expected = "one dimension" if length is None else f"shape ({length},)"
            raise ValueError(f"{operator} expects {name} of {expected}, got {tuple(tensor.shape)}")


def same_device(operator: str, first: str, model: Tensor, name: str, tensor: Tensor) -> None:
    """Raises ValueError where two tensors lie on different devices."""
    if tensor.device != model.device:
        raise ValueError(
            f"{operator} takes tensors on one device, got {first} on {model.device} and {name} on "
            f"{tensor.device}: move one of them"
        )
