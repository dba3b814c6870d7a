"""Reads the fenced code blocks of the README and the documentation, and runs or parses them."""

import argparse
import contextlib
import importlib.util
import io
import re
import shlex
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
LANGUAGES = {"python", "sh", "yaml", "text", "bibtex"}

_FENCE = re.compile(r"^(?P<space> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=space)```$", re.MULTILINE | re.DOTALL)
_INFO = re.compile(r'\{ *\.(?P<language>\w+)(?: +data-norun="(?P<reason>[^"]+)")? *\}|(?P<plain>\w+)')


@dataclass(frozen=True)
class Block:
    """One fenced block; `reason` says why it is not run, '' where it is."""

    page: str
    line: int
    language: str
    body: str
    reason: str

    @property
    def place(self) -> str:
        """Where it stands, for messages and test names."""
        return f"{self.page}:{self.line}"


def blocks_of(path: Path) -> list[Block]:
    """Return the blocks of a page; a fence that is written otherwise than the two known ways is an error."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        page, line = str(path.relative_to(REPOSITORY)), text[: match.start()].count("\n") + 1
        info = _INFO.fullmatch(match["info"].strip())
        assert info, f"{page}:{line}: the fence '{match['info']}' names no language in a known way"
        language = info["plain"] or info["language"]
        assert language in LANGUAGES, f"{page}:{line}: the language '{language}' is none of {sorted(LANGUAGES)}"
        indent = len(match["space"])
        body = "".join(row[indent:] + "\n" for row in match["body"].splitlines())
        found.append(Block(page, line, language, body, info["reason"] or ""))
    assert text.count("```") == 2 * len(found), f"{path}: a fence is not closed"
    return found


@cache
def all_blocks() -> tuple[Block, ...]:
    """Return the blocks of every page."""
    return tuple(block for page in PAGES for block in blocks_of(page))


def commands_of(block: Block) -> list[list[str]]:
    """Return the commands of a shell block as words: comments gone, lines that end in a backslash joined."""
    joined = block.body.replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        for part in re.split(r" && | \| ", line):
            words = shlex.split(part, comments=True)
            if ">" in words:
                words = words[: words.index(">")]
            if words:
                found.append(words)
    return found


class ParsedError(Exception):
    """The arguments were parsed; what follows is not carried out."""


@cache
def door(name: str) -> ModuleType:
    """Import a door under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"door_{name}", REPOSITORY / "experiments" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PRINTS_CONFIG = {
    "train",
    "audit",
    "tune",
    "pretrain",
    "generate prompt",
    "generate tune",
    "generate joint",
    "generate judge",
}
"""Doors that resolve all their settings with --print_config and stop."""


def check_door(arguments: list[str]) -> None:
    """Parse a door's arguments as the door does; carry out what only prints."""
    name, rest = arguments[0].removeprefix("experiments/").removesuffix(".py"), arguments[1:]
    module = door(name)
    word = f"{name} {rest[0]}" if name == "generate" and rest and not rest[0].startswith("-") else name
    if "--help" in rest or "--dry-run" in rest or "--print_config" in rest:
        ended(module, rest)
    elif word in PRINTS_CONFIG:
        assert ended(module, [*rest, "--print_config"]) == 0
    elif name in {"benchmark", "evaluate"}:
        module.parse(rest)
        if name == "benchmark":
            ended(module, [*rest, "--print_config"])
    else:
        check_plain_door(module, rest)


def ended(module: ModuleType, arguments: list[str]) -> int:
    """Call a door and return its exit code; what it prints is dropped."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            code = module.main(arguments)
        except SystemExit as end:
            code = end.code
    assert code in {0, None}, f"{arguments}: exit code {code}"
    return 0


def check_plain_door(module: ModuleType, arguments: list[str]) -> None:
    """Parse the arguments of a door of argparse, and stop behind the parser."""
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self: argparse.ArgumentParser, *given: object, **named: object) -> None:
        parse(self, *given, **named)  # type: ignore[arg-type]
        raise ParsedError

    argparse.ArgumentParser.parse_args = parse_only  # type: ignore[assignment,method-assign]
    try:
        module.main(arguments)
    except ParsedError:
        return
    finally:
        argparse.ArgumentParser.parse_args = parse  # type: ignore[method-assign]
    raise AssertionError(f"{arguments}: the door has parsed nothing")


@cache
def make_targets() -> frozenset[str]:
    """Return the targets of the Makefile."""
    return frozenset(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@cache
def extras() -> frozenset[str]:
    """Return the extras of the package."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return frozenset(project["optional-dependencies"])


def check_command(words: list[str]) -> None:
    """Check one command of a shell block.

    Doors are parsed by their own parsers, targets of make and extras of pip looked up, files that are named must be
    there. Any other command fails: mark its block with a reason.
    """
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if not words or words[0] == "export":
        return
    program = words[0].rsplit("/", 1)[-1]
    if program in {"python", "torchrun"}:
        if words[1] == "-m":
            assert importlib.util.find_spec(words[2]), f"{words}: no module {words[2]}"
            return
        assert (REPOSITORY / words[1]).is_file(), f"{words}: no file {words[1]}"
        if words[1].startswith("experiments/"):
            check_door(words[1:])
    elif program == "make":
        assert set(words[1:]) <= make_targets(), f"{words}: the Makefile has {sorted(make_targets())}"
    elif program == "pip":
        named = {extra for word in words for group in re.findall(r"\[([\w,]+)\]", word) for extra in group.split(",")}
        assert named <= extras(), f"{words}: pyproject.toml has the extras {sorted(extras())}"
    elif program == "sbatch":
        assert (REPOSITORY / words[-1]).is_file(), f"{words}: no file {words[-1]}"
    else:
        raise AssertionError(f"'{' '.join(words)}': this test cannot check '{program}'. Mark the block.")


def check_yaml(body: str, folder: Path) -> str:
    """Load a YAML block by the library's own reader for its kind, told by its keys; returns the kind."""
    from mhclf.config.command_line import build_config
    from mhclf.config.dataset import DatasetConfig
    from mhclf.config.places import recipe_folder
    from mhclf.config.published import PublishedConfig
    from mhclf.config.structure import from_mapping, read_yaml
    from mhclf.config.suite import plan_cells, read_suite_file
    from mhclf.config.tuning import read_space
    from mhclf.data.locate import find_dataset
    from mhclf.generation.strategy import read_strategy

    file = folder / "block.yaml"
    file.write_text(body, encoding="utf-8")
    keys = set(yaml.safe_load(body))
    if "lines" in keys:
        from_mapping(PublishedConfig, read_yaml(file), "the block")
        return "published numbers"
    if "grids" in keys:
        name = read_yaml(file)["name"]
        assert plan_cells(read_suite_file(file.rename(folder / f"{name}.yaml")), recipe_folder(), {})
        return "suite"
    if "steps" in keys:
        read_strategy(str(file))
        return "strategy"
    if keys <= {"extends", *DatasetConfig.__dataclass_fields__}:
        if keys >= {"name", "task", "labels", "source", "columns"}:
            find_dataset(str(file))
            return "data set"
        # A part of a data set's YAML, laid over the least one.
        least = (
            "name: b\ntask: multiclass\nlabels: [a, b]\nsource: {files: b.csv}\ncolumns: {text: text, label: label}\n"
        )
        whole = yaml.safe_load(least) | yaml.safe_load(body)
        file.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        find_dataset(str(file))
        return "part of a data set"
    if all("." in key for key in keys):
        read_space(file)
        return "search space"
    build_config(recipe_folder(), read_yaml(file))
    return "settings of a run"
