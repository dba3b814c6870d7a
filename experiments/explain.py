"""Explain a trained run: which words it went by, held against expert rationales and against the model itself.

  python experiments/explain.py --run runs/wellxplain/RUN --data-root DIR

Look into the run itself: agreement of methods, randomised weights, sensitivity, deletion curves, structure of the
attention, layers, geometry; other runs on the same data stand beside it:

  python experiments/explain.py --run runs/wellxplain/RUN --examine all --beside runs/wellxplain/OTHER_SEED

Train (or find) the runs of a suite, explain each, and write its fidelity table:

  python experiments/explain.py --suite fidelity --data-root DIR
"""

import argparse
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mhclf.config.command_line import hyphened, run_door
from mhclf.config.parsers import PlainParser
from mhclf.config.places import check_run_folder
from mhclf.errors import ConfigError

if TYPE_CHECKING:
    from mhclf.config.suite import ExplainedConfig

HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str]) -> int:
    """Parse, then import what explains."""
    parser = PlainParser(__doc__)
    add = parser.add_argument
    add("--run", type=Path, metavar="DIR", help="the run folder that training printed")
    add("--suite", help="name of a file in experiments/suites")
    add("--methods", metavar="a,b,c", help="attribution methods, or 'core' (nine, the default), or 'all'")
    add("--limit", type=int, help="posts with expert evidence, at most (default 200); examine: posts explained (50)")
    add("--split", default="test", choices=["test", "validation"], help="which rows")
    add("--seed", type=int, default=0, help="which posts, and what methods draw")
    add("--no-faithfulness", action="store_true", help="plausibility only; many times faster")
    add("--curves", action="store_true", help="also deletion and insertion curves and max-sensitivity; twice as slow")
    add(
        "--explains",
        default="predicted",
        choices=["predicted", "gold"],
        help="the label to explain, where a post has one",
    )
    add("--absolute", action="store_true", help="plausibility by the size of scores, whatever their sign")
    add(
        "--precision",
        default="fp32",
        choices=["fp32", "bf16"],
        help="of passes without gradients; bf16 is faster on some",
    )
    add("--examine", metavar="a,b,c", help="parts of an examination, or 'all', in place of the fidelity table")
    add("--beside", nargs="+", type=Path, default=[], metavar="DIR", help="examine: other runs on the same data")
    add("--out", default="runs", help="suite: folder of the run folders")
    add("--from-records", action="store_true", help="suite: make the table again from the committed records")
    add("--mask-identifiers", action="store_true", help="no addresses, user names, phone numbers in posts on the page")
    add("--data-root", metavar="DIR", help="folder of the data files (or $MHCLF_DATA)")
    arguments = parser.parse_args(hyphened(argv))
    if bool(arguments.run) == bool(arguments.suite):
        raise ConfigError("explain: give --run DIR, or --suite NAME.")
    refuse_strays(parser, arguments)
    if arguments.limit is not None and arguments.limit < 1:
        raise ConfigError(f"limit: is {arguments.limit}, expected 1 post or more.")
    for folder in (*([arguments.run] if arguments.run else []), *arguments.beside):
        check_run_folder(folder)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name in ("mhclf", "explain"):
        logging.getLogger(name).setLevel(logging.INFO)
    if arguments.suite:
        return suite(arguments)
    return examination(arguments) if arguments.examine else one_run(arguments)


# What each use of the door takes, beside --limit, --methods, --precision and --data-root.
OWN = {
    "--run": {"split", "seed", "no_faithfulness", "curves", "explains", "absolute", "mask_identifiers"},
    "--run with --examine": {"examine", "beside", "seed"},
    "--suite": {"out", "curves", "from_records"},
}


def refuse_strays(parser: PlainParser, arguments: argparse.Namespace) -> None:
    """Refuse options that the chosen use would not read."""
    use = "--suite" if arguments.suite else "--run with --examine" if arguments.examine else "--run"
    known = {name for names in OWN.values() for name in names}
    given = [name for name in sorted(known) if getattr(arguments, name) != parser.get_default(name)]
    for name in given:
        if name not in OWN[use]:
            uses = " and ".join(other for other, names in OWN.items() if name in names)
            raise ConfigError(f"--{name.replace('_', '-')}: is for {uses}; {use} does not read it. Leave it out.")


def one_run(arguments: argparse.Namespace) -> int:
    """Explain one run and print its tables."""
    import rich.console

    from explain.run import explain_run
    from explain.summary import answers
    from explain.tables import fidelity_table
    from mhclf.results.tables import to_rich

    found = explain_run(
        arguments.run,
        (arguments.methods or "core").split(","),
        arguments.limit or 200,
        arguments.split,
        arguments.seed,
        arguments.data_root,
        not arguments.no_faithfulness,
        arguments.curves,
        arguments.precision,
        arguments.mask_identifiers,
        arguments.explains,
        arguments.absolute,
    )
    console = rich.console.Console()
    console.print(to_rich(fidelity_table(found.records, found.counts)))
    for sentence in answers(found.records):
        console.print(f"- {sentence}", markup=False)
    console.print(f"page: {arguments.run / 'explanations.html'}", soft_wrap=True)
    return 0


def examination(arguments: argparse.Namespace) -> int:
    """Look into one run and print the tables of each part."""
    import rich.console

    from explain.examining import PARTS, examine, material_of, write_examination
    from explain.methods import check_method
    from mhclf.results.tables import to_rich

    parts = PARTS if arguments.examine == "all" else tuple(arguments.examine.split(","))
    methods = tuple(arguments.methods.split(",")) if arguments.methods else ()
    for method in methods:
        check_method(method)
    material = material_of(
        arguments.run,
        arguments.beside,
        methods,
        arguments.limit or 50,
        arguments.seed,
        arguments.data_root,
        arguments.precision,
    )
    found, unfit = examine(material, parts)
    console = rich.console.Console()
    for finding in found.values():
        console.print(finding.title, style="bold")
        for sentence in finding.sentences:
            console.print(sentence, markup=False)
        for table in finding.tables:
            console.print(to_rich(table))
    for name, reason in unfit.items():
        console.print(f"not for this run: {name}. {reason}", markup=False)
    console.print(f"page: {write_examination(arguments.run, found, unfit)}", soft_wrap=True)
    return 0


def explained_by(explained: "ExplainedConfig", arguments: argparse.Namespace) -> "ExplainedConfig":
    """Return what a suite explains, with what the command line says in place of its own."""
    given: dict[str, Any] = {}
    if arguments.methods:
        given["methods"] = tuple(arguments.methods.split(","))
    if arguments.limit:
        smaller = {name: min(posts, arguments.limit) for name, posts in explained.posts_of.items()}
        given |= {"posts": arguments.limit, "posts_of": smaller}
    if arguments.curves:
        given["curves"] = True
    return dataclasses.replace(explained, **given)


def suite(arguments: argparse.Namespace) -> int:
    """Carry out the cells of a suite, explain those that are not explained yet, write records and table."""
    from explain.suite import explain_suite, read_suite_fidelity, suite_latex, suite_page
    from mhclf.config.suite import read_suite, suite_cells
    from mhclf.results.files import write_text

    committed = read_suite(HERE / "suites", arguments.suite)
    config = dataclasses.replace(committed, explained=explained_by(committed.explained, arguments))
    cells = suite_cells(config, HERE / "recipes", {"out": arguments.out, "data_root": arguments.data_root})
    # What is not the committed table stays below --out.
    as_committed = config == committed and arguments.precision == "fp32"
    target = HERE if as_committed else Path(arguments.out) / "quick"
    records = target / "results" / "explained" / f"{config.name}.jsonl"
    records.parent.mkdir(parents=True, exist_ok=True)
    if not arguments.from_records:
        explain_suite(
            cells,
            records,
            config.explained,
            arguments.data_root,
            arguments.precision,
            config.baselines[0] if config.baselines else None,
        )
    command = f"python experiments/explain.py --suite {config.name}"
    table = write_text(target / "tables" / f"{config.name}.md", suite_page(config, records, command))
    write_text(target / "tables" / f"{config.name}.tex", suite_latex(config, records))
    print(f"records: {records}\ntable:   {table}")
    if config.explained.curves:
        from explain.figures import fidelity_heat_map
        from mhclf.results.style import save

        for item in read_suite_fidelity(records):
            first = item.records[0]
            place = target / "tables" / f"{config.name}.{first.dataset}-{first.model}.png"
            print(f"figure:  {save(fidelity_heat_map(item.records), place)}")
    return 0


if __name__ == "__main__":
    run_door(main)
