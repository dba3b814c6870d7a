"""The model card: front matter that parses, sections, numbers, nothing that acts or names a machine."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mhclf.results.card import write_model_card

Builder = Callable[..., Path]


def split_card(text: str) -> tuple[dict[str, Any], str]:
    """Return front matter and body."""
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def test_front_matter_holds_the_numbers(tmp_path: Path, make_run: Builder) -> None:
    text = write_model_card(make_run(tmp_path / "run")).read_text(encoding="utf-8")
    front, _ = split_card(text)
    assert list(front) == [
        "language", "library_name", "pipeline_tag", "tags", "datasets", "metrics", "model-index",
    ]  # fmt: skip
    assert (front["language"], front["library_name"], front["pipeline_tag"]) == (
        "en",
        "mhclf",
        "text-classification",
    )
    assert front["metrics"] == ["accuracy", "f1", "ece"]
    result = front["model-index"][0]["results"][0]
    assert result["dataset"] == {"type": "demo", "name": "Demonstration corpus", "split": "test"}
    assert result["metrics"][1] == {
        "type": "f1",
        "name": "Macro-F1",
        "value": 0.7124,
        "args": {"average": "macro"},
    }


def test_sections_and_exact_sentences(tmp_path: Path, make_run: Builder) -> None:
    text = write_model_card(make_run(tmp_path / "run")).read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Intended use", "Out-of-scope use", "How to load it", "Data", "Training", "Results", "Layers", "Limits",
        "Ethics", "Citation",
    ]  # fmt: skip
    for part in (
        "# Demonstration corpus: layer_attentive_supcon\n",
        "It is not a diagnostic device and was not assessed as one.",
        "Do not use it for decisions about individuals",
        "No clinical, crisis or moderation use",
        "For research on text classification",
        "| Macro-F1 ↑ | 0.712 [0.651, 0.770] | 0.123 [0.100, 0.150] | 0.651 [0.590, 0.710] | 60 |",
        "Macro-F1 on the 60 test posts is 0.712 (higher is better). The 95 % interval runs from 0.651 to",
        "| all posts | 240 | 30 | 60 |",
        "Licence of the data: CC BY 4.0.",
        "import mhclf.hf",
        "AutoModelForSequenceClassification.from_pretrained(",
        "cannot be told from an even mixture",
        "| optim.lr | 3e-05 |",
        "versions.torch 2.13.0",
        "Doe et al. 2024, A demonstration corpus.",
        "Do not try to find the authors.",
    ):
        assert part in text
    assert "secret-data" not in text
    assert str(Path.home()) not in text


def test_the_linear_baseline_is_loaded_by_mhclf(tmp_path: Path, make_run: Builder) -> None:
    text = write_model_card(make_run(tmp_path / "run", method="tfidf_lr", minimal=True)).read_text(encoding="utf-8")
    assert 'run = mhclf.load_run("path/to/this/folder")' in text
    assert "transformers" not in text
    assert "The model's vocabulary, `model/linear.json`, holds words and pairs of words" in text
    assert "## Layers" not in text


def test_hostile_names_do_nothing(tmp_path: Path, make_run: Builder, hostile: tuple[str, ...]) -> None:
    folder = make_run(tmp_path / "run", hostile, title="---\nlicense: mit\n---\n<script>")
    path = folder / "data_manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest |= {
        "name": "a: [b\n--- `c`",
        "ethics": "<img src=x onerror=alert(1)>\n# heading",
        "language": "zh",
    }
    path.write_text(json.dumps(manifest), encoding="utf-8")
    front, body = split_card(write_model_card(folder).read_text(encoding="utf-8"))
    assert "license" not in front
    assert front["language"] == "zh"
    assert front["datasets"] == ["a: [b --- `c`"]
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == "--- license: mit --- <script>"
    outside = re.sub(r"`[^`\n]*`", "", body)
    assert "<script" not in outside
    assert "<img" not in outside
    assert not re.search(r"^# heading", body, re.MULTILINE)
    rows = [line for line in body.splitlines() if line.startswith("| a ")]
    assert rows == [line for line in rows if line.startswith("| a \\| b c | 43 ")]
    assert len(rows) == 1


def test_the_hub_reads_the_card(tmp_path: Path, make_run: Builder) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(write_model_card(make_run(tmp_path / "run", task="multilabel")))
    found = {item.metric_name: item.metric_value for item in card.data.eval_results}
    assert found["Macro-F1"] == 0.7124
    assert card.data.library_name == "mhclf"


@pytest.mark.parametrize(("encoder", "shown", "base"), [
    ("bert-org/bert-base", "bert-org/bert-base", "bert-org/bert-base"),
    ("/home/jane/models/mine", "mine", None),
])  # fmt: skip
def test_the_encoder_is_named_without_its_folder(
    tmp_path: Path, make_run: Builder, encoder: str, shown: str, base: str | None
) -> None:
    folder = make_run(tmp_path / "run")
    path = folder / "results.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"minilm"', json.dumps(encoder)), encoding="utf-8")
    text = write_model_card(folder).read_text(encoding="utf-8")
    assert split_card(text)[0].get("base_model") == base
    assert f"on the encoder {shown}." in text
    assert "jane" not in text
