"""A real LaTeX engine reads the tables, with the packages that their own comment names; skipped where there is none."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mhclf.results.tables import Column, Table, to_latex, to_longtable

TABLES = Path(__file__).resolve().parents[2] / "experiments" / "tables"
ENGINE = shutil.which("pdflatex")
# Every sign that our own tables write, and what a label or a title may hold.
SIGNS = "↑ ↓ → ≤ ≥ ± – − × … † ‡ § ¶ “quoted” ‘q’ · • é ü a & b_c % $x$ #1 {y} \\input{z} ~ ^ <i> | [2] *"

pytestmark = pytest.mark.skipif(ENGINE is None, reason="no pdflatex on this machine")


def compiled(body: str, packages: str, folder: Path) -> None:
    """Check that the engine makes pages of `body` without an error."""
    lines = [r"\documentclass{article}", rf"\usepackage{{{packages}}}", r"\begin{document}", body, r"\end{document}"]
    (folder / "paper.tex").write_text("\n".join(lines), encoding="utf-8")
    command = [str(ENGINE), "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
    errors = [line for line in ended.stdout.splitlines() if line.startswith("!")]
    assert (ended.returncode, errors) == (0, [])
    assert (folder / "paper.pdf").stat().st_size > 1000


@pytest.mark.parametrize("name", sorted(path.stem for path in TABLES.glob("*.tex")))
def test_committed_tables_compile(name: str, tmp_path: Path) -> None:
    text = (TABLES / f"{name}.tex").read_text(encoding="utf-8")
    found = re.search(r"^% \\usepackage\{(.*)\}$", text, re.MULTILINE)
    assert found is not None
    compiled(text, found.group(1), tmp_path)


def test_every_sign_of_ours_compiles(tmp_path: Path) -> None:
    columns = (Column("model", width=0.3), Column(SIGNS, "right", direction="higher"))
    table = Table(f"one → two: {SIGNS}", columns, (("[2] B", 0.5), (SIGNS, -0.25)), (SIGNS,))
    compiled(to_latex(table, "tab:one", fit=True) + to_longtable(table), "array,booktabs,graphicx,longtable", tmp_path)
