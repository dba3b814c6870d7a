"""The estimator as scikit-learn's own tools use it."""

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from support import SENTENCES

import mhclf
from mhclf.config.command_line import recipe_names
from mhclf.config.places import recipe_folder
from mhclf.errors import ConfigError, DataError, RunError
from mhclf.estimator import TextClassifier
from mhclf.models.linear import fit_linear

POSTS = [text + ending for group in SENTENCES.values() for text in group for ending in ("", " today", " again")]
LABELS = [label for label, group in SENTENCES.items() for text in group for _ in range(3)]
GROUPS = [text for group in SENTENCES.values() for text in group for _ in range(3)]


@pytest.fixture
def tiny(encoder_folder):
    """Return a function that builds an unfitted estimator of seconds."""

    def build(**changes):
        settings = {"trainer.accelerator": "cpu", "trainer": {"precision": "fp32"}, "optim.head_lr": 1e-2}
        given = {"encoder": str(encoder_folder("bert")), "epochs": 2, "batch_size": 8, "lr": 1e-3, "max_length": 32}
        return TextClassifier(**(given | {"settings": settings} | changes))

    return build


def linear(**changes):
    return TextClassifier("tfidf_lr", **changes)


def test_fit_predict_and_where_it_comes_from(tiny, tmp_path, monkeypatch):
    assert mhclf.TextClassifier is TextClassifier and is_classifier(tiny())
    # A folder of its own: another process may leave something in the shared one.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    state = torch.random.get_rng_state()
    model = tiny(epochs=12, random_state=3).fit(POSTS, LABELS, groups=GROUPS)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("mhclf-")]
    assert model.classes_.tolist() == ["body", "people", "work"] and model.n_features_in_ == 1
    probabilities = model.predict_proba(POSTS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(probabilities, model.run_.predict_proba(POSTS), atol=1e-6)
    assert (model.predict(POSTS) == model.classes_[probabilities.argmax(axis=1)]).all()
    assert model.score(POSTS, LABELS) > 0.5
    assert model.run_.config.optim.lr == 1e-3 and model.run_.config.optim.head_lr == 1e-2
    again = tiny(epochs=12, random_state=3).fit(POSTS, LABELS, groups=GROUPS).predict_proba(POSTS)
    assert (again == probabilities).all()
    other = tiny(epochs=12, random_state=2).fit(POSTS, LABELS, groups=GROUPS).predict_proba(POSTS)
    assert not np.allclose(other, probabilities)


def test_the_linear_recipe_equals_the_baseline_on_all_rows():
    model = linear().fit(POSTS, LABELS)
    oracle = fit_linear("multiclass", ("body", "people", "work"), POSTS, np.unique(LABELS, return_inverse=True)[1])
    np.testing.assert_allclose(model.predict_proba(POSTS), oracle.probabilities(POSTS), atol=1e-12)
    masked = model.predict_proba(["write to me@example.org about my knee"])
    np.testing.assert_allclose(masked, model.predict_proba(["write to [email] about my knee"]), atol=0)


@pytest.mark.parametrize(
    "shape",
    [
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object)[:, None],
        pd.Series,
        lambda texts: pd.DataFrame({"post": texts}, index=range(5, 5 + len(texts))),
        lambda texts: pd.Series(texts, dtype="string"),
    ],
)
def test_forms_of_posts(shape):
    expected = linear().fit(POSTS, LABELS).predict_proba(POSTS)
    model = linear().fit(shape(POSTS), pd.Series(LABELS, index=range(7, 7 + len(LABELS))))
    np.testing.assert_array_equal(model.predict_proba(shape(POSTS)), expected)


@pytest.mark.parametrize("kind", [int, float, bool, str])
def test_kinds_of_labels(kind, tmp_path):
    labels = np.array([kind(label == "body") for label in LABELS])
    model = linear().fit(POSTS, labels)
    assert model.classes_.dtype == labels.dtype
    assert model.predict(POSTS).dtype == labels.dtype and (model.predict(POSTS) == labels).mean() > 0.9
    loaded = TextClassifier.load(model.save(tmp_path / "model"))
    assert (loaded.predict(POSTS) == model.predict(POSTS)).all()
    assert loaded.classes_.tolist() == model.classes_.tolist()


def test_several_labels_a_post(tiny, tmp_path):
    lists = [[label, "people"] if row % 2 else [] if row % 5 == 0 else [label] for row, label in enumerate(LABELS)]
    matrix = np.array([[name in row for name in ("body", "people", "work")] for row in lists]).astype(int)
    by_lists, by_matrix = tiny().fit(POSTS, lists), tiny().fit(POSTS, pd.DataFrame(matrix))
    np.testing.assert_array_equal(by_lists.predict_proba(POSTS), by_matrix.predict_proba(POSTS))
    found = by_matrix.predict(POSTS)
    assert (found == (by_matrix.predict_proba(POSTS) >= 0.5)).all() and found.shape == matrix.shape
    assert by_lists.predict(POSTS) == [by_lists.classes_[row == 1].tolist() for row in found]
    assert by_lists.score(POSTS, lists) == by_matrix.score(POSTS, matrix) == (found == matrix).all(axis=1).mean()
    loaded = TextClassifier.load(by_lists.save(tmp_path / "model"))
    assert loaded.predict(POSTS) == by_lists.predict(POSTS)


def test_ordered_levels(tiny):
    levels = [("body", "work", "people").index(label) for label in LABELS]
    model = tiny(task="ordinal").fit(POSTS, levels)
    assert model.run_.task == "ordinal" and set(model.predict(POSTS)) <= {0, 1, 2}
    with pytest.raises(DataError, match="y: has several labels a post, an ordinal task has one level."):
        tiny(task="ordinal").fit(POSTS, [[level] for level in levels])


def test_pickle_and_folder_hold_the_model(tiny, tmp_path):
    model = tiny().fit(POSTS, LABELS)
    expected = model.predict_proba(POSTS)
    content = pickle.dumps(model)
    assert b"torch" not in content and b"safetensors" in content
    loaded = pickle.loads(content)
    np.testing.assert_allclose(loaded.predict_proba(POSTS), expected, atol=1e-6)
    assert loaded.get_params() == model.get_params()
    folder = model.save(tmp_path / "model")
    np.testing.assert_allclose(TextClassifier.load(folder).predict_proba(POSTS), expected, atol=1e-6)
    np.testing.assert_allclose(mhclf.load_run(folder).predict_proba(POSTS), expected, atol=1e-6)
    with pytest.raises(ConfigError, match="exists and is not empty. Give another folder."):
        model.save(folder)
    (folder / "estimator.json").write_text("{}")
    with pytest.raises(RunError, match="estimator.json: is missing or damaged."):
        TextClassifier.load(folder)
    assert pickle.loads(pickle.dumps(tiny())).get_params() == tiny().get_params()
    with pytest.raises(NotFittedError):
        tiny().save(tmp_path / "other")


def test_parameters_are_stored_untouched(tiny):
    settings = {"contrastive.weight": 0.25, "contrastive": {"temperature": 0.2}, "split_seed": 3}
    model = tiny(settings=settings, epochs=None)
    assert model.settings is settings and clone(model).get_params() == model.get_params()
    config = model.set_params(method="supcon").run_config()
    assert (config.method, config.contrastive.weight, config.contrastive.temperature) == ("supcon", 0.25, 0.2)
    assert (config.split_seed, config.trainer.epochs, config.model.aggregation) == (3, 4, "last")
    assert tiny(random_state=np.random.RandomState(0)).run_config().seed == np.random.RandomState(0).randint(2**31 - 1)
    assert 0 <= tiny(random_state=None).run_config().seed < 2**31


def test_tools_of_scikit_learn(tiny):
    values = cross_val_score(tiny(), POSTS, LABELS, groups=GROUPS, cv=GroupKFold(3))
    assert len(values) == 3 and ((values >= 0) & (values <= 1)).all()
    lower = make_pipeline(FunctionTransformer(lambda texts: [text.lower() for text in texts]), linear())
    assert lower.fit([post.upper() for post in POSTS], LABELS).score(POSTS, LABELS) == 1
    search = GridSearchCV(tiny(), {"lr": [0.0, 1e-3], "method": ["finetune", "tfidf_lr"]}, cv=2).fit(POSTS, LABELS)
    assert len(search.cv_results_["params"]) == 4 and search.best_estimator_.predict(POSTS[:1])[0] in SENTENCES
    calibrated = CalibratedClassifierCV(linear(), cv=2).fit(POSTS, LABELS)
    np.testing.assert_allclose(calibrated.predict_proba(POSTS).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("posts", "labels", "message"),
    [
        (["a b", None], [0, 1], "X: row 1 holds no text but a NoneType. Fill the post in or leave the row out."),
        (["a b", float("nan")], [0, 1], "X: row 1 holds no text but a float. Fill the post in or leave the row out."),
        (["a b", " "], [0, 1], "X: row 1 is empty. Fill the post in or leave the row out."),
        ("a b", [0, 1], "X: is one text. Give a list of texts, also for one post: [text]."),
        (np.zeros((2, 3)), [0, 1], "X: has 3 columns. Give the one that holds the posts."),
        (["a", "b"], [0], "X, y: have 2 and 1 rows. Give one label, or list of labels, for each post."),
        (["a", "b"], [0, 0], "y: holds 1 class ('0'). Give posts of two classes or more."),
        (["a", "b"], [0, None], "y: row 1 has no label. Fill it in or leave the row out."),
        (["a knee", "a boss"], [[0, 2], [1, 1]], None),
        (["a", "b"], np.array([[0, 2], [1, 1]]), "y: has several columns that hold more than 0 and 1. "),
        ([], [], "X, y: have no rows. Give posts to learn from."),
        (["a", "b"], None, "y: is None. Give one label for each post, or a 0/1 matrix, or a list of lists of labels."),
    ],
)
def test_wrong_input_is_told(posts, labels, message):
    if message is None:
        assert linear().fit(posts, labels).classes_.tolist() == [0, 1, 2]
        return
    with pytest.raises(ValueError) as error:
        linear().fit(posts, labels)
    assert str(error.value).startswith(message)


def test_wrong_settings_are_told():
    with pytest.raises(NotFittedError, match="This TextClassifier instance is not fitted yet."):
        linear().predict(["a"])
    with pytest.raises(ConfigError, match="no recipe is called 'lara'. Did you mean") as error:
        TextClassifier("lara").fit(POSTS, LABELS)
    assert all(name in str(error.value) for name in recipe_names(recipe_folder()))
    with pytest.raises(ConfigError, match="optm"):
        linear(settings={"optm.lr": 1}).fit(POSTS, LABELS)
    with pytest.raises(ConfigError, match="settings: 'data' is for runs on files and has no meaning here."):
        linear(settings={"data": "demo"}).fit(POSTS, LABELS)
    with pytest.raises(ConfigError, match="auxiliary: 'multitask' learns other data sets beside this one, which posts"):
        TextClassifier("multitask").fit(POSTS, LABELS)
    with pytest.raises(ConfigError, match="trainer: devices: posts in memory are learnt by one process."):
        TextClassifier("finetune", settings={"trainer.devices": 2}).fit(POSTS, LABELS)
    with pytest.raises(ConfigError, match="task: 'ordinl' is neither 'auto' nor 'ordinal'."):
        linear(task="ordinl").fit(POSTS, LABELS)
    with pytest.raises(DataError, match="X, groups: have 72 and 3 rows."):
        linear().fit(POSTS, LABELS, groups=[1, 2, 3])


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_mixin_order,
        estimator_checks.check_estimators_unfitted,
    ],
    ids=lambda check: check.__name__,
)
def test_checks_of_scikit_learn(check):
    check("TextClassifier", linear())


def test_an_installed_package_brings_its_recipes(tmp_path):
    """The copy that the wheel holds is found where there is no checkout round the package."""
    import shutil

    repository = Path(mhclf.__file__).parents[1]
    shutil.copytree(repository / "mhclf", tmp_path / "mhclf", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(repository / "experiments" / "recipes", tmp_path / "mhclf" / "recipes")
    code = "from mhclf.config.places import recipe_folder; print(recipe_folder())"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    assert found.stdout.strip() == str(tmp_path / "mhclf" / "recipes")
    assert '"experiments/recipes" = "mhclf/recipes"' in (repository / "pyproject.toml").read_text()
