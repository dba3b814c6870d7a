"""Train one classifier (or one for each seed) and write its run folder.

Without arguments: the demo corpus, MiniLM, layer-attentive residuals with the supervised contrastive loss.

  python experiments/train.py --data my.csv                # or tsv, jsonl, parquet, xlsx, or a YAML
  python experiments/train.py --data dreaddit --data-root DIR --method finetune --seeds 1,2,3
"""

import logging
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mhclf.config.command_line import parse_run, parse_seeds, recipe_names, run_door
from mhclf.data.locate import check_files, find_dataset
from mhclf.models.weights import resolve_encoder

RECIPES = Path(__file__).resolve().parent / "recipes"


def main(argv: Sequence[str]) -> int:
    """Parse, then import what trains, run each seed, print the tables."""
    description = f"{__doc__}\n" + textwrap.fill(f"methods: {', '.join(recipe_names(RECIPES))}", 100)
    arguments = parse_run(argv, RECIPES, description, _add_options)
    extra = arguments.extra
    seeds = parse_seeds(extra["seeds"], "seeds") if extra["seeds"] else [arguments.config.seed]
    splits = parse_seeds(extra["split_seeds"], "split_seeds") if extra["split_seeds"] else [arguments.config.split_seed]
    level = logging.WARNING if extra["quiet"] else logging.INFO
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("mhclf").setLevel(level)

    # Wrong names are told at once, before the seconds that torch takes to load.
    located = find_dataset(arguments.config.data, arguments.config.columns)
    check_files(located, arguments.config.data_root)
    if arguments.config.model.kind == "transformer":
        resolve_encoder(arguments.config.encoder)
    print(located.account(), end="", flush=True)

    from mhclf.training.console import print_outcomes
    from mhclf.training.run import run

    outcomes = [
        run(replace(arguments.config, seed=seed, split_seed=split), overwrite=bool(extra["overwrite"]))
        for split in splits
        for seed in seeds
    ]
    print_outcomes(outcomes)
    return 0


def _add_options(parser: object) -> None:
    add = parser.add_argument  # type: ignore[attr-defined]
    add("--seeds", metavar="1,2,3", help="several seeds; prints mean, sd and interval")
    add("--split_seeds", metavar="1,2", help="repeated splits (for sets without a given test)")
    add("--overwrite", action="store_true", help="start afresh where the run exists")
    add("--quiet", action="store_true", help="no progress bars")


if __name__ == "__main__":
    run_door(main)
