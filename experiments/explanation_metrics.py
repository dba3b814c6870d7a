"""Hold automatic metrics of explanations against people: 285 explanations rated by three raters (IMHI).

  python experiments/explanation_metrics.py --data-root DIR
  python experiments/explanation_metrics.py --data-root DIR --likelihood smollm2
  python experiments/explanation_metrics.py --data-root DIR --judge --judge.rubric imhi_ratings --out DIR
  python experiments/explanation_metrics.py --from-records

Prints how people agree among themselves and how each metric correlates with them; writes the tables to
experiments/tables/explanation_metrics.md, the numbers (no text) to experiments/results/explanation_metrics.json.
With --judge a language model rates them, too, and its agreement with people is one more table; its settings are those
of generate.py judge (--judge.KEY, --backend, --local.KEY, --endpoint.KEY, --seed). A killed job asks nothing twice.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mhclf.config.command_line import hyphened, parse_settings, run_door
from mhclf.config.judge import JudgeConfig
from mhclf.config.parsers import PlainParser
from mhclf.errors import ConfigError

HERE = Path(__file__).resolve().parent
TITLES = {
    "chatgpt": "ChatGPT, right answers",
    "chatgpt_false": "ChatGPT, wrong answers",
    "gpt3": "GPT-3 (curie)",
    "all": "all together",
}


def main(argv: Sequence[str]) -> int:
    """Parse, read, measure, print, write."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(hyphened(argv))
    if rest and not arguments.judge:
        # Fails, and names what is near.
        parser.parse_args(hyphened(argv))
    if arguments.limit and not arguments.out:
        raise ConfigError("limit: would write over the tables of all rows. Add --out DIR.")
    judge = parse_settings(rest, JudgeConfig, "", lambda _: None, ()).config if arguments.judge else None
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    out = arguments.out or HERE
    records_file = out / "results" / "explanation_metrics.json"

    import rich.console

    from mhclf.results.explanation_metrics import (
        explanation_markdown,
        explanation_tables,
        read_explanation_records,
        write_explanation_records,
    )
    from mhclf.results.files import write_text
    from mhclf.results.tables import to_rich

    console = rich.console.Console()
    if not console.is_terminal:
        console = rich.console.Console(width=200)
    records = read_explanation_records(records_file) if arguments.from_records else _measure(arguments, judge)
    for table in explanation_tables(records):
        console.print(to_rich(table))
    settings = records["settings"]
    command = f"python experiments/explanation_metrics.py --data-root DIR --encoder {settings['encoder']}"
    if settings["likelihood"]:
        command += f" --likelihood {settings['likelihood']}"
        command += " --bf16" if settings["likelihood_precision"] == "bf16" else ""
    if "judge" in records:
        command += f" {records['judge']['settings']['options']}"
    written = [] if arguments.from_records else [write_explanation_records(records_file, records)]
    written.append(write_text(out / "tables" / "explanation_metrics.md", explanation_markdown(records, command)))
    for path in written:
        console.print(f"written: {path}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _measure(arguments: argparse.Namespace, judge: JudgeConfig | None) -> dict[str, Any]:
    """Return the records."""
    from dataclasses import asdict

    from mhclf.generation.human_ratings import read_rated_explanations, read_silver_references
    from mhclf.generation.metric_agreement import (
        first_rows,
        join,
        metric_figures,
        rater_figures,
        reference_metrics,
        reference_set,
        text_metrics,
    )

    files = read_rated_explanations(arguments.data_root)
    if arguments.limit:
        files = first_rows(files, arguments.limit)
    rows = join(files)
    of_chatgpt = dict(zip(files[0].post_keys, files[0].explanations, strict=True))
    sets = [
        reference_set("imhi", rows, read_silver_references(arguments.data_root)),
        reference_set("chatgpt", rows, of_chatgpt, parts=("gpt3",)),
    ]
    metrics = text_metrics(rows)
    for item in sets:
        metrics |= reference_metrics(item, len(rows.posts))

    from mhclf.generation.model_metrics import decoder_metrics, encoder_metrics
    from mhclf.models.encoder import load_encoder, load_tokenizer
    from mhclf.models.weights import resolve_encoder

    source = resolve_encoder(arguments.encoder)
    found, layer = encoder_metrics(rows, sets, load_encoder(source), load_tokenizer(source), arguments.layer)
    metrics |= found
    cut, likelihood = 0, None
    if arguments.likelihood:
        import torch

        from mhclf.generation.decoders import load_decoder

        decoder = load_decoder(arguments.likelihood, torch.bfloat16 if arguments.bf16 else torch.float32)
        likelihood = decoder.name
        found, cut = decoder_metrics(rows, sets, decoder.model, decoder.tokenizer, decoder.name)
        metrics |= found
    slices = rows.slices()
    correlations = metric_figures(rows, metrics)
    held = [item for item in metric_figures(rows, metrics, "words") if item.dimension == "overall"]
    judged: dict[str, Any] = {}
    if judge is not None:
        own, own_held, settings, figures = _judged(rows, metrics["words"], judge, arguments.judge_answers)
        correlations, held = [*correlations, *own], [*held, *own_held]
        judged = {"judge": {"settings": settings, "figures": [asdict(figure) for figure in figures]}}
    return {
        "settings": {
            "encoder": source.name,
            "layer": layer,
            "likelihood": likelihood,
            "likelihood_precision": "bf16" if arguments.bf16 else "fp32",
            "likelihood_cut": cut,
        },
        "parts": {
            name: {
                "title": TITLES[name],
                "rows": int(chosen.sum()),
                "posts": len(set(rows.groups[chosen].tolist())),
                "systems": len(set(rows.parts[chosen].tolist())),
            }
            for name, chosen in slices.items()
        },
        "references": {
            "imhi": f"the explanation in IMHI's DR test file, by a model that was shown the label ({len(sets[0].rows)} "
            "explanations have one)",
            "chatgpt": f"ChatGPT's rated explanation of the same post, for GPT-3's alone ({len(sets[1].rows)})",
        },
        "raters": [asdict(figure) for figure in rater_figures(rows)],
        "metrics": [asdict(figure) for figure in correlations],
        "length_held": [asdict(figure) for figure in held],
        **judged,
    }


def _judged(rows: Any, words: Any, config: JudgeConfig, answers: Path) -> tuple[list[Any], list[Any], Any, list[Any]]:
    """Return a judge's correlations, those with the length held, what it is, and how it agrees with people."""
    from mhclf.generation.backends import load_backend
    from mhclf.generation.cache import AnswerCache
    from mhclf.generation.human_ratings import DIMENSIONS
    from mhclf.generation.judge_agreement import judge_as_metric, judge_figures, judge_scores
    from mhclf.generation.judging import Judge, describe
    from mhclf.generation.rubric import read_rubric
    from mhclf.results.progress import progress_bars

    rubric = read_rubric(config.judge.rubric, "en").only(DIMENSIONS)
    cache = AnswerCache(answers)
    try:
        with progress_bars() as show:
            backend = load_backend(config.backend, config.local, config.endpoint)
            judge = Judge(backend, cache, rubric, config.judge, seed=config.seed, on_progress=show)
            scores = judge_scores(rows, judge)
    finally:
        cache.close()
    name = f"judge_{config.judge.mechanism}"
    held = judge_as_metric(rows, scores, name, words)
    settings = {
        "name": name,
        "model": str(backend.identity["model"]),
        "mechanism": config.judge.mechanism,
        "rubric": Path(config.judge.rubric).stem,
        "how": describe(config.judge, str(backend.identity["model"])),
        "options": f"--judge --judge.mechanism {config.judge.mechanism} --judge.by {config.judge.by} "
        f"--judge.rubric {Path(config.judge.rubric).stem}",
    }
    overall = [figure for figure in held if figure.dimension == "overall"]
    return judge_as_metric(rows, scores, name), overall, settings, judge_figures(rows, scores)


def _parser() -> argparse.ArgumentParser:
    parser = PlainParser(__doc__)
    add = parser.add_argument
    add("--data-root", metavar="DIR", help="folder of the data sets; by default $MHCLF_DATA, then data")
    add("--encoder", default="minilm", metavar="NAME", help="of BERTScore: minilm, mpnet, a folder or a hub name")
    add("--layer", type=int, default=-1, metavar="N", help="of BERTScore: 0 for the embeddings; below 0 from the last")
    add(
        "--likelihood", metavar="MODEL", help="also the likelihood by a language model: smollm2, a folder or a hub name"
    )
    add("--bf16", action="store_true", help="run the language model of --likelihood in bfloat16")
    add("--judge", action="store_true", help="also a language model as judge; --judge.KEY and so on say which and how")
    add(
        "--judge-answers",
        type=Path,
        default=Path("runs/judge_answers.sqlite"),
        metavar="FILE",
        help="where its answers are kept",
    )
    add("--limit", type=int, metavar="N", help="the first N explanations of each system, for a quick look; needs --out")
    add("--out", type=Path, metavar="DIR", help="where results/ and tables/ are written; by default experiments/")
    add("--from-records", action="store_true", help="make the tables again from the records")
    return parser


if __name__ == "__main__":
    run_door(main)
