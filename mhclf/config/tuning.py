"""Search spaces: which settings of a run are varied, and how far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping, read_yaml, to_mapping
from mhclf.errors import ConfigError
from mhclf.registry import nearest

_LARGEST = 1e300
_FIXED = (
    "data",
    "data_root",
    "out",
    "seed",
    "limit",
    "subset",
    "audit",
    "test",
    "report",
    "columns",
    "mask_identifiers",
    "split_seed",
    "fold",
    "protocol",
    "mask",
)
"""Settings that say what is measured and where: varying them would compare unlike numbers."""


@dataclass(frozen=True)
class Dimension:
    """One setting and its values: from `low` to `high`, or one of `choices`.

    Attributes
    ----------
    key : str
        With dots, such as `optim.lr`.
    low, high : int or float, optional
        Both included. Whole numbers make whole numbers.
    log : bool
        Drawn evenly in the logarithm.
    step : int or float, optional
    choices : tuple
        Plain values.
    """

    key: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()


def parse_space(text: str) -> tuple[Dimension, ...]:
    """Return the dimensions in `lr=1e-5..3e-4:log,max_length=64|128,contrastive.weight=0..1`.

    Raises
    ------
    ConfigError
        If a key is no setting, or its values cannot be read.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    for key, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"space: '{key.strip()}' has no '='. Write it as lr=1e-5..3e-4:log.")
    return _dimensions([(key.strip(), value.strip()) for key, _, value in pairs], "space")


def read_space(path: Path) -> tuple[Dimension, ...]:
    """Return the dimensions of a YAML file with lines `key: low..high:log` or `key: [a, b]`."""
    return _dimensions(list(read_yaml(path).items()), str(path))


def settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings of values by dotted keys."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        *groups, name = key.split(".")
        inner = nested
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[name] = value
    return nested


def _dimensions(pairs: list[tuple[str, Any]], where: str) -> tuple[Dimension, ...]:
    found = [_dimension(_full_key(str(key), where), value, where) for key, value in pairs]
    if not found:
        raise ConfigError(f"{where}: holds no setting to vary. Write it as lr=1e-5..3e-4:log.")
    keys = [item.key for item in found]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise ConfigError(f"{where}: '{twice[0]}' stands twice.")
    return tuple(found)


def _defaults(mapping: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        flat |= _defaults(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return flat


def _full_key(key: str, where: str) -> str:
    """Return the dotted key of a setting that is named in full, or by its last word where that is clear."""
    if key.partition(".")[0] in _FIXED:
        raise ConfigError(f"{where}: '{key}' says what is measured; varying it would compare unlike numbers.")
    known = [name for name in _defaults(to_mapping(RunConfig())) if name.partition(".")[0] not in _FIXED]
    ending = [name for name in known if name.rpartition(".")[2] == key]
    if key in known or len(ending) == 1:
        return key if key in known else ending[0]
    if len(ending) > 1:
        raise ConfigError(f"{where}: '{key}' may be {' or '.join(ending)}. Write it in full.")
    raise ConfigError(f"{where}: '{key}' is no setting of a run.{_nearest_setting(key, known)}")


def _nearest_setting(key: str, known: Sequence[str]) -> str:
    """Return ' Did you mean ...?' for the nearest full name, or the nearest last word where no point is given."""
    last = [name.rpartition(".")[2] for name in known]
    return nearest(key, known) if "." in key else nearest(key, last) or nearest(key, known)


def _dimension(key: str, value: Any, where: str) -> Dimension:
    if isinstance(value, str) and ".." in value:
        dimension = _range(key, value, where)
        ends: tuple[Any, ...] = (dimension.low, dimension.high)
    else:
        items = value if isinstance(value, list) else [_scalar(item) for item in str(value).split("|")]
        dimension = Dimension(key, choices=tuple(items))
        ends = dimension.choices
        if len(ends) < 2 or len({str(item) for item in ends}) < len(ends):
            raise ConfigError(f"{where}: {key}: give two or more different values, or a range low..high.")
    for end in ends:
        # The settings themselves say what they take.
        from_mapping(RunConfig, settings_of({key: end}), f"{where}: {key}")
    return dimension


def _range(key: str, text: str, where: str) -> Dimension:
    span, _, how = text.partition(":")
    low, _, high = (part.strip() for part in span.partition(".."))
    numbers = [_scalar(low), _scalar(high)]
    step = _scalar(how) if how and how != "log" else None
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in [*numbers, step or 0]):
        raise ConfigError(f"{where}: {key}: '{text}' is no range. Write low..high, low..high:log or low..high:step.")
    rising = numbers[0] < numbers[1] and (step is None or step > 0)
    if not rising or not all(abs(number) < _LARGEST for number in numbers):
        raise ConfigError(f"{where}: {key}: '{text}' must go up from its first number to its second.")
    if how == "log" and numbers[0] <= 0:
        raise ConfigError(f"{where}: {key}: '{text}': a logarithm needs numbers above 0.")
    if isinstance(_defaults(to_mapping(RunConfig()))[key], float):
        numbers = [float(number) for number in numbers]
    elif not all(isinstance(number, int) for number in numbers):
        raise ConfigError(f"{where}: {key}: '{text}': the setting takes whole numbers.")
    return Dimension(key, numbers[0], numbers[1], how == "log", step)


def _scalar(text: str) -> Any:
    try:
        value = yaml.safe_load(text) if text else ""
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"space: '{text[:80]}' is no value. Write numbers or words, parted by | or ..") from error
    if isinstance(value, str):
        # YAML 1.1 reads 1e-4 as text.
        try:
            return float(value)
        except ValueError:
            return value
    return value
