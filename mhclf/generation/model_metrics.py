"""Metrics of rated explanations that need a model: BERTScore and likelihoods, to the post and to references."""

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from mhclf.generation.bert_score import bert_score
from mhclf.generation.likelihood import Direction, likelihood_scores
from mhclf.generation.measuring import spread
from mhclf.generation.metric_agreement import Floats, RatedRows, ReferenceSet


def encoder_metrics(
    rows: RatedRows,
    references: Sequence[ReferenceSet],
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    layer: int = -1,
    batch_size: int = 16,
) -> tuple[dict[str, Floats], str]:
    """Return BERTScore to the post (precision, recall, F1) and to each set of references (F1), and the layer's name.

    Each metric is an array (n,), NaN for rows without a reference.
    """
    to_post = bert_score(rows.explanations, rows.posts, encoder, tokenizer, layer, batch_size)
    found = {
        "bertscore_precision_post": to_post.precision,
        "bertscore_recall_post": to_post.recall,
        "bertscore_f1_post": to_post.f1,
    }
    for item in references:
        if not item.rows:
            continue
        values = bert_score(item.explanations, item.references, encoder, tokenizer, layer, batch_size).f1
        found[f"bertscore_f1_{item.name}"] = spread(values, item.rows, len(rows.posts))
    return found, to_post.layer


def decoder_metrics(
    rows: RatedRows,
    references: Sequence[ReferenceSet],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    checkpoint: str,
    batch_size: int = 8,
) -> tuple[dict[str, Floats], int]:
    """Return the likelihood given the post and, for each set of references, in both directions; and how many were cut.

    Each metric is an array (n,) of mean log-likelihoods a token, NaN for rows without a reference or without a token.
    """
    to_post = likelihood_scores(rows.explanations, rows.posts, "source->text", model, tokenizer, checkpoint, batch_size)
    found, cut = {"likelihood_post_to_text": to_post.values}, to_post.cut
    ways: tuple[tuple[str, Direction], ...] = (("to_text", "reference->text"), ("from_text", "text->reference"))
    for item in references:
        for way, direction in ways if item.rows else ():
            scored = likelihood_scores(
                item.explanations, item.references, direction, model, tokenizer, checkpoint, batch_size
            )
            found[f"likelihood_{item.name}_{way}"] = spread(scored.values, item.rows, len(rows.posts))
            cut += scored.cut
    return found, cut
