"""Numbers in a program's text: which may move, on what scale, and how they are written back."""

import math

import pytest

from recevolve.evaluators.kinds import registry
from recevolve.evaluators.language.literals import Scale, numbers, outline
from recevolve.evaluators.language.vocabulary import Layout

LAYOUT = Layout(
    "f", "CONSTANTS", "c", bounds={"beta": (0.0, 0.999999), "lr": (1e-6, 100.0), "free": (-10.0, 10.0)}
)
CONSTANTS = '{"lr": 0.01, "beta": 0.9, "zero": 0.0, "one": 1.0, "turns": 3, "nesterov": 0, "free": -2.0}'
SOURCE = f'''"""A method with 7.5 things."""
import numpy

CONSTANTS = {CONSTANTS}


def f(x, y, c):
    """Not 8.5."""
    a = x[2:3] ** 2.0 + x ** 0.5 + 1.0 - 0.0  # 9.5
    for _ in range(4):
        a = 0.25 * a + numpy.sum(y, axis=1) / 100 + 1e-12
    return numpy.where(a.ndim == 2, a * -0.7, 2.5 ** a) * c["lr"] + 0.001
'''


def test_what_may_move_and_what_may_not() -> None:
    found = numbers(SOURCE, LAYOUT)
    moved = [(found.values[one.index], one.role) for one in found.places]
    assert moved == [
        (0.01, "real"),
        (0.9, "real"),
        (0.0, "real"),
        (1.0, "real"),
        (3.0, "whole"),
        (0.0, "flag"),
        (-2.0, "real"),
        (0.5, "real"),
        (0.25, "real"),
        (100.0, "whole"),
        (-0.7, "real"),
        (2.5, "real"),
        (0.001, "real"),
    ]


def test_numbers_are_written_where_they_stood() -> None:
    found = numbers(SOURCE, LAYOUT)
    by_value = {found.values[one.index]: one.index for one in found.places}
    values = {by_value[0.01]: 0.013, by_value[3.0]: 5.0, by_value[-0.7]: 0.25, by_value[100.0]: 120.0}
    changed = numbers(found.changed(values), LAYOUT)
    assert changed.skeleton == found.skeleton
    assert found.akin(changed.values)
    assert {i: v for i, v in enumerate(changed.values) if v != found.values[i]} == values
    assert "'turns': 5," in changed.text
    assert found.words(values).startswith("lr 0.01 -> 0.013; turns 3 -> 5; line ")
    assert found.changed({}) == found.text


def test_a_switch_or_a_fixed_number_makes_another_family() -> None:
    found = numbers(SOURCE, LAYOUT)
    for before, after in (('"nesterov": 0', '"nesterov": 1'), ("** 2.0", "** 3.0")):
        other = numbers(SOURCE.replace(before, after), LAYOUT)
        assert other.skeleton == found.skeleton
        assert other.fixed != found.fixed
        assert not found.akin(other.values)


def test_a_changed_sign_changes_no_skeleton_and_no_meaning() -> None:
    found = numbers("def f(x):\n    return x - 0.5 * x\n", LAYOUT)
    index = {found.values[one.index]: one.index for one in found.places}
    text = found.changed({index[0.5]: -0.25})
    assert outline(text)[0] == found.skeleton
    assert text == "def f(x):\n    return x - -0.25 * x\n"


@pytest.mark.parametrize("power", ["0.5 ** x", "x ** -1.5", "x ** 0.7"])
def test_what_stands_in_a_power_keeps_its_sign(power: str) -> None:
    found = numbers(f"def f(x):\n    return {power}\n", LAYOUT)
    (place,) = found.places
    value = found.values[place.index]
    scale = Scale.of(value, place.bounds)
    assert all(math.copysign(1.0, scale.value(at)) == math.copysign(1.0, value) for at in (-50.0, 0.0, 9.0))


@pytest.mark.parametrize(
    ("value", "bounds", "form"),
    [
        (1e-8, (0.0, 1e12), "log"),
        (-3.0, (-1e12, 0.0), "log"),
        (0.999, (0.0, 0.999999), "near one"),
        (0.6, (0.0, 0.999999), "near one"),
        (0.3, (0.0, 0.999999), "log"),
        (0.6, (0.0, 1e12), "log"),
        (0.95, (0.0, 1e12), "near one"),
        (0.7, (-10.0, 10.0), "signed"),
        (0.0, (0.0, 1e12), "signed"),
    ],
)
def test_scales_suit_the_number_and_keep_its_bounds(
    value: float, bounds: tuple[float, float], form: str
) -> None:
    scale = Scale.of(value, bounds)
    assert scale.form == form
    assert scale.value(scale.place(value)) == pytest.approx(value, rel=1e-3)
    for at in (-1e6, -30.0, -1.0, 0.0, 1.0, 30.0, 1e6):
        found = scale.value(at)
        assert bounds[0] <= found <= bounds[1]
        assert math.isfinite(scale.place(found))


def test_a_step_on_the_scale_is_a_sensible_step_of_the_number() -> None:
    beta = Scale.of(0.999, (0.0, 0.999999))
    assert beta.value(beta.place(0.999) + 1) == pytest.approx(1 - 0.001 / math.e, abs=1e-6)
    eps = Scale.of(1e-8, (1e-12, 1.0))
    assert eps.value(eps.place(1e-8) + 1) == pytest.approx(math.e * 1e-8, rel=1e-3)
    free = Scale.of(0.5, (-10.0, 10.0))
    assert free.value(free.place(0.5) - 1.5) < 0


def test_every_seed_of_every_kind_is_written_back_unchanged() -> None:
    for kind in registry.kinds():
        task = registry.find(kind)
        for source in task.seeds.values():
            found = numbers(source, task.vocabulary.layout)
            assert numbers(found.text, task.vocabulary.layout) == found
            values = {one.index: found.values[one.index] for one in found.places}
            assert found.changed(values) == found.text


def test_a_text_that_is_not_ascii_is_left_alone() -> None:
    assert numbers('C = {"é": 0.5}\n', Layout("f", "C")).places == ()


def test_a_constant_with_choices_is_one_of_them_and_numbers_in_the_code_may_be_left_alone() -> None:
    layout = Layout("f", "CONFIG", "CONFIG", choices={"": (16, 32, 64), "warps": (1, 2, 4)}, code=False)
    text = 'CONFIG = {"BLOCK": 32, "num_warps": 1}\n\n\ndef f(x):\n    return x * 2.5 + 3\n'
    found = numbers(text, layout)
    assert [(place.name, place.role, place.choices) for place in found.places] == [
        ("BLOCK", "whole", (16, 32, 64)),
        ("num_warps", "whole", (1, 2, 4)),
    ]
