"""What a run found about its layers (`layers.json`), and what may be said about it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mhclf.errors import DataError
from mhclf.results.tables import Column, Table, format_mean_sd, format_number


@dataclass(frozen=True)
class LayerFindings:
    """Mean weights over the posts of a split, effective contributions, and the distance from an even mixture.

    Parameters
    ----------
    layer_names : tuple of str
        From the embeddings upwards, L names.
    weights_mean, weights_sd : tuple of float
        Weight of each layer over the posts; the means sum to 1.
    contribution_mean, contribution_sd : tuple of float
        Share of the norm of the pooled representation, the residual counted with the last layer; sums to 1.
    gate : float or None
        Factor of the mixture beside the last layer; None where the aggregation has no gate.
    kl_from_uniform, kl_per_input_mean, kl_maximum, uniform_interval : float
        Nats: divergence of the mean weights from 1/L, mean divergence of single posts, ln L, and the
        divergence up to which a mixture counts as even.
    distinguishable_from_uniform : bool
        Whether the divergence exceeds `uniform_interval`.
    per_class : mapping of str to tuple of float
        Mean weights of the posts of each gold class; may be empty.
    n : int
        Posts.
    """

    layer_names: tuple[str, ...]
    weights_mean: tuple[float, ...]
    weights_sd: tuple[float, ...]
    contribution_mean: tuple[float, ...]
    contribution_sd: tuple[float, ...]
    gate: float | None
    kl_from_uniform: float
    kl_per_input_mean: float
    kl_maximum: float
    uniform_interval: float
    distinguishable_from_uniform: bool
    per_class: Mapping[str, tuple[float, ...]]
    n: int

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> "LayerFindings":
        """Return the findings of a parsed `layers.json`; keys beyond the known ones are left aside.

        Raises
        ------
        DataError
            When a key is missing, a value is no finite number, or a list has another length than the names.
        """
        try:
            gate = content.get("gate")
            findings = cls(
                layer_names=tuple(str(name) for name in content["layer_names"]),
                weights_mean=_floats(content["weights_mean"]),
                weights_sd=_floats(content["weights_sd"]),
                contribution_mean=_floats(content["contribution_mean"]),
                contribution_sd=_floats(content["contribution_sd"]),
                gate=None if gate is None else float(gate),
                kl_from_uniform=float(content["kl_from_uniform"]),
                kl_per_input_mean=float(content["kl_per_input_mean"]),
                kl_maximum=float(content["kl_maximum"]),
                uniform_interval=float(content["uniform_interval"]),
                distinguishable_from_uniform=bool(content["distinguishable_from_uniform"]),
                per_class={str(key): _floats(row) for key, row in content.get("per_class", {}).items()},
                n=int(content["n"]),
            )
        except KeyError as error:
            raise DataError(f"layer findings: the key {error} is missing.") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(f"layer findings: a value has the wrong form ({error}).") from error
        findings._check()
        return findings

    def _check(self) -> None:
        """Raise DataError where a list does not fit the layer names or holds what is not finite."""
        if not self.layer_names:
            raise DataError("layer findings: 'layer_names' is empty.")
        lists = {
            "weights_mean": self.weights_mean,
            "weights_sd": self.weights_sd,
            "contribution_mean": self.contribution_mean,
            "contribution_sd": self.contribution_sd,
        } | {f"per_class {label}": weights for label, weights in self.per_class.items()}
        for key, values in lists.items():
            if len(values) != len(self.layer_names):
                raise DataError(
                    f"layer findings: '{key}' has {len(values)} numbers for {len(self.layer_names)} layers."
                )
            if not all(math.isfinite(value) for value in values):
                raise DataError(f"layer findings: '{key}' holds a number that is not finite.")


def uniform_sentence(layers: LayerFindings) -> str:
    """Return in one sentence whether the mean weights can be told from an even mixture, with the numbers."""
    threshold = f"up to {_nats(layers.uniform_interval)} counts as even"
    scale = f"{layers.n} posts; the maximum is {format_number(layers.kl_maximum, 2)}"
    divergence = f"their divergence from it is {_nats(layers.kl_from_uniform)} nats; {threshold} ({scale})"
    if layers.distinguishable_from_uniform:
        return f"The mean layer weights differ from an even mixture: {divergence}."
    return f"The mean layer weights cannot be told from an even mixture: {divergence}. Read no preference into them."


def layer_sentences(layers: LayerFindings) -> tuple[str, ...]:
    """Return the sentences on a run's layers: weights against uniform, single posts, gate, contribution."""
    top = max(range(len(layers.layer_names)), key=layers.contribution_mean.__getitem__)
    sentences = [
        uniform_sentence(layers),
        f"Weights of single posts diverge by {_nats(layers.kl_per_input_mean)} nats on average.",
    ]
    if layers.gate is not None:
        sentences.append(
            f"The gate is {format_number(layers.gate)}: the layer mixture enters the representation with "
            "this factor, beside the last layer, so weights alone do not say what reaches the classifier."
        )
    sentences.append(
        f"Measured by the share of the norm, {layers.layer_names[top]} contributes most "
        f"({100 * layers.contribution_mean[top]:.1f} %); the last layer includes the residual."
    )
    return tuple(sentences)


def layer_table(layers: LayerFindings) -> Table:
    """Return one row per layer: weight and effective contribution, mean and sd over posts."""
    columns = (Column("layer"), Column("weight", "right"), Column("contribution", "right"))
    rows = tuple(
        (name, format_mean_sd(weight, weight_sd), format_mean_sd(share, share_sd))
        for name, weight, weight_sd, share, share_sd in zip(
            layers.layer_names, layers.weights_mean, layers.weights_sd,
            layers.contribution_mean, layers.contribution_sd, strict=True,
        )
    )  # fmt: skip
    even = format_number(1 / len(layers.layer_names))
    note = f"Mean \u00b1 sd over {layers.n} posts; an even weight is {even}."
    return Table("Layers", columns, rows, (note,))


def class_layer_table(layers: LayerFindings) -> Table | None:
    """Return the mean weights per gold class (rows) and layer (columns); None when there are none."""
    if not layers.per_class:
        return None
    columns = (Column("gold class"), *(Column(name, "right") for name in layers.layer_names))
    return Table("Mean layer weights by gold class", columns,
                 tuple((label, *weights) for label, weights in layers.per_class.items()))  # fmt: skip


def _floats(values: Any) -> tuple[float, ...]:
    """Return a list of numbers as a tuple of floats."""
    return tuple(float(value) for value in values)


def _nats(value: float) -> str:
    """Return a divergence with two significant digits, without an exponent."""
    if value <= 0 or not math.isfinite(value):
        return format_number(value, 1)
    if value < 1e-6:
        return "under 0.000001"
    return format_number(value, max(2, 1 - math.floor(math.log10(value))))
