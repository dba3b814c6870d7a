"""A run on the tiny encoder and the tiny data set."""

import pytest

from mhclf.config.run import RunConfig
from mhclf.config.suite import PlannedCell
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.training.located import locate
from mhclf.training.suite import run_here
from mhclf.training.suite_work import SuiteWork


@pytest.fixture
def tiny_config(encoder_folder, tiny_dataset, tmp_path):
    """Return a function that builds the configuration of a run of seconds; keyword arguments replace keys."""

    def config(**changes):
        settings = {
            "data": str(tiny_dataset),
            "encoder": str(encoder_folder("bert")),
            "out": str(tmp_path / "runs"),
            "report": False,
            "optim": OptimConfig(lr=1e-3, head_lr=1e-2),
            "batch": BatchConfig(size=8),
            "trainer": TrainerConfig(epochs=3, accelerator="cpu", precision="fp32"),
        }
        return RunConfig(**(settings | changes))

    return config


class Unwatched:
    """Is told how a suite goes and does nothing."""

    def started(self, number):
        pass

    def ended(self, number, end):
        pass

    def tick(self):
        pass


@pytest.fixture
def carry_out(tmp_path):
    """Return a function that carries out cells (or runs) in this process and returns them with how they ended."""

    def work(cells):
        planned = [cell if isinstance(cell, PlannedCell) else PlannedCell(cell, cell.method) for cell in cells]
        suite = SuiteWork(locate(planned), tmp_path / "failed.jsonl", Unwatched())
        run_here(suite.missing, suite)
        return suite.cells

    return work
