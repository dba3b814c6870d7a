"""Evaluate finished runs from their saved predictions.

Compare several runs on the same test posts on one page; the others are compared with the first:

  python experiments/evaluate.py --runs runs/dreaddit/finetune-... runs/dreaddit/supcon-... --out comparison.html
"""

import argparse
from collections.abc import Sequence

from mhclf.config.command_line import run_door


def main(argv: Sequence[str]) -> int:
    """Parse, then import what evaluates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="+", metavar="DIR", required=True, help="run folders to compare, two or more")
    parser.add_argument("--out", default="comparison.html", metavar="FILE", help="the page to write")
    parser.add_argument(
        "--texts", action="store_true", help="put the posts' texts into the page, hidden until asked for"
    )
    parser.add_argument("--data-root", metavar="DIR", help="folder of the data files, for --texts (or $MHCLF_DATA)")
    return compare(parser.parse_args(argv))


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

        texts = texts_of_run(compared.first.folder, arguments.data_root)
    console = rich.console.Console()
    for table in (metrics_table(compared), differences_table(compared)):
        console.print(to_rich(table))
    page = write_comparison(arguments.runs, arguments.out, texts)
    console.print(f"comparison: {page}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    run_door(main)
