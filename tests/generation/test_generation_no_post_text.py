"""A model that quotes the whole post: its words stay in generations.jsonl, its page and the cache of answers."""

import logging
from pathlib import Path

import pandas as pd
import pytest
from generation_support import ScriptedBackend
from support import SENTENCES

from mhclf.config.generation import GenerationConfig, LabelsConfig
from mhclf.generation.requests import Choose, Request
from mhclf.generation.run import run_prompts

MARKER = "glorvex"


@pytest.mark.parametrize("by", ["parse", "score"])
def test_what_is_quoted_stays_where_generated_text_is_kept(
    by: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    rows = [
        {"text": f"{text} {MARKER}{label}{number}x{copy}", "label": label}
        for label, sentences in SENTENCES.items()
        for number, text in enumerate(sentences)
        for copy in range(2)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "marked.csv", index=False)

    def reply(request: Request) -> str | list[float]:
        if isinstance(request, Choose):
            return [-1.0] * len(request.choices)
        # Also an answer that names no label, which is logged.
        return " ".join(turn.text for turn in request.turns)

    labels = LabelsConfig(by=by)  # type: ignore[arg-type]
    config = GenerationConfig(
        data=str(tmp_path / "marked.csv"), out=str(tmp_path / "runs"), labels=labels, explain=True
    )
    folder = run_prompts(config, backend=ScriptedBackend(reply)).folder
    assert MARKER in (folder / "generations.jsonl").read_text()
    for path in (tmp_path / "runs").rglob("*"):
        assert MARKER not in path.name
        if (
            path.is_file()
            and path.name not in {"generations.jsonl", "generations.html"}
            and not path.name.startswith("answers.sqlite")
        ):
            assert MARKER.encode() not in path.read_bytes(), path.name
    assert MARKER not in pd.read_parquet(folder / "predictions.parquet").to_json()
    shown = capfd.readouterr()
    assert MARKER not in shown.out + shown.err + caplog.text
