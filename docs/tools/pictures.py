"""Draw the pictures of the documentation from arrays, committed records and the demo corpus.

python docs/tools/pictures.py           all of them, into docs/img
python docs/tools/pictures.py flow      one of them
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from mhclf.results.style import BLUE, DARK, FAINT, GREEN, GREY, ORANGE, RED, save, styled  # noqa: E402

POST = 3
"""Which test post of the demo corpus, among those that the linear baseline decides rightly."""


def _box(
    axis: Axes, x: float, y: float, text: str, color: str = BLUE, width: float = 1.7, height: float = 0.72
) -> None:
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.12", lw=1.2, ec=color,
        fc="white",
    )  # fmt: skip
    axis.add_patch(patch)
    axis.text(x, y, text, ha="center", va="center", fontsize=8.5, color=DARK, linespacing=1.25)


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 1.1})


def _bare(axis: Axes, width: float, height: float) -> None:
    axis.set_xlim(0, width)
    axis.set_ylim(0, height)
    axis.set_aspect("equal")
    axis.set_axis_off()


@styled
def flow() -> Figure:
    """What happens between a YAML and a table."""
    figure = Figure(figsize=(9.4, 4.3))
    axis = figure.add_axes((0, 0, 1, 1))
    _bare(axis, 11.6, 5.3)
    xs = (1.05, 3.1, 5.15, 7.2, 9.25)
    data = ("YAML of the\ndata set", "read, repair,\nmask", "split,\ngroups whole", "audit\n(stops on leaks)")
    model = ("encoder,\nall layers", "pool tokens,\njoin layers", "head\n(+ projection)", "best epoch by\nvalidation")
    found = ("attributions\n.parquet", "plausibility,\nfaithfulness", "results.jsonl\n(a record a number)")
    rows = (
        (4.7, ORANGE, (*data, "tokens,\nbatches")),
        (3.2, BLUE, (*model, "predictions\n.parquet")),
        (1.7, GREEN, (*found, "intervals,\npaired tests", "tables, report,\npictures")),
    )
    for y, color, texts in rows:
        for x, text in zip(xs, texts, strict=True):
            _box(axis, x, y, text, color)
        for left, right in pairwise(xs):
            _arrow(axis, (left + 0.87, y), (right - 0.87, y))
    for upper, lower in ((4.7, 3.2), (3.2, 1.7)):
        middle = (upper + lower) / 2
        axis.plot([xs[-1], xs[-1], xs[0], xs[0]], [upper - 0.36, middle, middle, lower + 0.5], color=GREY, lw=1.1)
        _arrow(axis, (xs[0], lower + 0.52), (xs[0], lower + 0.37))
    axis.plot([5.15, 5.15], [2.45, 2.2], color=GREY, lw=1.1)
    _arrow(axis, (5.15, 2.2), (5.15, 2.07))
    for y, name in ((4.7, "data"), (3.2, "model,\ntraining"), (1.7, "explain,\nevaluate")):
        axis.text(10.4, y, name, fontsize=9.5, va="center", color=GREY, style="italic")
    axis.text(
        5.15, 0.72, "Every number is computed from saved predictions or attributions, never from a training log.\n"
        "Test rows are not touched before validation has chosen the model.",
        ha="center", va="center", fontsize=9, color=DARK,
    )  # fmt: skip
    return figure


@styled
def layers() -> Figure:
    """How layers are joined, and what their weights and their contributions were on the demo corpus."""
    figure = Figure(figsize=(9.4, 3.6))
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _bare(left, 8.2, 5.0)
    for number, name in enumerate(("$h_0$", "$h_1$", "$\\vdots$", "$h_L$")):
        y = 0.8 + number * 1.1
        if name == "$\\vdots$":
            left.text(0.8, y, name, ha="center", va="center", fontsize=13)
        else:
            _box(left, 0.8, y, name, ORANGE, 1.0, 0.7)
            _arrow(left, (1.32, y), (2.3, 2.0 + 0.25 * (number - 1.5)))
    _box(left, 3.25, 2.0, "layer attention\n$\\Sigma_l\\; a_l\\, n_l$", BLUE, 1.9, 1.2)
    _box(left, 5.3, 2.0, "$g\\,P$", BLUE, 1.0, 0.8)
    _arrow(left, (4.22, 2.0), (4.78, 2.0))
    _box(left, 5.3, 4.1, "+", GREEN, 0.8, 0.7)
    _arrow(left, (5.3, 2.42), (5.3, 3.73))
    _arrow(left, (1.32, 4.1), (4.88, 4.1))
    left.text(3.1, 4.28, "residual: the last layer", ha="center", fontsize=8.5, color=GREY)
    _box(left, 7.1, 4.1, "LayerNorm\n$z$", GREEN, 1.5, 0.9)
    _arrow(left, (5.72, 4.1), (6.33, 4.1))
    found = [
        json.loads(line)["layers"]
        for line in (REPOSITORY / "experiments/results/demo.jsonl").read_text(encoding="utf-8").splitlines()
        if '"layers": {' in line
    ]
    weights = np.mean([one["weights_mean"] for one in found], axis=0)
    shares = np.mean([one["contribution_mean"] for one in found], axis=0)
    places = np.arange(len(weights))
    right.bar(places - 0.2, weights, 0.38, color=BLUE, label="weight $a_l$")
    right.bar(places + 0.2, shares, 0.38, color=ORANGE, label="contribution, residual included")
    right.axhline(1 / len(weights), color=GREY, lw=0.9, ls="--")
    right.text(-0.4, 1 / len(weights) + 0.012, "uniform", fontsize=8, color=GREY)
    right.set_xticks(places, ["emb.", *map(str, places[1:])])
    right.set_xlabel("layer")
    right.set_title(f"Demo corpus, lara_supcon, {len(found)} seeds")
    right.legend(loc="upper left", bbox_to_anchor=(0, 0.98))
    figure.tight_layout()
    return figure


@styled
def contrastive() -> Figure:
    """What the contrastive loss does to points on a circle, and how its weight may grow."""
    import torch

    from mhclf.losses.contrastive import RAMPS, supervised_contrastive

    generator = torch.Generator().manual_seed(4)
    classes = torch.arange(3).repeat_interleave(8)
    angles = torch.rand(24, generator=generator) * 2.2 + classes * 1.3
    angles.requires_grad_(True)

    def points() -> torch.Tensor:
        return torch.stack([angles.cos(), angles.sin()], dim=1)

    def stage(steps: int) -> tuple[int, np.ndarray, float]:
        return steps, points().detach().numpy(), supervised_contrastive(points(), classes, 0.1).item()

    stages = [stage(0)]
    optimiser = torch.optim.SGD([angles], lr=0.3)
    for _ in range(60):
        optimiser.zero_grad()
        supervised_contrastive(points(), classes, 0.1).backward()
        optimiser.step()
    stages.append(stage(60))
    figure = Figure(figsize=(9.4, 3.1))
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
    for axis, (steps, found, loss) in zip(axes, stages, strict=False):
        circle = np.linspace(0, 2 * np.pi, 200)
        axis.plot(np.cos(circle), np.sin(circle), color=FAINT, lw=1)
        for number, (color, marker) in enumerate(((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"))):
            own = found[classes.numpy() == number]
            axis.scatter(own[:, 0], own[:, 1], color=color, marker=marker, s=26, alpha=0.85, lw=0)
        axis.set_title(f"{steps or 'no'} steps: loss {loss:.2f}")
        axis.set_aspect("equal")
        axis.set_axis_off()
    progress = np.linspace(0, 1, 201)
    for name, style in (("constant", ":"), ("linear", "-"), ("cosine", "--"), ("step", "-.")):
        axes[2].plot(progress, [0.5 * RAMPS.get(name)(value / 0.5) for value in progress], ls=style, label=name)
    axes[2].set_title("Weight of the term over training")
    axes[2].set_xlabel("share of all steps (weight .5, ramp_share .5)")
    axes[2].set_ylim(-0.02, 0.56)
    axes[2].legend(loc="lower right")
    figure.tight_layout()
    return figure


@styled
def plausible_faithful() -> Figure:
    """One demo post: what is marked, what the linear baseline goes by, and what taking words out does."""
    from explain import attribute
    from explain.faithfulness import orders
    from explain.model import ExplainedModel, Target
    from explain.plausibility import Cuts, plausibility
    from explain.reading import read_posts
    from mhclf import TextClassifier
    from mhclf.data.load import load_table
    from mhclf.data.spans import marked_words

    table = load_table("demo")
    train, test = table.part("train"), table.part("test")
    model = TextClassifier(method="tfidf_lr").fit(train.texts, train.gold_names())
    run = model.run_
    right = [row for row, gold in enumerate(test.gold_names()) if run.predict([test.texts[row]])[0] == gold]
    row = sorted(right, key=lambda number: (abs(len(test.texts[number]) - 190), number))[POST]
    text = test.texts[row]
    found = attribute(run, [text], "tfidf_weights")[0]
    scores = np.array(found.scores)
    gold = np.array(marked_words(found.words, test.rationales[row].spans))
    agreement = plausibility(scores, gold, Cuts(0.25, 0.5))
    post = read_posts(run, [text])[0]
    label = run.labels.index(found.target)
    explained = ExplainedModel(run)
    figure = Figure(figsize=(9.4, 4.7))
    grid = figure.add_gridspec(2, 2, height_ratios=(1.25, 1), width_ratios=(1, 1))
    words = [text[start:end] for start, end in found.words]
    marks = np.where(gold, 1.0, 0.0)
    _words(figure.add_subplot(grid[0, 0]), words, marks, GREEN, "Marked as evidence")
    _words(
        figure.add_subplot(grid[0, 1]), words, scores / np.abs(scores).max(), ORANGE,
        "Scores of the linear baseline (blue: against)",
    )  # fmt: skip
    bars = figure.add_subplot(grid[1, 0])
    names = {"auprc": "AUPRC", "f1_own_length": "token F1", "precision_at_5": "precision at 5"}
    generator = np.random.default_rng(0)
    chance = [plausibility(generator.normal(size=len(words)), gold, Cuts(0.25, 0.5)) for _ in range(500)]
    for place, key in enumerate(names):
        bars.bar(place - 0.2, agreement[key], 0.38, color=ORANGE, label="baseline's scores" if not place else None)
        mean = np.mean([one[key] for one in chance])
        bars.bar(place + 0.2, mean, 0.38, color=FAINT, label="random scores" if not place else None)
    bars.set_xticks(range(len(names)), list(names.values()))
    bars.set_ylim(0, 1.05)
    bars.set_title("Plausibility: agreement with the marks")
    bars.legend(loc="upper right", ncols=2)
    curve = figure.add_subplot(grid[1, 1])
    sizes = np.arange(0, len(words) + 1)

    def remaining(order: np.ndarray) -> np.ndarray:
        kept = np.ones((len(sizes), len(words)), dtype=bool)
        for size in sizes:
            kept[size, order[:size]] = False
        return explained.masked(post, kept, Target(label), "delete")

    curve.plot(sizes / len(words), remaining(orders(scores, post.seen)), color=ORANGE, label="highest scores first")
    random = np.mean([remaining(generator.permutation(len(words))) for _ in range(50)], axis=0)
    curve.plot(sizes / len(words), random, color=GREY, ls="--", label="random order (mean of 50)")
    curve.set_title("Faithfulness: logit as words are taken out")
    curve.set_xlabel("share of words taken out")
    curve.legend(loc="lower left", bbox_to_anchor=(0.36, 0.1))
    figure.tight_layout()
    return figure


def _words(axis: Axes, words: list[str], values: np.ndarray, color: str, title: str) -> None:
    """Write words in lines on a ground as strong as their values; negative ones in blue."""
    axis.set_title(title)
    axis.set_xlim(0, 54)
    axis.set_axis_off()
    x, y = 0.0, 0.0
    for word, value in zip(words, values, strict=True):
        width = len(word) + 1.6
        if x + width > 54:
            x, y = 0.0, y - 1
        ground = {"facecolor": color if value > 0 else BLUE, "alpha": float(min(0.75, abs(value) * 0.75)), "lw": 0}
        text = axis.text(x, y, word, fontsize=7.8, family="monospace", va="center")
        if abs(value) > 0.05:
            text.set_bbox({"boxstyle": "square,pad=0.12"} | ground)
        x += width
    axis.set_ylim(y - 0.8, 0.8)


@styled
def leaked_split() -> Figure:
    """The published WellDunn cut beside a sound one: which rows are trained on, which are validated on."""
    from explain.welldunn import SEEDS, Defects, published_cut

    figure = Figure(figsize=(9.4, 2.9))
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
    n = 40
    for y, (name, defects) in enumerate((("published", Defects.only("leaked_split")), ("sound", Defects()))):
        train, validation = published_cut(n, SEEDS[0], defects)
        for row in range(n):
            both = row in train and row in validation
            color = RED if both else ORANGE if row in validation else BLUE if row in train else FAINT
            left.add_patch(FancyBboxPatch((row + 0.08, y * 1.5), 0.84, 0.9, boxstyle="square,pad=0", fc=color, lw=0))
        left.text(-0.6, y * 1.5 + 0.45, name, ha="right", va="center", fontsize=9)
    left.set_xlim(-6, n)
    left.set_ylim(-1.4, 3.1)
    left.set_axis_off()
    left.set_title("40 rows in the order of the file, seed 200")
    for place, (color, name) in enumerate(
        ((BLUE, "train"), (ORANGE, "validation"), (RED, "both"), (FAINT, "neither"))
    ):  # fmt: skip
        left.add_patch(FancyBboxPatch((place * 9.2, -1.15), 0.84, 0.7, boxstyle="square,pad=0", fc=color, lw=0))
        left.text(place * 9.2 + 1.3, -0.8, name, va="center", fontsize=8.5)
    shares = []
    for seed in SEEDS:
        train, validation = published_cut(3092, seed, Defects.only("leaked_split"))
        shares.append(100 * np.isin(validation, train).mean())
    right.bar(range(3), shares, 0.6, color=RED)
    for place, share in enumerate(shares):
        right.text(place, share + 2, f"{share:.1f} %", ha="center", fontsize=8.5)
    right.set_xticks(range(3), [f"seed {seed}" for seed in SEEDS])
    right.set_ylim(0, 100)
    right.set_title("Validation rows trained on, %")
    figure.tight_layout()
    return figure


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ values / weights.sum(axis=1)


@styled
def groups() -> Figure:
    """Intervals over rows and over groups, on simulated answers of users who are alike in themselves."""
    from mhclf.evaluation import bootstrap_interval

    generator = np.random.default_rng(1)
    users, posts = 30, 20
    figure = Figure(figsize=(9.4, 3.0))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
    chances = generator.beta(2.1, 0.9, users)
    left.bar(range(users), np.sort(chances), color=FAINT)
    left.axhline(chances.mean(), color=DARK, lw=1)
    left.set_title("Accuracy of 30 simulated users")
    left.set_xlabel("user")
    covered = {"rows": 0, "groups": 0}
    trials, truth = 200, 2.1 / 3.0
    for trial in range(trials):
        rates = generator.beta(2.1, 0.9, users)
        right_answers = (generator.random((users, posts)) < rates[:, None]).astype(float).ravel()
        names = np.repeat(np.arange(users), posts)
        for kind, own in (("rows", None), ("groups", names)):
            low, high = bootstrap_interval(
                partial(_weighted_mean, right_answers), own, 300, seed=trial, n_rows=users * posts
            )
            covered[kind] += low <= truth <= high
            if trial < 12:
                y = trial + (0.18 if kind == "rows" else -0.18)
                right.plot([low, high], [y, y], color=ORANGE if kind == "rows" else BLUE, lw=2)
    right.axvline(truth, color=DARK, lw=1)
    right.set_yticks([])
    right.set_xlabel("accuracy; line: the truth")
    right.set_title(f"Hold the truth, of {trials}: {covered['rows']} over rows, {covered['groups']} over groups")
    right.plot([], [], color=ORANGE, lw=2, label="over rows")
    right.plot([], [], color=BLUE, lw=2, label="over groups")
    right.legend(loc="upper right")
    right.set_xlim(0.5, 0.95)
    figure.tight_layout()
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "flow": flow,
    "layers": layers,
    "contrastive": contrastive,
    "plausible_faithful": plausible_faithful,
    "leaked_split": leaked_split,
    "groups": groups,
}


def main(names: list[str]) -> None:
    """Draw the named pictures, or all."""
    for name in names or PICTURES:
        print(save(PICTURES[name](), REPOSITORY / "docs" / "img" / f"{name}.png"))


if __name__ == "__main__":
    main(sys.argv[1:])
