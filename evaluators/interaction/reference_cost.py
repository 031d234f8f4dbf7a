"""Yardstick: what the seed dcn_v2, two full cross layers, costs at these sizes. Budgets are shares of it."""

from dataclasses import dataclass

PARAMETERS, OPERATIONS = 1.1, 1.25
"""The budget where the config has none."""


@dataclass(frozen=True)
class Yardstick:
    """The size of an embedding matrix, and what DCN-v2 takes for it."""

    fields: int
    dim: int

    @property
    def words(self) -> str:
        return f"{self.fields} fields of width {self.dim}"

    @property
    def parameters(self) -> int:
        """Two matrices, two biases, and one weight of the logit per output."""
        width = self.fields * self.dim
        return 2 * (width * width + width) + width

    @property
    def flops(self) -> int:
        """Per row, a multiply-add counting two: two products, and three elementwise operations after each."""
        width = self.fields * self.dim
        return 2 * (2 * width * width + 3 * width)
