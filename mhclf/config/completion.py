"""Tab completion of the doors' options, for bash, zsh and tcsh (shtab)."""

import argparse
import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

_FILES = frozenset(
    {"config", "data", "run", "runs", "input", "output", "out", "data_root", "label_map", "space_file", "texts"}
)

# A door is started as 'python experiments/train.py': bash then looks for the completion of 'python'.
_BASH_PYTHON = """
_mhclf_door() {
  local name="${COMP_WORDS[1]##*/}" known call
  known="$(complete -p "${name:-.}" 2>/dev/null)"
  if [[ "$name" == *.py && "$known" == *" -F _shtab_"* ]]; then
    call="${known##* -F }"
    COMP_WORDS=("${COMP_WORDS[@]:1}")
    COMP_CWORD=$((COMP_CWORD - 1))
    "${call%% *}" "$name" "$2" "$3"
  fi
}
complete -o filenames -o bashdefault -o default -F _mhclf_door python python3
"""


def completion_script(
    shell: str,
    program: str,
    parsers: Mapping[str, argparse.ArgumentParser],
    values: Mapping[str, tuple[str, ...]] | None = None,
) -> str:
    """Return the script that a shell reads to complete a door's options.

    Parameters
    ----------
    shell : {'bash', 'zsh', 'tcsh'}
    program : str
        Name of the door's file.
    parsers : mapping of str to argparse.ArgumentParser
        The parser of each word behind the program; '' where the options follow at once.
    values : mapping of str to tuple of str, optional
        Destination of an option -> what it takes.
    """
    import shtab

    plain = argparse.ArgumentParser(prog=program, add_help=False)
    words = plain.add_subparsers() if "" not in parsers else None
    for word, parser in parsers.items():
        target = plain if words is None else words.add_parser(word, add_help=False)
        for action in parser._actions:
            if action.option_strings and action.help != argparse.SUPPRESS:
                _add(target, action, (values or {}).get(action.dest) or action.choices, shtab.FILE)
    return str(shtab.complete(plain, shell)) + (_BASH_PYTHON if shell == "bash" else "")


def _add(target: argparse.ArgumentParser, action: argparse.Action, choices: Any, files: Any) -> None:
    # Both spellings are options; the completed one has hyphens, as in the documents.
    names = [name.replace("_", "-") for name in action.option_strings]
    text = (action.help or "").split(". ")[0].replace("%", "%%")
    if action.nargs == 0:
        target.add_argument(*names, dest=action.dest, action="store_true", help=text)
        return
    added = target.add_argument(*names, dest=action.dest, help=text, choices=tuple(choices) if choices else None)
    if action.dest in _FILES:
        added.complete = files  # type: ignore[attr-defined]


def literal_values(structure: type[Any], prefix: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the keys of a dataclass that take one of a few words, or true or false, with these words."""
    for name, hint in typing.get_type_hints(structure).items():
        if dataclasses.is_dataclass(hint):
            yield from literal_values(typing.cast(type[Any], hint), f"{prefix}{name}.")
        elif typing.get_origin(hint) is Literal:
            yield prefix + name, tuple(map(str, typing.get_args(hint)))
        elif hint is bool:
            yield prefix + name, ("true", "false")
