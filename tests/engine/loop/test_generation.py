"""Of programs that differ in numbers alone an island keeps the best, whatever they are called."""

from recevolve.engine.loop.generation import of_each_skeleton, skeleton
from recevolve.population.values.member import Member

SOURCE = '"""{}"""\nHP = {{"lr": {}}}\n\n\ndef f(x, hp):\n    # {}\n    return hp["lr"] * x - {}\n'


def member(source: str, score: float) -> Member:
    return Member(f"{score}", source, score, f"{score}", (), 9)


def test_numbers_comments_and_docstrings_make_no_other_structure() -> None:
    one, other = SOURCE.format("A.", 0.1, "first", 2.0), SOURCE.format("B.", 1e-5, "then", -7)
    assert skeleton(one) == skeleton(other)
    assert skeleton(one) != skeleton(one.replace("* x", "/ x"))
    assert skeleton(one) != skeleton(one.replace('"lr"', '"rate"'))


def test_the_best_of_each_stays_and_order_does_not_matter() -> None:
    tuned = [member(SOURCE.format("A.", number, "", 2), float(number)) for number in range(5)]
    other = member(SOURCE.format("A.", 1, "", 2).replace("* x", "/ x"), -3.0)
    kept = of_each_skeleton([*tuned, other])
    assert kept == of_each_skeleton([other, *reversed(tuned)]) == (tuned[-1], other)
