"""A backend on this machine: batched generation and scoring with a transformers model."""

import hashlib
import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from mhclf.errors import ConfigError
from mhclf.generation.choices import IGNORED, behind_first_token, target_chances
from mhclf.generation.decoders import Decoder
from mhclf.generation.requests import Answer, Ask, Chances, Choose, Request, Said, Turn
from mhclf.generation.shared_start import SharedStart, read_start

_LIBRARIES = ("torch", "transformers")


class LocalBackend:
    """Answers requests with a loaded model.

    What all prompts begin with is read once; the rest is sorted by length and padded on the left. A sampled answer
    depends on its request alone, not on what it is batched with, but for rounding.

    Parameters
    ----------
    decoder : Decoder
    batch_size : int
        Prompts a batch.
    """

    def __init__(self, decoder: Decoder, batch_size: int = 8) -> None:
        self.decoder = decoder
        self.batch_size = batch_size
        self._device = decoder.model.device

    @property
    def identity(self) -> Mapping[str, Any]:
        """Model, weights, precision, chat template and the versions of the libraries that compute."""
        template = self.decoder.tokenizer.chat_template
        return {
            "backend": "transformers",
            "model": self.decoder.name,
            "sha256": self.decoder.sha256,
            "dtype": str(self.decoder.model.dtype),
            "template": template if isinstance(template, str) else "",
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        }

    def shorten(self, text: str, tokens: int) -> str:
        """Return the start of a text, at most so many tokens long; whole characters only."""
        found = self.decoder.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = found["offset_mapping"]
        return text if len(offsets) <= tokens else text[: offsets[tokens - 1][1]]

    def prompt(self, turns: Sequence[Turn], opening: str = "") -> str:
        """Return a conversation as the model reads it, ready for its answer."""
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        tokenizer = self.decoder.tokenizer
        if tokenizer.chat_template:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return str(text) + opening
        # A model without a chat template goes on with plain text.
        plain = "\n".join(turn.text for turn in turns)
        return f"{plain}\n{opening}"

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Yield answers batch by batch, longest prompts first: what does not fit in memory fails at once."""
        prompts = [self.ids(self.prompt(request.turns, request.opening)) for request in requests]
        self._check_length(requests, prompts)
        order = sorted(range(len(requests)), key=lambda number: -len(prompts[number]))
        kinds: dict[object, list[int]] = {}
        for number in order:
            request = requests[number]
            same = (request.max_new_tokens, request.temperature) if isinstance(request, Ask) else None
            kinds.setdefault(same, []).append(number)
        start = read_start(self.decoder.model, prompts)
        for numbers in kinds.values():
            for first in range(0, len(numbers), self.batch_size):
                chosen = numbers[first : first + self.batch_size]
                batch = [requests[number] for number in chosen]
                yield from zip(chosen, self._batch(batch, [prompts[number] for number in chosen], start), strict=True)

    def _check_length(self, requests: Sequence[Request], prompts: Sequence[list[int]]) -> None:
        """Refuse prompts that are longer than what the model reads, before the first is asked."""
        limit = getattr(self.decoder.model.config, "max_position_embeddings", None)
        if not isinstance(limit, int):
            return
        longest = 0
        for request, prompt in zip(requests, prompts, strict=True):
            new = request.max_new_tokens if isinstance(request, Ask) and not self.decoder.encodes else 0
            longest = max(longest, len(prompt) + new)
        if longest > limit:
            raise ConfigError(
                f"{self.decoder.name}: reads {limit} tokens, the longest prompt with its answer has {longest}. "
                "Lower --post-tokens, --max-new-tokens or --shots."
            )

    @torch.inference_mode()
    def _batch(self, requests: Sequence[Request], prompts: Sequence[list[int]], start: SharedStart) -> list[Answer]:
        asks = [request for request in requests if isinstance(request, Ask)]
        if asks:
            return list(self._generate(asks, prompts, start))
        return list(self._score([request for request in requests if isinstance(request, Choose)], prompts, start))

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a prompt."""
        # The chat template writes the special tokens itself.
        own = not self.decoder.tokenizer.chat_template
        ids: list[int] = self.decoder.tokenizer(text, add_special_tokens=own)["input_ids"]
        if own and not self.decoder.encodes and ids and ids[-1] == self.decoder.tokenizer.eos_token_id:
            ids = ids[:-1]
        return ids

    def _generate(self, asks: Sequence[Ask], prompts: Sequence[list[int]], start: SharedStart) -> list[Said]:
        ids, mask = self._padded(prompts, start.length)
        processors = LogitsProcessorList()
        if asks[0].temperature > 0:
            # The prompt is part of the seed: with the same noise for all posts their samples would err together.
            seeds = [_seed(ask.seed, prompt) for ask, prompt in zip(asks, prompts, strict=True)]
            processors.append(SeededSampling(asks[0].temperature, seeds))
        model: Any = self.decoder.model
        ends = end_tokens(self.decoder)
        found = model.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=start.cache_of(len(prompts)),
            max_new_tokens=asks[0].max_new_tokens,
            # Sampling is done by noise on the logits: the best of them is then a draw.
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=self.decoder.tokenizer.pad_token_id,
            eos_token_id=sorted(ends) or None,
            logits_processor=processors,
        )
        behind = 1 if self.decoder.encodes else ids.shape[1]
        answers = []
        for row in found[:, behind:].tolist():
            length = next((place for place, token in enumerate(row) if token in ends), len(row))
            text = str(self.decoder.tokenizer.decode(row[:length], skip_special_tokens=True))
            answers.append(Said(text, length < len(row) or length < asks[0].max_new_tokens, length))
        return answers

    def _score(self, requests: Sequence[Choose], prompts: Sequence[list[int]], start: SharedStart) -> list[Chances]:
        if self.decoder.encodes:
            return self._score_behind_encoder(requests, prompts)
        continued = [self._continuations(request, prompt) for request, prompt in zip(requests, prompts, strict=True)]
        # What the choices of a row share is read once; they may share less than the prompt, where tokens merge.
        shared = [prefix for prefix, _ in continued]
        if min(map(len, shared)) <= start.length:
            start = SharedStart()
        ids, mask = self._padded(shared, start.length)
        model: Any = self.decoder.model
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)
        read = model(
            input_ids=ids[:, start.length :],
            attention_mask=mask,
            position_ids=places[:, start.length :],
            past_key_values=start.cache_of(len(shared)),
            use_cache=True,
            logits_to_keep=1,
        )
        first = read.logits[:, -1].float().log_softmax(dim=-1)
        choices = [own for _, own in continued]
        rows = [row for row, own in enumerate(choices) for _ in own]
        totals = first[rows, [choice[0] for own in choices for choice in own]]
        counts = [tuple(len(choice) for choice in own) for own in choices]
        if max(map(max, counts)) > 1:
            totals = totals + behind_first_token(model, read.past_key_values, mask, choices)
        values = iter(totals.tolist())
        return [Chances(tuple(next(values) for _ in own), own) for own in counts]

    def _score_behind_encoder(self, requests: Sequence[Choose], prompts: Sequence[list[int]]) -> list[Chances]:
        model: Any = self.decoder.model
        ids, mask = self._padded(prompts)
        hidden = model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        owners = [row for row, request in enumerate(requests) for _ in request.choices]
        # The decoder begins with its own start token; the end token is left out where it can be, as for causal models.
        tokenizer = self.decoder.tokenizer
        end = tokenizer.eos_token_id
        choices = []
        for request in requests:
            own = [[token for token in tokenizer(choice)["input_ids"] if token != end] for choice in request.choices]
            choices += [choice + [end] * _nested(own) for choice in own]
        width = max(map(len, choices))
        targets = torch.full((len(choices), width), IGNORED, device=self._device)
        for row, choice in enumerate(choices):
            targets[row, : len(choice)] = torch.tensor(choice)
        start = torch.full((len(choices), 1), model.config.decoder_start_token_id, device=self._device)
        inputs = torch.cat([start, targets[:, :-1].clamp(min=0)], dim=1)
        rows = torch.tensor(owners, device=self._device)
        logits = model(encoder_outputs=(hidden[rows],), attention_mask=mask[rows], decoder_input_ids=inputs).logits
        values = iter(target_chances(logits, targets).sum(dim=1).tolist())
        lengths = iter(map(len, choices))
        return [
            Chances(tuple(next(values) for _ in request.choices), tuple(next(lengths) for _ in request.choices))
            for request in requests
        ]

    def _continuations(self, request: Choose, prompt: list[int]) -> tuple[list[int], list[list[int]]]:
        """Return the tokens that all choices share, and those behind them of each choice.

        Prompt and choice are tokenised together: a choice may merge with the end of the prompt. Where a choice is the
        beginning of another one, all of them get the end token, so that the shorter does not win by being shorter.
        """
        text = self.prompt(request.turns, request.opening)
        space = " " if request.opening and not request.opening[-1].isspace() else ""
        whole = [self.ids(text + space + choice) for choice in request.choices]
        shared = 0
        while shared < len(prompt) and all(len(ids) > shared + 1 and ids[shared] == prompt[shared] for ids in whole):
            shared += 1
        rest = [ids[shared:] for ids in whole]
        return prompt[:shared], [choice + [self.decoder.tokenizer.eos_token_id] * _nested(rest) for choice in rest]

    def _padded(self, prompts: Sequence[list[int]], begun: int = 0) -> tuple[Tensor, Tensor]:
        """Return ids and mask; an encoder is padded on the right, a causal model left of what is not shared.

        `begun` is the number of tokens that all prompts begin with and that were read.
        """
        width = max(1, *(len(prompt) for prompt in prompts))
        ids = torch.full((len(prompts), width), int(self.decoder.tokenizer.pad_token_id or 0))
        mask = torch.zeros((len(prompts), width), dtype=torch.int64)
        for row, prompt in enumerate(prompts):
            rest = len(prompt) - begun
            place = slice(begun, len(prompt)) if self.decoder.encodes else slice(width - rest, width)
            ids[row, place] = torch.tensor(prompt[begun:], dtype=torch.int64)
            mask[row, place] = 1
        if begun:
            ids[:, :begun], mask[:, :begun] = torch.tensor(prompts[0][:begun]), 1
        return ids.to(self._device), mask.to(self._device)


class SeededSampling(LogitsProcessor):
    """Adds Gumbel noise from one seeded generator a row: the largest logit is then a draw from the softmax.

    With it each row's sample follows from its own seed, whatever stands beside it in the batch.

    Parameters
    ----------
    temperature : float
    seeds : sequence of int
        One a row.
    """

    def __init__(self, temperature: float, seeds: Sequence[int]) -> None:
        self.temperature = temperature
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return noisy logits."""
        # Gumbel noise is minus the logarithm of an exponential draw.
        draws = torch.stack([torch.empty(scores.shape[1]).exponential_(generator=one) for one in self.generators])
        return scores.float() / self.temperature - draws.log().to(scores.device)


def _seed(seed: int, prompt: Sequence[int]) -> int:
    """Return the seed of one request's noise."""
    return int.from_bytes(hashlib.sha256(repr((seed, list(prompt))).encode()).digest()[:8], "big") >> 1


def _nested(choices: Sequence[list[int]]) -> bool:
    """Return whether a choice is the beginning of another one."""
    return any(a is not b and b[: len(a)] == a for a in choices for b in choices)


def end_tokens(decoder: Decoder) -> set[int]:
    """Return the tokens that end an answer, those of the model's own generation settings included."""
    given = getattr(decoder.model.generation_config, "eos_token_id", None)
    listed = given if isinstance(given, list) else [given]
    return {int(token) for token in (*listed, decoder.tokenizer.eos_token_id) if token is not None}
