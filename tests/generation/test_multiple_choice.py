"""Multiple choice: rows with options of their own, read, asked, parsed and scored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generation_support import ScriptedBackend, build_decoder_folder
from support import LINEAR

import mhclf
from mhclf.config.generation import GenerationConfig, LabelsConfig, LocalConfig
from mhclf.config.instruction import InstructionConfig
from mhclf.config.model import LoraConfig
from mhclf.config.run import RunConfig
from mhclf.config.training import TrainerConfig
from mhclf.data.audit import leaks_of
from mhclf.data.load import load_table
from mhclf.data.manifest import data_hash
from mhclf.errors import ConfigError, DataError
from mhclf.generation.decoders import load_decoder
from mhclf.generation.instructions import instructions_of
from mhclf.generation.local import LocalBackend
from mhclf.generation.measured_run import measure_run
from mhclf.generation.parsing import parse_answer
from mhclf.generation.questions import questions_of
from mhclf.generation.requests import Ask, Choose, Request
from mhclf.generation.run import run_prompts
from mhclf.generation.tuning import tune
from mhclf.generation.wording import wording_of
from mhclf.training.run import run as train
from mhclf.training.transfer import evaluate_on

CASES = (
    ("He says that everybody must like him.", ("a should statement", "a plan", "a fact"), 0),
    ("She passed, and calls it luck.", ("a goal", "discounting the positive", "a fact"), 1),
    ("They think that one mistake ruins the year.", ("a plan", "a greeting", "magnification, or catastrophising"), 2),
    ("He knows what they think without asking.", ("mind reading", "a plan", "a fact"), 0),
)


@pytest.fixture
def quiz(tmp_path: Path) -> Path:
    """Write a set of 24 questions, three options each: one column an option, the right one as a number."""
    rows = [
        {"id": f"{number}-{copy}", "item": f"{text} ({copy})", **dict(zip("abc", options, strict=True)), "right": right}
        | {"split": ("train", "validation", "test")[copy % 3]}
        for copy in range(6)
        for number, (text, options, right) in enumerate(CASES)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "quiz.csv", index=False)
    (tmp_path / "quiz.yaml").write_text(
        "name: quiz\ntask: choice\n"
        'labels: [{raw: "0", name: "A"}, {raw: "1", name: "B"}, {raw: "2", name: "C"}]\n'
        "source: {files: quiz.csv}\n"
        "columns: {id: id, text: item, label: right, split: split, options: [a, b, c]}\n"
        'prompt: {question: "Which thinking pattern is it?"}\n'
    )
    return tmp_path / "quiz.yaml"


def right_option(prompt: str) -> int:
    """Return which option is right in the last question of a prompt."""
    return next(right for text, _, right in CASES if text in prompt.split('Post: "')[-1])


def test_every_row_is_asked_with_its_own_options(quiz: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def reply(request: Request) -> list[float]:
        assert isinstance(request, Choose)
        assert request.choices == ("A", "B", "C")
        asked.append(request.turns[0].text)
        return np.log(np.where(np.arange(3) == right_option(asked[-1]), 0.6, 0.2)).tolist()

    outcome = run_prompts(GenerationConfig(data=str(quiz), out=str(tmp_path)), backend=ScriptedBackend(reply))
    assert (
        'Post: "She passed, and calls it luck. (2)"\nWhich thinking pattern is it?\n'
        "Possible answers:\nA. a goal\nB. discounting the positive\nC. a fact\n\n"
        "Answer with the letter of one option and nothing else."
    ) in asked
    values = {record.metric: record.value for record in outcome.records}
    assert (values["accuracy"], values["unparsed"]) == (1.0, 0.0)
    assert values["nll"] == pytest.approx(-np.log(0.6))
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    assert frame["prediction"].tolist() == ["A", "B", "C", "A"] * 2
    for path in outcome.folder.iterdir():
        if path.suffix in {".json", ".jsonl", ".yaml"}:
            assert "discounting" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("said", "option"),
    [
        ("B", 1),
        ("The answer is (C).", 2),
        ("b. a plan", 1),
        ("It is magnification, or catastrophising.", 2),
        ("Answer: a fact", 0),
        ("A plan or a fact, I cannot say.", None),
        ("I would rather not.", None),
        # What repeats the options, or names several, is no answer.
        ("Possible answers:\nA. a fact\nB. a plan\nC. magnification, or catastrophising", None),
        ("A. a fact\nB. a plan", None),
        ("A or B", None),
        ("A and B", None),
        ("Either A or B.", None),
        ("Answer: B or C", None),
        ("B/C", None),
        ("A. is wrong. B. is wrong. The answer is C.", 2),
        # What is denied is no answer either.
        ("The answer is not B.", None),
        ("I don't think it is B.", None),
        ("It is not A, but B.", 1),
        ("Not A, B or C.", None),
        # Letters inside a sentence.
        ("The answer is B because it fits.", 1),
        ("B is correct", 1),
        ("The correct answer is option b, as he plans.", 1),
        ("Answer:\nB", 1),
        ("A is not easy to say.", None),
    ],
)
def test_letters_and_the_options_words_are_read(quiz: Path, said: str, option: int | None) -> None:
    (question,) = questions_of(load_table(str(quiz)).config, LabelsConfig(by="parse"), wording_of("en"))
    own = question.with_options(("a fact", "a plan", "magnification, or catastrophising"))
    assert parse_answer(said, own).options == (None if option is None else (option,))


@pytest.mark.parametrize(
    ("said", "option"),
    [
        ("He is sad", 0),
        ("he is sad, because he says so", 0),
        ("Answer: He is glad", 1),
        ("The answer is: Is he tired", 2),
        ('"He is sad."', 0),
        ("He is not sad", None),
    ],
)
def test_options_that_are_sentences_need_no_full_stop(quiz: Path, said: str, option: int | None) -> None:
    (question,) = questions_of(load_table(str(quiz)).config, LabelsConfig(by="parse"), wording_of("en"))
    own = question.with_options(("He is sad.", "He is glad.", "Is he tired?"))
    assert parse_answer(said, own).options == (None if option is None else (option,))


def test_answers_in_words_examples_and_a_prior(quiz: Path, tmp_path: Path) -> None:
    asked: list[Request] = []

    def reply(request: Request) -> str | list[float]:
        asked.append(request)
        prompt = request.turns[-1].text
        if isinstance(request, Ask):
            return CASES[[text for text, _, _ in CASES].index(prompt.split('Post: "')[-1].split(" (")[0])][1][0]
        return [0.0, -0.5, -1.0] if '"N/A"' in prompt else [-1.0, -1.0, -1.0]

    parsed = GenerationConfig(data=str(quiz), out=str(tmp_path), strategy="few_shot", labels=LabelsConfig(by="parse"))
    frame = pd.read_parquet(run_prompts(parsed, backend=ScriptedBackend(reply)).folder / "predictions.parquet")
    assert set(frame["prediction"]) == {"A"}
    prompt = asked[0].turns[0].text
    # Each example shows its own options and the letter of the right one.
    assert prompt.count("Possible answers:\nA. ") == 5
    shown = prompt.split('Post: "')[1]
    letter = "ABC"[next(right for text, _, right in CASES if text in shown)]
    assert shown.endswith(f"\nAnswer: {letter}\n\n")
    prior = GenerationConfig(data=str(quiz), out=str(tmp_path), labels=LabelsConfig(prior="subtract"))
    frame = pd.read_parquet(run_prompts(prior, backend=ScriptedBackend(reply)).folder / "predictions.parquet")
    assert set(frame["prediction"]) == {"C"}
    empty = {request.turns[0].text for request in asked if '"N/A"' in request.turns[0].text}
    assert len(empty) == len(CASES)  # the same question, with the options of each row
    bias = GenerationConfig(data=str(quiz), out=str(tmp_path), strategy="prior_only")
    asked.clear()
    run_prompts(bias, backend=ScriptedBackend(reply))
    assert not any(text in request.turns[0].text for request in asked for text, _, _ in CASES)
    assert "B. discounting the positive" in "".join(request.turns[0].text for request in asked)


def test_a_model_is_tuned_on_letters(quiz: Path, tmp_path: Path) -> None:
    folder = str(build_decoder_folder(tmp_path / "model"))
    backend = LocalBackend(load_decoder(folder))
    told = instructions_of(backend, load_table(str(quiz)).part("train"), explained=True, post_tokens=50)
    assert [item.label for item in told[:4]] == ["A", "B", "C", "A"]
    assert "C. magnification, or catastrophising" in told[2].prompt
    tuned = tune(
        InstructionConfig(
            data=str(quiz),
            model=folder,
            out=str(tmp_path / "runs"),
            keep_out=(),
            lora=LoraConfig(rank=4),
            trainer=TrainerConfig(epochs=1, precision="fp32"),
        )
    )
    config = GenerationConfig(
        data=str(quiz),
        out=str(tmp_path),
        strategy="imhi",
        post_tokens=300,
        local=LocalConfig(model=folder, adapter=str(tuned.folder / "adapter"), precision="fp32"),
        labels=LabelsConfig(fit="tuned"),
    )
    outcome = run_prompts(config)
    fitted = json.loads((outcome.folder / "data_manifest.json").read_text())["fitted"]
    assert len(fitted["Which thinking pattern is it?"]["intercept"]) == 3
    # Of half-learnt letters the fit makes at least the most frequent place.
    assert {record.metric: record.value for record in outcome.records}["accuracy"] >= 0.5


def write(file: Path, rows: list[dict[str, Any]], options: object) -> None:
    """Write rows as JSON lines, the first with these options."""
    rows[0]["options"] = options
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_one_column_may_hold_all_options(tmp_path: Path) -> None:
    rows = [
        {"q": text, "options": list(options), "answer": "ABC"[right], "split": split}
        for split in ("train", "test")
        for text, options, right in CASES
    ]
    file = tmp_path / "quiz.jsonl"
    write(file, rows, list(CASES[0][1]))
    (tmp_path / "quiz.yaml").write_text(
        'name: quiz\ntask: choice\nlabels: ["A", "B", "C"]\nsource: {files: quiz.jsonl}\n'
        "columns: {text: q, label: answer, split: split, options: options}\n"
    )
    table = load_table(str(tmp_path / "quiz.yaml"))
    assert table.options is not None
    assert table.options[1] == CASES[1][1]
    assert table.config.headline_metric == "accuracy"
    # Other options are other data.
    write(file, rows, [*CASES[0][1][:2], "something else"])
    assert data_hash(load_table(str(tmp_path / "quiz.yaml"))) != data_hash(table)
    write(file, rows, ["a plan", "A plan", "a fact"])
    with pytest.raises(DataError, match=r"row 1, column 'options': two options are the same\. Mend the row"):
        load_table(str(tmp_path / "quiz.yaml"))
    write(file, rows, [["nested"], "a plan", "a fact"])
    with pytest.raises(DataError, match=r"row 1, column 'options': an option is neither text nor a number"):
        load_table(str(tmp_path / "quiz.yaml"))
    write(file, rows, ["1\n2. fake", 7, 2.0])
    assert (load_table(str(tmp_path / "quiz.yaml")).options or [])[0] == ("1 2. fake", "7", "2")
    write(file, rows, ["only", "two"])
    with pytest.raises(DataError, match=r"quiz\.jsonl, row 1, column 'options': 2 options for 3 labels\. Give every"):
        load_table(str(tmp_path / "quiz.yaml"))
    write(file, rows, "one, two, three")
    with pytest.raises(DataError, match=r"column 'options': is no list of options\. Write it as JSON, or give columns"):
        load_table(str(tmp_path / "quiz.yaml"))
    write(file, rows, str(list(CASES[0][1])))
    assert load_table(str(tmp_path / "quiz.yaml")).options == table.options
    write(file, rows, ["one", " ", "three"])
    with pytest.raises(DataError, match=r"quiz\.jsonl, row 1, column 'options': option 2 is empty\. Fill it in"):
        load_table(str(tmp_path / "quiz.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("task: choice", "task: multiclass", r"columns: options: is for 'task: choice', not 'multiclass'\."),
        (", options: [a, b, c]", "", r"columns: options: missing; 'task: choice' needs the columns of the options\."),
        ("[a, b, c]", "[a, b]", r"columns: options: lists 2 columns for 3 labels\. Give one column an option\."),
        (
            "prompt: {",
            'prompt: {label_words: {A: "x"}, ',
            r"prompt: label_words and descriptions: options are words of the rows\. Leave both out\.",
        ),
    ],
)
def test_what_a_yaml_may_not_say(quiz: Path, old: str, new: str, message: str) -> None:
    quiz.write_text(quiz.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_table(str(quiz))


def test_the_labels_are_letters(quiz: Path) -> None:
    quiz.write_text(quiz.read_text().replace('name: "B"', 'name: "second"'))
    with pytest.raises(ConfigError, match=r"labels: of a 'choice' they are the places of the options, called A, B, C"):
        load_table(str(quiz))


def test_settings_that_would_change_nothing_are_refused(quiz: Path, tmp_path: Path) -> None:
    config = GenerationConfig(data=str(quiz), out=str(tmp_path), labels=LabelsConfig(form="letters"))
    with pytest.raises(ConfigError, match=r"labels: form and questions change nothing .* as in quiz\. Leave them out"):
        run_prompts(config, backend=ScriptedBackend(lambda request: "A"))


def test_rows_with_one_stem_and_other_options_are_no_duplicates(tmp_path: Path) -> None:
    options = (["a plan", "a fact", "a wish"], ["a song", "a fear", "a fact"], ["a walk", "a goal", "a myth"])
    splits = ("train", "validation", "test", "train")
    rows = [
        {"q": "Which of these is it?", "options": own, "answer": "A", "split": split}
        for own, split in zip((*options, options[2]), splits, strict=True)
    ]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "quiz.yaml").write_text(
        'name: quiz\ntask: choice\nlabels: ["A", "B", "C"]\nsource: {files: quiz.jsonl}\n'
        "columns: {text: q, label: answer, split: split, options: options}\n"
    )
    kept, _ = leaks_of(load_table(str(tmp_path / "quiz.yaml")), "drop")
    # Only the train row with the options of the test row goes.
    assert kept.frame["split"].tolist() == ["train", "validation", "test"]
    asked: list[str] = []

    def reply(request: Request) -> list[float]:
        asked.append(request.turns[0].text)
        return [0.0, -1.0, -2.0]

    config = GenerationConfig(data=str(tmp_path / "quiz.yaml"), out=str(tmp_path), strategy="few_shot", shots=1)
    run_prompts(config, backend=ScriptedBackend(reply))
    assert "A. a plan" in asked[0]
    assert asked[0].count("A. a walk") == 1


def test_what_is_explained_is_shown_and_measured(quiz: Path, tmp_path: Path) -> None:
    data = pd.read_csv(quiz.parent / "quiz.csv")
    data.assign(why="he says must").to_csv(quiz.parent / "quiz.csv", index=False)
    quiz.write_text(quiz.read_text().replace("split: split,", "split: split, explanation: why,"))

    def reply(request: Request) -> str | list[float]:
        if isinstance(request, Choose):
            return np.log(np.where(np.arange(3) == right_option(request.turns[0].text), 0.6, 0.2)).tolist()
        return 'It is "a plan", he says.'

    config = GenerationConfig(data=str(quiz), out=str(tmp_path), explain=True)
    folder = run_prompts(config, backend=ScriptedBackend(reply)).folder
    measured = measure_run(folder, "")
    metrics = {(one.source, one.metric) for one in measured.measures}
    # A letter means something else in each row: nothing to read out of an explanation.
    assert not any(metric == "consistency" for _, metric in metrics)
    assert not any(source == "most common explanation" for source, _ in metrics)
    assert json.loads((folder / "explanation_notes.json").read_text()) == list(measured.notes)
    page = (folder / "generations.html").read_text(encoding="utf-8")
    assert "B. discounting the positive" in page
    assert page.count('class="row right"') == 8
    assert 'class="row wrong"' not in page
    for path in folder.iterdir():
        if path.suffix in {".json", ".yaml"} or path.name in {"results.jsonl", "explanations.jsonl"}:
            assert "discounting" not in path.read_text(encoding="utf-8")


def test_a_data_set_of_the_hub_kind_has_the_options(quiz: Path) -> None:
    found = mhclf.load_dataset(str(quiz))["test"]
    assert found["options"][1] == list(CASES[1][1])
    assert found["label_names"][:3] == ["A", "B", "C"]


def test_a_classifier_of_another_set_is_not_scored_on_it(quiz: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    run = train(RunConfig(data=str(tiny_dataset), out=str(tmp_path), **LINEAR))
    with pytest.raises(ConfigError, match=r"quiz: task: a classifier cannot answer 'choice'"):
        evaluate_on(run.folder, str(quiz))


def test_a_missing_column_is_named(quiz: Path) -> None:
    quiz.write_text(quiz.read_text().replace("[a, b, c]", "[a, b, d]"))
    with pytest.raises(DataError, match=r"no column 'd', which .* names as options\."):
        load_table(str(quiz))


def test_a_classifier_refuses_it(quiz: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"quiz: task: a classifier cannot answer 'choice': .* generate\.py prompt"):
        train(RunConfig(data=str(quiz), out=str(tmp_path), encoder="tfidf"))


def test_answers_that_name_no_option_are_counted(quiz: Path, tmp_path: Path) -> None:
    config = GenerationConfig(data=str(quiz), out=str(tmp_path), labels=LabelsConfig(by="parse"))
    outcome = run_prompts(config, backend=ScriptedBackend(lambda request: "Hm."))
    assert {record.metric: record.value for record in outcome.records}["unparsed"] == 1.0
