"""scikit-learn's tools, and users, that treat the classifiers as LogisticRegression."""

import ast
import importlib
import importlib.util
import inspect
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.feature_selection import RFE, RFECV, SelectFromModel
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

import skxent
from skxent import BinaryLogReg, BinaryLogRegCV, SoftmaxReg, SoftmaxRegCV
from skxent.classifiers.migration import ALL_REMEDIES, REMEDIES, REMEDIES_OF_SEARCH

both = pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
N_FEATURES = 8


@pytest.fixture
def data():
    """Return data of which some features matter little and some not at all."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, N_FEATURES))
    effects = np.array([3, 1, 0.5, 0.3, 0.3, 0, 0, 0])
    return X, (X @ effects + rng.logistic(size=200) > 0).astype(int)


# --- selection of features -------------------------------------------------------


@both
@pytest.mark.parametrize("l1_ratio", [1, 1.0, 0.5])
@pytest.mark.parametrize("prefit", [False, True])
@pytest.mark.parametrize("sparse_coef", [False, True])
def test_the_features_left_by_an_l1_penalty_are_selected(
    Estimator, l1_ratio, prefit, sparse_coef, data
):
    model = Estimator(l1_ratio=l1_ratio, C=0.2).fit(*data)
    left = (model.coef_ != 0).any(axis=0)
    assert 2 < left.sum() < N_FEATURES
    if sparse_coef:
        if prefit and parse_version(sklearn.__version__) < parse_version("1.9"):
            pytest.skip("scikit-learn takes no norm of sparse coefficients")
        model.sparsify()
    selector = SelectFromModel(model, prefit=prefit)
    selector = selector if prefit else selector.fit(*data)
    np.testing.assert_array_equal(selector.get_support(), left)


@both
@pytest.mark.parametrize(("C", "l1_ratio"), [(0.2, 0), (np.inf, 1)])
def test_without_an_l1_penalty_the_mean_is_the_threshold(Estimator, C, l1_ratio, data):
    model = Estimator(C=C, l1_ratio=l1_ratio).fit(*data)
    sizes = np.abs(model.coef_).sum(axis=0)
    support = SelectFromModel(model, prefit=True).get_support()
    np.testing.assert_array_equal(support, sizes >= sizes.mean())


@both
def test_coefficients_in_small_units_are_selected_by_a_smaller_threshold(
    Estimator, data
):
    X, y = data
    model = Estimator(l1_ratio=1, C=1e9).fit(1e8 * X, y)
    left = (model.coef_ != 0).any(axis=0)
    assert left.any() and np.abs(model.coef_).max() < 1e-5
    selector = SelectFromModel(model, threshold=1e-300, prefit=True)
    np.testing.assert_array_equal(selector.get_support(), left)


@both
def test_selection_works_in_a_pipeline_and_a_search(Estimator, data):
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("select", SelectFromModel(Estimator(l1_ratio=1, C=0.1))),
            ("model", Estimator()),
        ]
    )
    search = GridSearchCV(
        pipeline, {"select__estimator__l1_ratio": [0, 1]}, cv=3, error_score="raise"
    ).fit(*data)
    n_selected = {
        l1_ratio: clone(pipeline)
        .set_params(select__estimator__l1_ratio=l1_ratio)
        .fit(*data)["model"]
        .n_features_in_
        for l1_ratio in (0, 1)
    }
    assert n_selected[1] > n_selected[0]
    assert search.best_estimator_["model"].n_features_in_ in n_selected.values()


@both
@pytest.mark.parametrize("l1_ratio", [0, 1])
def test_recursive_elimination_keeps_the_strongest(Estimator, l1_ratio, data):
    model = Estimator(l1_ratio=l1_ratio)
    two = RFE(model, n_features_to_select=2).fit(*data)
    assert two.get_support(indices=True).tolist() == [0, 1]
    assert RFECV(model, cv=3).fit(*data).get_support()[:2].all()


# --- what `penalty` must not disturb ----------------------------------------------


@both
def test_the_kind_of_penalty_is_no_parameter(Estimator):
    model = Estimator(l1_ratio=1)
    assert model.penalty == "l1"
    assert "penalty" not in model.get_params()
    assert repr(model) == f"{Estimator.__name__}(l1_ratio=1)"
    assert "penalty" not in vars(clone(model))
    assert model.set_params(l1_ratio=0).penalty == "l2"
    assert model.set_params(C=np.inf).penalty is None
    with pytest.raises(AttributeError, match="penalty"):
        model.penalty = "l2"


@both
@pytest.mark.parametrize("bad", ["much", None, [1, 2], np.array([1, 2])])
def test_the_kind_of_penalty_never_raises(Estimator, bad):
    assert Estimator(l1_ratio=bad).penalty == "l1"
    assert Estimator(C=bad).penalty == "l2"


# --- parameters of LogisticRegression ----------------------------------------------

removed = pytest.mark.parametrize("name", sorted(REMEDIES))


@both
@removed
def test_a_parameter_of_LogisticRegression_names_the_remedy(Estimator, name):
    message = (
        f"^{Estimator.__name__} has no parameter {name!r}, which .* has: (use|drop) "
    )
    with pytest.raises(TypeError, match=message):
        Estimator(**{name: None})
    with pytest.raises(TypeError, match=message):
        Estimator(C=2.0, **{name: "l2"})
    with pytest.raises(ValueError, match=message):
        Estimator().set_params(**{name: "l2"})


@both
@removed
def test_a_search_over_such_a_parameter_names_the_remedy(Estimator, name, data):
    pipeline = make_pipeline(StandardScaler(), Estimator())
    grid = {f"{Estimator.__name__.lower()}__{name}": [1]}
    with pytest.raises(ValueError, match=r"has no parameter .*: (use|drop) "):
        GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(*data)


def test_every_parameter_of_LogisticRegression_is_ours_or_has_a_remedy():
    theirs = set(LogisticRegression().get_params()) | {"multi_class"}
    ours = set(BinaryLogReg().get_params())
    assert theirs - ours <= set(REMEDIES)
    assert not ours & set(REMEDIES)


@pytest.mark.parametrize("Estimator", [BinaryLogRegCV, SoftmaxRegCV])
@pytest.mark.parametrize("name", sorted(ALL_REMEDIES))
def test_a_parameter_of_LogisticRegressionCV_names_the_remedy(Estimator, name):
    message = f"^{Estimator.__name__} has no parameter {name!r}, which .*: (use|drop) "
    with pytest.raises(TypeError, match=message):
        Estimator(**{name: None})
    with pytest.raises(ValueError, match=message):
        Estimator().set_params(**{name: None})


def test_every_parameter_of_LogisticRegressionCV_is_ours_or_has_a_remedy():
    theirs = set(LogisticRegressionCV().get_params())
    # of scikit-learn 1.8 and later, and of earlier ones
    theirs |= {"use_legacy_attributes", "multi_class"}
    ours = set(BinaryLogRegCV().get_params())
    assert theirs - ours <= set(ALL_REMEDIES)
    assert not ours & set(ALL_REMEDIES)


@pytest.mark.parametrize("name", sorted(REMEDIES_OF_SEARCH))
def test_a_parameter_of_the_search_alone_has_a_row_in_the_migration_guide(name):
    text = (Path(__file__).parents[1] / "docs/migration.md").read_text("utf8")
    assert re.search(rf"^\| `{name}` .*gone", text, re.MULTILINE)


@removed
def test_the_migration_guide_has_a_row_for_each(name):
    text = (Path(__file__).parents[1] / "docs/migration.md").read_text("utf8")
    assert re.search(rf"^\| `{name}\b.*(gone|OneVsRest|removed)", text, re.MULTILINE)


@both
def test_other_unknown_parameters_are_errors_as_usual(Estimator):
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Estimator(colour="red")
    with pytest.raises(ValueError, match="Invalid parameter 'colour'"):
        Estimator().set_params(colour="red")


@both
def test_the_signature_is_that_of_the_parameters(Estimator):
    parameters = inspect.signature(Estimator).parameters
    assert (
        list(parameters) == list(inspect.signature(Estimator.__init__).parameters)[1:]
    )
    assert set(parameters) == set(Estimator().get_params())
    assert {p.kind for p in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert parameters["C"].default == 1.0


class Own(BinaryLogReg):
    """A subclass with a parameter that LogisticRegression has, too."""

    def __init__(self, *, C=1.0, solver="mine"):
        super().__init__(C=C)
        self.solver = solver


class Same(SoftmaxReg):
    """A subclass that adds nothing to the parameters."""


def test_subclasses_have_what_parameters_they_like(data):
    model = Own(C=2.0, solver="theirs").set_params(solver="other")
    assert model.get_params() == {"C": 2.0, "solver": "other"}
    assert clone(model).solver == "other"
    with pytest.raises(ValueError, match="Own has no parameter 'penalty'"):
        model.set_params(penalty="l2")
    with pytest.raises(TypeError, match="Same has no parameter 'n_jobs'"):
        Same(n_jobs=2)
    fitted = pickle.loads(pickle.dumps(Own(C=2.0).fit(*data)))
    np.testing.assert_array_equal(
        fitted.predict(data[0]), BinaryLogReg(C=2.0).fit(*data).predict(data[0])
    )


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("scoring", "log_loss_scorer"),
        ("information", "entropy"),
        ("calibration", "calibration_decomposition"),
        ("report", "cross_entropy_report"),
        ("displays", "ConvergenceDisplay"),
        ("reliability", "ReliabilityDisplay"),
        ("estimators", "BinaryLogReg"),
        ("model_selection", "l1_C_min"),
    ],
)
def test_modules_are_found_under_their_former_names(module, name):
    former = importlib.import_module(f"skxent.{module}")
    assert getattr(former, name) is getattr(skxent, name)
    assert getattr(skxent, module) is former
    assert importlib.util.find_spec(f"skxent.{module}").name == former.__name__


# --- private parts of scikit-learn --------------------------------------------------

PACKAGE = Path(skxent.__file__).parent


def private_imports(source):
    """Return what a module imports from scikit-learn under a private name."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if re.match(r"sklearn\b.*\._", name)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import sklearn.utils._set_output", ["sklearn.utils._set_output"]),
        ("from sklearn.utils import _joblib", ["sklearn.utils._joblib"]),
        ("from sklearn.utils._mask import a, b as c", 2),
        ("def f():\n    from sklearn.base import _fit_context as g", 1),
        ("from sklearn.base import BaseEstimator", 0),
        ("from ._sklearn_compat import _name", 0),
    ],
)
def test_private_imports_are_found(source, expected):
    found = private_imports(source)
    assert (found if isinstance(expected, list) else len(found)) == expected


def test_only_one_module_imports_private_parts_of_scikit_learn():
    found = {
        path.relative_to(PACKAGE).as_posix(): names
        for path in PACKAGE.rglob("*.py")
        if (names := private_imports(path.read_text(encoding="utf-8")))
    }
    assert list(found) == ["_sklearn_compat.py"], found
