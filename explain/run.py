"""Explaining a run folder: from its test rows to attributions, numbers, figures and the page."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from explain.attention import NEEDS_ATTENTION
from explain.attribution import METHODS
from explain.figures import fidelity_heat_map
from explain.items import Explains, Item, items_of
from explain.measuring import CORE_METHODS, SECOND, Explained, explain_items
from explain.methods import check_method
from explain.model import Precision
from explain.page import cards, write_explanations
from explain.summary import (
    FidelityRecord,
    answers,
    read_fidelity,
    right_for_the_right_reason,
    summarise,
    write_fidelity,
)
from explain.tables import fidelity_table, label_table, split_table
from mhclf.config.run import RunConfig, short_name
from mhclf.data.second_opinion import second_spans
from mhclf.errors import RunError
from mhclf.results.files import read_mapping, write_text
from mhclf.results.style import save
from mhclf.training.prepared import prepare_data
from mhclf.training.saved import Run, load_run, trained_hash

logger = logging.getLogger(__name__)

LINEAR_METHODS = ("tfidf_weights", "permutation_shapley", "occlusion", "random")
VALIDATION_ITEMS = 50
"""Validation posts at most, on which two cuts are fitted; of few test posts half as many."""


@dataclass(frozen=True)
class RunFidelity:
    """What explaining a run found: its records, the counts beside them, and how often right is right for a reason."""

    folder: Path
    records: tuple[FidelityRecord, ...]
    counts: dict[str, object]


def chosen_methods(config: RunConfig, names: Sequence[str]) -> tuple[str, ...]:
    """Return methods by name; `core` and `all` stand for those that fit a run of this configuration.

    Raises
    ------
    ConfigError
        On an unknown name.
    """
    found: list[str] = []
    for name in names:
        if name in ("core", "all"):
            found += fitting_methods(config, (*CORE_METHODS, "rationale_head") if name == "core" else tuple(METHODS))
        else:
            check_method(name)
            found.append(name)
    return tuple(dict.fromkeys(found))


def fitting_methods(config: RunConfig, names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the methods that fit a run of this configuration; the linear baseline has its own."""
    if config.model.kind == "tfidf_lr":
        return LINEAR_METHODS
    unfit = {"exact_shapley", "tfidf_weights"}
    if config.evidence.head_weight <= 0:
        unfit.add("rationale_head")
    if config.model.kind in ("bilstm", "cnn"):
        unfit |= set(NEEDS_ATTENTION)
    return tuple(name for name in names if name not in unfit)


def explain_run(
    folder: Path,
    methods: Sequence[str] = ("core",),
    limit: int | None = 200,
    split: str = "test",
    seed: int = 0,
    data_root: str | None = None,
    faithful: bool = True,
    curves: bool = False,
    precision: Precision = "fp32",
    mask_identifiers: bool = False,
    explains: Explains = "predicted",
    absolute: bool = False,
) -> RunFidelity:
    """Explain the rows of a run that experts marked, and measure the explanations.

    Parameters
    ----------
    folder : Path
        A finished run.
    methods : sequence of str
        Names, `core` (the nine of the fidelity tables) or `all`.
    limit : int, optional
        At most this many posts.
    split : str
        `test` or `validation`; with `validation` the fitted cuts are not held out.
    seed : int
        Which posts, and what methods draw.
    data_root : str, optional
    faithful : bool
        Measure faithfulness, too.
    curves : bool
        And the deletion and insertion curves, and max-sensitivity.
    precision : {'fp32', 'bf16'}
        Of passes without gradients; kept in `fidelity.json`.
    mask_identifiers : bool
        Replace e-mail and web addresses, user names and phone numbers in the posts on the page, whatever the model
        read; also where the run's settings say so.
    explains : {'predicted', 'gold'}
        The label to explain where a post has one (`items_of`).
    absolute : bool
        Plausibility by the size of scores, whatever their sign.

    Returns
    -------
    RunFidelity
        Also written into the run folder: `attributions.parquet`, `fidelity.parquet`, `fidelity.jsonl`,
        `fidelity.json`, `figures/fidelity.png`, `explanations.html`. Only the page holds text.

    Raises
    ------
    RunError
        If the data are not those of the run.
    """
    run = load_run(folder)
    config = run.config if data_root is None else replace(run.config, data_root=data_root)
    prepared = prepare_data(config)
    if prepared.manifest["hashes"]["data"] != trained_hash(folder):
        raise RunError(f"{folder}: the data set is not the one that the run was trained on. Train it again.")
    items = items_of(run, prepared.table.part(split), limit, seed, explains)
    fitting = VALIDATION_ITEMS if limit is None else min(VALIDATION_ITEMS, max(10, limit // 2))
    validation = items_of(run, prepared.table.part("validation"), fitting, seed, explains)
    second = second_spans(config.data, prepared.table, config.data_root)
    chosen = chosen_methods(run.config, methods)
    found = explain_items(run, items, validation, chosen, seed, faithful, curves, second, precision, absolute)
    identity = {
        "run": folder.name,
        "dataset": prepared.table.config.name,
        "model": run.config.method,
        "encoder": "tfidf" if run.linear is not None else short_name(run.config.encoder),
        "seed": run.config.seed,
    }
    records = summarise(found.numbers, identity)
    gold = dict(zip(prepared.table.frame["id"].astype(str), map(_named, prepared.table.gold_names()), strict=True))
    counts = _counts(found) | {"precision": precision, "limit": limit, "split": split, "seed": seed}
    # Kept only where it is not the rule, so that records of before say the same.
    counts |= {"explains": explains} if explains != "predicted" else {}
    counts |= {"absolute": True} if absolute else {}
    _write(run, records, counts, found, items, gold, mask_identifiers or config.mask_identifiers)
    return RunFidelity(folder, tuple(records), counts)


def read_run_fidelity(folder: Path) -> RunFidelity:
    """Read what `explain_run` wrote."""
    counts = read_mapping(folder / "fidelity.json", "Explain the run again.")
    return RunFidelity(folder, tuple(read_fidelity(folder / "fidelity.jsonl")), counts)


def _counts(found: Explained) -> dict[str, object]:
    reasons = {
        method: right_for_the_right_reason(found.numbers, method) for method in dict.fromkeys(found.numbers["method"])
    }
    return {**found.counts, "right_for_the_right_reason": reasons}


def _write(
    run: Run,
    records: Sequence[FidelityRecord],
    counts: dict[str, object],
    found: Explained,
    items: Sequence[Item],
    gold: dict[str, str],
    masked: bool,
) -> None:
    folder = run.folder
    found.attributions.to_parquet(folder / "attributions.parquet", index=False)
    found.numbers.to_parquet(folder / "fidelity.parquet", index=False)
    write_text(folder / "fidelity.json", json.dumps(counts, indent=1) + "\n")
    (folder / "figures").mkdir(exist_ok=True)
    picture = save(fidelity_heat_map(records), folder / "figures" / "fidelity.png")
    best = best_method(records)
    write_explanations(
        folder / "explanations.html",
        f"Explanations of {folder.name}",
        cards(items, found.attributions, found.numbers, run.labels, gold, best, masked),
        int(str(counts["items"])),
        [table for table in (fidelity_table(records, counts), split_table(records), label_table(records)) if table],
        [*answers(records), reason_sentence(counts, best)],
        picture,
        best,
    )
    # Last: it says that all else is there.
    write_fidelity(folder / "fidelity.jsonl", records)


def reason_sentence(counts: dict[str, object], method: str) -> str:
    """Say how often the model is right for the right reason, by one method."""
    reasons = counts["right_for_the_right_reason"]
    assert isinstance(reasons, dict)
    own, chance = reasons[method], reasons.get("random")
    floor = f"; by `random` words {_share(chance, 'plausible')}, and both {_share(chance, 'both')}" if chance else ""
    return (
        f"Right for the right reason by `{method}` (token F1 at the rationale's own length of .5 or more): "
        f"{_share(own, 'both')} of {own['n']} items; {_share(own, 'correct')} are decided rightly, "
        f"{_share(own, 'plausible')} are plausible{floor}."
    )


def _share(found: dict[str, float | None], name: str) -> str:
    low, high = found[f"{name}_low"], found[f"{name}_high"]
    return f"{found[name]:.1%}" + ("" if low is None or high is None else f" [{low:.1%}, {high:.1%}]")


def best_method(records: Sequence[FidelityRecord]) -> str:
    """Return the method with the highest AUPRC; chance only where nothing else was measured, and people never."""
    whole = [r for r in records if r.slice == "all" and r.metric == "auprc" and r.method != SECOND]
    return max(whole, key=lambda record: (record.method != "random", record.value or 0.0)).method


def _named(names: object) -> str:
    return names if isinstance(names, str) else " + ".join(map(str, names)) or "(none)"  # type: ignore[call-overload]
