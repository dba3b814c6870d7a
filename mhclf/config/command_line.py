"""The front doors' command line: every configuration key is an option; recipes and YAML files are layers below it."""

import argparse
import dataclasses
import io
import os
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import jsonargparse

from mhclf.config.completion import completion_script, literal_values
from mhclf.config.parsers import ALL, COMPLETION, SHELLS, readable_error, short_help
from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping, read_yaml, to_mapping, write_yaml
from mhclf.config.tracebacks import traceback_without_values
from mhclf.errors import ConfigError, MhclfError, disk_fault
from mhclf.registry import nearest

MAIN_OPTIONS = (
    "data", "columns.text", "columns.label", "method", "encoder", "seed", "trainer.epochs", "data_root", "out", "limit",
)  # fmt: skip
"""What the help of a door that carries out runs shows, beside the door's own options."""

Settings = TypeVar("Settings")
RunSettings = TypeVar("RunSettings", bound=RunConfig)


@dataclass(frozen=True)
class DoorArguments(Generic[Settings]):
    """What the command line asked for: the configuration, and the options that are no part of it."""

    config: Settings
    extra: dict[str, Any]


class SettingsParser(jsonargparse.ArgumentParser):
    """An argument parser whose errors are one message, with the dataclass of its settings."""

    structure: type[Any]
    own_options: tuple[str, ...]

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the message as a ConfigError."""
        raise ConfigError(readable_error(message, self))


def recipe_names(folder: Path) -> list[str]:
    """Return the names of the recipes in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_recipe(folder: Path, name: str) -> dict[str, Any]:
    """Return the differences that a recipe holds.

    Raises
    ------
    ConfigError
        If there is no such recipe; lists what exists.
    """
    names = recipe_names(folder)
    if name not in names:
        raise ConfigError(f"method: no recipe is called '{name}'.{nearest(name, names)} Known: {', '.join(names)}.")
    return read_yaml(folder / f"{name}.yaml")


def layered(*layers: dict[str, Any]) -> dict[str, Any]:
    """Lay mappings over each other, the last one on top; nested mappings are merged."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = layered(merged[key], value) if both else value
    return merged


def build_config(recipes: Path, *layers: dict[str, Any]) -> RunConfig:
    """Return the run configuration: defaults, then the recipe that the layers name, then the layers.

    Parameters
    ----------
    recipes : Path
        Folder of the recipe YAMLs.
    layers : dict
        Plain mappings, the last one on top.
    """
    return build_run_settings(RunConfig, recipes, *layers)


def build_run_settings(structure: type[RunSettings], recipes: Path, *layers: dict[str, Any]) -> RunSettings:
    """Return what `build_config` does, for a run with further settings."""
    over = layered(*layers)
    method = str(over.get("method", RunConfig().method))
    recipe = read_recipe(recipes, method)
    return from_mapping(
        structure, layered(recipe, over, {"method": method}), f"recipe '{method}' with the given options"
    )


@dataclass(frozen=True)
class _Parsed:
    """Layers of settings from a command line: those of `--config`, those given as options, the door's own options."""

    file: dict[str, Any]
    given: dict[str, Any]
    extra: dict[str, Any]
    printing: bool


def parse_run(
    argv: Sequence[str],
    recipes: Path,
    description: str,
    add_options: Callable[[jsonargparse.ArgumentParser], None],
) -> DoorArguments[RunConfig]:
    """Parse the arguments of a door that carries out runs; see `parse_run_settings`."""
    return parse_run_settings(argv, RunConfig, recipes, description, add_options)


def parse_run_settings(
    argv: Sequence[str],
    structure: type[RunSettings],
    recipes: Path,
    description: str,
    add_options: Callable[[jsonargparse.ArgumentParser], None],
    main: Sequence[str] = MAIN_OPTIONS,
) -> DoorArguments[RunSettings]:
    """Parse the arguments of a door that carries out runs.

    Parameters
    ----------
    argv : sequence of str
        Without the program's name. `--data-root` and `--data_root` are the same.
    structure : type
        `RunConfig`, or one with further settings.
    recipes : Path
        Folder of the recipe YAMLs.
    description : str
        Shown by `--help`.
    add_options : callable
        Adds the door's own options; their values come back in `extra`.
    main : sequence of str
        Settings that `--help` shows; `--help-all` shows them all.

    Raises
    ------
    ConfigError
        On an unknown option or a wrong value.
    SystemExit
        After `--help`, `--print_config` or `--print_completion`, with status 0.
    """
    known = {"method": tuple(recipe_names(recipes))}
    parsed = _parse(argv, run_parser(structure, description, add_options), main, known)
    file, given = parsed.file, dict(parsed.given)
    if parsed.extra["no_mask"]:
        given["mask"] = False
    if parsed.extra["no_test"]:
        given["test"] = False
    if "method" in given and file.get("method") not in (None, given["method"]):
        raise ConfigError(
            f"{parsed.extra['config']}: holds the settings of method '{file['method']}', which would lie above those "
            f"of '{given['method']}'. Leave --method out, or keep in the file only what differs from the recipe."
        )
    return _resolved(build_run_settings(structure, recipes, file, given), parsed)


def parse_settings(
    argv: Sequence[str],
    structure: type[Settings],
    description: str,
    add_options: Callable[[jsonargparse.ArgumentParser], None],
    main: Sequence[str],
) -> DoorArguments[Settings]:
    """Parse the arguments of a door whose settings are the dataclass `structure`; else as `parse_run_settings`."""
    parsed = _parse(argv, settings_parser(structure, description, add_options), main, {})
    config = from_mapping(structure, layered(parsed.file, parsed.given), "the given options")
    return _resolved(config, parsed)


def _resolved(config: Settings, parsed: _Parsed) -> DoorArguments[Settings]:
    if parsed.printing:
        sys.stdout.write(write_yaml(to_mapping(config)))
        raise SystemExit(0)
    return DoorArguments(config, parsed.extra)


def run_parser(
    structure: type[Any], description: str, add_options: Callable[[jsonargparse.ArgumentParser], None]
) -> "SettingsParser":
    """Return the parser of a door that carries out runs."""

    def add(parser: jsonargparse.ArgumentParser) -> None:
        add_options(parser)
        parser.add_argument("--no_mask", action="store_true", help="leave identifiers inside texts as they are")
        parser.add_argument("--no_test", action="store_true", help="keep the test set shut while you explore")

    return settings_parser(structure, description, add)


def settings_parser(
    structure: type[Any], description: str, add_options: Callable[[jsonargparse.ArgumentParser], None]
) -> "SettingsParser":
    """Return the parser of a door whose settings are the dataclass `structure`."""
    parser = SettingsParser(
        usage="%(prog)s [options]",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=True,
    )
    own = set(vars(parser.get_defaults()))
    add_options(parser)
    parser.add_argument("--config", metavar="FILE.yaml", help="settings; options on the command line win")
    parser.add_argument("--print_config", action="store_true", help="print the resolved settings and stop")
    parser.add_argument(COMPLETION, choices=SHELLS, metavar="SHELL", help="for tab completion; see README")
    parser.add_argument(ALL, action="store_true", help="show every option")
    parser.structure = structure
    parser.own_options = tuple(name for name in vars(parser.get_defaults()) if name not in own)
    parser.add_class_arguments(structure, None, help=None)
    return parser


def _parse(
    argv: Sequence[str], parser: "SettingsParser", main: Sequence[str], values: dict[str, tuple[str, ...]]
) -> _Parsed:
    normal = [_underscored(argument) for argument in argv]
    normal = _with_flags(_with_lists(normal, list_options(parser.structure)), flag_options(parser.structure))
    if ALL in normal:
        parser.print_help()
        raise SystemExit(0)
    if {"-h", "--help"} & set(normal):
        own = [name for name in parser.own_options if name not in (ALL[2:], COMPLETION[2:])]
        sys.stdout.write(short_help(parser, [*main, *own], nested_settings(parser.structure)))
        raise SystemExit(0)
    # The parser library has a --print_config of its own, which knows nothing of recipes.
    printing = "--print_config" in normal
    normal = [argument for argument in normal if argument != "--print_config"]
    # Which options were given? Those of a parse without defaults; they lie above recipe and file.
    parsed = parser.parse_args(normal, defaults=False).as_dict()
    if shell := parsed.get(COMPLETION[2:]):
        sys.stdout.write(settings_completion(shell, parser.prog, {"": parser}, values))
        raise SystemExit(0)
    extra_names = set(parser.own_options) - {ALL[2:], COMPLETION[2:]}
    extra = {**vars(parser.get_defaults()), **parsed}
    given = {key: value for key, value in parsed.items() if key not in extra_names}
    file = read_yaml(Path(parsed["config"])) if parsed.get("config") else {}
    return _Parsed(file, to_mapping(given), {name: extra.get(name) for name in extra_names}, printing)


def settings_completion(
    shell: str, program: str, parsers: Mapping[str, argparse.ArgumentParser], values: Mapping[str, tuple[str, ...]]
) -> str:
    """Return a shell's completion script for parsers of settings, as `completion_script` does."""
    known: dict[str, tuple[str, ...]] = dict(values)
    for parser in parsers.values():
        if isinstance(parser, SettingsParser):
            known |= dict(literal_values(parser.structure))
    return completion_script(shell, program, parsers, known)


def nested_settings(structure: type[Any]) -> list[str]:
    """Return the names of the groups of settings that a dataclass holds."""
    return [name for name, hint in typing.get_type_hints(structure).items() if dataclasses.is_dataclass(hint)]


def list_options(structure: type[Any]) -> tuple[str, ...]:
    """Return the options of a dataclass that take several words parted by commas, nested ones with their path."""
    return tuple(option for option, hint in _option_types(structure) if typing.get_origin(hint) is tuple)


def flag_options(structure: type[Any]) -> tuple[str, ...]:
    """Return the options of a dataclass that are true or false, nested ones with their path."""
    return tuple(option for option, hint in _option_types(structure) if hint is bool)


def _option_types(structure: type[Any], prefix: str = "--") -> Iterator[tuple[str, Any]]:
    for name, hint in typing.get_type_hints(structure).items():
        if dataclasses.is_dataclass(hint):
            yield from _option_types(typing.cast(type[Any], hint), f"{prefix}{name}.")
        else:
            yield prefix + name, hint


def parse_seeds(text: str, option: str) -> list[int]:
    """Return the seeds in '1,2,3'."""
    try:
        seeds = [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ConfigError(f"{option}: '{text}' is no list of whole numbers such as 1,2,3.") from error
    if not seeds or len(set(seeds)) != len(seeds):
        raise ConfigError(f"{option}: give one or more different whole numbers, such as 1,2,3.")
    return seeds


def run_door(main: Callable[[Sequence[str]], int], *, thread_settings: bool = True) -> NoReturn:
    """Call a door's main function and leave with its exit code; an expected error is one message on stderr.

    Parameters
    ----------
    main : callable
        From arguments to exit code.
    thread_settings : bool
        Say how idle OpenMP threads wait, unless the environment does. Where they spin without end, two processes on
        the same cores starve each other; where they sleep at once, waking them doubles the time of small passes.
    """
    if thread_settings:
        # Must be set before torch is imported. The number of spins is for GNU's OpenMP, which torch brings on Linux.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    # A door may have the name of the package that it calls: its own folder must not be searched for packages.
    own = Path(sys.argv[0]).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != own]
    # A terminal or a file that takes ASCII alone shows a question mark in place of a dash.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except MhclfError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:
        # Who read what is printed has left (`... | head`): say no more, also not when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if isinstance(error, OSError) and (fault := disk_fault(error)):
            print(f"error: {error.filename or 'a file'}: {fault}. Check the disk and permissions.", file=sys.stderr)
        else:
            # A traceback is for us; what it quotes may be a post.
            print(traceback_without_values(error), file=sys.stderr, end="")
        code = 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from what is done", file=sys.stderr)
        code = 130
    sys.exit(code)


def hyphened(argv: Sequence[str]) -> list[str]:
    """Return arguments with `--no_mask` written as `--no-mask`: both spellings are options."""
    return [_renamed(argument, "_", "-") for argument in argv]


def _underscored(argument: str) -> str:
    return _renamed(argument, "-", "_")


def _renamed(argument: str, old: str, new: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return "--" + name[2:].replace(old, new) + equals + value


def _with_lists(arguments: list[str], options: Sequence[str]) -> list[str]:
    """Put brackets round the words of list options: `--audit.against irf,multiwd`."""
    found = []
    after = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if after and not argument.startswith("["):
            argument = f"[{argument}]"
        elif name in options and equals and not value.startswith("["):
            argument = f"{name}=[{value}]"
        after = argument in options
        found.append(argument)
    return found


def _with_flags(arguments: list[str], options: Sequence[str]) -> list[str]:
    """Put `=true` behind options that are true or false and stand alone: `--mask_identifiers`."""
    return [
        f"{argument}=true" if argument in options and following.startswith("--") else argument
        for argument, following in zip(arguments, [*arguments, "--"][1:], strict=True)
    ]
