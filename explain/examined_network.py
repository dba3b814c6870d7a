"""Examinations of the network: the structure of its attention, what its layers carry, how its posts lie."""

import numpy as np
import pandas as pd

from explain.examination import EXAMINATIONS, Finding, Material, run_name
from explain.examination_figures import geometry_figure, layers_figure
from explain.geometry import beside, run_geometry
from explain.layer_drop import drop_layers
from explain.layers import layer_scores, layer_weights, seed_agreement
from explain.probes import LayerProbe, metrics_of, probe_run
from explain.structure import MEASURES, RELATIVE_TOLERANCE, attention_structure, padded_attention, published_rank
from explain.structure_figure import structure_figure
from mhclf.errors import ConfigError
from mhclf.results.tables import Cell, Column, Table, format_interval, format_number


@EXAMINATIONS.register("structure")
def structure(material: Material) -> Finding:
    """Ranks and entropies of every layer and head, and the rank that WellDunn reports beside them."""
    posts = material.test
    found = attention_structure(material.run, posts.texts, posts.contexts)
    # As published: the first layer's last head; the last layer's beside it.
    first, last = (published_rank(padded_attention(material.run, posts.texts, layer, -1)) for layer in (0, -1))
    rows: list[tuple[Cell, ...]] = []
    for layer in range(found.shape[0]):
        means = {measure: found.mean(measure)[layer] for measure in MEASURES}
        rows.append(
            (
                layer + 1,
                *(f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})" for values in means.values()),
            )
        )
    columns = (
        Column("layer", "right"),
        *(Column(f"{measure.replace('_', ' ')}, mean over heads (range)", "right") for measure in MEASURES),
    )
    notes = (
        f"Rank: singular values above {RELATIVE_TOLERANCE:g} of the largest, padding left out; entropies in nats, or "
        "over ln(tokens).",
    )
    sentences = (
        f"{len(posts.texts)} test posts of {found.tokens.min()} to {found.tokens.max()} tokens "
        f"(mean {found.tokens.mean():.0f}).",
        "By the published rule (WellDunn 2024: rank of the table of singular values of all posts at 64 tokens, padding "
        f"kept) the last head of the first layer has rank {first}, that of the last layer {last}; the rule cannot give "
        f"more than {min(64, len(posts.texts))} here, and it grows with the number of posts.",
    )
    return Finding(
        "Attention structure",
        sentences,
        (Table("Layers", columns, tuple(rows), notes),),
        {"attention_structure": structure_figure(found)},
        {"attention_structure": found.frame(posts.groups)},
    )


@EXAMINATIONS.register("layers")
def layers(material: Material) -> Finding:
    """Learnt weights and contributions, what is lost without each layer, what a line reads from it; seeds."""
    run, posts = material.run, material.test
    if layer_scores(run.parts()[0].aggregation) is None:
        return _probes_only(material)
    learnt = layer_weights(run, posts.texts, posts.contexts)
    dropped = drop_layers(run, posts.texts, posts.gold, posts.groups, posts.contexts)
    probes = _probes(material)
    metric = metrics_of(run.task)[0]
    whole, without = dropped[0], dropped[1:]
    frame = learnt.frame(posts.groups)
    mean = {(row["layer"], row["kind"]): row for row in frame.to_dict("records")}
    rows = []
    for name, drop, probe in zip(learnt.names, without, probes, strict=True):
        lost = drop.difference[metric]
        cells: list[Cell] = [name]
        for kind in ("weight", "contribution"):
            own = mean[name, kind]
            cells.append(format_interval(own["mean"], own["low"], own["high"]))
        cells += [
            format_interval(lost.difference, lost.ci_low, lost.ci_high),
            format_interval(drop.logit_change.mean, drop.logit_change.low, drop.logit_change.high),
            _probe_text(probe, metric),
        ]
        rows.append(tuple(cells))
    columns = (
        Column("layer"),
        Column("learnt weight", "right"),
        Column("effective contribution", "right"),
        Column(f"{metric} without it, difference", "right"),
        Column("change of the logit", "right"),
        Column(f"{metric} of a linear probe", "right", "higher"),
    )
    notes = (
        f"Whole model: {metric} "
        f"{format_interval(whole.values[metric], whole.low[metric], whole.high[metric])}, n = {len(posts.texts)}. "
        "Without: the weight set to 0, the others renormalised, nothing trained again. Probe: logistic regression on "
        "the layer's pooled summary, fitted on train posts.",
    )
    by_class = _by_class(learnt.by_class(posts.gold, run.labels), learnt.names)
    sentences = [f"Learnt weights lie {learnt.kl_from_uniform:.4f} nats from an even mixture."]
    others = [
        other
        for other in material.beside
        if (other.config.method, other.config.shuffle_labels) == (run.config.method, run.config.shuffle_labels)
    ]
    if others:
        weights, contributions = seed_agreement(
            [learnt, *(layer_weights(other, posts.texts, posts.contexts) for other in others)]
        )
        sentences.append(
            f"Agreement of {1 + len(others)} seeds (Kendall's tau over layers): weights {weights.mean_tau:+.2f}, "
            f"contributions {contributions.mean_tau:+.2f}."
        )
    return Finding(
        "Layers",
        tuple(sentences),
        (Table("What each layer carries", columns, tuple(rows), notes), by_class),
        {"layers": layers_figure(frame, without, probes, metric)},
        {"layers": frame},
    )


def _probes_only(material: Material) -> Finding:
    """Return what a line reads from each layer of a run that learnt no layer weights."""
    run, posts = material.run, material.test
    probes = _probes(material)
    metric = metrics_of(run.task)[0]
    rows = tuple((probe.name, _probe_text(probe, metric)) for probe in probes)
    columns = (Column("layer"), Column(f"{metric} of a linear probe", "right", "higher"))
    notes = (
        f"Logistic regression on the layer's pooled summary, fitted on train posts; n = {len(posts.texts)} test posts.",
    )
    frame = pd.DataFrame(
        [(probe.name, probe.values[metric], probe.low[metric], probe.high[metric]) for probe in probes],
        columns=["layer", metric, "low", "high"],
    )
    return Finding(
        "Layers",
        (f"The run's aggregation '{run.parts()[0].config.aggregation}' learns no layer weights: probes only.",),
        (Table("What a line reads from each layer", columns, rows, notes),),
        {},
        {"layers": frame},
    )


def _probes(material: Material) -> tuple[LayerProbe, ...]:
    """Fit a probe of each layer on train posts and score it on test posts."""
    train, posts = material.train, material.test
    return probe_run(
        material.run, train.texts, train.gold, posts.texts, posts.gold, posts.groups, train.contexts, posts.contexts
    )


def _probe_text(probe: LayerProbe, metric: str) -> str:
    return format_interval(probe.values[metric], probe.low[metric], probe.high[metric])


def _by_class(found: dict[str, tuple[np.ndarray, np.ndarray]], names: tuple[str, ...]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (label, kind, *(float(value) for value in values))
        for label, pair in found.items()
        for kind, values in zip(("weight", "contribution"), pair, strict=True)
    )
    columns = (Column("gold label"), Column("mean"), *(Column(name, "right") for name in names))
    return Table("By class", columns, rows)


@EXAMINATIONS.register("geometry")
def geometry(material: Material) -> Finding:
    """Silhouette, alignment, uniformity and margins of this run, and of those beside it."""
    posts = material.test
    runs = {run_name(run): run for run in (material.run, *material.beside)}
    if len(runs) < 1 + len(material.beside):
        raise ConfigError("geometry: two runs have the same method and seed. Give different ones.")
    found = {
        name: run_geometry(run, posts.texts, posts.gold, posts.groups, posts.contexts) for name, run in runs.items()
    }
    frame = beside(found)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            str(row["measure"]),
            *(
                format_interval(float(row[name]), float(row[f"{name}/low"]), float(row[f"{name}/high"]))
                if pd.notna(row.get(f"{name}/low"))
                else format_number(None if pd.isna(row[name]) else float(row[name]))
                for name in runs
            ),
        )
        for row in frame.to_dict("records")
    )
    columns = (Column("measure"), *(Column(name, "right") for name in runs))
    notes = (
        "On the representation that the last layer reads. Silhouette: -1 to 1, more is better; alignment: 0 to 4, less "
        "is tighter; uniformity: -8 to 0, less is spread more evenly. Margin: distance of two class centroids over the "
        "spread within; confusion: share of the pair's posts that are decided for the other class.",
    )
    return Finding(
        "Geometry",
        (f"{len(posts.texts)} test posts; intervals over groups.",),
        (Table("Runs beside each other", columns, rows, notes),),
        {"geometry": geometry_figure(frame, list(runs))},
        {"geometry": frame},
    )
