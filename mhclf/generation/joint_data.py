"""What a joint model learns from: batches of posts, with prompts and responses of those that are explained."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mhclf.config.dataset import DatasetConfig
from mhclf.config.generation import LabelsConfig
from mhclf.config.joint import ExplanationConfig
from mhclf.data.table import PostTable
from mhclf.data.tokens import Batch
from mhclf.generation.instructions import STRATEGY, Instruction, InstructionBatch, TokenisedInstructions, instruction_of
from mhclf.generation.local import LocalBackend
from mhclf.generation.prompting import Post, Prompter
from mhclf.generation.questions import Question, questions_of
from mhclf.generation.requests import Turn
from mhclf.generation.strategy import read_strategy
from mhclf.generation.wording import wording_of
from mhclf.training.loaders import PostData


def question_of(dataset: DatasetConfig) -> Question:
    """Return the one question about a data set whose answer is explained: for several labels a post, which of them."""
    return questions_of(dataset, LabelsConfig(by="parse"), wording_of(dataset.language))[0]


@dataclass(frozen=True)
class ExplanationPrompts:
    """Prompts and openings in IMHI's form: the response is `label. Reasoning: explanation`.

    Attributes
    ----------
    backend : LocalBackend
        Of the decoder; knows its chat template and its tokens.
    question : Question
    language : str
    reads_post : bool
        Off, the prompt is the question alone.
    post_tokens : int
        Longest post in the prompt.
    """

    backend: LocalBackend
    question: Question
    language: str
    reads_post: bool
    post_tokens: int

    def prompt(self, text: str, context: str = "") -> str:
        """Return the prompt about a post, special tokens written out.

        A context stands in it only where it is the question about the row (`Question.reads_context`).
        """
        asked = self.backend.shorten(context, self.post_tokens) if self.question.reads_context else ""
        if not self.reads_post:
            return self.backend.prompt((Turn("user", self.question.asked(asked)),))
        post = Post(self.backend.shorten(text, self.post_tokens), asked)
        return self.backend.prompt(self._prompter.turns(0, post, {}))

    def answer(self, target: Any) -> str:
        """Return the words of a class number, or of 0/1 labels."""
        return self.question.gold_answer(target, wording_of(self.language))

    def opening(self, answer: str) -> str:
        """Return how a response begins."""
        return self._prompter.opening(answer)

    def instruction(self, identifier: str, text: str, target: Any, explanation: str, context: str = "") -> Instruction:
        """Return a row as the decoder learns it."""
        prompt = self.prompt(text, context)
        return instruction_of(self._prompter, identifier, prompt, self.answer(target), explanation)

    @cached_property
    def _prompter(self) -> Prompter:
        return Prompter(read_strategy(STRATEGY), self.question, self.language)


class Explanations:
    """The explanations of a table's rows as tokens.

    Parameters
    ----------
    table : PostTable
    prompts : ExplanationPrompts
    config : ExplanationConfig

    Attributes
    ----------
    places : dict of int to int
        Row -> its place among the tokenised ones; rows without an explanation are left out.
    """

    def __init__(self, table: PostTable, prompts: ExplanationPrompts, config: ExplanationConfig) -> None:
        written = table.frame["explanation"].astype(str).str.strip().tolist()
        rows = [row for row, explanation in enumerate(written) if explanation]
        self.places = {row: place for place, row in enumerate(rows)}
        ids = table.frame["id"].astype(str).tolist()
        texts, contexts = table.texts, table.contexts or [""] * len(table)
        instructions = [
            prompts.instruction(ids[row], texts[row], table.targets[row].tolist(), written[row], contexts[row])
            for row in rows
        ]
        tokenizer = prompts.backend.decoder.tokenizer
        self.tokens = TokenisedInstructions(tokenizer, instructions, config.label_weight, config.response_tokens)

    def joined(self, batch: Batch) -> "JointBatch":
        """Return a batch of posts with their explanations."""
        rows = batch.rows.tolist()
        # Neighbours of similar length: the decoder takes them a few at a time.
        own = [place for place, row in enumerate(rows) if row in self.places]
        own.sort(key=lambda place: -self.tokens.lengths[self.places[rows[place]]])
        explanations = self.tokens.collate([self.places[rows[place]] for place in own]) if own else None
        plain = {field.name: getattr(batch, field.name) for field in fields(Batch)}
        return JointBatch(**plain, explanations=explanations, explained=torch.tensor(own, dtype=torch.int64))


@dataclass(frozen=True)
class JointBatch(Batch):
    """A batch of posts, some of which have explanations.

    Attributes
    ----------
    explanations : InstructionBatch or None
        Longest first; None where no post has one.
    explained : Tensor
        Which post of the batch each belongs to.
    """

    explanations: InstructionBatch | None = None
    explained: Tensor | None = None

    def to(self, device: torch.device) -> "JointBatch":
        """Return the batch on a device (Lightning calls this)."""
        posts = super().to(device)
        plain = {field.name: getattr(posts, field.name) for field in fields(Batch)}
        explanations = self.explanations.to(device) if self.explanations is not None else None
        explained = self.explained.to(device) if self.explained is not None else None
        return JointBatch(**plain, explanations=explanations, explained=explained)


class JointData(PostData):
    """The batches of a run of the classifier alone, in the same order, with explanations.

    Parameters
    ----------
    posts : PostData
    train, validation : Explanations
        Of the same rows.
    """

    def __init__(self, posts: PostData, train: Explanations, validation: Explanations) -> None:
        super().__init__(posts.train, posts.validation, posts.config, posts.seed)
        self.train_explanations, self.validation_explanations = train, validation

    def train_dataloader(self) -> DataLoader[Any]:
        """Return batches of train posts."""
        return _with_explanations(super().train_dataloader(), self.train_explanations)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return batches of validation posts."""
        return _with_explanations(super().val_dataloader(), self.validation_explanations)


def _with_explanations(loader: DataLoader[Any], explanations: Explanations) -> DataLoader[Any]:
    collate: Any = loader.collate_fn

    def joined(rows: Sequence[int]) -> JointBatch:
        return explanations.joined(collate(rows))

    batches: Any = loader.batch_sampler
    return DataLoader(loader.dataset, batch_sampler=batches, collate_fn=joined)
