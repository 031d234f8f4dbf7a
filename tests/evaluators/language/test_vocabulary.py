"""Words that cannot be used are refused when they are written down."""

import pytest

from recevolve.evaluators.language.vocabulary import Idiom, Operator


@pytest.mark.parametrize("template", ["{0} + {2}", "{0}", "{0} + {1} + {2}"])
def test_holes_must_match_the_arguments(template: str) -> None:
    with pytest.raises(ValueError, match="its holes must be 0 to 1"):
        Operator(template, ("tensor", "tensor"), "tensor", "add")


def test_holes_of_an_idiom_may_be_anywhere() -> None:
    idiom = Idiom("copy", "copy", ("tensor", "scalar"), statements=("a = {1}",), result="{0} * a")
    assert idiom.place == "anywhere"


def test_state_needs_a_next_value() -> None:
    with pytest.raises(ValueError, match="every state slot needs a next value"):
        Idiom("lost", "lose", ("tensor",), state={"m": "param"}, result="{0}")
