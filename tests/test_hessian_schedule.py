"""When a Newton iteration computes a Hessian."""

import pytest

from skxent.solver.hessian_schedule import HessianSchedule


def answers(price, estimates, *, tol=1e-8, fresh=(0,)):
    """Return the answers to some estimates; those in ``fresh`` have a Hessian."""
    schedule = HessianSchedule(price, tol)
    return [schedule.is_due(value, i in fresh) for i, value in enumerate(estimates)]


@pytest.mark.parametrize("price", [0.0, 0.5, 1.0])
def test_a_cheap_hessian_is_always_due(price):
    assert answers(price, [1.0, 0.1, 1e-7], fresh=(0, 1, 2)) == [True] * 3


def test_slow_progress_calls_for_one_after_a_few_steps():
    assert answers(5.0, [0.9**i for i in range(6)]) == [False] * 3 + [True] * 3
    assert answers(5.0, [0.5] * 5) == [False] * 3 + [True] * 2


def test_quick_progress_does_without():
    # 16 more steps at this rate
    estimates = [0.1 * 10 ** (-i / 3) for i in range(5)]
    assert answers(50.0, estimates) == [False] * 5
    assert answers(5.0, estimates)[-1]


def test_nothing_is_quick_enough_for_a_tolerance_of_0():
    estimates = [10.0**-i for i in range(5)]
    assert answers(50.0, estimates, tol=0.0) == [False] * 3 + [True] * 2


@pytest.mark.parametrize(("last", "is_due"), [(1e-3, False), (1e-6, True)])
def test_the_step_that_arrives_needs_one(last, is_due):
    assert answers(50.0, [1e-2, 1e-4, last])[-1] == is_due


def test_a_step_with_the_exact_hessian_arrives_sooner():
    estimates = [1e-2, 1e-3, 1e-5]
    assert not answers(50.0, estimates)[-1]
    assert answers(50.0, estimates, fresh=(0, 2))[-1]
