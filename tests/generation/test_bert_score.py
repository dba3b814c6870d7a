"""BERTScore against torchmetrics and brute force, on a tiny random encoder."""

import numpy as np
import pytest
import torch
from support import SENTENCES

from mhclf.errors import ConfigError, DataError
from mhclf.generation.bert_score import bert_score, greedy_match, token_vectors
from mhclf.models.encoder import load_encoder, load_tokenizer
from mhclf.models.weights import resolve_encoder

CANDIDATES = SENTENCES["body"][:4]
REFERENCES = [*SENTENCES["people"][:3], SENTENCES["body"][3]]


@pytest.fixture(scope="module", params=["bert", "roberta", "xlnet"])
def parts(encoder_folder, request):
    source = resolve_encoder(str(encoder_folder(request.param)))
    return load_encoder(source), load_tokenizer(source)


def brute_force(candidate, reference, encoder, tokenizer, layer):
    """Each text alone, without padding, token by token in Python."""

    def vectors(text):
        ids = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            output = encoder(**ids, output_hidden_states=True)
        states = (*output.hidden_states[:-1], output.last_hidden_state)[layer][0]
        special = tokenizer.get_special_tokens_mask(ids["input_ids"][0].tolist(), already_has_special_tokens=True)
        return [state.numpy() for state, left_out in zip(states, special, strict=True) if not left_out]

    def cosine(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    ours, theirs = vectors(candidate), vectors(reference)
    precision = np.mean([max(cosine(a, b) for b in theirs) for a in ours])
    recall = np.mean([max(cosine(a, b) for a in ours) for b in theirs])
    return precision, recall, 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("layer", [-1, 1])
def test_equals_brute_force_whatever_the_padding(parts, layer):
    encoder, tokenizer = parts
    found = bert_score(CANDIDATES, REFERENCES, encoder, tokenizer, layer, batch_size=3)
    for row, pair in enumerate(zip(CANDIDATES, REFERENCES, strict=True)):
        expected = brute_force(*pair, encoder, tokenizer, layer)
        assert (found.precision[row], found.recall[row], found.f1[row]) == pytest.approx(expected, abs=1e-5)
    assert found.f1[3] == pytest.approx(1, abs=1e-5), "a text against itself"
    assert found.layer == {-1: "layer 2", 1: "layer 1"}[layer]


def test_equals_torchmetrics(encoder_folder):
    from torchmetrics.functional.text.bert import bert_score as oracle

    source = resolve_encoder(str(encoder_folder("bert")))
    encoder, tokenizer = load_encoder(source), load_tokenizer(source)

    def forward(model, batch):
        return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state

    found = bert_score(CANDIDATES, REFERENCES, encoder, tokenizer)
    for row, (candidate, reference) in enumerate(zip(CANDIDATES, REFERENCES, strict=True)):
        expected = oracle(
            [candidate],
            [reference],
            model=encoder,
            user_tokenizer=tokenizer,
            user_forward_fn=forward,
            max_length=64,
        )
        assert found.precision[row] == pytest.approx(float(expected["precision"]), abs=1e-5)
        assert found.recall[row] == pytest.approx(float(expected["recall"]), abs=1e-5)
        assert found.f1[row] == pytest.approx(float(expected["f1"]), abs=1e-5)


def test_matching_by_hand():
    candidate, reference = torch.eye(3)[:2], torch.eye(3)[[0, 2, 2]]
    precision, recall, f1 = greedy_match(candidate, reference)
    assert (precision, recall, f1) == pytest.approx((1 / 2, 1 / 3, 2 / 5))


def test_long_texts_are_read_in_pieces_and_empty_ones_score_nothing(encoder_folder):
    source = resolve_encoder(str(encoder_folder("bert")))
    encoder, tokenizer = load_encoder(source), load_tokenizer(source)
    long = " ".join(SENTENCES["body"] * 20)
    plain = tokenizer(long, add_special_tokens=False)["input_ids"]
    assert len(plain) > encoder.config.max_position_embeddings
    assert token_vectors([long], encoder, tokenizer, -1, 4)[0].shape == (len(plain), 32)
    found = bert_score(["", CANDIDATES[0]], [CANDIDATES[0], ""], encoder, tokenizer)
    assert found.precision.tolist() == found.recall.tolist() == found.f1.tolist() == [0, 0]


def test_wrong_input_is_refused(parts):
    encoder, tokenizer = parts
    with pytest.raises(DataError, match="candidates has 1 texts, references 2; give one for each"):
        bert_score(["a"], ["b", "c"], encoder, tokenizer)
    with pytest.raises(DataError, match="candidates is empty"):
        bert_score([], [], encoder, tokenizer)
    with pytest.raises(ConfigError) as error:
        bert_score(["a"], ["b"], encoder, tokenizer, layer=3)
    assert str(error.value) == "layer: is 3, but the encoder has embeddings, layer 1, layer 2 (0 to 2)."
