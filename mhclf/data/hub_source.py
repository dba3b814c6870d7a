"""Reads a data set from the Hugging Face hub, at a pinned revision."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mhclf.data.readers.tables import frame_of_arrow
from mhclf.errors import ConfigError, DataError

_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile("[0-9a-f]{40}")


def read_hub(repository: str, revision: str, splits: Mapping[str, str], access: str) -> dict[str, pd.DataFrame]:
    """Load parts of a hub data set as tables of raw cells. Code that comes with a data set is never run.

    Parameters
    ----------
    repository : str
        `owner/name`, or a folder on disk of the same layout.
    revision : str
        A commit of the repository; a branch or tag may change under you.
    splits : mapping
        Our split name -> theirs.
    access : str
        One sentence on how the data are obtained; shown where they cannot be read.

    Returns
    -------
    dict
        A frame for each of our split names, in the order of `splits`.

    Raises
    ------
    ConfigError
        If `repository` is neither, or `splits` is empty.
    DataError
        If the data set is gated, missing, unreachable, unreadable, or has other splits or another revision.

    Notes
    -----
    The hub is first asked once, for at most `HF_HUB_ETAG_TIMEOUT` seconds (10): without a network, `datasets` would
    retry for minutes. With `HF_HUB_OFFLINE=1` the copy in the cache of Hugging Face is used.
    """
    folder = os.path.isdir(repository)
    # A bare name like `csv` would be a reader of `datasets`, let loose on the current folder; so a folder goes by its
    # whole path, too.
    if not folder and not _NAME.fullmatch(repository):
        raise ConfigError(f"'{repository}' is no folder, and no name on the Hugging Face hub. Give it as 'owner/name'.")
    source = os.path.abspath(repository) if folder else repository
    if not splits:
        raise ConfigError(f"{repository}: no splits are named. Give a line 'our split: split on the hub' for each.")

    import datasets
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of whichever client it uses

    try:
        if not folder and not datasets.config.HF_HUB_OFFLINE:
            api = HfApi(endpoint=datasets.config.HF_ENDPOINT)
            api.dataset_info(repository, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        parts = datasets.load_dataset(source, revision=revision, split=list(splits.values()))
    except (datasets.exceptions.DatasetsError, HTTPError, OSError, ValueError, RuntimeError) as error:
        problem = _problem(error, repository, revision, access)
        raise DataError(f"{repository}: {problem}") from error
    for part in parts:
        # Without a network, `datasets` takes the newest copy in its cache, of whatever revision.
        copies = {Path(file["filename"]).parent for file in part.cache_files}
        other = next((copy for copy in copies if _COMMIT.fullmatch(copy.name) and copy.name != revision), None)
        if not folder and other and _COMMIT.fullmatch(revision):
            raise DataError(
                f"{repository}: the copy in the cache is of revision {other.name}, not {revision}. Load the data set "
                f"once with a network (without HF_HUB_OFFLINE); if this message stays, remove {other}."
            )
    # Whole numbers beside an empty cell stay whole, as in `read_parquet`.
    tables = [part.with_format("arrow")[:] for part in parts]
    frames = [frame_of_arrow(table) for table in tables]
    return dict(zip(splits, frames, strict=True))


def _problem(error: Exception, repository: str, revision: str, access: str) -> str:
    """Return what went wrong and what to do, of an error of `datasets` or `huggingface_hub`."""
    import datasets
    from huggingface_hub import errors
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    files = "With a copy on disk, say 'source: files' in the data set's YAML."
    enter = f"{access} Then log in with 'hf auth login' (or set HF_TOKEN). {files}"
    # `datasets` cuts the chain of causes; its words alone tell one missing thing from the other.
    missing = isinstance(error, datasets.exceptions.DatasetNotFoundError)
    if isinstance(error, errors.GatedRepoError) or (missing and " is a gated dataset" in reason):
        return f"is gated on the Hugging Face hub. {enter}"
    if isinstance(error, errors.RevisionNotFoundError) or (missing and reason.startswith("Revision ")):
        return f"the Hugging Face hub has no revision '{revision}' of it. Check 'revision' in the YAML. {enter}"
    if missing or isinstance(error, errors.RepositoryNotFoundError):
        return f"the Hugging Face hub has no such data set, or does not show it to you. {enter}"
    if isinstance(error, errors.HfHubHTTPError):
        return f"the Hugging Face hub refused ({reason}). {enter}"
    if datasets.config.HF_HUB_OFFLINE and isinstance(error, ConnectionError):
        return f"is not in the cache of Hugging Face, and HF_HUB_OFFLINE is set. Unset it. {enter}"
    if isinstance(error, ConnectionError | errors.LocalEntryNotFoundError | HTTPError):
        return (
            f"the Hugging Face hub cannot be reached ({reason}). Check the network, or set HF_HUB_OFFLINE=1 to use a "
            f"copy from an earlier run. {enter}"
        )
    return f"cannot be read ({reason}). Check 'splits' and 'repository' in the data set's YAML. {enter}"
