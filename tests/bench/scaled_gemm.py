"""A matrix product of fp8 blocks with scales, in Triton: what `bench_ranking.py` compiles many times.

It is a file of its own because Triton's cache is keyed by a kernel's place in its file.
"""

import triton
import triton.language as tl


@triton.jit
def scaled_gemm(
    a,
    b,
    out,
    a_scale,
    b_scale,
    M,
    N,
    K,
    GROUP,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    SCALED: tl.constexpr,
):
    """out (M, N) = a (M, K) @ b (N, K) transposed; all row-major, K a multiple of SCALED.

    SCALED columns in each row of `a`, and every block of SCALED by SCALED of `b`, share a float32 scale.
    """
    program = tl.program_id(0)
    rows, columns = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    first = program // (GROUP * columns) * GROUP
    height = tl.minimum(rows - first, GROUP)
    inside = program % (GROUP * columns)
    row = first + inside % height
    column = inside // height

    m = (row * BLOCK_M + tl.arange(0, BLOCK_M)) % M
    n = (column * BLOCK_N + tl.arange(0, BLOCK_N)) % N
    k = tl.arange(0, BLOCK_K)
    a_tile = a + m[:, None] * K + k[None, :]
    b_tile = b + n[None, :] * K + k[:, None]
    scales = K // SCALED
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, K, BLOCK_K):
        left = tl.load(a_tile, mask=k[None, :] < K - start, other=0.0)
        right = tl.load(b_tile, mask=k[:, None] < K - start, other=0.0)
        at = start // SCALED
        left_scale = tl.load(a_scale + m * scales + at)
        right_scale = tl.load(b_scale + n // SCALED * scales + at)
        total += tl.dot(left, right) * left_scale[:, None] * right_scale[None, :]
        a_tile += BLOCK_K
        b_tile += BLOCK_K

    m = row * BLOCK_M + tl.arange(0, BLOCK_M)
    n = column * BLOCK_N + tl.arange(0, BLOCK_N)
    inside_out = (m[:, None] < M) & (n[None, :] < N)
    tl.store(out + m[:, None] * N + n[None, :], total.to(out.dtype.element_ty), mask=inside_out)
