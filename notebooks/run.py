"""Execute the notebooks in their order, each in a clean kernel of this interpreter; any error ends with exit code 1.

  python notebooks/run.py                  # all of them; what they show is thrown away
  python notebooks/run.py --save           # write what they show into the files
  python notebooks/run.py --save 01 05     # some of them, by their numbers
  python notebooks/run.py --folder DIR     # copy them to DIR and work there: nothing is found that was trained before

They share the run folders below notebooks/runs: the first that needs a run trains it, the others find it complete.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
SECONDS = 3600
"""For one cell: a hanging one ends."""


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the interpreter that runs this script, whatever is installed for Jupyter."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return how it is started; no history is kept."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=[*command, "--HistoryManager.enabled=False"], display_name="Python 3", language="python")


def main(argv: Sequence[str]) -> int:
    """Execute what is asked for; say what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", metavar="NUMBER", help="such as 01; all when empty")
    parser.add_argument("--save", action="store_true", help="write what the notebooks show into the files")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="copy the notebooks there and work there")
    arguments = parser.parse_args(argv)
    try:
        paths = chosen(HERE, arguments.numbers)
    except ValueError as error:
        parser.error(str(error))
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        paths = [Path(shutil.copy(path, arguments.folder)) for path in paths]
    for path in paths:
        start = time.perf_counter()
        try:
            notebook = execute(path)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 1
        if arguments.save:
            path.write_text(nbformat.writes(tidy(notebook)) + "\n", encoding="utf-8")
        print(f"{path.name}: {time.perf_counter() - start:.0f} s", flush=True)
    return 0


def chosen(folder: Path, numbers: Sequence[str]) -> list[Path]:
    """Return the notebooks of a folder in order, or those whose names begin with one of the numbers.

    Raises
    ------
    ValueError
        If a number has no notebook.
    """
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    unknown = [number for number in numbers if not any(path.name.startswith(f"{number}_") for path in paths)]
    if unknown:
        known = ", ".join(path.name[:2] for path in paths)
        raise ValueError(f"no notebook has the number '{unknown[0]}'. Known: {known}.")
    return [path for path in paths if not numbers or path.name[:2] in numbers]


def execute(path: Path) -> NotebookNode:
    """Return a notebook as a clean kernel leaves it, executed in its own folder with the code of this checkout.

    Raises
    ------
    CellExecutionError, CellTimeoutError, DeadKernelError
        If a cell fails; the message holds the cell and the traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    others = os.environ.get("PYTHONPATH")
    folders = [str(HERE.parent), *(others.split(os.pathsep) if others else [])]
    # Spinning threads starve each other on shared cores; the doors say the same.
    own = {"PYTHONPATH": os.pathsep.join(folders), "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
    # tqdm asks for ipywidgets, which only bars would need.
    own["PYTHONWARNINGS"] = "ignore:IProgress not found"
    resources = {"metadata": {"path": str(path.resolve().parent)}}
    with tempfile.TemporaryDirectory() as place:
        manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=_ThisInterpreter(),
            connection_file=str(Path(place) / "kernel.json"),
            # Files rather than ports, where the system has them: nobody else on the machine can listen.
            transport="ipc" if os.name == "posix" else "tcp",
        )
        client = NotebookClient(notebook, km=manager, timeout=SECONDS, resources=resources, record_timing=False)
        # A client leaves a kernel alone that it was given, unless told otherwise.
        return client.execute(env=os.environ | own, cleanup_kc=True)


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Return a notebook without what differs from one execution to the next or says where it was made."""
    tidied = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, cell in enumerate(notebook.cells, start=1):
        kept = NotebookNode(cell_type=cell.cell_type, id=f"cell-{number:02d}", metadata={}, source=cell.source)
        if cell.cell_type == "code":
            kept.execution_count = cell.execution_count
            kept.outputs = _joined(cell.outputs)
        tidied.cells.append(kept)
    nbformat.validate(tidied)
    return tidied


def _joined(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Return outputs in which what was printed in several pieces stands as one."""
    found: list[NotebookNode] = []
    for output in outputs:
        before = found[-1] if found else None
        if before is not None and output.output_type == before.output_type == "stream" and output.name == before.name:
            before.text += output.text
        else:
            found.append(NotebookNode(output))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
