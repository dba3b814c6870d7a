"""Gradient methods."""

import torch
from torch import Tensor

from explain.attribution import METHODS, Attribution, scores_per_word
from mhclf.data.spans import words as split_words
from mhclf.errors import MissingDependencyError
from mhclf.training.saved import Run

_STEPS = (50, 100, 200, 400)
_TOLERANCE = 0.02
"""Relative completeness gap below which integrated gradients counts as converged."""


@METHODS.register("integrated_gradients")
def integrated_gradients(run: Run, text: str, label: int) -> Attribution:
    """Integrated gradients (Sundararajan et al. 2017) of a label's logit, over the word embeddings, by captum.

    Notes
    -----
    Baseline: the same post with every token but the special ones replaced by padding. Steps double until the
    completeness gap is below 2 % of the change in the logit, or 400 are reached; then the result is marked.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise MissingDependencyError("integrated_gradients needs captum: pip install 'mhclf[explain]'") from error
    network, tokenizer = run.parts()
    encoded = tokenizer(
        text,
        truncation=True,
        max_length=run.max_length,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_tensors="pt",
    )
    offsets = [(int(start), int(end)) for start, end in encoded.pop("offset_mapping")[0]]
    special = encoded.pop("special_tokens_mask").bool()
    ids = encoded.pop("input_ids")
    rest: dict[str, Tensor] = dict(encoded)

    # From embeddings on, not by hooks on the embedding layer: families differ in how they call that layer, and some
    # number their positions by where the padding token stands.
    def logits(embeddings: Tensor) -> Tensor:
        batch = {name: value.expand(len(embeddings), -1) for name, value in rest.items()}
        found: Tensor = network({**batch, "inputs_embeds": embeddings}).logits
        return found

    embed = network.encoder.get_input_embeddings()
    with torch.no_grad():
        inputs = embed(ids)
        baseline = embed(torch.where(special, ids, torch.full_like(ids, int(tokenizer.pad_token_id or 0))))
        output = logits(inputs)
        change = float(output[0, label] - logits(baseline)[0, label])
        probability = float(network.head.probabilities(output)[0, label])
    method = IntegratedGradients(logits)
    scores, gap, steps = torch.zeros(ids.shape[1]), 0.0, _STEPS[0]
    for steps in _STEPS:
        values = method.attribute(inputs, baseline, target=label, n_steps=steps, internal_batch_size=16)
        scores = values.detach().sum(dim=-1)[0]
        gap = abs(float(scores.sum()) - change) / max(abs(change), 1e-6)
        if gap <= _TOLERANCE:
            break
    text_words = split_words(text)
    return Attribution(
        text,
        tuple(text_words),
        scores_per_word(scores.tolist(), offsets, text_words),
        run.labels[label],
        probability,
        "integrated_gradients",
        {"steps": steps, "baseline": "padding", "quantity": "logit", "max_length": run.max_length},
        gap,
        gap <= _TOLERANCE,
    )
