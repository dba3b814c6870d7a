"""A run on the tiny encoder and the tiny data set."""

import pytest

from mhclf.config.run import RunConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig


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
