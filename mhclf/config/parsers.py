"""What the parsers of all doors share: errors in one message, a help page that fits a screen, tab completion."""

import argparse
import copy
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from mhclf.errors import ConfigError
from mhclf.registry import nearest

SHELLS = ("bash", "zsh", "tcsh")
COMPLETION = "--print_completion"
ALL = "--help_all"
_CHOICE = re.compile(r"argument (?P<option>\S+): invalid choice: '?(?P<given>.*?)'? \(choose from (?P<known>.*)\)")
_LITERAL = re.compile(r"Expected a one of \[(?P<known>.*)\]\. Got value: (?P<given>\S+)$")


class PlainParser(argparse.ArgumentParser):
    """The parser of a door whose options are no configuration; its errors are one message.

    Parameters
    ----------
    description : str, optional
        Shown by `--help` as it stands.
    usage, prog : str, optional
    """

    def __init__(self, description: str | None = None, usage: str | None = None, prog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            usage=usage or "%(prog)s [options]",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument(
            "--print-completion", action=_Completion, choices=SHELLS, metavar="SHELL", help="for tab completion"
        )

    def error(self, message: str) -> NoReturn:
        """Raise the message as a ConfigError."""
        raise ConfigError(readable_error(message, self))


class _Completion(argparse.Action):
    """Prints the completion script of the parser that it stands in, and stops."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any, **_: Any) -> None:
        from mhclf.config.completion import completion_script

        sys.stdout.write(completion_script(str(arguments[1]), parser.prog, {"": parser}))
        raise SystemExit(0)


def readable_error(message: str, parser: argparse.ArgumentParser) -> str:
    """Return an argument parser's message for readers: without types, with the nearest name that there is."""
    message = message.replace("typing.Literal", "one of ")
    message = re.sub(r"<class '(\w+)'>", r"\1", message)
    unknown = re.match(r"unrecognized arguments: --([\w.-]+)", message)
    if unknown:
        options = [option[2:] for action in parser._actions for option in action.option_strings if option[:2] == "--"]
        # `nearest` speaks of names; here they are options.
        message += "." + nearest(unknown[1], options).replace("'", "'--", 1)
    if literal := _LITERAL.search(message):
        known = [name.strip(" '") for name in literal["known"].split(",")]
        message += "." + nearest(literal["given"], known)
    if choice := _CHOICE.match(message):
        known = [name.strip(" '") for name in choice["known"].split(",")]
        message = f"{choice['option']}: '{choice['given']}' is not one of {', '.join(known)}."
        message += nearest(choice["given"], known)
    return " ".join(message.split())


def short_help(parser: argparse.ArgumentParser, main: Sequence[str], groups: Iterable[str]) -> str:
    """Return a help page that fits a screen: the options that are used most, and the names of the other groups.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    main : sequence of str
        Destinations of the options that are shown, in this order.
    groups : iterable of str
        Names of the groups of settings that only `--help-all` lists.
    """
    by_name = {action.dest: action for action in parser._actions if action.option_strings}
    shown = [_for_readers(by_name[name]) for name in main if name in by_name]
    formatter = argparse.RawDescriptionHelpFormatter(parser.prog, max_help_position=28)
    formatter.add_usage(parser.usage, [], [])
    formatter.add_text(parser.description)
    formatter.start_section("used most")
    formatter.add_arguments(shown)
    formatter.end_section()
    page = formatter.format_help()
    rest = f"--help-all lists all {len(by_name)} options, among them {', '.join(f'--{name}.*' for name in groups)}."
    return page + "\n" + textwrap.fill(rest, 79, break_on_hyphens=False) + "\n"


def _for_readers(action: argparse.Action) -> argparse.Action:
    shown = copy.copy(action)
    shown.option_strings = [option.replace("_", "-") for option in action.option_strings]
    if shown.nargs != 0:
        shown.metavar = shown.metavar or shown.dest.rsplit(".", 1)[-1].upper()
    return shown
