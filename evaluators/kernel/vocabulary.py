"""What typed edits of kernels draw from: where the numbers are. Its structure has edits of its own."""

from ..vocabulary import Layout, Vocabulary

VOCABULARY = Vocabulary(
    layout=Layout(function="forward", constants="CONFIG", constants_parameter="CONFIG"),
    operators=(),
    leaves={},
)
