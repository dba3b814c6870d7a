"""Score an existing run on another data set: labels mapped, posts that it was trained on left out and counted.

  python experiments/evaluate.py --run runs/dreaddit/RUN --data sdcnl --label-map map.yaml

The map holds lines 'target label: source label'; a list of source labels stands for any of them, null leaves the
posts of a label out. Without a map, labels of equal names belong together. Numbers, predictions and a manifest go to
RUN/transfer/DATA.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mhclf.config.command_line import hyphened, run_door
from mhclf.config.structure import read_yaml
from mhclf.data.locate import check_files, find_dataset


def main(argv: Sequence[str]) -> int:
    """Evaluate a run on another data set."""
    return evaluate_transfer(parse_transfer(argv))


def parse_transfer(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the options of a transfer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--run", required=True, type=Path, metavar="DIR", help="run folder that training printed")
    add("--data", required=True, metavar="NAME|FILE.yaml", help="data set to score it on")
    add("--label-map", type=Path, metavar="FILE.yaml", help="lines 'target label: source label'")
    add("--split", default="test", help="part of the data set: train, validation or test")
    add("--data-root", metavar="DIR", help="folder of the data files (or $MHCLF_DATA)")
    add("--renormalise", action="store_true", help="never decide for a source label that no target label maps to")
    return parser.parse_args(hyphened(argv))


def evaluate_transfer(arguments: argparse.Namespace) -> int:
    """Carry out a transfer and print its table."""
    label_map = read_yaml(arguments.label_map) if arguments.label_map else None
    check_files(find_dataset(arguments.data), arguments.data_root)

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


if __name__ == "__main__":
    run_door(main)
