"""BFGS updates of an inverse, beside the matrices that they stand for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skxent.solver.updated_inverse import UpdatedInverse


def make_matrix(rng, n=6):
    root = rng.normal(size=(n, 2 * n))
    return root @ root.T


def update(inverse, step, change):
    """Return the BFGS update of an inverse, by its definition."""
    c = step @ change
    left = np.eye(len(step)) - np.outer(step, change) / c
    return left @ inverse @ left.T + np.outer(step, step) / c


@pytest.mark.parametrize("n_updates", [0, 1, 4, 9])
def test_it_multiplies_by_the_matrix_of_the_definition(n_updates):
    rng = np.random.default_rng(n_updates)
    hessian, other = make_matrix(rng), make_matrix(rng)
    expected = np.linalg.inv(hessian)
    updated = UpdatedInverse(lambda right: np.linalg.solve(hessian, right))
    for step in rng.normal(size=(n_updates, len(hessian))):
        updated.observe(step, other @ step)
        expected = update(expected, step, other @ step)
    right = rng.normal(size=len(hessian))
    before = right.copy()
    assert_allclose(updated.solve(right), expected @ right, rtol=1e-9)
    assert_allclose(right, before, rtol=0, atol=0)


def test_the_last_change_gives_its_step():
    rng = np.random.default_rng(0)
    hessian, other = make_matrix(rng), make_matrix(rng)
    updated = UpdatedInverse(lambda right: np.linalg.solve(hessian, right))
    for step in rng.normal(size=(3, len(hessian))):
        updated.observe(step, other @ step)
        assert_allclose(updated.solve(other @ step), step, rtol=1e-9)


def test_as_many_conjugate_steps_as_dimensions_give_the_inverse():
    rng = np.random.default_rng(0)
    hessian, other = make_matrix(rng), make_matrix(rng)
    updated = UpdatedInverse(lambda right: np.linalg.solve(hessian, right))
    # the eigenvectors are orthogonal, and conjugate
    for step in np.linalg.eigh(other)[1].T:
        updated.observe(step, other @ step)
    right = rng.normal(size=len(other))
    assert_allclose(updated.solve(right), np.linalg.solve(other, right), rtol=1e-8)


def test_a_step_without_curvature_teaches_nothing():
    rng = np.random.default_rng(0)
    updated = UpdatedInverse(lambda right: 2 * right)
    right, step = rng.normal(size=(2, 5))
    for change in (np.zeros(5), -step):
        updated.observe(step, change)
    assert_allclose(updated.solve(right), 2 * right, rtol=0, atol=0)
