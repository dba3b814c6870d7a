"""One instruction-tuning run: stages, checkpoints, and the folder of the adapter or the tuned model."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from mhclf.config.generation import GenerationConfig, LocalConfig
from mhclf.config.instruction import InstructionConfig
from mhclf.config.structure import to_mapping, write_yaml
from mhclf.data.audit import audit, drop_shared
from mhclf.data.batches import PostBatches
from mhclf.data.load import load_table
from mhclf.data.manifest import build_manifest, content_hash, data_hash
from mhclf.data.subsets import limit_rows
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.generation.adapting import need_peft, save_adapters, with_adapters
from mhclf.generation.backends import load_backend
from mhclf.generation.cache import AnswerCache
from mhclf.generation.decoders import Decoder, load_decoder
from mhclf.generation.instruction_plan import InstructionPlan
from mhclf.generation.instructions import STRATEGY, TokenisedInstructions, instructions_of
from mhclf.generation.interview import fit_answers, prepare_interview
from mhclf.generation.keeping_out import sets_kept_out
from mhclf.generation.label_fit import NAME as FIT_FILE
from mhclf.generation.label_fit import LabelFit, QuestionFit, write_label_fit
from mhclf.generation.local import LocalBackend
from mhclf.generation.strategy import read_strategy
from mhclf.models.encoder import quiet_transformers
from mhclf.results.files import write_text
from mhclf.training.checkpoints import load_checkpoint, train_or_resume
from mhclf.training.environment import describe_environment, quiet_lightning, resolve_precision
from mhclf.training.folder import RunFolder
from mhclf.training.trainer import build_trainer

logger = logging.getLogger(__name__)

_NOT_HASHED = ("out", "data_root", "data", "first", "model", "keep_out")


@dataclass(frozen=True)
class Tuned:
    """A tuning run.

    Attributes
    ----------
    folder : Path
        Holds `adapter/` or `model/`.
    validation_loss : float
        Of the chosen epoch.
    rows : dict
        Instructions by stage, and of validation; responses that were cut.
    was_complete : bool
    """

    folder: Path
    validation_loss: float
    rows: dict[str, int]
    was_complete: bool = False


class _InstructionData(lightning.LightningDataModule):
    """Batches of instructions of similar length."""

    def __init__(
        self, train: TokenisedInstructions, validation: TokenisedInstructions, config: InstructionConfig
    ) -> None:
        super().__init__()
        self.train, self.validation, self.config = train, validation, config

    def train_dataloader(self) -> DataLoader[Any]:
        """Return batches in an order that is drawn anew each epoch."""
        return self._loader(self.train, self.config.seed)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return batches in order of length."""
        return self._loader(self.validation, None)

    def _loader(self, rows: TokenisedInstructions, seed: int | None) -> DataLoader[Any]:
        batches = PostBatches(np.array(rows.lengths), self.config.batch, seed)
        return DataLoader(rows, batch_sampler=batches, collate_fn=rows.collate)


def tune(config: InstructionConfig, overwrite: bool = False) -> Tuned:
    """Tune a model, go on with a stopped run, or return a complete one.

    Raises
    ------
    MhclfError
        Expected failures, each with the message for the user.
    """
    quiet_lightning()
    if config.lora.rank:
        need_peft()
    target = _prepared(config.data, config)
    general = [_general(name, target, config) for name in config.first]
    target = _limited(target, config)
    dtype = torch.bfloat16 if resolve_precision(config.trainer) == "bf16" and config.lora.rank else torch.float32
    decoder = load_decoder(config.model, dtype)
    if decoder.encodes:
        raise ConfigError(f"model: '{config.model}' is no causal model, which instruction tuning needs.")
    folder = _folder(config, decoder, target, general)
    with folder.locked():
        if overwrite:
            _forget(folder)
        status = folder.status()
        if status.get("state") == "complete":
            return Tuned(folder.path, status["validation_loss"], status["rows"], was_complete=True)
        write_text(folder.path / "config.yaml", write_yaml(to_mapping(config)))
        folder.write_json("environment.json", describe_environment(resolve_precision(config.trainer), "default"))
        folder.write_json("data_manifest.json", build_manifest(target, [], "sound"))
        folder.write_json("status.json", {"state": "running"})
        start = time.perf_counter()
        loss, rows = _carry_out(config, decoder, target, general, folder)
        rows["fitted"] = _fit_labels(config, target, folder)
        folder.write_json(
            "status.json",
            {
                "state": "complete",
                "seconds": round(time.perf_counter() - start, 1),
                "validation_loss": loss,
                "rows": rows,
            },
        )
    return Tuned(folder.path, loss, rows)


def _prepared(name: str, config: InstructionConfig, kept_out: Sequence[str] = ()) -> PostTable:
    """Return a set without what leaks, and without the posts that are kept out of learning and choosing.

    Kept out are the sets that the configuration keeps out of this one, and those named here.
    """
    table = load_table(name, data_root=config.data_root, mask=config.mask)
    for other in dict.fromkeys([*sets_kept_out(table.config, config.keep_out), *kept_out]):
        kept = load_table(other, data_root=config.data_root, mask=config.mask)
        # All of its posts, whatever part they stand in.
        table, findings = drop_shared(table, {other: kept.with_splits(np.full(len(kept), "test"))})
        for finding in findings:
            logger.info("%s: %s", name, finding.message)
    table, findings = audit(table, "drop")
    for finding in findings:
        logger.info("audit: %s", finding.message)
    return table


def _limited(table: PostTable, config: InstructionConfig) -> PostTable:
    if config.limit is not None:
        table = limit_rows(table, config.limit)
    for split in ("train", "validation"):
        if not (table.frame["split"] == split).any():
            raise ConfigError(f"{table.config.name}: has no {split} row to tune on. Choose another set.")
    return table


def _general(name: str, target: PostTable, config: InstructionConfig) -> PostTable:
    """Return a set of the first stage: without what is held out or kept out of the second one, all of its rows."""
    table = _prepared(name, config, sets_kept_out(target.config, config.keep_out))
    table, findings = drop_shared(table, {target.config.name: target}, ("validation", "test"))
    for finding in findings:
        logger.info("%s: %s", name, finding.message)
    return _limited(table, config)


def _folder(config: InstructionConfig, decoder: Decoder, target: PostTable, general: list[PostTable]) -> RunFolder:
    settings = {key: value for key, value in to_mapping(config).items() if key not in _NOT_HASHED}
    tables = (target, *general)
    # What the model is asked and answers, and from which rows; not where they lie.
    words = [[to_mapping(t.config.prompt), t.config.language, t.config.task, t.config.label_names] for t in tables]
    content = [settings, decoder.name, decoder.sha256, to_mapping(read_strategy(STRATEGY)), words]
    rows = [
        part for table in tables for part in (data_hash(table), content_hash(table.frame["explanation"].astype(str)))
    ]
    short = content_hash([*content, *rows])[:8]
    kind = "lora" if config.lora.rank else "full"
    name = f"instruction_{kind}_{config.response}-{decoder.name}-seed{config.seed}-{short}"
    return RunFolder(Path(config.out) / target.config.name / name)


def _carry_out(
    config: InstructionConfig, decoder: Decoder, target: PostTable, general: list[PostTable], folder: RunFolder
) -> tuple[float, dict[str, int]]:
    torch.manual_seed(config.seed)
    model: Any = decoder.model.train()
    if config.lora.rank:
        model = with_adapters(model, config.lora)
    stages = [("general", general, config.first_epochs)] if general else []
    stages.append(("target", [target], config.trainer.epochs))
    backend = LocalBackend(decoder)
    rows: dict[str, int] = {}
    loss = float("nan")
    for stage, tables, epochs in stages:
        if config.response == "explained" and not any(_teaches_explaining(table) for table in tables):
            logger.warning("no train row teaches an explanation: labels alone are learnt in the %s stage", stage)
        train, validation = (_tokenised(config, backend, tables, split) for split in ("train", "validation"))
        rows |= {stage: len(train), f"{stage}_validation": len(validation), f"{stage}_responses_cut": train.truncated}
        loss = _stage(config, model, train, validation, epochs, RunFolder(folder.path / stage))
    _save(config, decoder, model, folder)
    return loss, rows


def _teaches_explaining(table: PostTable) -> bool:
    """Return whether train rows have explanations and one label: yes-or-no questions are learnt without reasons."""
    train = table.part("train")
    return train.targets.ndim == 1 and bool(train.frame["explanation"].astype(bool).any())


def _tokenised(
    config: InstructionConfig, backend: LocalBackend, tables: list[PostTable], split: str
) -> TokenisedInstructions:
    explained = config.response == "explained"
    instructions = [
        item for table in tables for item in instructions_of(backend, table.part(split), explained, config.post_tokens)
    ]
    return TokenisedInstructions(backend.decoder.tokenizer, instructions, config.label_weight, config.response_tokens)


def _stage(
    config: InstructionConfig,
    model: Any,
    train: TokenisedInstructions,
    validation: TokenisedInstructions,
    epochs: int,
    folder: RunFolder,
) -> float:
    """Train one stage and leave the model at its best epoch; a stage that is done is only loaded."""
    plan = InstructionPlan(model, config.optim, config.seed)
    done = folder.path / "done.json"
    if not done.is_file():
        settings = replace(config.trainer, epochs=epochs)
        trainer = build_trainer(settings, folder, "response_loss", "min", lambda: None)
        train_or_resume(trainer, plan, _InstructionData(train, validation, config), folder)
        best: Any = trainer.checkpoint_callback
        folder.write_json("done.json", {"response_loss": float(best.best_model_score)})
    plan.load_state_dict(load_checkpoint(folder.checkpoints / "best.ckpt")["state_dict"], strict=False)
    return float(json.loads(done.read_text(encoding="utf-8"))["response_loss"])


def _save(config: InstructionConfig, decoder: Decoder, model: Any, folder: RunFolder) -> None:
    model = model.cpu().eval()
    if config.lora.rank:
        save_adapters(model, decoder.name, folder.path / "adapter")
        return
    with quiet_transformers():
        model.save_pretrained(folder.path / "model")
        decoder.tokenizer.save_pretrained(folder.path / "model")


def _fit_labels(config: InstructionConfig, target: PostTable, folder: RunFolder) -> int:
    """Fit on validation how the saved model's scores decide, and keep it beside its weights; return the rows used."""
    adapter = folder.path / "adapter" if config.lora.rank else None
    place = adapter or folder.path / "model"
    held = target.part("validation")
    if held.targets.ndim == 1 and len(set(held.targets.tolist())) < 2:
        logger.warning("all validation rows have the same label: how scores decide is not fitted")
        return 0
    local = LocalConfig(config.model if adapter else str(place), str(adapter or ""), config.trainer.precision)
    asked = GenerationConfig(data=config.data, strategy=STRATEGY, post_tokens=config.post_tokens, local=local)
    backend = load_backend("transformers", local, asked.endpoint)
    cache = AnswerCache(folder.path / "answers.sqlite")
    try:
        interview = prepare_interview(asked, read_strategy(STRATEGY), 0, 1, target, "validation", backend, cache, None)
        answers = interview.labels()
    finally:
        cache.close()
    fits = [
        QuestionFit(question.text, question.answers, fit)
        for question, fit in zip(interview.questions, fit_answers(answers), strict=True)
    ]
    write_label_fit(place / FIT_FILE, LabelFit(target.config.name, len(held), tuple(fits), config.post_tokens))
    return len(held)


def _forget(folder: RunFolder) -> None:
    for name in ("status.json", "general/done.json", "target/done.json"):
        (folder.path / name).unlink(missing_ok=True)
    for file in folder.path.glob("*/checkpoints/*.ckpt"):
        file.unlink()
