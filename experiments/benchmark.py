"""Run a suite (data sets x methods x seeds), skip what is complete, write its table and its committed records.

python experiments/benchmark.py --suite first --data-root DIR
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from mhclf.config.command_line import run_door
from mhclf.config.published import published_numbers
from mhclf.config.suite import read_suite, suite_cells

HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str]) -> int:
    """Run the cells, gather the records, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", required=True, help="name of a file in experiments/suites")
    parser.add_argument("--data-root", help="folder of the data files (or $MHCLF_DATA)")
    parser.add_argument("--out", default="runs", help="folder of the run folders")
    parser.add_argument("--limit", type=int, help="rows per split, for a quick look; writes below --out, not the table")
    parser.add_argument("--from-records", action="store_true", help="make the table again from the committed records")
    parser.add_argument("--no-run", action="store_true", help="write records and table of the cells that are complete")
    arguments = parser.parse_args(argv)
    suite = read_suite(HERE / "suites", arguments.suite)
    over = {"out": arguments.out, "data_root": arguments.data_root, "limit": arguments.limit}
    configs = suite_cells(suite, HERE / "recipes", over)
    target = Path(arguments.out) / "quick" if arguments.limit else HERE
    records_file = target / "results" / f"{suite.name}.jsonl"

    from mhclf.results.suite import merge_suite_records, read_suite_records, write_suite_records
    from mhclf.results.suite_files import write_suite_tables

    failures = 0
    if not arguments.from_records:
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        from mhclf.training.suite import Cell, carry_out, complete_cells, gather

        def report(number: int, cell: Cell) -> None:
            config = cell.config
            state = "failed: " + cell.error
            if cell.outcome is not None:
                state = "was complete" if cell.outcome.was_complete else "done"
            name = f"{config.data} {config.method} seed {config.seed}"
            print(f"[{number}/{len(configs)}] {name}: {state}", flush=True)

        try:
            cells = complete_cells(configs) if arguments.no_run else carry_out(configs, report)
        except KeyboardInterrupt:
            print("stopped; what is complete is written with --no-run, the same command goes on")
            raise
        gathered = gather(cells)
        if records_file.is_file():
            gathered = merge_suite_records(read_suite_records(records_file), gathered)
        write_suite_records(records_file, gathered)
        failures = sum(cell.outcome is None for cell in cells)
    records = read_suite_records(records_file)
    command = f"python experiments/benchmark.py --suite {suite.name}"
    published = published_numbers(HERE / "published")
    written = write_suite_tables(target / "tables", suite, records, published, command)
    print(f"records: {records_file}", *(f"table:   {path}" for path in written), sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    run_door(main)
