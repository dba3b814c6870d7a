"""Suites: reading, checks, and the grid of cells."""

import pytest

from mhclf.config.suite import ExplainedConfig, GridConfig, SuiteConfig, plan_cells, read_suite, suite_cells
from mhclf.errors import ConfigError

GRID = {"datasets": ("a", "b"), "methods": ("finetune", "supcon"), "seeds": (1, 2)}


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
        ({"split_seeds": (1, 1)}, "split_seeds: give different values."),
        ({"shares": (0.1, 0)}, "shares: is 0, expected above 0 and at most 1."),
    ],
)
def test_a_grid_that_does_not_fit(over, message):
    with pytest.raises(ConfigError) as error:
        GridConfig(**(GRID | over))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"grids": ()}, "grids: give one or more, each with datasets, methods and seeds."),
        ({"baselines": ("finetun",)}, "baselines: 'finetun' is none of the methods. Did you mean 'finetune'?"),
        ({"dataset_settings": {"c": {}}}, "dataset_settings: 'c' is none of the datasets."),
        (
            {"explained": ExplainedConfig(posts_of={"c": 4})},
            "explained: posts_of: 'c' is none of the datasets.",
        ),
        ({"dataset_settings": {"a": None}}, "dataset_settings: a: expected a mapping of run settings."),
        ({"variants": {"v": {}}}, "variants: v: the key 'method' is missing. Add 'method: RECIPE'."),
        (
            {"variants": {"v": {"method": "supcon", "seed": 1}}},
            "variants: v: 'seed' is said by the grids. Leave it out.",
        ),
        (
            {"variants": {"finetun": {"method": "supcon"}}},
            "variants: 'finetun' is in no grid's methods. Did you mean 'finetune'?",
        ),
    ],
)
def test_a_suite_that_does_not_fit(over, message):
    with pytest.raises(ConfigError) as error:
        SuiteConfig(**({"name": "s", "grids": (GridConfig(**GRID),)} | over))
    assert str(error.value) == message


def test_grids_follow_each_other_and_a_shared_cell_runs_once(recipes):
    first = GridConfig(("a",), ("finetune",), (1, 2))
    second = GridConfig(("b", "a"), ("supcon", "finetune"), (1,), ("m",), {"trainer": {"epochs": 7}})
    suite = SuiteConfig("s", (first, second, GridConfig(("a",), ("finetune", "supcon"), (1,))))
    cells = suite_cells(suite, recipes, {})
    assert [(c.data, c.method, c.encoder, c.seed, c.trainer.epochs) for c in cells] == [
        ("a", "finetune", "minilm", 1, 4),
        ("a", "finetune", "minilm", 2, 4),
        ("b", "supcon", "m", 1, 7),
        ("b", "finetune", "m", 1, 7),
        ("a", "supcon", "m", 1, 7),
        ("a", "finetune", "m", 1, 7),
        ("a", "supcon", "minilm", 1, 4),
    ]
    assert (suite.datasets, suite.methods, suite.encoders) == (("a", "b"), ("finetune", "supcon"), ("minilm", "m"))
    assert suite.lines("a") == (("minilm", "finetune"), ("minilm", "supcon"), ("m", "finetune"), ("m", "supcon"))
    assert suite.lines("b") == (("m", "finetune"), ("m", "supcon"))


def test_cells_run_seed_by_seed(recipes):
    cells = suite_cells(SuiteConfig("s", (GridConfig(**GRID, encoders=("m", "n")),)), recipes, {})
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
        "s",
        (GridConfig(**GRID),),
        settings={"report": False, "trainer": {"epochs": 3}, "optim": {"lr": 1e-3}, "limit": 50, "seed": 99},
        dataset_settings={"b": {"trainer": {"epochs": 2}}},
    )
    first, _, second = suite_cells(suite, recipes, {"out": "o", "limit": None, "data_root": None})[:3]
    assert (first.data, first.trainer.epochs, first.optim.lr, first.optim.warmup) == ("a", 3, 1e-3, 0.2)
    assert (second.data, second.trainer.epochs, second.seed, second.report) == ("b", 2, 1, False)
    assert (first.out, first.limit, first.data_root) == ("o", 50, None)
    assert suite_cells(suite, recipes, {"limit": 5})[0].limit == 5


def test_a_wrong_setting_names_its_key(recipes):
    suite = SuiteConfig("s", (GridConfig(**GRID),), settings={"optim": {"lrr": 1}})
    with pytest.raises(ConfigError) as error:
        suite_cells(suite, recipes, {})
    assert str(error.value) == (
        "recipe 'finetune' with the given options: optim: unknown key 'lrr'. Did you mean 'lr'? "
        "Known keys: lr, head_lr, weight_decay, warmup, gradient_clip, layer_decay."
    )


def test_a_variant_is_a_row_of_its_own_above_all_other_settings(recipes):
    grid = GridConfig(("a",), ("finetune", "hot"), (1,), settings={"optim": {"lr": 1e-4}})
    variants = {"hot": {"method": "finetune", "optim": {"lr": 5e-4}, "contrastive": {"temperature": 0.9}}}
    suite = SuiteConfig("s", (grid,), variants=variants, baselines=("hot",))
    plain, hot = plan_cells(suite, recipes, {})
    assert (plain.method, plain.config.method, plain.config.optim.lr) == ("finetune", "finetune", 1e-4)
    assert (hot.method, hot.config.method, hot.config.optim.lr) == ("hot", "finetune", 5e-4)
    assert (hot.config.contrastive.temperature, hot.config.optim.warmup) == (0.9, 0.2)
    assert suite.lines("a") == (("minilm", "finetune"), ("minilm", "hot"))
    assert hot.name == "a hot minilm seed 1"
    named = SuiteConfig("s", (GridConfig(("a",), ("finetune", "supcon"), (1,)),), variants={"supcon": variants["hot"]})
    with pytest.raises(ConfigError) as error:
        plan_cells(named, recipes, {})
    assert str(error.value) == "variants: 'supcon' is a recipe's name. Choose another."


def test_cuts_of_a_data_set_are_data_sets_of_the_table(recipes):
    grid = GridConfig(("x/a.yaml",), ("finetune",), (1,), shares=(0.1, 1), per_class=(16,), split_seeds=(4,), limit=50)
    suite = SuiteConfig("s", (grid, GridConfig(("x/a.yaml",), ("finetune",), (1,))))
    cells = plan_cells(suite, recipes, {})
    cuts = [
        (c.part, c.config.subset.share, c.config.subset.per_class, c.config.split_seed, c.config.limit) for c in cells
    ]
    assert cuts == [
        (", split 4, 10 % of train, 50 rows a split", 0.1, None, 4, 50),
        (", split 4, 50 rows a split", None, None, 4, 50),
        (", split 4, 16 a class, 50 rows a split", None, 16, 4, 50),
        ("", None, None, None, None),
    ]
    assert suite.datasets == (*(f"a{cell.part}" for cell in cells[:3]), "x/a.yaml")
    assert suite.lines(suite.datasets[0]) == (("minilm", "finetune"),)
    assert {cell.config.data for cell in cells} == {"x/a.yaml"}


def test_a_protocol_that_no_run_can_follow_is_refused(recipes):
    suite = SuiteConfig("s", (GridConfig(("a",), ("finetune",), (1,), protocol="welldunn-2024"),))
    with pytest.raises(ConfigError, match="protocol: a training run follows 'sound' only"):
        plan_cells(suite, recipes, {})


def write(folder, text, name="s"):
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_suite_is_read_by_name(tmp_path):
    write(tmp_path, "name: s\ngrids: [{datasets: [a], methods: [finetune], seeds: [1, 2]}]\n")
    assert read_suite(tmp_path, "s") == SuiteConfig("s", (GridConfig(("a",), ("finetune",), (1, 2)),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: t\ngrids: [{datasets: [a], methods: [finetune], seeds: [1]}]\n",
         "{}: name: is 't', expected 's' as in the file name."),
        ("name: s\ngrids: [{datasets: [a], methods: [finetune]}]\n",
         "{}: grids[0]: the key 'seeds' is missing. Add a line 'seeds: ...'."),
        ("name: s\ngrids: [{datasets: [a], methods: [x], seeds: [1]}]\n",
         "{}: baselines: 'finetune' is none of the methods."),
        ("name: s\ngrids: [{datasets: [a], methods: [finetune], seeds: [one]}]\n",
         "{}: grids[0]: seeds[0]: is 'one' (str), expected a whole number."),
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"posts": 0}, "explained: posts: is 0, expected 1 or more."),
        ({"posts_of": {"a": 0}}, "explained: posts_of: a: is 0, expected 1 to 200."),
        ({"posts": 10, "posts_of": {"a": 11}}, "explained: posts_of: a: is 11, expected 1 to 10."),
    ],
)
def test_what_is_explained_that_does_not_fit(settings, message):
    with pytest.raises(ConfigError) as error:
        ExplainedConfig(**settings)
    assert str(error.value) == message
