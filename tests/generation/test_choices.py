"""All choices of a prompt are read in one row, and each counts as in a text of its own."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache, PreTrainedModel

from mhclf.generation import choices as module
from mhclf.generation.choices import behind_first_token

WIDE: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = {**WIDE, "intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
SIDE_BY_SIDE: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "qwen3": LLAMA,
    "gemma": LLAMA,
    "olmo2": LLAMA,
    "phi": {**WIDE, "intermediate_size": 48},
    "gpt_neox": {**WIDE, "intermediate_size": 48},
    "biogpt": {**WIDE, "intermediate_size": 48, "max_position_embeddings": 64},
    "opt": {**WIDE, "ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 64, "dropout": 0.0},
    "gpt2": GPT,
    "gptj": {**GPT, "rotary_dim": 4},
    "falcon": WIDE,
}
ROW_BY_ROW: dict[str, dict[str, Any]] = {
    "mistral": {**LLAMA, "sliding_window": 3},
    "gemma2": {**LLAMA, "sliding_window": 3},
    "falcon": {**WIDE, "alibi": True, "new_decoder_architecture": False, "parallel_attn": False},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4},
}
PROMPTS = [[7, 8, 9, 10, 11], [12, 13]]
CHOICES = [[[3, 4, 5], [3], [6, 4]], [[5, 4, 3, 6], [9]]]


def build(family: str, sizes: dict[str, Any]) -> PreTrainedModel:
    torch.manual_seed(3)
    config = AutoConfig.for_model(family, vocab_size=50, pad_token_id=0, **sizes)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8 if weight.dim() > 1 else 1)
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


@pytest.mark.parametrize(
    ("family", "sizes", "rows"),
    [(*item, 2) for item in SIDE_BY_SIDE.items()] + [(*item, 5) for item in ROW_BY_ROW.items()],
)
@torch.inference_mode()
def test_each_choice_counts_as_in_a_text_of_its_own(family: str, sizes: dict[str, Any], rows: int) -> None:
    model = build(family, sizes)
    expected = [alone(model, p, choice) for p, own in zip(PROMPTS, CHOICES, strict=True) for choice in own]
    assert expected[1] == 0 and min(expected) < -2, "differences would be seen"
    shapes: list[tuple[int, int]] = []
    model.register_forward_pre_hook(
        lambda module, given, named: shapes.append(tuple(named["input_ids"].shape)),  # type: ignore[arg-type]
        with_kwargs=True,
    )
    assert together(model, PROMPTS, CHOICES).tolist() == pytest.approx(expected, abs=1e-4)
    # A prompt stands in memory once where the model takes a mask, else once for each choice.
    assert shapes == [(2, 5), (rows, 3)]


@torch.inference_mode()
def test_without_fused_attention_choices_stand_side_by_side_too() -> None:
    model = build("llama", LLAMA)
    fused = together(model, PROMPTS, CHOICES)
    model.set_attn_implementation("eager")
    assert together(model, PROMPTS, CHOICES).tolist() == pytest.approx(fused.tolist(), abs=1e-5)


def test_other_kernels_take_no_mask_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("llama", LLAMA)
    monkeypatch.setattr(module, "_side_by_side", lambda *given: "side by side")
    monkeypatch.setattr(module, "_row_by_row", lambda *given: "row by row")
    found = []
    for kernel in ("sdpa", "eager", "flash_attention_2", "flex_attention"):
        monkeypatch.setattr(model.config, "_attn_implementation_internal", kernel)
        found.append(behind_first_token(model, DynamicCache(), torch.ones(1, 1), [[[1, 2]]]))
    assert found == ["side by side"] * 2 + ["row by row"] * 2


TOKENS = st.lists(st.integers(1, 49), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(TOKENS, st.lists(TOKENS, min_size=1, max_size=5)), min_size=1, max_size=4))
@torch.inference_mode()
def test_any_numbers_and_lengths_of_choices(rows: list[tuple[list[int], list[list[int]]]]) -> None:
    if max(len(choice) for _, own in rows for choice in own) == 1:
        return
    model = build("llama", LLAMA)
    expected = [alone(model, prompt, choice) for prompt, own in rows for choice in own]
    found = together(model, [prompt for prompt, _ in rows], [own for _, own in rows])
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
