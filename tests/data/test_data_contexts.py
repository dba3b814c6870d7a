"""A context before each post, for every family's tokenizer: what stays of it, and that a network reads it."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import FAMILIES, SENTENCES
from tokenizers import processors
from transformers import AutoTokenizer

from mhclf.config.run import AuditConfig, RunConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.load import load_table
from mhclf.data.tokens import TokenisedPosts, encode_posts
from mhclf.training.predict import predict_network
from mhclf.training.run import run
from mhclf.training.saved import load_run

TEXT = "my knee hurts when the stairs are wet"
BEFORE = "mum and i laughed on the phone for an hour"
LONG = " ".join(sentence for group in SENTENCES.values() for sentence in group)

# How the tokenizers of the real models join two segments.
TWO = {
    "roberta": "[CLS] $A [SEP] [SEP] $B [SEP]",
    "mpnet": "[CLS] $A [SEP] [SEP] $B [SEP]",
    "xlnet": "$A [SEP] $B:1 [SEP]:1 [CLS]:2",
    "modernbert": "[CLS] $A [SEP] $B [SEP]",
    "distilbert": "[CLS] $A [SEP] $B [SEP]",
}


@pytest.fixture(scope="module")
def tokenizers(encoder_folder):
    """Return a function that gives the tokenizer of a family, with the family's special tokens around two segments."""
    made = {}

    def tokenizer(family):
        if family not in made:
            made[family] = AutoTokenizer.from_pretrained(encoder_folder(family))
            order = TWO.get(family, "[CLS] $A [SEP] $B:1 [SEP]:1")
            made[family].backend_tokenizer.post_processor = processors.TemplateProcessing(
                single="$A [SEP] [CLS]" if family == "xlnet" else "[CLS] $A [SEP]",
                pair=order,
                special_tokens=[(name, made[family].convert_tokens_to_ids(name)) for name in ("[CLS]", "[SEP]")],
            )
        return made[family]

    return tokenizer


def encoded(tokenizer, texts, max_length, contexts=None):
    found = encode_posts(tokenizer, texts, max_length, contexts)
    return [list(ids) for ids in found["input_ids"]]


def ids_of(tokenizer, *segments):
    return tokenizer(*segments)["input_ids"]


def bare(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def holds(ids, part):
    """Return whether `part` stands in `ids` as it is, on end."""
    return any(ids[start : start + len(part)] == part for start in range(len(ids) - len(part) + 1))


every_family = pytest.mark.parametrize("family", FAMILIES)


@every_family
def test_the_special_tokens_are_those_of_two_segments(tokenizers, family):
    tokenizer = tokenizers(family)
    first, second = bare(tokenizer, BEFORE), bare(tokenizer, TEXT)
    special = 4 if family in ("roberta", "mpnet") else 3
    assert tokenizer.num_special_tokens_to_add(pair=True) == special
    ids = ids_of(tokenizer, BEFORE, TEXT)
    assert len(ids) == len(first) + len(second) + special and holds(ids, first) and holds(ids, second)


@every_family
@pytest.mark.parametrize("contexts", [None, ["", ""]])
def test_without_context_nothing_changes(tokenizers, family, contexts):
    tokenizer = tokenizers(family)
    plain = tokenizer([TEXT, LONG], truncation=True, max_length=24)
    found = encode_posts(tokenizer, [TEXT, LONG], 24, contexts)
    assert found["input_ids"] == plain["input_ids"] and "attention_mask" not in found
    assert found.get("token_type_ids") == plain.get("token_type_ids")


@every_family
def test_an_empty_context_among_others_changes_nothing_for_its_post(tokenizers, family):
    tokenizer = tokenizers(family)
    texts = [TEXT, LONG, TEXT]
    found = encoded(tokenizer, texts, 64, ["", "", BEFORE])
    assert found[:2] == encoded(tokenizer, texts[:2], 64)
    assert found[2] == ids_of(tokenizer, BEFORE, TEXT) != found[0]


@every_family
def test_a_short_context_stands_before_the_post_as_it_is(tokenizers, family):
    tokenizer = tokenizers(family)
    exact = len(ids_of(tokenizer, BEFORE, TEXT))
    for max_length in (exact, exact + 1, 256):
        found = encode_posts(tokenizer, [TEXT], max_length, [BEFORE])
        assert found["input_ids"] == [ids_of(tokenizer, BEFORE, TEXT)]
        if "token_type_ids" in found:
            assert found["token_type_ids"] == [tokenizer(BEFORE, TEXT)["token_type_ids"]]
    assert encoded(tokenizer, [TEXT], exact - 1, [BEFORE]) != [ids_of(tokenizer, BEFORE, TEXT)]


def whole_words(tokenizer):
    """Return the words that are one token each wherever they stand: no cut can fall inside one."""
    the = len(bare(tokenizer, "the"))
    sizes = {word: (len(bare(tokenizer, word)), len(bare(tokenizer, f"the {word}")) - the) for word in LONG.split()}
    return sorted(word for word, size in sizes.items() if size == (1, 1))


@every_family
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_end_of_a_long_context_stays_and_the_post_is_whole(tokenizers, family, data):
    tokenizer = tokenizers(family)
    words = whole_words(tokenizer)
    assert len(words) > 10
    said = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=50))
    post, empty = bare(tokenizer, TEXT), tokenizer.num_special_tokens_to_add(pair=True)
    max_length = data.draw(st.integers(len(post) + empty, len(post) + empty + 45))
    room = max_length - empty - len(post)
    (found,) = encoded(tokenizer, [TEXT], max_length, [" ".join(said)])
    assert len(found) <= max_length and holds(found, post)
    # All of it where there is room; else its last words, of which one may go for the cut.
    counts = [len(said)] if len(said) <= room else [max(0, room - 1), room]
    tails = [" ".join(said[len(said) - count :]) for count in counts]
    assert found in [ids_of(tokenizer, tail, TEXT) if tail else ids_of(tokenizer, TEXT) for tail in tails]


@every_family
def test_a_long_context_fills_the_room(tokenizers, family):
    tokenizer = tokenizers(family)
    post = bare(tokenizer, TEXT)
    words = whole_words(tokenizer) * 9
    (found,) = encoded(tokenizer, [TEXT], 64, [" ".join(words)])
    assert 63 <= len(found) <= 64 and holds(found, post)
    end = [token for word in words[-30:] for token in bare(tokenizer, f"the {word}")[-1:]]
    assert holds(found, end)


@every_family
@pytest.mark.parametrize("max_length", [6, 12, 20])
def test_a_post_that_fills_the_room_is_cut_as_without_context(tokenizers, family, max_length):
    tokenizer = tokenizers(family)
    found = encoded(tokenizer, [LONG, LONG], max_length, [BEFORE, LONG])
    assert found == encoded(tokenizer, [LONG, LONG], max_length) and len(found[0]) == max_length


@every_family
def test_a_post_beside_which_there_is_no_room_stands_alone(tokenizers, family):
    tokenizer = tokenizers(family)
    post, two = bare(tokenizer, TEXT), tokenizer.num_special_tokens_to_add(pair=True)
    for room in (-1, 0):
        (found,) = encoded(tokenizer, [TEXT], len(post) + two + room, [LONG])
        assert found == ids_of(tokenizer, TEXT)
    (found,) = encoded(tokenizer, [TEXT], len(post) + two + 2, [" ".join(whole_words(tokenizer))])
    assert len(post) + two + 1 <= len(found) <= len(post) + two + 2 and holds(found, post)


@every_family
def test_each_row_has_its_own_room(tokenizers, family):
    tokenizer = tokenizers(family)
    texts, contexts = [TEXT, "tea", LONG, TEXT], [LONG, BEFORE, BEFORE, ""]
    together = encoded(tokenizer, texts, 40, contexts)
    assert together == [
        encoded(tokenizer, [text], 40, [context])[0] for text, context in zip(texts, contexts, strict=True)
    ]
    assert together[1] == ids_of(tokenizer, BEFORE, "tea")


@every_family
def test_posts_that_were_cut_are_counted_without_their_contexts(tokenizers, family):
    tokenizer = tokenizers(family)
    whole = len(ids_of(tokenizer, TEXT))
    targets = np.zeros(3, dtype=np.int64)
    contexts = [LONG, BEFORE, LONG]
    posts = TokenisedPosts(tokenizer, [TEXT, LONG, TEXT], targets, whole + 8, contexts)
    assert posts.truncated == 1 and posts.lengths.max() <= whole + 8
    assert TokenisedPosts(tokenizer, [TEXT, LONG, TEXT], targets, whole - 1, contexts).truncated == 3
    assert TokenisedPosts(tokenizer, [TEXT, LONG, TEXT], targets, whole, contexts).truncated == 1


@every_family
def test_segments_are_padded_with_their_types(tokenizers, family):
    tokenizer = tokenizers(family)
    posts = TokenisedPosts(tokenizer, [TEXT, "tea"], np.zeros(2, dtype=np.int64), 64, [BEFORE, ""])
    batch = posts.collate([0, 1])
    for place, segments in enumerate([(BEFORE, TEXT), ("tea",)]):
        expected = tokenizer(*segments)
        seen = batch.inputs["attention_mask"][place].bool()
        assert batch.inputs["input_ids"][place][seen].tolist() == expected["input_ids"]
        if "token_type_ids" in expected:
            assert batch.inputs["token_type_ids"][place][seen].tolist() == expected["token_type_ids"]


# A set in which the post says nothing of its label, and what was said before it everything.
ASKED = {"body": "does the knee hurt", "work": "what did the boss say"}
SAID = ["yes it is so", "not as far as i know", "a little i think", "nobody asked me yet", "they say so"]


def write_talks(folder, columns="context: before"):
    lines = [
        f"{SAID[number % 5]} {'again ' * (number // 10)},{label},{ASKED[label]}\n"
        for number in range(40)
        for label in ASKED
    ]
    (folder / "talks.csv").write_text("text,label,before\n" + "".join(lines))
    path = folder / "talks.yaml"
    path.write_text(
        "name: talks\ntask: multiclass\nlabels: [body, work]\nsource: {files: talks.csv}\n"
        f"columns: {{text: text, label: label, {columns}}}\nsplits: {{kind: ratio, test: 0.25}}\nmax_length: 24\n"
        "metrics: [accuracy]\n"
    )
    return path


def test_a_run_trained_with_contexts_reads_them(encoder_folder, tmp_path):
    path = write_talks(tmp_path)
    outcome = run(
        RunConfig(
            data=str(path),
            encoder=str(encoder_folder("bert")),
            out=str(tmp_path / "runs"),
            optim=OptimConfig(lr=2e-3, head_lr=1e-2),
            batch=BatchConfig(size=8),
            trainer=TrainerConfig(epochs=8, accelerator="cpu", precision="fp32"),
            # The same few posts stand in all parts, on purpose.
            audit=AuditConfig(on_leak="keep"),
        )
    )
    found = {
        (record.method, record.value) for record in outcome.records
        if (record.metric, record.split, record.slice) == ("accuracy", "test", "all")
    }  # fmt: skip
    scores = dict(found)
    assert scores["lara_supcon"] > 0.6 and scores["tfidf_lr"] == 1.0 and scores["majority"] == 0.5

    network, tokenizer = load_run(outcome.folder).parts()
    texts = load_table(str(path)).part("test").texts[:6]
    said = {label: predict_network(network, tokenizer, texts, 24, BatchConfig(), [question] * 6)
            for label, question in ASKED.items()}  # fmt: skip
    assert said["body"].decisions.tolist() == [0] * 6 and said["work"].decisions.tolist() == [1] * 6
    assert np.abs(said["body"].logits - said["work"].logits).min() > 0.01
    alone = predict_network(network, tokenizer, texts, 24, BatchConfig())
    empty = predict_network(network, tokenizer, texts, 24, BatchConfig(), [""] * 6)
    np.testing.assert_array_equal(alone.logits, empty.logits)
    assert np.abs(alone.logits - said["body"].logits).max() > 0.01
