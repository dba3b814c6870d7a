"""Search for settings by the validation score (Optuna); the test set stays shut, and a killed search goes on.

  python experiments/tune.py --data dreaddit --data-root DIR --trials 30 --space lr=1e-5..3e-4:log,max_length=64|128

Every option of train.py fixes a setting. Without --space, experiments/tune/default.yaml says what is varied. The best
settings are written as a YAML for `train.py --config`.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from mhclf.config.command_line import build_config, parse_run, run_door
from mhclf.config.tuning import parse_space, read_space
from mhclf.data.locate import check_files, find_dataset
from mhclf.errors import ConfigError

HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str]) -> int:
    """Parse, search, print trials and importances."""
    arguments = parse_run(argv, HERE / "recipes", __doc__ or "", _add_options)
    config, extra = arguments.config, arguments.extra
    if extra["space"] and extra["space_file"]:
        raise ConfigError("space: give --space or --space-file, not both.")
    file = Path(extra["space_file"] or HERE / "tune" / "default.yaml")
    space = parse_space(extra["space"]) if extra["space"] else read_space(file)
    if extra["trials"] < 1:
        raise ConfigError(f"trials: is {extra['trials']}, expected 1 or more.")
    located = find_dataset(config.data, config.columns)
    check_files(located, config.data_root)
    print(located.account(), end="", flush=True)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")

    import rich.console

    from mhclf.results.tables import to_rich
    from mhclf.training.console import tune_tables
    from mhclf.training.tune import Trial, tune

    def show(trial: Trial) -> None:
        score = "failed" if trial.score is None else f"{trial.score:.4f}"
        print(f"[{trial.number + 1}/{extra['trials']}] {score}", flush=True)

    recipe = build_config(HERE / "recipes", {"method": config.method})
    outcome = tune(config, space, extra["trials"], recipe, show)
    console = rich.console.Console()
    for table in tune_tables(outcome):
        console.print(to_rich(table))
    console.print(f"best settings: {outcome.settings} (train.py --config)", soft_wrap=True)
    return 0


def _add_options(parser: object) -> None:
    add = parser.add_argument  # type: ignore[attr-defined]
    add("--space", metavar="KEY=LOW..HIGH,...", help="what is varied: lr=1e-5..3e-4:log,model.pooling=mean|cls")
    add("--space_file", metavar="FILE.yaml", help="the same as lines 'key: low..high:log' or 'key: [a, b]'")
    add("--trials", type=int, default=20, help="trials in all, those of an earlier start included")


if __name__ == "__main__":
    run_door(main)
