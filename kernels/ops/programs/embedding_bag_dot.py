"""Summed embedding bags and their pairwise dot products (Naumov et al. 2019, DLRM,
https://arxiv.org/abs/1906.00091), section 2.1.

Forward: one kernel sums the rows of a few bags of one table at a time, bags of one table being of like
length, and lays them beside the dense vector; another multiplies the fields of each row with their own
transpose. Backward: the same bags, the gradient spread to a symmetric matrix, times the fields; then each
bag adds its gradient to the rows that it looked up, in float32 and by atomics, so that the last bits of
the tables' gradient depend on the order; narrower types are rounded once, at the end.
"""

import torch
import triton
import triton.language as tl

CONFIG = {
    "BAGS": 1024,
    "UNROLL": 1,
    "pool_warps": 4,
    "BLOCK_F": 64,
    "BLOCK_D": 128,
    "BLOCK_D_WIDE": 32,
    "ELEMENTS": 2048,
    "num_warps": 2,
    "num_warps_wide": 4,
    "num_stages": 1,
    "ROUND": 2048,
}


@triton.jit
def bounds(row_offsets_p, bag_offsets_p, table, b, B, offsets_t, offsets_n):
    """First row of the table, first lookup and end of its bags; bags beyond the batch are empty."""
    bag = table.to(tl.int64) * B + b
    start = tl.load(bag_offsets_p + bag * offsets_n, mask=b < B, other=0)
    end = tl.load(bag_offsets_p + (bag + 1) * offsets_n, mask=b < B, other=0)
    return tl.load(row_offsets_p + table * offsets_t), start, end


@triton.jit
def pool(
    dense_p, tables_p, row_offsets_p, indices_p, bag_offsets_p, out_p, B, D, dense_b, dense_d, tables_v,
    tables_d, offsets_t, indices_n, offsets_n, BLOCK_B: tl.constexpr, BLOCK_D: tl.constexpr,
    UNROLL: tl.constexpr,
):
    field = tl.program_id(1)
    b = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    d = tl.arange(0, BLOCK_D).to(tl.int64)
    inside = (b[:, None] < B) & (d[None, :] < D)
    out = out_p + (b[:, None] * tl.num_programs(1) + field) * D + d[None, :]
    if field == 0:
        dense = tl.load(dense_p + b[:, None] * dense_b + d[None, :] * dense_d, mask=inside, other=0.0)
        tl.store(out, dense, mask=inside)
    else:
        first, start, end = bounds(row_offsets_p, bag_offsets_p, field - 1, b, B, offsets_t, offsets_n)
        total = tl.zeros((BLOCK_B, BLOCK_D), dtype=tl.float32)
        longest = tl.max(end - start, axis=0).to(tl.int32)
        for n in tl.range(0, longest, loop_unroll_factor=UNROLL):
            some = start + n < end
            row = tl.load(indices_p + (start + n) * indices_n, mask=some, other=0) + first
            at = tables_p + row[:, None] * tables_v + d[None, :] * tables_d
            total += tl.load(at, mask=some[:, None] & (d[None, :] < D), other=0.0).to(tl.float32)
        tl.store(out, total, mask=inside)


@triton.jit
def scatter(
    grad_p, row_offsets_p, indices_p, bag_offsets_p, dense_p, tables_p, B, D, offsets_t, indices_n,
    offsets_n, BLOCK_B: tl.constexpr, BLOCK_D: tl.constexpr, UNROLL: tl.constexpr,
):
    field = tl.program_id(1)
    b = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    d = tl.arange(0, BLOCK_D).to(tl.int64)
    inside = (b[:, None] < B) & (d[None, :] < D)
    grad_at = grad_p + (b[:, None] * tl.num_programs(1) + field) * D + d[None, :]
    grad = tl.load(grad_at, mask=inside, other=0.0)
    if field == 0:
        tl.store(dense_p + b[:, None] * D + d[None, :], grad, mask=inside)
    else:
        first, start, end = bounds(row_offsets_p, bag_offsets_p, field - 1, b, B, offsets_t, offsets_n)
        longest = tl.max(end - start, axis=0).to(tl.int32)
        for n in tl.range(0, longest, loop_unroll_factor=UNROLL):
            some = start + n < end
            row = tl.load(indices_p + (start + n) * indices_n, mask=some, other=0) + first
            at = tables_p + row[:, None] * D + d[None, :]
            tl.atomic_add(at, grad.to(tl.float32), mask=some[:, None] & (d[None, :] < D), sem="relaxed")


@triton.jit
def clear(out_p, N, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_p + at, tl.zeros((BLOCK,), dtype=tl.float32), mask=at < N)


@triton.jit
def narrow(wide_p, out_p, N, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out_p + at, tl.load(wide_p + at, mask=at < N), mask=at < N)


@triton.jit
def load_fields(x_p, b, f, d, B, F, D, x_b, x_f, x_d):
    inside = (b[:, None, None] < B) & (f[None, :, None] < F) & (d[None, None, :] < D)
    far = f[None, :, None].to(tl.int64) * x_f + d[None, None, :].to(tl.int64) * x_d
    return tl.load(x_p + b[:, None, None] * x_b + far, mask=inside, other=0.0)


@triton.jit
def pair(i, j, F):
    low = tl.minimum(i, j)
    high = tl.maximum(i, j)
    return low * (2 * F - low - 1) // 2 + high - low - 1


@triton.jit
def dots(
    x_p, out_p, B, x_b, x_f, x_d, F: tl.constexpr, D: tl.constexpr, BLOCK_B: tl.constexpr,
    BLOCK_F: tl.constexpr, BLOCK_D: tl.constexpr,
):
    b = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    i = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    j = tl.program_id(2) * BLOCK_F + tl.arange(0, BLOCK_F)
    if tl.program_id(1) <= tl.program_id(2):
        gram = tl.zeros((BLOCK_B, BLOCK_F, BLOCK_F), dtype=tl.float32)
        for start in range(0, D, BLOCK_D):
            d = start + tl.arange(0, BLOCK_D)
            left = load_fields(x_p, b, i, d, B, F, D, x_b, x_f, x_d)
            if F <= BLOCK_F:
                right = left
            else:
                right = load_fields(x_p, b, j, d, B, F, D, x_b, x_f, x_d)
            gram = tl.dot(left, tl.trans(right, 0, 2, 1), gram, input_precision="ieee")
        at = b[:, None, None] * (F * (F - 1) // 2) + pair(i[:, None], j[None, :], F)[None, :, :]
        above = (i[:, None] < j[None, :]) & (j[None, :] < F)
        tl.store(out_p + at, gram, mask=(b[:, None, None] < B) & above[None, :, :])


@triton.jit
def load_symmetric(grad_p, b, i, j, B, F, grad_b, grad_pair):
    inside = (i[:, None] != j[None, :]) & (i[:, None] < F) & (j[None, :] < F)
    far = pair(i[:, None], j[None, :], F).to(tl.int64) * grad_pair
    return tl.load(
        grad_p + b[:, None, None] * grad_b + far[None, :, :],
        mask=(b[:, None, None] < B) & inside[None, :, :], other=0.0,
    )


@triton.jit
def spread(
    grad_p, x_p, out_p, B, grad_b, grad_pair, x_b, x_f, x_d, F: tl.constexpr, D: tl.constexpr,
    BLOCK_B: tl.constexpr, BLOCK_F: tl.constexpr, BLOCK_D: tl.constexpr,
):
    b = tl.program_id(0).to(tl.int64) * BLOCK_B + tl.arange(0, BLOCK_B)
    i = tl.program_id(1) * BLOCK_F + tl.arange(0, BLOCK_F)
    if F <= BLOCK_F:
        weights = load_symmetric(grad_p, b, i, i, B, F, grad_b, grad_pair)
    for start in range(0, D, BLOCK_D):
        d = start + tl.arange(0, BLOCK_D)
        if F <= BLOCK_F:
            x = load_fields(x_p, b, i, d, B, F, D, x_b, x_f, x_d)
            total = tl.dot(weights, x, input_precision="ieee")
        else:
            total = tl.zeros((BLOCK_B, BLOCK_F, BLOCK_D), dtype=tl.float32)
            for first in range(0, F, BLOCK_F):
                j = first + tl.arange(0, BLOCK_F)
                some = load_symmetric(grad_p, b, i, j, B, F, grad_b, grad_pair)
                x = load_fields(x_p, b, j, d, B, F, D, x_b, x_f, x_d)
                total = tl.dot(some, x, total, input_precision="ieee")
        inside = (b[:, None, None] < B) & (i[None, :, None] < F) & (d[None, None, :] < D)
        at = b[:, None, None] * (F * D) + i[None, :, None] * D + d[None, None, :]
        tl.store(out_p + at, total, mask=inside)


def block_of_fields(F):
    return min(CONFIG["BLOCK_F"], max(16, triton.next_power_of_2(F)))


def block_of_width(x):
    if x.element_size() == 4:
        widest = CONFIG["BLOCK_D_WIDE"]
    else:
        widest = CONFIG["BLOCK_D"]
    return min(widest, max(16, triton.next_power_of_2(x.shape[2])))


def warps(x):
    if x.element_size() == 4:
        return CONFIG["num_warps_wide"]
    return CONFIG["num_warps"]


def pooled_fields(dense, tables, row_offsets, indices, bag_offsets):
    """(B, T + 1, D): the dense vector and the summed bags."""
    B, D = dense.shape
    F = row_offsets.shape[0] + 1
    out = torch.empty((B, F, D), dtype=dense.dtype, device=dense.device)
    if out.numel() > 0:
        BLOCK_D = triton.next_power_of_2(D)
        BLOCK_B = max(1, CONFIG["BAGS"] // BLOCK_D)
        pool[(triton.cdiv(B, BLOCK_B), F)](
            dense, tables, row_offsets, indices, bag_offsets, out, B, D, dense.stride(0), dense.stride(1),
            tables.stride(0), tables.stride(1), row_offsets.stride(0), indices.stride(0),
            bag_offsets.stride(0), BLOCK_B=BLOCK_B, BLOCK_D=BLOCK_D, UNROLL=CONFIG["UNROLL"],
            num_warps=CONFIG["pool_warps"], num_stages=CONFIG["num_stages"],
        )
    return out


def forward(dense, tables, row_offsets, indices, bag_offsets):
    x = pooled_fields(dense, tables, row_offsets, indices, bag_offsets)
    B, F, D = x.shape
    out = torch.empty((B, F * (F - 1) // 2), dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        BLOCK_F = block_of_fields(F)
        BLOCK_D = block_of_width(x)
        BLOCK_B = max(1, CONFIG["ELEMENTS"] // (BLOCK_F * BLOCK_D))
        dots[(triton.cdiv(B, BLOCK_B), triton.cdiv(F, BLOCK_F), triton.cdiv(F, BLOCK_F))](
            x, out, B, F * D, D, 1, F=F, D=D, BLOCK_B=BLOCK_B, BLOCK_F=BLOCK_F, BLOCK_D=BLOCK_D,
            num_warps=warps(x), num_stages=CONFIG["num_stages"],
        )
    return out


def backward(grad, dense, tables, row_offsets, indices, bag_offsets):
    x = pooled_fields(dense, tables, row_offsets, indices, bag_offsets)
    B, F, D = x.shape
    V = tables.shape[0]
    grad_x = torch.empty((B, F, D), dtype=x.dtype, device=x.device)
    grad_dense = torch.empty((B, D), dtype=x.dtype, device=x.device)
    grad_tables = torch.empty((V, D), dtype=torch.float32, device=x.device)
    if grad_tables.numel() > 0:
        clear[(triton.cdiv(V * D, CONFIG["ROUND"]),)](
            grad_tables, V * D, BLOCK=CONFIG["ROUND"], num_warps=CONFIG["pool_warps"], num_stages=1
        )
    if grad_x.numel() > 0:
        BLOCK_F = block_of_fields(F)
        BLOCK_D = block_of_width(x)
        BLOCK_B = max(1, CONFIG["ELEMENTS"] // (BLOCK_F * BLOCK_D))
        spread[(triton.cdiv(B, BLOCK_B), triton.cdiv(F, BLOCK_F))](
            grad, x, grad_x, B, grad.stride(0), grad.stride(1), F * D, D, 1, F=F, D=D, BLOCK_B=BLOCK_B,
            BLOCK_F=BLOCK_F, BLOCK_D=BLOCK_D, num_warps=warps(x), num_stages=CONFIG["num_stages"],
        )
        WIDTH = triton.next_power_of_2(D)
        BAGS = max(1, CONFIG["BAGS"] // WIDTH)
        scatter[(triton.cdiv(B, BAGS), F)](
            grad_x, row_offsets, indices, bag_offsets, grad_dense, grad_tables, B, D, row_offsets.stride(0),
            indices.stride(0), bag_offsets.stride(0), BLOCK_B=BAGS, BLOCK_D=WIDTH, UNROLL=CONFIG["UNROLL"],
            num_warps=CONFIG["pool_warps"], num_stages=CONFIG["num_stages"],
        )
    if x.element_size() == 4:
        return grad_dense, grad_tables
    out = torch.empty((V, D), dtype=x.dtype, device=x.device)
    if out.numel() > 0:
        narrow[(triton.cdiv(V * D, CONFIG["ROUND"]),)](
            grad_tables, out, V * D, BLOCK=CONFIG["ROUND"], num_warps=CONFIG["pool_warps"], num_stages=1
        )
    return grad_dense, out
