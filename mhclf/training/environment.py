"""What a run ran on: versions, git state, hardware, precision."""

import importlib.metadata
import os
import platform
import subprocess
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import StrategyRegistry

from mhclf.config.run import RunConfig
from mhclf.config.training import TrainerConfig
from mhclf.errors import ConfigError
from mhclf.registry import nearest

_PACKAGES = ("mhclf", "torch", "transformers", "lightning", "scikit-learn", "numpy", "pandas", "tokenizers", "ftfy")
_EAGER_LENGTH = 160
"""Up to this many tokens plain attention trained 1.1 to 1.3 times faster than the fused kernel on a CPU."""


def resolve_precision(config: TrainerConfig) -> str:
    """Return `bf16` or `fp32`: `auto` is bf16 where processor or GPU multiply it faster than fp32."""
    if config.precision != "auto":
        return config.precision
    if uses_gpu(config):
        return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if _fast_bf16() else "fp32"


def _fast_bf16() -> bool:
    """Return whether the processor multiplies bf16 faster than fp32, from what it is: the same at every start.

    Intel's with the instruction but without tiles do not: an encoder's products ran at 0.55 to 0.75 of fp32's speed
    (80 against 115 to 150 GFLOP/s a core), on AMD's at about twice.
    """
    tiles, dot = (
        bool(getattr(torch.cpu, name, lambda: False)())
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    )
    return tiles or (dot and "intel" not in _processor().lower())


def resolve_attention(config: RunConfig, max_length: int) -> str:
    """Return the attention kernel for `auto`; the one that shows its weights where experts' marks teach them."""
    if config.evidence.attention_weight > 0:
        return "eager"
    if config.model.attention != "auto":
        return config.model.attention
    return "eager" if not uses_gpu(config.trainer) and max_length <= _EAGER_LENGTH else "sdpa"


def uses_gpu(config: TrainerConfig) -> bool:
    """Return whether the accelerator setting leads to a GPU here."""
    return config.accelerator in {"gpu", "cuda"} or (config.accelerator == "auto" and torch.cuda.is_available())


def training_device(config: TrainerConfig) -> str:
    """Return the type of device on which a run trains."""
    return "cuda" if uses_gpu(config) else "cpu"


def resolve_device(name: str) -> torch.device:
    """Return the device that a setting means: `auto` is the GPU where torch sees one.

    Raises
    ------
    ConfigError
        If it names a GPU that is not there, or no device.
    """
    if name not in {"auto", "cpu", "cuda"}:
        raise ConfigError(f"device: is '{name}', expected auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: no GPU is visible to torch here. Use cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def check_accelerator(config: TrainerConfig) -> None:
    """Refuse a GPU that is not there, and names that Lightning does not know."""
    for key, name, known in (
        ("accelerator", config.accelerator, ["auto", "gpu", *AcceleratorRegistry.available_accelerators()]),
        ("strategy", config.strategy, ["auto", *StrategyRegistry.available_strategies()]),
    ):
        if name not in known:
            raise ConfigError(
                f"trainer: {key}: '{name}' is none that Lightning knows.{nearest(name, known)} "
                f"Known: {', '.join(sorted(known))}."
            )
    if config.accelerator in {"gpu", "cuda"} and not torch.cuda.is_available():
        raise ConfigError("trainer: accelerator: no GPU is visible to torch here. Use --trainer.accelerator cpu.")


def shares_steps(config: TrainerConfig) -> bool:
    """Return whether several processes or devices train together."""
    return config.devices > 1 or int(config.options.get("num_nodes", 1)) > 1


def worker_rank() -> int:
    """Return the number of this process among those that a launcher started for one run; 0 where there is one."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 0


def describe_environment(precision: str, attention: str) -> dict[str, Any]:
    """Return the content of `environment.json`."""
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpu_count": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch_threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "gomp_spincount": os.environ.get("GOMP_SPINCOUNT"),
        "precision": precision,
        "attention": attention,
        "git": git_state(Path(__file__).resolve().parent),
        "versions": versions,
    }


_WRITTEN = ("experiments/results", "experiments/tables")
"""What runs write themselves: the second one must not say that the first changed the program."""


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and whether files differ from it (but records and tables), or None outside a checkout."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "status", "--porcelain", "-uno", "--", ":/", *(f":(top,exclude){path}" for path in _WRITTEN)],
            cwd=folder, capture_output=True, text=True, check=True, timeout=10,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "modified": bool(changes)}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def quiet_lightning() -> None:
    """Silence advice that does not apply here (few workers: batches are cheap; no logger: we write our own log)."""
    import logging

    for pattern in (
        ".*does not have many workers.*",
        ".*`isinstance\\(treespec, LeafSpec\\)`.*",
        ".*GPU available but.*",
    ):
        warnings.filterwarnings("ignore", message=pattern)
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*The number of training batches .* is smaller than the logging.*")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
