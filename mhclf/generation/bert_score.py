"""BERTScore with a local encoder: how near the words of two texts lie in context."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from mhclf.errors import ConfigError, DataError
from mhclf.models.encoder import hidden_states, layer_names, longest_input

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BertScores:
    """BERTScore of n pairs of texts.

    Attributes
    ----------
    precision, recall, f1 : array (n,)
        In [-1, 1], in practice above 0.
    layer : str
        Whose vectors were compared, such as `layer 6`.
    """

    precision: Floats
    recall: Floats
    f1: Floats
    layer: str


def bert_score(
    candidates: Sequence[str],
    references: Sequence[str],
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    layer: int = -1,
    batch_size: int = 16,
) -> BertScores:
    """BERTScore (Zhang et al. 2020) of each pair of texts.

    Parameters
    ----------
    candidates, references : sequences of str (n,)
        Generated texts, and one reference (or the post) for each.
    encoder, tokenizer
        From `mhclf.models.encoder.load_encoder` and `load_tokenizer`; runs where the encoder lies, in evaluation mode.
    layer : int
        Of the embeddings (0) and the layers (1, 2, ...); below 0 counted from the last.
    batch_size : int
        Pieces of text a forward pass.

    Raises
    ------
    DataError
        If the lengths differ or nothing is given.
    ConfigError
        If the encoder has no such layer.

    Notes
    -----
    Each token of the candidate is matched with the token of the reference whose vector has the highest cosine with its
    own: the mean is precision; the same from the reference is recall; F1 is their harmonic mean. Special tokens are
    left out; neither idf weights nor a baseline are used, so values lie close together and say little by themselves. 0
    where either text has no token. A text longer than the encoder reads is encoded in pieces, one after another.
    """
    if len(candidates) != len(references):
        raise DataError(f"candidates has {len(candidates)} texts, references {len(references)}; give one for each")
    if len(candidates) == 0:
        raise DataError("candidates is empty: there is nothing to score")
    names = layer_names(encoder)
    if not -len(names) <= layer < len(names):
        raise ConfigError(f"layer: is {layer}, but the encoder has {', '.join(names)} (0 to {len(names) - 1}).")
    different = list(dict.fromkeys([*candidates, *references]))
    vectors = dict(zip(different, token_vectors(different, encoder, tokenizer, layer, batch_size), strict=True))
    pairs = [
        greedy_match(vectors[candidate], vectors[reference])
        for candidate, reference in zip(candidates, references, strict=True)
    ]
    precision, recall, f1 = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    return BertScores(precision, recall, f1, names[layer])


def greedy_match(candidate: Tensor, reference: Tensor) -> tuple[float, float, float]:
    """Return precision, recall and F1 of two lists of unit vectors, shapes (tokens, hidden); 0 where one is empty."""
    if not len(candidate) or not len(reference):
        return 0.0, 0.0, 0.0
    cosines = candidate @ reference.T
    precision, recall = cosines.amax(dim=1).mean().item(), cosines.amax(dim=0).mean().item()
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@torch.no_grad()
def token_vectors(
    texts: Sequence[str], encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, layer: int, batch_size: int
) -> list[Tensor]:
    """Return the unit vectors of the tokens of each text, shape (tokens, hidden), without special tokens."""
    encoder.eval()
    limit = min(longest_input(encoder) or 512, tokenizer.model_max_length)
    read = tokenizer(
        list(texts),
        truncation=True,
        max_length=limit,
        return_overflowing_tokens=True,
        return_special_tokens_mask=True,
    )
    owner = read["overflow_to_sample_mapping"]
    parts: list[Tensor] = [torch.empty(0)] * len(owner)
    order = sorted(range(len(owner)), key=lambda piece: len(read["input_ids"][piece]))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        inputs = tokenizer.pad(
            {name: [read[name][piece] for piece in chosen] for name in ("input_ids", "attention_mask")},
            return_tensors="pt",
        ).to(encoder.device)
        states = hidden_states(encoder, dict(inputs), every_layer=True)[0][layer]
        for row, piece in enumerate(chosen):
            own = states[row][inputs["attention_mask"][row].bool()]
            special = torch.tensor(read["special_tokens_mask"][piece], dtype=torch.bool)
            parts[piece] = normalize(own.float().cpu()[~special], dim=-1)
    return [torch.cat([parts[piece] for piece in pieces]) for pieces in _pieces(owner, len(texts))]


def _pieces(owner: Sequence[int], n: int) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(n)]
    for piece, text in enumerate(owner):
        found[text].append(piece)
    return found
