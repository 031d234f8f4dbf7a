"""What edits of kernels draw from: where the numbers are and what they may be. See `edits` for the rest."""

from collections.abc import Mapping

from ..language.vocabulary import Layout, Vocabulary

CHOICES: Mapping[str, tuple[float, ...]] = {
    "": tuple(2**power for power in range(11)),
    "ELEMENTS": tuple(2**power for power in range(8, 17)),
    "warps": (1, 2, 4, 8, 16, 32),
    "stages": (1, 2, 3, 4, 5, 6),
    "ctas": (1,),
    "GROUP": (1, 2, 4, 8, 16, 32),
    "ROWS": (1, 2, 4, 8, 16, 32, 64),
    "SPLIT": (1, 2, 4, 8, 16, 32),
}
"""What a tunable may be whose name holds the word; of several words the longest counts. Tiles are powers of
two, and a thread block has 32 warps at the most: https://triton-lang.org/main/python-api/generated/triton.Config.html"""

VOCABULARY = Vocabulary(
    layout=Layout(
        function="forward",
        constants="CONFIG",
        constants_parameter="CONFIG",
        choices=CHOICES,
        code=False,  # other numbers in the text are addresses and sizes
    ),
    operators=(),
    leaves={},
)
