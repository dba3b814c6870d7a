"""Every attribution method: its contract on several families, and its formula by an independent road."""

import sys
from copy import deepcopy
from dataclasses import replace
from itertools import combinations
from math import factorial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explain import attribute
from explain.attention import look, pooled_query
from explain.attribution import METHODS
from explain.coalitions import units_of
from explain.gradients import embedded, gradients_at
from explain.model import ExplainedModel, Target
from explain.perturbation import sentence_numbers
from explain.reading import read_posts
from explain.relevance import held_still
from explain.sanity import blocks_from_head, randomisation_cascade
from explain.sensitivity import max_sensitivity
from mhclf.config.loss import ContrastiveConfig
from mhclf.config.model import LongPostsConfig, ModelConfig
from mhclf.config.run import RunConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.spans import overlap, words
from mhclf.data.table import join_contexts
from mhclf.errors import ConfigError, MissingDependencyError, RunError
from mhclf.models.network import ClassifierNetwork
from mhclf.training.run import run
from mhclf.training.saved import load_run

POSTS = [
    "my knee hurts when the stairs are wet",
    "nobody saved me a seat at lunch, again!",
    "the boss called. i could not sleep! and my sister never replies to me",
]
SHORT = "my boss hurts my knee again today"
UNFIT = {
    ("value_weighted_attention", "xlnet"): "its encoder has no value layers of their own",
    ("value_weighted_attention", "modernbert"): "its encoder has no value layers of their own",
    ("gradient_attention", "xlnet"): "its encoder shows copies of its attention",
}
NETWORK = [name for name in METHODS if name not in {"tfidf_weights", "rationale_head"}]


@pytest.fixture(scope="module")
def trained_run(encoder_folder, tiny_dataset, tmp_path_factory):
    """Return a function that gives a trained run by family and pooling, each trained once."""
    made = {}

    def build(family="bert", **settings):
        key = (family, repr(settings))
        if key not in made:
            config = RunConfig(
                data=str(tiny_dataset),
                encoder=str(encoder_folder(family)),
                out=str(tmp_path_factory.mktemp("runs")),
                report=False,
                **{"max_length": 64, **settings},
                optim=OptimConfig(lr=1e-3, head_lr=1e-2),
                batch=BatchConfig(size=8),
                trainer=TrainerConfig(epochs=2, accelerator="cpu", precision="fp32"),
            )
            made[key] = load_run(run(config).folder)
        return made[key]

    return build


@pytest.mark.parametrize("family", ["bert", "roberta", "xlnet", "deberta-v2", "modernbert", "distilbert"])
@pytest.mark.parametrize("method", NETWORK)
def test_the_contract_holds_for_every_method_and_family(trained_run, family, method):
    loaded = trained_run(family)
    posts = [SHORT, "my knee hurts"] if method == "exact_shapley" else POSTS
    if (method, family) in UNFIT:
        with pytest.raises(RunError, match=UNFIT[method, family]):
            attribute(loaded, posts, method=method)
        return
    found = attribute(loaded, posts, method=method)
    predicted = loaded.predict(posts)
    for post, item, label in zip(posts, found, predicted, strict=True):
        assert item.text == post and item.target == label and item.method == method
        assert len(item.scores) == len(item.words)
        assert np.isfinite(item.scores).all()
        assert any(item.scores), "not all zero"
        assert item.settings["quantity"] == "logit"
        assert item.unread == 0
    alone = attribute(loaded, posts[:1], method=method)[0]
    assert alone.scores == pytest.approx(found[0].scores, abs=2e-4), "a post's scores do not depend on its neighbours"


def test_attention_is_what_the_encoder_shows(trained_run):
    loaded = trained_run()
    network, tokenizer = loaded.parts()
    network.encoder.set_attn_implementation("eager")
    encoded = tokenizer(POSTS[0], return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        attentions = network.encoder(**encoded, output_attentions=True).attentions
    network.encoder.set_attn_implementation("sdpa")
    received = attentions[-1][0].mean(dim=0).mean(dim=0)
    found = attribute(loaded, POSTS[:1], method="attention")[0]
    assert network.encoder.config._attn_implementation == "sdpa", "it goes back"
    for (start, end), score in zip(found.words, found.scores, strict=True):
        own = [float(value) for value, (a, b) in zip(received, offsets, strict=True) if a < end and start < b]
        assert score == pytest.approx(sum(own), abs=1e-6)
    product = torch.eye(len(offsets))
    for weights in attentions:
        product = (0.5 * weights[0].mean(dim=0) + 0.5 * torch.eye(len(offsets))) @ product
    rolled = attribute(loaded, POSTS[:1], method="attention_rollout")[0]
    special = [place for place, span in enumerate(offsets) if span == [0, 0]]
    assert sum(rolled.scores) == pytest.approx(1 - float(product.mean(dim=0)[special].sum()), abs=1e-5)


def test_cls_pooling_looks_from_the_first_token(trained_run):
    loaded = trained_run("bert", model=ModelConfig(pooling="cls"))
    model = ExplainedModel(loaded)
    (post,) = read_posts(loaded, POSTS[:1])
    batch = model.batch([post.row])
    with torch.no_grad():
        seen = look(model, batch)
    weights = seen.attentions[-1].mean(dim=1)
    assert torch.equal(pooled_query(model, weights, seen.mask)[0], weights[0, 0])
    assert torch.allclose(seen.logits, model.whole([post]), atol=1e-5)


def test_layer_attentive_attention_is_weighted_by_the_contributions(trained_run):
    loaded = trained_run()
    model = ExplainedModel(loaded)
    (post,) = read_posts(loaded, POSTS[:1])
    with torch.no_grad():
        seen = look(model, model.batch([post.row]))
    shares = seen.aggregated.contributions[0].tolist()
    size = len(post.ids)
    received = [torch.full((size,), 1 / size)]
    received += [weights[0].mean(dim=0)[:size, :size].mean(dim=0) for weights in seen.attentions]
    expected = post.word_scores(sum(share * row for share, row in zip(shares, received, strict=True)).numpy())
    found = attribute(loaded, POSTS[:1], method="layer_attentive_attention")[0]
    assert found.scores == pytest.approx(expected.tolist(), abs=1e-6)
    plain = trained_run("bert", model=ModelConfig(aggregation="last"), contrastive=ContrastiveConfig(weight=0))
    pair = [attribute(plain, POSTS[:1], method=name)[0] for name in ("attention", "layer_attentive_attention")]
    assert pair[0].scores == pytest.approx(pair[1].scores)
    assert found.settings["layers"] == "learnt contributions"
    assert pair[1].settings["layers"] == "last, as the run learns no contributions"


def test_gradients_equal_finite_differences(trained_run):
    loaded = trained_run()
    network, tokenizer = loaded.parts()
    label = loaded.labels.index("work")
    encoded = tokenizer(SHORT, return_tensors="pt")
    ids = encoded.pop("input_ids")
    embed = network.encoder.get_input_embeddings()
    vectors = embed(ids).detach()

    def logit(values):
        with torch.no_grad():
            return float(network({**encoded, "inputs_embeds": values}).logits[0, label])

    found = attribute(loaded, [SHORT], method="input_x_gradient", target="work")[0]
    (post,) = read_posts(loaded, [SHORT])
    for word in (0, 2):
        step = 1e-2
        nudge = torch.zeros_like(vectors)
        own = torch.from_numpy(post.alignment.tokens[post.alignment.words == word])
        nudge[0, own] = vectors[0, own]
        slope = (logit(vectors + step * nudge) - logit(vectors - step * nudge)) / (2 * step)
        assert found.scores[word] == pytest.approx(slope, abs=2e-3)


def test_a_contrast_is_the_difference_of_two_labels(trained_run):
    loaded = trained_run()
    scores = {}
    for target, against in (("work", None), ("body", None), ("work", "body")):
        item = attribute(loaded, [SHORT], method="input_x_gradient", target=target, against=against)[0]
        scores[target, against] = np.array(item.scores)
    assert item.target == "work rather than body"
    assert scores["work", "body"] == pytest.approx(scores["work", None] - scores["body", None], abs=1e-5)
    with pytest.raises(ConfigError) as error:
        attribute(loaded, [SHORT], target="work", against="work")
    assert str(error.value) == "against: is the label that is explained. Give another, or name the target."


def brute_force_shapley(model, post, target):
    count = len(post.words)
    rows = np.array([[number >> word & 1 for word in range(count)] for number in range(2**count)], dtype=bool)
    values = model.masked(post, rows, target)
    shares = []
    for word in range(count):
        total = 0.0
        others = [other for other in range(count) if other != word]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for chosen in combinations(others, size):
                number = sum(1 << other for other in chosen)
                total += weight * (values[number | 1 << word] - values[number])
        shares.append(total)
    return shares, values[-1] - values[0]


def test_shapley_values_are_additive_and_equal_brute_force_on_eight_words(trained_run):
    loaded = trained_run()
    text = "my boss hurts my knee again today now"
    model = ExplainedModel(loaded)
    (post,) = read_posts(loaded, [text])
    assert len(post.words) == 8
    expected, change = brute_force_shapley(model, post, Target(1))
    exact = attribute(loaded, [text], method="exact_shapley", target="work")[0]
    assert exact.scores == pytest.approx(expected, abs=1e-5)
    for method in ("exact_shapley", "permutation_shapley", "kernel_shap"):
        found = attribute(loaded, [text], method=method, target="work")[0]
        assert sum(found.scores) == pytest.approx(change, abs=1e-4)
        assert found.completeness_gap < 1e-3 and found.converged
        assert np.corrcoef(found.scores, expected)[0, 1] > 0.9
    near = attribute(loaded, [text], method="lime", target="work")[0]
    assert np.corrcoef(near.scores, expected)[0, 1] > 0.8


def test_a_seed_fixes_what_is_drawn_and_nobody_else_s_draws(trained_run):
    loaded = trained_run()
    for method in ("random", "permutation_shapley", "kernel_shap", "lime", "gradient_shap"):
        np.random.seed(5)
        expected = np.random.random()
        np.random.seed(5)
        one, again, other = (attribute(loaded, POSTS[2:], method=method, seed=seed)[0].scores for seed in (1, 1, 2))
        assert np.random.random() == expected, f"{method} leaves numpy's state alone"
        assert one == again != other


def test_many_words_stand_together(trained_run):
    (post,) = read_posts(trained_run(), ["knee " * 25])
    units = units_of(post, 10)
    assert units.count == 10
    assert units.of_word.tolist() == sorted(units.of_word.tolist())
    assert np.bincount(units.of_word).tolist() in ([3, 2] * 5, [2, 3] * 5)
    values = np.arange(10.0)
    assert units.share(values).sum() == pytest.approx(values.sum())
    assert units.kept(np.eye(10)).sum(axis=1).tolist() == np.bincount(units.of_word).tolist()


def test_exact_values_are_refused_for_many_words(trained_run):
    with pytest.raises(ConfigError) as error:
        attribute(trained_run(), POSTS[2:], method="exact_shapley")
    assert str(error.value) == (
        "exact_shapley: a post has 16 words, at most 12 can be explained exactly. Use permutation_shapley."
    )


def test_sentences_share_their_fall(trained_run):
    loaded = trained_run()
    (post,) = read_posts(loaded, POSTS[2:])
    assert sentence_numbers(post).tolist() == [0] * 4 + [1] * 5 + [2] * 7
    found = attribute(loaded, POSTS[2:], method="sentence_occlusion", target="work")[0]
    model = ExplainedModel(loaded)
    kept = np.ones((2, 16), dtype=bool)
    kept[1, 4:9] = False
    values = model.masked(post, kept, Target(1), "delete")
    assert found.scores[4:9] == pytest.approx([(values[0] - values[1]) / 5] * 5, abs=1e-5)


def test_holding_the_mixing_still_changes_no_output(trained_run):
    loaded = trained_run()
    model = ExplainedModel(loaded)
    posts = read_posts(loaded, POSTS)
    before = model.whole(posts)
    with model.eager_attention(), held_still(model.network):
        inside = model.whole(posts)
    assert torch.allclose(before, inside, atol=1e-5)
    assert torch.equal(model.whole(posts), before), "it goes back"


@pytest.mark.parametrize(
    "settings",
    [{}, {"model": ModelConfig(aggregation="layer_attentive_residual_gated", pooling="attention")}],
)
def test_relevance_is_conserved_where_the_network_has_no_bias(trained_run, settings):
    loaded = trained_run("bert", **settings)
    network = deepcopy(loaded.network)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".bias") or "position_embeddings" in name or "token_type_embeddings" in name:
                parameter.zero_()
            elif name.endswith("score.weight"):
                # They start at zero, and little training leaves them there: weights of mixing must differ by input.
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    for module in network.modules():
        if hasattr(module, "intermediate_act_fn"):
            module.intermediate_act_fn = torch.nn.ReLU()
    model = ExplainedModel(replace(loaded, network=network))
    posts = read_posts(model.run, POSTS)
    targets = [Target(number) for number in range(3)]
    logits = model.whole(posts).diagonal()
    batch = embedded(model, posts)
    plain = (batch.inputs * gradients_at(model, batch, targets)).sum(dim=(1, 2))
    with model.eager_attention(), held_still(network):
        relevance = (batch.inputs * gradients_at(model, batch, targets)).sum(dim=(1, 2))
    # What is left is linear in the embeddings piece by piece, so that only float32 rounding parts the two.
    assert relevance.tolist() == pytest.approx(logits.tolist(), rel=1e-4, abs=1e-5)
    assert logits.abs().max() > 0.1 and not torch.allclose(plain, logits, rtol=0.1), "not so without the rules"


def test_relevance_of_a_norm_and_a_sum_by_hand():
    network = torch.nn.Sequential(torch.nn.LayerNorm(4), torch.nn.Linear(4, 1))
    values = torch.tensor([[3.0, -1.0, 2.0, 4.0]], requires_grad=True)
    with held_still(network):
        network(values).sum().backward()
    weights = network[1].weight.detach()[0]
    spread = values.detach().std(unbiased=False)
    assert torch.allclose(values.grad[0], (weights - weights.mean()) / spread, atol=1e-5)


def test_removal_works_on_tokens(trained_run):
    loaded = trained_run()
    model = ExplainedModel(loaded)
    tokenizer = loaded.parts()[1]
    (post,) = read_posts(loaded, [SHORT])
    kept = np.array([True, False, True, True, True, True, True])
    masked = model.row_without(post, kept, "mask").ids
    deleted = model.row_without(post, kept, "delete").ids
    gone = np.isin(np.arange(len(post.ids)), post.alignment.tokens[post.alignment.words == 1])
    assert (masked[torch.from_numpy(gone)] == tokenizer.mask_token_id).all()
    assert torch.equal(masked[torch.from_numpy(~gone)], post.ids[torch.from_numpy(~gone)])
    assert deleted.tolist() == [int(v) for v, out in zip(post.ids, gone, strict=True) if not out]
    with pytest.raises(ConfigError) as error:
        model.masked(post, np.ones((2, 3), dtype=bool), Target(0))
    assert str(error.value) == "kept: has shape (2, 3), expected (n, 7)."


def test_equal_rows_are_read_once(trained_run, monkeypatch):
    loaded = trained_run()
    (post,) = read_posts(loaded, ["one two three four five six"])
    kept = np.ones((5, len(post.words)), dtype=bool)
    kept[1, 0] = kept[3, 0] = kept[4, 2] = False
    plain, remembering = ExplainedModel(loaded), ExplainedModel(loaded, remember=True)
    rows = [plain.row_without(post, row, "mask") for row in kept]
    alone = torch.cat([plain.logits([row]) for row in rows])
    read = []
    forward = loaded.network.forward

    def counted(batch, *args, **kwargs):
        read.append(len(batch["input_ids"]))
        return forward(batch, *args, **kwargs)

    monkeypatch.setattr(loaded.network, "forward", counted)
    assert torch.allclose(plain.logits(rows), alone, atol=1e-5)
    assert read == [3]
    # A model that is changed must be asked again; only one that is told to remembers.
    plain.logits(rows[:2])
    assert read == [3, 2]
    first = remembering.logits(rows[:2])
    assert torch.equal(remembering.logits(rows)[:2], first)
    assert read == [3, 2, 2, 1]
    # A post cut to the same tokens in another segment is another row.
    if rows[0].types is not None:
        assert rows[0].key != replace(rows[0], types=1 - rows[0].types).key


def test_smaller_batches_when_memory_runs_out(trained_run):
    model = ExplainedModel(trained_run(), tokens_at_once=80)
    sizes = []

    def work(part):
        if len(part) > 3:
            raise torch.OutOfMemoryError("no memory")
        sizes.append(list(part))

    model.in_batches([10] * 7, work)
    assert [number for part in sizes for number in part] == list(range(7))
    assert max(map(len, sizes)) == 3

    def never(part):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    with pytest.raises(RunError, match="Memory ran out on one post"):
        model.in_batches([10], never)
    with pytest.raises(RuntimeError, match="other"):
        model.in_batches([10], lambda part: (_ for _ in ()).throw(RuntimeError("other")))


def test_parts_end_where_padding_costs_more_than_a_pass(trained_run):
    model = ExplainedModel(trained_run())

    def parts(lengths):
        found = []
        model.in_batches(lengths, lambda part: found.append([lengths[number] for number in part]))
        return found

    # A pass costs as much as 64 tokens: 8 rows may each be padded by 8 tokens.
    assert parts([24] * 3 + [16] * 8) == [[24] * 3 + [16] * 8]
    assert parts([24] * 3 + [16] * 9) == [[24] * 3 + [16] * 8, [16]]
    assert parts([120, 117, 60, 55, 5]) == [[120, 117, 60], [55, 5]]
    # In half precision widths are multiples of 8, whatever the parts: 17 tokens cost as much as 24.
    model.precision = "bf16"
    assert parts([24] + [17] * 20 + [16] * 9) == [[24] + [17] * 20 + [16] * 8, [16]]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_in_one_part_and_padding_is_bounded(trained_run, lengths):
    model = ExplainedModel(trained_run(), tokens_at_once=1000)
    found = []
    model.in_batches(lengths, found.append)
    assert sorted(number for part in found for number in part) == list(range(len(lengths)))
    widths = [[lengths[number] for number in part] for part in found]
    for part, following in zip(widths, [*widths[1:], []], strict=True):
        assert len(part) * part[0] <= 1000 or len(part) == 1
        padding = sum(part[0] - width for width in part)
        assert padding <= 64
        if following and (len(part) + 1) * part[0] <= 1000:
            # What stands apart had to: with it, padding would be more than another pass.
            assert padding + part[0] - following[0] > 64


@pytest.mark.parametrize(
    "method",
    ["integrated_gradients", "gradient_attention", "value_weighted_attention", "attention", "layer_relevance"],
)
def test_every_method_shrinks_its_batches_down_to_a_row_and_then_says_so(trained_run, monkeypatch, method):
    loaded = trained_run()
    explain = METHODS.get(method)
    posts = read_posts(loaded, POSTS)
    targets = [Target(0), Target(1), Target(2, 0)]
    free = explain(ExplainedModel(loaded), posts, targets, 0)
    encoder = loaded.network.encoder
    forward = encoder.forward
    sizes = []

    def limited(most):
        def call(*arguments, **options):
            rows = len(options["inputs_embeds"] if "inputs_embeds" in options else options["input_ids"])
            if rows > most:
                raise torch.OutOfMemoryError("no memory")
            sizes.append(rows)
            return forward(*arguments, **options)

        monkeypatch.setattr(encoder, "forward", call)

    for most in (7, 2, 1):
        sizes.clear()
        limited(most)
        tight = explain(ExplainedModel(loaded), posts, targets, 0)
        # What fits is used: halving stops at the first size that does.
        assert most / 2 < max(sizes) <= most or max(sizes) == len(posts)
        for one, other in zip(free, tight, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-5) and one.settings == other.settings
    limited(0)
    with pytest.raises(RunError) as error:
        explain(ExplainedModel(loaded), posts, targets, 0)
    assert str(error.value) == (
        "Memory ran out on one post. Explain a run with a smaller --max_length, or on another machine."
    )


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "layer_relevance"])
def test_without_captum_gradients_say_what_to_install(trained_run, monkeypatch, method):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingDependencyError) as error:
        attribute(trained_run(), POSTS, method=method)
    assert str(error.value) == "Gradients need captum: pip install 'mhclf[explain]'"


def test_other_errors_of_integrated_gradients_are_not_taken_for_memory(trained_run, monkeypatch):
    loaded = trained_run()
    calls = []

    def broken(*arguments, **options):
        calls.append(1)
        raise RuntimeError("other")

    monkeypatch.setattr(loaded.network.encoder, "forward", broken)
    with pytest.raises(RuntimeError, match="^other$"):
        METHODS.get("integrated_gradients")(ExplainedModel(loaded), read_posts(loaded, POSTS), [Target(0)] * 3, 0)
    assert len(calls) == 1


def test_what_the_settings_say_of_value_weighted_attention_is_what_is_done(trained_run):
    loaded = trained_run()
    model = ExplainedModel(loaded)
    (post,) = read_posts(loaded, POSTS[:1])
    batch = model.batch([post.row])
    with torch.no_grad():
        seen = look(model, batch)
        states = loaded.network.encoder(**batch, output_hidden_states=True).hidden_states[-2][0]
    value = loaded.network.encoder.encoder.layer[-1].attention.self.value
    size, width = len(post.ids), value.out_features // 2
    expected = np.zeros(size)
    for head in (0, 1):
        own = slice(head * width, (head + 1) * width)
        norms = (states[:size] @ value.weight[own].T + value.bias[own]).detach().norm(dim=1).numpy()
        expected += seen.attentions[-1][0, head, :size, :size].mean(dim=0).numpy() * norms
    found = attribute(loaded, POSTS[:1], method="value_weighted_attention")[0]
    assert found.scores == pytest.approx(post.word_scores(expected).tolist(), abs=1e-5)
    assert found.settings["heads"] == "sum of norms"
    assert found.settings["weights"] == "value-norm-weighted attention, without the output projection"


def test_the_first_block_that_becomes_random_holds_the_evidence_head(trained_run):
    loaded = trained_run()
    torch.manual_seed(7)
    network = ClassifierNetwork(deepcopy(loaded.network.encoder), replace(loaded.network.config, evidence_head=True))
    (name, own), *others = blocks_from_head(network)
    assert name == "head" and {"evidence.linear.weight", "evidence.linear.bias"} < set(own)
    assert not any("evidence." in parameter for _, names in others for parameter in names)
    marking = replace(loaded, network=network.eval())
    first = randomisation_cascade(marking, POSTS, "rationale_head")[0]
    assert first.block == "head" and first.agreement.kendall.mean < 0.9


FAMILIES = ["bert", "roberta", "xlnet", "deberta-v2", "modernbert", "distilbert", "electra"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_word_is_seen_where_it_has_a_token_and_words_share_out_all_tokens(trained_run, family):
    loaded = trained_run(family)
    text = "I cried... why?! 好的 really '!?.,"
    (post,) = read_posts(loaded, [text])
    offsets = loaded.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    under = [any(overlap(token, word) for token in offsets) for word in post.words]
    assert post.seen.tolist() == under
    if family in {"roberta", "modernbert"}:
        assert post.seen.all()
        assert len(set(post.alignment.tokens)) < len(post.alignment.tokens), "a merge stands over several words"
    model, target = ExplainedModel(loaded), Target(1)
    batch = embedded(model, [post])
    tokens = (batch.inputs * gradients_at(model, batch, [target])).sum(dim=-1)[0]
    tokens = tokens[model.place(len(post.ids), len(tokens))].tolist()
    own = [any(overlap(token, word) for word in post.words) for token in offsets]
    expected = sum(score for score, mine in zip(tokens, own, strict=True) if mine)
    found = attribute(loaded, [text], method="input_x_gradient", target=loaded.labels[1])[0]
    assert sum(found.scores) == pytest.approx(expected, abs=1e-5)
    assert found.unread == under.count(False)
    assert not np.array(found.scores)[~post.seen].any()


def test_words_behind_the_cut_have_no_score_and_are_counted(encoder_folder, tiny_dataset, tmp_path):
    config = RunConfig(
        data=str(tiny_dataset), encoder=str(encoder_folder("bert")), out=str(tmp_path), report=False, max_length=8,
        batch=BatchConfig(size=8), trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"),
    )  # fmt: skip
    loaded = load_run(run(config).folder)
    for method in ("attention", "integrated_gradients", "permutation_shapley", "occlusion", "random"):
        found = attribute(loaded, [POSTS[0]], method=method)[0]
        assert found.unread > 0
        assert not any(found.scores[-found.unread :])


def test_context_is_read_but_has_no_score(trained_run):
    loaded = trained_run()
    alone, after = (attribute(loaded, [SHORT], contexts=before)[0] for before in (None, ["where does it hurt?"]))
    assert len(alone.scores) == len(after.scores) == 7
    assert alone.scores != pytest.approx(after.scores, abs=1e-6)


def test_long_posts_in_chunks_are_refused(trained_run):
    loaded = trained_run("bert", long=LongPostsConfig("chunks", overlap=2), max_length=16)
    with pytest.raises(ConfigError, match="which cannot be explained by word yet"):
        attribute(loaded, POSTS)


@pytest.fixture(scope="module")
def linear(tiny_dataset, tmp_path_factory):
    config = RunConfig(
        data=str(tiny_dataset), method="tfidf_lr", out=str(tmp_path_factory.mktemp("linear")), report=False,
        model=ModelConfig(kind="tfidf_lr"), contrastive=ContrastiveConfig(weight=0),
    )  # fmt: skip
    return load_run(run(config).folder)


def test_the_linear_model_shares_out_its_logit(linear):
    for text in POSTS:
        found = attribute(linear, [text], method="tfidf_weights", target="body")[0]
        logit = linear.linear.logits([text])[0, 0]
        assert sum(found.scores) == pytest.approx(logit - linear.linear.bias[0], abs=1e-9)
    text, context = POSTS[:2]
    both = attribute(linear, [text], method="tfidf_weights", target="body", contexts=[context])[0]
    assert len(both.scores) == len(both.words) == len(words(text))
    # The two share no feature, nor does a pair across the border count: the post's features keep their columns.
    features = [linear.linear.features([item]).toarray()[0] for item in (text, context)]
    joint = linear.linear.features(join_contexts([text], [context])).toarray()[0]
    own = features[0] > 0
    assert not (own & (features[1] > 0)).any() and np.array_equal(joint > 0, own | (features[1] > 0))
    weights = linear.linear.weights[0]
    assert sum(both.scores) == pytest.approx((joint * weights)[own].sum(), abs=1e-9)
    assert abs((joint * weights)[~own].sum()) > 0.01, "the context has a part, which no word gets"


def test_word_methods_explain_the_linear_model_and_others_say_why_not(linear):
    for method in ("occlusion", "sentence_occlusion", "permutation_shapley", "kernel_shap", "lime", "random"):
        assert any(attribute(linear, [POSTS[2]], method=method)[0].scores)
    for method in ("attention", "integrated_gradients", "layer_relevance"):
        with pytest.raises(RunError, match="linear baseline and has no network"):
            attribute(linear, POSTS, method=method)


def test_any_layer_and_head_can_be_asked(trained_run):
    loaded = trained_run()
    model = ExplainedModel(loaded)
    (post,) = read_posts(loaded, POSTS[:1])
    with torch.no_grad():
        seen = look(model, model.batch([post.row]))
    size = len(post.ids)
    for name, weights in (
        ("attention_layer1", seen.attentions[0][0].mean(dim=0)),
        ("attention_layer2_head1", seen.attentions[1][0, 0]),
    ):
        expected = post.word_scores(weights[:size, :size].mean(dim=0).numpy())
        found = attribute(loaded, POSTS[:1], method=name)[0]
        assert found.method == name and found.scores == pytest.approx(expected.tolist(), abs=1e-6)
    with pytest.raises(ConfigError) as error:
        attribute(loaded, POSTS[:1], method="attention_layer3")
    assert str(error.value) == "attention: the encoder has layers 1 to 2 with heads 1 to 2."


def test_sensitivity_grows_with_the_radius_and_leaves_the_model_alone(trained_run):
    loaded = trained_run()
    before = loaded.parts()[0].encoder.get_input_embeddings().weight.clone()
    small, large = (
        max_sensitivity(loaded, POSTS, "input_x_gradient", "work", radius=radius, draws=3) for radius in (0.001, 0.1)
    )
    assert torch.equal(loaded.parts()[0].encoder.get_input_embeddings().weight, before)
    assert small.shape == (3,) and (small > 0).all() and (small < large).all()
    assert (max_sensitivity(loaded, POSTS, "random", "work") == 0).all(), "random scores do not look at the model"
    with pytest.raises(ConfigError, match="needs radius > 0"):
        max_sensitivity(loaded, POSTS, "saliency", "work", radius=0)
