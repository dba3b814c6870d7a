"""Outputs that grow piece by piece: what a kill leaves half done is cut off, what differs is refused."""

import json
import os

import numpy as np
import pyarrow.parquet
import pytest
from filelock import FileLock

from mhclf.errors import ConfigError, RunError
from mhclf.results.partial import PartialOutput
from mhclf.results.scored import ScoreColumns, ScoredRows, score_format

BINDING = {"run": "a", "limit": None, "kept": ["x"]}


def test_a_half_written_piece_is_cut_off(tmp_path):
    output = tmp_path / "deep" / "out.csv"
    first = PartialOutput(output, BINDING)
    with first.locked():
        assert first.begin(b"head\n") == 0
        first.append(b"1\n2\n", b"p1\n", 2, 1)
    with (output.parent / "out.csv.part").open("ab") as stream:
        stream.write(b"3\nhal")
    with (output.parent / "out.csv.problems.jsonl.part").open("ab") as stream:
        stream.write(b"p2")
    again = PartialOutput(output, BINDING)
    assert again.begin(b"head\n") == 2
    again.append(b"3\n", b"", 1, 0)
    again.finish(os.replace)
    assert output.read_bytes() == b"head\n1\n2\n3\n"
    assert again.problems.read_bytes() == b"p1\n"
    assert (again.rows, again.broken) == (3, 1)
    left = {path.name for path in output.parent.iterdir()}
    assert left - {".out.csv.lock"} == {"out.csv", "out.csv.problems.jsonl"}


def test_a_kill_between_the_last_renamings_is_mended(tmp_path):
    output = tmp_path / "out.csv"
    for stop in ("before", "after"):
        partial = PartialOutput(output, BINDING)
        partial.begin(b"", overwrite=True)
        partial.append(b"1\n", b"p\n", 1, 1)

        def killed(part, target, stop=stop):
            if stop == "after":
                os.replace(part, target)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            partial.finish(killed)
        again = PartialOutput(output, BINDING)
        assert again.begin(b"") == 1
        assert again.complete
        again.finish(os.replace)
        assert output.read_bytes() == b"1\n"
        assert again.problems.read_bytes() == b"p\n"
        assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob("*.progress.json"))


def test_what_differs_is_named(tmp_path):
    output = tmp_path / "out.csv"
    PartialOutput(output, BINDING).begin(b"")
    with pytest.raises(ConfigError) as error:
        PartialOutput(output, BINDING | {"run": "b", "limit": 3}).begin(b"")
    assert str(error.value) == (
        f"{output}.progress.json: the output was begun with another limit, run. Give what it was begun with to go on, "
        "or --overwrite to start afresh."
    )
    (tmp_path / "out.csv.part").unlink()
    with pytest.raises(RunError, match="out.csv.part: is shorter than out.csv.progress.json says"):
        PartialOutput(output, BINDING).begin(b"")
    (tmp_path / "out.csv.progress.json").write_text("{")
    with pytest.raises(RunError, match="is damaged. Give --overwrite to start afresh."):
        PartialOutput(output, BINDING).begin(b"")
    assert PartialOutput(output, BINDING).begin(b"", overwrite=True) == 0
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(ConfigError, match="there.csv: exists. Give --overwrite to replace it"):
        PartialOutput(tmp_path / "there.csv", BINDING).begin(b"")
    other = FileLock(tmp_path / ".out.csv.lock")
    other.acquire()
    with pytest.raises(RunError, match="out.csv: another process writes it."), PartialOutput(output, {}).locked():
        pass
    other.release()


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_the_formats_hold_the_same(tmp_path, ending, multilabel):
    import pandas as pd

    output = tmp_path / f"out.{ending}"
    columns = ScoreColumns(("a", "b, c"), multilabel, ("mood",))
    values = [["a", "b, c"], None, []] if multilabel else ["a", None, "b, c"]
    probability = np.array([[0.75, 1 / 3], [np.nan, np.nan], [0.1, 0.2]])
    rows = ScoredRows(
        ["7", "nul \0", "7"], [("é\n",), (None,), (3,)], values, probability, np.array([0.25, np.nan, 0.8])
    )
    form = score_format(output)
    partial = PartialOutput(output, {})
    partial.begin(form.header(columns))
    partial.append(form.rows(columns, rows), b"", 3, 1)
    partial.append(form.rows(columns, rows), b"", 3, 1)
    partial.finish(form.finish)
    if ending == "csv":
        frame = pd.read_csv(output, dtype={"id": str, "mood": str}, encoding_errors="strict", engine="python")
        predictions = [None if cell != cell else json.loads(cell) if multilabel else cell for cell in frame.prediction]
        # Which cells of csv are empty text and which nothing cannot be told.
        assert frame["mood"].fillna("").tolist() == ["é\n", "", "3"] * 2
    elif ending == "jsonl":
        lines = [json.loads(line) for line in output.read_text(encoding="utf-8").split("\n")[:-1]]
        frame = pd.DataFrame(lines)
        predictions = [line["prediction"] for line in lines]
        assert [line["mood"] for line in lines] == ["é\n", None, 3] * 2
    else:
        table = pyarrow.parquet.read_table(output)
        frame, predictions = table.to_pandas(), table["prediction"].to_pylist()
        assert table["mood"].to_pylist() == ["é\n", None, "3"] * 2
    assert list(frame.columns) == ["id", "mood", "prediction", "probability/a", "probability/b, c", "abstention"]
    assert frame["id"].tolist() == ["7", "nul \0", "7"] * 2
    assert predictions == values * 2
    found = frame[["probability/a", "probability/b, c"]].to_numpy(dtype=float)
    np.testing.assert_allclose(found, np.tile(probability, (2, 1)), rtol=1e-7)


def test_column_names_must_differ():
    with pytest.raises(ConfigError, match="keep: the output has a column 'prediction' of its own"):
        ScoreColumns(("a",), False, ("prediction",))
