"""The explanation head: a classifier's representation as prefix tokens of a language model."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mhclf.generation.instruction_plan import response_nll
from mhclf.generation.instructions import InstructionBatch
from mhclf.generation.streamed import streamed_loss


class PrefixProjector(nn.Module):
    """Makes prefix embeddings of a representation: two layers, each row then scaled to a learnt norm.

    Embeddings of pretrained decoders are small (norm 3 at a width of 576); rows of another size drown the prompt.

    Parameters
    ----------
    hidden : int
        Width of the representation.
    prefix_length : int
    width : int
        Of the decoder's embeddings.
    norm : float
        Mean norm of its embeddings, where the gain of each row starts.
    """

    def __init__(self, hidden: int, prefix_length: int, width: int, norm: float) -> None:
        super().__init__()
        self.shape = (prefix_length, width)
        self.layers = nn.Sequential(
            nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, prefix_length * width)
        )
        self.gain = nn.Parameter(torch.full((prefix_length, 1), norm))

    def forward(self, representation: Tensor) -> Tensor:
        """Return prefixes of shape (batch, prefix, width) for representations of shape (batch, hidden)."""
        rows = self.layers(representation).float().unflatten(-1, self.shape)
        return nn.functional.normalize(rows, dim=-1) * self.gain


class ExplanationHead(nn.Module):
    """A decoder that goes on from `[prefix][prompt]` with an explanation.

    Parameters
    ----------
    hidden : int
        Width of the classifier's representation.
    decoder : PreTrainedModel, or one with adapters
        A causal model; what of it learns is decided by its parameters' `requires_grad`.
    prefix_length : int
    """

    def __init__(self, hidden: int, decoder: Any, prefix_length: int = 4) -> None:
        super().__init__()
        embeddings = decoder.get_input_embeddings().weight.detach().float()
        norm = float(embeddings.norm(dim=1).mean())
        self.projector = PrefixProjector(hidden, prefix_length, embeddings.shape[1], norm)
        self.decoder = decoder

    def learning(self) -> list[nn.Parameter]:
        """Return the parameters that are trained."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def forward(self, representation: Tensor, batch: InstructionBatch, micro_batch: int = 0) -> Tensor:
        """Return the weighted mean loss over the tokens of all responses, as `response_loss` has it.

        Parameters
        ----------
        representation : Tensor
            Shape (rows, hidden).
        batch : InstructionBatch
            Prompt and response of each row, at least one prompt token each.
        micro_batch : int
            Rows that the decoder works on at a time, 0 for all; the memory is that of so many rows, with the
            gradients of all.
        """
        total = batch.weights.sum()
        size = micro_batch or len(representation)
        pieces = [slice(start, start + size) for start in range(0, len(representation), size)]

        def piece_loss(piece: slice, own: Tensor) -> Tensor:
            return self._nll(own, batch, piece) / total

        return streamed_loss(piece_loss, representation, self.learning(), pieces)

    def _nll(self, representation: Tensor, batch: InstructionBatch, piece: slice) -> Tensor:
        """Return the weighted sum of losses of some rows, padded to the longest of them only."""
        width = int(batch.mask[piece].sum(dim=1).max())
        ids, mask, weights = (part[piece, :width] for part in (batch.ids, batch.mask, batch.weights))
        inputs, seen = self._inputs(representation, ids, mask)
        prompt = int((weights > 0).int().argmax(dim=1).min())
        kept = width - prompt + 1
        logits = self.decoder(inputs_embeds=inputs, attention_mask=seen, logits_to_keep=kept).logits
        return response_nll(logits, ids, weights)

    def _inputs(self, representation: Tensor, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings `[prefix][tokens]` and their mask."""
        embeddings = self.decoder.get_input_embeddings()(ids)
        prefix = self.projector(representation).to(embeddings.dtype)
        return torch.cat([prefix, embeddings], dim=1), torch.cat([mask.new_ones(prefix.shape[:2]), mask], dim=1)

    @torch.inference_mode()
    def generate(
        self, representation: Tensor, prompts: Sequence[Sequence[int]], max_new_tokens: int, end: Sequence[int]
    ) -> list[list[int]]:
        """Go on from prompts with the most probable tokens, in one batch.

        Parameters
        ----------
        representation : Tensor
            Shape (rows, hidden).
        prompts : sequence of sequence of int
            Tokens of each prompt, the opening of the response included.
        max_new_tokens : int
        end : sequence of int
            Tokens that end a text.

        Returns
        -------
        list of list of int
            New tokens of each row, without the end token.
        """
        embed = self.decoder.get_input_embeddings()
        device = embed.weight.device
        # The order is [padding][prefix][prompt]: new tokens stand behind the last place of every row.
        prefixes = self.projector(representation.to(device)).to(embed.weight.dtype)
        rows = [
            torch.cat([prefix, embed(torch.tensor(prompt, device=device))])
            for prefix, prompt in zip(prefixes, prompts, strict=True)
        ]
        width = max(len(row) for row in rows)
        inputs = prefixes.new_zeros((len(rows), width, prefixes.shape[2]))
        mask = torch.zeros((len(rows), width), dtype=torch.int64, device=device)
        for place, row in enumerate(rows):
            inputs[place, width - len(row) :] = row
            mask[place, width - len(row) :] = 1
        found = self.decoder.generate(
            inputs_embeds=inputs,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=end[0],
            eos_token_id=list(end),
        )
        return [_until(row, end) for row in found.tolist()]


def _until(tokens: list[int], end: Sequence[int]) -> list[int]:
    length = next((place for place, token in enumerate(tokens) if token in end), len(tokens))
    return tokens[:length]
