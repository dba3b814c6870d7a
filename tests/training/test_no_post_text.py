"""A marker stands in every post; it may turn up in pages and generated texts, and nowhere else."""

import json
import logging
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support import LINEAR, SENTENCES

from explain.run import explain_run
from mhclf.config.command_line import run_door
from mhclf.config.run import RunConfig
from mhclf.config.tracebacks import traceback_without_values
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.errors import DataError, MhclfError
from mhclf.results.compare import write_comparison
from mhclf.training import run as running
from mhclf.training.run import run
from mhclf.training.saved import load_run
from mhclf.training.scoring import ScoringConfig, score_file
from mhclf.training.texts import texts_of_run
from mhclf.training.transfer import evaluate_on

MARKER = b"glorvex"
TEXT_IS_ALLOWED = {"report.html", "explanations.html", "generations.jsonl", "comparison.html"}


def write_marked(folder: Path, breakage: str = "") -> Path:
    """Write a set whose posts, evidence, explanations and contexts hold the marker, a number beside it in each row."""
    rows = []
    for label, sentences in SENTENCES.items():
        for number, sentence in enumerate(sentences):
            for copy in range(3):
                mark = f"glorvex{label}{number}x{copy}"
                rows.append(
                    {
                        "id": f"{label}-{number}-{copy}",
                        "text": f"{mark} {sentence} as they say call 555-234-567{copy} or {mark}@mail.org",
                        "label": label,
                        "group": f"{label}-{number}",
                        "why": mark,
                        "because": f"it says {mark}",
                        "before": f"and {mark} was said",
                    }
                )
    if breakage == "label":
        rows[5]["label"] = rows[5]["text"]
    if breakage == "text":
        rows[5]["text"] = [rows[5]["text"]]
    if breakage == "id":
        rows[5]["id"] = rows[6]["id"] = rows[5]["text"]
    lines = [json.dumps(row) for row in rows]
    if breakage == "line":
        lines[5] = lines[5][:-20]
    (folder / "marked.jsonl").write_text("\n".join(lines))
    path = folder / "marked.yaml"
    path.write_text(
        "name: marked\ntask: multiclass\nlabels: [body, work, people]\nsource: {files: marked.jsonl}\n"
        "columns: {id: id, text: text, label: label, group: group, explanation: because, context: before}\n"
        "rationale: {column: why}\nsplits: {kind: ratio, test: 0.25}\nmax_length: 48\nmetrics: [macro_f1]\n"
    )
    return path


def leaks(folder: Path, *also: str) -> list[str]:
    """Return where the marker stands and may not: file names, bytes of files, cells of parquet files, other text."""
    found = [f"text {number}" for number, text in enumerate(also) if MARKER.decode() in text.lower()]
    for path in folder.rglob("*"):
        if MARKER.decode() in path.name.lower():
            found.append(f"name {path.name}")
        if not path.is_file() or path.name in TEXT_IS_ALLOWED:
            continue
        content = path.read_bytes().lower()
        if path.suffix == ".parquet":
            content += pd.read_parquet(path).to_json().lower().encode()
        if MARKER in content:
            found.append(path.relative_to(folder).as_posix())
    return found


def shown_text(page: Path) -> str:
    """Return a page's text; a word of an explanation has a tag of its own."""
    return re.sub(r"<[^>]*>", "", page.read_text())


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG, logger="mhclf")
    caplog.set_level(logging.DEBUG, logger="explain")
    return caplog


@pytest.fixture
def config(encoder_folder, tmp_path):
    return RunConfig(
        data=str(write_marked(tmp_path)),
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path / "runs"),
        mask=False,
        optim=OptimConfig(lr=1e-3, head_lr=1e-2),
        batch=BatchConfig(size=8),
        trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"),
    )


def test_the_search_finds_what_leaks(tmp_path):
    (tmp_path / "a").write_bytes(b"x Glorvex1")
    pd.DataFrame({"c": ["a glorvex2"] * 3}).to_parquet(tmp_path / "b.parquet", compression="gzip")
    (tmp_path / "report.html").write_text("glorvex3")
    assert sorted(leaks(tmp_path, "", "glorvex4")) == ["a", "b.parquet", "text 1"]


def test_training_explaining_scoring_and_transfer_leave_no_post(config, tmp_path, capfd, log):
    folder = run(config).folder
    explain_run(folder, ("random", "occlusion"), limit=4)
    for page in ("report.html", "explanations.html"):
        assert "glorvex" in shown_text(folder / page) and "555-234-567" in shown_text(folder / page)
    score_file(load_run(folder), ScoringConfig(tmp_path / "marked.jsonl", folder / "scores.parquet", id_column="id"))
    evaluate_on(folder, config.data)
    shown = capfd.readouterr()
    assert leaks(tmp_path / "runs", shown.out, shown.err, log.text) == []
    assert {"environment.json", "results.jsonl", "MODEL_CARD.md", "attributions.parquet"} <= {
        path.name for path in folder.iterdir()
    }

    # Without training again, every page hides what identifies a person.
    run(replace(config, mask_identifiers=True))
    explain_run(folder, ("random", "occlusion"), limit=4, mask_identifiers=True)
    other = run(replace(config, **LINEAR)).folder
    texts = texts_of_run(folder, mask_identifiers=True)
    write_comparison([folder, other], tmp_path / "comparison.html", texts)
    for page in (folder / "report.html", folder / "explanations.html", tmp_path / "comparison.html"):
        content = shown_text(page)
        assert "[phone]" in content and "[email]" in content
        assert "555-234" not in content and "mail.org" not in content
    kept = ScoringConfig(
        tmp_path / "marked.jsonl", tmp_path / "kept.csv", id_column="id", keep=("text",), mask_identifiers=True
    )
    score_file(load_run(folder), kept)
    assert "[phone] or [email]" in kept.output.read_text() and "mail.org" not in kept.output.read_text()


def test_the_linear_model_keeps_only_words_of_several_posts(config, tmp_path, log, capfd):
    run(replace(config, **LINEAR))
    shown = capfd.readouterr()
    assert leaks(tmp_path / "runs", shown.out, shown.err, log.text) == []


@pytest.mark.parametrize("breakage", ["label", "text", "id", "line"])
def test_a_bad_row_is_named_and_not_quoted(breakage, config, tmp_path, log, capfd):
    write_marked(tmp_path, breakage)
    with pytest.raises(DataError) as error:
        run(config)
    shown = capfd.readouterr()
    assert "marked.jsonl, " in str(error.value)
    assert leaks(tmp_path / "runs", str(error.value), shown.out, shown.err, log.text) == []


@pytest.mark.usefixtures("own_environment")
def test_an_error_inside_training_shows_no_value(config, monkeypatch, capsys):
    post = f"a post with\n{MARKER.decode()} in it"

    def broken(*arguments, **settings):
        try:
            raise KeyError(post)
        except KeyError as error:
            raise ValueError(f"could not convert string to float: '{post}'") from error

    monkeypatch.setattr(running, "fit_network", broken)
    with pytest.raises(SystemExit) as stop:
        run_door(lambda argv: run(config) and 0)
    shown = capsys.readouterr().err
    assert stop.value.code == 1 and "glorvex" not in shown
    assert shown.endswith("ValueError: could not convert string to float: '...'\n  after KeyError\n")
    assert "run.py" in shown


def test_errors_that_are_behind_each_other_end():
    one, two = ValueError("a"), KeyError("b")
    one.__context__, two.__context__ = two, one
    assert traceback_without_values(one).endswith("ValueError: a\n  after KeyError\n")
    assert issubclass(DataError, MhclfError)


def test_the_doors_print_no_post(tmp_path):
    repository = Path(__file__).resolve().parents[2]
    data = write_marked(tmp_path, "label")
    command = [
        sys.executable,
        str(repository / "experiments" / "train.py"),
        "--data",
        str(data),
        "--method",
        "tfidf_lr",
    ]
    found = subprocess.run(command, capture_output=True, cwd=tmp_path, env={"PYTHONPATH": str(repository)}, timeout=300)
    assert found.returncode == 2 and MARKER not in (found.stdout + found.stderr).lower()
    # A file without a header line: posts stand where names are looked for.
    rows = pd.read_json(tmp_path / "marked.jsonl", lines=True)[["text", "label"]].iloc[10:]
    rows.to_csv(tmp_path / "plain.csv", index=False, header=False)
    command[command.index(str(data))] = "plain.csv"
    found = subprocess.run(command, capture_output=True, cwd=tmp_path, env={"PYTHONPATH": str(repository)}, timeout=300)
    assert found.returncode == 2 and MARKER not in (found.stdout + found.stderr).lower()
