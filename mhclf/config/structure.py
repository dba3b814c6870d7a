"""Strict conversion between YAML text, plain mappings and frozen dataclasses."""

import dataclasses
import re
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml

from mhclf.errors import ConfigError
from mhclf.registry import nearest

Structure = TypeVar("Structure")

_BARE = "YAML reads a bare yes, no, on or off as true or false. Put it in quotes."


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-4 as a number and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise yaml.constructor.ConstructorError(None, None, "keys must be plain words", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """SafeDumper whose text comes back as it was: quoted where `_Loader` would see a number or a line break."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Return a node; PyYAML folds the line breaks U+0085, U+2028 and U+2029 unless they are escaped."""
        style = '"' if re.search("[\x85\u2028\u2029]", text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


# Resolvers are looked up by first character; ours must come before YAML 1.1's, which reads 1e-4 as text.
for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {k: list(v) for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    for _first in "-+0123456789.":
        _class.yaml_implicit_resolvers.setdefault(_first, []).insert(
            0, ("tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"))
        )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping.

    Raises
    ------
    ConfigError
        If the file is missing, unreadable, not UTF-8, not YAML, or not a mapping; names file, line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}). Save the file as UTF-8.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot be read ({reason}). Check the path and its permissions.") from error
    try:
        content = yaml.load(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        where = f"{path}, line {before.count(chr(10)) + 1}, column {error.position - before.rfind(chr(10))}"
        raise ConfigError(f"{where}: not valid YAML: the character U+{error.character:04X} is not allowed.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{path}{where}: not valid YAML: {reason}.") from error
    except (AttributeError, LookupError, TypeError) as error:
        # PyYAML's own constructors trip over a value that does not fit its tag, such as '!!bool maybe'.
        raise ConfigError(f"{path}: not valid YAML: a value does not fit its '!!' tag. Leave the tag out.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds {_describe(content)}, expected a mapping of 'key: value' lines.")
    return content


def find_yaml(folder: Path, name: str, what: str) -> Path:
    """Return the path of the YAML called `name` in a folder.

    Raises
    ------
    ConfigError
        If there is none; begins with `what` and lists what exists.
    """
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise ConfigError(f"{what}: '{name}' is none.{nearest(name, known)} Known: {', '.join(known)}.")
    return folder / f"{name}.yaml"


def write_yaml(mapping: Mapping[str, Any]) -> str:
    """Return `mapping` as YAML text in its own key order."""
    return yaml.dump(dict(mapping), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def to_mapping(value: Any) -> Any:
    """Return a dataclass as plain dicts, lists, strings and numbers (what YAML, JSON and checkpoints hold)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_mapping(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_mapping(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_mapping(item) for item in value]
    return value


def to_short_mapping(value: Any) -> Any:
    """Return what `to_mapping` does, without the fields that hold their defaults: the lines of a YAML by hand."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_short_mapping(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != _default(field)
        }
    if isinstance(value, Mapping):
        return {str(key): to_short_mapping(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_short_mapping(item) for item in value]
    return value


def _default(field: "dataclasses.Field[Any]") -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def from_mapping(structure: type[Structure], mapping: Any, where: str) -> Structure:
    """Build the dataclass `structure` from a plain mapping.

    Parameters
    ----------
    structure : type
        A dataclass; nested dataclasses, tuples, mappings, unions and literals in its types are followed.
    mapping : mapping
        Keys are field names. A nested mapping lies over the default of its field, which may differ from that of its
        class.
    where : str
        File (and key) for messages.

    Raises
    ------
    ConfigError
        On an unknown key (with the nearest one), a missing key, or a value of the wrong type.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigError(
            f"{where}: is {_describe(mapping)}, expected a mapping with the keys of {structure.__name__}."
        )
    fields = {field.name: field for field in dataclasses.fields(structure)}  # type: ignore[arg-type]
    for key in mapping:
        if key not in fields:
            known = ", ".join(fields)
            raise ConfigError(f"{where}: unknown key '{key}'.{nearest(str(key), fields)} Known keys: {known}.")
    hints = typing.get_type_hints(structure)
    values = {}
    for name, field in fields.items():
        if name in mapping:
            given = _over(_default(field), mapping[name])
            values[name] = _convert(hints[name], given, f"{where}: {name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: the key '{name}' is missing. Add a line '{name}: ...'.")
    return structure(**values)


def _over(default: Any, given: Any) -> Any:
    """Lay a mapping over a default dataclass: what it leaves out keeps the value that is the default here."""
    if not dataclasses.is_dataclass(default) or isinstance(default, type) or not isinstance(given, Mapping):
        return given
    base = {field.name: getattr(default, field.name) for field in dataclasses.fields(default)}
    return base | {key: _over(base.get(key), value) for key, value in given.items()}


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the type `hint`, or raise ConfigError naming `where`."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(hint), value, where)
    if origin is Literal:
        if value not in get_args(hint) or isinstance(value, bool) not in {isinstance(a, bool) for a in get_args(hint)}:
            choices = [str(choice) for choice in get_args(hint)]
            raise ConfigError(f"{where}: '{value}' is not one of {', '.join(choices)}.{nearest(str(value), choices)}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: is {_describe(value)}, expected a list.")
        inner = get_args(hint)[0]
        return tuple(_convert(inner, item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin in (dict, Mapping) or hint in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: is {_describe(value)}, expected a mapping.")
        for key in value:
            if isinstance(key, bool):
                raise ConfigError(f"{where}: {_BARE}")
        inner = (get_args(hint) or (str, Any))[1]
        return {str(key): _convert(inner, item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_mapping(hint, value, where)
    if hint is Any:
        return value
    return _convert_plain(hint, value, where)


def _convert_union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in choices:
        return None
    candidates = [choice for choice in choices if choice is not type(None)]
    if isinstance(value, Mapping):
        # A mapping with a key of a dataclass is meant to be one, and no other mapping is.
        ours = [choice for choice in candidates if dataclasses.is_dataclass(choice)]
        meant = [choice for choice in ours if {field.name for field in dataclasses.fields(choice)} & set(value)]
        candidates = meant or [choice for choice in candidates if choice not in ours] or candidates
    failures = []
    for choice in candidates:
        try:
            return _convert(choice, value, where)
        except ConfigError as error:
            failures.append(error)
    # The branch that got deepest into the value has the most useful message.
    raise max(failures, key=lambda error: len(str(error)))


def _convert_plain(hint: Any, value: Any, where: str) -> Any:
    if hint is str and isinstance(value, bool):
        raise ConfigError(f"{where}: {_BARE}")
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        # Also false for NaN and for a whole number that no float can hold.
        if abs(value) <= sys.float_info.max:
            return float(value)
        raise ConfigError(f"{where}: is {_describe(value)}, expected a finite number.")
    if hint is str and isinstance(value, int | float):
        return str(value)
    if isinstance(value, hint) and not (hint in (int, float) and isinstance(value, bool)):
        return value
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    raise ConfigError(f"{where}: is {_describe(value)}, expected {names.get(hint, getattr(hint, '__name__', hint))}.")


def _describe(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    return f"'{text[:40]}{'...' if len(text) > 40 else ''}' ({type(value).__name__})"
