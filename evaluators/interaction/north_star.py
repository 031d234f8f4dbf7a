"""The north star: full trainings on fresh seeds and users, and on a second log with another model.

Audits ask whether a layer answers by what it is shown, and by nothing else.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from ...population.values.verdict import Status, Verdict
from ..ctr.model import Diverged, predict
from ..ctr.setup import FullTrainings, TrainingRun, verdict_of
from ..kinds.failure import Failed
from ..sandbox import Sandbox
from .sandboxed_layer import Call, SandboxedLayer, apart
from .setup import LayerSetup, Trained

Training = TrainingRun[LayerSetup]
TOLERANCE = 1e-4
"""Largest difference of a logit or a gradient, in units of the largest; other batches round otherwise."""
SAMPLED = 16
"""Training steps that are shown again to a fresh child."""


def full_score(
    trainings: FullTrainings[LayerSetup],
    source: str,
    split: str,
    fold: int,
    of: int,
    sandbox: Sandbox,
    *,
    audited: bool,
) -> Verdict:
    """SCORED with the negative log loss on the held-out users of `fold`, of `of`.

    Trainings on the second log give the `transfer_` metrics. facts["units"] has the negative loss of each
    user, whose mean is the score. Raises Failed, as CHEATED where an audit finds that the layer is not what
    it seems.
    """
    training, further, rng = trainings.of_fold(split, fold, of)
    trained = _audited(training, source, rng, sandbox) if audited else _run(training, source, sandbox)[0]
    verdict = verdict_of(trained.score.metrics())
    metrics = verdict.metrics
    if further is not None:
        metrics = {**metrics, **_run(further, source, sandbox)[0].score.metrics("transfer_")}
    facts = {
        "units": trained.score.units(),
        "best_epochs": round(training.epochs(trained.best_step), 3),
        "epochs": round(training.epochs(training.marks[-1]), 3),
    }
    return replace(verdict, metrics=metrics, facts=facts)


def _run(
    training: Training, source: str, sandbox: Sandbox, record: Collection[int] = ()
) -> tuple[Trained, list[Call]]:
    """The training with a fresh child, and its steps numbered in `record`. Raises Failed."""
    setup = training.setup
    layer = setup.layer(source, training.seed, sandbox)
    with setup.sandboxed(source, layer, sandbox, record) as remote:
        return setup.run(remote, training.order, training.held_out, training.seed), remote.calls


def _audited(training: Training, source: str, rng: np.random.Generator, sandbox: Sandbox) -> Trained:
    """The training, once a fresh child has answered some of its steps and its held-out rows alike."""
    record = frozenset(map(int, training.sampled(rng, SAMPLED)))
    trained, calls = _run(training, source, sandbox, record)
    with training.setup.sandboxed(source, trained.layer, sandbox) as fresh:
        audit_memory(calls, fresh, rng)
        audit_companions(calls, fresh, rng)
        audit_rows(training.setup, trained, training.held_out.scoring, fresh, rng)
    return trained


def audit_memory(calls: Sequence[Call], fresh: SandboxedLayer, rng: np.random.Generator) -> None:
    """Shows recorded steps in another order to a fresh child, which must answer alike.

    Catches what is kept between calls: statistics, rows seen, counters, clocks. Raises Failed, as CHEATED.
    """
    for index in rng.permutation(len(calls)):
        gap = fresh.again(calls[index])
        if not gap <= TOLERANCE:
            raise Failed(
                Status.CHEATED,
                f"a training step gave another answer, by {gap:.3g} of its size, when it was shown again to "
                "a fresh process in another order: it keeps something between calls, or guesses",
            )


def audit_companions(calls: Sequence[Call], fresh: SandboxedLayer, rng: np.random.Generator) -> None:
    """Shows half the rows of recorded steps again, in a batch of the same size beside rows of another step.

    Catches a layer that looks at other rows in training alone, by the size of the batch. Raises Failed, as
    CHEATED.
    """
    for call, other in zip(calls, [*calls[1:], *calls[:1]], strict=True):
        order = rng.permutation(len(call.x))
        kept, companions = order[: -(-len(order) // 2)], other.x[order % len(other.x)]
        gap = fresh.beside(call, kept, companions)
        if not gap <= TOLERANCE:
            raise Failed(
                Status.CHEATED,
                f"rows of a training step got another answer, by {gap:.3g} of its size, beside other rows in "
                "a fresh process: a row's output must depend on that row alone",
            )


def audit_rows(
    setup: LayerSetup,
    trained: Trained,
    held_out: np.ndarray,
    fresh: SandboxedLayer,
    rng: np.random.Generator,
) -> None:
    """Has held-out rows predicted again by a fresh child, shuffled and in batches of odd sizes.

    Catches outputs that depend on other rows, on the order of rows or on what was seen before. Raises Failed,
    as CHEATED.
    """
    shuffled = rng.permutation(len(held_out))
    trained.model.remote = fresh
    most = max(2, min(fresh.shape[0], len(held_out)) // 8)
    sizes = iter(lambda: int(rng.integers(1, most)), 0)
    logits = np.empty(len(held_out), np.float32)
    try:
        logits[shuffled] = predict(trained.model, setup.log.features[held_out[shuffled]], sizes)
    except Diverged as why:
        raise Failed(Status.CHEATED, f"held-out rows that came shuffled to a fresh process: {why}") from None
    gap = apart(logits, trained.logits)
    if not gap <= TOLERANCE:
        raise Failed(
            Status.CHEATED,
            f"held-out rows got other predictions, by {gap:.3g} of the largest, when they came shuffled and "
            "in other batches to a fresh process: a row's output must depend on that row alone",
        )
