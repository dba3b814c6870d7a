"""The attention that the WellDunn replay holds against experts, read as published or as the run reads posts."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from explain.attention import look
from explain.model import ExplainedModel
from explain.reading import token_rows
from explain.structure import fixed_width, padded_attention
from explain.welldunn import Defects
from explain.welldunn_attention import LENGTH, TokenScores, attention_received
from mhclf.data.tokens import encode_posts
from mhclf.training.saved import Run


def token_scores(run: Run, texts: Sequence[str], defects: Defects, length: int = LENGTH) -> list[TokenScores]:
    """Return the attention that the tokens of posts receive in the last layer.

    Parameters
    ----------
    run : Run
    texts : sequence of str
    defects : Defects
        With `padding` posts are cut or padded to `length` tokens, otherwise read as the run reads them; with
        `one_head` head 0 alone.
    length : int
    """
    model, tokenizer = ExplainedModel(run), run.parts()[1]
    model.network.eval()
    width = length if defects.padding else None
    encoded = encode_posts(tokenizer, list(texts), width or run.max_length, offsets=True)
    rows = token_rows(encoded)
    sizes = [width or len(row.ids) for row in rows]
    found: list[TokenScores | None] = [None] * len(rows)

    def work(part: Sequence[int]) -> None:
        batch = model.batch([rows[number] for number in part])
        if width:
            batch = {name: fixed_width(model, value, name, width) for name, value in batch.items()}
        with torch.no_grad():
            weights = look(model, batch).attentions[-1].float().cpu().numpy()
        total = weights.shape[-1]
        for place, number in enumerate(part):
            own = model.place(len(rows[number].ids), total)
            kept = slice(0, total) if width else own
            real = np.zeros(total, dtype=bool)
            real[own] = True
            spans = np.zeros((total, 2), dtype=int)
            spans[own] = encoded["offset_mapping"][number]
            ids = batch["input_ids"][place, kept].tolist()
            found[number] = TokenScores(
                texts[number],
                tuple(tokenizer.convert_ids_to_tokens(ids)),
                tuple((int(start), int(end)) for start, end in spans[kept]),
                attention_received(weights[place][:, kept, kept], real[kept], defects),
            )

    model.in_batches(sizes, work, 0.25)
    return [item for item in found if item is not None]


def head_attention(run: Run, texts: Sequence[str], defects: Defects, length: int = LENGTH) -> list[ArrayLike]:
    """Return the last head's attention of each post, of the last layer or, with `first_layer`, of the first."""
    layer = 0 if defects.first_layer else -1
    if defects.padding:
        return list(padded_attention(run, texts, layer, -1, length))
    model, tokenizer = ExplainedModel(run), run.parts()[1]
    model.network.eval()
    encoded = encode_posts(tokenizer, list(texts), run.max_length)
    found: list[ArrayLike] = [np.zeros((0, 0))] * len(texts)
    rows = token_rows(encoded)
    lengths = [len(row.ids) for row in rows]

    def work(part: Sequence[int]) -> None:
        with torch.no_grad():
            weights = look(model, model.batch([rows[number] for number in part])).attentions[layer][:, -1]
        for place, number in enumerate(part):
            own = model.place(lengths[number], weights.shape[-1])
            found[number] = weights[place, own, own].float().cpu().numpy()

    model.in_batches(lengths, work, 0.25)
    return found
