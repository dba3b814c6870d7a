"""Examinations of attributions: agreement, randomised weights, sensitivity, deletion and insertion curves."""

import numpy as np
import pandas as pd

from explain.agreement import TOP, agreement_matrix
from explain.examination import EXAMINATIONS, Finding, Material, run_name
from explain.examination_figures import agreement_figure, cascade_figure, curves_figure
from explain.faithfulness import CURVE, Case, faithfulness
from explain.methods import attribute
from explain.model import ExplainedModel, Target
from explain.reading import read_posts
from explain.sanity import CascadeStep, randomisation_cascade
from explain.sensitivity import GRADIENTS, RADIUS, max_sensitivity
from mhclf.errors import ConfigError
from mhclf.evaluation.averages import Average, average
from mhclf.results.tables import Cell, Column, Table, format_interval, format_number

WITHOUT_LEARNING = ("random",)


@EXAMINATIONS.register("agreement")
def agreement_of_methods(material: Material) -> Finding:
    """Agreement of methods with each other, and of the runs beside with this one."""
    few = material.few
    matrix = agreement_matrix(material.attributions, groups=few.groups)
    frame = matrix.frame()
    rows = tuple(
        (
            f"{first} / {second}".replace("_", " "),
            _interval(found.kendall),
            _interval(found.overlap),
            format_number(found.chance),
        )
        for (first, second), found in matrix.pairs.items()
    )
    columns = (
        Column("methods"),
        Column("Kendall tau-b", "right"),
        Column(f"overlap of the top {TOP}", "right"),
        Column("overlap by chance", "right"),
    )
    tables = [Table("Methods", columns, rows)]
    if material.beside:
        tables.append(_runs_beside(material))
    return Finding(
        "Agreement of explanations",
        (f"{len(few.texts)} test posts; each method explains the label that the model predicts.",),
        tuple(tables),
        {"agreement": agreement_figure(matrix)},
        {"agreement": frame},
    )


def _runs_beside(material: Material) -> Table:
    """Return, for each method, how far each two runs agree on the label that the first run predicts."""
    few = material.few
    runs = (material.run, *material.beside)
    names = [f"{number}: {run_name(run)}" for number, run in enumerate(runs, 1)]
    rows = []
    for method in (name for name in material.methods if name not in WITHOUT_LEARNING):
        own = material.attributions[method]
        targets = [item.target for item in own]
        made = {names[0]: own} | {
            name: attribute(
                run, few.texts, method, targets, contexts=few.contexts, seed=material.seed, precision=material.precision
            )
            for name, run in zip(names[1:], material.beside, strict=True)
        }
        for (first, second), found in agreement_matrix(made, groups=few.groups).pairs.items():
            rows.append((method.replace("_", " "), first, second, _interval(found.kendall), _interval(found.overlap)))
    columns = (
        Column("method"),
        Column("run"),
        Column("and run"),
        Column("Kendall tau-b", "right"),
        Column(f"overlap of the top {TOP}", "right"),
    )
    return Table("The same method on two runs", columns, tuple(rows))


@EXAMINATIONS.register("randomisation")
def randomisation(material: Material) -> Finding:
    """How explanations change as the network's weights become random from the head down (Adebayo et al. 2018)."""
    few = material.few
    methods = [method for method in material.methods if method not in WITHOUT_LEARNING]
    steps = {
        method: randomisation_cascade(material.run, few.texts, method, few.contexts, few.groups, seed=material.seed)
        for method in methods
    }
    rows = []
    for method, found in steps.items():
        for step in found:
            own = step.agreement.kendall_absolute
            rows.append((method, step.block, own.mean, own.low, own.high, own.n))
    frame = pd.DataFrame(rows, columns=["method", "random_down_to", "kendall_absolute", "low", "high", "n"])
    blocks = [step.block for step in next(iter(steps.values()))] if steps else []
    columns = (Column("method"), *(Column(block, "right") for block in blocks))
    cells = tuple((method.replace("_", " "), *map(_left, found)) for method, found in steps.items())
    notes = (
        "Kendall's tau-b of absolute scores with those of the trained network; columns say down to which block weights "
        "are random. Near 0 at the right: the explanation depends on what was learnt.",
    )
    return Finding(
        "Randomised weights",
        (f"{len(few.texts)} test posts, the trained network's predicted label explained throughout.",),
        (Table("What is left of an explanation", columns, cells, notes),),
        {"randomisation": cascade_figure(steps)},
        {"randomisation": frame},
    )


@EXAMINATIONS.register("sensitivity")
def sensitivity(material: Material) -> Finding:
    """Largest change of gradient methods' scores when word vectors move a little (Yeh et al. 2019)."""
    few = material.few
    targets = [item.target for item in attribute(material.run, few.texts, "random", contexts=few.contexts)]
    rows: list[tuple[Cell, ...]] = []
    kept = []
    for method in material.methods:
        if method in GRADIENTS:
            values = max_sensitivity(material.run, few.texts, method, targets, few.contexts, seed=material.seed)
            found = average(values, few.groups)
            rows.append((method.replace("_", " "), _interval(found), found.n))
            kept.append((method, found.mean, found.low, found.high, found.n))
    columns = (Column("method"), Column("max-sensitivity", "right", "lower"), Column("n", "right"))
    if not rows:
        raise ConfigError(f"sensitivity: goes by gradients. Name one of {', '.join(GRADIENTS)} among --methods.")
    notes = (
        f"Norm of the largest change over the norm of the scores; word vectors move within {RADIUS:.0%} of their sd.",
    )
    return Finding(
        "Sensitivity",
        ("Small moves of the word vectors that hardly change a decision should hardly change its explanation.",),
        (Table("Max-sensitivity", columns, tuple(rows), notes),),
        {},
        {"sensitivity": pd.DataFrame(kept, columns=["method", "max_sensitivity", "low", "high", "n"])},
    )


@EXAMINATIONS.register("curves")
def curves(material: Material) -> Finding:
    """Probability of the explained label as words go, most important first, and as they come."""
    few = material.few
    posts = read_posts(material.run, few.texts, few.contexts)
    model = ExplainedModel(material.run, precision=material.precision)
    label = {name: number for number, name in enumerate(material.run.labels)}
    rows, areas = [], []
    for method, found in material.attributions.items():
        cases = [Case(post, Target(label[item.target]), item.scores) for post, item in zip(posts, found, strict=True)]
        measured = faithfulness(model, cases, curves=True)
        kept = [number for number, item in enumerate(measured) if item.deletion_curve]
        groups = few.groups[kept]
        cells: list[Cell] = [method.replace("_", " ")]
        for kind in ("deletion", "insertion"):
            lines = np.array([getattr(measured[number], f"{kind}_curve") for number in kept])
            rows += [(method, kind, share, value) for share, value in zip(CURVE, lines.mean(axis=0), strict=True)]
            area = average(lines.mean(axis=1), groups)
            cells.append(_interval(area))
        areas.append((*cells, len(kept)))
    frame = pd.DataFrame(rows, columns=["method", "curve", "share", "probability"])
    columns = (
        Column("method"),
        Column("area under deletion", "right", "lower"),
        Column("area under insertion", "right", "higher"),
        Column("n", "right"),
    )
    return Finding(
        "Deletion and insertion",
        (
            f"{len(posts)} test posts. Words are masked from the one that speaks most for the label to the one most "
            "against it; insertion starts from a post of masks.",
        ),
        (Table("Areas", columns, tuple(areas)),),
        {"curves": curves_figure(frame)},
        {"curves": frame},
    )


def _interval(found: Average) -> str:
    return format_interval(found.mean, found.low, found.high)


def _left(step: CascadeStep) -> str:
    own = step.agreement.kendall_absolute
    return format_interval(own.mean, own.low, own.high, 2)
