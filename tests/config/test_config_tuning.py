"""Search spaces as text and as YAML."""

from pathlib import Path

import pytest

from mhclf.config.tuning import Dimension, parse_space, read_space, settings_of
from mhclf.errors import ConfigError


def test_ranges_and_choices():
    text = "lr=1e-5..3e-4:log, contrastive.weight=0..1,max_length=64..256:32,pooling=mean|cls,batch.size=8|16"
    assert parse_space(text) == (
        Dimension("optim.lr", 1e-5, 3e-4, log=True),
        Dimension("contrastive.weight", 0.0, 1.0),
        Dimension("max_length", 64, 256, step=32),
        Dimension("model.pooling", choices=("mean", "cls")),
        Dimension("batch.size", choices=(8, 16)),
    )
    weight = parse_space("contrastive.weight=0..1")[0]
    assert isinstance(weight.low, float) and isinstance(parse_space("max_length=64..256")[0].low, int)
    assert settings_of({"optim.lr": 1, "optim.head_lr": 2, "seed": 3}) == {"optim": {"lr": 1, "head_lr": 2}, "seed": 3}


def test_files(tmp_path):
    (tmp_path / "space.yaml").write_text("optim.lr: 1e-5..3e-4:log\nmodel.pooling: [mean, cls]\nbatch.size: [8, 16]\n")
    assert read_space(tmp_path / "space.yaml") == parse_space("lr=1e-5..3e-4:log,pooling=mean|cls,batch.size=8|16")
    default = read_space(Path(__file__).parents[2] / "experiments" / "tune" / "default.yaml")
    assert [item.key for item in default][:2] == ["optim.lr", "optim.head_lr"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", "space: 'lr' has no '='. Write it as lr=1e-5..3e-4:log."),
        ("", "space: holds no setting to vary. Write it as lr=1e-5..3e-4:log."),
        ("optim.lrr=0..1", "space: 'optim.lrr' is no setting of a run. Did you mean 'optim.lr'?"),
        ("seed=1|2", "space: 'seed' says what is measured; varying it would compare unlike numbers."),
        ("lr=1..0", "space: optim.lr: '1..0' must go up from its first number to its second."),
        ("lr=0..1:log", "space: optim.lr: '0..1:log': a logarithm needs numbers above 0."),
        ("lr=a..b", "space: optim.lr: 'a..b' is no range. Write low..high, low..high:log or low..high:step."),
        ("max_length=64..100.5", "space: max_length: '64..100.5': the setting takes whole numbers."),
        ("pooling=mean", "space: model.pooling: give two or more different values, or a range low..high."),
        ("lr=0..1,optim.lr=0..2", "space: 'optim.lr' stands twice."),
        ("batch.size=a|b", "space: batch.size"),
        ("model.dropout=0..2", "model: dropout: is 2.0, expected a share from 0 to below 1."),
    ],
)
def test_wrong_spaces_are_told(text, message):
    with pytest.raises(ConfigError) as error:
        parse_space(text)
    assert message in str(error.value)
