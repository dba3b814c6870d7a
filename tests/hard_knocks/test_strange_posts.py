"""Posts that are huge, empty or hardly text, and sets that are hardly sets: a sound result or a clear error."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from support import LINEAR, SENTENCES

import explain
from mhclf.config.run import BatchConfig, RunConfig, TrainerConfig
from mhclf.errors import MhclfError
from mhclf.training.run import run
from mhclf.training.saved import load_run

POSTS = {
    "long": "my knee hurts " * 7_200,
    "one word": "a" * 100_000,
    "emoji": "\U0001f600" * 1_000_000,
    "zero width": "\u200b" * 1_000_000,
    "combining": "e" + "\u0301" * 100_000,
    "broken": "Ã©" * 50_000,
    "null bytes": "my \x00 knee\x00",
    "half a character": "half \ud83d here",
    "turned": "\u202eabc\u2066 def",
    "at signs": "@" * 100_000,
    "dots": "a." * 50_000 + "@",
}
WORDS = [(label, text) for label, texts in SENTENCES.items() for text in texts]


def write(folder, rows, labels=("body", "work", "people"), more="splits: {kind: ratio, test: 0.25}\n"):
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"id": str(n), "text": text, "label": label}) for n, (label, text) in enumerate(rows)]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    path = folder / "strange.yaml"
    path.write_text(
        f"name: strange\ntask: multiclass\nlabels: {json.dumps(list(labels))}\nsource: {{files: rows.jsonl}}\n"
        f"columns: {{id: id, text: text, label: label}}\nmax_length: 32\n{more}"
    )
    return path


@pytest.fixture
def configs(encoder_folder, tmp_path):
    network = RunConfig(
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path / "runs"),
        report=False,
        batch=BatchConfig(size=8),
        trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"),
    )
    return {"network": network, "linear": replace(network, **LINEAR)}


@pytest.mark.parametrize("kind", ["linear", "network"])
def test_strange_posts_are_learnt_scored_and_explained(configs, tmp_path, kind):
    # Each twice over, so that some are trained on and some are tested.
    strange = [("work", text + ending) for text in POSTS.values() for ending in ("", " again")]
    path = write(tmp_path / "data", WORDS + strange)
    outcome = run(replace(configs[kind], data=str(path)))
    assert all(record.value is None or np.isfinite(record.value) for record in outcome.records)
    loaded = load_run(outcome.folder)
    texts = loaded.prepare(list(POSTS.values()))
    together = loaded.predict_proba(texts)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    alone = np.concatenate([loaded.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    short = [text for text in texts if len(text) < 1000]
    found = explain.attribute(loaded, short, method="occlusion")
    assert [item.text for item in found] == short
    assert all(np.isfinite(item.scores).all() for item in found)


def test_a_network_explains_what_it_reads_of_a_huge_post(configs, tmp_path):
    loaded = load_run(run(replace(configs["network"], data=str(write(tmp_path / "data", WORDS)))).folder)
    start = time.process_time()
    (found,) = explain.attribute(loaded, [POSTS["long"]], method="occlusion")
    assert time.process_time() - start < 10
    assert np.isfinite(found.scores).all()


EMPTY = {"empty": "", "blank": " \n\t ", "no break": "\u00a0\u2003"}


@pytest.mark.parametrize("name", EMPTY)
def test_a_post_without_a_sign_is_named_when_read_and_scored_when_asked(configs, tmp_path, name):
    loaded = load_run(run(replace(configs["linear"], data=str(write(tmp_path / "data", WORDS)))).folder)
    probability = loaded.predict_proba([EMPTY[name]])
    assert np.isfinite(probability).all() and probability.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("rows", "labels", "more"),
    [
        ([("body", "my knee")], ("body", "work"), "splits: {kind: ratio, test: 0.25}\n"),
        ([("body", "my knee")] * 30, ("body", "work"), "splits: {kind: ratio, test: 0.25}\n"),
        ([("body", f"knee {n}") for n in range(30)], ("body", "work"), "splits: {kind: ratio, test: 0.25}\n"),
        ([(f"l{n}", f"knee {n}") for n in range(12)], [f"l{n}" for n in range(40)], "splits: {kind: ratio}\n"),
        ([("body", "a"), ("work", "b"), ("body", "c")], ("body", "work"), "splits: {kind: ratio}\n"),
        ([("body", "...")] * 9 + [("work", "!!!")] * 9, ("body", "work"), "splits: {kind: ratio}\n"),
        ([], ("body", "work"), ""),
    ],
    ids=["one row", "one text", "one class", "more labels than rows", "three rows", "signs only", "no row"],
)
@pytest.mark.parametrize("kind", ["linear", "network"])
def test_sets_that_are_hardly_sets(configs, tmp_path, kind, rows, labels, more):
    path = write(tmp_path / "data", rows, labels, more)
    try:
        outcome = run(replace(configs[kind], data=str(path)))
    except MhclfError as error:
        told = str(error)
    else:
        told = ""
        assert all(record.value is None or np.isfinite(record.value) for record in outcome.records)
        loaded = load_run(outcome.folder)
        assert loaded.predict_proba(["my knee", "b"]).shape == (2, len(labels))
    assert told == "" or (("strange" in told or str(tmp_path) in told) and told.endswith(".")), told
