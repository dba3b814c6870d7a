"""Instruction tuning: rows as prompt and response, tokens with weights, and batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from mhclf.config.generation import LabelsConfig
from mhclf.data.table import PostTable
from mhclf.generation.local import LocalBackend
from mhclf.generation.prompting import Post, Prompter
from mhclf.generation.questions import questions_of
from mhclf.generation.strategy import read_strategy
from mhclf.generation.wording import wording_of

STRATEGY = "imhi"


@dataclass(frozen=True)
class Instruction:
    """One row and question as the model learns it.

    Attributes
    ----------
    id : str
    prompt : str
        All that stands before the response, special tokens written out.
    label : str
        The answer's words.
    rest : str
        What stands behind them: "" or ". Reasoning: ...".
    """

    id: str
    prompt: str
    label: str
    rest: str


def instruction_of(prompter: Prompter, identifier: str, prompt: str, answer: str, explanation: str) -> Instruction:
    """Return a row in the strategy's form of an answer; without an explanation the response is the answer alone."""
    behind = prompter.opening(answer)[len(answer) :]
    return Instruction(identifier, prompt, answer, f"{behind} {explanation}" if explanation else "")


def instructions_of(backend: LocalBackend, table: PostTable, explained: bool, post_tokens: int) -> list[Instruction]:
    """Return one instruction a row and question; explanations belong to questions with one answer a post."""
    config = table.config
    wording, strategy = wording_of(config.language), read_strategy(STRATEGY)
    found = []
    for question in questions_of(config, LabelsConfig(), wording):
        prompter = Prompter(strategy, question, config.language)
        explanations = table.frame["explanation"].astype(str)
        contexts = table.contexts or [""] * len(table)
        columns = zip(table.texts, contexts, table.options or [()] * len(table), explanations, strict=True)
        for row, (text, context, options, explanation) in enumerate(columns):
            post = Post(backend.shorten(text, post_tokens), backend.shorten(context, post_tokens), options)
            turns = prompter.turns(0, post, {})
            answer = question.gold_answer(table.targets[row].tolist(), wording)
            told = explanation if explained and question.label is None else ""
            identifier = str(table.frame["id"].iloc[row])
            found.append(instruction_of(prompter, identifier, backend.prompt(turns), answer, told))
    return found


@dataclass(frozen=True)
class InstructionBatch:
    """A batch, padded on the right.

    Attributes
    ----------
    ids, mask : Tensor
        Shape (rows, tokens).
    weights : Tensor
        Weight of each token as a target: 0 for the prompt and for padding.
    """

    ids: Tensor
    mask: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> "InstructionBatch":
        """Return the batch on a device."""
        return InstructionBatch(self.ids.to(device), self.mask.to(device), self.weights.to(device))


class TokenisedInstructions(Dataset[int]):
    """Instructions as tokens.

    Prompt and response are tokenised as one text, as the model reads them when it answers; the response ends with
    the end token, so that the model learns to stop.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        With offsets.
    instructions : sequence of Instruction
    label_weight : float
    response_tokens : int
        Longest response, its end token included; a longer one is cut and has no end token.

    Attributes
    ----------
    lengths : list of int
        Tokens of each row.
    truncated : int
        Responses that were cut.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        instructions: Sequence[Instruction],
        label_weight: float,
        response_tokens: int,
    ) -> None:
        self._pad = int(tokenizer.pad_token_id or 0)
        self._ids: list[list[int]] = []
        self._weights: list[list[float]] = []
        self.truncated = 0
        for item in instructions:
            own = not tokenizer.chat_template
            text = item.prompt + item.label + item.rest
            found = tokenizer(text, add_special_tokens=own, return_offsets_mapping=True)
            ids, offsets = found["input_ids"], found["offset_mapping"]
            if own and ids[-1] == tokenizer.eos_token_id:
                ids, offsets = ids[:-1], offsets[:-1]
            start, end = len(item.prompt), len(item.prompt) + len(item.label)
            # A token belongs to where it ends: one that merges a blank of the prompt with the label is the label's.
            weights = [0.0 if b <= start else label_weight if a < end else 1.0 for a, b in offsets]
            first = next(place for place, weight in enumerate(weights) if weight)
            ids, weights = [*ids, int(tokenizer.eos_token_id)], [*weights, 1.0]
            self.truncated += len(ids) - first > response_tokens
            self._ids.append(ids[: first + response_tokens])
            self._weights.append(weights[: first + response_tokens])
        self.lengths = [len(ids) for ids in self._ids]

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int) -> int:
        return row

    def collate(self, rows: Sequence[int]) -> InstructionBatch:
        """Return these rows as a batch."""
        width = max(self.lengths[row] for row in rows)
        ids = torch.full((len(rows), width), self._pad)
        mask = torch.zeros((len(rows), width), dtype=torch.int64)
        weights = torch.zeros((len(rows), width))
        for place, row in enumerate(rows):
            length = self.lengths[row]
            ids[place, :length] = torch.tensor(self._ids[row])
            # Padding may be the end token: what counts is the place, never the id.
            mask[place, :length] = 1
            weights[place, :length] = torch.tensor(self._weights[row])
        return InstructionBatch(ids, mask, weights)
