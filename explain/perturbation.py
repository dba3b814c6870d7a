"""Methods that change the input and look at the output."""

import numpy as np
import torch

from explain.attribution import METHODS, Attribution
from mhclf.data.spans import tokens_to_words
from mhclf.data.spans import words as split_words
from mhclf.training.saved import Run


@METHODS.register("occlusion")
def occlusion(run: Run, text: str, label: int) -> Attribution:
    """Leave one word out: how much the label's logit falls when the word's tokens are deleted.

    Notes
    -----
    On token numbers, never on re-tokenised text. For the linear baseline the word's characters are removed, which is
    the same thing there up to word pairs.
    """
    text_words = split_words(text)
    if run.linear is not None:
        variants = [text, *(text[:start] + " " + text[end:] for start, end in text_words)]
        logits = run.linear.logits(variants)[:, label]
        probability = float(run.linear.probabilities([text])[0, label])
        drops = logits[0] - logits[1:]
    else:
        drops, probability = _drop_tokens(run, text, label, text_words)
    return Attribution(
        text,
        tuple(text_words),
        tuple(float(drop) for drop in drops),
        run.labels[label],
        probability,
        "occlusion",
        {"unit": "word", "removal": "deletion", "quantity": "logit", "max_length": run.max_length},
    )


@torch.no_grad()
def _drop_tokens(run: Run, text: str, label: int, text_words: list[tuple[int, int]]) -> tuple[np.ndarray, float]:
    """Return the fall of the logit for each word (0 for words that were cut off), and the label's probability."""
    network, tokenizer = run.parts()
    encoded = tokenizer(text, truncation=True, max_length=run.max_length, return_offsets_mapping=True)
    offsets = [(int(start), int(end)) for start, end in encoded.pop("offset_mapping")]
    owners = np.array(tokens_to_words(offsets, text_words))
    whole = {name: torch.tensor([values]) for name, values in encoded.items()}
    output = network(whole).logits
    drops = np.zeros(len(text_words))
    seen = [word for word in range(len(text_words)) if (owners == word).any()]
    # Words of equal token count give rows of equal width: batches without padding.
    by_width: dict[int, list[int]] = {}
    for word in seen:
        by_width.setdefault(int((owners == word).sum()), []).append(word)
    for group in by_width.values():
        for start in range(0, len(group), 32):
            part = group[start : start + 32]
            batch = {
                name: torch.stack([values[0][torch.from_numpy(owners != word)] for word in part])
                for name, values in whole.items()
            }
            drops[part] = (output[0, label] - network(batch).logits[:, label]).numpy()
    return drops, float(network.head.probabilities(output)[0, label])
