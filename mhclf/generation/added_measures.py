"""Measures of explanations that need a model: an encoder, a language model, a classifier, a reader of labels.

Each function adds its metrics to `values`, one mapping for each maker of explanations: arrays (n,), NaN where a text
has none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from transformers import PreTrainedTokenizerBase

from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.evaluation.evidence_agreement import attribution_agreement
from mhclf.generation.bert_score import bert_score
from mhclf.generation.consistency import consistency, fit_label_reader, without_label_words
from mhclf.generation.decoders import load_decoder
from mhclf.generation.likelihood import likelihood_scores
from mhclf.generation.measuring import Explanations, Floats, cited_words, spread
from mhclf.models.encoder import load_encoder, load_tokenizer
from mhclf.models.weights import resolve_encoder
from mhclf.results.explained import COMMON

MOST_UNKNOWN = 0.05
"""Share of unknown tokens above which the note on BERTScore says so."""


@dataclass(frozen=True)
class Attributed:
    """What a classifier looked at in each post.

    Attributes
    ----------
    name : str
        Of the classifier's run.
    method : str
        Of attribution.
    scores : mapping of str to array (words,)
        Id of a post -> one signed score a word of `mhclf.data.spans.words`.
    """

    name: str
    method: str
    scores: Mapping[str, Floats]


def add_bert_scores(sources: Sequence[Explanations], values: list[dict[str, Floats]], name: str) -> str:
    """Add BERTScore with the references, and return the note on it."""
    place = resolve_encoder(name)
    encoder, tokenizer = load_encoder(place, "eager"), load_tokenizer(place)
    layer = ""
    for source, found in zip(sources, values, strict=True):
        # As for ROUGE: a missing explanation is none of the reference's words, not a row less.
        known = np.array([bool(reference) for reference in source.references])
        if not known.any():
            continue
        pairs = [(t, r) for t, r, has in zip(source.texts, source.references, known, strict=True) if has]
        scored = bert_score([text for text, _ in pairs], [reference for _, reference in pairs], encoder, tokenizer)
        found["bertscore_f1"], layer = spread(scored.f1, np.flatnonzero(known).tolist(), len(known)), scored.layer
    texts = [text for source in sources for text in (*source.texts, *source.references)]
    unknown = _unknown_share(texts, tokenizer)
    told = f"BERTScore: {place.name}, {layer}, no idf, no baseline."
    if unknown > MOST_UNKNOWN:
        told += f" The encoder does not know {unknown:.0%} of the tokens: it says little here."
    return told


def _unknown_share(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> float:
    """Return the share of tokens that the tokenizer does not know, special ones left out."""
    ids: list[int] = [token for text in texts for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
    return ids.count(tokenizer.unk_token_id) / max(1, len(ids))


def add_likelihoods(sources: Sequence[Explanations], values: list[dict[str, Floats]], name: str) -> str:
    """Add the likelihood given the post, and return the note on it."""
    decoder, cut = load_decoder(name), 0
    for source, found in zip(sources, values, strict=True):
        scored = likelihood_scores(
            source.texts, source.posts, "source->text", decoder.model, decoder.tokenizer, decoder.name
        )
        found["likelihood_given_post"], cut = scored.values, cut + scored.cut
    return (
        f"Likelihood: mean log-likelihood of a token of the explanation given the post ({scored.direction}), by "
        f"{decoder.name} (sha256 {decoder.sha256[:12]}) in fp32; {cut} posts were cut to what it reads."
    )


def read_attributed(folder: Path) -> Attributed:
    """Return the attributions that explain.py left in a classifier's run folder.

    Raises
    ------
    ConfigError
        If there are none, or a post has them for several labels.
    """
    file = folder / "attributions.parquet"
    if not file.is_file():
        raise ConfigError(f"attributions: {folder} holds no attributions.parquet. Run experiments/explain.py on it.")
    frame = pd.read_parquet(file)
    method = "integrated_gradients" if "integrated_gradients" in set(frame["method"]) else str(frame["method"].iloc[0])
    own = frame[frame["method"] == method]
    if own["id"].duplicated().any():
        raise ConfigError(f"attributions: {folder} explains several labels a post. Give a classifier with one.")
    scores = {str(row.id): np.asarray(row.scores, dtype=np.float64) for row in own.itertuples(index=False)}
    return Attributed(folder.name, method, scores)


def add_attributions(sources: Sequence[Explanations], values: list[dict[str, Floats]], attributed: Attributed) -> str:
    """Add how far the words that a text cites are those that a classifier looked at, and return the note on it."""
    scores = attributed.scores
    for source, found in zip(sources, values, strict=True):
        cited = cited_words(source.texts, source.posts)
        known = np.array(
            [i in scores and len(scores[i]) == len(mask) for i, mask in zip(source.ids, cited, strict=True)]
        )
        if not known.any():
            raise ConfigError(f"attributions: {attributed.name} explains none of the run's posts.")
        pairs = [(mask, scores[i]) for i, mask, has in zip(source.ids, cited, known, strict=True) if has]
        for name, own in attribution_agreement([mask for mask, _ in pairs], [given for _, given in pairs]).items():
            found[f"classifier_{name}"] = spread(own, np.flatnonzero(known).tolist(), len(known))
    return f"Attributions: {attributed.method} of {attributed.name}; {int(known.sum())} of {len(known)} explanations."


def add_consistencies(
    table: PostTable,
    sources: Sequence[Explanations],
    values: list[dict[str, Floats]],
    decided: npt.NDArray[np.int64],
) -> str:
    """Add whether an explanation alone implies the decided label, and return the note on it."""
    labels = list(table.labels)
    spoken = list(table.config.prompt.label_words.values())
    train, held = table.part("train"), table.part("validation")
    # A reader that has seen the most common explanation would know it by heart.
    common = {text for source in sources if source.source == COMMON for text in source.texts}
    texts = train.frame["explanation"].astype(str)
    known = (texts.astype(bool) & ~texts.isin(common)).to_numpy()
    cut = [without_label_words(text, [*labels, *spoken]) for text in texts[known]]
    has = held.frame["explanation"].astype(bool).to_numpy()
    if not has.any() or len(set(train.targets[known].tolist())) < 2:
        return (
            "Consistency: not measured; it needs different reference explanations of two or more labels in train, and "
            "some in validation."
        )
    reader = fit_label_reader(cut, train.targets[known], labels)
    references = held.frame["explanation"][has].astype(str).tolist()
    told = ""
    for source, found in zip(sources, values, strict=True):
        own = consistency(
            reader,
            references,
            held.targets[has],
            source.texts,
            decided,
            labels,
            spoken,
            held.frame["group"][has].to_numpy(),
            source.groups,
        )
        found["consistency"] = own.agrees.astype(np.float64)
        told = (
            f"Consistency: share of explanations that, without label words, imply the decided label to a reader fitted "
            f"on train's reference explanations; the reader's accuracy on validation's is {own.held_out.mean:.3f} "
            f"[{own.held_out.low:.3f}, {own.held_out.high:.3f}] (n {own.held_out.n}), majority {own.majority:.3f}."
        )
    return told
