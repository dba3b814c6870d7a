"""Examining a run: numbers are those of the parts' own functions, files hold no post, what does not fit is said."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from doors import door
from support import LINEAR as LINEAR_SETTINGS

from explain.agreement import agreement
from explain.examination import Posts
from explain.examining import PARTS, examine, material_of, write_examination
from explain.methods import attribute
from explain.sensitivity import max_sensitivity
from explain.structure import attention_structure
from mhclf.config.run import RunConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.load import load_table
from mhclf.errors import ConfigError, RunError
from mhclf.evaluation import scores
from mhclf.results.tables import format_interval
from mhclf.training.run import run
from mhclf.training.saved import read_predictions

REPOSITORY = Path(__file__).resolve().parents[2]
LINEAR = {name: value for name, value in LINEAR_SETTINGS.items() if name != "method"}
CHOSEN = ("attention", "input_x_gradient", "random")


@pytest.fixture(scope="module")
def config(encoder_folder, tmp_path_factory):
    return RunConfig(
        data="demo",
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path_factory.mktemp("runs")),
        report=False,
        limit=24,
        max_length=64,
        optim=OptimConfig(lr=1e-3, head_lr=1e-2),
        batch=BatchConfig(size=8),
        trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"),
    )


@pytest.fixture(scope="module")
def folders(config):
    return [run(replace(config, seed=seed)).folder for seed in (1, 2)]


@pytest.fixture(scope="module")
def found(folders):
    material = material_of(folders[0], folders[1:], CHOSEN, few=5)
    findings, unfit = examine(material, PARTS)
    assert unfit == {}
    return material, findings


def test_agreement_and_sensitivity_are_those_of_their_functions(found):
    material, findings = found
    few = material.few
    assert len(few.texts) == 5 and set(few.texts) <= set(material.test.texts)
    one, two = (attribute(material.run, few.texts, method) for method in CHOSEN[:2])
    expected = agreement(one, two, groups=few.groups).kendall
    frame = findings["agreement"].frames["agreement"].set_index(["first", "second", "measure"])
    row = frame.loc[(*CHOSEN[:2], "kendall")]
    assert (row["mean"], row["low"], row["high"]) == (expected.mean, expected.low, expected.high)
    assert [table.title for table in findings["agreement"].tables] == ["Methods", "The same method on two runs"]
    # The random floor learns nothing: it is not compared between runs.
    pair = ("1: lara_supcon, seed 1", "2: lara_supcon, seed 2")
    rows = findings["agreement"].tables[1].rows
    assert [row[:3] for row in rows] == [("attention", *pair), ("input x gradient", *pair)]
    other = attribute(material.beside[0], few.texts, "attention", [item.target for item in one])
    assert rows[0][3] == format_interval(*(getattr(agreement(one, other, groups=few.groups).kendall, end)
                                           for end in ("mean", "low", "high")))  # fmt: skip
    moved = findings["sensitivity"].frames["sensitivity"]
    assert moved["method"].tolist() == ["input_x_gradient"]
    targets = [item.target for item in one]
    assert moved["max_sensitivity"][0] == pytest.approx(
        np.nanmean(max_sensitivity(material.run, few.texts, "input_x_gradient", targets))
    )


def test_curves_start_at_the_whole_post_and_end_without_it(found):
    material, findings = found
    frame = findings["curves"].frames["curves"]
    assert frame.groupby(["method", "curve"]).size().tolist() == [11] * 6
    best = material.run.predict_proba(material.few.texts).max(axis=1).mean()
    ends = frame.set_index(["method", "curve", "share"])["probability"]
    for method in CHOSEN:
        assert ends[method, "deletion", 0.0] == pytest.approx(best, abs=1e-6)
        assert ends[method, "insertion", 0.0] == pytest.approx(ends[method, "deletion", 1.0], abs=1e-6)
        assert ends[method, "insertion", 1.0] == pytest.approx(best, abs=1e-6)


def test_layers_geometry_and_structure_are_of_all_test_posts(found, folders):
    material, findings = found
    n = len(material.test.texts)
    layers = findings["layers"]
    assert [row[0] for row in layers.tables[0].rows] == ["embeddings", "layer 1", "layer 2"]
    assert f"n = {n}." in layers.tables[0].notes[0]
    saved = read_predictions(folders[0]).part("test")
    accuracy = scores(saved.task, saved.gold, saved.prediction, None, saved.labels)["accuracy"]
    assert f"Whole model: accuracy {accuracy:.3f} [" in layers.tables[0].notes[0]
    assert "Agreement of 2 seeds" in layers.sentences[1]
    weights = layers.frames["layers"].set_index(["kind", "layer"])["mean"]
    assert weights["weight"].sum() == pytest.approx(1) and weights["contribution"].sum() == pytest.approx(1)
    assert [column.name for column in findings["geometry"].tables[0].columns] == [
        "measure",
        "lara_supcon, seed 1",
        "lara_supcon, seed 2",
    ]
    panels = findings["geometry"].figures["geometry"].axes
    assert [axes.get_title(loc="left") for axes in panels] == ["Silhouette", "Alignment", "Uniformity"]
    measured = findings["geometry"].frames["geometry"].set_index("measure")
    for axes, measure in zip(panels, ("silhouette", "alignment", "uniformity"), strict=True):
        drawn = axes.lines[0].get_xdata().tolist()
        assert drawn == [measured.loc[measure, f"lara_supcon, seed {seed}"] for seed in (1, 2)]
    structure = attention_structure(material.run, material.test.texts)
    frame = findings["structure"].frames["attention_structure"]
    own = frame[frame["measure"] == "effective_rank"]
    assert own["mean"].to_numpy() == pytest.approx(structure.mean("effective_rank").ravel())
    assert f"{n} test posts of {structure.tokens.min()} to" in findings["structure"].sentences[0]


def test_the_files_hold_every_part_and_no_post(found, folders, tmp_path):
    _, findings = found
    folder = tmp_path / "copy"
    shutil.copytree(folders[0], folder)
    page = write_examination(folder, findings, {"a part": "has <b>no</b> layers."})
    text = page.read_text()
    assert "Not for this run: a part. has &lt;b&gt;no&lt;/b&gt; layers." in text
    assert [f'<section id="{name}"' in text for name in PARTS] == [True] * len(PARTS)
    assert text.count("data:image/png") == 6 and "http" not in text.replace("http-equiv", "")
    written = sorted(path.name for path in (folder / "examination").iterdir())
    assert written == [
        "agreement.csv", "attention_structure.csv", "curves.csv", "geometry.csv", "layers.csv", "randomisation.csv",
        "sensitivity.csv",
    ]  # fmt: skip
    content = text + "".join(path.read_text() for path in (folder / "examination").iterdir())
    assert not [post for post in load_table("demo").texts if post in content]
    assert pd.read_csv(folder / "examination" / "randomisation.csv")["random_down_to"].unique().tolist() == [
        "head", "aggregation", "layer 2", "layer 1", "embeddings",
    ]  # fmt: skip


def test_what_does_not_fit_a_run_is_said(config, folders, tmp_path):
    plain = run(replace(config, method="finetune", model=replace(config.model, aggregation="last"))).folder
    findings, unfit = examine(material_of(plain, (), ("attention",), few=2), ("layers", "sensitivity"))
    assert findings["layers"].sentences == ("The run's aggregation 'last' learns no layer weights: probes only.",)
    assert [row[0] for row in findings["layers"].tables[0].rows] == ["embeddings", "layer 1", "layer 2"]
    assert unfit["sensitivity"].startswith("sensitivity: goes by gradients. Name one of saliency, input_x_gradient,")
    with pytest.raises(ConfigError, match="Unknown examination 'geometri'. Did you mean 'geometry'"):
        examine(material_of(plain), ("geometri",))
    other = run(replace(config, limit=20)).folder
    with pytest.raises(ConfigError, match="was trained on other posts than"):
        material_of(plain, [other])
    with pytest.raises(RunError, match="Give a finished run, or train it again."):
        material_of(plain, [tmp_path])


def test_a_run_on_shuffled_labels_stands_beside(config, folders):
    shuffled = run(replace(config, shuffle_labels=True)).folder
    assert shuffled != folders[0]
    material = material_of(folders[0], [shuffled], ("input_x_gradient",), few=3)
    findings, unfit = examine(material, ("agreement", "geometry"))
    assert unfit == {}
    (row,) = findings["agreement"].tables[1].rows
    assert row[:3] == ("input x gradient", "1: lara_supcon, seed 1", "2: lara_supcon, seed 1, shuffled labels")
    first, second = (material_of(folder, few=1) for folder in (folders[0], shuffled))
    assert np.array_equal(first.test.gold, second.test.gold)
    assert not np.array_equal(first.train.gold, second.train.gold)
    assert np.array_equal(np.bincount(first.train.gold), np.bincount(second.train.gold))


def test_a_linear_run_is_examined_by_what_fits(config):
    linear = run(replace(config, method="tfidf_lr", **LINEAR)).folder
    findings, unfit = examine(material_of(linear, few=2), ("agreement", "curves", "randomisation"))
    assert list(findings) == ["agreement", "curves"] and "is the linear baseline" in unfit["randomisation"]


def test_few_posts_are_spread_over_the_split():
    posts = Posts([str(n) for n in range(10)], None, np.arange(10), np.array(list("abcdefghij"), dtype=object))
    few = posts.first(4)
    assert few.texts == ["0", "3", "6", "9"] and few.gold.tolist() == [0, 3, 6, 9]
    assert few.groups.tolist() == ["a", "d", "g", "j"] and posts.first(10) is posts


def test_the_door(folders, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(folders[0], folder)
    common = ("--run", folder, "--limit", "2", "--examine")
    done = door("explain", *common, "sensitivity,geometry", "--methods", "saliency")
    assert done.returncode == 0, done.stderr
    assert "Max-sensitivity" in done.stdout and "Runs beside each other" in done.stdout
    assert (folder / "examination.html").is_file()
    wrong = door("explain", *common, "layer")
    assert wrong.returncode == 2
    assert "Unknown examination 'layer'. Did you mean 'layers'?" in wrong.stderr
    assert json.loads((folder / "data_manifest.json").read_text())["name"] == "demo"
