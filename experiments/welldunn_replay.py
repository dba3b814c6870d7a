"""Replay the published WellDunn evaluation defect by defect beside the sound one, and write its table.

python experiments/welldunn_replay.py --data-root DIR

Trains 15 runs on wellxplain and 6 on multiwd (three split seeds each); a stopped replay goes on from what is done.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from mhclf.config.command_line import build_config, hyphened, parse_seeds, run_door
from mhclf.config.parsers import PlainParser
from mhclf.config.run import short_name
from mhclf.errors import ConfigError

HERE = Path(__file__).resolve().parent
PARTS = ("wellxplain", "multiwd")


def main(argv: Sequence[str]) -> int:
    """Replay each data set and seed, gather the records, write the table."""
    parser = PlainParser(__doc__)
    parser.add_argument("--data-root", help="folder of the data files (or $MHCLF_DATA)")
    parser.add_argument("--out", default="runs", help="folder of the run folders")
    parser.add_argument("--encoder", default="minilm", help="encoder of every run")
    parser.add_argument("--parts", default=",".join(PARTS), help="data sets: one label a post, then several labels")
    parser.add_argument("--seeds", default="200,345,546", help="split seeds; the published ones by default")
    parser.add_argument("--epochs", type=int, help="passes over train, for a quick look")
    parser.add_argument("--limit", type=int, help="rows of a data set, for a quick look")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch on the CPU; 0 leaves its default")
    parser.add_argument("--from-records", action="store_true", help="make the table again from the committed records")
    arguments = parser.parse_args(hyphened(argv))
    seeds = parse_seeds(arguments.seeds, "seeds")
    names = [name for name in arguments.parts.split(",") if name]
    if not names:
        raise ConfigError(f"parts: is empty. Give {', '.join(PARTS)}, or YAML files.")
    # What is not the committed table stays below --out.
    quick = bool(arguments.limit or arguments.epochs) or arguments.encoder != "minilm" or not set(names) <= set(PARTS)
    target = Path(arguments.out) / "quick" if quick else HERE
    # Quick looks of other settings are other records.
    settings = {"limit": arguments.limit, "epochs": arguments.epochs, "encoder": short_name(arguments.encoder)}
    name = "-".join(["welldunn_replay", *(f"{key}-{value}" for key, value in settings.items() if quick and value)])
    records_file = target / "results" / f"{name}.jsonl"

    from explain.welldunn_records import merge_replay, read_replay, write_replay
    from explain.welldunn_table import replay_markdown
    from mhclf.results.files import write_text

    if not arguments.from_records:
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        from explain.welldunn_replay import replay_several_labels, replay_single_label
        from mhclf.data.locate import find_dataset

        trainer = {"threads": arguments.threads} | ({"epochs": arguments.epochs} if arguments.epochs else {})
        for dataset in names:
            task = find_dataset(dataset).config.task
            layer = {
                "data": dataset,
                "encoder": arguments.encoder,
                "out": arguments.out,
                "data_root": arguments.data_root,
                "limit": arguments.limit,
                "report": False,
                "trainer": trainer,
            }
            finetune = build_config(HERE / "recipes", layer | {"method": "finetune"})
            for seed in seeds:
                if task == "multilabel":
                    found = replay_several_labels(finetune, seed, _report)
                else:
                    gamblers = build_config(HERE / "recipes", layer | {"method": "gamblers"})
                    found = replay_single_label(finetune, gamblers, seed, _report)
                # After each seed: what is stopped later is not lost.
                write_replay(records_file, merge_replay(read_replay(records_file), found))
    command = "python experiments/welldunn_replay.py"
    page = replay_markdown(read_replay(records_file), command, () if quick else PARTS)
    table = write_text(target / "tables" / f"{name}.md", page)
    print(f"records: {records_file}\ntable:   {table}")
    return 0


def _report(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    run_door(main)
