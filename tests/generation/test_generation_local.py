"""The backend on this machine, on tiny random models, against brute force."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from generation_support import build_decoder_folder

from mhclf.errors import ConfigError
from mhclf.generation import local
from mhclf.generation.decoders import Decoder, _weights_hash, load_decoder
from mhclf.generation.local import LocalBackend, SeededSampling
from mhclf.generation.requests import Answer, Ask, Chances, Choose, Request, Said, Turn

TEXTS = ("my knee hurts", "the exam is on monday and nothing stays in", "she reads my messages", "a")


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    return load_decoder(str(build_decoder_folder(tmp_path_factory.mktemp("llama") / "tiny-llama")))


@pytest.fixture(scope="module")
def encoding(tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    return load_decoder(str(build_decoder_folder(tmp_path_factory.mktemp("t5") / "tiny-t5", encodes=True)))


def answers(backend: LocalBackend, requests: list[Request]) -> list[Answer]:
    found = dict(backend.answer(requests))
    assert sorted(found) == list(range(len(requests)))
    return [found[number] for number in range(len(requests))]


def brute_force(decoder: Decoder, prompt: str, choice: str) -> float:
    """Log-probability of a choice behind a prompt by one forward pass over the whole text."""
    tokenizer = decoder.tokenizer
    whole = tokenizer(prompt + choice, add_special_tokens=False)["input_ids"]
    start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    with torch.inference_mode():
        chances = decoder.model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
    return float(sum(chances[place - 1, whole[place]] for place in range(start, len(whole))))


def test_scores_equal_one_forward_pass_for_each_choice(causal: Decoder) -> None:
    choices = ("knee pain all day", "exam", "friends")
    requests: list[Request] = [Choose((Turn("user", text),), choices) for text in TEXTS]
    for size in (1, 3):
        found = answers(LocalBackend(causal, size), requests)
        for request, item in zip(requests, found, strict=True):
            assert isinstance(item, Chances)
            prompt = LocalBackend(causal).prompt(request.turns)
            expected = [brute_force(causal, prompt, choice) for choice in choices]
            assert item.log_probabilities == pytest.approx(expected, abs=1e-4)


def test_choices_of_one_token_need_no_second_pass(causal: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend(causal)
    monkeypatch.setattr(local, "behind_first_token", lambda *given: pytest.fail("a second pass"))
    found = answers(backend, [Choose((Turn("user", "hi"),), ("a", "b"))])[0]
    assert isinstance(found, Chances)
    assert found.tokens == (1, 1)


def test_a_choice_that_begins_another_gets_the_end_token(causal: Decoder) -> None:
    backend = LocalBackend(causal)
    turns = (Turn("user", "which"),)
    found = answers(backend, [Choose(turns, ("knee", "knee pain"))])[0]
    prompt = backend.prompt(turns)
    expected = [brute_force(causal, prompt, choice + "<end>") for choice in ("knee", "knee pain")]
    assert isinstance(found, Chances)
    assert found.log_probabilities == pytest.approx(expected, abs=1e-4)


def test_choices_behind_an_opening_are_parted_by_a_space(causal: Decoder) -> None:
    backend = LocalBackend(causal)
    turns = (Turn("user", "which"),)
    found = answers(backend, [Choose(turns, ("knee", "exam"), opening="Answer:")])[0]
    expected = [brute_force(causal, backend.prompt(turns, "Answer:"), f" {choice}") for choice in ("knee", "exam")]
    assert isinstance(found, Chances)
    assert found.log_probabilities == pytest.approx(expected, abs=1e-4)


def test_greedy_answers_do_not_depend_on_the_batch(causal: Decoder) -> None:
    requests: list[Request] = [Ask((Turn("user", text),), max_new_tokens=12) for text in TEXTS]
    alone = answers(LocalBackend(causal, 1), requests)
    together = answers(LocalBackend(causal, 4), requests)
    assert alone == together
    with torch.inference_mode():
        ids = torch.tensor([causal.tokenizer(LocalBackend(causal).prompt(requests[1].turns))["input_ids"]])
        own = causal.model.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=0)[0, ids.shape[1] :]  # type: ignore[operator]
    first = alone[1]
    assert isinstance(first, Said)
    assert first.text == causal.tokenizer.decode(own, skip_special_tokens=True)


def test_samples_follow_their_own_seed_whatever_stands_beside_them(causal: Decoder) -> None:
    requests: list[Request] = [
        Ask((Turn("user", text),), max_new_tokens=10, temperature=0.9, seed=seed) for text in TEXTS for seed in (1, 2)
    ]
    alone = answers(LocalBackend(causal, 1), requests)
    assert answers(LocalBackend(causal, 5), requests) == alone
    assert alone[0] != alone[1]


def test_posts_do_not_share_their_noise(causal: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Watched(SeededSampling):
        def __init__(self, temperature: float, seeds: list[int]) -> None:
            seen.extend(seeds)
            super().__init__(temperature, seeds)

    monkeypatch.setattr("mhclf.generation.local.SeededSampling", Watched)
    requests: list[Request] = [Ask((Turn("user", text),), max_new_tokens=2, temperature=0.9, seed=1) for text in TEXTS]
    answers(LocalBackend(causal), requests)
    assert len(set(seen)) == len(TEXTS)


def test_a_prompt_that_the_model_cannot_read_is_refused_at_once(causal: Decoder) -> None:
    requests: list[Request] = [Ask((Turn("user", text),), max_new_tokens=20) for text in ("hi", "knee " * 600)]
    with pytest.raises(
        ConfigError, match=r"reads 512 tokens, the longest prompt with its answer has \d+\. Lower --post"
    ):
        next(iter(LocalBackend(causal).answer(requests)))


def test_weights_of_the_old_form_are_part_of_the_identity(tmp_path: Path) -> None:
    found = set()
    for content in (b"one", b"two"):
        (tmp_path / "pytorch_model.bin").write_bytes(content)
        found.add(_weights_hash(tmp_path, ""))
    assert len(found - {""}) == 2


def test_noisy_logits_draw_from_the_softmax() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    sampler = SeededSampling(1.0, [7])
    drawn = torch.stack([sampler(torch.zeros(1, 0), logits).argmax() for _ in range(4000)])
    shares = torch.bincount(drawn, minlength=3) / 4000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_an_answer_goes_on_from_its_opening_and_says_whether_it_is_whole(causal: Decoder) -> None:
    backend = LocalBackend(causal)
    turns = (Turn("user", "hi"),)
    assert backend.prompt(turns, "yes. Reasoning:") == "<user>hi<end><model>yes. Reasoning:"
    said = answers(backend, [Ask(turns, max_new_tokens=3)])[0]
    assert isinstance(said, Said)
    assert (said.finished, said.tokens) == ((True, said.tokens) if said.tokens < 3 else (False, 3))


def test_posts_are_shortened_by_whole_tokens(causal: Decoder) -> None:
    backend = LocalBackend(causal)
    text = "my knee hurts when the stairs are wet"
    short = backend.shorten(text, 3)
    assert text.startswith(short)
    assert len(causal.tokenizer(short, add_special_tokens=False)["input_ids"]) == 3
    assert backend.shorten(text, 1000) == text


def test_a_model_without_chat_template_reads_plain_turns(encoding: Decoder) -> None:
    backend = LocalBackend(encoding)
    turns = (Turn("system", "You read."), Turn("user", "hi"))
    assert backend.prompt(turns, "Answer:") == "You read.\nhi\nAnswer:"


def test_sequence_to_sequence_scores_equal_one_pass_for_each_choice(encoding: Decoder) -> None:
    choices = ("knee pain all day", "exam")
    requests: list[Request] = [Choose((Turn("user", text),), choices) for text in TEXTS]
    found = answers(LocalBackend(encoding, 3), requests)
    for request, item in zip(requests, found, strict=True):
        prompt = LocalBackend(encoding).prompt(request.turns)
        ids = torch.tensor([encoding.tokenizer(prompt)["input_ids"]])
        expected = []
        for choice in choices:
            labels = torch.tensor([encoding.tokenizer(choice)["input_ids"]])
            with torch.inference_mode():
                loss = encoding.model(input_ids=ids, labels=labels).loss
            expected.append(-float(loss) * labels.shape[1])
        assert isinstance(item, Chances)
        assert item.log_probabilities == pytest.approx(expected, abs=1e-4)


def test_behind_an_encoder_too_a_choice_that_begins_another_gets_the_end_token(encoding: Decoder) -> None:
    def score(choice: str, length: int) -> float:
        ids = torch.tensor([encoding.tokenizer(LocalBackend(encoding).prompt(turns))["input_ids"]])
        labels = torch.tensor([encoding.tokenizer(choice)["input_ids"]])
        assert labels.shape[1] == length
        with torch.inference_mode():
            return -float(encoding.model(input_ids=ids, labels=labels).loss) * labels.shape[1]

    turns = (Turn("user", "which"),)
    found = answers(LocalBackend(encoding), [Choose(turns, ("knee", "knee pain"))])[0]
    assert isinstance(found, Chances)
    words = ("knee<end>", "knee pain<end>")
    assert found.log_probabilities == pytest.approx(list(map(score, words, found.tokens)), abs=1e-4)


def test_sequence_to_sequence_answers_do_not_depend_on_the_batch(encoding: Decoder) -> None:
    requests: list[Request] = [Ask((Turn("user", text),), max_new_tokens=6) for text in TEXTS]
    assert answers(LocalBackend(encoding, 1), requests) == answers(LocalBackend(encoding, 4), requests)


def test_an_adapter_is_merged_and_changes_the_hash(causal: Decoder, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    folder = build_decoder_folder(tmp_path / "tiny-llama")
    base = load_decoder(str(folder))
    adapted = peft.get_peft_model(base.model, peft.LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.5)
    adapted.save_pretrained(tmp_path / "adapter")
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        expected = adapted(input_ids=ids).logits
        merged = load_decoder(str(folder), adapter=str(tmp_path / "adapter"))
        assert torch.allclose(merged.model(input_ids=ids).logits, expected, atol=1e-4)
    assert merged.name == "tiny-llama+adapter"
    assert merged.sha256 != base.sha256
    with pytest.raises(ConfigError, match="holds no adapter_model.safetensors"):
        load_decoder(str(folder), adapter=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "model: './nowhere' is no folder. Built-in names: smollm2."),
        ("nowhere.gguf", "model: nowhere.gguf is no file."),
    ],
)
def test_a_model_that_is_not_there_says_so(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_decoder(name)
    assert str(error.value) == message


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_an_encoder_is_no_decoder(family: str, encoder_folder: Callable[[str], Path]) -> None:
    folder = str(encoder_folder(family))
    with pytest.raises(ConfigError) as error:
        load_decoder(folder)
    assert str(error.value) == (
        f"model: '{folder}' is an encoder ({family}), which learnt to fill gaps and not to write. Train it with "
        "experiments/train.py --encoder, or give a causal model."
    )


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no config.json"):
        load_decoder(str(tmp_path))
