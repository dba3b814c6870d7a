"""Evaluate finished runs: on one page, on another data set, or under small changes of their test posts.

Compare several runs on the same test posts; the others are compared with the first:

  python experiments/evaluate.py --runs runs/dreaddit/finetune-... runs/dreaddit/supcon-... --out comparison.html

Score a run on another data set, minus the posts that it was trained on; numbers go to RUN/transfer/DATA:

  python experiments/evaluate.py --run runs/dreaddit/RUN --data sdcnl --label-map map.yaml

The map holds lines 'target label: source label'; a list of source labels stands for any of them, null leaves the
posts of a label out. Without a map, labels of equal names belong together.

Predict the run's test posts again with typos, other case, dropped words, contractions; goes to RUN/robustness and
into the report of the run:

  python experiments/evaluate.py --run runs/dreaddit/RUN --noise all
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mhclf.config.command_line import hyphened, run_door
from mhclf.config.parsers import PlainParser
from mhclf.config.places import check_run_folder
from mhclf.config.structure import read_yaml
from mhclf.data.locate import check_files, find_dataset
from mhclf.errors import ConfigError


def main(argv: Sequence[str]) -> int:
    """Parse, then import what evaluates."""
    arguments = parse(argv)
    for folder in arguments.runs or [arguments.run]:
        check_run_folder(Path(folder))
    if arguments.runs:
        return compare(arguments)
    return transfer(arguments) if arguments.data else robustness(arguments)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the options and check that they ask for one thing."""
    parser = PlainParser(__doc__)
    add = parser.add_argument
    add("--runs", nargs="+", metavar="DIR", help="compare: run folders, two or more")
    add("--out", default="comparison.html", metavar="FILE", help="compare: the page to write")
    add("--texts", action="store_true", help="compare: put the posts into the page, hidden until asked for")
    add("--run", type=Path, metavar="DIR", help="the run folder that training printed")
    add("--data", metavar="NAME|FILE", help="transfer: the data set to score it on")
    add("--label-map", type=Path, metavar="FILE.yaml", help="transfer: lines 'target label: source label'")
    add("--split", default="test", help="transfer: part of the data set: train, validation or test")
    add("--renormalise", action="store_true", help="transfer: never decide for a label that no target label maps to")
    add("--noise", metavar="KIND,...", help="robustness: kinds of changes, or 'all'")
    add("--strength", type=float, default=0.1, help="robustness: share of words that are changed")
    add("--seed", type=int, default=0, help="robustness: fixes the changes")
    add("--mask-identifiers", action="store_true", help="no addresses, user names, phone numbers in posts on pages")
    add("--data-root", metavar="DIR", help="folder of the data files (or $MHCLF_DATA)")
    arguments = parser.parse_args(hyphened(argv))
    if bool(arguments.runs) + bool(arguments.data) + bool(arguments.noise) != 1:
        raise ConfigError("evaluate: give --runs DIR DIR, or --run DIR with --data NAME or --noise all.")
    if not arguments.runs and not arguments.run:
        raise ConfigError("run: is missing. Give --run DIR, the folder that training printed.")
    if not 0 <= arguments.strength <= 1:
        raise ConfigError(f"strength: is {arguments.strength:g}, expected a share from 0 to 1.")
    return arguments


def compare(arguments: argparse.Namespace) -> int:
    """Print the tables of the comparison and write its page."""
    import rich.console

    from mhclf.results.compare import differences_table, metrics_table, read_runs, write_comparison
    from mhclf.results.tables import to_rich

    compared = read_runs(arguments.runs)
    texts = None
    if arguments.texts:
        # Loading the data set takes torch with it.
        from mhclf.training.texts import texts_of_run

        texts = texts_of_run(compared.first.folder, arguments.data_root, arguments.mask_identifiers)
    console = rich.console.Console()
    for table in (metrics_table(compared), differences_table(compared)):
        console.print(to_rich(table))
    page = write_comparison(arguments.runs, arguments.out, texts)
    console.print(f"comparison: {page}", soft_wrap=True)
    return 0


def transfer(arguments: argparse.Namespace) -> int:
    """Score a run on another data set and print the table."""
    label_map = read_yaml(arguments.label_map) if arguments.label_map else None
    located = find_dataset(arguments.data)
    check_files(located, arguments.data_root)
    print(located.account(), end="", flush=True)

    import rich.console

    from mhclf.results.tables import to_rich
    from mhclf.training.console import transfer_table
    from mhclf.training.transfer import evaluate_on

    outcome = evaluate_on(
        arguments.run,
        arguments.data,
        label_map,
        split=arguments.split,
        data_root=arguments.data_root,
        renormalise=arguments.renormalise,
    )
    console = rich.console.Console()
    console.print(to_rich(transfer_table(outcome)))
    console.print(f"folder: {outcome.folder}", soft_wrap=True)
    return 0


def robustness(arguments: argparse.Namespace) -> int:
    """Predict changed test posts and print what that does."""
    import rich.console

    from mhclf.data.noise import NOISES
    from mhclf.results.card import write_model_card
    from mhclf.results.report import write_report
    from mhclf.results.robustness_table import robustness_table
    from mhclf.results.tables import to_rich
    from mhclf.training.robustness import measure_robustness
    from mhclf.training.texts import texts_of_run

    kinds = list(NOISES) if arguments.noise == "all" else [kind.strip() for kind in arguments.noise.split(",")]
    found = measure_robustness(arguments.run, kinds, arguments.strength, arguments.seed, data_root=arguments.data_root)
    console = rich.console.Console()
    console.print(to_rich(robustness_table(found)))
    if (arguments.run / "report.html").is_file():
        write_report(arguments.run, texts_of_run(arguments.run, arguments.data_root, arguments.mask_identifiers))
        write_model_card(arguments.run)
    console.print(f"folder: {arguments.run / 'robustness'}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    run_door(main)
