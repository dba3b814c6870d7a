"""The texts of a run's posts, loaded again from the data set: a run folder holds none."""

from dataclasses import replace
from pathlib import Path

from mhclf.config.joint import read_run_config
from mhclf.data.shown import mask_shown
from mhclf.errors import DataError, RunError
from mhclf.training.prepared import prepare_data
from mhclf.training.saved import trained_hash


def texts_of_run(folder: str | Path, data_root: str | None = None, mask_identifiers: bool = False) -> dict[str, str]:
    """Return post id -> text, as the run read it.

    Parameters
    ----------
    folder : str or Path
        The run folder.
    data_root : str, optional
        Folder of the data files; by default the one that the run's settings name.
    mask_identifiers : bool
        Replace e-mail and web addresses, user names and phone numbers; also where the run's settings say so.

    Raises
    ------
    RunError
        If the folder holds no run.
    ConfigError, DataError
        If the data set cannot be loaded, or is no longer what the run was trained and tested on.
    """
    path = Path(folder)
    for name in ("config.yaml", "data_manifest.json"):
        if not (path / name).is_file():
            raise RunError(f"{path}: is no run folder (no {name}). Give the folder that training printed.")
    config = read_run_config(path / "config.yaml")
    data = prepare_data(replace(config, data_root=data_root or config.data_root))
    if data.manifest["hashes"]["data"] != trained_hash(path):
        raise DataError(f"{config.data}: is no longer the data of {path}, so its texts may belong to other posts.")
    masked = mask_identifiers or config.mask_identifiers
    texts = map(mask_shown, data.table.texts) if masked else data.table.texts
    return dict(zip(data.table.frame["id"].astype(str), texts, strict=True))
