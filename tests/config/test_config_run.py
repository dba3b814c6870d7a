"""The checks of a run's settings."""

import pytest

from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping
from mhclf.errors import ConfigError

CONTRASTIVE = "contrastive: needs weight >= 0, temperature > 0, 0 < ramp_share <= 1 and projection_size >= 1; got {}."
RATES = "optim: needs lr >= 0, head_lr >= 0 and 0 <= warmup < 1."
DECAY = "optim: needs weight_decay >= 0 and gradient_clip >= 0."
TRAINER = "trainer: epochs must be 1 or more and threads 0 or more."
BATCH = "batch: size and max_tokens must be 1 or more."


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"limit": 0}, "limit: is 0, expected 1 row or more per split."),
        ({"max_length": 3}, "max_length: is 3, expected 4 tokens or more."),
        ({"seed": -1}, "seed: is -1, expected a whole number from 0 to 2**32 - 1."),
        ({"seed": 2**32}, "seed: is 4294967296, expected a whole number from 0 to 2**32 - 1."),
        ({"split_seed": -1}, "split_seed: is -1, expected a whole number from 0 to 2**31 - 1."),
        ({"split_seed": 2**31}, "split_seed: is 2147483648, expected a whole number from 0 to 2**31 - 1."),
        ({"protocol": "welldunn-2024"},
         "protocol: a training run follows 'sound' only. experiments/welldunn_replay.py replays 'welldunn-2024'."),
        ({"model": {"dropout": 1}}, "model: dropout: is 1.0, expected a share from 0 to below 1."),
        ({"model": {"dropout": -0.1}}, "model: dropout: is -0.1, expected a share from 0 to below 1."),
        ({"contrastive": {"weight": -1}}, CONTRASTIVE.format("-1.0, 0.1, 0.5, 128")),
        ({"contrastive": {"temperature": 0}}, CONTRASTIVE.format("0.5, 0.0, 0.5, 128")),
        ({"contrastive": {"ramp_share": 0}}, CONTRASTIVE.format("0.5, 0.1, 0.0, 128")),
        ({"contrastive": {"ramp_share": 1.1}}, CONTRASTIVE.format("0.5, 0.1, 1.1, 128")),
        ({"contrastive": {"projection_size": 0}}, CONTRASTIVE.format("0.5, 0.1, 0.5, 0")),
        ({"optim": {"lr": -1}}, RATES),
        ({"optim": {"head_lr": -1}}, RATES),
        ({"optim": {"warmup": 1}}, RATES),
        ({"optim": {"weight_decay": -1}}, DECAY),
        ({"optim": {"gradient_clip": -1}}, DECAY),
        ({"batch": {"size": 0}}, BATCH),
        ({"batch": {"max_tokens": 0}}, BATCH),
        ({"trainer": {"epochs": 0}}, TRAINER),
        ({"trainer": {"threads": -1}}, TRAINER),
    ],
)  # fmt: skip
def test_values_out_of_range(mapping, message):
    with pytest.raises(ConfigError) as error:
        from_mapping(RunConfig, mapping, "run.yaml")
    assert str(error.value) == message


def test_values_at_the_edge_are_fine():
    config = from_mapping(
        RunConfig,
        {"limit": 1, "max_length": 4, "seed": 2**32 - 1, "split_seed": 2**31 - 1, "model": {"dropout": 0},
         "optim": {"lr": 0, "gradient_clip": 0}, "contrastive": {"weight": 0, "ramp_share": 1}},
        "run.yaml",
    )  # fmt: skip
    assert (config.seed, config.split_seed, config.contrastive.ramp_share) == (4294967295, 2147483647, 1.0)
