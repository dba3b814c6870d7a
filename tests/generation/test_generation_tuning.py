"""Instruction tuning: tokens and weights, the loss, stages, resuming, and what the tuned model answers."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from generation_support import build_decoder_folder
from support import write_tiny_dataset
from torch.nn import functional

from mhclf.config.generation import GenerationConfig, LabelsConfig, LocalConfig
from mhclf.config.instruction import InstructionConfig
from mhclf.config.model import LoraConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.load import load_table
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.generation import tuning
from mhclf.generation.adapting import with_adapters
from mhclf.generation.decoders import load_decoder
from mhclf.generation.instruction_plan import InstructionPlan, response_loss
from mhclf.generation.instructions import Instruction, TokenisedInstructions, instructions_of
from mhclf.generation.local import LocalBackend
from mhclf.generation.run import run_prompts
from mhclf.generation.tuning import tune

KEPT_OUT = ("body-0", "body-1", "work-1", "work-2", "people-0", "people-1", "people-2", "work-5")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_decoder_folder(tmp_path_factory.mktemp("tuning") / "tiny-llama")


def settings(data: Path, model: Path, out: Path, **options: object) -> InstructionConfig:
    plain = {
        "data": str(data),
        "model": str(model),
        "out": str(out),
        "keep_out": (),
        "optim": OptimConfig(lr=3e-2, weight_decay=0.0),
        "batch": BatchConfig(size=8),
        "trainer": TrainerConfig(epochs=2, precision="fp32"),
        "lora": LoraConfig(rank=8, dropout=0.0),
    }
    return InstructionConfig(**(plain | options))  # type: ignore[arg-type]


def test_responses_are_weighted_and_prompts_are_not(model_folder: Path) -> None:
    tokenizer = load_decoder(str(model_folder)).tokenizer
    item = Instruction("1", "<user>my knee hurts<end><model>", "body", ". Reasoning: the knee")
    rows = TokenisedInstructions(tokenizer, [item], label_weight=5.0, response_tokens=100)
    batch = rows.collate([0])
    ids, weights = batch.ids[0].tolist(), batch.weights[0].tolist()
    assert tokenizer.decode(ids) == "<user>my knee hurts<end><model>body. Reasoning: the knee<end>"
    assert tokenizer.decode([i for i, w in zip(ids, weights, strict=True) if w == 5.0]) == "body"
    assert tokenizer.decode([i for i, w in zip(ids, weights, strict=True) if w == 1.0]) == ". Reasoning: the knee<end>"
    assert rows.truncated == 0
    short = TokenisedInstructions(tokenizer, [item, replace(item, rest="")], 5.0, response_tokens=8)
    assert short.truncated == 1
    assert len(short.collate([0]).ids[0]) < len(ids)
    both = short.collate([0, 1])
    assert both.mask.sum(1).tolist() == short.lengths
    assert (both.weights[both.mask == 0] == 0).all()


def test_the_loss_is_the_weighted_mean_over_response_tokens(model_folder: Path) -> None:
    decoder = load_decoder(str(model_folder))
    items = [
        Instruction("1", "<user>my knee hurts<end><model>", "body", ". Reasoning: knee"),
        Instruction("2", "<user>a<end><model>", "work", ""),
    ]
    rows = TokenisedInstructions(decoder.tokenizer, items, 3.0, 50)
    plan = InstructionPlan(decoder.model, OptimConfig(), 1)
    batch = rows.collate([0, 1])
    with torch.inference_mode():
        found = plan.loss(batch)
        total = weight = 0.0
        for row in (0, 1):
            alone = rows.collate([row])
            logits = decoder.model(input_ids=alone.ids).logits[0]
            losses = functional.cross_entropy(logits[:-1], alone.ids[0, 1:], reduction="none")
            total += float((losses * alone.weights[0, 1:]).sum())
            weight += float(alone.weights.sum())
    assert float(found) == pytest.approx(total / weight, rel=1e-5)
    uniform = torch.zeros(1, 4, 10)
    ids, weights = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[0.0, 0.0, 3.0, 1.0]])
    assert float(response_loss(uniform, ids, weights)) == pytest.approx(float(torch.log(torch.tensor(10.0))))


def test_instructions_have_imhis_form(tiny_dataset: Path, tiny_multilabel: Path, model_folder: Path) -> None:
    backend = LocalBackend(load_decoder(str(model_folder)))
    table = load_table(str(tiny_dataset))
    first = instructions_of(backend, table, True, 50)[0]
    text = table.texts[0]
    assert first.prompt == (f'<user>Consider this post: "{text}" Question: Which label fits the post?<end><model>')
    assert (first.label, first.rest) == ("body", "")
    explained = replace(table, frame=table.frame.assign(explanation="because"))
    assert instructions_of(backend, explained, True, 50)[0].rest == ". Reasoning: because"
    assert instructions_of(backend, explained, False, 50)[0].rest == ""
    several = load_table(str(tiny_multilabel))
    rows = instructions_of(backend, several, True, 50)
    assert len(rows) == 3 * len(several)
    assert {row.label for row in rows} == {"yes", "no"}


def test_a_tuned_adapter_answers_better_and_is_portable(tiny_dataset: Path, model_folder: Path, tmp_path: Path) -> None:
    config = settings(tiny_dataset, model_folder, tmp_path, trainer=TrainerConfig(epochs=3, precision="fp32"))
    outcome = tune(config)
    assert outcome.rows["target"] > 0
    assert (
        json.loads((outcome.folder / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"]
        == "tiny-llama"
    )
    for path in [*outcome.folder.rglob("*.json"), *(outcome.folder / "adapter").iterdir()]:
        assert str(model_folder).encode() not in path.read_bytes(), path
    assert tune(config).was_complete
    asked = GenerationConfig(data=str(tiny_dataset), strategy="imhi", out=str(tmp_path / "asked"))
    plain = LocalConfig(model=str(model_folder), precision="fp32")
    adapted = replace(plain, adapter=str(outcome.folder / "adapter"))
    before, after = (run_prompts(replace(asked, local=local)) for local in (plain, adapted))
    values = [next(record.value for record in item.records if record.metric == "nll") for item in (before, after)]
    assert values[0] is not None
    assert values[1] is not None
    assert values[1] < values[0] - 0.3

    # The fit that tuning left is the one that a run would make itself on the same validation rows.
    held = len(load_table(str(tiny_dataset)).part("validation"))
    assert outcome.rows["fitted"] == held
    tuned, own = (
        run_prompts(replace(asked, local=adapted, post_tokens=config.post_tokens, labels=LabelsConfig(fit=fit)))
        for fit in ("tuned", "validation")
    )
    first, second = (pd.read_parquet(item.folder / "predictions.parquet") for item in (tuned, own))
    pd.testing.assert_frame_equal(first, second, atol=1e-4)
    assert tuned.folder != own.folder
    saved = json.loads((tuned.folder / "data_manifest.json").read_text())["fitted"]
    assert list(saved) == ["Which label fits the post?"]
    file = outcome.folder / "adapter" / "label_fit.json"
    content = json.loads(file.read_text())
    assert (content["dataset"], content["rows"], content["questions"][0]["answers"]) == (
        "tiny", held, ["body", "work", "people"],
    )  # fmt: skip
    with pytest.raises(
        ConfigError, match=rf"is of posts cut at {config.post_tokens} tokens, not 400\. Add --post_tokens"
    ):
        run_prompts(replace(asked, local=adapted, post_tokens=400, labels=LabelsConfig(fit="tuned")))
    # Files of an earlier version did not say at what length.
    file.write_text(json.dumps({key: item for key, item in content.items() if key != "post_tokens"}))
    assert run_prompts(replace(asked, local=adapted, post_tokens=400, labels=LabelsConfig(fit="tuned"))).records
    content["post_tokens"] = asked.post_tokens
    file.write_text(json.dumps(content | {"dataset": "another"}))
    with pytest.raises(ConfigError, match="is of the questions and answers of another, not of those of tiny"):
        run_prompts(replace(asked, local=adapted, labels=LabelsConfig(fit="tuned")))
    file.write_text("{")
    with pytest.raises(ConfigError, match=r"label_fit\.json is no JSON\. Tune again"):
        run_prompts(replace(asked, local=adapted, labels=LabelsConfig(fit="tuned")))
    with pytest.raises(ConfigError, match=r"label_fit\.json was not found\. Give what generate\.py tune made"):
        run_prompts(replace(asked, local=plain, labels=LabelsConfig(fit="tuned")))


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    tiny_dataset: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropping = LoraConfig(rank=4, dropout=0.3)
    whole = tune(settings(tiny_dataset, model_folder, tmp_path / "whole", lora=dropping))
    stops = 0
    original = InstructionPlan.training_step

    def stopping(self: InstructionPlan, batch: object, batch_idx: int) -> object:
        nonlocal stops
        if self.global_step == 8 and not stops:
            stops += 1
            raise RuntimeError("the power went")
        return original(self, batch, batch_idx)  # type: ignore[arg-type]

    config = settings(tiny_dataset, model_folder, tmp_path / "stopped", lora=dropping)
    with monkeypatch.context() as patch:
        patch.setattr(InstructionPlan, "training_step", stopping)
        with pytest.raises(RuntimeError, match="the power went"):
            tune(config)
    again = tune(config)
    assert stops == 1
    first, second = ((item.folder / "adapter" / "adapter_model.safetensors").read_bytes() for item in (whole, again))
    assert first == second


def test_a_run_is_named_by_what_it_learns_and_not_by_where_that_lies(
    tiny_dataset: Path, model_folder: Path, tmp_path: Path
) -> None:
    once = TrainerConfig(epochs=1, precision="fp32")
    moved = tmp_path / "moved"
    shutil.copytree(model_folder, moved / "tiny-llama")
    for file in (tiny_dataset, tiny_dataset.parent / "tiny.jsonl"):
        shutil.copy(file, moved / file.name)
    first = tune(settings(tiny_dataset, model_folder, tmp_path / "a", trainer=once))
    second = tune(settings(moved / tiny_dataset.name, moved / "tiny-llama", tmp_path / "a", trainer=once))
    assert second.was_complete
    assert second.folder == first.folder
    asked = moved / tiny_dataset.name
    asked.write_text(asked.read_text(encoding="utf-8") + 'prompt: {question: "What is it about?"}\n', encoding="utf-8")
    third = tune(settings(asked, model_folder, tmp_path / "a", trainer=once))
    assert third.folder != first.folder


def test_two_stages_and_full_tuning(tiny_dataset: Path, model_folder: Path, tmp_path: Path) -> None:
    general = write_tiny_dataset(tmp_path / "general", copies=1, name="general")
    content = general.read_text(encoding="utf-8")
    rows = (tmp_path / "general" / "general.jsonl").read_text(encoding="utf-8")
    # Other posts: those of the target would be left out, because they stand in its held-out parts.
    (tmp_path / "general" / "general.jsonl").write_text(rows.replace("the", "some far away"), encoding="utf-8")
    general.write_text(content, encoding="utf-8")
    config = settings(
        tiny_dataset, model_folder, tmp_path / "runs", first=(str(general),), lora=LoraConfig(rank=0),
        optim=OptimConfig(lr=1e-2, weight_decay=0.0), trainer=TrainerConfig(epochs=8, precision="fp32"),
    )  # fmt: skip
    outcome = tune(config)
    assert (outcome.folder / "general" / "done.json").is_file()
    assert outcome.rows["general"] > 0
    assert not (outcome.folder / "adapter").exists()
    asked = GenerationConfig(data=str(tiny_dataset), strategy="imhi", out=str(tmp_path / "asked"), max_new_tokens=6)
    local = LocalConfig(model=str(outcome.folder / "model"), precision="fp32")
    said = run_prompts(replace(asked, local=local, labels=LabelsConfig(by="parse")))
    # The form is learnt: nearly every answer is a label, and ends.
    unparsed = next(record.value for record in said.records if record.metric == "unparsed")
    assert unparsed is not None
    assert unparsed < 0.3


def test_posts_with_expert_explanations_are_kept_out(tiny_dataset: Path, model_folder: Path, tmp_path: Path) -> None:
    experts = tmp_path / "experts.yaml"
    content = tiny_dataset.read_text(encoding="utf-8").replace("name: tiny\n", "name: experts\nexplanations: expert\n")
    data = tiny_dataset.parent / "tiny.jsonl"
    lines = data.read_text(encoding="utf-8").splitlines(keepends=True)
    kept_out = [line for line in lines if json.loads(line)["group"] in KEPT_OUT]
    (tmp_path / "experts.jsonl").write_text("".join(kept_out), encoding="utf-8")
    experts.write_text(content.replace("tiny.jsonl", "experts.jsonl"), encoding="utf-8")
    plain = tune(
        settings(tiny_dataset, model_folder, tmp_path / "a", trainer=TrainerConfig(epochs=1, precision="fp32"))
    )
    without = tune(
        settings(
            tiny_dataset, model_folder, tmp_path / "b", keep_out=(str(experts),),
            trainer=TrainerConfig(epochs=1, precision="fp32"),
        )
    )  # fmt: skip
    table = load_table(str(tiny_dataset))
    learning = table.frame["group"].isin(list(KEPT_OUT)) & (table.frame["split"] != "test")
    lost = sum(plain.rows[name] - without.rows[name] for name in ("target", "target_validation"))
    assert lost >= learning.sum() > 0


def learnt_first(config: InstructionConfig, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the ids of the rows that the first stage learns or chooses by, without any training."""
    found: set[str] = set()

    def keep(
        _: object, __: object, ___: object, general: list[PostTable], ____: object
    ) -> tuple[float, dict[str, int]]:
        found.update(*(table.frame["id"][table.frame["split"] != "test"] for table in general))
        return 0.0, {}

    monkeypatch.setattr(tuning, "_carry_out", keep)
    # Nothing was tuned, so there is no model whose labels could be fitted.
    monkeypatch.setattr(tuning, "_fit_labels", lambda *_: 0)
    tune(config)
    return found


def cut_otherwise(folder: Path) -> Path:
    """Write the tiny set once more with other parts; returns its YAML."""
    yaml = write_tiny_dataset(folder, name="general")
    content = yaml.read_text(encoding="utf-8").replace("kind: ratio, test: 0.25", "kind: ratio, test: 0.25, seed: 5")
    yaml.write_text(content, encoding="utf-8")
    return yaml


def test_the_first_stage_learns_no_post_that_is_held_out_of_the_second(
    tiny_dataset: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    general = cut_otherwise(tmp_path / "general")
    config = settings(tiny_dataset, model_folder, tmp_path / "runs", first=(str(general),))
    whole = learnt_first(config, monkeypatch)
    table = load_table(str(tiny_dataset))
    held_out = set(table.frame["id"][table.frame["split"] != "train"])
    assert whole
    assert not whole & held_out
    # A quick look at some rows holds all others out as well: the model may be scored on them.
    assert not learnt_first(replace(config, limit=4), monkeypatch) & held_out


def test_experts_of_the_second_stage_are_kept_out_of_the_first_as_well(
    tiny_dataset: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    general = cut_otherwise(tmp_path / "general")
    plain = settings(tiny_dataset, model_folder, tmp_path / "runs", first=(str(general),))
    told = set(sorted(learnt_first(plain, monkeypatch))[:3])
    rows = (tiny_dataset.parent / "tiny.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    content = tiny_dataset.read_text(encoding="utf-8")
    (tmp_path / "told.jsonl").write_text("".join(row for row in rows if json.loads(row)["id"] in told), "utf-8")
    experts = tmp_path / "experts.yaml"
    experts.write_text(
        content.replace("name: tiny\n", "name: experts\nexplanations: expert\n")
        .replace("files: tiny.jsonl", "files: {test: told.jsonl}")
        .replace("kind: ratio, test: 0.25", "kind: given"),
        encoding="utf-8",
    )
    # Only the second set says that it shares posts with the experts' one.
    target = tmp_path / "target.yaml"
    (tmp_path / "target.jsonl").write_text("".join(rows), encoding="utf-8")
    named = content.replace("name: tiny\n", f"name: target\nshares_text_with: ['{experts}']\n")
    target.write_text(named.replace("tiny.jsonl", "target.jsonl"), encoding="utf-8")
    config = replace(plain, data=str(target))
    assert learnt_first(config, monkeypatch) >= told
    assert not learnt_first(replace(config, keep_out=("experts",)), monkeypatch) & told


def test_settings_that_do_not_fit_are_refused(tmp_path: Path, tiny_dataset: Path) -> None:
    with pytest.raises(ConfigError, match="label_weight: is 0, expected above 0"):
        InstructionConfig(label_weight=0)
    with pytest.raises(ConfigError, match="is the data set of the second stage"):
        InstructionConfig(data="demo", first=("demo",))
    encoding = build_decoder_folder(tmp_path / "tiny-t5", encodes=True)
    with pytest.raises(ConfigError, match="is no causal model"):
        tune(settings(tiny_dataset, encoding, tmp_path))


def test_adapters_learn_under_autocast_on_a_bf16_model(model_folder: Path) -> None:
    """Without peft's casts: autocast gives each product its type, and gradients arrive in fp32."""
    torch.manual_seed(0)
    decoder = load_decoder(str(model_folder), torch.bfloat16)
    model = with_adapters(decoder.model.train(), replace(InstructionConfig().lora, rank=2))
    ids = torch.arange(5, 25).reshape(2, 10)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    learning = {name: one for name, one in model.named_parameters() if one.requires_grad}
    assert {one.dtype for one in learning.values()} == {torch.float32}
    grown = [float(one.grad.abs().sum()) for name, one in learning.items() if "lora_B" in name]
    assert len(grown) > 4
    assert all(math.isfinite(value) and value > 0 for value in grown)
