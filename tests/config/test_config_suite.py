"""Suites: reading, checks, and the grid of cells."""

import pytest

from mhclf.config.suite import SuiteConfig, read_suite, suite_cells
from mhclf.errors import ConfigError

GRID = {"name": "s", "datasets": ("a", "b"), "methods": ("finetune", "supcon"), "seeds": (1, 2)}


@pytest.fixture
def recipes(tmp_path):
    folder = tmp_path / "recipes"
    folder.mkdir()
    for name in ("finetune", "supcon"):
        (folder / f"{name}.yaml").write_text("optim: {lr: 2e-5, warmup: 0.2}\n")
    return folder


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"datasets": ()}, "datasets: give one or more different values."),
        ({"methods": ("finetune", "finetune")}, "methods: give one or more different values."),
        ({"seeds": (1, 1)}, "seeds: give one or more different values."),
        ({"encoders": ()}, "encoders: give one or more different values."),
        ({"baseline": "finetun"}, "baseline: 'finetun' is none of the methods. Did you mean 'finetune'?"),
        ({"dataset_settings": {"c": {}}}, "dataset_settings: 'c' is none of the datasets."),
        ({"dataset_settings": {"a": None}}, "dataset_settings: a: expected a mapping of run settings."),
    ],
)
def test_a_suite_that_does_not_fit(over, message):
    with pytest.raises(ConfigError) as error:
        SuiteConfig(**(GRID | over))
    assert str(error.value) == message


def test_cells_run_seed_by_seed(recipes):
    cells = suite_cells(SuiteConfig(**GRID, encoders=("m", "n")), recipes, {})
    order = [(cell.seed, cell.data, cell.encoder, cell.method) for cell in cells]
    assert order == [
        (seed, data, encoder, method)
        for seed in (1, 2)
        for data in ("a", "b")
        for encoder in ("m", "n")
        for method in ("finetune", "supcon")
    ]


def test_command_line_over_cell_over_data_set_over_suite_over_recipe(recipes):
    suite = SuiteConfig(
        **GRID,
        settings={"report": False, "trainer": {"epochs": 3}, "optim": {"lr": 1e-3}, "limit": 50, "seed": 99},
        dataset_settings={"b": {"trainer": {"epochs": 2}}},
    )
    first, _, second = suite_cells(suite, recipes, {"out": "o", "limit": None, "data_root": None})[:3]
    assert (first.data, first.trainer.epochs, first.optim.lr, first.optim.warmup) == ("a", 3, 1e-3, 0.2)
    assert (second.data, second.trainer.epochs, second.seed, second.report) == ("b", 2, 1, False)
    assert (first.out, first.limit, first.data_root) == ("o", 50, None)
    assert suite_cells(suite, recipes, {"limit": 5})[0].limit == 5


def test_a_wrong_setting_names_its_key(recipes):
    suite = SuiteConfig(**GRID, settings={"optim": {"lrr": 1}})
    with pytest.raises(ConfigError) as error:
        suite_cells(suite, recipes, {})
    assert str(error.value) == (
        "recipe 'finetune' with the given options: optim: unknown key 'lrr'. Did you mean 'lr'? "
        "Known keys: lr, head_lr, weight_decay, warmup, gradient_clip."
    )


def write(folder, text, name="s"):
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_suite_is_read_by_name(tmp_path):
    write(tmp_path, "name: s\ndatasets: [a]\nmethods: [finetune]\nseeds: [1, 2]\n")
    assert read_suite(tmp_path, "s") == SuiteConfig("s", ("a",), ("finetune",), (1, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: t\ndatasets: [a]\nmethods: [finetune]\nseeds: [1]\n",
         "{}: name: is 't', expected 's' as in the file name."),
        ("name: s\ndatasets: [a]\nmethods: [finetune]\n", "{}: the key 'seeds' is missing. Add a line 'seeds: ...'."),
        ("name: s\ndatasets: [a]\nmethods: [x]\nseeds: [1]\n", "{}: baseline: 'finetune' is none of the methods."),
        ("name: s\ndatasets: [a]\nmethods: [finetune]\nseeds: [one]\n",
         "{}: seeds[0]: is 'one' (str), expected a whole number."),
        ("name: [\n", "{}, line 2, column 1: not valid YAML: expected the node content, but found '<stream end>'."),
    ],
)  # fmt: skip
def test_a_wrong_suite_file_is_named(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        read_suite(tmp_path, "s")
    assert str(error.value) == message.format(path)


def test_an_unknown_suite_lists_what_exists(tmp_path):
    write(tmp_path, "", "first")
    write(tmp_path, "", "second")
    with pytest.raises(ConfigError) as error:
        read_suite(tmp_path, "frist")
    assert str(error.value) == "suite: no suite is called 'frist'. Did you mean 'first'? Known: first, second."
