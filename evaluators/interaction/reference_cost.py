"""The reference cost: what the seed dcn_v2, two full cross layers, takes. Budgets are shares of it."""

from dataclasses import dataclass

PARAMETERS, OPERATIONS = 1.1, 1.25
"""The budget where the config has none."""


@dataclass(frozen=True)
class Budget:
    """What a layer may cost, in units of the dcn_v2 seed."""

    parameters: float
    flops: float


@dataclass(frozen=True)
class ReferenceCost:
    """The size of an embedding matrix, and what DCN-v2 takes for it."""

    fields: int
    dim: int

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

    def over_budget(self, size: int, flops: float, budget: Budget) -> str:
        """What is more than the budget allows, in a sentence; empty where nothing is.

        `size` counts trained numbers: the parameters, and one weight of the logit for each output.
        """
        at = f"{self.fields} fields of width {self.dim}"
        if size > (most := budget.parameters * self.parameters):
            return (
                f"it has {size:,} numbers to train, one per output included, at {at}; at most "
                f"{int(most):,} are allowed, {budget.parameters:g} times those of the dcn_v2 seed"
            )
        if flops > (most := budget.flops * self.flops):
            return (
                f"it takes {flops:,.0f} operations per row at {at}; at most {int(most):,} are "
                f"allowed, {budget.flops:g} times those of the dcn_v2 seed"
            )
        return ""
