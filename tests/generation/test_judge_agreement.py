"""A judge against people: the statistics on invented explanations, and missing scores."""

import json
from pathlib import Path

import numpy as np
import pytest
from doors import door
from generation_support import ScriptedBackend, build_decoder_folder
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from mhclf.config.judge import JudgeSettings
from mhclf.evaluation.agreement import icc
from mhclf.generation.cache import AnswerCache
from mhclf.generation.human_ratings import DIMENSIONS, RatedExplanations
from mhclf.generation.judge_agreement import AGREEMENT, judge_as_metric, judge_figures, judge_scores
from mhclf.generation.judging import Judge, describe
from mhclf.generation.metric_agreement import ALL, RatedRows, first_rows, join, metric_figures
from mhclf.generation.requests import Request
from mhclf.generation.rubric import read_rubric

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = JudgeSettings(by="parse", rubric="imhi_ratings", post_tokens=3)


def rated(name: str, n: int, seed: int) -> RatedExplanations:
    rng = np.random.default_rng(seed)
    ratings = {dimension: rng.integers(0, 4, (n, 3)) for dimension in DIMENSIONS}
    posts = tuple(f"{name} post {number} long" for number in range(n))
    return RatedExplanations(name, posts, tuple(f"{name} why {number}" for number in range(n)), ratings)


@pytest.fixture(scope="module")
def rows() -> RatedRows:
    return join([rated("one", 30, 0), rated("two", 12, 1)])


def judged(rows: RatedRows, folder: Path, unread: str = "none") -> tuple[dict[str, np.ndarray], ScriptedBackend]:
    """Return the scores of a judge that says the first rater's rating plus 1, at most 3."""
    places = {text: place for place, text in enumerate(rows.explanations)}

    def reply(request: Request) -> str:
        text = request.turns[1].text
        place = places[text.split('Explanation: "')[1].split('"')[0]]
        dimension = text.split("Criterion: ")[1].split(".")[0]
        if rows.parts[place] == unread and place % 2:
            return "no"
        return f"Score: {min(3, rows.ratings[dimension][place, 0] + 1)}"

    backend = ScriptedBackend(reply)
    rubric = read_rubric("imhi_ratings", "en").only(["overall", "fluency"])
    return judge_scores(rows, Judge(backend, AnswerCache(folder / "a.sqlite"), rubric, SETTINGS)), backend


def test_scores_are_those_of_the_shared_dimensions(rows: RatedRows, tmp_path: Path) -> None:
    scores, backend = judged(rows, tmp_path)
    assert list(scores) == ["fluency", "overall"]
    assert scores["overall"].tolist() == np.minimum(3, rows.ratings["overall"][:, 0] + 1).tolist()
    assert len(backend.asked) == 2 * 42
    assert 'Post: "one post 0"\n' in "".join(request.turns[1].text for request in backend.asked)


def test_agreement_with_the_mean_of_people(rows: RatedRows, tmp_path: Path) -> None:
    scores, _ = judged(rows, tmp_path)
    figures = {(item.part, item.dimension, item.name): item for item in judge_figures(rows, scores)}
    assert len(figures) == 3 * 2 * len(AGREEMENT)
    own, people = scores["overall"], rows.ratings["overall"].mean(axis=1)
    found = {name: figures[ALL, "overall", name] for name in AGREEMENT}
    assert found["unread"].value == 0.0 and found["unread"].n == 42
    assert found["mean"].value == pytest.approx(own.mean())
    assert found["bias"].value == pytest.approx((own - people).mean())
    assert found["spearman"].value == pytest.approx(spearmanr(own, people).statistic)
    assert found["icc_a1"].value == pytest.approx(icc(np.column_stack([own, people]), "agreement").value)
    assert found["icc_c1"].value == pytest.approx(icc(np.column_stack([own, people]), "consistency").value)
    rounded = np.floor(people + 0.5).astype(int)
    expected = cohen_kappa_score(own.astype(int), rounded, weights="quadratic")
    assert found["kappa_quadratic"].value == pytest.approx(expected)
    assert found["bias"].low < found["bias"].value < found["bias"].high  # type: ignore[operator]


def test_what_was_not_read_is_counted_and_left_out(rows: RatedRows, tmp_path: Path) -> None:
    scores, _ = judged(rows, tmp_path, unread="two")
    figures = {(item.part, item.dimension, item.name): item for item in judge_figures(rows, scores)}
    assert figures["two", "overall", "unread"].value == 0.5
    assert {name for part, _, name in figures if part == "two"} == {"unread"}, "six scores are too few"
    together = figures[ALL, "overall", "bias"]
    known = ~np.isnan(scores["overall"])
    assert together.n == known.sum() == 36
    people = rows.ratings["overall"].mean(axis=1)
    assert together.value == pytest.approx((scores["overall"] - people)[known].mean())


def test_a_judge_is_one_more_metric(rows: RatedRows, tmp_path: Path) -> None:
    scores, _ = judged(rows, tmp_path)
    figures = {(item.part, item.dimension): item for item in judge_as_metric(rows, scores, "judge_single")}
    assert {dimension for _, dimension in figures} == {"fluency", "overall"}
    assert {item.name for item in figures.values()} == {"judge_single"}
    plain = {(item.part, item.dimension): item for item in metric_figures(rows, {"x": scores["overall"]})}
    assert figures[ALL, "overall"].value == plain[ALL, "overall"].value
    words = np.arange(42.0)
    held = {item.dimension: item for item in judge_as_metric(rows, scores, "j", words) if item.part == ALL}
    (expected,) = (
        item
        for item in metric_figures(rows, {"j": scores["overall"], "words": words}, "words")
        if (item.part, item.dimension) == (ALL, "overall")
    )
    assert held["overall"] == expected


def test_the_first_rows_of_each_system() -> None:
    short = first_rows([rated("one", 30, 0), rated("two", 12, 1)], 4)
    assert [len(item.posts) for item in short] == [4, 4]
    assert short[1].ratings["overall"].tolist() == rated("two", 12, 1).ratings["overall"][:4].tolist()


def test_how_a_judge_judges_in_words() -> None:
    assert describe(JudgeSettings(), "m") == "one answer of m; expected score by the probabilities of the numbers"
    settings = JudgeSettings("majority_vote", by="parse", vote="median", samples=3)
    assert describe(settings, "m") == "median of 3 answers of m at temperature 0.7; score parsed from text"


@pytest.mark.data
def test_the_door_takes_a_judge_as_one_more_column(encoder_folder, data_root, tmp_path):
    model = build_decoder_folder(tmp_path / "tiny-llama", positions=4096)
    options = (
        "--data-root", data_root, "--encoder", str(encoder_folder("bert")), "--out", str(tmp_path), "--limit", "12",
        "--judge", "--judge.rubric", "imhi_ratings", "--judge.post_tokens", "40", "--local.model", str(model),
        "--judge-answers", str(tmp_path / "answers.sqlite"), "--local.precision", "fp32",
    )  # fmt: skip
    found = door("explanation_metrics", *options, without=())
    assert found.returncode == 0, found.stderr
    records = json.loads((tmp_path / "results" / "explanation_metrics.json").read_text(encoding="utf-8"))
    assert {item["n"] for item in records["judge"]["figures"]} == {12, 36}
    assert "judge_single" in {item["name"] for item in records["metrics"]}
    page = (tmp_path / "tables" / "explanation_metrics.md").read_text(encoding="utf-8")
    assert "How a judge agrees with the mean of three people: tiny-llama, single" in page
    assert "--judge --judge.mechanism single --judge.by score --judge.rubric imhi_ratings" in page
    again = door("explanation_metrics", "--from-records", "--out", tmp_path)
    assert again.returncode == 0 and (tmp_path / "tables" / "explanation_metrics.md").read_text() == page
