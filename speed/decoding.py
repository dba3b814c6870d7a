"""Works of a language model: labels scored from one reading of the prompt, and answers generated in batches."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from mhclf.data.locate import find_dataset
from mhclf.generation.decoders import load_decoder
from mhclf.generation.local import LocalBackend, end_tokens
from mhclf.generation.requests import Ask, Chances, Choose, Said, Turn
from mhclf.generation.shared_start import shared_tokens
from mhclf.results.speed import Check, Sample
from speed.posts import read_posts
from speed.work import WORKS, Clock, Work

_SCORED, _ANSWERED, _NEW_TOKENS = 16, 16, 32
_POST_TOKENS = 200


class DecoderWork(Work):
    """A decoder in fp32, and prompts about test posts."""

    posts = _SCORED
    guess = 60.0

    def prepare(self) -> None:
        """Load the decoder and write the prompts."""
        data = read_posts(self.data, self.bench.data_root)
        question = find_dataset(self.data).config.prompt.question or "Which label fits the post best?"
        self.decoder = load_decoder(self.bench.decoder)
        self.decoder.model.to(self.bench.device)  # type: ignore[arg-type]
        self.backend = LocalBackend(self.decoder, batch_size=8)
        texts = [
            self.backend.shorten(text, _POST_TOKENS) for text in data.test.first(self.bench.size(self.posts)).texts
        ]
        self.labels = data.labels
        self.turns = [(Turn("user", f"Post: {text}\n{question} One of: {', '.join(data.labels)}."),) for text in texts]
        self.settings |= {"posts": len(texts), "decoder": self.decoder.name, "batch": 8, "precision": "fp32"}
        prompts = [self.backend.ids(self.backend.prompt(turns)) for turns in self.turns]
        self.settings |= {"shared_tokens": shared_tokens(prompts), "mean_tokens": float(np.mean([*map(len, prompts)]))}


@WORKS.register("label_scoring")
class ScoringWork(DecoderWork):
    """Log-probability of each label behind the prompt; the aim is .8 for each of them."""

    title_ours = "LocalBackend, Choose"
    title_theirs = "a forward pass for each label"

    @property
    def aim(self) -> float | None:
        """0.8 times the number of labels."""
        return 0.8 * len(find_dataset(self.data).config.label_names)

    def prepare(self) -> None:
        """See the base."""
        super().prepare()
        self.requests = [Choose(turns, self.labels, "Label:") for turns in self.turns]
        self.settings |= {"labels": len(self.labels)}
        self.prompts = [self._numbers(request) for request in self.requests]
        list(self.backend.answer(self.requests[:1]))
        self._alone(*self.prompts[0][0])

    def ours(self) -> Sample:
        """Score by the library."""
        with Clock() as clock:
            found = dict(self.backend.answer(self.requests))
        chances = [found[number] for number in range(len(self.requests))]
        self.own = np.array([item.log_probabilities for item in chances if isinstance(item, Chances)])
        return Sample(clock.seconds, len(self.requests))

    def theirs(self) -> Sample:
        """Read the prompt again for each label."""
        with Clock() as clock:
            self.other = np.array([[self._alone(*numbers) for numbers in prompt] for prompt in self.prompts])
        return Sample(clock.seconds, len(self.requests))

    def _numbers(self, request: Choose) -> list[tuple[list[int], int]]:
        """Return for each label the tokens of prompt and label, and how many of them are the label's."""
        text = self.backend.prompt(request.turns, request.opening)
        prompt = self.backend.ids(text)
        found = []
        for label in request.choices:
            whole = self.backend.ids(f"{text} {label}")
            # A label may merge with the end of the prompt: count from where both part.
            same = next((place for place, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(prompt))
            found.append((whole, len(whole) - same))
        return found

    @torch.inference_mode()
    def _alone(self, whole: list[int], count: int) -> float:
        """Return the log-probability of the last `count` tokens, by a forward pass of its own."""
        model: Any = self.decoder.model
        logits = model(input_ids=torch.tensor([whole], device=model.device), logits_to_keep=count + 1).logits[0, :-1]
        chances = logits.float().log_softmax(dim=-1)
        return float(chances[torch.arange(count), whole[-count:]].sum())

    def check(self) -> list[Check]:
        """Compare the shares of the labels."""
        gap = np.abs(_shares(self.own) - _shares(self.other)).max()
        return [Check("largest gap of a label's share", float(gap), 1e-4)]


def _shares(values: np.ndarray) -> np.ndarray:
    return np.asarray(torch.from_numpy(values).softmax(dim=-1).numpy())


@WORKS.register("generation")
class GenerationWork(DecoderWork):
    """Answers of up to 32 tokens."""

    title_ours = "LocalBackend, batches of 8"
    title_theirs = "generate, one prompt at a time"
    unit = "tokens"
    aims: ClassVar[Mapping[str, float]] = {"": 3.0}
    posts = _ANSWERED

    def prepare(self) -> None:
        """See the base."""
        super().prepare()
        self.requests = [Ask(turns, max_new_tokens=_NEW_TOKENS) for turns in self.turns]
        self.settings |= {"new_tokens": _NEW_TOKENS}
        list(self.backend.answer(self.requests[:1]))
        self._by_generate(self.requests[:1])

    def ours(self) -> Sample:
        """Generate by the library."""
        with Clock() as clock:
            found = dict(self.backend.answer(self.requests))
        answers = [found[number] for number in range(len(self.requests))]
        said = [item for item in answers if isinstance(item, Said)]
        self.own = [item.text for item in said]
        return Sample(clock.seconds, sum(item.tokens for item in said))

    def theirs(self) -> Sample:
        """Generate with transformers alone."""
        with Clock() as clock:
            self.other, tokens = self._by_generate(self.requests)
        return Sample(clock.seconds, tokens)

    @torch.inference_mode()
    def _by_generate(self, requests: list[Ask]) -> tuple[list[str], int]:
        """Return the answers one prompt at a time, and their tokens."""
        model: Any = self.decoder.model
        tokenizer = self.decoder.tokenizer
        ends = end_tokens(self.decoder)
        answers, tokens = [], 0
        for request in requests:
            ids = torch.tensor([self.backend.ids(self.backend.prompt(request.turns))], device=model.device)
            found = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=_NEW_TOKENS,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=sorted(ends),
            )
            row = found[0, ids.shape[1] :].tolist()
            length = next((place for place, token in enumerate(row) if token in ends), len(row))
            tokens += length
            answers.append(str(tokenizer.decode(row[:length], skip_special_tokens=True)))
        return answers, tokens

    def check(self) -> list[Check]:
        """Compare the texts: rounding may part two of them behind a near tie."""
        alike = float(np.mean([a == b for a, b in zip(self.own, self.other, strict=True)]))
        return [Check("share of equal answers", alike, 0.9, at_least=True)]
