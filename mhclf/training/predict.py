"""Forward passes over many posts in fp32: logits, layer weights, representations."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerBase

from mhclf.config.run import BatchConfig
from mhclf.data.tokens import TokenisedPosts, batch_loader
from mhclf.models.network import ClassifierNetwork


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
    """

    logits: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    decisions: npt.NDArray[np.int64]
    representations: npt.NDArray[np.float32]
    layer_weights: npt.NDArray[np.float32] | None
    contributions: npt.NDArray[np.float32] | None
    gate: float | None


@torch.no_grad()
def predict_network(
    network: ClassifierNetwork,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    max_length: int,
    batch: BatchConfig,
    contexts: list[str] | None = None,
) -> NetworkPredictions:
    """Run the network over `texts` (one or more, each after its context) in batches of similar length.

    Notes
    -----
    In the network's own precision (fp32) and without dropout, whatever precision training had.
    """
    network.eval()
    device = next(network.parameters()).device
    posts = TokenisedPosts(tokenizer, texts, np.zeros(len(texts), dtype=np.int64), max_length, contexts)
    rows: list[torch.Tensor] = []
    parts: dict[str, list[torch.Tensor]] = {"logits": [], "representation": [], "weights": [], "contributions": []}
    gate = None
    for item in batch_loader(posts, batch, seed=None):
        output = network(item.to(device).inputs)
        rows.append(item.rows)
        parts["logits"].append(output.logits.float().cpu())
        parts["representation"].append(output.aggregated.representation.float().cpu())
        if output.aggregated.weights is not None:
            parts["weights"].append(output.aggregated.weights.float().cpu())
            parts["contributions"].append(output.aggregated.contributions.float().cpu())
            gate = float(output.aggregated.gate)
    order = torch.cat(rows).argsort()
    joined = {name: torch.cat(values)[order] for name, values in parts.items() if values}
    logits = joined["logits"]
    probabilities = network.head.probabilities(logits)
    weights, contributions = joined.get("weights"), joined.get("contributions")
    return NetworkPredictions(
        logits.numpy(),
        probabilities.numpy(),
        network.head.decide(probabilities).numpy().astype(np.int64),
        joined["representation"].numpy(),
        weights.numpy() if weights is not None else None,
        contributions.numpy() if contributions is not None else None,
        gate,
    )
