"""Print the lowest direct dependencies that pyproject.toml allows, a line each, for `make test-lowest`.

python .ci/lowest.py [NAME==VERSION ...]: these stand in place of the floor, where a machine has no build of it.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[^\]]*\])?(?P<rule>\s*([<>=!~].*)?)")


def lowest(requirement: str, kept: dict[str, str]) -> str:
    """Return a requirement with its floor as the only version allowed; without a floor, as it stands."""
    found = REQUIREMENT.fullmatch(requirement.strip())
    if found is None:
        raise SystemExit(f"pyproject.toml: '{requirement}' is no requirement that this script reads.")
    name, extras = found["name"], found["extras"] or ""
    floor = re.search(r">=\s*([^,;\s]+)", found["rule"])
    version = kept.get(name.lower(), floor.group(1) if floor else "")
    return f"{name}{extras}=={version}" if version else f"{name}{extras}{found['rule']}"


def requirements(path: Path, kept: dict[str, str]) -> Iterator[str]:
    """Yield the lowest of every dependency and extra, this project's own extras left out."""
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    yield from dict.fromkeys(lowest(line, kept) for line in lines if not line.startswith("mhclf["))


def main() -> None:
    """Print them."""
    pairs = [argument.lower().partition("==") for argument in sys.argv[1:]]
    kept = {name: version for name, _, version in pairs}
    print("\n".join(requirements(Path(__file__).resolve().parents[1] / "pyproject.toml", kept)))


if __name__ == "__main__":
    main()
