"""Scoring the blocks of a file as tasks of a Ray cluster whose machines see the run and the output's folder."""

import shutil
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from mhclf.errors import RunError
from mhclf.results.files import write_bytes
from mhclf.training.failure import Failure, attempt
from mhclf.training.ray_engine import RETRIES, ray_session, why_lost
from mhclf.training.saved import Run, load_run
from mhclf.training.scoring import Block, BlockJob, ScoredBlock, score_block

_AHEAD = 2
"""Blocks that wait for each processor: what bounds memory, and at most done twice after this process is killed."""


def score_on_ray(run: Run, job: BlockJob, blocks: Iterator[Block]) -> Iterator[ScoredBlock]:
    """Score blocks as tasks and yield them in order.

    Each task writes its bytes to a file of its own in `OUTPUT.blocks`, whole or not at all, so a block that is scored
    again replaces its file. It is read when it is its turn, and removed when the output holds it.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    RunError
        If a block cannot be scored; what is done stays, and the same command goes on.
    """
    folder = job.output.absolute().with_name(job.output.name + ".blocks")
    # What an earlier process left here was never counted as done.
    shutil.rmtree(folder, ignore_errors=True)
    with ray_session() as ray:
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_block_task)
        shared = ray.put((str(run.folder.absolute()), job))
        ahead = max(1, int(ray.cluster_resources().get("CPU", 1))) * _AHEAD
        running: deque[tuple[Path, Any]] = deque()
        try:
            while True:
                for block in islice(blocks, ahead - len(running)):
                    path = folder / f"{block[0].number:012d}.part"
                    running.append((path, task.remote(shared, str(path), block)))
                if not running:
                    break
                path, reference = running.popleft()
                yield _taken(ray, path, reference)
                path.unlink()
        finally:
            for _, reference in running:
                ray.cancel(reference, force=True)
    shutil.rmtree(folder, ignore_errors=True)


def _taken(ray: Any, path: Path, reference: Any) -> ScoredBlock:
    try:
        found = ray.get(reference)
    except ray.exceptions.RayError as error:
        raise RunError(
            f"{path.parent}: the block at row {int(path.stem)}: {type(error).__name__}: {why_lost(ray, error)} "
            "The same command goes on from what is done; --batch-size lowers memory."
        ) from None
    if isinstance(found, Failure):
        raise RunError(f"{path.parent}: the block at row {int(path.stem)} cannot be scored: {found}")
    problems, rows, broken, share = found
    return ScoredBlock(path.read_bytes(), problems, rows, broken, share)


def _block_task(shared: tuple[str, BlockJob], path: str, block: Block) -> tuple[bytes, int, int, float] | Failure:
    """Score a block into its file; called in a worker, which keeps the model for its next block."""
    folder, job = shared
    scored = attempt(lambda: score_block(_loaded(folder), job, block))
    if isinstance(scored, Failure):
        return scored
    write_bytes(Path(path), scored.content)
    return scored.problems, scored.rows, scored.broken, scored.share


@lru_cache(maxsize=1)
def _loaded(folder: str) -> Run:
    return load_run(folder)
