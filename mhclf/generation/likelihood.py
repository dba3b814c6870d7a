"""BARTScore-style measures: how likely a local language model finds a text after another one."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from mhclf.errors import ConfigError, DataError

Direction = Literal["source->text", "reference->text", "text->reference"]
DIRECTIONS: tuple[Direction, ...] = ("source->text", "reference->text", "text->reference")
SEPARATOR = "\n\n"


@dataclass(frozen=True)
class Likelihoods:
    """Mean log-likelihood a token of n texts, each given another one.

    Attributes
    ----------
    values : array (n,)
        Natural logarithm, at most 0; NaN (0/0) for a text without tokens.
    tokens : array (n,)
        Tokens behind each mean.
    cut : int
        Texts whose condition was cut at its end because both together exceed what the model reads.
    """

    values: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]
    cut: int


@dataclass(frozen=True)
class LikelihoodScores(Likelihoods):
    """Likelihoods with what a reader must know of them.

    Attributes
    ----------
    checkpoint : str
        Name of the model.
    direction : {"source->text", "reference->text", "text->reference"}
        What was given, and what was scored after it.
    """

    checkpoint: str
    direction: Direction


def likelihood_scores(
    texts: Sequence[str],
    others: Sequence[str],
    direction: Direction,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    checkpoint: str,
    batch_size: int = 8,
) -> LikelihoodScores:
    """BARTScore (Yuan et al. 2021): mean log-likelihood a token in one of its directions.

    Parameters
    ----------
    texts : sequence of str (n,)
        Generated texts.
    others : sequence of str (n,)
        The source (post) of each for `source->text` (faithfulness), else its reference: `reference->text` (precision)
        or `text->reference` (recall).
    direction : {"source->text", "reference->text", "text->reference"}
    model, tokenizer, batch_size : as in `log_likelihood`
    checkpoint : str
        Name of the model, for the record.

    Raises
    ------
    ConfigError
        On an unknown direction.
    DataError
        As in `log_likelihood`.

    Notes
    -----
    ``1/m sum_t log p(y_t | y_<t, x)``. Values of different models or directions are not comparable.
    """
    if direction not in DIRECTIONS:
        raise ConfigError(f"direction: '{direction}' is unknown. Known: {', '.join(DIRECTIONS)}.")
    given, scored = (texts, others) if direction == "text->reference" else (others, texts)
    found = log_likelihood(given, scored, model, tokenizer, batch_size)
    return LikelihoodScores(found.values, found.tokens, found.cut, checkpoint, direction)


@torch.no_grad()
def log_likelihood(
    conditions: Sequence[str],
    targets: Sequence[str],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch_size: int = 8,
) -> Likelihoods:
    """Mean log-likelihood a token of each target given its condition.

    Parameters
    ----------
    conditions, targets : sequences of str (n,)
        An empty condition gives the likelihood of the target alone.
    model : PreTrainedModel
        Causal or seq2seq; runs where it lies, in its own precision, in evaluation mode.
    tokenizer : PreTrainedTokenizerBase
    batch_size : int
        Pairs a forward pass; changes no value beyond rounding.

    Raises
    ------
    DataError
        If the lengths differ, nothing is given, or a target alone exceeds what the model reads (names its row).

    Notes
    -----
    A causal model reads the condition, an empty line, and the target; a seq2seq model gets the condition in its
    encoder. Only the target's tokens count, without the end mark.
    """
    if len(conditions) != len(targets):
        raise DataError(f"conditions has {len(conditions)} texts, targets {len(targets)}; give one for each")
    if len(targets) == 0:
        raise DataError("targets is empty: there is nothing to score")
    model.eval()
    seq2seq = bool(model.config.is_encoder_decoder)
    wanted = [_ids(tokenizer, target) for target in targets]
    before, cut = _conditions(conditions, wanted, model, tokenizer, seq2seq)
    values = np.full(len(wanted), np.nan)
    rows = [row for row in range(len(wanted)) if wanted[row]]
    # Pairs whose targets start at like places share a pass, so that few positions are projected on the vocabulary.
    rows.sort(key=lambda row: (len(before[row]), len(wanted[row])))
    for start in range(0, len(rows), batch_size):
        chosen = rows[start : start + batch_size]
        run = _seq2seq_pass if seq2seq else _causal_pass
        values[chosen] = run(model, [before[row] for row in chosen], [wanted[row] for row in chosen])
    return Likelihoods(values, np.array([len(ids) for ids in wanted], dtype=np.int64), cut)


def _conditions(
    conditions: Sequence[str],
    wanted: Sequence[list[int]],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    seq2seq: bool,
) -> tuple[list[list[int]], int]:
    limit = _limit(model)
    start = _start(tokenizer)
    end = _ids(tokenizer, SEPARATOR)
    found, cut = [], 0
    for row, (condition, target) in enumerate(zip(conditions, wanted, strict=True)):
        size = len(target)
        if seq2seq:
            ids = [int(number) for number in tokenizer(condition)["input_ids"]]
            room, closing = limit, ids[-1:]
        else:
            ids = [start, *_ids(tokenizer, condition), *(end if condition else [])]
            room, closing = limit - size, end if condition else []
        if size > limit - 1:
            raise DataError(
                f"targets: row {row} has {size} tokens, the model reads {limit}. Cut the text, or leave it out."
            )
        if len(ids) > room:
            cut += 1
            ids = [*ids[: max(1, room - len(closing))], *closing][:room]
        found.append(ids)
    return found, cut


def _causal_pass(model: PreTrainedModel, before: list[list[int]], wanted: list[list[int]]) -> list[float]:
    inputs, mask = _padded([a + b for a, b in zip(before, wanted, strict=True)], model)
    first = min(len(ids) for ids in before) - 1
    last = inputs.shape[1] - 1
    options: dict[str, Any] = {}
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        options["logits_to_keep"] = torch.arange(first, last, device=inputs.device)
    logits = model(input_ids=inputs, attention_mask=mask, **options).logits
    logits = logits if options else logits[:, first:last]
    return [
        _mean(logits[row, len(ids) - 1 - first :], target)
        for row, (ids, target) in enumerate(zip(before, wanted, strict=True))
    ]


def _seq2seq_pass(model: PreTrainedModel, before: list[list[int]], wanted: list[list[int]]) -> list[float]:
    inputs, mask = _padded(before, model)
    start = int(model.config.decoder_start_token_id)
    decoder, decoder_mask = _padded([[start, *ids[:-1]] for ids in wanted], model)
    logits = model(
        input_ids=inputs, attention_mask=mask, decoder_input_ids=decoder, decoder_attention_mask=decoder_mask
    ).logits
    return [_mean(logits[row], target) for row, target in enumerate(wanted)]


def _mean(logits: Tensor, target: list[int]) -> float:
    """Return the mean log-probability of target tokens; row t of `logits` (at least as many) speaks of token t."""
    chosen = torch.tensor(target, device=logits.device)
    likely = logits[: len(target)].float().log_softmax(dim=-1).gather(1, chosen[:, None])
    return float(likely.double().mean())


def _padded(rows: list[list[int]], model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    """Return ids and mask, padded on the right by 0: whatever stands there is masked, and behind all that counts."""
    size = max(len(ids) for ids in rows)
    inputs = torch.tensor([ids + [0] * (size - len(ids)) for ids in rows], device=model.device)
    mask = torch.tensor([[1] * len(ids) + [0] * (size - len(ids)) for ids in rows], device=model.device)
    return inputs, mask


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return [int(number) for number in tokenizer(text, add_special_tokens=False)["input_ids"]]


def _start(tokenizer: PreTrainedTokenizerBase) -> int:
    for number in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if number is not None:
            return int(number)
    raise ConfigError("likelihood: the tokenizer has no token that begins or ends a text; give another model.")


def _limit(model: PreTrainedModel) -> int:
    """Return how many tokens the model reads; models with relative positions say so by no limit."""
    for name in ("max_position_embeddings", "n_positions"):
        number = getattr(model.config, name, None)
        # T5 has relative positions, and `n_positions` of its training alone.
        if number and not hasattr(model.config, "relative_attention_num_buckets"):
            return int(number)
    return 1 << 30
