"""The replay on a small set: rows of each cut, a resumed run, records without text, and the page made of them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from support import SENTENCES, small_run

from explain.welldunn import PUBLISHED, SOUND, Defects
from explain.welldunn_reading import head_attention, token_scores
from explain.welldunn_records import ReplayRecord, merge_replay, read_replay, write_replay
from explain.welldunn_replay import LEAKED, overlap_of_posts, replay_several_labels, replay_single_label
from explain.welldunn_runs import cut_rows, expert_phrases, trained_run
from explain.welldunn_table import replay_markdown
from mhclf.config.loss import ContrastiveConfig, LossConfig
from mhclf.config.model import ModelConfig
from mhclf.config.run import RunConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.errors import DataError
from mhclf.training.predict import predict_network


@pytest.fixture(scope="module")
def phrased(tmp_path_factory):
    """Return the YAML of a set with expert phrases; three rows of each source post."""
    folder = tmp_path_factory.mktemp("phrased")
    rows = []
    for label, sentences in SENTENCES.items():
        for number, sentence in enumerate(sentences):
            for ending in ("", " today", " i think"):
                why = " ".join(sentence.split()[1:3])
                rows.append({"text": sentence + ending, "label": label, "group": f"{label}-{number}", "why": why})
    order = np.random.default_rng(0).permutation(len(rows))
    lines = [json.dumps(rows[number]) + "\n" for number in order]
    (folder / "phrased.jsonl").write_text("".join(lines), encoding="utf-8")
    path = folder / "phrased.yaml"
    path.write_text(
        "name: phrased\ntask: multiclass\nlabels: [body, work, people]\nsource: {files: phrased.jsonl}\n"
        "columns: {text: text, label: label, group: group}\nrationale: {column: why, kind: phrases}\n"
        "splits: {kind: ratio, test: 0.25, group_by: group}\nmax_length: 32\nmetrics: [macro_f1, accuracy]\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def recipe(encoder_folder, phrased, tmp_path_factory):
    return RunConfig(
        data=str(phrased),
        method="finetune",
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path_factory.mktemp("replay")),
        report=False,
        model=ModelConfig(aggregation="last"),
        contrastive=ContrastiveConfig(weight=0),
        optim=OptimConfig(lr=1e-3, head_lr=1e-2),
        batch=BatchConfig(size=8),
        trainer=TrainerConfig(epochs=2, accelerator="cpu", precision="fp32"),
    )


@pytest.fixture(scope="module")
def replayed(recipe):
    gamblers = replace(
        recipe,
        method="gamblers",
        model=ModelConfig(aggregation="last", abstain=True),
        loss=LossConfig(name="gamblers", start_share=0.3),
    )
    told = []
    return replay_single_label(recipe, gamblers, 200, told.append), told


def test_the_rows_of_each_cut(recipe):
    cuts = {name: cut_rows(recipe, 200, Defects.only(name)) for name in ("random_cut", "leaked_split")}
    sound = cut_rows(recipe, 200, SOUND)
    random, leaked = cuts["random_cut"], cuts["leaked_split"]
    assert list(random.held.frame["id"]) == list(leaked.held.frame["id"]) and len(random.held) == 14
    assert sound.trained_on == sound.source_trained_on == random.trained_on == 0
    assert random.source_trained_on > 0.8
    train, validation = leaked.fitted.part("train").frame["id"], leaked.fitted.part("validation").frame["id"]
    held = set(leaked.held.frame["id"])
    assert leaked.trained_on == pytest.approx(len(held & set(train)) / 14) and leaked.trained_on > 0.6
    # The rows that choose the epoch are never evaluated, and both cuts have as many.
    assert not held & set(validation)
    assert len(validation) == len(random.fitted.part("validation")) == 6
    assert len(train) == len(random.fitted.part("train")) == 72 - 14 - 6
    # The leak is that of the published index slip: the first 14 rows are not trained on.
    first = set(cut_rows(replace(recipe, limit=14), 200, Defects.only("random_cut")).fitted.frame["id"])
    assert not first & set(train)


def test_a_given_split_is_pooled_and_its_repeated_texts_are_dropped(tmp_path, recipe):
    rows = [{"text": f"post number {n // 2}", "label": "ab"[n % 2], "split": "train"} for n in range(40)]
    rows[-1]["split"] = "test"
    pd.DataFrame(rows).to_csv(tmp_path / "given.csv", index=False)
    (tmp_path / "given.yaml").write_text(
        "name: given\ntask: multiclass\nlabels: [a, b]\nsource: {files: given.csv}\n"
        "columns: {text: text, label: label, split: split}\n"
    )
    config = replace(recipe, data=str(tmp_path / "given.yaml"))
    sound, leaked = cut_rows(config, 345, SOUND), cut_rows(config, 345, Defects.only("leaked_split"))
    assert list(sound.held.frame["id"]) == list(leaked.held.frame["id"]) and len(sound.held) == 8
    assert not set(sound.fitted.texts) & set(sound.held.texts)
    assert set(leaked.fitted.texts) & set(leaked.held.texts)
    with pytest.raises(DataError, match="has no expert phrases"):
        replay_single_label(config, config, 345)


def test_a_trained_run_is_found_again(recipe, monkeypatch):
    cut = cut_rows(recipe, 200, SOUND)
    first = trained_run(recipe, cut, 200, SOUND)
    monkeypatch.setattr("explain.welldunn_runs.fit_table", None)
    again = trained_run(recipe, cut, 200, SOUND)
    assert again.folder == first.folder and again.max_length == 32
    assert first.folder.name.startswith("phrased-finetune-sound-split200-")
    np.testing.assert_allclose(again.predict_proba(cut.held.texts), first.predict_proba(cut.held.texts))
    with pytest.raises(TypeError):
        trained_run(replace(recipe, seed=2), cut, 200, SOUND)


@pytest.mark.parametrize("family", ["bert", "xlnet", "roberta"])
def test_tokens_and_attention_are_those_of_the_tokenizer(encoder_folder, tiny_dataset, tmp_path, family):
    loaded = small_run(tiny_dataset, encoder_folder(family), tmp_path)
    network, tokenizer = loaded.parts()
    texts = ["my knee hurts when the stairs are wet", "nobody saved me a seat"]
    plain, padded = token_scores(loaded, texts, SOUND), token_scores(loaded, texts, Defects.only("padding"), 24)
    heads = head_attention(loaded, texts, SOUND)
    network.encoder.set_attn_implementation("eager")
    for number, text in enumerate(texts):
        encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0].tolist()
        with torch.no_grad():
            last = network.encoder(**encoded, output_attentions=True).attentions[-1][0]
        assert list(plain[number].tokens) == tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])
        assert [list(span) for span in plain[number].spans] == offsets
        received = last.mean(dim=0).sum(dim=0)
        np.testing.assert_allclose(plain[number].scores, received / received.sum(), atol=1e-5)
        np.testing.assert_allclose(heads[number], last[-1], atol=1e-5)
        assert len(padded[number].tokens) == 24
        assert padded[number].tokens.count("[PAD]") == 24 - len(offsets)
        pads = [token == "[PAD]" for token in padded[number].tokens]
        # XLNet lets every token see itself, padding too.
        assert np.all(padded[number].scores[pads] == 0) or family == "xlnet"


def test_records_of_one_label(replayed, recipe):
    records, told = replayed
    assert len(told) == 6
    by = {(item.family, item.setting, item.measure): item for item in records}
    assert len(by) == len(records)
    settings = {family: {item.setting for item in records if item.family == family} for family in
                ("split", "overlap", "rank", "coverage")}  # fmt: skip
    assert settings["split"] == {"sound", "random_cut", "leaked_split"}
    assert settings["overlap"] == {"sound", "one_head", "padding", "kept_specials", "string_keys", "word_pieces",
                                   "fixed_top", "all", LEAKED}  # fmt: skip
    assert settings["rank"] == {"sound", "first_layer", "padding", "value_table", "all", LEAKED}
    assert settings["coverage"] == {"sound", "gold_column", "lost_row", "all", LEAKED}
    # The numbers are those of the models.
    cut = cut_rows(recipe, 200, SOUND)
    run = trained_run(recipe, cut, 200, SOUND)
    network, tokenizer = run.parts()
    decisions = predict_network(network, tokenizer, cut.held.texts, 32, recipe.batch).decisions
    accuracy = by["split", "sound", "accuracy"]
    assert accuracy.value == pytest.approx((decisions == cut.held.targets).mean())
    assert accuracy.ci_low <= accuracy.value <= accuracy.ci_high and accuracy.n == len(cut.held)
    posts = token_scores(run, cut.held.texts, PUBLISHED)
    found = overlap_of_posts(posts, cut.held, expert_phrases(recipe), PUBLISHED)
    assert by["overlap", "all", "overlap"].value == pytest.approx(found.score)
    assert by["overlap", "all", "overlap"].change == pytest.approx(
        found.score - by["overlap", "sound", "overlap"].value
    )
    change = by["split", "leaked_split", "accuracy"].value - by["split", "random_cut", "accuracy"].value
    assert by["split", "leaked_split", "accuracy"].change == pytest.approx(change)
    assert by["rank", "value_table", "rank"].ci_low is None
    own = cut.held.targets == 1
    assert by["classes", "sound", "recall/work"].value == pytest.approx((decisions[own] == 1).mean())
    leaked = cut_rows(recipe, 200, Defects.only("leaked_split"))
    train = leaked.fitted.part("train")
    assert by["classes", "leaked_split", "train_rows/work"].value == (train.targets == 1).sum()
    of_class = leaked.held.frame["id"][leaked.held.targets == 1]
    assert by["classes", "leaked_split", "trained_on/work"].value == of_class.isin(train.frame["id"]).mean()
    assert by["coverage", "lost_row", "accuracy@1"].n == by["coverage", "sound", "accuracy@1"].n - 1
    assert by["coverage", "sound", "accuracy@1"].method == "gamblers"


def test_phrases_stay_with_their_rows(recipe):
    phrases = expert_phrases(recipe)
    held = cut_rows(recipe, 200, SOUND).held
    assert len(phrases) == 72
    for name, text in zip(held.frame["id"], held.texts, strict=True):
        assert phrases[name] in text


def test_the_page_is_made_of_records_alone(replayed, tmp_path):
    records, _ = replayed
    file = write_replay(tmp_path / "records.jsonl", records)
    again = read_replay(file)
    assert sorted(map(repr, again)) == sorted(map(repr, records))
    content = file.read_text(encoding="utf-8")
    page = replay_markdown(again, "the command")
    for sentences in SENTENCES.values():
        assert not any(sentence in content or sentence in page for sentence in sentences)
    assert "**Decisions by class**" in page
    assert page.count("**Decisions**") == page.count("**Attention overlap**") == page.count("**Attention rank**") == 1
    by = {(item.family, item.setting, item.measure): item for item in records}
    sound = by["split", "sound", "accuracy"]
    assert f"{sound.value:.3f} [{sound.ci_low:.3f}, {sound.ci_high:.3f}]" in page
    assert "Made by `the command`" in page
    assert replay_markdown(again, "the command") == page
    name = again[0].dataset
    assert "not replayed yet" not in replay_markdown(again, "the command", (name,))
    assert "\nPlanned and not replayed yet: cams, irf.\n" in replay_markdown(again, "x", ("cams", name, "irf"))
    # Two seeds: the mean of both.
    other = [replace(item, split_seed=345, value=None if item.value is None else item.value + 0.1) for item in again]
    both = replay_markdown([*again, *other], "x")
    assert f"{sound.value + 0.05:.3f} [" in both and "\n\nSplit seeds 200, 345.\n" in both


def test_records_are_replaced_by_data_set_and_seed(tmp_path):
    def record(seed, value):
        return ReplayRecord("d", "finetune", "tiny", "split", "sound", seed, "accuracy", value, None, None, 3)

    merged = merge_replay([record(1, 0.1), record(2, 0.2)], [record(2, 0.5)])
    assert [(item.split_seed, item.value) for item in merged] == [(1, 0.1), (2, 0.5)]
    file = tmp_path / "broken.jsonl"
    file.write_text('{"dataset": "d"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="broken.jsonl, line 1: is no record of the replay"):
        read_replay(file)
    assert read_replay(tmp_path / "missing.jsonl") == []
    with pytest.raises(DataError, match="the records are of 0 encoders"):
        replay_markdown([], "x")


def test_several_labels(recipe, tiny_multilabel):
    records = replay_several_labels(replace(recipe, data=str(tiny_multilabel)), 546)
    by = {(item.setting, item.measure): item for item in records}
    assert {setting for setting, _ in by} == {"sound", "leaked_split", "gold_count", "all"}
    assert by["sound", "micro_f1"].change is None
    for setting in ("leaked_split", "gold_count", "all"):
        change = by[setting, "micro_f1"].value - by["sound", "micro_f1"].value
        assert by[setting, "micro_f1"].change == pytest.approx(change)
    page = replay_markdown(records, "x")
    assert "as many labels as the gold has" in page and "Both together:" in page
