"""Pretrain an encoder on the texts of your field by guessing masked words; give its folder as --encoder afterwards.

Validation and test posts of every data set that is named, here or under --exclude, are left out.

  python experiments/pretrain.py --texts textbooks.txt --exclude dreaddit --out encoders/textbooks
  python experiments/train.py --data dreaddit --encoder encoders/textbooks
"""

import logging
from collections.abc import Sequence

from mhclf.config.command_line import parse_settings, run_door
from mhclf.config.pretrain import PretrainConfig

_MAIN = ("texts", "data", "exclude", "encoder", "seed", "trainer.epochs", "max_length", "data_root", "out", "limit")


def main(argv: Sequence[str]) -> int:
    """Parse, then import what trains; print where the encoder lies and what it gained."""
    arguments = parse_settings(argv, PretrainConfig, str(__doc__), _add_options, _MAIN)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("mhclf").setLevel(logging.WARNING if arguments.extra["quiet"] else logging.INFO)

    from mhclf.training.pretrain import pretrain

    result = pretrain(arguments.config, overwrite=bool(arguments.extra["overwrite"]))
    state = "was complete" if result.was_complete else "done"
    print(
        f"{state}: {result.passages} passages; perplexity of held-out masked words {result.before:.2f} before, ", end=""
    )
    print(f"{result.after:.2f} after.\nencoder: {result.folder}   (--encoder {result.folder})")
    return 0


def _add_options(parser: object) -> None:
    add = parser.add_argument  # type: ignore[attr-defined]
    add("--overwrite", action="store_true", help="start afresh where --out holds a pretraining")
    add("--quiet", action="store_true", help="no progress bars")


if __name__ == "__main__":
    run_door(main)
