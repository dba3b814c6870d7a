"""Domain-adaptive pretraining: from passages to an encoder that `--encoder` takes."""

import json
import logging
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from mhclf.config.pretrain import PretrainConfig
from mhclf.config.structure import to_mapping
from mhclf.data.manifest import content_hash
from mhclf.data.passages import read_passages
from mhclf.data.tokens import Batch, TokenisedPosts
from mhclf.errors import ConfigError, RunError
from mhclf.losses.objective import LossParts
from mhclf.models.encoder import load_tokenizer, quiet_transformers
from mhclf.models.masked_language import IGNORED, load_masked_model, mask_tokens
from mhclf.models.weights import resolve_encoder
from mhclf.training.checkpoints import load_checkpoint, train_or_resume
from mhclf.training.environment import describe_environment, quiet_lightning, resolve_precision
from mhclf.training.folder import RunFolder
from mhclf.training.loaders import PostData
from mhclf.training.plan import batch_seed, decayed_or_not, warm_up_and_decay
from mhclf.training.trainer import build_trainer, precision

logger = logging.getLogger(__name__)


class MaskedLanguagePlan(lightning.LightningModule):
    """Train an encoder to guess masked tokens.

    Parameters
    ----------
    model : PreTrainedModel
        With a head for guessing words.
    tokenizer : PreTrainedTokenizerBase
    config : PretrainConfig
    fresh : collection of str
        Names of the model's parameters that start at random; they learn at `optim.head_lr`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        config: PretrainConfig,
        fresh: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self.fresh = fresh
        self.config = config
        self.mask_id = tokenizer.mask_token_id
        special = set(tokenizer.all_special_ids)
        self.special_ids = torch.tensor(sorted(special))
        self.random_ids = torch.tensor([token for token in range(len(tokenizer)) if token not in special])
        self._held_out: list[tuple[float, int]] = []

    def loss(self, batch: Batch, seed: int) -> tuple[Tensor, int]:
        """Return the mean cross-entropy of the chosen tokens and their number; `seed` fixes the choice."""
        generator = torch.Generator().manual_seed(seed)
        ids, mask = batch.inputs["input_ids"].cpu(), batch.inputs["attention_mask"].cpu()
        maskable = (mask == 1) & ~torch.isin(ids, self.special_ids)
        inputs, targets = mask_tokens(ids, maskable, self.config.mask_share, self.mask_id, self.random_ids, generator)
        logits = self.model(**(batch.inputs | {"input_ids": inputs.to(self.device)})).logits
        targets = targets.to(self.device)
        count = int((targets != IGNORED).sum())
        if not count:
            return logits.sum() * 0.0, 0
        return functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED), count

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """One batch; the masks depend on the seed, the step, and which of its batches this is."""
        seed = batch_seed(self.config.seed, self.global_step, batch_idx % self.trainer.accumulate_grad_batches)
        torch.manual_seed(seed)
        loss, _ = self.loss(batch, seed)
        if not torch.isfinite(loss):
            raise RunError(f"The loss is not finite at step {self.global_step}. Lower --optim.lr.")
        return {"loss": loss, "parts": LossParts(loss.detach(), loss.detach(), None, 0.0), "posts": len(batch.rows)}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure with the same masks every time."""
        loss, count = self.loss(batch, self.config.seed + batch_idx)
        self._held_out.append((float(loss), count))

    def on_validation_epoch_end(self) -> None:
        """Log the mean loss a chosen token."""
        total = sum(loss * count for loss, count in self._held_out)
        tokens = sum(count for _, count in self._held_out)
        self._held_out.clear()
        self.log("validation/loss", total / max(1, tokens))
        self.log("validation/masked_loss", total / max(1, tokens), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW, linear schedule; no decay for biases and norms."""
        optim = self.config.optim
        named = list(self.model.named_parameters())
        # The encoder stands first: its rate is the one that is logged.
        groups = [
            *decayed_or_not([parameter for name, parameter in named if name not in self.fresh], optim.lr),
            *decayed_or_not([parameter for name, parameter in named if name in self.fresh], optim.head_lr),
        ]
        groups = [group for group in groups if group["params"]]
        optimizer = torch.optim.AdamW(groups, weight_decay=optim.weight_decay)
        return warm_up_and_decay(optimizer, int(self.trainer.estimated_stepping_batches), optim.warmup)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip by norm."""
        if self.config.optim.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self.parameters(), self.config.optim.gradient_clip)


@dataclass(frozen=True)
class Pretrained:
    """A pretrained encoder's folder and the perplexity of held-out words before and after."""

    folder: Path
    before: float
    after: float
    passages: int
    was_complete: bool = False


def pretrain(config: PretrainConfig, overwrite: bool = False) -> Pretrained:
    """Pretrain an encoder, go on with a stopped run, or return a complete one.

    Raises
    ------
    MhclfError
        Expected failures, each with the message for the user.
    """
    quiet_lightning()
    source = resolve_encoder(config.encoder)
    tokenizer = load_tokenizer(source)
    if tokenizer.mask_token_id is None:
        raise ConfigError(f"encoder: the tokenizer of '{source.name}' has no mask token. Take another encoder.")
    passages = read_passages(config.data, config.texts, config.exclude, config.data_root, config.mask)
    texts = passages.texts if config.limit is None else passages.texts[: config.limit]
    identity = _identity(config, source.sha256, texts)
    folder = RunFolder(Path(config.out))
    with folder.locked():
        status = folder.status()
        if status.get("state") == "complete" and status.get("identity") == identity and not overwrite:
            return Pretrained(folder.path, status["before"], status["after"], len(texts), was_complete=True)
        if status and status.get("identity") != identity and not overwrite:
            raise ConfigError(f"out: {folder.path} holds another pretraining. Give another --out, or --overwrite.")
        if overwrite:
            _forget(folder)
        folder.write_json("environment.json", describe_environment(resolve_precision(config.trainer), "sdpa"))
        folder.write_json("passages.json", passages.counts | {"used": len(texts)})
        folder.write_json("status.json", {"state": "running", "identity": identity})
        return _carry_out(config, source, tokenizer, texts, folder, identity)


def _carry_out(
    config: PretrainConfig,
    source: Any,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    folder: RunFolder,
    identity: str,
) -> Pretrained:
    held_out = max(1, round(config.held_out * len(texts)))
    order = np.random.default_rng(config.seed).permutation(len(texts))
    parts = [order[held_out:], order[:held_out]]
    if not len(parts[0]):
        raise ConfigError("pretrain: one passage is too little: some are held out. Give more texts.")
    posts = [
        TokenisedPosts(tokenizer, [texts[row] for row in rows], np.zeros(len(rows), dtype=np.int64), config.max_length)
        for rows in parts
    ]
    torch.manual_seed(config.seed)
    model, fresh = load_masked_model(source)
    plan = MaskedLanguagePlan(model.train(), tokenizer, config, fresh)
    data = PostData(posts[0], posts[1], config.batch, config.seed)
    trainer = build_trainer(config.trainer, folder, "masked_loss", "min", lambda: None)
    before = _held_out_loss(config, plan, data, folder)
    train_or_resume(trainer, plan, data, folder)
    best = load_checkpoint(folder.checkpoints / "best.ckpt")["state_dict"]
    plan.load_state_dict(best)
    chosen = cast(ModelCheckpoint, trainer.checkpoint_callback)
    after = float(cast(Tensor, chosen.best_model_score))
    tokenizer.model_max_length = max(tokenizer.model_max_length, config.max_length)
    with quiet_transformers():
        model.cpu().float().eval().save_pretrained(folder.path)
        tokenizer.save_pretrained(folder.path)
    result = Pretrained(folder.path, math.exp(before), math.exp(after), len(texts))
    folder.write_json(
        "status.json",
        {"state": "complete", "identity": identity, "before": result.before, "after": result.after},
    )
    return result


def _held_out_loss(config: PretrainConfig, plan: MaskedLanguagePlan, data: PostData, folder: RunFolder) -> float:
    """Return the loss before training, kept in the folder so that a resumed run does not measure a trained model."""
    path = folder.path / "before.json"
    if path.is_file():
        return float(json.loads(path.read_text(encoding="utf-8"))["masked_loss"])
    measure = lightning.Trainer(
        accelerator=config.trainer.accelerator,
        precision=precision(config.trainer),
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    (values,) = measure.validate(plan, dataloaders=data.val_dataloader(), verbose=False)
    folder.write_json("before.json", {"masked_loss": values["validation/masked_loss"]})
    plan.train()
    return float(values["validation/masked_loss"])


def _identity(config: PretrainConfig, weights: str, texts: list[str]) -> str:
    settings = {key: value for key, value in to_mapping(config).items() if key not in {"out", "data_root"}}
    return content_hash([settings, weights, *texts])


def _forget(folder: RunFolder) -> None:
    for name in ("before.json", "status.json"):
        (folder.path / name).unlink(missing_ok=True)
    for file in folder.checkpoints.glob("*.ckpt"):
        file.unlink()
