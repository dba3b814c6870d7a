"""Sanity checks: explanations must change when what the model has learnt is taken away (Adebayo et al. 2018)."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from numpy.typing import ArrayLike
from torch import nn
from transformers import PreTrainedModel

from explain.agreement import TOP, Agreement, agreement
from explain.methods import attribute
from mhclf.models.baselines import BaselineEncoder
from mhclf.models.encoder import build_encoder, encoder_blocks, layer_names
from mhclf.models.network import ClassifierNetwork
from mhclf.training.saved import Run


@dataclass(frozen=True)
class CascadeStep:
    """What is left of an explanation after the blocks down to one are random.

    Attributes
    ----------
    block : str
        The lowest block that is random: `head`, `aggregation`, `layer 6`, ... `embeddings`.
    agreement : Agreement
        With the explanations of the trained model; an explanation that does not fall towards 0 here does not depend
        on what was learnt.
    """

    block: str
    agreement: Agreement


def blocks_from_head(network: ClassifierNetwork) -> list[tuple[str, tuple[str, ...]]]:
    """Return the blocks of a network from the head down, each with the names of its parameters.

    Every parameter that predictions depend on stands in exactly one block; blocks without parameters are left out.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    outside = {
        "head": ("head.", "reservation.", "evidence."),
        "aggregation": ("aggregation.",),
        "pooling": ("pool.", "chunk_pool."),
    }
    blocks = [
        (block, tuple(name for name in names.values() if name.startswith(prefixes)))
        for block, prefixes in outside.items()
    ]
    layers = zip(layer_names(network.encoder), _depths(network.encoder), strict=True)
    blocks += [(name, tuple(names[id(parameter)] for parameter in own)) for name, own in reversed(list(layers))]
    return [(name, own) for name, own in blocks if own]


def _depths(encoder: PreTrainedModel) -> list[list[nn.Parameter]]:
    """Return the encoder's parameters from the embeddings up; a baseline has one layer, in no stack."""
    if isinstance(encoder, BaselineEncoder):
        return [list(encoder.embeddings.parameters()), list(encoder.layer.parameters())]
    return encoder_blocks(encoder)


def untrained(network: ClassifierNetwork, seed: int) -> ClassifierNetwork:
    """Return the same network as it is before any training or pretraining; the state of torch's draws stays."""
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        encoder = build_encoder(copy.deepcopy(network.encoder.config), network.encoder.config._attn_implementation)
        fresh = ClassifierNetwork(encoder, network.config)
    return fresh.eval()


def randomised(network: ClassifierNetwork, seed: int = 0) -> Iterator[tuple[str, ClassifierNetwork]]:
    """Yield a copy of the network with one block more re-initialised each time, from the head down.

    Parameters
    ----------
    network : ClassifierNetwork
        Stays as it is.
    seed : int
        Of the new weights, which are drawn as before pretraining.

    Yields
    ------
    block : str
        The block that became random last.
    copy : ClassifierNetwork
        The same object each time: use it before asking for the next.
    """
    fresh = dict(untrained(network, seed).named_parameters())
    work = copy.deepcopy(network).eval()
    parameters = dict(work.named_parameters())
    for block, names in blocks_from_head(network):
        with torch.no_grad():
            for name in names:
                parameters[name].copy_(fresh[name])
        yield block, work


def randomisation_cascade(
    run: Run,
    texts: Sequence[str],
    method: str,
    contexts: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    top: int = TOP,
    seed: int = 0,
) -> tuple[CascadeStep, ...]:
    """Explain posts by ever more random models, and correlate with the explanations of the trained one.

    Parameters
    ----------
    run : Run
        Stays as it is.
    texts, contexts
        See `explain.attribute`; the label that the trained model predicts is explained throughout.
    method : str
        Name of an attribution method.
    groups : array (n,), optional
        For the intervals.
    top : int
        Words whose overlap is counted.
    seed : int
        Of the new weights, and of methods that draw: these draw alike on all models.

    Raises
    ------
    RunError
        If the run is the linear baseline.
    """
    network = run.parts()[0]
    original = attribute(run, texts, method, contexts=contexts, seed=seed)
    targets = [item.target for item in original]
    steps = []
    for block, model in randomised(network, seed):
        found = attribute(replace(run, network=model), texts, method, targets, contexts=contexts, seed=seed)
        steps.append(CascadeStep(block, agreement(original, found, top, groups)))
    return tuple(steps)
