"""BERTScore and likelihoods of rated explanations: the right pairs, in the right direction, at the right rows."""

import numpy as np
import pytest
from support import SENTENCES
from test_likelihood import build

from mhclf.generation.bert_score import bert_score
from mhclf.generation.human_ratings import DIMENSIONS, RatedExplanations
from mhclf.generation.likelihood import log_likelihood
from mhclf.generation.metric_agreement import join, reference_set
from mhclf.generation.model_metrics import decoder_metrics, encoder_metrics
from mhclf.models.encoder import load_encoder, load_tokenizer
from mhclf.models.weights import resolve_encoder


def test_pairs_and_directions(encoder_folder):
    source = resolve_encoder(str(encoder_folder("bert")))
    encoder, tokenizer = load_encoder(source), load_tokenizer(source)
    posts, texts = tuple(SENTENCES["body"][:3]), tuple(SENTENCES["work"][:3])
    rows = join([RatedExplanations("one", posts, texts, {name: np.zeros((3, 2), int) for name in DIMENSIONS})])
    reference = SENTENCES["people"][0]
    sets = [reference_set("silver", rows, {rows.groups[1]: reference}), reference_set("none", rows, {})]

    found, layer = encoder_metrics(rows, sets, encoder, tokenizer)
    expected = bert_score(texts, posts, encoder, tokenizer)
    assert layer == "layer 2" and set(found) == {
        "bertscore_precision_post", "bertscore_recall_post", "bertscore_f1_post", "bertscore_f1_silver",
    }  # fmt: skip
    assert found["bertscore_recall_post"] == pytest.approx(expected.recall, abs=1e-6)
    alone = bert_score([texts[1]], [reference], encoder, tokenizer).f1[0]
    assert found["bertscore_f1_silver"] == pytest.approx([np.nan, alone, np.nan], abs=1e-6, nan_ok=True)

    tokenizer.bos_token = "[CLS]"
    model = build("llama", len(tokenizer))
    scored, cut = decoder_metrics(rows, sets, model, tokenizer, "tiny")
    assert cut == 0 and set(scored) == {
        "likelihood_post_to_text", "likelihood_silver_to_text", "likelihood_silver_from_text",
    }  # fmt: skip
    to_text = log_likelihood([reference], [texts[1]], model, tokenizer).values[0]
    from_text = log_likelihood([texts[1]], [reference], model, tokenizer).values[0]
    assert scored["likelihood_silver_to_text"][1] == pytest.approx(to_text, abs=1e-5)
    assert scored["likelihood_silver_from_text"][1] == pytest.approx(from_text, abs=1e-5)
    assert scored["likelihood_post_to_text"] == pytest.approx(
        log_likelihood(posts, texts, model, tokenizer).values, abs=1e-5
    )
