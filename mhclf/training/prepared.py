"""The data of a run before anything is learnt: loaded, split, audited, cut, with the rows of auxiliary sets."""

import logging
from dataclasses import dataclass, replace
from typing import Any

from mhclf.config.dataset import DatasetConfig
from mhclf.config.run import RunConfig
from mhclf.data.audit import audit, drop_shared
from mhclf.data.load import load_table
from mhclf.data.manifest import build_manifest, data_hash
from mhclf.data.splits import assign_splits
from mhclf.data.subsets import limit_rows, shuffle_labels, take_subset
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.evaluation import metric_names
from mhclf.registry import nearest
from mhclf.training.checks import check_data
from mhclf.training.outcome import risk_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """A split, audited (and limited) table with its manifest, and the train rows of auxiliary sets."""

    table: PostTable
    manifest: dict[str, Any]
    auxiliary: tuple[PostTable, ...] = ()


def prepare_data(config: RunConfig) -> PreparedData:
    """Load, split, audit, and cut to `limit` rows per split."""
    table = load_table(
        config.data,
        data_root=config.data_root,
        mask=config.mask,
        split_seed=config.split_seed,
        fold=config.fold,
        columns=config.columns,
    )
    refuse_choice(table.config)
    known = metric_names(table.config.task, table.labels, risk=risk_of(table.config))
    first = table.config.headline_metric
    if first in known and first not in metric_names(table.config.task, table.labels):
        raise ConfigError(
            f"{table.config.name}: metrics: the first one chooses the model, and '{first}' is perfect where every "
            "post is called high risk. Put another metric first."
        )
    for metric in table.config.metrics:
        if metric not in known:
            plain = [name for name in known if "/" not in name]
            raise ConfigError(
                f"{table.config.name}: metrics: '{metric}' is no metric of a {table.config.task} task."
                f"{nearest(metric, known)} Known: {', '.join(plain)}."
            )
    others = {name: load_table(name, data_root=config.data_root, mask=config.mask) for name in config.audit.against}
    table, shared = drop_shared(table, others)
    if shared and not (table.frame["split"] == "validation").any():
        given = replace(table.config, splits=replace(table.config.splits, kind="given"))
        table = assign_splits(replace(table, config=given))
    table, findings = audit(table, config.audit.on_leak)
    findings = shared + findings
    table = take_subset(table, config.subset)
    if config.limit is not None:
        table = limit_rows(table, config.limit)
    if config.shuffle_labels:
        table = shuffle_labels(table, config.seed)
    check_data(config, table)
    manifest = build_manifest(table, findings, config.protocol)
    auxiliary = tuple(_auxiliary_rows(name, table, config) for name in _auxiliary_names(table, config))
    if auxiliary:
        manifest["auxiliary"] = {
            other.config.name: {"rows": len(other), "data": data_hash(other)} for other in auxiliary
        }
    return PreparedData(table, manifest, auxiliary)


def refuse_choice(dataset: DatasetConfig) -> None:
    """Refuse multiple choice, which is no task of a classifier.

    Raises
    ------
    ConfigError
        Says what can be done instead.
    """
    if dataset.task == "choice":
        raise ConfigError(
            f"{dataset.name}: task: a classifier cannot answer 'choice': each row has answers of its own. Ask a "
            "language model: generate.py prompt, or tune one: generate.py tune."
        )


def _auxiliary_names(table: PostTable, config: RunConfig) -> tuple[str, ...]:
    """Return the auxiliary sets; `shared` stands for all that the YAML names under `shares_text_with`."""
    if "shared" not in config.auxiliary:
        return config.auxiliary
    sharing = table.config.shares_text_with
    if not sharing:
        raise ConfigError(f"auxiliary: {table.config.name} shares its posts with no other set. Give --auxiliary NAME.")
    return tuple(dict.fromkeys([*(name for name in config.auxiliary if name != "shared"), *sharing]))


def _auxiliary_rows(name: str, table: PostTable, config: RunConfig) -> PostTable:
    """Return the train rows of another set that meet no held-out post of ours."""
    other = load_table(name, data_root=config.data_root, mask=config.mask)
    refuse_choice(other.config)
    other, findings = drop_shared(other, {table.config.name: table}, ("validation", "test"))
    for finding in findings:
        logger.info("%s: %s", other.config.name, finding.message)
    train = other.part("train")
    if not len(train):
        raise ConfigError(f"auxiliary: no train post of {other.config.name} is left. Choose another set.")
    return limit_rows(train, config.limit) if config.limit is not None else train
