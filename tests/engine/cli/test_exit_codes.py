"""Every expected failure has one message and its code; what is not expected keeps its traceback."""

import pytest

from recevolve.engine.cli import exit_codes
from recevolve.engine.config.config import ConfigError


def test_a_group_of_expected_errors_is_told_by_the_first() -> None:
    group = BaseExceptionGroup("", [ExceptionGroup("", [ConfigError("seeds: none")])])
    assert exit_codes.explain(group) == (exit_codes.USAGE, "error: seeds: none")


def test_a_group_that_holds_an_error_of_ours_is_raised_again() -> None:
    group = ExceptionGroup("", [KeyError("device")])
    with pytest.raises(ExceptionGroup) as raised:
        exit_codes.explain(group)
    assert raised.value is group
