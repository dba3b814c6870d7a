"""Figures: the numbers in them, all file names, hostile labels, the same bytes."""

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mhclf.errors import DataError
from mhclf.evaluation import risk_coverage
from mhclf.results.certainty_figures import _wilson
from mhclf.results.class_figure import class_comparison
from mhclf.results.figures import (
    class_scores,
    confusion_matrix,
    draw_run_figures,
    label_scores,
    layer_weights,
    learning_curves,
    reliability_diagram,
    representation_map,
    risk_coverage_curve,
    save,
)
from mhclf.results.layers import LayerFindings
from mhclf.results.style import PALETTE, cell_text, display_names

ALL = [
    "learning_curves",
    "confusion_matrix",
    "class_scores",
    "reliability",
    "risk_coverage",
    "layer_weights",
    "representation_map",
]
EVEN = {
    "layer_names": ["embeddings", "layer 1"], "weights_mean": [0.5, 0.5], "weights_sd": [0.01, 0.01],
    "contribution_mean": [0.1, 0.9], "contribution_sd": [0.02, 0.02], "gate": 0.25, "kl_from_uniform": 0.0001,
    "kl_per_input_mean": 0.001, "kl_maximum": 0.6931, "uniform_interval": 0.001,
    "distinguishable_from_uniform": False, "per_class": {}, "n": 60,
}  # fmt: skip


def words(figure: Figure) -> list[str]:
    """Return every text in a figure."""
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_every_figure_of_a_run_is_drawn_and_stable(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    folder = make_run(tmp_path / "run", ("not stressed", "stressed"))
    paths = draw_run_figures(folder)
    assert [path.relative_to(folder).as_posix() for path in paths] == [f"figures/{name}.png" for name in ALL]
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in draw_run_figures(folder)] == first
    for content in first:
        assert content.startswith(b"\x89PNG")
        assert b"tIME" not in content
        assert b"tEXt" not in content
        assert struct.unpack(">I", content[16:20])[0] >= 600


def test_the_linear_baseline_has_four_figures(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    folder = make_run(tmp_path / "run", method="tfidf_lr", minimal=True)
    assert [path.stem for path in draw_run_figures(folder)] == ALL[1:5]


@pytest.mark.filterwarnings("error")
def test_hostile_labels_and_several_labels_are_drawn(
    tmp_path: Path, make_run: Callable[..., Path], hostile: tuple[str, ...]
) -> None:
    folder = make_run(tmp_path / "run", (*hostile, "自杀意念", "x" * 300), "multilabel", rows=40)
    assert [path.stem for path in draw_run_figures(folder)] == ALL
    assert sorted(path.name for path in (folder / "figures").iterdir()) == sorted(f"{name}.png" for name in ALL)


def test_confusion_matrix_counts_and_shares() -> None:
    figure = confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1], ["a", "b", "never"])
    found = words(figure)
    assert found.count("0") == 6
    for text in (
        "2\n67 %",
        "1\n33 %",
        "1\n100 %",
        "a (3)",
        "b (1)",
        "never (0)",
        "4 posts; the diagonal is right.",
    ):
        assert text in found
    image = figure.axes[0].get_images()[0].get_array()
    assert image is not None
    np.testing.assert_allclose(image, [[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 0, 0]])


def test_label_scores() -> None:
    gold = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    answer = [[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 0]]
    figure = label_scores(gold, answer, ["a", "b", "c"])
    precision, recall = (line.get_xdata() for line in figure.axes[1].get_lines())
    np.testing.assert_allclose(np.asarray(precision, dtype=float), [0.5, 1, np.nan])
    np.testing.assert_allclose(np.asarray(recall, dtype=float), [0.5, 1, np.nan])
    assert {"a (2)", "b (1)", "c (0)"} <= set(words(figure))


def test_reliability_bins() -> None:
    figure = reliability_diagram([0.55, 0.59, 1.0, 0.0, np.nan], [True, False, True, False, True], bins=10)
    line = figure.axes[0].containers[0][0]
    np.testing.assert_allclose(line.get_xdata(), [0.0, 0.57, 1.0])
    np.testing.assert_allclose(line.get_ydata(), [0.0, 0.5, 1.0])
    heights = [patch.get_height() for patch in figure.axes[1].patches]
    assert heights == [1, 0, 0, 0, 0, 2, 0, 0, 0, 1]
    with pytest.raises(DataError, match=r"shapes \(2,\) and \(1,\)"):
        reliability_diagram([0.5, 0.5], [True])


def test_wilson_interval_against_the_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263 and 0 of 20.
    low, high = _wilson(np.array([81 / 263, 0.0]), np.array([263, 20]))
    np.testing.assert_allclose(low, [0.2553, 0.0], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1611], atol=5e-5)


def test_reliability_before_and_after_scaling() -> None:
    given, came = np.array([0.9, 0.9, 0.9, 0.9]), [True, True, False, False]
    figure = reliability_diagram(given, came, scaled=np.full(4, 0.55), temperature=3.2)
    said = " ".join(words(figure)).replace("\n", " ")
    assert "Calibration error (ECE) 0.400; 0.050 after temperature scaling." in said
    assert "after temperature scaling (T = 3.20)" in said
    after, before = (container[0] for container in figure.axes[0].containers[:2])
    np.testing.assert_allclose(before.get_xdata(), [0.9])
    np.testing.assert_allclose(after.get_xdata(), [0.55])
    with pytest.raises(DataError, match=r"shapes \(1,\) and \(4,\)"):
        reliability_diagram(given, came, scaled=[0.5])


def test_the_risk_coverage_curve_is_that_of_the_evaluation() -> None:
    abstention, correct = [0.3, 0.1, 0.1, 0.9], [True, False, True, False]
    figure = risk_coverage_curve(abstention, correct)
    curve = risk_coverage(-np.array(abstention), 1 - np.array(correct, dtype=float))
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0.5, 0.75, 1.0])
    np.testing.assert_allclose(line.get_ydata(), [0.5, 1 / 3, 0.5])
    np.testing.assert_allclose(line.get_ydata(), curve.risk)
    said = " ".join(words(figure)).replace("\n", " ")
    area = 0.5 * 0.5 + 0.25 / 3 + 0.25 * 0.5
    best = (0 + 0 + 1 / 3 + 1 / 2) / 4
    assert f"4 posts; error without abstaining 50.0 %; area under the curve (AURC) {area:.3f}, " in said
    assert f"{area - best:.3f} above the best order." in said


def test_class_bars_have_an_interval_only_where_it_is_known() -> None:
    figure = class_scores(["a", "b"], [5, 0], [0.5, np.nan], [0.4, 0.0], [0.45, 0.0], [(0.2, 0.6), (np.nan, np.nan)])
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.0, 0.4, 0.0, 0.45, 0.0]
    for line in axes.collections:  # the white one below, the dark one on it
        assert [segment[:, 0].tolist() for segment in line.get_segments()] == [[0.2, 0.6]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a (5)", "b (0)"]


def test_class_comparison_has_one_bar_a_run() -> None:
    runs = {"first": [0.5, 0.6], "$second$": [0.4, 0.7], "third": [0.1, 0.2]}
    figure = class_comparison(["a", "b"], [5, 6], runs, {"first": [(0.4, 0.6), (0.5, 0.7)]})
    assert len(figure.axes[0].patches) == 6
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["first", r"\$second\$", "third"]


def test_layer_weights_say_what_may_be_said() -> None:
    joined = " ".join(words(layer_weights(LayerFindings.from_mapping(EVEN)))).replace("\n", " ")
    assert (
        "The mean layer weights cannot be told from an even mixture: their divergence from it is 0.00010 nats; "
        "up to 0.0010 counts as even (60 posts; the maximum is 0.69). Read no preference "
        "into them. Gate: 0.250."
    ) in joined
    assert "even weight (1/2)" in joined
    told = EVEN | {"kl_from_uniform": 0.127, "distinguishable_from_uniform": True, "gate": None}
    joined = " ".join(words(layer_weights(LayerFindings.from_mapping(told)))).replace("\n", " ")
    assert "The mean layer weights differ from an even mixture" in joined
    assert "Gate" not in joined
    heights = [patch.get_height() for patch in layer_weights(LayerFindings.from_mapping(told)).axes[0].patches]
    assert heights == [0.5, 0.5, 0.1, 0.9]


def test_learning_curves_leave_out_what_is_not_there() -> None:
    log = pd.DataFrame({
        "kind": ["step", "step", "epoch"], "epoch": [0, 0, 0], "step": [1, 2, 2], "loss": [2.0, 1.0, np.nan],
        "learning_rate": [np.nan] * 3, "validation_loss": [np.nan, np.nan, 1.5],
        "validation_macro_f1": [np.nan, np.nan, 0.4],
    })  # fmt: skip
    figure = learning_curves(log)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Validation metrics"]
    total, validation = figure.axes[0].get_lines()
    np.testing.assert_allclose(np.asarray(total.get_ydata(), dtype=float), [2, 1])
    np.testing.assert_allclose(np.asarray(validation.get_xydata(), dtype=float), [[2, 1.5]])
    assert "Macro-F1" in words(figure)


def test_representation_map_marks_wrong_posts_hollow() -> None:
    points = np.array([[0.0, 0], [1, 1], [2, 2], [3, 3]])
    figure = representation_map(
        points, ["a", "a", "b", "rest"], [True, False, True, True], ["b", "a"], method="PCA",
        explained_variance=(0.412, 0.187),
    )  # fmt: skip
    found = words(figure)
    for text in ("a (2)", "b (1)", "rest (1)", "hollow: wrong prediction", "Map of the representation by PCA",
                 "first dimension (41.2 % of variance)",
                 "4 posts, coloured by gold class; 1 predicted wrongly."):  # fmt: skip
        assert text in found
    hollow = [item for item in figure.axes[0].collections if len(item.get_offsets()) and not len(item.get_facecolor())]
    assert [item.get_offsets().tolist() for item in hollow] == [[[1.0, 1.0]]]
    assert matplotlib.colors.to_hex(hollow[0].get_edgecolor()[0]).upper() == PALETTE[1]


@pytest.mark.parametrize("colours", ["Blues", "RdBu_r", "cividis"])
def test_a_heat_map_is_read_on_every_colour(colours: str) -> None:
    shades = np.linspace(0, 1, 101)
    image = Figure().add_subplot().imshow([shades], cmap=colours, vmin=0, vmax=1)
    for column in range(len(shades)):
        cell_text(image, 0, column, "x")
    linear = [np.asarray(to_rgb(image.to_rgba(shade)[:3])) ** 2.2 @ (0.2126, 0.7152, 0.0722) for shade in shades]
    for behind, text in zip(linear, image.axes.texts, strict=True):
        ink = np.asarray(to_rgb(text.get_color())) ** 2.2 @ (0.2126, 0.7152, 0.0722)
        # 4.5 is the contrast that WCAG 2.2 asks of text; between black and white no colour falls far below it.
        assert max(ink, behind) + 0.05 > 4.1 * (min(ink, behind) + 0.05)
    assert {text.get_color() for text in image.axes.texts} == {"white", "#111827"}


def test_names_are_shortened_and_stay_distinct() -> None:
    long = "A very long class name about distress"
    assert display_names([long], 12) == ["A very long…"]
    assert display_names([f"{long} one", f"{long} two"], 12) == ["A very…one", "A very…two"]
    assert display_names(["自杀", "b", "$x$"]) in (["label 1", "b", r"\$x\$"], ["自杀", "b", r"\$x\$"])


def test_the_caller_keeps_its_style_and_pyplot_is_not_loaded(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    save(confusion_matrix([0], [0], ["a"]), tmp_path / "x.png")
    assert dict(matplotlib.rcParams) == before
    code = "import sys, mhclf.results, mhclf.results.figures; print('matplotlib.pyplot' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
