"""All choices of a prompt are read in one row, and each counts as in a text of its own."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    DynamicCache,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from mhclf.generation.choices import behind_first_token

SIZES: dict[str, Any] = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
HEADS: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
PROMPTS = [[7, 8, 9, 10, 11], [12, 13]]
CHOICES = [[[3, 4, 5], [3], [6, 4]], [[5, 4, 3, 6]]]


def build(kind: str) -> PreTrainedModel:
    torch.manual_seed(3)
    models: dict[str, PreTrainedModel] = {
        "sdpa": LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS)),
        "positions": GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2)),
        "window": MistralForCausalLM(MistralConfig(**SIZES, **HEADS, sliding_window=3)),
    }
    if kind == "eager":
        models["eager"] = models["sdpa"]
        models["eager"].set_attn_implementation("eager")
    model = models[kind].eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(20 if weight.dim() > 1 else 1)
    return model


def alone(model: PreTrainedModel, prompt: list[int], choice: list[int]) -> float:
    chances = model(input_ids=torch.tensor([prompt + choice])).logits[0].log_softmax(-1)
    return sum(float(chances[len(prompt) + place - 1, choice[place]]) for place in range(1, len(choice)))


def together(model: PreTrainedModel, prompts: list[list[int]], choices: list[list[list[int]]]) -> torch.Tensor:
    """Read the prompts padded on the left, then the choices from their cache."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    cache = DynamicCache(config=model.config)
    places = (mask.cumsum(dim=1) - 1).clamp(min=0)
    model(input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)
    return behind_first_token(model, cache, mask, choices)


@pytest.fixture(scope="module", params=["sdpa", "eager", "positions", "window"])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return build(request.param)


@torch.inference_mode()
def test_each_choice_counts_as_in_a_text_of_its_own(model: PreTrainedModel) -> None:
    expected = [alone(model, p, choice) for p, own in zip(PROMPTS, CHOICES, strict=True) for choice in own]
    assert expected[1] == 0 and min(expected) < -2, "differences would be seen"
    assert together(model, PROMPTS, CHOICES).tolist() == pytest.approx(expected, abs=1e-4)


TOKENS = st.lists(st.integers(1, 49), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(TOKENS, st.lists(TOKENS, min_size=1, max_size=5)), min_size=1, max_size=4))
@torch.inference_mode()
def test_any_numbers_and_lengths_of_choices(rows: list[tuple[list[int], list[list[int]]]]) -> None:
    if max(len(choice) for _, own in rows for choice in own) == 1:
        return
    model = build("sdpa")
    expected = [alone(model, prompt, choice) for prompt, own in rows for choice in own]
    found = together(model, [prompt for prompt, _ in rows], [own for _, own in rows])
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("kind", "rows"), [("sdpa", 2), ("window", 4)])
@torch.inference_mode()
def test_a_prompt_stands_in_memory_once_where_the_model_takes_a_mask(kind: str, rows: int) -> None:
    model = build(kind)
    shapes = []
    model.register_forward_pre_hook(
        lambda module, given, named: shapes.append(tuple(named["input_ids"].shape)),  # type: ignore[arg-type]
        with_kwargs=True,
    )
    together(model, PROMPTS, CHOICES)
    assert shapes == [(2, 5), (rows, 3)]
