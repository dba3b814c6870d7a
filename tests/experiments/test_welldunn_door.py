"""The door of the WellDunn replay: a small replay, the page from its records, exit codes, start-up without torch."""

import doors
from support import SENTENCES, write_tiny_dataset


def door(*arguments, cwd):
    return doors.door("welldunn_replay", *arguments, cwd=cwd)


def test_the_committed_page_is_made_from_the_committed_records():
    from explain.welldunn_records import read_replay
    from explain.welldunn_table import replay_markdown

    experiments = doors.REPOSITORY / "experiments"
    records = read_replay(experiments / "results" / "welldunn_replay.jsonl")
    page = replay_markdown(records, "python experiments/welldunn_replay.py", ("wellxplain", "multiwd"))
    assert page == (experiments / "tables" / "welldunn_replay.md").read_text(encoding="utf-8")


def test_a_small_replay_and_its_page_from_the_records(tmp_path, encoder_folder):
    data = write_tiny_dataset(tmp_path / "data", task="multilabel", name="several")
    options = ["--parts", str(data), "--encoder", str(encoder_folder("bert")), "--seeds", "200", "--epochs", "1"]
    done = door(*options, "--out", "runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "several, split seed 200: finetune, leaked_split" in done.stdout
    (page,) = (tmp_path / "runs" / "quick" / "tables").iterdir()
    assert page.name == "welldunn_replay-epochs-1-encoder-tiny-bert.md"
    first = page.read_text(encoding="utf-8")
    assert "as many labels as the gold has" in first
    assert not any(sentence in first for group in SENTENCES.values() for sentence in group)
    runs = sorted(path.name for path in (tmp_path / "runs" / "welldunn").iterdir())
    assert len(runs) == 2
    page.unlink()
    again = door(*options, "--out", "runs", "--from-records", cwd=tmp_path)
    assert again.returncode == 0 and page.read_text(encoding="utf-8") == first
    # The same command finds its runs.
    assert door(*options, "--out", "runs", cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in (tmp_path / "runs" / "welldunn").iterdir()) == runs
    assert page.read_text(encoding="utf-8") == first


def test_wrong_options_are_told(tmp_path):
    done = door("--seeds", "a", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: seeds: 'a' is no list of whole numbers such as 1,2,3.\n"
    assert door("--parts", ",", cwd=tmp_path).returncode == 2
    assert door("--parts", "wellxplian", cwd=tmp_path).returncode == 2
    assert door("--help", cwd=tmp_path).returncode == 0
