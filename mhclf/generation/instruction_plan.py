"""Instruction tuning as a Lightning plan."""

from typing import Any

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from mhclf.config.training import OptimConfig
from mhclf.errors import RunError
from mhclf.generation.instructions import InstructionBatch
from mhclf.losses.objective import LossParts
from mhclf.models.dropout import dropout_on
from mhclf.training.plan import batch_seed, decayed_or_not, warm_up_and_decay


def response_loss(logits: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy of the next token.

    Parameters
    ----------
    logits : Tensor
        Of the last `kept` places, shape (rows, kept, vocabulary): the prompt's need not be computed.
    ids : Tensor
        Shape (rows, tokens).
    weights : Tensor
        Of each token as a target, shape (rows, tokens).

    Returns
    -------
    Tensor
        `sum_t w_t * -log p(x_t | x_<t) / sum_t w_t`, a scalar.
    """
    return response_nll(logits, ids, weights) / weights[:, -logits.shape[1] :][:, 1:].sum()


def response_nll(logits: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum `sum_t w_t * -log p(x_t | x_<t)`; arguments as of `response_loss`."""
    kept = logits.shape[1]
    targets, weight = ids[:, -kept:][:, 1:], weights[:, -kept:][:, 1:]
    losses = functional.cross_entropy(logits[:, :-1].float().transpose(1, 2), targets, reduction="none")
    return (losses * weight).sum()


class InstructionPlan(lightning.LightningModule):
    """Teach a causal model its responses.

    Parameters
    ----------
    model : PreTrainedModel, or one with adapters
    optim : OptimConfig
    seed : int
    """

    def __init__(self, model: Any, optim: OptimConfig, seed: int) -> None:
        super().__init__()
        self.model = model
        self.optim = optim
        self.seed = seed
        # Checkpoints hold what learns; the rest is the base model's.
        self.strict_loading = False
        self._held_out: list[tuple[float, float]] = []

    def loss(self, batch: InstructionBatch) -> Tensor:
        """Return the weighted loss of the batch's responses."""
        prompt = int((batch.weights > 0).int().argmax(dim=1).min())
        kept = batch.ids.shape[1] - prompt + 1
        logits = self.model(input_ids=batch.ids, attention_mask=batch.mask, logits_to_keep=kept).logits
        return response_loss(logits, batch.ids, batch.weights)

    def training_step(self, batch: InstructionBatch, batch_idx: int) -> dict[str, Any]:
        """One batch; dropout depends on the seed and the step only, so that a resumed run equals an unbroken one."""
        torch.manual_seed(batch_seed(self.seed, self.global_step, batch_idx % self.trainer.accumulate_grad_batches))
        with dropout_on(self.device):
            loss = self.loss(batch)
        if not torch.isfinite(loss):
            raise RunError(f"The loss is not finite at step {self.global_step}. Lower --optim.lr.")
        return {"loss": loss, "parts": LossParts(loss.detach(), loss.detach(), None, 0.0), "posts": len(batch.ids)}

    def validation_step(self, batch: InstructionBatch, batch_idx: int) -> None:
        """Add up the loss by token weight."""
        weight = float(batch.weights.sum())
        self._held_out.append((float(self.loss(batch)) * weight, weight))

    def on_validation_epoch_end(self) -> None:
        """Log the mean over all tokens of validation."""
        total, weight = (sum(values) for values in zip(*self._held_out, strict=True))
        self._held_out.clear()
        self.log("validation/loss", total / weight)
        self.log("validation/response_loss", total / weight, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with linear warm-up and decay."""
        learning = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        groups = [group for group in decayed_or_not(learning, self.optim.lr) if group["params"]]
        optimizer = torch.optim.AdamW(groups, weight_decay=self.optim.weight_decay)
        return warm_up_and_decay(optimizer, int(self.trainer.estimated_stepping_batches), self.optim.warmup)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip by norm."""
        if self.optim.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self.parameters(), self.optim.gradient_clip)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep only what learns."""
        learning = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        checkpoint["state_dict"] = {name: value for name, value in checkpoint["state_dict"].items() if name in learning}
