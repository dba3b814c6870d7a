"""The saved explanation head: `explainer/` of a run folder, written and read, and what it says."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mhclf.config.structure import from_mapping
from mhclf.errors import ConfigError, DataError, RunError
from mhclf.generation.adapting import save_adapters
from mhclf.generation.decoders import Decoder, load_decoder
from mhclf.generation.explanation_head import ExplanationHead
from mhclf.generation.joint_data import ExplanationPrompts
from mhclf.generation.local import LocalBackend, end_tokens
from mhclf.generation.questions import Question
from mhclf.results.files import write_text

BATCH = 16
"""Explanations that are written at a time."""


@dataclass(frozen=True)
class ExplainerSettings:
    """What rebuilds the head beside its weights; the content of `explainer.json`.

    Attributes
    ----------
    decoder : str
        Portable name of the base model.
    decoder_sha256 : str
        Of its weights; '' for a hub name.
    dtype : str
        In which it writes.
    adapted : bool
        Whether `adapter/` is laid over it.
    hidden, prefix_length : int
    reads_post : bool
    post_tokens, max_new_tokens : int
    language : str
    question : Question
    """

    decoder: str
    decoder_sha256: str
    dtype: Literal["bfloat16", "float32"]
    adapted: bool
    hidden: int
    prefix_length: int
    reads_post: bool
    post_tokens: int
    max_new_tokens: int
    language: str
    question: Question


@dataclass(frozen=True)
class Explainer:
    """Writes explanations from a classifier's representations."""

    settings: ExplainerSettings
    head: ExplanationHead
    prompts: ExplanationPrompts

    def explain(
        self,
        representations: Tensor,
        texts: Sequence[str],
        targets: Sequence[Any],
        known: Collection[int] = (),
        contexts: Sequence[str] | None = None,
    ) -> Iterator[dict[int, str]]:
        """Yield row -> explanation, batch by batch, longest prompts first.

        Parameters
        ----------
        representations : Tensor
            Shape (rows, hidden).
        texts : sequence of str
        targets : sequence
            What is explained: class number, or 0/1 labels, of each row.
        known : collection of int
            Rows that need no explanation. Only whole batches are left out, so that those of a stopped job have the
            same company, and so the same rounding, as in one that was not stopped.
        contexts : sequence of str, optional
            Of each row; needed where the questions about the rows stand there.

        Raises
        ------
        DataError
            If the questions about the rows are missing.
        """
        if contexts is None and self.settings.question.reads_context:
            raise DataError("contexts: the question about each text stands there. Give one for each text.")
        decoder = self.prompts.backend.decoder
        prompts = [
            self.prompts.backend.ids(
                self.prompts.prompt(text, context) + self.prompts.opening(self.prompts.answer(target))
            )
            for text, context, target in zip(texts, contexts or [""] * len(texts), targets, strict=True)
        ]
        order = sorted(range(len(prompts)), key=lambda row: -len(prompts[row]))
        end = sorted(end_tokens(decoder))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            if all(row in known for row in rows):
                continue
            chosen = [prompts[row] for row in rows]
            found = self.head.generate(representations[rows], chosen, self.settings.max_new_tokens, end)
            words = (str(decoder.tokenizer.decode(tokens, skip_special_tokens=True)).strip() for tokens in found)
            yield dict(zip(rows, words, strict=True))


def save_explainer(folder: Path, head: ExplanationHead, settings: ExplainerSettings) -> None:
    """Write `explainer.json`, `projector.safetensors` and, where the decoder has adapters, `adapter/`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().cpu().contiguous() for name, value in head.projector.state_dict().items()}
    save_file(state, folder / "projector.safetensors")
    if settings.adapted:
        save_adapters(head.decoder, settings.decoder, folder / "adapter")
    # Last: a folder with it is whole.
    write_text(folder / "explainer.json", json.dumps(asdict(settings), indent=1, ensure_ascii=False) + "\n")


def load_explainer(folder: Path, decoder: str) -> Explainer:
    """Load a saved head.

    Parameters
    ----------
    folder : Path
        `explainer/` of a run.
    decoder : str
        Where its base model lies: `smollm2`, a folder, or a hub name.

    Raises
    ------
    RunError
        If files are missing or damaged, or do not fit each other.
    ConfigError
        If the base model cannot be loaded, or its weights are others than those that were trained with.
    """
    try:
        content = json.loads((folder / "explainer.json").read_text(encoding="utf-8"))
        settings = from_mapping(ExplainerSettings, content, str(folder / "explainer.json"))
        state = load_file(folder / "projector.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(
            f"{folder}: holds no readable explainer ({type(error).__name__}). Was the run finished?"
        ) from error
    if settings.adapted and not (folder / "adapter" / "adapter_model.safetensors").is_file():
        raise RunError(f"{folder}: its adapter is missing. Train the run again.")
    base = load_decoder(decoder, torch.float32)
    if base.sha256 != settings.decoder_sha256:
        raise ConfigError(
            f"decoder: '{decoder}' has other weights than '{settings.decoder}', with which {folder} was trained. "
            "Give the folder of the same model."
        )
    if settings.adapted:
        # Merged in fp32 and rounded once; without the adapters' own products it writes faster.
        base = load_decoder(decoder, torch.float32, str(folder / "adapter"))
    base.model.to(getattr(torch, settings.dtype))
    if torch.cuda.is_available():
        base.model.to("cuda")  # type: ignore[arg-type]
    head = ExplanationHead(settings.hidden, base.model, settings.prefix_length)
    try:
        head.projector.load_state_dict(state)
    except RuntimeError as error:
        raise RunError(
            f"{folder / 'projector.safetensors'}: does not fit explainer.json. Train the run again."
        ) from error
    head.projector.to(base.model.device)
    prompts = prompts_of(base, settings.question, settings.language, settings.reads_post, settings.post_tokens)
    return Explainer(settings, head.eval(), prompts)


def prompts_of(
    decoder: Decoder, question: Question, language: str, reads_post: bool, post_tokens: int
) -> ExplanationPrompts:
    """Return the prompts of a decoder."""
    return ExplanationPrompts(LocalBackend(decoder), question, language, reads_post, post_tokens)
