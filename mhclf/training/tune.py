"""Search for settings by validation: every trial is a run without a test set, and a killed search goes on."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mhclf.config.command_line import layered
from mhclf.config.run import RunConfig, short_name
from mhclf.config.structure import from_mapping, to_mapping, write_yaml
from mhclf.config.tuning import Dimension, settings_of
from mhclf.data.locate import find_dataset
from mhclf.data.manifest import content_hash
from mhclf.errors import MissingDependencyError, RunError
from mhclf.evaluation import higher_is_better
from mhclf.results.files import write_text
from mhclf.training.folder import RunFolder, changed_settings
from mhclf.training.run import RunOutcome, run

logger = logging.getLogger(__name__)

_STUDY = "mhclf"


@dataclass(frozen=True)
class Trial:
    """One trial: its number from 0, the values tried, and the validation score (None where the run failed)."""

    number: int
    values: Mapping[str, Any]
    score: float | None


@dataclass(frozen=True)
class TuneOutcome:
    """A search.

    Attributes
    ----------
    folder : Path
    metric : str
        The data set's headline metric.
    trials : tuple of Trial
    best : Trial
    settings : Path
        `best.yaml`, for `train.py --config`.
    importances : mapping
        Setting -> share of the variance of the score that it explains (fANOVA, Hutter et al. 2014); empty where
        fewer than four trials ended, or all alike.
    """

    folder: Path
    metric: str
    trials: tuple[Trial, ...]
    best: Trial
    settings: Path
    importances: Mapping[str, float]


def tune(
    config: RunConfig,
    space: Sequence[Dimension],
    trials: int,
    recipe: RunConfig,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> TuneOutcome:
    """Search for the settings with the best validation score.

    Parameters
    ----------
    config : RunConfig
        What stays as it is. Its seed also seeds the search.
    space : sequence of Dimension
    trials : int
        Trials in all, those of an earlier start included.
    recipe : RunConfig
        The recipe without further settings: `best.yaml` holds what differs from it.
    on_trial : callable
        Called after each trial.

    Raises
    ------
    MissingDependencyError
        Without optuna.
    RunError
        If every trial failed, or another process searches in the folder.

    Notes
    -----
    Tree-structured Parzen estimator (Bergstra et al. 2011). Trials run with `test=False`: no test post is scored.
    Trial n draws from seed and n alone, given the trials before it, so that a killed search goes on as if it had not
    been stopped; the trial that was under way goes on from its last epoch. Values that were tried before are not
    trained again: their run is complete.
    """
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise MissingDependencyError("tune: needs optuna. Run: pip install 'mhclf[scale]'") from error
    config = replace(config, test=False, report=False, trainer=replace(config.trainer, keep_checkpoints=False))
    dataset = find_dataset(config.data, config.columns).config
    folder = _folder(config, space, dataset.name)
    with RunFolder(folder).locked():
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "journal.log")))
        metric = dataset.headline_metric
        more = higher_is_better(metric)
        study = optuna.create_study(
            storage=storage,
            study_name=_STUDY,
            direction="maximize" if more else "minimize",
            load_if_exists=True,
        )
        _same(study, folder, "metric", metric, "by another metric")
        _take_up(study, optuna)
        while (number := len(_finished(study, optuna))) < trials:
            study.sampler = optuna.samplers.TPESampler(seed=(config.seed * 1_000_003 + number) % 2**32)
            trial = study.ask()
            values = {dimension.key: _draw(trial, dimension) for dimension in space}
            outcome = _carry_out(config, values, folder)
            score = None if outcome is None else _score(outcome, config.method, metric)
            if outcome is not None:
                _same(study, folder, "data", outcome.records[0].data_hash, "on other data")
            if score is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, score)
            on_trial(Trial(number, values, score))
        found = tuple(
            Trial(number, dict(item.params), item.value) for number, item in enumerate(_finished(study, optuna))
        )
        scored = [item for item in found if item.score is not None]
        if not scored:
            raise RunError(f"{folder}: every trial failed. Look at the warnings above; narrow --space.")
        sign = 1 if more else -1
        best = max(scored, key=lambda item: (sign * (item.score or 0.0), -item.number))
        tuned = from_mapping(RunConfig, layered(to_mapping(config), settings_of(best.values)), "best settings")
        changed = changed_settings(to_mapping(tuned), to_mapping(recipe))
        for key in ("test", "report", "out", "data_root"):
            changed.pop(key, None)
        changed.get("trainer", {}).pop("keep_checkpoints", None)
        content = {"method": config.method} | {key: value for key, value in changed.items() if value != {}}
        settings = write_text(folder / "best.yaml", write_yaml(content))
        varied = len({item.score for item in scored}) > 1 and len(scored) >= 4
        importances = optuna.importance.get_param_importances(study) if varied else {}
    return TuneOutcome(folder, metric, found, best, settings, dict(importances))


def _folder(config: RunConfig, space: Sequence[Dimension], dataset: str) -> Path:
    """Return the folder of a search: another space or other settings are another search."""
    fixed = to_mapping(config) | {"out": "", "data_root": None}
    # They change no score, and are younger than the first searches.
    del fixed["columns"], fixed["mask_identifiers"]
    short = content_hash([fixed, to_mapping(tuple(space))])[:8]
    return Path(config.out) / "tune" / dataset / f"{config.method}-{short_name(config.encoder)}-{short}"


def _finished(study: Any, optuna: Any) -> list[Any]:
    """Return the trials that ended, in order; what was taken up again is counted once."""
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL)
    return [item for item in study.get_trials(deepcopy=False, states=states) if "stopped" not in item.user_attrs]


def _take_up(study: Any, optuna: Any) -> None:
    """Put the trial that a killed process left behind first in the queue."""
    for item in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study._storage.set_trial_user_attr(item._trial_id, "stopped", True)
        study.tell(item.number, state=optuna.trial.TrialState.FAIL)
        if item.params:
            study.enqueue_trial(item.params)


def _draw(trial: Any, dimension: Dimension) -> Any:
    if dimension.choices:
        return trial.suggest_categorical(dimension.key, list(dimension.choices))
    if isinstance(dimension.low, int):
        step = 1 if dimension.step is None else int(dimension.step)
        return trial.suggest_int(dimension.key, dimension.low, dimension.high, log=dimension.log, step=step)
    return trial.suggest_float(dimension.key, dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def _carry_out(config: RunConfig, values: Mapping[str, Any], folder: Path) -> RunOutcome | None:
    """Return the run with these values; None where its loss did not stay finite."""
    tried = from_mapping(RunConfig, layered(to_mapping(config), settings_of(values)), "trial")
    try:
        return run(replace(tried, out=str(folder / "runs")))
    except RunError as error:
        logger.warning("trial with %s failed: %s", dict(values), error)
        return None


def _score(outcome: RunOutcome, method: str, metric: str) -> float | None:
    wanted = ("validation", "all", metric, method)
    return next(r.value for r in outcome.records if (r.split, r.slice, r.metric, r.method) == wanted)


def _same(study: Any, folder: Path, what: str, found: str, otherwise: str) -> None:
    """Refuse to compare scores on other data, or by another metric, than those of the first trial."""
    if study.user_attrs.get(what, found) != found:
        raise RunError(f"{folder}: was begun {otherwise}. Remove the folder, or give the same files.")
    study.set_user_attr(what, found)
