"""A whole suite in one call and this process, from Python; the door benchmark.py spreads cells over processes."""

from mhclf.config.places import recipe_folder
from mhclf.config.suite import SuiteConfig, plan_cells
from mhclf.errors import RunError
from mhclf.results.suite import SuiteRecords
from mhclf.training.follow_ups import follow_up
from mhclf.training.run import run
from mhclf.training.suite import Cell
from mhclf.training.suite_records import gather, readable


def run_suite(
    suite: SuiteConfig, *, out: str = "runs", data_root: str | None = None, limit: int | None = None
) -> SuiteRecords:
    """Carry out every cell of a suite that is not complete, and return the records that its tables are made of.

    Parameters
    ----------
    suite : SuiteConfig
        Written in Python, or from `mhclf.config.suite.read_suite_file`.
    out : str
        Folder in which run folders are made; complete ones are used as they are.
    data_root : str, optional
        Folder of the data files.
    limit : int, optional
        Rows per split, for a quick look.

    Returns
    -------
    SuiteRecords
        For `mhclf.results.suite_table.suite_tables` and `mhclf.results.suite_files.write_suite_tables`.

    Raises
    ------
    MhclfError
        What the first cell that fails raises; cells before it are complete. The name of the cell where a follow-up
        (another data set, changed posts) fails, or its run folder cannot be read.
    """
    cells = plan_cells(suite, recipe_folder(), {"out": out, "data_root": data_root, "limit": limit})
    done = [Cell(planned, run(planned.config)) for planned in cells]
    for ended in (*follow_up(done), *readable(done)):
        if ended.failure is not None:
            raise RunError(f"{ended.planned.name}: {ended.failure}")
    return gather(done)
