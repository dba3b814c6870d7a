"""The models of the WellDunn replay: the rows of each cut, and one trained run for each."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from explain.welldunn import Defects, published_cut
from mhclf.config.run import RunConfig
from mhclf.config.structure import to_mapping
from mhclf.data.audit import audit, leaks_of
from mhclf.data.load import load_table
from mhclf.data.locate import find_dataset
from mhclf.data.manifest import content_hash, data_hash
from mhclf.data.rows import read_rows
from mhclf.data.table import PostTable
from mhclf.errors import DataError
from mhclf.training.folder import RunFolder
from mhclf.training.in_memory import fit_table, save_run
from mhclf.training.saved import Run, load_run

logger = logging.getLogger(__name__)

VALIDATION = 0.1
"""Share of the train rows that chooses the epoch; never an evaluated row."""

_NO_NUMBERS = ("out", "data_root", "report", "columns", "mask_identifiers")
"""Settings that decide no number of a replay."""


@dataclass(frozen=True)
class Cut:
    """The rows of one replayed split.

    Attributes
    ----------
    fitted : PostTable
        Train and validation rows, with the `split` column; a leaked row stands here and in `held`.
    held : PostTable
        The rows that are evaluated.
    trained_on : float
        Share of the evaluated rows that stand in train.
    source_trained_on : float
        Share of the evaluated rows whose group (source post) has a row in train.
    """

    fitted: PostTable
    held: PostTable
    trained_on: float
    source_trained_on: float


def cut_rows(config: RunConfig, seed: int, defects: Defects, own_rule: bool = True) -> Cut:
    """Cut a data set: by its own rule for the sound protocol, else 80/20 at random, sound or leaked.

    Without its own rule, or where the split is given, the rows are pooled and cut at random also for the sound
    protocol, as the published code does; repeated texts are then dropped from train. All cuts of one seed evaluate
    the same rows, but for the one by the set's own rule.

    Parameters
    ----------
    config : RunConfig
        `data`, `data_root`, `mask` and `limit` (rows in all, for a quick look) are read.
    seed : int
        Of the split.
    defects : Defects
        `random_cut` and `leaked_split` are read.
    own_rule : bool
        Whether the sound protocol cuts by the set's own rule.
    """
    table = load_table(config.data, data_root=config.data_root, mask=config.mask, split_seed=seed)
    if config.limit is not None:
        table = table.select(np.arange(min(config.limit, len(table))))
    published = defects.random_cut or defects.leaked_split
    if own_rule and not published and table.config.splits.kind == "ratio":
        table, _ = audit(table)
        return _cut(table.select((table.frame["split"] != "test").to_numpy()), table.part("test"))
    train, held = published_cut(len(table), seed, defects)
    free = np.setdiff1d(train, held)
    chosen = np.random.default_rng(seed).permutation(free)[: max(1, round(VALIDATION * len(train)))]
    rest = np.setdiff1d(train, chosen)
    splits = ["train"] * len(rest) + ["validation"] * len(chosen)
    fitted = table.select(np.concatenate([rest, chosen])).with_splits(np.array(splits, dtype=object))
    evaluated = table.select(held).with_splits(np.array(["test"] * len(held), dtype=object))
    if not published:
        together = table.select(np.concatenate([rest, chosen, held])).with_splits(
            np.array([*splits, *evaluated.frame["split"]], dtype=object)
        )
        clean, _ = leaks_of(together)
        fitted = clean.select((clean.frame["split"] != "test").to_numpy())
    return _cut(fitted, evaluated)


def _cut(fitted: PostTable, held: PostTable) -> Cut:
    train = fitted.part("train").frame
    return Cut(
        fitted,
        held,
        float(held.frame["id"].isin(train["id"]).mean()),
        float(held.frame["group"].isin(train["group"]).mean()),
    )


def expert_phrases(config: RunConfig) -> dict[str, str]:
    """Return row id -> what the expert wrote, as the file holds it; empty where the set has no phrases.

    Raises
    ------
    DataError
        If the file no longer has the rows of the table.
    """
    located = find_dataset(config.data)
    rule = located.config.rationale
    if rule is None or rule.kind != "phrases" or not isinstance(rule.column, str):
        return {}
    table = load_table(config.data, data_root=config.data_root, mask=config.mask)
    cells = read_rows(located, config.data_root).frame[rule.column]
    if len(cells) != len(table):
        raise DataError(f"{config.data}: has {len(cells)} rows in its file, but {len(table)} in its table.")
    return dict(zip(table.frame["id"].astype(str), cells.astype(str), strict=True))


def trained_run(config: RunConfig, cut: Cut, seed: int, defects: Defects) -> Run:
    """Train on a cut, or load the run where it is complete; `config.out` holds its folder.

    Parameters
    ----------
    config : RunConfig
        A recipe; its `seed` varies the model.
    cut : Cut
    seed : int
        Of the split, for the folder's name.
    defects : Defects
        For the folder's name.
    """
    config = replace(config, max_length=config.max_length or cut.fitted.config.max_length)
    table = replace(cut.fitted, config=replace(cut.fitted.config, max_length=int(config.max_length or 0)))
    settings = {key: value for key, value in to_mapping(config).items() if key not in _NO_NUMBERS}
    kind = "leaked" if defects.leaked_split else "random" if defects.random_cut else "sound"
    digest = content_hash([settings, data_hash(table)])[:8]
    folder = RunFolder(
        Path(config.out) / "welldunn" / f"{table.config.name}-{config.method}-{kind}-split{seed}-{digest}"
    )
    with folder.locked():
        if not folder.complete:
            logger.info("training %s", folder.path.name)
            save_run(fit_table(table, config), folder.path)
            folder.write_json("status.json", {"state": "complete"})
    return load_run(folder.path)
