"""Score a csv, tsv, jsonl or parquet file of any size with a trained run; the same command goes on after a kill.

  python experiments/predict.py --run runs/demo/RUN --input posts.csv --output scores.parquet --id-column id

The output has a row for each row of the input, in its order: id, prediction, a probability for each label, abstention.
It holds no post text unless --keep asks for the column. Rows that cannot be scored have an empty prediction, and a
line with row number and reason in OUTPUT.problems.jsonl. In csv, a cell that a spreadsheet would take for a formula
(it begins with = + - @) has an apostrophe before it, an id too; parquet and jsonl hold what was given.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from mhclf.config.command_line import hyphened, run_door
from mhclf.config.parsers import PlainParser
from mhclf.config.places import check_run_folder
from mhclf.errors import ConfigError
from mhclf.registry import mistyped
from mhclf.results.partial import PartialOutput


def main(argv: Sequence[str]) -> int:
    """Parse, load the run, score with a progress bar, say what came out."""
    arguments = _parser().parse_args(hyphened(argv))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if not arguments.input.is_file():
        folder = arguments.input.parent
        beside = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        meant = mistyped(arguments.input.name, beside)
        raise ConfigError(f"input: {arguments.input} is no file." + (f" Did you mean '{meant}'?" if meant else ""))
    if not arguments.overwrite:
        # Told at once, before the seconds that torch takes to load.
        PartialOutput(arguments.output, {}).refuse_existing()
    check_run_folder(arguments.run)

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from mhclf.training.saved import load_run
    from mhclf.training.scoring import Engine, ScoringConfig, ScoringProgress, score_file, score_here

    config = ScoringConfig(
        input=arguments.input,
        output=arguments.output,
        text_column=arguments.text_column,
        id_column=arguments.id_column,
        context_column=arguments.context_column,
        keep=tuple(name for name in (arguments.keep or "").split(",") if name),
        mask=arguments.mask,
        mask_identifiers=arguments.mask_identifiers,
        batch_size=arguments.batch_size,
        precision=arguments.precision,
        limit=arguments.limit,
        encoding=arguments.encoding,
        overwrite=arguments.overwrite,
    )
    # Ray's tasks load the run for themselves.
    run = load_run(arguments.run).to("cpu" if arguments.engine == "ray" else arguments.device)
    parts = (BarColumn(), TextColumn("{task.fields[rows]:,} rows"), TimeRemainingColumn())
    with Progress(*parts, console=Console(stderr=True), disable=arguments.quiet) as bar:
        task = bar.add_task("", total=1.0, rows=0)

        def show(progress: ScoringProgress) -> None:
            bar.update(task, completed=progress.share, rows=progress.rows)

        engine: Engine = score_here
        if arguments.engine == "ray":
            from mhclf.training.ray_scoring import score_on_ray

            engine = score_on_ray
        outcome = score_file(run, config, show, engine)
        bar.update(task, completed=1.0, rows=outcome.rows)
    if outcome.resumed_at:
        print(f"went on behind row {outcome.resumed_at}")
    print(f"{outcome.output}: {outcome.rows} rows, texts from column '{outcome.text_column}'")
    if outcome.problems:
        print(f"{outcome.broken} rows could not be scored and have no prediction; reasons: {outcome.problems}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = PlainParser(__doc__)
    add = parser.add_argument
    add("--run", required=True, type=Path, metavar="DIR", help="run folder that training printed")
    add("--input", required=True, type=Path, metavar="FILE", help="csv, tsv, jsonl (also .gz) or parquet")
    add("--output", required=True, type=Path, metavar="FILE", help="csv, jsonl or parquet, by its ending")
    add("--text-column", metavar="NAME", help="column of the posts; guessed by its name when left out")
    add("--id-column", metavar="NAME", help="column of the ids; rows are numbered from 1 when left out")
    add("--context-column", metavar="NAME", help="column of what was said before each post")
    add("--keep", metavar="NAME,...", help="columns that the output repeats (may hold text: you decide)")
    add("--mask", action=argparse.BooleanOptionalAction, help="mask identifiers; as in training when left out")
    add("--mask-identifiers", action="store_true", help="no addresses, user names, phone numbers in kept columns")
    add("--precision", default="fp32", choices=["fp32", "bf16"], help="bf16 is faster where the processor has it")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"], help="auto: the GPU where torch sees one")
    add("--batch-size", type=int, metavar="N", help="posts in a batch; as in training when left out")
    add("--limit", type=int, metavar="N", help="score only the first N rows")
    add("--encoding", default="utf-8", help="of a text file; 'mixed' is UTF-8 with single Windows-1252 bytes")
    add(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: blocks are tasks of a Ray cluster ($RAY_ADDRESS)",
    )
    add("--overwrite", action="store_true", help="replace the output, or start a stopped one afresh")
    add("--quiet", action="store_true", help="no progress bar")
    return parser


if __name__ == "__main__":
    run_door(main)
