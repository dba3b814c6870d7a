"""The WellDunn replay: one model, defect by defect, each alone and all together, beside the sound protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from explain.welldunn import (
    COVERAGE_DEFECTS,
    COVERAGES,
    OVERLAP_DEFECTS,
    PUBLISHED,
    RANK_DEFECTS,
    SOUND,
    Defects,
    decide_labels,
    kept_rows,
)
from explain.welldunn_attention import (
    AttentionOverlap,
    TokenScores,
    attention_overlap,
    attention_rank,
    overlap_of_post,
)
from explain.welldunn_reading import head_attention, token_scores
from explain.welldunn_records import ReplayRecord
from explain.welldunn_runs import Cut, cut_rows, expert_phrases, trained_run
from mhclf.config.run import RunConfig, short_name
from mhclf.data.table import PostTable
from mhclf.errors import DataError
from mhclf.evaluation import classification_intervals, paired_bootstrap, scores
from mhclf.evaluation.averages import Average, Floats, average
from mhclf.training.saved import Run

ALL = "all"
LEAKED = "all, with the leaked split"
METRICS = {"multiclass": ("accuracy", "macro_f1", "mcc"), "multilabel": ("micro_f1", "macro_f1", "subset_accuracy")}

Report = Callable[[str], None]


def overlap_of_posts(
    posts: Sequence[TokenScores],
    held: PostTable,
    phrases: Mapping[str, str],
    defects: Defects,
    seed: int | None = None,
) -> AttentionOverlap:
    """Return the attention overlap over evaluated posts; with a `seed`, that of random scores instead.

    Parameters
    ----------
    posts : sequence of TokenScores
        From `token_scores` with the same defects.
    held : PostTable
        The same posts, with their rationales.
    phrases : mapping
        Row id -> what the expert wrote.
    defects : Defects
    seed : int, optional
    """
    if seed is not None:
        generator = np.random.default_rng(seed)
        posts = [replace(post, scores=generator.random(len(post.scores))) for post in posts]
    return attention_overlap(
        [
            overlap_of_post(post, rationale.spans, phrases.get(str(name), ""), defects)
            for post, rationale, name in zip(posts, held.rationales, held.frame["id"], strict=True)
        ]
    )


@dataclass(frozen=True)
class _Writer:
    """Fills what all records of one seed share."""

    config: RunConfig
    dataset: str
    seed: int
    records: list[ReplayRecord]

    def add(
        self,
        family: str,
        setting: str,
        measure: str,
        found: Average,
        change: Average | None = None,
        method: str | None = None,
    ) -> None:
        self.records.append(
            ReplayRecord(
                dataset=self.dataset,
                method=method or self.config.method,
                encoder=short_name(self.config.encoder),
                family=family,
                setting=setting,
                split_seed=self.seed,
                measure=measure,
                value=_number(found.mean),
                ci_low=_number(found.low),
                ci_high=_number(found.high),
                n=found.n,
                change=_number(change.mean) if change else None,
                change_low=_number(change.low) if change else None,
                change_high=_number(change.high) if change else None,
            )
        )


def replay_single_label(
    finetune: RunConfig, gamblers: RunConfig, seed: int, report: Report = lambda message: None
) -> list[ReplayRecord]:
    """Replay WellXplain for one published split seed: split (also by class), overlap, rank, coverage.

    Parameters
    ----------
    finetune, gamblers : RunConfig
        The two recipes; `gamblers` needs the reservation.
    seed : int
    report : callable
        Told what is done.

    Raises
    ------
    DataError
        If the set has no expert phrases.
    """
    phrases = expert_phrases(finetune)
    if not phrases:
        raise DataError(f"{finetune.data}: has no expert phrases to hold attention against. Choose another set.")
    sound, random, leaked = SOUND, Defects.only("random_cut"), Defects.only("leaked_split")
    cuts = {setting: cut_rows(finetune, seed, setting) for setting in (sound, random, leaked)}
    writer = _Writer(finetune, cuts[sound].held.config.name, seed, [])
    runs: dict[Defects, Run] = {}
    probabilities: dict[Defects, npt.NDArray[np.float64]] = {}
    for setting, name in ((sound, "sound"), (random, "random_cut"), (leaked, "leaked_split")):
        report(f"{writer.dataset}, split seed {seed}: {finetune.method}, {name}")
        runs[setting] = trained_run(finetune, cuts[setting], seed, setting)
        held = cuts[setting].held
        probabilities[setting] = runs[setting].predict_proba(held.texts, held.contexts)
        # The random and the leaked cut evaluate the same rows, so that the two are compared post by post.
        before = probabilities[random].argmax(axis=1) if setting is leaked else None
        _add_split(writer, name, cuts[setting], probabilities[setting].argmax(axis=1), before)
    report(f"{writer.dataset}, split seed {seed}: attention")
    _add_overlap(writer, runs, cuts, phrases)
    _add_rank(writer, runs, cuts)
    for setting, name in ((sound, "sound"), (leaked, LEAKED)):
        report(f"{writer.dataset}, split seed {seed}: {gamblers.method}, {name}")
        run = trained_run(gamblers, cuts[setting], seed, setting)
        held = cuts[setting].held
        scored = run.score(held.texts, held.contexts)
        if scored.reservation is None:
            raise DataError(f"{gamblers.method}: has learnt no reservation. Choose a recipe with model.abstain.")
        cases = _alone_and_all(COVERAGE_DEFECTS) if setting is sound else {LEAKED: PUBLISHED}
        for case, defects in cases.items():
            _add_coverage(writer, case, cuts[setting], scored.probabilities, scored.reservation, defects, gamblers)
    return writer.records


def replay_several_labels(finetune: RunConfig, seed: int, report: Report = lambda message: None) -> list[ReplayRecord]:
    """Replay MultiWD for one published split seed: leaked split, the gold's number of labels, both.

    Parameters
    ----------
    finetune : RunConfig
    seed : int
    report : callable
        Told what is done.
    """
    sound, leaked = SOUND, Defects.only("leaked_split")
    records: list[ReplayRecord] = []
    before: npt.NDArray[np.int64] | None = None
    for setting, name in ((sound, "sound"), (leaked, "leaked_split")):
        cut = cut_rows(finetune, seed, setting, own_rule=False)
        writer = _Writer(finetune, cut.held.config.name, seed, records)
        report(f"{writer.dataset}, split seed {seed}: {finetune.method}, {name}")
        run = trained_run(finetune, cut, seed, setting)
        found = run.predict_proba(cut.held.texts, cut.held.contexts)
        plain = decide_labels(found, cut.held.targets, SOUND)
        _add_split(writer, name, cut, plain, before)
        before = plain if before is None else before
        counted = decide_labels(found, cut.held.targets, Defects.only("gold_count"))
        _add_split(writer, "gold_count" if setting is sound else ALL, cut, counted, before)
    return records


def _add_split(
    writer: _Writer,
    setting: str,
    cut: Cut,
    decisions: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64] | None,
) -> None:
    held = cut.held
    task, labels, groups = held.config.task, held.labels, held.frame["group"].to_numpy()
    wanted = METRICS.get(task, METRICS["multiclass"])
    values = scores(task, held.targets, decisions, None, labels)
    ends = classification_intervals(task, held.targets, decisions, None, labels, groups, wanted)
    for metric in wanted:
        change = None
        if before is not None:
            found = paired_bootstrap(metric, held.targets, decisions, before, groups, labels=labels)
            change = Average(found.difference, found.ci_low, found.ci_high, len(held))
        writer.add("split", setting, metric, Average(float(values[metric]), *ends[metric], len(held)), change)
    nan = float("nan")
    writer.add("split", setting, "trained_on", Average(cut.trained_on, nan, nan, len(held)))
    writer.add("split", setting, "source_trained_on", Average(cut.source_trained_on, nan, nan, len(held)))
    if task != "multilabel":
        _add_classes(writer, setting, cut, values, decisions)


def _add_classes(
    writer: _Writer, setting: str, cut: Cut, values: Mapping[str, float], decisions: npt.NDArray[np.int64]
) -> None:
    """Add what a cut does to each class: a file in the order of its classes loses one of them from train."""
    held, train = cut.held, cut.fitted.part("train")
    groups = held.frame["group"].to_numpy()
    known = held.frame["id"].isin(train.frame["id"]).to_numpy()
    names = [f"recall/{label}" for label in held.labels]
    ends = classification_intervals(held.config.task, held.targets, decisions, None, held.labels, groups, names)
    nan = float("nan")
    for number, (label, name) in enumerate(zip(held.labels, names, strict=True)):
        own = held.targets == number
        count = int(own.sum())
        writer.add("classes", setting, name, Average(float(values[name]), *ends[name], count))
        share = float(known[own].mean()) if count else nan
        writer.add("classes", setting, f"trained_on/{label}", Average(share, nan, nan, count))
        rows = int((train.targets == number).sum())
        writer.add("classes", setting, f"train_rows/{label}", Average(float(rows), nan, nan, count))


def _add_overlap(
    writer: _Writer, runs: Mapping[Defects, Run], cuts: Mapping[Defects, Cut], phrases: Mapping[str, str]
) -> None:
    leaked = Defects.only("leaked_split")
    cases = [(name, SOUND, defects) for name, defects in _alone_and_all(OVERLAP_DEFECTS).items()]
    base: AttentionOverlap | None = None
    # Only two of the switches change what is read of the model.
    read: dict[tuple[Defects, bool, bool], list[TokenScores]] = {}
    for name, split, defects in [*cases, (LEAKED, leaked, PUBLISHED)]:
        held = cuts[split].held
        groups = held.frame["group"].to_numpy()
        key = (split, defects.one_head, defects.padding)
        if key not in read:
            read[key] = token_scores(runs[split], held.texts, defects)
        found = overlap_of_posts(read[key], held, phrases, defects)
        chance = overlap_of_posts(read[key], held, phrases, defects, seed=writer.seed)
        base = found if base is None else base
        paired = split is SOUND and found is not base
        for measure, values, earlier, floor in (
            ("overlap", found.hits, base.hits, chance.hits),
            ("share", found.shares, base.shares, chance.shares),
        ):
            change = average(values - earlier, groups) if paired else None
            writer.add("overlap", name, measure, average(values, groups), change)
            writer.add("overlap", name, f"{measure}_random", average(floor, groups))


def _add_rank(writer: _Writer, runs: Mapping[Defects, Run], cuts: Mapping[Defects, Cut]) -> None:
    leaked = Defects.only("leaked_split")
    cases = [(name, SOUND, defects) for name, defects in _alone_and_all(RANK_DEFECTS).items()]
    for name, split, defects in [*cases, (LEAKED, leaked, PUBLISHED)]:
        # The published code takes the rank over the train rows.
        rows = cuts[split].held if split is SOUND else cuts[split].fitted.part("train")
        value, ranks = attention_rank(head_attention(runs[split], rows.texts, defects), defects)
        nan = float("nan")
        found = Average(value, nan, nan, len(ranks))
        if not defects.value_table:
            found = average(ranks, rows.frame["group"].to_numpy())
        writer.add("rank", name, "rank", found)


def _add_coverage(
    writer: _Writer,
    setting: str,
    cut: Cut,
    probabilities: Floats,
    reservation: ArrayLike,
    defects: Defects,
    config: RunConfig,
) -> None:
    held = cut.held
    predicted = probabilities.argmax(axis=1)
    task, groups = held.config.task, held.frame["group"].to_numpy()
    for coverage in COVERAGES:
        rows = kept_rows(reservation, held.targets, len(held.labels), coverage, defects)
        gold, chosen = held.targets[rows], predicted[rows]
        values = scores(task, gold, chosen, None, held.labels)
        metrics = ("accuracy", "macro_f1")
        ends = classification_intervals(task, gold, chosen, None, held.labels, groups[rows], metrics)
        for metric in metrics:
            found = Average(float(values[metric]), *ends[metric], len(rows))
            writer.add("coverage", setting, f"{metric}@{coverage:g}", found, method=config.method)


def _alone_and_all(names: Sequence[str]) -> dict[str, Defects]:
    return {"sound": SOUND} | {name: Defects.only(name) for name in names} | {ALL: Defects.only(*names)}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
