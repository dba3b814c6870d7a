"""The explanation head: prefixes, the loss against a hand computation, pieces, and generation in batches."""

from pathlib import Path

import pytest
import torch
from generation_support import build_decoder_folder
from torch.nn import functional

from mhclf.config.model import LoraConfig
from mhclf.generation.adapting import with_adapters
from mhclf.generation.decoders import Decoder, load_decoder
from mhclf.generation.explanation_head import ExplanationHead, PrefixProjector
from mhclf.generation.instructions import Instruction, TokenisedInstructions
from mhclf.generation.streamed import streamed_loss

HIDDEN = 24
ITEMS = [
    Instruction("1", "<user>my knee hurts when the stairs are wet<end><model>", "body", ". Reasoning: the knee hurts"),
    Instruction("2", "<user>the exam<end><model>", "work", ". Reasoning: on monday nothing stays in"),
    Instruction("3", "<user>nobody saved me a seat at lunch<end><model>", "people", ". Reasoning: lunch"),
]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_decoder_folder(tmp_path_factory.mktemp("head") / "tiny-llama")


@pytest.fixture
def decoder(model_folder: Path) -> Decoder:
    return load_decoder(str(model_folder))


def build_head(decoder: Decoder, rank: int = 4, dropout: float = 0.0) -> ExplanationHead:
    torch.manual_seed(1)
    model = decoder.model.requires_grad_(False)
    if rank:
        model = with_adapters(model, LoraConfig(rank=rank, dropout=dropout))
        # An adapter starts as nothing; here it does something.
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.2)
    return ExplanationHead(HIDDEN, model, 3)


def rows(decoder: Decoder) -> TokenisedInstructions:
    return TokenisedInstructions(decoder.tokenizer, ITEMS, label_weight=3.0, response_tokens=100)


def test_prefixes_have_the_norm_of_embeddings(decoder: Decoder) -> None:
    head = build_head(decoder)
    weight = decoder.model.get_input_embeddings().weight
    prefix = head.projector(torch.randn(5, HIDDEN) * 100)
    assert prefix.shape == (5, 3, weight.shape[1])
    torch.testing.assert_close(prefix.norm(dim=-1), weight.norm(dim=1).mean().expand(5, 3))
    assert PrefixProjector(8, 2, 16, 3.2).gain.flatten().tolist() == pytest.approx([3.2, 3.2])


def test_the_loss_is_that_of_prefix_prompt_and_response_one_row_at_a_time(decoder: Decoder) -> None:
    head = build_head(decoder)
    tokens, states = rows(decoder), torch.randn(3, HIDDEN)
    batch = tokens.collate([0, 1, 2])
    total = weight = 0.0
    with torch.no_grad():
        found = float(head(states, batch))
        embed = head.decoder.get_input_embeddings()
        for row in range(3):
            alone = tokens.collate([row])
            inputs = torch.cat([head.projector(states[row : row + 1]), embed(alone.ids)], dim=1)
            logits = head.decoder(inputs_embeds=inputs).logits[0, 2:-1]
            losses = functional.cross_entropy(logits, alone.ids[0], reduction="none")
            total += float((losses * alone.weights[0]).sum())
            weight += float(alone.weights.sum())
        # Another prefix, another loss: the decoder does read it.
        other = float(head(states.flip(0), batch))
    assert found == pytest.approx(total / weight, rel=1e-5)
    assert abs(found - other) > 1e-4


@pytest.mark.parametrize("micro_batch", [1, 2])
def test_pieces_change_neither_the_loss_nor_its_gradients(decoder: Decoder, micro_batch: int) -> None:
    head = build_head(decoder)
    batch = rows(decoder).collate([0, 1, 2])
    found = []
    for size in (0, micro_batch):
        states = torch.randn(3, HIDDEN, generator=torch.Generator().manual_seed(3)).requires_grad_()
        head.zero_grad()
        loss = head(states, batch, size)
        (2 * loss).backward()
        found.append([loss.detach(), states.grad, *(parameter.grad for parameter in head.learning())])
    assert len(found[0]) > 10
    for whole, pieces in zip(*found, strict=True):
        assert whole.abs().sum() > 0
        torch.testing.assert_close(whole, pieces, rtol=2e-4, atol=1e-6)


def test_pieces_under_autocast_give_the_gradients_of_the_whole(decoder: Decoder) -> None:
    head = build_head(decoder)
    batch = rows(decoder).collate([0, 1, 2])
    found = []
    for size in (0, 1):
        states = torch.randn(3, HIDDEN, generator=torch.Generator().manual_seed(3)).requires_grad_()
        head.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = head(states, batch, size)
        loss.backward()
        found.append(torch.cat([states.grad.flatten(), *(p.grad.flatten() for p in head.learning())]))
    assert functional.cosine_similarity(*found, dim=0) > 0.99


def test_a_parameter_that_one_piece_does_not_use_keeps_the_others_gradient() -> None:
    values, used, never = (torch.tensor([2.0, 3.0]), torch.tensor(5.0), torch.tensor(7.0))
    for one in (values, used, never):
        one.requires_grad_()

    def piece_loss(piece: slice, own: torch.Tensor) -> torch.Tensor:
        return own.sum() * used if piece.start == 0 else own.sum()

    loss = streamed_loss(piece_loss, values, [used, never], [slice(0, 1), slice(1, 2)])
    loss.backward()
    assert loss.item() == 13.0
    assert values.grad is not None
    assert values.grad.tolist() == [5.0, 1.0]
    assert (used.grad, never.grad) == (torch.tensor(2.0), None)


def test_gradients_reach_representation_projector_and_adapters_only(decoder: Decoder) -> None:
    head = build_head(decoder)
    states = torch.randn(3, HIDDEN, requires_grad=True)
    head(states, rows(decoder).collate([0, 1, 2])).backward()
    assert states.grad is not None
    assert (states.grad.abs().sum(dim=1) > 0).all()
    for name, parameter in head.named_parameters():
        learns = name.startswith("projector.") or "lora_" in name
        assert (parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)) == learns, name
    frozen = build_head(load_decoder(str(decoder.model.name_or_path)), rank=0)
    assert len(frozen.learning()) == len(list(frozen.projector.parameters()))


def test_generation_alone_and_in_a_batch_is_the_greedy_one(decoder: Decoder) -> None:
    head = build_head(decoder).eval()
    states = torch.randn(3, HIDDEN)
    prompts = [
        decoder.tokenizer(item.prompt + "body. Reasoning:", add_special_tokens=False)["input_ids"] for item in ITEMS
    ]
    end = [int(decoder.tokenizer.eos_token_id)]
    together = head.generate(states, prompts, 12, end)
    alone = [head.generate(states[row : row + 1], prompts[row : row + 1], 12, end)[0] for row in range(3)]
    assert together == alone
    embed = head.decoder.get_input_embeddings()
    for row in range(3):
        tokens: list[int] = []
        with torch.no_grad():
            for _ in range(12):
                ids = torch.tensor([prompts[row] + tokens])
                inputs = torch.cat([head.projector(states[row : row + 1]), embed(ids)], dim=1)
                best = int(head.decoder(inputs_embeds=inputs).logits[0, -1].argmax())
                if best in end:
                    break
                tokens.append(best)
        assert together[row] == tokens
    assert any(together)
    assert head.generate(states.flip(0), prompts, 12, end) != together
