"""Measure speed and memory side by side with what a user would pick instead; every claim is a ratio.

  python experiments/speed.py --data-root DIR
  python experiments/speed.py --data demo --work prediction --limit 64 --rounds 2
  python experiments/speed.py --from-records

Both sides run in turn on the same machine, and their results are compared: where they differ the table says so and
the exit code is 1. What is done is kept: the same command goes on where it was stopped. Writes speed.json (every
round), speed.md and speed.png to experiments/tables; with --limit, which gives a first look only, to runs/quick/tables.
"""

import argparse
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mhclf.config.command_line import hyphened, run_door
from mhclf.config.parsers import PlainParser
from mhclf.errors import ConfigError, MhclfError

if TYPE_CHECKING:
    from mhclf.results.speed import Measured

HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str]) -> int:
    """Measure what is missing, then write and print the tables."""
    arguments = _parser().parse_args(hyphened(argv))
    for name in ("rounds", "limit"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ConfigError(f"{name}: is {value}, expected 1 or more.")
    out = arguments.out or (Path("runs") / "quick" / "tables" if arguments.limit else HERE / "tables")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")

    import rich.console

    from mhclf.results.speed import read_measured
    from mhclf.results.speed_tables import speed_tables
    from mhclf.results.tables import to_rich

    records = out / "speed.json"
    failed: list[str] = []
    if not arguments.from_records:
        failed = _measure(arguments, records)
    found = read_measured(records) if arguments.from_records or records.is_file() else []
    written = _write(out, found) if found else []
    console = rich.console.Console()
    if not console.is_terminal:
        console = rich.console.Console(width=220)
    for table in speed_tables(found):
        console.print(to_rich(table))
    for path in written:
        console.print(f"written: {path}", soft_wrap=True, highlight=False, markup=False)
    different = [f"{item.work} on {item.data}" for item in found if not item.same]
    for name in different:
        console.print(f"FAILED: {name}: both sides do not give the same results", markup=False)
    for line in failed:
        console.print(f"FAILED: {line}", soft_wrap=True, markup=False)
    return 1 if failed or different else 0


def _write(out: Path, found: "Sequence[Measured]") -> list[Path]:
    from mhclf.results.files import write_text
    from mhclf.results.speed_figure import draw_speed
    from mhclf.results.speed_tables import speed_markdown

    figure = draw_speed(found, out / "speed.png")
    page = write_text(out / "speed.md", speed_markdown(found))
    return [page] if figure is None else [page, figure]


def _measure(arguments: argparse.Namespace, records: Path) -> list[str]:
    """Measure what is not kept, write each work as soon as it is done, return what failed."""
    import torch
    import transformers

    from mhclf.results.speed import read_measured, write_measured
    from mhclf.training.environment import resolve_device
    from speed.carry_out import guess, kept, measure, merged, plan, sets_here
    from speed.work import Bench

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    device = resolve_device(arguments.device).type
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    found = read_measured(records) if records.is_file() else []
    jobs = plan(arguments.work, arguments.data or sets_here(arguments.data_root))
    failed = []
    with tempfile.TemporaryDirectory(prefix="mhclf-speed-") as folder:
        bench = Bench(Path(folder), arguments.encoder, arguments.decoder, arguments.data_root, arguments.limit, device)
        missing = [job for job in jobs if arguments.overwrite or kept(job, bench, arguments.rounds, found) is None]
        print(f"{len(jobs) - len(missing)} of {len(jobs)} works are done; --overwrite measures them again")
        total = 0.0
        for job in missing:
            seconds = guess(job, arguments.rounds, found)
            total += seconds
            print(f"  {job.name}: about {_time(seconds)}" + (" at full size" if arguments.limit else ""))
        print(f"together about {_time(total)}, on two slow cores with nothing beside", flush=True)
        for job in missing:
            print(job.name, flush=True)
            try:
                new = measure(job, bench, arguments.rounds, _show)
            except (MhclfError, RuntimeError, ValueError, OSError) as error:
                # The other works do not need this one; what it was stands in the list of failures.
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                failed.append(f"{job.name}: {reason[:300]}")
                print(f"  failed: {reason[:300]}", flush=True)
                continue
            found = merged(found, new)
            write_measured(records, found)
            print(f"  {new.figure:.3g} ({new.kind.replace('_', ' ')}) in {_time(new.seconds)}", flush=True)
    return failed


def _show(number: int, seconds: float) -> None:
    print(f"  round {number}: {_time(seconds)}", flush=True)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _parser() -> argparse.ArgumentParser:
    parser = PlainParser(__doc__)
    add = parser.add_argument
    add("--work", nargs="+", default=[], metavar="NAME", help="works to measure; all but `quality` when left out")
    add("--data", nargs="+", metavar="NAME", help="data sets; the real ones that are here, else the demo corpus")
    add("--data-root", metavar="DIR", help="folder of the data sets; by default $MHCLF_DATA, then data")
    add("--rounds", type=int, default=5, metavar="N", help="measurements of each side; 5 or more for figures")
    add("--limit", type=int, metavar="N", help="most posts of a work, for a first look")
    add("--encoder", default="minilm", metavar="NAME", help="minilm, mpnet, a folder or a hub name")
    add("--decoder", default="smollm2", metavar="NAME", help="smollm2, a folder or a hub name")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: the GPU where there is one")
    add("--threads", type=int, default=0, metavar="N", help="threads of torch; 0 leaves its default")
    add("--out", type=Path, metavar="DIR", help="where speed.json, .md and .png are written")
    add("--overwrite", action="store_true", help="measure again what is done")
    add("--from-records", action="store_true", help="make table and figure again from speed.json")
    return parser


if __name__ == "__main__":
    # Idle threads wait as in a user's own script: what they would pick instead must not be slowed down.
    run_door(main, thread_settings=False)
