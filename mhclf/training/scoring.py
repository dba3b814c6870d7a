"""Scoring a file of any size with a saved run: in pieces, in order, going on where a killed process stopped."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from mhclf.data.large.lenient import LenientRow, RowColumns, choose_columns, column_names, read_leniently
from mhclf.data.shown import mask_shown
from mhclf.errors import ConfigError
from mhclf.results.partial import PartialOutput
from mhclf.results.scored import ScoreColumns, ScoredRows, score_format
from mhclf.training.outcome import abstention_scores
from mhclf.training.predict import Precision
from mhclf.training.saved import Run, model_hash

logger = logging.getLogger(__name__)

_PIECE_ROWS = 2048
_PIECE_CHARACTERS = 4 * 2**20
"""A piece ends at the first of both: what is in memory, and at most done twice after a kill."""


@dataclass(frozen=True)
class ScoringConfig:
    """What to score and how.

    Attributes
    ----------
    input, output : Path
        csv, tsv, jsonl (also .gz) or parquet; csv, jsonl or parquet.
    text_column, id_column, context_column : str, optional
        The text column is guessed where none is given; rows are numbered from 1 where no id column is.
    keep : tuple of str
        Columns of the input that the output repeats: the only way in which a post's text gets into it.
    mask : bool, optional
        Mask identifiers in what the model reads; as in training where it is empty.
    mask_identifiers : bool
        Replace e-mail and web addresses, user names and phone numbers in the kept columns.
    batch_size : int, optional
        Posts in a batch; as in training where it is empty.
    precision : {'fp32', 'bf16'}
        bf16 multiplies in half precision: faster where the processor has it, and a little rounded.
    limit : int, optional
        Score only so many rows.
    encoding : str
        Of a text file.
    overwrite : bool
        Replace an output, or a part of one.
    """

    input: Path
    output: Path
    text_column: str | None = None
    id_column: str | None = None
    context_column: str | None = None
    keep: tuple[str, ...] = ()
    mask: bool | None = None
    mask_identifiers: bool = False
    batch_size: int | None = None
    precision: Precision = "fp32"
    limit: int | None = None
    encoding: str = "utf-8"
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name}: is {value}, expected 1 or more.")
        if self.input.resolve() == self.output.resolve():
            raise ConfigError(f"{self.output}: is the input. Give another --output.")


@dataclass(frozen=True)
class ScoringProgress:
    """How far a scoring is: rows done, those of them without a prediction, share of the file."""

    rows: int
    broken: int
    share: float


@dataclass(frozen=True)
class ScoringOutcome:
    """A finished scoring.

    Attributes
    ----------
    output : Path
    problems : Path or None
        Row numbers and reasons of the rows without a prediction; None where there is none.
    rows, broken : int
    resumed_at : int
        Rows that an earlier process had done.
    text_column : str
    """

    output: Path
    problems: Path | None
    rows: int
    broken: int
    resumed_at: int
    text_column: str


@dataclass(frozen=True)
class BlockJob:
    """What every block of a file has in common; plain values, so that another process can be told.

    Attributes
    ----------
    output : Path
        Its ending names the format.
    columns : RowColumns
    mask : bool
    batch_size : int, optional
    mask_identifiers : bool
        Of the kept columns.
    precision : {'fp32', 'bf16'}
    """

    output: Path
    columns: RowColumns
    mask: bool
    batch_size: int | None = None
    mask_identifiers: bool = False
    precision: Precision = "fp32"


@dataclass(frozen=True)
class ScoredBlock:
    """Rows that stand one after another in the file, scored: bytes for the output and for its list of problems."""

    content: bytes
    problems: bytes
    rows: int
    broken: int
    share: float


Block = list[LenientRow]
Engine = Callable[[Run, BlockJob, Iterator[Block]], Iterator[ScoredBlock]]
"""Scores the blocks of a file and yields them in their order."""


def score_here(run: Run, job: BlockJob, blocks: Iterator[Block]) -> Iterator[ScoredBlock]:
    """Score one block after another in this process."""
    for block in blocks:
        yield score_block(run, job, block)


def score_block(run: Run, job: BlockJob, block: Block) -> ScoredBlock:
    """Score the rows of a block, by whatever engine.

    Parameters
    ----------
    run : Run
        From `load_run`.
    job : BlockJob
    block : list of LenientRow
        One or more.
    """
    if job.batch_size:
        run = replace(run, config=replace(run.config, batch=replace(run.config.batch, size=job.batch_size)))
    form = score_format(job.output)
    broken = [row for row in block if row.problem]
    content = form.rows(_shape(run, job.columns), _score(run, block, job))
    return ScoredBlock(content, _problem_lines(broken), len(block), len(broken), block[-1].share)


def score_file(
    run: Run,
    config: ScoringConfig,
    on_piece: Callable[[ScoringProgress], None] = lambda progress: None,
    engine: Engine = score_here,
) -> ScoringOutcome:
    """Score every row of a file.

    Parameters
    ----------
    run : Run
        From `load_run`.
    config : ScoringConfig
    on_piece : callable
        Called after each piece.
    engine : callable
        Who scores the pieces: this process, or `mhclf.training.ray_scoring.score_on_ray`.

    Returns
    -------
    ScoringOutcome
        The output has one row for each row of the input, in its order: id, kept columns, prediction, a probability a
        label, abstention. Rows that cannot be scored have an empty prediction there and a line in
        `OUTPUT.problems.jsonl`.

    Raises
    ------
    ConfigError, DataError
        On a wrong setting, an output that exists or was begun otherwise, or a file that cannot be read.
    RunError
        If another process writes the same output.

    Notes
    -----
    Memory does not grow with the file: a piece holds at most 2,048 rows or 4 million characters, and posts are put in
    order of length only inside it.
    """
    form = score_format(config.output)
    known = column_names(config.input, config.encoding)
    columns = choose_columns(
        config.input, known, config.text_column, config.id_column, config.context_column, config.keep
    )
    shape = _shape(run, columns)
    mask = run.config.mask if config.mask is None else config.mask
    partial = PartialOutput(config.output, _binding(run, config, columns, mask))
    with partial.locked():
        done = partial.begin(form.header(shape), config.overwrite)
        if not partial.complete:
            rows = read_leniently(config.input, columns, config.encoding)
            job = BlockJob(config.output, columns, mask, config.batch_size, config.mask_identifiers, config.precision)
            for block in engine(run, job, _pieces(islice(rows, done, config.limit))):
                partial.append(block.content, block.problems, block.rows, block.broken)
                on_piece(ScoringProgress(partial.rows, partial.broken, block.share))
        partial.finish(form.finish)
    problems = partial.problems if partial.broken else None
    return ScoringOutcome(config.output, problems, partial.rows, partial.broken, done, columns.text)


def _shape(run: Run, columns: RowColumns) -> ScoreColumns:
    return ScoreColumns(run.labels, run.task == "multilabel", columns.keep)


def _binding(run: Run, config: ScoringConfig, columns: RowColumns, mask: bool) -> dict[str, object]:
    """Return what the output is made from; keys are words of a message."""
    state = config.input.stat()
    return {
        "run": model_hash(run.folder),
        "input file": [str(config.input.resolve()), state.st_size, state.st_mtime_ns],
        "text column": columns.text,
        "id column": columns.identifier,
        "context column": columns.context,
        "list of kept columns": list(columns.keep),
        "mask setting": mask,
        "limit": config.limit,
        "encoding": config.encoding,
        **({"masked identifiers": "in kept columns"} if config.mask_identifiers else {}),
        **({"precision": config.precision} if config.precision != "fp32" else {}),
    }


def _pieces(rows: Iterator[LenientRow]) -> Iterator[list[LenientRow]]:
    piece: list[LenientRow] = []
    characters = 0
    for row in rows:
        piece.append(row)
        characters += len(row.text) + len(row.context)
        if len(piece) >= _PIECE_ROWS or characters >= _PIECE_CHARACTERS:
            yield piece
            piece, characters = [], 0
    if piece:
        yield piece


def _score(run: Run, piece: Sequence[LenientRow], job: BlockJob) -> ScoredRows:
    columns, mask = job.columns, job.mask
    good = [place for place, row in enumerate(piece) if not row.problem]
    texts = run.prepare([piece[place].text for place in good], mask)
    contexts = run.prepare([piece[place].context for place in good], mask) if columns.context else None
    probability = np.full((len(piece), len(run.labels)), np.nan)
    abstention = np.full(len(piece), np.nan)
    predictions: list[object] = [None] * len(piece)
    if good:
        scored = run.score(texts, contexts, job.precision)
        probability[good] = scored.probabilities
        abstention[good] = abstention_scores(run.task, probability[good], scored.reservation)
        for place, name in zip(good, run.named(probability[good]), strict=True):
            predictions[place] = name
    ids, kept = [row.identifier for row in piece], [row.kept for row in piece]
    if job.mask_identifiers:
        kept = [tuple(mask_shown(cell) if isinstance(cell, str) else cell for cell in cells) for cells in kept]
    return ScoredRows(ids, kept, predictions, probability, abstention)


def _problem_lines(rows: Sequence[LenientRow]) -> bytes:
    lines = [
        {"row": row.number} | ({"line": row.line} if row.line is not None else {}) | {"reason": row.problem}
        for row in rows
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode("utf-8")
