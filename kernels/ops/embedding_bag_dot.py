"""Summed embedding bags and their pairwise dots: see `reference.embedding_bag_dot` for layout and source."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..operators import EMBEDDING_BAG_DOT
from .arguments import match, match_indices
from .registration import register

MOST_WIDTH = 8192  # a program holds a row of this width in registers
MOST_TABLES = 32_767  # the pairs of more fields have no int32 number


def _shape(dense: Tensor, tables: Tensor, row_offsets: Tensor, *indices: Tensor) -> tuple[int, ...]:
    T = row_offsets.shape[0]
    return dense.shape[0], T * (T + 1) // 2


REGISTERED = register(EMBEDDING_BAG_DOT, _shape)


def embedding_bag_dot(
    dense: Tensor, tables: Tensor, row_offsets: Tensor, indices: Tensor, bag_offsets: Tensor
) -> Tensor:
    """(B, T * (T + 1) / 2): dot products of every two of `dense` (B, D) and the T summed bags of each row.

    `tables` (V, D) under each other, `row_offsets` (T,) their first rows, `indices` (N,) the rows looked
    up within each table, `bag_offsets` (T * B + 1,) where each bag begins and ends, table by table; int64.
    Rows beyond a table are not noticed: on a GPU they are read, or written beside, whatever lies there.

    Any strides. A program of ours on a GPU, else `reference.embedding_bag_dot`; the program is
    differentiable once, and the gradient of the tables is dense and, on a GPU, added up in no fixed order.
    Raises ValueError for a wrong shape or device, TypeError for a wrong dtype.
    """
    sizes = match("embedding_bag_dot", {"dense": (dense, "BD"), "tables": (tables, "VD")})
    match_indices(
        "embedding_bag_dot", dense, {"row_offsets": (row_offsets, None), "indices": (indices, None)}
    )
    bags = row_offsets.shape[0] * sizes["B"]
    match_indices("embedding_bag_dot", dense, {"bag_offsets": (bag_offsets, bags + 1)})
    fits = 0 < sizes["D"] <= MOST_WIDTH and row_offsets.shape[0] <= MOST_TABLES
    return REGISTERED(dense, tables, row_offsets, indices, bag_offsets, fits=fits)


class EmbeddingBagDot(nn.Module):
    """Tables of these many `rows` each, of width `dim`, their summed bags, and the dot products of all.

    The tables are one parameter, in the order given; they are converted to the dtype of the dense vector,
    which copies them where it differs. They begin uniform within one over the root of a table's rows, as
    in DLRM.
    """

    row_offsets: Tensor

    def __init__(
        self,
        rows: Sequence[int],
        dim: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rows = tuple(rows)
        self.tables = nn.Parameter(torch.empty(sum(rows), dim, device=device, dtype=dtype))
        starts = [sum(self.rows[:table]) for table in range(len(self.rows))]
        self.register_buffer("row_offsets", torch.tensor(starts, dtype=torch.int64, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the tables anew from torch's generator."""
        for table in torch.split(self.tables, list(self.rows)):
            bound = max(table.shape[0], 1) ** -0.5
            nn.init.uniform_(table.detach(), -bound, bound)

    def forward(self, dense: Tensor, indices: Tensor, bag_offsets: Tensor) -> Tensor:
        """(B, T * (T + 1) / 2) from (B, D), (N,) and (T * B + 1,), as `embedding_bag_dot` takes them."""
        tables = self.tables.to(dense.dtype)
        return embedding_bag_dot(dense, tables, self.row_offsets, indices, bag_offsets)

    def extra_repr(self) -> str:
        return f"tables={len(self.rows)}, rows={sum(self.rows)}, dim={self.tables.shape[1]}"
