"""What all prompts begin with is read once, and nothing that is said changes by it."""

from collections.abc import Iterator

import pytest
import torch
from generation_support import build_decoder_folder
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPTNeoConfig, GPTNeoForCausalLM, MistralConfig, MistralForCausalLM, MptConfig, MptForCausalLM

from mhclf.generation import shared_start
from mhclf.generation.decoders import Decoder, load_decoder
from mhclf.generation.local import LocalBackend
from mhclf.generation.requests import Answer, Ask, Chances, Choose, Request, Said, Turn
from mhclf.generation.shared_start import read_start, shared_tokens

SHOTS = Turn("system", "Say which of the three it is. The exam is on monday: work. My knee hurts when it rains: body.")
TEXTS = ("my knee hurts", "the exam is on monday and nothing stays in", "she reads my messages", "a", "no one called")


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    return load_decoder(str(build_decoder_folder(tmp_path_factory.mktemp("llama") / "tiny-llama")))


@pytest.fixture
def read(causal: Decoder) -> Iterator[list[tuple[int, int]]]:
    """Rows and tokens of each forward pass."""
    passes: list[tuple[int, int]] = []
    handle = causal.model.register_forward_pre_hook(
        lambda module, given, named: passes.append(tuple(named["input_ids"].shape)),  # type: ignore[arg-type]
        with_kwargs=True,
    )
    yield passes
    handle.remove()


@given(
    st.lists(st.integers(0, 2), max_size=4),
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=1, max_size=4),
)
def test_shared_tokens_are_the_longest_that_leave_one_of_each(start: list[int], rest: list[list[int]]) -> None:
    prompts = [start + own for own in rest]
    fits = [n for n in range(10) if all(len(p) > n and p[:n] == prompts[0][:n] for p in prompts)]
    assert shared_tokens(prompts) == max(fits)


def test_no_prompts_share_nothing() -> None:
    assert shared_tokens([]) == shared_tokens([[]]) == shared_tokens([[], [1]]) == 0


def answers(decoder: Decoder, requests: list[Request], size: int) -> list[Answer]:
    found = dict(LocalBackend(decoder, size).answer(requests))
    return [found[number] for number in range(len(requests))]


@pytest.mark.parametrize("size", [1, 2, 8])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answers_are_those_of_whole_prompts(
    causal: Decoder, size: int, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[Request] = [
        Ask((SHOTS, Turn("user", text)), max_new_tokens=12, temperature=temperature, seed=3) for text in TEXTS
    ]
    found = answers(causal, requests, size)
    assert read_start(causal.model, prompts_of(causal, requests)).length > 16
    monkeypatch.setattr(shared_start, "_A_PASS", 10**6)
    assert found == answers(causal, requests, size)
    assert len({item.text for item in found if isinstance(item, Said)}) > 1


def test_scores_are_those_of_whole_prompts(causal: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    choices = ("knee pain all day", "exam", "friends")
    requests: list[Request] = [Choose((SHOTS, Turn("user", text)), choices, "Label:") for text in TEXTS]
    found = answers(causal, requests, 3)
    monkeypatch.setattr(shared_start, "_A_PASS", 10**6)
    for one, other in zip(found, answers(causal, requests, 3), strict=True):
        assert isinstance(one, Chances) and isinstance(other, Chances)
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-4)


def test_answers_and_scores_may_be_asked_for_in_one_call(causal: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = [Ask((SHOTS, Turn("user", text)), max_new_tokens=5) for text in TEXTS]
    chooses = [Choose((SHOTS, Turn("user", text)), ("a", "knee pain")) for text in TEXTS]
    mixed: list[Request] = [item for pair in zip(asks, chooses, strict=True) for item in pair]
    found = answers(causal, mixed, 2)
    monkeypatch.setattr(shared_start, "_A_PASS", 10**6)
    assert found[::2] == answers(causal, list(asks), 2)
    for one, other in zip(found[1::2], answers(causal, list(chooses), 2), strict=True):
        assert isinstance(one, Chances) and isinstance(other, Chances)
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-4)


def test_the_start_is_read_once_for_all_batches(causal: Decoder, read: list[tuple[int, int]]) -> None:
    requests: list[Request] = [Choose((SHOTS, Turn("user", text)), ("a", "b")) for text in TEXTS]
    prompts = prompts_of(causal, requests)
    answers(causal, requests, 2)
    count = shared_tokens(prompts)
    longest = sorted((len(prompt) - count for prompt in prompts), reverse=True)
    assert read == [(1, count), (2, longest[0]), (2, longest[2]), (1, longest[4])]


def test_choices_that_part_before_the_end_of_the_start_are_read_whole(
    causal: Decoder, read: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_start, "_A_PASS", 1)
    backend = LocalBackend(causal)
    # As if the choices merged with the last tokens of the prompt.
    monkeypatch.setattr(backend, "_continuations", lambda request, prompt: (prompt[:2], [[5], [6]]))
    found = dict(backend.answer([Choose((SHOTS, Turn("user", text)), ("a", "b")) for text in TEXTS[:2]]))
    assert len(found) == 2 and read[-1] == (2, 2)


def test_a_start_that_saves_less_than_a_pass_is_read_with_each_prompt(
    causal: Decoder, read: list[tuple[int, int]]
) -> None:
    assert read_start(causal.model, [[5] * 400]).length == 0
    assert read_start(causal.model, [[5] * 31 + [number] for number in (6, 7, 8)]).length == 0
    assert read == []
    assert read_start(causal.model, [[5] * 32 + [number] for number in (6, 7, 8)]).length == 32
    assert read == [(1, 32)]


def test_other_kinds_of_models_read_each_prompt_whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    prompts = [[5] * 70 + [6], [5] * 70 + [7]]
    encoding = load_decoder(str(build_decoder_folder(tmp_path_factory.mktemp("t5") / "tiny-t5", encodes=True)))
    assert read_start(encoding.model, prompts).length == 0
    sizes = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
    window = MistralForCausalLM(MistralConfig(**sizes, **heads, sliding_window=8))
    assert read_start(window, prompts).length == 0
    whole = MistralForCausalLM(MistralConfig(**sizes, **heads, sliding_window=None))
    assert read_start(whole, prompts).length == 70
    for name, value in (("cache_implementation", "static"), ("use_cache", False), ("num_beams", 4)):
        before = getattr(whole.generation_config, name)
        setattr(whole.generation_config, name, value)
        assert read_start(whole, prompts).length == 0
        setattr(whole.generation_config, name, before)
    # Distance without position numbers, and a window that the cache does not show.
    slopes = MptForCausalLM(MptConfig(d_model=16, n_heads=2, n_layers=1, vocab_size=50))
    local = GPTNeoConfig(
        vocab_size=50, hidden_size=16, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]]
    )
    for model in (slopes, GPTNeoForCausalLM(local)):
        assert read_start(model, prompts).length == 0


def test_a_batch_has_a_cache_of_its_own(causal: Decoder) -> None:
    start = read_start(causal.model, [[5] * 70 + [6], [5] * 70 + [7]])
    first, second = start.cache_of(3), start.cache_of(2)
    assert first is not None and second is not None and start.cache is not None
    layer = first.layers[0]
    assert layer.keys.shape[0] == 3 and torch.equal(layer.keys[2], start.cache.layers[0].keys[0])
    first.update(torch.zeros_like(layer.keys[:, :, :1]), torch.zeros_like(layer.values[:, :, :1]), 0)
    assert (first.get_seq_length(), second.get_seq_length(), start.cache.get_seq_length()) == (71, 70, 70)


def prompts_of(decoder: Decoder, requests: list[Request]) -> list[list[int]]:
    backend = LocalBackend(decoder)
    return [backend.ids(backend.prompt(request.turns, request.opening)) for request in requests]
