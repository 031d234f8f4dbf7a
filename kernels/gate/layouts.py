"""The same numbers in other memory: strided, transposed and expanded inputs, as callers really pass them."""

import torch
from torch import Tensor


def strided(tensor: Tensor) -> Tensor:
    """A copy of `tensor` in which no stride is 1, nothing is aligned to 16 bytes, and the gaps hold NaN.

    Integer tensors have their largest value in the gaps, so that an index read from one leaves every table.
    """
    shape, step = tensor.shape, 2
    strides: list[int] = []
    for size in reversed(shape):
        strides.insert(0, step)
        step = step * size + 3
    filler = float("nan") if tensor.is_floating_point() else torch.iinfo(tensor.dtype).max
    memory = torch.full((step + 1,), filler, dtype=tensor.dtype, device=tensor.device)
    return memory.as_strided(shape, strides, storage_offset=1).copy_(tensor)


def transposed(tensor: Tensor) -> Tensor:
    """A copy whose first and last dimension are swapped in memory; of one dimension or none, a plain copy."""
    if tensor.dim() < 2:
        return tensor.clone()
    return tensor.transpose(0, -1).contiguous().transpose(0, -1)


def expanded(tensor: Tensor) -> Tensor:
    """One number, stride 0 everywhere: the gradient that `output.sum().backward()` hands over."""
    return torch.full((), 0.75, dtype=tensor.dtype, device=tensor.device).expand(tensor.shape)


def spread(tensor: Tensor, stride: int) -> Tensor:
    """A copy whose first dimension steps by `stride` elements; the memory between is never touched.

    Raises MemoryError where the system does not lend that much address space.
    """
    tail = sum((size - 1) * step for size, step in zip(tensor.shape[1:], tensor[0].stride(), strict=True)) + 1
    length = (tensor.shape[0] - 1) * stride + tail
    try:
        memory = torch.empty(length, dtype=tensor.dtype, device=tensor.device)
    except RuntimeError as lack:  # how torch says that an allocation failed on a CPU
        raise MemoryError(
            f"{length * tensor.element_size() >> 20} MiB of address space are not to be had"
        ) from lack
    return memory.as_strided(tensor.shape, (stride, *tensor[0].stride())).copy_(tensor)


def bits(tensor: Tensor) -> Tensor:
    """All bytes of the memory under `tensor`, gaps included: NaN equals NaN, and -0 differs from 0."""
    return torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(tensor.untyped_storage())


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one shape and dtype hold the same bits, whatever their strides."""
    whole = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    as_integer = whole[one.element_size()]
    return torch.equal(one.contiguous().view(as_integer), other.contiguous().view(as_integer))
