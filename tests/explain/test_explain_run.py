"""Explaining a run folder: files, numbers recomputed from them, the page, the committed records."""

import html
import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from doors import door
from sklearn.metrics import average_precision_score
from support import small_run

from explain.change import accuracy_change, fidelity_changes
from explain.items import items_of
from explain.measuring import HIGHER_IS_BETTER, explain_items
from explain.plausibility import expected_hits
from explain.run import LINEAR_METHODS, chosen_methods, explain_run, read_run_fidelity
from explain.suite import explain_suite, read_suite_fidelity, suite_latex, suite_page
from explain.summary import FidelityRecord, answers, right_for_the_right_reason, summarise
from explain.tables import fidelity_table, label_table
from mhclf.config.loss import EvidenceConfig
from mhclf.config.run import RunConfig
from mhclf.config.suite import ExplainedConfig, GridConfig, SuiteConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.load import load_table
from mhclf.data.repair import Rationale
from mhclf.data.second_opinion import second_spans
from mhclf.data.spans import marked_words
from mhclf.data.spans import words as split_words
from mhclf.errors import ConfigError, DataError, RunError
from mhclf.evaluation import paired_means
from mhclf.results.predictions import predictions_of
from mhclf.results.runfolder import read_run
from mhclf.results.tables import to_markdown
from mhclf.training.run import run
from mhclf.training.saved import load_run

REPOSITORY = Path(__file__).resolve().parents[2]
METHODS = ("random", "attention", "occlusion", "input_x_gradient")


@pytest.fixture(scope="module")
def config(encoder_folder, tmp_path_factory):
    return RunConfig(
        data="demo",
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path_factory.mktemp("runs")),
        report=False,
        limit=24,
        max_length=64,
        optim=OptimConfig(lr=1e-3, head_lr=1e-2),
        batch=BatchConfig(size=8),
        trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"),
    )


@pytest.fixture(scope="module")
def explained(config):
    return explain_run(run(config).folder, METHODS, limit=10)


def test_no_file_but_the_page_holds_text(explained):
    texts = load_table("demo").texts
    pieces = {text[start : start + 25] for text in texts for start in range(0, max(1, len(text) - 25), 25)}
    for name in ("fidelity.jsonl", "fidelity.json"):
        content = (explained.folder / name).read_text()
        assert not [piece for piece in pieces if piece in content]
    attributions = pd.read_parquet(explained.folder / "attributions.parquet")
    assert list(attributions.columns) == [
        "id", "target", "probability", "method", "settings", "converged", "completeness_gap", "starts", "ends", "seen",
        "scores",
    ]  # fmt: skip
    assert json.loads(attributions["settings"][0])["max_length"] == 64
    assert (explained.folder / "figures" / "fidelity.png").stat().st_size > 10_000


def test_numbers_follow_from_the_saved_attributions(explained):
    attributions = pd.read_parquet(explained.folder / "attributions.parquet")
    numbers = pd.read_parquet(explained.folder / "fidelity.parquet")
    table = load_table("demo")
    place = {identifier: row for row, identifier in enumerate(table.frame["id"].astype(str))}
    assert set(numbers["method"]) == {*METHODS, "second_annotator"}
    checked = 0
    for row in attributions.itertuples():
        own = numbers[(numbers["id"] == row.id) & (numbers["method"] == row.method)].iloc[0]
        words = list(zip(row.starts, row.ends, strict=True))
        gold = marked_words(words, table.rationales[place[row.id]].spans)
        scores = np.maximum(np.array(row.scores), 0)
        seen = np.array(row.seen)
        hits = expected_hits(scores[seen], gold[seen], int(gold[seen].sum()))
        assert own["f1_own_length"] == pytest.approx(hits / gold[seen].sum(), abs=1e-4)
        checked += 1
    assert checked == len(attributions) == len(METHODS) * explained.counts["items"]


def test_records_are_means_and_paired_differences(explained):
    numbers = pd.read_parquet(explained.folder / "fidelity.parquet")
    found = {(r.method, r.metric): r for r in explained.records if r.slice == "all"}
    assert {metric for _, metric in found} == set(HIGHER_IS_BETTER) - {"max_sensitivity"}
    assert found["random", "deletion_auc"].n == 0, "the curves were not asked for"
    wide = numbers.pivot_table(index="id", columns="method", values="auprc")
    for method in METHODS:
        record = found[method, "auprc"]
        assert record.value == pytest.approx(wide[method].mean()) and record.n == len(wide)
        assert record.ci_low <= record.value <= record.ci_high
        if method != "random":
            assert record.vs_random.difference == pytest.approx((wide[method] - wide["random"]).mean())
    assert found["random", "auprc"].vs_random is None
    # People are no method: they are in no test, and no method is tested against them.
    human = found["second_annotator", "auprc"]
    assert human.value is not None and (human.vs_random, human.vs_attention, human.vs_best) == (None, None, None)
    best = max((method for method in METHODS if method != "random"), key=lambda method: wide[method].mean())
    assert found[best, "auprc"].vs_best is None
    for method in set(METHODS) - {best}:
        assert found[method, "auprc"].vs_best.difference == pytest.approx((wide[method] - wide[best]).mean())
    raw = paired_means(
        wide["random"].to_numpy(), wide["attention"].to_numpy(), numbers.drop_duplicates("id").set_index("id")["group"]
        .loc[wide.index].to_numpy(), n_resamples=1000, test="permutation",
    )  # fmt: skip
    assert raw.p_value <= found["random", "auprc"].vs_attention.p <= min(1.0, 3 * raw.p_value)
    by_label = {r.slice: r for r in explained.records if r.slice.startswith("label ") and r.method == "random"}
    labels = set(numbers["target"])
    assert {part.removeprefix("label ") for part in by_label} == (labels if len(labels) > 1 else set())
    correct = [r for r in explained.records if r.slice == "correct" and r.metric == "auprc" and r.method == "random"]
    assert correct[0].n == numbers[numbers["method"] == "random"]["correct"].sum()


def test_a_method_that_is_faithful_by_construction_beats_chance(explained):
    values = {r.method: r.value for r in explained.records if r.slice == "all" and r.metric == "leave_one_out_tau"}
    assert values["occlusion"] == pytest.approx(1.0)
    assert abs(values["random"]) < 0.3


def test_the_second_annotator_is_the_ceiling(explained):
    numbers = pd.read_parquet(explained.folder / "fidelity.parquet")
    rows = numbers[numbers["method"] == "second_annotator"]
    table = load_table("demo")
    place = {identifier: row for row, identifier in enumerate(table.frame["id"].astype(str))}
    spans = second_spans("demo", table, None)
    read = pd.read_parquet(explained.folder / "attributions.parquet").drop_duplicates("id").set_index("id")["seen"]
    for row in rows.to_dict("records"):
        words = split_words(table.texts[place[row["id"]]])
        first, second = (
            marked_words(words, marks)[read[row["id"]]]
            for marks in (table.rationales[place[row["id"]]].spans, spans[row["id"]])
        )
        # As many words as the first one marked, of those that the second marked and, if these are fewer, of the rest.
        hits = expected_hits(second.astype(float), first, int(first.sum()))
        assert row["f1_own_length"] == pytest.approx(hits / first.sum())
    methods = numbers[numbers["method"] != "second_annotator"].groupby("method")["auprc"].mean()
    assert rows["auprc"].mean() > methods.max()
    assert any(sentence.startswith("Ceiling: ") for sentence in answers(explained.records))


def test_it_is_read_back_and_repeated(explained):
    again = read_run_fidelity(explained.folder)
    assert list(map(asdict, again.records)) == json.loads(json.dumps(list(map(asdict, explained.records))))
    first = (explained.folder / "attributions.parquet").read_bytes()
    explain_run(explained.folder, METHODS, limit=10)
    assert (explained.folder / "attributions.parquet").read_bytes() == first


def test_the_page_escapes_and_hides(explained):
    page = (explained.folder / "explanations.html").read_text()
    assert page.count('class="card"') == explained.counts["items"]
    assert all(" hidden>" in part for part in re.findall(r'<p class="said"[^>]*>', page))
    # Names stand as code, not between backticks.
    assert re.search(r"<li>Right for the right reason by <code>\w+</code> ", page)
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    shown = html.unescape(re.sub(r"<[^>]+>", "", page))
    frame = load_table("demo").frame.set_index("id")
    ids = pd.read_parquet(explained.folder / "attributions.parquet")["id"].unique()
    assert len(ids) == explained.counts["items"] and all(frame["text"][name] in shown for name in ids)


def test_items_are_the_same_for_every_run_and_need_evidence(explained, tiny_dataset):
    loaded, table = load_run(explained.folder), load_table("demo").part("test")
    chosen = [item.id for item in items_of(loaded, table, 7)]
    turned = table.select(np.arange(len(table))[::-1])
    assert sorted(chosen) == sorted(item.id for item in items_of(loaded, turned, 7))
    assert set(chosen) < {item.id for item in items_of(loaded, table, 9)}
    assert items_of(loaded, load_table(str(tiny_dataset)).part("test"), None) == []


def test_refusals(explained, config, tiny_dataset):
    with pytest.raises(ConfigError, match="Unknown attribution method 'atention'. Did you mean 'attention'?"):
        explain_run(explained.folder, ["atention"], limit=2)
    with pytest.raises(DataError, match="no post of this part has expert evidence"):
        explain_run(run(replace(config, data=str(tiny_dataset))).folder, ["random"])
    manifest = explained.folder / "data_manifest.json"
    before = manifest.read_text()
    manifest.write_text(before.replace('"data": "', '"data": "0'))
    with pytest.raises(RunError, match="is not the one that the run was trained on"):
        explain_run(explained.folder, ["random"], limit=2)
    manifest.write_text(before)


def test_core_and_all_fit_the_run(explained):
    settings = load_run(explained.folder).config
    assert len(chosen_methods(settings, ["core"])) == 9
    assert {"exact_shapley", "tfidf_weights", "rationale_head"}.isdisjoint(chosen_methods(settings, ["all"]))
    assert chosen_methods(settings, ["random", "core"])[0] == "random"
    marking = replace(settings, evidence=EvidenceConfig(head_weight=0.5))
    assert chosen_methods(marking, ["core"])[9:] == ("rationale_head",)
    assert "rationale_head" in chosen_methods(marking, ["all"])
    linear = replace(settings, model=replace(settings.model, kind="tfidf_lr"))
    assert chosen_methods(linear, ["core"]) == chosen_methods(linear, ["all"]) == LINEAR_METHODS
    recurrent = replace(settings, model=replace(settings.model, kind="bilstm"))
    assert chosen_methods(recurrent, ["core"]) == (
        "input_x_gradient", "integrated_gradients", "permutation_shapley", "occlusion", "random",
    )  # fmt: skip


BOTH = ExplainedConfig(("random", "attention"), 10)


def test_a_suite_is_explained_once_and_summed_up(config, tmp_path, monkeypatch):
    records = tmp_path / "fidelity.jsonl"
    explain_suite([config], records, ExplainedConfig(METHODS, 10), None)
    with monkeypatch.context() as patched:
        patched.setattr("explain.suite.explain_run", None)
        explain_suite([config], records, ExplainedConfig(METHODS, 10), None)
    (item,) = read_suite_fidelity(records)
    assert (item.counts["limit"], item.changes) == (10, ())
    suite = SuiteConfig("fidelity", (GridConfig(("demo",), ("lara_supcon",), (1,)),), baselines=("lara_supcon",))
    page = suite_page(suite, records, "make it")
    assert to_markdown(fidelity_table(item.records, item.counts)) in page
    assert all(sentence in page for sentence in answers(item.records))
    assert page == suite_page(suite, records, "make it")
    # With other settings the numbers of before are not taken for these.
    explain_suite([config], records, ExplainedConfig(("random",), 8), None)
    (item,) = read_suite_fidelity(records)
    assert {record.method for record in item.records} == {"random", "second_annotator"}
    assert (item.counts["limit"], item.counts["items"] <= 8) == (8, True)
    # A data set may have a smaller limit of its own.
    explain_suite([config], records, ExplainedConfig(("random",), 8, {"demo": 4, "cams": 2}), None)
    (item,) = read_suite_fidelity(records)
    assert (item.counts["limit"], item.counts["items"] <= 4) == (4, True)
    # Curves are part of what is asked for; then every metric is shown.
    explained = ExplainedConfig(("random", "attention"), 4, curves=True)
    explain_suite([config], records, explained, None)
    whole = SuiteConfig("every", suite.grids, baselines=("lara_supcon",), explained=explained)
    page, latex = suite_page(whole, records, "make it"), suite_latex(whole, records)
    assert page.count("iou_f1 ↑") == page.count("deletion_auc ↓") == page.count("comprehensiveness vs random") == 1
    assert latex.count(r"\label{tab:plausibility-demo-") == latex.count(r"\label{tab:faithfulness-demo-") == 1
    explain_suite([config], records, ExplainedConfig(("random", "attention"), 4), None)
    assert not any(r.metric == "deletion_auc" and r.value for r in read_suite_fidelity(records)[0].records)


def test_a_suite_says_what_another_recipe_changes(config, tmp_path):
    records = tmp_path / "fidelity.jsonl"
    other = replace(config, method="rationale_supervised", evidence=EvidenceConfig(attention_weight=0.5))
    base = replace(config, method="lara_supcon")
    explain_suite([other, base], records, BOTH, None, baseline="lara_supcon")
    first, second = read_suite_fidelity(records)
    assert (first.records[0].model, second.records[0].model) == ("lara_supcon", "rationale_supervised")
    assert first.changes == ()
    found = {(change.method, change.metric): change for change in second.changes}
    value = {(r.method, r.metric): r.value for item in (first, second) for r in item.records if r.slice == "all"}
    change = found["attention", "auprc"]
    assert change.value == pytest.approx(value["attention", "auprc"])
    assert change.change.difference == pytest.approx(change.value - change.baseline_value)
    # Chance marks the same words whatever the model is.
    assert found["random", "auprc"].change.difference == 0.0
    tests = [read_run(path).predictions for path in sorted(Path(config.out).glob("demo/*supcon*"))[:1]]
    assert found["", "accuracy"].n == len(tests[0].ids)
    grid = GridConfig(("demo",), ("lara_supcon", "rationale_supervised"), (1,))
    page = suite_page(SuiteConfig("fidelity", (grid,), baselines=("lara_supcon",)), records, "make it")
    assert "**demo: rationale_supervised against lara_supcon**" in page
    assert "not explained yet" not in page
    wider = GridConfig(("demo", "cams"), ("lara_supcon",), (1,))
    page = suite_page(SuiteConfig("fidelity", (wider,), baselines=("lara_supcon",)), records, "make it")
    assert "\nPlanned by the suite and not explained yet: cams (lara_supcon, seed 1).\n" in page
    latex = suite_latex(SuiteConfig("fidelity", (grid,), baselines=("lara_supcon",)), records)
    assert latex.startswith("% \\usepackage{booktabs,graphicx}")
    assert latex.count(r"\begin{table}") == latex.count(r"\label{tab:fidelity-demo-") == 3


def test_a_suite_keeps_committed_cells_without_their_run_folders(config, tmp_path, monkeypatch, caplog):
    records = tmp_path / "fidelity.jsonl"
    base = replace(config, method="lara_supcon", out=str(tmp_path / "first"))
    other = replace(base, method="rationale_supervised", evidence=EvidenceConfig(attention_weight=0.5))
    explain_suite([base], records, BOTH, None, baseline="lara_supcon")
    before = records.read_text()
    moved = [replace(cell, out=str(tmp_path / "second")) for cell in (base, other)]
    with monkeypatch.context() as patched:
        patched.setattr("explain.suite.run", None)
        explain_suite(moved[:1], records, BOTH, None, baseline="lara_supcon")
    assert records.read_text() == before
    # A recipe that is new is held against its baseline, post by post: the baseline is explained again.
    explain_suite(moved, records, BOTH, None, baseline="lara_supcon")
    assert records.read_text().splitlines()[0] + "\n" == before
    assert [item.records[0].model for item in read_suite_fidelity(records)] == ["lara_supcon", "rationale_supervised"]
    # The other way round: what is kept is there while another cell is explained, and afterwards.
    after = records.read_text()
    added = replace(base, seed=2, out=str(tmp_path / "second"))
    with monkeypatch.context() as patched:
        patched.setattr("explain.suite.run", lambda cell: (_ for _ in ()).throw(RunError("stopped")))
        with pytest.raises(RunError, match="stopped"):
            explain_suite([added, *moved], records, BOTH, None, baseline="lara_supcon")
    assert records.read_text() == after
    explain_suite([added, *moved], records, BOTH, None, baseline="lara_supcon")
    lines = read_suite_fidelity(records)
    assert {(line.records[0].model, line.records[0].seed) for line in lines} == {
        ("lara_supcon", 2),
        ("lara_supcon", base.seed),
        ("rationale_supervised", base.seed),
    }
    assert set(after.splitlines()) < set(records.read_text().splitlines())


def test_changes_by_hand():
    rows = [("a", "g1", 0.9, 0.5), ("b", "g2", 0.7, 0.6), ("c", "g3", 0.8, 0.2), ("d", "g3", None, 0.4)]
    fixed = {"correct": True, "method": "attention"}
    frames = [
        pd.DataFrame([{"id": row[0], "group": row[1], "target": target, "auprc": row[k]} | fixed for row in rows])
        for k, target in ((2, "yes"), (3, "no"))
    ]
    identity = {"dataset": "d", "model": "new", "baseline": "old"}
    # One item a post: the label that each run explains may differ, and an item that one has not measured is left out.
    (change,) = fidelity_changes(*frames, identity)
    assert (change.method, change.metric, change.n) == ("attention", "auprc", 3)
    assert change.value == pytest.approx(0.8)
    assert change.change.difference == pytest.approx((0.4 + 0.1 + 0.6) / 3)
    # All eight ways to swap three groups: only this one and its mirror are as far from 0.
    assert change.change.p == pytest.approx(0.25, abs=0.05)
    # Several items a post are joined by label: of "yes", "no" and "more" only "more" is explained by both.
    double = [pd.concat([frame, frame.assign(target="more")]) for frame in frames]
    (change,) = fidelity_changes(*double, identity)
    assert change.n == 3 and change.change.difference == pytest.approx((0.4 + 0.1 + 0.6) / 3)


def test_change_of_accuracy_by_hand():
    def predictions(ids, gold, predicted):
        frame = pd.DataFrame({
            "id": ids, "group": ids, "split": "test", "gold": gold, "prediction": predicted, "abstention": 0.0,
            "probability/no": 0.5, "probability/yes": 0.25, "probability/maybe": 0.25,
        })  # fmt: skip
        return predictions_of(frame, ("no", "yes", "maybe"), multilabel=isinstance(gold[0], list))

    ours = predictions(["a", "b", "c", "d"], ["yes", "no", "yes", "no"], ["yes", "no", "yes", "yes"])
    theirs = predictions(["d", "c", "b", "a"], ["no", "yes", "no", "yes"], ["no", "no", "yes", "yes"])
    identity = {"dataset": "d", "model": "new", "baseline": "old"}
    change = accuracy_change(ours, theirs, identity)
    assert (change.n, change.value, change.baseline_value, change.change.difference) == (4, 0.75, 0.5, 0.25)
    # Several labels a post: each label is a decision.
    sets = [predictions(["a", "b"], [["no"], []], found) for found in ([["no"], ["yes"]], [["no", "yes"], []])]
    change = accuracy_change(*sets, identity)
    assert (change.value, change.baseline_value) == (pytest.approx(5 / 6), pytest.approx(5 / 6))
    other = predictions(["a", "b", "c", "x"], ["yes", "no", "yes", "no"], ["yes", "no", "yes", "yes"])
    with pytest.raises(DataError, match="^new and old were tested on different posts.$"):
        accuracy_change(ours, other, identity)


def test_the_gold_label_can_be_explained_and_scores_taken_by_size(explained, config, tmp_path):
    loaded, part = load_run(explained.folder), load_table("demo").part("test")
    gold = dict(zip(part.frame["id"].astype(str), part.targets.tolist(), strict=True))
    plain, golden = items_of(loaded, part, None), items_of(loaded, part, None, explains="gold")
    assert [item.label for item in golden] == [gold[item.id] for item in golden]
    assert [item.correct for item in golden] == [item.correct for item in plain]
    assert [item.predicted for item in golden] == [loaded.labels[item.label] for item in plain]
    assert any(item.label != gold[item.id] for item in plain), "every decision is right: this shows nothing"

    folder = tmp_path / "copy"
    shutil.copytree(explained.folder, folder)
    sized = explain_run(folder, ("input_x_gradient",), 6, faithful=False, explains="gold", absolute=True)
    assert (sized.counts["explains"], sized.counts["absolute"]) == ("gold", True)
    numbers = pd.read_parquet(folder / "fidelity.parquet")
    for row in pd.read_parquet(folder / "attributions.parquet").itertuples():
        place = part.frame["id"].astype(str).tolist().index(row.id)
        marks = marked_words(list(zip(row.starts, row.ends, strict=True)), part.rationales[place].spans)
        expected = average_precision_score(marks[row.seen], np.abs(row.scores)[row.seen])
        own = numbers[(numbers["id"] == row.id) & (numbers["method"] == "input_x_gradient")].iloc[0]
        assert own["auprc"] == pytest.approx(expected, abs=1e-4)
    notes = fidelity_table(sized.records, sized.counts).notes
    assert "the gold label" in notes[0] and any("by the size of scores" in note for note in notes)


def test_several_labels_are_explained_one_by_one(tiny_multilabel, encoder_folder, tmp_path):
    loaded = small_run(tiny_multilabel, encoder_folder("bert"), tmp_path)
    part = load_table(str(tiny_multilabel)).part("test")
    # Without evidence by label the most probable one is explained; with it, each label that has evidence.
    (one, two, *_) = split_words(part.texts[1])
    first = Rationale(spans=(split_words(part.texts[0])[0],), parts=1, located=1)
    both = Rationale((one, two), 2, 2, (("body", (one,)), ("people", (two,)), ("work", ())))
    items = items_of(loaded, replace(part, rationales=[first, both] + [Rationale()] * (len(part) - 2)), None)
    probabilities = loaded.predict_proba(part.texts[:2])
    assert [loaded.labels[item.label] for item in items] == [
        loaded.labels[int(probabilities[0].argmax())], "body", "people",
    ]  # fmt: skip
    assert [item.spans for item in items] == [first.spans, (one,), (two,)]
    rows = [0, 1, 1]
    assert [item.correct for item in items] == [
        bool((probabilities[row, item.label] >= 0.5) == (part.targets[row, item.label] == 1))
        for row, item in zip(rows, items, strict=True)
    ]
    for item, row in zip(items, rows, strict=True):
        names = [name for name, value in zip(loaded.labels, probabilities[row], strict=True) if value >= 0.5]
        assert item.predicted == (" + ".join(names) or "(none)")
    found = explain_items(loaded, items, [], ("attention", "random"))
    assert found.counts["items"] == 3 and found.counts["validation_items"] == 0
    assert found.numbers["target"].tolist() == [loaded.labels[item.label] for item in items] * 2


def test_numbers_by_label_and_ties_by_hand():
    rows = [
        {"id": f"p{number}", "group": f"g{number}", "target": "ab"[number % 2], "correct": True, "method": method,
         "auprc": value + (number % 2) / 10 + number / 1e4, "comprehensiveness_at_5": value}
        for number in range(40) for method, value in (("random", 0.2), ("attention", 0.5), ("occlusion", 0.5))
    ]  # fmt: skip
    identity = {"run": "r", "dataset": "d", "model": "m", "encoder": "e", "seed": 1}
    records = summarise(pd.DataFrame(rows), identity, n_resamples=200)
    found = {(record.slice, record.method, record.metric): record for record in records}
    assert found["label a", "attention", "auprc"].value == pytest.approx(0.5 + 19 / 1e4)
    assert found["label b", "attention", "auprc"].value == pytest.approx(0.6 + 20 / 1e4)
    # Single shares are shown for all items only, and in no test.
    single = [record for record in records if record.metric == "comprehensiveness_at_5"]
    assert {(record.slice, record.vs_random) for record in single} == {("all", None)}
    sentence = next(text for text in answers(records) if "AUPRC" not in text and "auprc" in text)
    assert "has the highest mean (auprc 0.552 [" in sentence and sentence.endswith("(0.552).")
    assert "cannot be told from `" in sentence and "random" not in sentence
    assert [row[:2] for row in label_table(records).rows] == [("a", 20), ("b", 20)]


def test_answers_by_hand():
    groups = [f"g{number}" for number in range(40)]
    generator = np.random.default_rng(0)
    rows = []
    for method, level in (("random", 0.2), ("attention", 0.3), ("layer_attentive_attention", 0.6), ("occlusion", 0.5)):
        for group in groups:
            value = level + generator.normal(scale=0.05)
            rows.append(
                {"id": group, "group": group, "target": "a", "correct": group < "g2", "method": method,
                 "auprc": value, "comprehensiveness": 1 - value, "f1_own_length": value}
            )  # fmt: skip
    identity = {"run": "r", "dataset": "d", "model": "m", "encoder": "e", "seed": 1}
    numbers = pd.DataFrame(rows)
    records = summarise(numbers, identity, n_resamples=200)
    sentences = answers(records)
    assert "higher" in sentences[0] and "n = 40" in sentences[0]
    assert sentences[1].startswith("`layer_attentive_attention` agrees best with experts (auprc 0.6")
    assert sentences[1].endswith("p < .05 after Holm against each of the others).")
    # Chance leads here, and is not called the most faithful.
    assert sentences[2].startswith("No method is above `random` (comprehensiveness 0.8")
    assert "the highest of them is `attention` (0.685)" in sentences[2]
    assert sentences[3] == "No ceiling: the set has one annotator's marks only."
    assert "higher" in sentences[4]
    assert sentences[5].endswith("over 4 methods: -1.00 (Spearman).")
    reason = right_for_the_right_reason(numbers, "layer_attentive_attention")
    assert reason["n"] == 40 and reason["both"] <= min(reason["correct"], reason["plausible"])
    assert isinstance(records[0], FidelityRecord)


def test_the_door_says_what_it_needs():
    done = door("explain")
    assert (done.returncode, done.stderr) == (2, "error: explain: give --run DIR, or --suite NAME.\n")
    done = door("explain", "--run", "nowhere", "--beside", "other")
    assert (done.returncode, done.stderr) == (
        2, "error: --beside: is for --run with --examine; --run does not read it. Leave it out.\n"
    )  # fmt: skip
    done = door("explain", "--suite", "fidelity", "--seed", "3")
    assert (done.returncode, done.stderr) == (
        2, "error: --seed: is for --run and --run with --examine; --suite does not read it. Leave it out.\n"
    )  # fmt: skip
    done = door("explain", "--run", "nowhere")
    assert (done.returncode, done.stderr) == (
        2, "error: run: there is no folder 'nowhere'. Give the folder that the run printed.\n"
    )  # fmt: skip
