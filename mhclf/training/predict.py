"""Forward passes over many posts in fp32: logits, layer weights, representations."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerBase

from mhclf.config.model import FROM_START, LongPostsConfig
from mhclf.config.training import BatchConfig
from mhclf.data.batches import batch_loader
from mhclf.data.tokens import TokenisedPosts, width_step
from mhclf.models.heads import reservation_share
from mhclf.models.network import ClassifierNetwork

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class NetworkPredictions:
    """What the network says of n posts, in their order.

    Attributes
    ----------
    logits : array (n, labels)
    probabilities : array (n, labels)
    decisions : array
        Class numbers (n,) or 0/1 labels (n, labels).
    representations : array (n, hidden)
    layer_weights, contributions : array (n, layers) or None
    gate : float or None
        Mean over posts.
    reservation : array (n,) or None
        Probability of the reservation, where the network has one.
    """

    logits: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    decisions: npt.NDArray[np.int64]
    representations: npt.NDArray[np.float32]
    layer_weights: npt.NDArray[np.float32] | None
    contributions: npt.NDArray[np.float32] | None
    gate: float | None
    reservation: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Scored:
    """Probabilities (n, labels) of posts, and reservations (n,) where the model has them."""

    probabilities: npt.NDArray[Any]
    reservation: npt.NDArray[Any] | None = None


@torch.no_grad()
def predict_network(
    network: ClassifierNetwork,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    max_length: int,
    batch: BatchConfig,
    contexts: list[str] | None = None,
    long: LongPostsConfig = FROM_START,
    precision: Precision = "fp32",
) -> NetworkPredictions:
    """Run the network over `texts` (one or more, each after its context) in batches of similar length.

    Notes
    -----
    In the network's own precision (fp32) unless bf16 is asked for, and without dropout, whatever precision training
    had.
    """
    network.eval()
    device = next(network.parameters()).device
    step = width_step(device.type, precision)
    posts = TokenisedPosts(
        tokenizer, texts, np.zeros(len(texts), dtype=np.int64), max_length, contexts, long, step=step
    )
    rows: list[torch.Tensor] = []
    parts: dict[str, list[torch.Tensor]] = defaultdict(list)
    # Around all batches: autocast rounds the weights once for as long as it stays open.
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        for item in batch_loader(posts, batch, seed=None):
            output = network(item.to(device).inputs)
            rows.append(item.rows)
            aggregated = output.aggregated
            found = {
                "logits": output.logits,
                "representation": aggregated.representation,
                "weights": aggregated.weights,
                "contributions": aggregated.contributions,
                "gate": aggregated.gate,
                "reservation": None
                if output.reservation is None
                else reservation_share(output.logits, output.reservation),
            }
            for name, values in found.items():
                if values is not None:
                    parts[name].append(values.float().cpu())
    order = torch.cat(rows).argsort()
    joined = {name: torch.cat(values)[order].numpy() for name, values in parts.items()}
    probabilities = network.head.probabilities(torch.from_numpy(joined["logits"]))
    gates = joined.get("gate")
    return NetworkPredictions(
        joined["logits"],
        probabilities.numpy(),
        network.head.decide(probabilities).numpy().astype(np.int64),
        joined["representation"],
        joined.get("weights"),
        joined.get("contributions"),
        float(gates.mean()) if gates is not None else None,
        joined.get("reservation"),
    )
