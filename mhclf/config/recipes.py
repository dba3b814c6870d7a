"""The settings of a run from Python: a recipe by name, and what differs from it."""

from collections.abc import Mapping
from typing import Any

from mhclf.config.command_line import build_config, layered
from mhclf.config.places import recipe_folder
from mhclf.config.run import RunConfig
from mhclf.errors import ConfigError


def run_config(
    method: str = "lara_supcon",
    *,
    data: str = "demo",
    encoder: str = "minilm",
    seed: int = 1,
    out: str = "runs",
    settings: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Return the settings of a run, with those of its recipe: what `experiments/train.py` makes of its options.

    `RunConfig(method="finetune")` alone only names a recipe and keeps the settings of the default one.

    Parameters
    ----------
    method : str
        Recipe: `lara_supcon`, `finetune`, `tfidf_lr`, ...
    data : str
        Name of a data set or path of its YAML.
    encoder : str
        `minilm`, `mpnet`, a local folder, or a hub name.
    seed : int
        Varies the model only, never the rows.
    out : str
        Folder in which run folders are made.
    settings : mapping, optional
        Any other key of a run, nested or with dots: `{"trainer.epochs": 2}`.

    Raises
    ------
    ConfigError
        On an unknown recipe or key, a wrong value, or a key that is also given as a parameter.

    Examples
    --------
    >>> from mhclf import run_config
    >>> config = run_config("finetune", settings={"trainer.epochs": 2, "contrastive": {"temperature": 0.1}})
    >>> config.model.aggregation, config.trainer.epochs, config.contrastive.weight
    ('last', 2, 0.0)
    """
    own = {"method": method, "data": data, "encoder": encoder, "seed": seed, "out": out}
    others = nested(settings or {})
    twice = [key for key in own if key in others]
    if twice:
        raise ConfigError(f"settings: '{twice[0]}' is a parameter of its own. Give it there: {twice[0]}=...")
    return build_config(recipe_folder(), others, own)


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with `a.b` keys as nested mappings; later keys lie above earlier ones."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        for part in reversed(str(key).split(".")):
            value = {part: value}
        found = layered(found, value)
    return found
