"""Works on the demo corpus with a tiny encoder: both sides run, agree, and are kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generation_support import build_decoder_folder

from mhclf.errors import ConfigError
from mhclf.models import encoder
from mhclf.results.speed import Check
from speed.carry_out import Job, aim_on, guess, kept, measure, merged, plan, sets_here, work_names
from speed.prediction import half_checks
from speed.work import WORKS, Bench


@pytest.fixture(scope="module")
def bench(encoder_folder, tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("speed"), encoder=str(encoder_folder("bert")), limit=8)


@pytest.mark.parametrize(
    "work",
    ["training", "training_best_flags", "training_by_length", "training_bare_loop", "training_layer_attention"],
)
def test_training_works(work, bench):
    found = measure(Job(work, "demo"), bench, 2)
    assert len(found.rounds) == 2
    assert {item.ours.amount for item in found.rounds} | {item.theirs.amount for item in found.rounds} == {8}
    assert all(item.ours.value > 0 and item.theirs.value > 0 for item in found.rounds)
    assert found.settings["posts"] == 8 and found.settings["encoder"] == "tiny-bert"
    # Loss and gradient of the same posts from the same weights; layer attention is another network.
    assert len(found.checks) == (0 if work == "training_layer_attention" else 2)
    assert found.same, [str(check) for check in found.checks]


def test_we_train_in_several_passes_and_peers_in_one(bench, monkeypatch):
    rows, whole = [], encoder._read
    monkeypatch.setattr(encoder, "_BLOCK", 1)
    monkeypatch.setattr(encoder, "_read", lambda *given: rows.append(len(given[1]["input_ids"])) or whole(*given))
    work = WORKS.get("training_bare_loop")(bench, "demo")
    work.prepare()
    rows.clear()
    work.ours()
    assert rows[:8] == [1] * 8
    rows.clear()
    work.theirs()
    assert rows == [8]
    rows.clear()
    assert all(check.passed for check in work.check()) and sorted(rows) == [1] * 8 + [8]


@pytest.mark.parametrize("work", ["prediction", "occlusion", "comprehensiveness", "integrated_gradients"])
def test_both_sides_give_the_same_numbers(work, bench):
    found = measure(Job(work, "demo"), bench, 1)
    assert found.same, [str(check) for check in found.checks]
    gap = next(check for check in found.checks if check.name.startswith("largest gap"))
    assert 0 <= gap.value <= 1e-4 and gap.limit == 1e-4


@pytest.mark.parametrize("work", ["label_scoring", "generation"])
def test_a_decoder_scores_and_says_the_same_in_batches(work, bench, tmp_path):
    decoder = str(build_decoder_folder(tmp_path / "tiny-llama", positions=1024))
    found = measure(Job(work, "demo"), replace(bench, decoder=decoder), 1)
    assert found.same, [str(check) for check in found.checks]
    (check,) = found.checks
    if work == "label_scoring":
        assert check.limit == 1e-4 and found.rounds[0].ours.amount == found.rounds[0].theirs.amount == 8
        assert found.aim == pytest.approx(0.8 * found.settings["labels"])
    else:
        assert check.limit == 0.9 and found.rounds[0].ours.amount <= 8 * found.settings["new_tokens"]
        assert found.settings["shared_tokens"] > 0


def test_shapley_agrees_with_shap_set_by_set(bench):
    found = measure(Job("shapley", "demo"), Bench(bench.folder, encoder=bench.encoder, limit=1), 1)
    assert found.same, [str(check) for check in found.checks]
    # Evaluations are counted, not taken from the budget.
    assert found.rounds[0].ours.amount == found.settings["our_evaluations_a_post"]
    assert 100 < found.rounds[0].ours.amount <= 203 and 100 < found.rounds[0].theirs.amount <= 260


def test_memory_and_near_duplicates(bench):
    small = Bench(bench.folder, encoder=bench.encoder, limit=400)
    memory = measure(Job("memory", "synthetic"), small, 1)
    assert memory.same and memory.rounds[0].ours.value > 100
    assert (memory.settings["posts"], memory.settings["fewer"]) == (400, 100)
    audit = measure(Job("near_duplicates", "25000 posts"), small, 1)
    assert audit.same and audit.settings["posts"] == 400


def test_quality_is_measured_over_three_seeds(bench):
    found = measure(Job("quality", "demo"), bench, 1)
    assert len(found.rounds) == 3
    assert all(0 <= item.ours.value <= 1 and 0 <= item.theirs.value <= 1 for item in found.rounds)
    assert found.limit is not None


def test_half_precision_is_held_against_labels_and_gaps():
    own, other = np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.88, 0.12], [0.52, 0.48]])
    alike, gap = half_checks(own, other)
    assert (alike.value, alike.passed) == (0.5, False)
    assert gap.value == pytest.approx((0.02 + 0.12) / 2) and not gap.passed
    assert all(check.passed for check in half_checks(own, own))


def test_what_is_done_with_the_same_settings_is_kept(bench):
    found = measure(Job("near_duplicates", "25000 posts"), bench, 1)
    job = Job("near_duplicates", "25000 posts")
    assert kept(job, bench, 1, [found]) is found
    assert kept(job, bench, 2, [found]) is None
    assert kept(job, Bench(bench.folder, encoder=bench.encoder), 1, [found]) is None
    assert kept(Job("near_duplicates", "100000 posts"), bench, 1, [found]) is None
    assert guess(job, 4, [found]) == pytest.approx(4 * found.seconds)
    assert guess(job, 4, []) == WORKS.get("near_duplicates").guess * 5
    assert merged([found], found) == [found]
    # So is another model.
    assert kept(job, replace(bench, decoder="another"), 1, [found]) is None
    # Another machine or number of threads is another measurement: neither kept for this one, nor lost.
    slow = replace(found, environment={**found.environment, "omp_wait_policy": "ACTIVE", "gomp_spincount": None})
    assert kept(job, bench, 1, [slow]) is None and slow.machine.endswith("OMP_WAIT_POLICY ACTIVE, no GPU")
    elsewhere = replace(found, environment={**found.environment, "torch_threads": 64})
    assert kept(job, bench, 1, [elsewhere]) is None
    assert merged([elsewhere], found) == merged([found], elsewhere) and len(merged([elsewhere], found)) == 2


def test_start_up_is_kept(bench):
    job = Job("start_up", "import mhclf")
    found = measure(job, bench, 1)
    assert found.ours == "python -c import mhclf" and found.rounds[0].ours.value > 0
    assert kept(job, bench, 1, [found]) is found


def test_another_result_fails_the_check(bench, monkeypatch):
    work = WORKS.get("prediction")
    own = work.ours

    def spoilt(self):
        sample = own(self)
        self.own = self.own + 2e-4
        return sample

    monkeypatch.setattr(work, "ours", spoilt)
    assert not measure(Job("prediction", "demo"), bench, 1).same


def test_aims_are_for_a_cpu():
    bench = Bench(Path("nowhere"), device="cuda")
    assert aim_on(bench, WORKS.get("prediction")(bench, "dreaddit")) is None
    assert aim_on(replace(bench, device="cpu"), WORKS.get("prediction")(bench, "dreaddit")) == 3.0


def test_sides_change_places(bench, monkeypatch):
    order = []
    work = WORKS.get("near_duplicates")
    own, other = work.ours, work.theirs
    monkeypatch.setattr(work, "ours", lambda self: (order.append("ours"), own(self))[1])
    monkeypatch.setattr(work, "theirs", lambda self: (order.append("theirs"), other(self))[1])
    monkeypatch.setattr(work, "check", lambda self: [Check("gap", 1.0, 0.0)])
    found = measure(Job("near_duplicates", "25000 posts"), bench, 3)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert not found.same


def test_the_plan_lists_each_work_on_each_set():
    jobs = plan([], ["demo", "dreaddit"])
    assert Job("prediction", "demo") in jobs and Job("prediction", "dreaddit") in jobs
    assert Job("start_up", "import mhclf") in jobs and Job("start_up", "train --help") in jobs
    assert "quality" not in {job.work for job in jobs} and "quality" in work_names(by_default=False)
    assert plan(["quality"], ["demo"]) == [Job("quality", "demo")]
    with pytest.raises(ConfigError, match="Unknown work 'predicton'. Did you mean 'prediction'"):
        plan(["predicton"], ["demo"])


def test_without_data_the_demo_corpus_is_measured(tmp_path, monkeypatch):
    monkeypatch.delenv("MHCLF_DATA", raising=False)
    monkeypatch.setenv("MHCLF_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert sets_here(str(tmp_path)) == ["demo"]
