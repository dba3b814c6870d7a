"""Run a suite (data sets x methods x seeds), skip what is complete, write its table and its committed records.

  python experiments/benchmark.py --suite first --data-root DIR --jobs 2

Kill it at any moment: the same command goes on. A cell that fails is listed at the end; the rest is carried out.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mhclf.config.cells import cells_yaml, command_line
from mhclf.config.command_line import hyphened, run_door
from mhclf.config.parsers import PlainParser
from mhclf.config.published import published_numbers
from mhclf.config.suite import PlannedCell, plan_cells, read_suite, read_suite_file
from mhclf.errors import ConfigError

if TYPE_CHECKING:
    from mhclf.results.suite import SuiteRecords
    from mhclf.training.failure import Failure
    from mhclf.training.located import LocatedCell
    from mhclf.training.suite import Cell

HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str]) -> int:
    """Run the cells, gather the records, write the table."""
    arguments = parse(argv)
    suite = read_suite_file(arguments.config) if arguments.config else read_suite(HERE / "suites", arguments.suite)
    over = {"out": arguments.out, "data_root": arguments.data_root, "limit": arguments.limit}
    cells = plan_cells(suite, HERE / "recipes", over)
    if arguments.print_config:
        sys.stdout.write(cells_yaml(cells))
        return 0
    target = Path(arguments.out) / "quick" if arguments.limit else HERE
    records_file = target / "results" / f"{suite.name}.jsonl"
    failures_file = Path(arguments.out) / f"{suite.name}.failed.jsonl"

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    from mhclf.results.suite import merge_suite_records, read_suite_records, write_suite_records
    from mhclf.results.suite_files import write_suite_tables
    from mhclf.results.timing import time_spent

    if arguments.commands:
        return print_commands(asked(cells, arguments)[0])
    if arguments.dry_run:
        return print_plan(asked(cells, arguments)[0], failures_file, max(1, arguments.jobs))
    failed: list[tuple[str, Failure]] = []
    if not arguments.from_records:
        from mhclf.training.failure import write_failures
        from mhclf.training.suite_records import gather, readable

        found, kept = asked(cells, arguments)
        done = readable(carry_out([cell for cell in found if cell.state != "recorded"], arguments, failures_file))
        failed = [(cell.planned.name, cell.failure) for cell in done if cell.failure is not None]
        write_failures(failures_file, failed)
        gathered = merge_suite_records(kept, gather(done))
        if records_file.is_file():
            gathered = merge_suite_records(read_suite_records(records_file), gathered)
        write_suite_records(records_file, gathered)
    records = read_suite_records(records_file)
    command = f"python experiments/benchmark.py --suite {suite.name}"
    written = write_suite_tables(target / "tables", suite, records, published_numbers(HERE / "published"), command)
    print(f"records: {records_file}", *(f"table:   {path}" for path in written), sep="\n")
    print(f"time:    {time_spent(records)}")
    if failed:
        from mhclf.training.suite_progress import failure_lines

        print("\n".join(failure_lines(failed, failures_file)))
    return 1 if failed else 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the options and check that they ask for one thing."""
    parser = PlainParser(__doc__, "%(prog)s (--suite NAME | --config FILE.yaml) [options]")
    add = parser.add_argument
    add("--suite", metavar="NAME", help="a file in experiments/suites")
    add("--config", type=Path, metavar="FILE.yaml", help="a suite file anywhere else")
    add("--data-root", metavar="DIR", help="folder of the data files (or $MHCLF_DATA)")
    add("--out", default="runs", metavar="DIR", help="folder of the run folders")
    add("--limit", type=int, metavar="N", help="rows per split, for a quick look; the table goes to OUT/quick")
    add(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="cells at a time, each a process with its share of the cores; for small encoders N jobs of one thread "
        "are faster than one job of N threads. 0: in this process",
    )
    add(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: cells are tasks of a Ray cluster ($RAY_ADDRESS)",
    )
    add("--cpus", type=int, default=1, metavar="N", help="ray: cores of each cell")
    add("--dry-run", action="store_true", help="print the cells, what is done, and how long the rest will take")
    add("--commands", action="store_true", help="print one shell line for each missing cell (experiments/slurm)")
    add("--print_config", action="store_true", help="print the resolved settings of every cell and stop")
    add("--from-records", action="store_true", help="make the table again from the committed records")
    add("--keep-recorded", action="store_true", help="do not run cells that the committed records hold, of any suite")
    add("--no-run", action="store_true", help="write records and table of the cells that are complete")
    normal = [argument.replace("--print-config", "--print_config") for argument in hyphened(argv)]
    arguments = parser.parse_args(normal)
    if bool(arguments.suite) == bool(arguments.config):
        raise ConfigError("benchmark: give --suite NAME, or --config FILE.yaml.")
    if arguments.cpus < 1:
        raise ConfigError(f"cpus: is {arguments.cpus}, expected 1 or more.")
    if arguments.jobs < 0:
        raise ConfigError(f"jobs: is {arguments.jobs}, expected 0 or more.")
    return arguments


def asked(cells: Sequence[PlannedCell], arguments: argparse.Namespace) -> "tuple[list[LocatedCell], SuiteRecords]":
    """Find the run folders, and with --keep-recorded the cells that the committed records answer for."""
    from mhclf.results.suite import SuiteRecords
    from mhclf.training.recorded import keep_recorded

    found = located(cells)
    if not arguments.keep_recorded:
        return found, SuiteRecords((), (), ())
    # The suite's own records first.
    files = sorted((HERE / "results").glob("*.jsonl"), key=lambda path: (path.stem != arguments.suite, path.name))
    return keep_recorded(found, files)


def carry_out(found: "Sequence[LocatedCell]", arguments: argparse.Namespace, failures_file: Path) -> "list[Cell]":
    """Carry out what is missing (nothing with --no-run), and return every cell that has ended."""
    from mhclf.training.cell_pool import run_in_processes
    from mhclf.training.suite import run_here
    from mhclf.training.suite_progress import SuiteProgress
    from mhclf.training.suite_work import SuiteWork, complete_only

    if arguments.no_run:
        return complete_only(found)
    with SuiteProgress([cell.cell.name for cell in found]) as progress:
        work = SuiteWork(found, failures_file, progress)
        if arguments.engine == "ray":
            from mhclf.training.ray_cells import run_on_ray

            run_on_ray(work.missing, arguments.cpus, data_folder(), work)
        elif arguments.jobs:
            run_in_processes(work.missing, arguments.jobs, work)
        else:
            run_here(work.missing, work)
    return followed(work.cells)


def followed(cells: "list[Cell]") -> "list[Cell]":
    """Score the finished runs on their targets and under noise; return the cells with the follow-ups that failed."""
    from mhclf.training.follow_ups import count_follow_ups, follow_up

    if not any(count_follow_ups(cell.planned) for cell in cells):
        return cells
    with counted("targets and noise", len(cells)) as step:
        return [*cells, *follow_up(cells, step)]


def print_commands(cells: "Sequence[LocatedCell]") -> int:
    """Print a shell line for each cell that has to run; a refused one is named on standard error."""
    program = [sys.executable, str(HERE / "train.py")]
    lines = {}
    refused = 0
    for cell in cells:
        if cell.folder is None:
            refused += 1
            print(f"refused: {cell.cell.name}: {cell.failure}", file=sys.stderr)
        elif cell.to_run:
            lines[cell.folder.path] = command_line(program, cell.cell.config, HERE / "recipes", data_folder())
    print("".join(f"{line}\n" for line in lines.values()), end="")
    return 1 if refused else 0


def print_plan(cells: "Sequence[LocatedCell]", failures_file: Path, jobs: int) -> int:
    """Print the cells, how far each is, and what the rest will take."""
    from rich.console import Console

    from mhclf.results.tables import to_rich
    from mhclf.training.failure import read_failures
    from mhclf.training.suite_plan import plan_table

    table = plan_table(cells, sorted((HERE / "results").glob("*.jsonl")), read_failures(failures_file), jobs)
    Console().print(to_rich(table))
    return 0


def data_folder() -> str:
    """Return where the data files lie for a process with another working folder and environment."""
    return os.environ.get("MHCLF_DATA") or "data"


def located(cells: Sequence[PlannedCell]) -> "list[LocatedCell]":
    """Find the run folders, with a bar on standard error: the data sets are read for it."""
    from mhclf.training.located import locate

    with counted("reading the data sets", len(cells)) as step:
        return locate(cells, step)


@contextmanager
def counted(words: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error; give what tells it how many are done."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=total)
        yield lambda number: bar.update(task, completed=number)


if __name__ == "__main__":
    run_door(main)
