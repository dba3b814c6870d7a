"""The notebooks: executed as they stand, nothing of a machine or a real data set in them, names that exist."""

import ast
import base64
import importlib
import importlib.util
import os
import re
import struct
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
SHINGLE, STEP = 60, 10
MOST_BYTES = 400_000
SECONDS = 600
OURS = ("mhclf", "explain")


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def shown(output):
    """Return all text of one output, whatever its form; pictures left out."""
    if output.output_type == "stream":
        return [output.text]
    return [text for kind, text in output.data.items() if not kind.startswith("image/")]


def everything(path):
    """Return all text of a notebook: sources and what is shown."""
    cells = read(path).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join([cell.source for cell in cells] + [text for output in outputs for text in shown(output)])


def test_there_are_seven_in_order():
    assert [path.name[:3] for path in PATHS] == [f"0{number}_" for number in range(1, 8)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
class TestFiles:
    def test_is_valid_and_as_the_script_writes_it(self, path):
        notebook = read(path)
        nbformat.validate(notebook)
        assert path.read_text(encoding="utf-8") == nbformat.writes(script().tidy(notebook)) + "\n"
        assert path.stat().st_size < MOST_BYTES

    def test_was_executed_from_top_to_bottom_without_errors_or_warnings(self, path):
        cells = code_cells(path)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        for cell in cells:
            kinds = {output.output_type for output in cell.outputs}
            assert kinds <= {"stream", "display_data", "execute_result"}, cell.source
            assert all(output.name == "stdout" for output in cell.outputs if output.output_type == "stream")
            # Only a cell that ends in an assignment, an import, an assertion or a loop may show nothing.
            last = ast.parse(cell.source.replace("%matplotlib inline\n", "")).body[-1]
            assert cell.outputs or not isinstance(last, ast.Expr), cell.source

    def test_begins_with_its_number_and_text_stands_between_cells(self, path):
        cells = read(path).cells
        assert cells[0].cell_type == "markdown" and cells[0].source.startswith(f"# {int(path.name[:2])}. ")
        kinds = "".join("m" if cell.cell_type == "markdown" else "c" for cell in cells)
        assert "cccc" not in kinds and kinds.endswith("m")

    def test_names_no_machine_no_time_and_leaves_no_litter(self, path):
        text = everything(path)
        for pattern in (
            r"(?<![\w.])/(?:home|root|work|usr|tmp|Users|opt|var|private)/",
            r"[A-Za-z]:\\\\",
            r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d",
            r"\r|\x1b|\d+%\||it/s",
            r"Warning\b",
            r"Traceback|object at 0x",
        ):
            assert not re.search(pattern, text), (path.name, pattern)

    def test_pictures_are_pictures(self, path):
        pictures = [
            output.data["image/png"]
            for cell in code_cells(path)
            for output in cell.outputs
            if output.output_type != "stream" and "image/png" in output.data
        ]
        assert pictures
        for picture in pictures:
            content = base64.b64decode(picture)
            width, height = struct.unpack(">II", content[16:24])
            assert content[:8] == b"\x89PNG\r\n\x1a\n" and width > 300 and height > 100

    def test_links_lead_somewhere(self, path):
        for cell in read(path).cells:
            if cell.cell_type == "markdown":
                for target in re.findall(r"\]\(([^)#]+)\)", cell.source):
                    assert (FOLDER / target).is_file(), target

    def test_imports_public_names_that_exist(self, path):
        source = "\n".join(cell.source for cell in code_cells(path)).replace("%matplotlib inline\n", "")
        tree = ast.parse(source)
        names = 0
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for item in node.names:
                    assert public(item.name)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0 and public(node.module)
                if node.module.partition(".")[0] in OURS:
                    for item in node.names:
                        assert public(item.name) and hasattr(importlib.import_module(node.module), item.name), item.name
                        names += 1
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in OURS:
                assert public(node.attr) and hasattr(importlib.import_module(node.value.id), node.attr), node.attr
                names += 1
        assert names > 3


def public(name):
    return not any(part.startswith("_") for part in name.split("."))


def script():
    """Return notebooks/run.py as a module."""
    pytest.importorskip("nbclient")
    spec = importlib.util.spec_from_file_location("run_notebooks", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flat(text):
    return " ".join(text.lower().split())


def quoted(post, known):
    """Whether some 60 characters in a row of a post, looked at every tenth place, are among known ones."""
    text = flat(post)
    return any(text[place : place + SHINGLE] in known for place in range(0, len(text) - SHINGLE + 1, STEP))


def shingles(text):
    text = flat(text)
    return {text[place : place + SHINGLE] for place in range(len(text) - SHINGLE + 1)}


def test_a_quoted_post_would_be_found():
    post = "A post of someone, long enough to be told from any other one, that must not stand in a notebook."
    assert quoted(post, shingles(f"x = 1\n\n> {post.upper()}\n\nmore"))
    assert not quoted(
        post, shingles("A post of someone, long enough to be told from any other, which may stand there.")
    )


@pytest.mark.slow
@pytest.mark.data
def test_no_post_of_a_real_data_set_stands_in_a_notebook(data_root):
    from mhclf.data.load import load_table
    from mhclf.data.locate import dataset_names
    from mhclf.errors import DataError

    known = shingles("\n".join(everything(path) for path in PATHS))
    looked_at = 0
    for name in dataset_names():
        if name == "demo":
            continue
        try:
            table = load_table(name, data_root=str(data_root))
        except DataError:
            # Gated: its files are not there.
            continue
        looked_at += len(table)
        # Which post must not be told.
        assert not sum(quoted(text, known) for text in table.texts), name
    assert looked_at > 1000


def test_the_script_knows_the_notebooks_and_says_what_it_does_not_know():
    module = script()
    assert module.chosen(FOLDER, []) == PATHS
    assert [path.name[:2] for path in module.chosen(FOLDER, ["05", "01"])] == ["01", "05"]
    with pytest.raises(ValueError, match=r"no notebook has the number '9'\. Known: 01, 02, 03, 04, 05, 06, 07\."):
        module.chosen(FOLDER, ["9"])


def test_the_script_executes_in_a_clean_kernel_of_this_interpreter_and_fails_on_an_error(tmp_path):
    pytest.importorskip("ipykernel")
    module = script()
    lines = ["import os, sys, mhclf", "print(sys.executable)", "print(mhclf.__file__)", "print(os.getpid())"]
    path = write(tmp_path / "01_a.ipynb", "\n".join(lines), "print('a')\nprint('b', flush=True)")
    executed = module.tidy(module.execute(path))
    *places, process = executed.cells[0].outputs[0].text.splitlines()
    assert places == [sys.executable, str(REPOSITORY / "mhclf" / "__init__.py")]
    with pytest.raises(ProcessLookupError):
        os.kill(int(process), 0)
    assert [output.text for output in executed.cells[1].outputs] == ["a\nb\n"]
    assert [cell.id for cell in executed.cells] == ["cell-01", "cell-02"] and not executed.cells[0].metadata
    failing = write(tmp_path / "02_b.ipynb", "raise KeyError('unseen')")
    with pytest.raises(module.CellExecutionError, match="unseen"):
        module.execute(failing)


def write(path, *sources):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, path)
    return path


def test_the_extra_names_what_the_script_imports():
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {re.split(r"[><=]", item)[0] for item in extras["optional-dependencies"]["notebooks"]}
    assert named == {"nbclient", "nbformat", "ipykernel"}
    assert any("notebooks" in item for item in extras["optional-dependencies"]["dev"])


@pytest.mark.slow
def test_all_execute_from_clean_kernels_in_under_ten_minutes(tmp_path):
    start = time.perf_counter()
    command = [sys.executable, str(FOLDER / "run.py"), "--save", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.perf_counter() - start < SECONDS, done.stdout
    for path in PATHS:
        made = tmp_path / path.name
        assert [cell.source for cell in read(made).cells] == [cell.source for cell in read(path).cells]
        for cell in code_cells(made):
            streams = [output for output in cell.outputs if output.output_type == "stream"]
            assert all(output.name == "stdout" for output in streams), (path.name, streams)
