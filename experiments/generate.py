"""Ask a language model for labels and explanations, tune it to give them, measure them.

python experiments/generate.py prompt --data demo --strategy zero_shot --limit 20
python experiments/generate.py prompt --data demo --strategy chain_of_thought --labels.by parse --explain true
python experiments/generate.py prompt --data demo --strategy prior_only      (what the model answers without a post)
python experiments/generate.py prompt --data demo --backend endpoint --endpoint.url http://localhost:8000/v1
                                      --endpoint.model NAME --labels.by parse
python experiments/generate.py tune --data demo --limit 20
python experiments/generate.py eval --run DIR
python experiments/generate.py judge --run DIR --judge.mechanism dual --judge.rubric mentallama
python experiments/generate.py suite --suite strategies --limit 5
python experiments/generate.py joint --data demo --limit 24 --trainer.epochs 1
python experiments/generate.py compare --suite generation --limit 12
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mhclf.config.command_line import (
    MAIN_OPTIONS,
    hyphened,
    parse_run_settings,
    parse_settings,
    recipe_names,
    run_door,
    run_parser,
    settings_completion,
    settings_parser,
)
from mhclf.config.comparison import ComparisonConfig, SystemCell, comparison_cells, read_comparison
from mhclf.config.generation import GenerationConfig
from mhclf.config.generation_suite import generation_cells, read_generation_suite
from mhclf.config.instruction import InstructionConfig
from mhclf.config.joint import JointConfig
from mhclf.config.judge import JudgeRunConfig
from mhclf.config.parsers import SHELLS, PlainParser
from mhclf.config.places import check_run_folder
from mhclf.data.locate import find_dataset
from mhclf.errors import ConfigError
from mhclf.registry import nearest

HERE = Path(__file__).resolve().parent

_PROMPT = """Ask a language model for the labels of a data set's rows, and measure its answers.

  python experiments/generate.py prompt --data demo --strategy zero_shot --limit 20
  python experiments/generate.py prompt --data demo --explain true --limit 20
"""
_TUNE = """Tune a language model to give labels and explanations, with adapters.

  python experiments/generate.py tune --data demo --limit 20
"""
_JOINT = """Train one model that classifies and explains.

  python experiments/generate.py joint --data demo --limit 24 --trainer.epochs 1
"""
_EVAL = """Measure the explanations of a prompting or a joint run, and print them beside two baselines.

  python experiments/generate.py eval --run DIR
"""
_JUDGE = """Let a language model judge the explanations of a prompting or a joint run by a rubric.

  python experiments/generate.py judge --run DIR --judge.mechanism dual --judge.rubric mentallama
"""
_SUITE = """Carry out a suite of prompting runs; a kill loses nothing, the same command goes on. Writes its tables.

  python experiments/generate.py suite --suite strategies --limit 5
"""
_COMPARE = """Hold systems against each other on the same rows: prompted, tuned, jointly trained, and classifiers alone.

What is complete is read, what was stopped goes on. Writes a table of the labels and one of the explanations.

  python experiments/generate.py compare --suite generation --limit 12
"""
_MASKING = "no addresses, user names, phone numbers in posts on the page of generations"
_PROMPT_MAIN = (
    "data", "strategy", "explain", "backend", "local.model", "local.adapter", "endpoint.url", "endpoint.model",
    "labels.by", "labels.run", "split", "data_root", "out", "limit",
)  # fmt: skip
_TUNE_MAIN = ("data", "model", "response", "first", "keep_out", "seed", "trainer.epochs", "data_root", "out", "limit")

_JUDGE_MAIN = (
    "run", "sources", "judge.mechanism", "judge.rubric", "judge.by", "backend", "local.model", "endpoint.url",
    "endpoint.model", "limit", "data_root", "seed",
)  # fmt: skip


def main(argv: Sequence[str]) -> int:
    """Call what the first word asks for."""
    if argv and argv[0].split("=")[0] in {"--print-completion", "--print_completion"}:
        return _complete(argv)
    if not argv or argv[0] in {"-h", "--help"}:
        print(__doc__)
        print(f"Words: {', '.join(COMMANDS)}. Each takes --help.")
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        raise ConfigError(f"'{argv[0]}' is none of {', '.join(COMMANDS)}.{nearest(argv[0], COMMANDS)}")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return COMMANDS[argv[0]](argv[1:])


def _complete(argv: Sequence[str]) -> int:
    """Print the completion script of all words."""
    shell = argv[0].partition("=")[2] or "".join(argv[1:2])
    if shell not in SHELLS:
        raise ConfigError(f"print-completion: '{shell}' is not one of {', '.join(SHELLS)}.{nearest(shell, SHELLS)}")
    parsers = {
        "prompt": settings_parser(GenerationConfig, "", _prompt_options),
        "tune": settings_parser(InstructionConfig, "", _tune_options),
        "joint": run_parser(JointConfig, "", _joint_options),
        "eval": _eval_parser(),
        "judge": settings_parser(JudgeRunConfig, "", _judge_options),
        "suite": _suite_parser(),
        "compare": _compare_parser(),
    }
    values = {"method": tuple(recipe_names(HERE / "recipes"))}
    print(settings_completion(shell, "generate.py", parsers, values), end="")
    return 0


def _prompt_options(parser: Any) -> None:
    _joint_options(parser)
    parser.add_argument("--mask_identifiers", action="store_true", help=_MASKING)


def _joint_options(parser: Any) -> None:
    parser.add_argument("--overwrite", action="store_true", help="start afresh; cached answers are still used")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def _tune_options(parser: Any) -> None:
    parser.add_argument("--overwrite", action="store_true", help="start afresh")


def _judge_options(parser: Any) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def prompt(argv: Sequence[str]) -> int:
    """Prompt a model about the rows of a data set, and print its numbers."""
    arguments = parse_settings(argv, GenerationConfig, _PROMPT, _prompt_options, _PROMPT_MAIN)
    print(find_dataset(arguments.config.data).account(), end="", flush=True)

    import pandas as pd
    from rich.console import Console

    from mhclf.generation.run import run_prompts
    from mhclf.generation.tables import answer_table, generation_table
    from mhclf.results.progress import progress_bars
    from mhclf.results.tables import to_rich

    with progress_bars(arguments.extra["quiet"]) as show:
        masked = bool(arguments.extra["mask_identifiers"])
        outcome = run_prompts(arguments.config, arguments.extra["overwrite"], show, mask_identifiers=masked)
    Console().print(to_rich(generation_table(outcome.records)))
    Console().print(to_rich(answer_table(pd.read_parquet(outcome.folder / "predictions.parquet"))))
    again = " (was complete already; --overwrite starts afresh)" if outcome.was_complete else ""
    print(f"run folder: {outcome.folder}{again}")
    return 0


def joint(argv: Sequence[str]) -> int:
    """Train a classifier that also explains, and print its numbers."""
    arguments = parse_run_settings(
        argv, JointConfig, HERE / "recipes", _JOINT, _joint_options, (*MAIN_OPTIONS, "explanation.weight")
    )
    print(find_dataset(arguments.config.data, arguments.config.columns).account(), end="", flush=True)
    logging.getLogger("mhclf").setLevel(logging.WARNING if arguments.extra["quiet"] else logging.INFO)

    from mhclf.generation.joint import run_joint
    from mhclf.results.progress import progress_bars
    from mhclf.training.console import print_outcomes

    with progress_bars(arguments.extra["quiet"]) as show:
        outcome = run_joint(arguments.config, arguments.extra["overwrite"], show)
    print_outcomes([outcome])
    print(f"measure its explanations: python experiments/generate.py eval --run {outcome.folder}")
    return 0


def tune(argv: Sequence[str]) -> int:
    """Tune a model on the train rows of a data set, and say how its adapter is used."""
    arguments = parse_settings(argv, InstructionConfig, _TUNE, _tune_options, _TUNE_MAIN)
    print(find_dataset(arguments.config.data).account(), end="", flush=True)

    from mhclf.generation.tuning import tune as carry_out

    outcome = carry_out(arguments.config, arguments.extra["overwrite"])
    again = " (was complete already; --overwrite starts afresh)" if outcome.was_complete else ""
    rows = ", ".join(f"{name} {count}" for name, count in outcome.rows.items())
    print(f"run folder: {outcome.folder}{again}\nrows: {rows}\nvalidation loss: {outcome.validation_loss:.4f}")
    adapter = outcome.folder / "adapter"
    local = f"--local.model {arguments.config.model} --local.adapter {adapter}"
    if not adapter.is_dir():
        local = f"--local.model {outcome.folder / 'model'}"
    fit = " --labels.fit tuned" if outcome.rows.get("fitted") else ""
    print(
        f"ask it: python experiments/generate.py prompt --data {arguments.config.data} --strategy imhi{fit} "
        f"--post_tokens {arguments.config.post_tokens} {local}"
    )
    return 0


def evaluate(argv: Sequence[str]) -> int:
    """Measure the explanations of a prompting or a joint run, and print them beside two baselines."""
    arguments = _eval_parser().parse_args(hyphened(argv))
    check_run_folder(arguments.run)

    from rich.console import Console

    from mhclf.generation.added_measures import read_attributed
    from mhclf.generation.measured_run import measure_run
    from mhclf.generation.tables import explanation_table
    from mhclf.results.tables import to_rich

    encoder = "" if arguments.encoder == "none" else arguments.encoder
    attributed = None
    if arguments.attributions is not None and arguments.attribution:
        from explain.generated import attribute_explained

        attributed = attribute_explained(
            arguments.run, arguments.attributions, arguments.attribution, arguments.data_root
        )
    elif arguments.attributions is not None:
        attributed = read_attributed(arguments.attributions)
    masked = arguments.mask_identifiers
    measured = measure_run(arguments.run, encoder, arguments.likelihood, attributed, arguments.data_root, masked)
    Console().print(to_rich(explanation_table(measured)))
    print(f"records: {arguments.run / 'explanations.jsonl'}\npage:    {arguments.run / 'generations.html'}")
    return 0


def judge(argv: Sequence[str]) -> int:
    """Let a language model judge the explanations of a prompting or a joint run by a rubric, and print its scores."""
    arguments = parse_settings(argv, JudgeRunConfig, _JUDGE, _judge_options, _JUDGE_MAIN)
    check_run_folder(Path(arguments.config.run))

    from rich.console import Console

    from mhclf.generation.judged_run import judge_run
    from mhclf.results.judgements import judgement_table
    from mhclf.results.progress import progress_bars
    from mhclf.results.tables import to_rich

    with progress_bars(arguments.extra["quiet"]) as show:
        judged = judge_run(arguments.config, show)
    Console().print(to_rich(judgement_table(judged)))
    print(f"records: {judged.folder / 'judgements.jsonl'}\nscores:  {judged.folder / 'judges' / judged.name}.parquet")
    return 0


def suite(argv: Sequence[str]) -> int:
    """Carry out a suite of prompting runs; a kill loses nothing, the same command goes on. Writes its tables."""
    arguments = _suite_parser().parse_args(hyphened(argv))
    config = read_generation_suite(HERE / "suites" / "generation", arguments.suite)
    over = {"out": arguments.out, "limit": arguments.limit, "data_root": arguments.data_root}
    cells = generation_cells(config, over)

    from mhclf.generation.suite import ask_suite, write_tables
    from mhclf.results.progress import progress_bars
    from mhclf.results.records import read_records

    target = Path(arguments.out) / "quick" if arguments.limit else HERE
    records = target / "results" / f"{config.name}.jsonl"
    failed: list[str] = []
    if not arguments.from_records:

        def report(number: int, state: str) -> None:
            print(f"[{number}/{len(cells)}] {state}", flush=True)

        with progress_bars(arguments.quiet) as show:
            failed = ask_suite(cells, records, report, show, arguments.mask_identifiers)
    command = f"python experiments/generate.py suite --suite {config.name}"
    table = write_tables(target / "tables", config, read_records(records), command)
    print(f"records: {records}\ntable:   {table}", *failed, sep="\n")
    return 1 if failed else 0


def compare(argv: Sequence[str]) -> int:
    """Hold systems against each other on the same rows, and write the tables of labels and of explanations."""
    arguments = _compare_parser().parse_args(hyphened(argv))
    config = read_comparison(HERE / "suites" / "systems", arguments.suite)
    over = {"out": arguments.out, "limit": arguments.limit, "data_root": arguments.data_root}
    cells = comparison_cells(config, HERE / "recipes", over)
    target = Path(arguments.out) / "quick" if arguments.limit else HERE
    labels_file = target / "results" / f"{config.name}.jsonl"
    measures_file = target / "results" / "explained" / f"{config.name}.jsonl"
    failed: list[str] = []

    from mhclf.config.published import published_numbers
    from mhclf.results.generated import SYSTEM_ENCODER, read_system_measures, write_measures_tables
    from mhclf.results.suite import read_suite_records
    from mhclf.results.suite_files import write_suite_tables

    if not arguments.from_records:
        failed = _carry_out(config, cells, arguments, labels_file, measures_file)
    suite, command = config.as_suite(SYSTEM_ENCODER), f"python experiments/generate.py compare --suite {config.name}"
    records, measures = read_suite_records(labels_file), read_system_measures(measures_file)
    written = write_suite_tables(target / "tables", suite, records, published_numbers(HERE / "published"), command)
    title = config.title or config.name
    written += write_measures_tables(target / "tables", config.name, title, tuple(config.systems), measures, command)
    print(*(f"records: {file}" for file in (labels_file, measures_file)), sep="\n")
    print(*(f"table:   {file}" for file in written), *failed, sep="\n")
    return 1 if failed else 0


def _carry_out(
    config: ComparisonConfig, cells: list[SystemCell], arguments: Any, labels_file: Path, measures_file: Path
) -> list[str]:
    """Carry out the chosen cells, keep their records, and return what failed."""
    wanted = [name for name in arguments.data.split(",") if name]
    known = [cell.data for cell in cells]
    for name in wanted:
        if name not in known:
            raise ConfigError(f"data: '{name}' is none of the comparison's.{nearest(name, known)}")
    chosen = [cell for cell in cells if not wanted or cell.data in wanted]

    from explain.generated import attribute_explained
    from explain.methods import check_method
    from mhclf.generation.comparison import compare as carry_out
    from mhclf.generation.comparison import failures, keep_records, measure
    from mhclf.results.progress import progress_bars

    method = config.attribution
    if method:
        check_method(method)

    def report(number: int, state: str) -> None:
        print(f"[{number}/{len(chosen)}] {state}", flush=True)

    with progress_bars(arguments.quiet) as show:
        done = carry_out(chosen, report, show, arguments.mask_identifiers)

    def attribute(own: Path, classifier: Path) -> Any:
        return attribute_explained(own, classifier, method, arguments.data_root)

    given = attribute if method else None
    masked = arguments.mask_identifiers
    done = measure(done, config.encoder, arguments.data_root, report, given, config.classifier, masked)
    keep_records(done, config.seed, labels_file, measures_file)
    return failures(done)


def _compare_parser() -> PlainParser:
    parser = PlainParser(_COMPARE, prog="generate.py compare")
    add = parser.add_argument
    add("--suite", required=True, help="name of a file in experiments/suites/systems")
    add("--data", default="", metavar="NAME,...", help="of its data sets only these; records of the others stay")
    add("--out", default="runs", help="folder of the run folders")
    add("--limit", type=int, help="rows per split; the tables then go below --out")
    add("--from-records", action="store_true", help="make the tables again from the committed records")
    add("--data-root", help="folder of the data files (or $MHCLF_DATA)")
    add("--mask-identifiers", action="store_true", help=_MASKING)
    add("--quiet", action="store_true", help="no progress bars")
    return parser


def _eval_parser() -> PlainParser:
    parser = PlainParser(_EVAL, prog="generate.py eval")
    add = parser.add_argument
    add("--run", required=True, type=Path, metavar="DIR", help="run folder that generate.py prompt or joint printed")
    add("--encoder", default="minilm", help="for BERTScore; 'none' leaves it out")
    add("--likelihood", default="", metavar="MODEL", help="language model for the likelihood given the post: smollm2")
    add(
        "--attributions", type=Path, metavar="DIR", help="classifier's run folder: does the text cite what it looked at"
    )
    add("--attribution", default="", metavar="METHOD", help="of the classifier now; empty: what explain.py left there")
    add("--mask-identifiers", action="store_true", help=_MASKING)
    add("--data-root", help="folder of the data files (or $MHCLF_DATA)")
    return parser


def _suite_parser() -> PlainParser:
    parser = PlainParser(_SUITE, prog="generate.py suite")
    add = parser.add_argument
    add("--suite", required=True, help="name of a file in experiments/suites/generation")
    add("--out", default="runs", help="folder of the run folders")
    add("--limit", type=int, help="rows per split; the table then goes below --out")
    add("--from-records", action="store_true", help="make the tables again from the committed records")
    add("--data-root", help="folder of the data files (or $MHCLF_DATA)")
    add("--mask-identifiers", action="store_true", help=_MASKING)
    add("--quiet", action="store_true", help="no progress bars")
    return parser


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "prompt": prompt,
    "tune": tune,
    "joint": joint,
    "eval": evaluate,
    "judge": judge,
    "suite": suite,
    "compare": compare,
}


if __name__ == "__main__":
    run_door(main)
