"""What tests of generation share: a scripted backend, and tiny random language models."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mhclf.generation.requests import Answer, Ask, Chances, Choose, Request, Said


class ScriptedBackend:
    """Answers by a function, and keeps what it was asked."""

    def __init__(self, reply: Callable[[Request], str | Sequence[float]], stop_after: int | None = None) -> None:
        self.reply = reply
        self.asked: list[Request] = []
        self.stop_after = stop_after

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"backend": "scripted", "model": "script"}

    def shorten(self, text: str, tokens: int) -> str:
        return " ".join(text.split()[:tokens]) if len(text.split()) > tokens else text

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        # From the end, because a backend may answer in any order.
        for number in reversed(range(len(requests))):
            if self.stop_after is not None and len(self.asked) >= self.stop_after:
                raise KeyboardInterrupt
            request = requests[number]
            self.asked.append(request)
            answer = self.reply(request)
            if isinstance(request, Ask):
                assert isinstance(answer, str)
                yield number, Said(answer, True, len(answer.split()))
            else:
                assert isinstance(request, Choose)
                yield number, Chances(tuple(answer), (1,) * len(request.choices))  # type: ignore[arg-type]


def write_explained_dataset(
    folder: Path, why: Callable[[int, str], str], *, task: str = "multiclass", name: str = "tiny"
) -> Path:
    """Write the tiny set with an explanation a row, `why(number, text)`; returns the YAML's path."""
    from support import write_tiny_dataset

    yaml = write_tiny_dataset(folder, task=task, name=name)
    file = folder / f"{name}.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [row | {"why": why(number, row["text"])} for number, row in enumerate(rows)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    content = yaml.read_text(encoding="utf-8")
    yaml.write_text(content.replace("group: group}", "group: group, explanation: why}"), encoding="utf-8")
    return yaml


def build_decoder_folder(folder: Path, encodes: bool = False, positions: int = 512) -> Path:
    """Save a random two-layer Llama (or T5) with a byte-level tokenizer; the Llama has a chat template."""
    import torch
    import transformers
    from support import SENTENCES
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [text for group in SENTENCES.values() for text in group]
    special = ["<pad>", "<unk>", "<end>", "<user>", "<model>", "<system>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="<end>"
    )
    if not encodes:
        fast.chat_template = (
            "{% for message in messages %}{{ '<user>' if message.role == 'user' else "
            "'<system>' if message.role == 'system' else '<model>' }}{{ message.content }}<end>{% endfor %}"
            "{% if add_generation_prompt %}<model>{% endif %}"
        )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    size = len(tokenizer.get_vocab())
    if encodes:
        config: Any = transformers.T5Config(
            vocab_size=size, d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2, pad_token_id=0, eos_token_id=2,
            decoder_start_token_id=0,
        )  # fmt: skip
        model: Any = transformers.T5ForConditionalGeneration(config)
    else:
        config = transformers.LlamaConfig(
            vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=positions, pad_token_id=0, eos_token_id=2, bos_token_id=None,
        )  # fmt: skip
        model = transformers.LlamaForCausalLM(config)
    # Larger weights, so that a random model has preferences.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
    model.save_pretrained(folder)
    return folder
