"""Clocks that jump, other time zones and locales, terminals of plain ASCII: the same bytes, and no traceback."""

import os
import shutil
import subprocess
import sys

import pytest
from support import write_tiny_dataset
from test_kills import contents
from warm_doors import REPOSITORY, SMALL

ASCII = "import sys\nfor name in ('stdout', 'stderr'):\n    getattr(sys, name).reconfigure(encoding='ascii')\n"
BACKWARDS = (
    "import itertools, time\n"
    "seconds = itertools.count(2_000_000_000, -3600)\n"
    "time.time = lambda: float(next(seconds))\n"
    "time.time_ns = lambda: next(seconds) * 10**9\n"
)
STANDING = "import time\ntime.perf_counter = lambda: 5.0\n"
"""A coarse clock shows the same time twice, as on some systems."""


@pytest.fixture(scope="module")
def network(tiny_dataset, encoder_folder):
    return ("--data", tiny_dataset, "--encoder", encoder_folder("bert"), *SMALL, "--limit", "12")


@pytest.fixture(scope="module")
def expected(doors, network, tmp_path_factory):
    out = tmp_path_factory.mktemp("plain")
    assert doors.run("train", *network, "--out", out).code == 0
    return contents(out)


@pytest.mark.parametrize("clock", [BACKWARDS, STANDING], ids=["backwards", "standing"])
def test_clocks(doors, network, expected, tmp_path, clock):
    ended = doors.run("train", *network, "--out", tmp_path, first=clock)
    assert (ended.code, ended.errors) == (0, "")
    assert contents(tmp_path) == expected


def test_a_time_zone_and_a_locale_that_nobody_knows(doors, network, expected, tmp_path):
    environment = {"TZ": "nonsense", "LC_ALL": "nonsense", "LC_NUMERIC": "de_DE"}
    ended = doors.run(
        "train", *network, "--out", tmp_path, first="import time\ntime.tzset()\n", environment=environment
    )
    assert (ended.code, ended.errors) == (0, "")
    assert contents(tmp_path) == expected


@pytest.fixture(scope="module")
def locales(tmp_path_factory):
    """Return a function that builds a locale and returns the folder for $LOCPATH; skips where that cannot be done."""
    folder = tmp_path_factory.mktemp("locales")

    def build(name):
        command = ["localedef", "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")]
        if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip(f"the locale {name}.UTF-8 cannot be built here")
        return folder

    return build


@pytest.mark.parametrize(
    ("name", "zone", "proof"),
    [
        ("tr_TR", "Pacific/Kiritimati", "locale.getlocale() == ('tr_TR', 'UTF-8')"),
        ("de_DE", "America/St_Johns", "locale.str(1.5) == '1,5' and f'{1.5:n}' == '1,5'"),
    ],
    ids=["Turkish", "German"],
)
def test_places(doors, network, expected, locales, tmp_path, name, zone, proof):
    environment = {"TZ": zone, "LC_ALL": f"{name}.UTF-8", "LANG": f"{name}.UTF-8", "LOCPATH": str(locales(name))}
    # No Python program has the user's locale until it asks for it; libraries do, and extensions in C then follow it.
    first = f"import locale, time\ntime.tzset()\nlocale.setlocale(locale.LC_ALL, '')\nassert {proof}\n"
    ended = doors.run("train", *network, "--out", tmp_path, first=first, environment=environment)
    assert (ended.code, ended.errors) == (0, "")
    assert contents(tmp_path) == expected


def test_a_decimal_comma(doors, network, expected, tmp_path):
    """The same where no such locale can be had: Python's own functions say that a comma stands in numbers."""
    comma = (
        "import locale\nknown = locale.localeconv()\n"
        "locale.localeconv = lambda: {**known, 'decimal_point': ',', 'thousands_sep': '.'}\n"
        "assert locale.str(1.5) == '1,5'\n"
    )
    ended = doors.run("train", *network, "--out", tmp_path, first=comma)
    assert (ended.code, ended.errors) == (0, "")
    assert contents(tmp_path) == expected


HELPED = ("train", "predict", "benchmark", "generate", "evaluate", "audit", "explain")


@pytest.mark.parametrize("door", HELPED)
def test_help_on_a_terminal_of_ascii(doors, door):
    ended = doors.run(door, "--help", first=ASCII)
    assert (ended.code, ended.errors) == (0, "")
    assert len(ended.output) > 500 and ended.output.isascii()


def test_a_run_on_a_terminal_of_ascii(doors, network, expected, tmp_path):
    ended = doors.run("train", *network, "--out", tmp_path, first=ASCII)
    assert (ended.code, ended.errors) == (0, "")
    assert ended.output.isascii() and "run folder: " in ended.output
    assert contents(tmp_path) == expected
    audited = doors.run("audit", "--data", "demo", first=ASCII)
    assert (audited.code, audited.output.isascii()) == (0, True)


def test_a_python_without_utf_8(tmp_path):
    # Names of files stay plain: no Python without UTF-8 can open others.
    data = write_tiny_dataset(tmp_path)
    rows = data.with_suffix(".jsonl").read_text(encoding="utf-8").replace("my knee", "größe 你好 \U0001f600")
    data.with_suffix(".jsonl").write_text(rows, encoding="utf-8")
    data.write_text(data.read_text(encoding="utf-8") + "title: Ünïcödé – ±\n", encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHON"))}
    environment |= {
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "LC_ALL": "C",
        "OMP_NUM_THREADS": "1",
    }
    found = subprocess.run(
        [
            sys.executable, str(REPOSITORY / "experiments" / "train.py"), "--data", data.name, "--method", "tfidf_lr",
            "--quiet", "--out", "runs",
        ],
        env=environment, cwd=data.parent, capture_output=True, timeout=600,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    (folder,) = (data.parent / "runs" / "tiny").iterdir()
    assert "Ünïcödé – ±" in (folder / "report.html").read_text(encoding="utf-8")
    assert found.stdout.isascii() and b"run folder: " in found.stdout


def test_a_loss_that_is_not_finite(doors, tiny_dataset, encoder_folder, tmp_path):
    wild = ("--optim.lr", "1e30", "--optim.head_lr", "1e30", "--optim.warmup", "0", "--optim.gradient_clip", "0")
    ended = doors.run(
        "train", "--data", tiny_dataset, "--encoder", encoder_folder("bert"), *SMALL, *wild, "--out", tmp_path
    )
    (folder,) = (tmp_path / "tiny").iterdir()
    assert ended.code == 1
    message = ended.message
    assert message.startswith(f"error: {folder}: the loss is not finite at step ")
    ids = message.split("the batch holds the posts ")[1].split(". Lower")[0].split(", ")
    assert len(ids) == 8 and all(name.split("-")[0] in {"body", "work", "people"} for name in ids)
    assert "knee" not in message and message.count("\n") == 1
