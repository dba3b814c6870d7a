"""Two processes with n posts each are one process with 2 n: loss and gradient, with gloo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as distributed
from torch.nn import functional

from mhclf.config.loss import ContrastiveConfig, LossConfig
from mhclf.losses.classification import Targets
from mhclf.losses.objective import Objective, TrainFacts
from mhclf.models.aggregation import Aggregated
from mhclf.models.network import NetworkOutput

INPUTS = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 1, 2, 0, 1, 2, 0])
SETTINGS = {
    "plain": (LossConfig(), ContrastiveConfig(weight=0.7, ramp="constant", projection_size=4)),
    "balanced": (
        LossConfig(name="balanced_accuracy", class_weights="balanced"),
        ContrastiveConfig(weight=0.7, ramp="constant", projection_size=4, queue=5),
    ),
}


def step(rows, settings):
    """Return the loss and the gradients of one step and of a second one, whose queue holds the first."""
    torch.manual_seed(1)
    classify, project = torch.nn.Linear(5, 3), torch.nn.Linear(5, 4)
    objective = Objective(TrainFacts("multiclass", torch.tensor([3, 2, 2]), 7), *SETTINGS[settings])
    results = []
    for _ in range(2):
        for parameter in [*classify.parameters(), *project.parameters()]:
            parameter.grad = None
        logits = classify(INPUTS[rows])
        output = NetworkOutput(logits, Aggregated(logits), functional.normalize(project(INPUTS[rows]), dim=-1))
        total = objective(output, Targets(CLASSES[rows]), 1.0).total
        total.backward()
        gradients = torch.cat([p.grad.flatten() for p in [*classify.parameters(), *project.parameters()]])
        results += [total.detach().view(1), gradients]
    return results


def work(rank, address, settings, folder):
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    # Unequal parts: four posts and three.
    results = step(torch.arange(7)[rank::2], settings)
    for values in results[1::2]:
        # What ddp does with gradients.
        distributed.all_reduce(values)
        values /= 2
    torch.save(results, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.parametrize("settings", list(SETTINGS))
def test_two_processes_equal_one(settings, tmp_path):
    address = f"file://{tmp_path}/meet"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, __file__, address, settings, str(tmp_path)]
    parts = [subprocess.Popen([*command, str(rank)], env=environment) for rank in range(2)]
    assert [part.wait(timeout=120) for part in parts] == [0, 0]
    order = torch.cat([torch.arange(7)[0::2], torch.arange(7)[1::2]])
    expected = step(order, settings)
    for rank in range(2):
        for ours, theirs in zip(torch.load(tmp_path / f"{rank}.pt", weights_only=True), expected, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)


if __name__ == "__main__":
    work(int(sys.argv[4]), *sys.argv[1:4])
