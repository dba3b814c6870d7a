"""Every code block of README and documentation runs, parses, or says why it does not."""

import re
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest
import yaml
from code_blocks import PAGES, REPOSITORY, all_blocks, blocks_of, check_command, check_yaml, commands_of
from support import SENTENCES

import mhclf

NOT_RUN_AT_MOST = 4
TEXTS = [text for group in SENTENCES.values() for text in group]
LABELS = [label for label, group in SENTENCES.items() for _ in group]

CHECKED = [block for block in all_blocks() if not block.reason]
SHELL = [block for block in CHECKED if block.language == "sh"]
SETTINGS = [block for block in CHECKED if block.language == "yaml"]
PYTHON = {
    page: [block for block in blocks if block.language == "python"]
    for page, blocks in groupby(CHECKED, lambda block: block.page)
}
PYTHON = {page: blocks for page, blocks in PYTHON.items() if blocks}


def test_few_blocks_are_left_out_and_each_says_why():
    left_out = [block for block in all_blocks() if block.reason]
    assert len(left_out) <= NOT_RUN_AT_MOST, [block.place for block in left_out]
    assert all(len(block.reason.split()) >= 3 for block in left_out)
    # Something is there to be checked.
    assert len(SHELL) >= 20
    assert len(SETTINGS) >= 5
    assert len(PYTHON) >= 4


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.place)
def test_commands_are_known_to_the_doors(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MHCLF_DATA", raising=False)
    for words in commands_of(block):
        check_command(words)


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: block.place)
def test_settings_are_read_by_the_library(block, tmp_path):
    assert check_yaml(block.body, tmp_path)


@pytest.fixture(scope="module")
def demo_run(encoder_folder, tmp_path_factory):
    """Return the folder of a finished run on some demo posts."""
    from support import small_run

    out = tmp_path_factory.mktemp("runs")
    return small_run("demo", encoder_folder(), out, limit=24, method="lara_supcon").folder


def runnable(code: str, demo_run: Path, encoder: Path) -> str:
    """Put what a reader has in the place of what is small here: the trained run, and the encoder of new models."""
    code = re.sub(r'"runs/demo/lara_supcon-minilm-seed\d-HASH"', repr(str(demo_run)), code)
    code = code.replace('"runs/demo"', repr(str(demo_run.parent)))
    code = re.sub(r"TextClassifier\((?=method=\"lara)", f"TextClassifier(encoder={str(encoder)!r}, ", code)
    return code


@pytest.mark.parametrize("page", PYTHON)
def test_python_runs(page, demo_run, encoder_folder, tmp_path, monkeypatch):
    """Blocks of one page run one after the other, in one namespace, where `texts` and `labels` are a reader's own."""
    from explain.methods import METHODS
    from mhclf.losses.classification import LOSSES

    # What a page registers is gone with its test.
    for registry in (LOSSES, METHODS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "documentation", "texts": TEXTS, "labels": LABELS}
    for block in PYTHON[page]:
        code = compile(runnable(block.body, demo_run, encoder_folder()), block.place, "exec")
        exec(code, names)


def test_pages_name_no_machine_and_load_nothing_from_elsewhere():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"/work/|/home/|/root/", text), page
        assert not re.search(r"<(script|link|img)[^>]*(src|href)=\"https?:", text), page


def test_relative_links_of_the_readme_lead_somewhere():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith("http"):
            assert (REPOSITORY / target).exists(), target


def test_a_block_that_no_longer_holds_fails(tmp_path, monkeypatch):
    from mhclf.errors import ConfigError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="unrecognized arguments: --optim.rate"):
        check_command(["python", "experiments/train.py", "--optim.rate", "3"])
    with pytest.raises(ConfigError, match="unrecognized arguments: --red"):
        check_command(["python", "experiments/predict.py", "--run", "R", "--input", "I", "--output", "O", "--red"])
    with pytest.raises(ConfigError, match="suite"):
        check_command(["python", "experiments/benchmark.py", "--suite", "nothing"])
    with pytest.raises(AssertionError, match="cannot check 'curl'"):
        check_command(["curl", "x"])
    with pytest.raises(ConfigError, match="colour"):
        check_yaml(
            "name: a\ntask: multiclass\nlabels: [a, b]\nsource: {files: a.csv, colour: 1}\ncolumns: {}\n", tmp_path
        )


def test_fences_are_read_with_their_reasons(tmp_path, monkeypatch):
    import code_blocks

    monkeypatch.setattr(code_blocks, "REPOSITORY", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        'a\n\n- b\n\n  ```sh\n  make x \\\n    y\n  ```\n\n```{.python data-norun="needs a cluster"}\n1\n```\n'
    )
    first, second = blocks_of(page)
    assert (first.place, first.language, first.body, first.reason) == ("page.md:5", "sh", "make x \\\n  y\n", "")
    assert commands_of(first) == [["make", "x", "y"]]
    assert (second.language, second.reason) == ("python", "needs a cluster")


def test_the_site_is_built_strictly_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("zensical")
    # Links are not followed by the builder.
    for name in ("docs", "mhclf", "explain"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        html = page.read_text(encoding="utf-8")
        assert not re.search(r"<(script|img)[^>]*\ssrc=\"?https?:", html), page
        assert not re.search(r"<link[^>]*rel=\"?(stylesheet|preconnect)\"?[^>]*https?:", html), page
        assert "mermaid" not in html, page
    assert "<math" in (tmp_path / "site" / "concepts" / "layers.html").read_text(encoding="utf-8")


def test_citation_and_changelog_name_this_version():
    # What the format 1.2.0 requires, and the keys used here that it knows.
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    required = {"cff-version", "message", "title", "authors"}
    assert required <= set(citation) <= required | {"type", "version", "license", "abstract", "keywords"}
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": "The mhclf developers"}]
    assert citation["version"] == mhclf.__version__
    assert f"## [{mhclf.__version__}]" in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
