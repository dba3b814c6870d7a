"""Saved models in `transformers.pipeline`: the run's own probabilities, whatever the task."""

import pytest
import transformers
from support import SENTENCES, write_tiny_dataset

import mhclf.hf  # noqa: F401
from mhclf.training.run import run
from mhclf.training.saved import load_run

POSTS = [group[0] for group in SENTENCES.values()] + ["word " * 80, "knee"]


@pytest.mark.parametrize("task", ["multiclass", "multilabel", "ordinal"])
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_pipeline_gives_the_probabilities_of_the_run(tiny_config, encoder_folder, tmp_path, task, family):
    data = write_tiny_dataset(tmp_path / "data", task=task)
    if task == "ordinal":
        data.write_text(data.read_text().replace("[micro_f1, macro_f1]", "[qwk]"))
    folder = run(tiny_config(data=str(data), encoder=str(encoder_folder(family)))).folder
    loaded = load_run(folder)
    pipe = transformers.pipeline("text-classification", model=str(folder / "model"), device="cpu")
    expected = loaded.predict_proba(POSTS)
    for size in (1, 5):
        found = pipe(POSTS, top_k=None, truncation=True, batch_size=size)
        for row, scores in enumerate(found):
            by_name = {item["label"]: item["score"] for item in scores}
            assert [by_name[name] for name in loaded.labels] == pytest.approx(expected[row], abs=1e-5)
    if task != "multilabel":
        assert [item["label"] for item in pipe(POSTS, truncation=True)] == loaded.predict(POSTS)
        assert expected.sum(axis=1) == pytest.approx(1, abs=1e-5)
