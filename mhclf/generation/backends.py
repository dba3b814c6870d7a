"""The configured backend: a model on this machine, or a server."""

import torch

from mhclf.config.generation import EndpointConfig, LocalConfig
from mhclf.config.training import TrainerConfig
from mhclf.generation.decoders import load_decoder
from mhclf.generation.endpoint import EndpointBackend
from mhclf.generation.local import LocalBackend
from mhclf.generation.requests import Backend
from mhclf.training.environment import resolve_precision


def local_precision(config: LocalConfig) -> str:
    """Return `bf16` or `fp32`: what `precision` means on this machine."""
    return resolve_precision(TrainerConfig(precision=config.precision))


def load_backend(kind: str, local: LocalConfig, endpoint: EndpointConfig) -> Backend:
    """Return what answers requests.

    Parameters
    ----------
    kind : str
        `transformers` or `endpoint`.
    local, endpoint
        Settings of the one and of the other.
    """
    if kind == "endpoint":
        return EndpointBackend(endpoint)
    dtype = torch.bfloat16 if local_precision(local) == "bf16" else torch.float32
    decoder = load_decoder(local.model, dtype, local.adapter)
    if torch.cuda.is_available():
        decoder.model.to("cuda")  # type: ignore[arg-type]
    return LocalBackend(decoder, local.batch_size)
