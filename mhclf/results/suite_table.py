"""The tables of a suite as one Markdown page, from its committed records alone."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from mhclf.config.published import PublishedNumber
from mhclf.config.suite import SuiteConfig
from mhclf.results.suite import SuiteRecords
from mhclf.results.suite_content import DatasetScores, SuiteContent, suite_content
from mhclf.results.suite_pairs import pairs_section
from mhclf.results.suite_published import apart_table, beside_lines, published_notes
from mhclf.results.suite_scores import dataset_table, layers_table
from mhclf.results.tables import Table, to_markdown


def suite_markdown(
    suite: SuiteConfig, records: SuiteRecords, command: str, published: Iterable[PublishedNumber] = ()
) -> str:
    """Return the whole Markdown page: a table for each data set, one for the layers, and how it was made."""
    return content_markdown(suite_content(suite, records, published, command))


def suite_tables(
    suite: SuiteConfig, records: SuiteRecords, published: Iterable[PublishedNumber] = ()
) -> tuple[Table, ...]:
    """Return the tables themselves: one for each data set, and one for the layers where runs have learnt weights."""
    content = suite_content(suite, records, published, "")
    layers = layers_table(suite, records)
    return (*(scores_table(part, suite.baselines) for part in content.scores), *([layers] if layers.rows else []))


def content_markdown(content: SuiteContent, pictures: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the Markdown page of what was gathered; `pictures` is file name -> what it shows."""
    parts = [f"# {content.title}\n", *(f"{note}\n" for note in content.suite.notes), f"{explanation(content)}\n"]
    parts += [f"![{says}]({name})\n" for name, says in pictures.items()]
    parts += [to_markdown(scores_table(part, content.suite.baselines)) for part in content.scores]
    layers = layers_table(content.suite, content.records)
    if layers.rows:
        parts.append(to_markdown(layers))
    if pairs := pairs_section(content.suite, content.records):
        parts.append(pairs)
    if blocks := apart_tables(content):
        parts += ["## Published, not comparable\n", *(to_markdown(block) for block in blocks)]
    parts += [f"{line}\n" for line in state_lines(content)]
    parts.append(f"{footer(content)}\n")
    return "\n".join(parts)


def scores_table(part: DatasetScores, baselines: Sequence[str]) -> Table:
    """Return one data set's table with the published lines that are comparable."""
    return dataset_table(part.rows, part.lines, baselines, beside_lines(part.beside), published_notes(part.beside))


def apart_tables(content: SuiteContent) -> tuple[Table, ...]:
    """Return the block of published numbers that are not comparable of each data set that has any."""
    return tuple(apart_table(part.rows.dataset, part.apart) for part in content.scores if part.apart)


def explanation(content: SuiteContent) -> str:
    """Return how to read the tables."""
    text = (
        "Each number is the mean over seeds on the test rows, with a 95 % interval in brackets (hierarchical bootstrap "
        "over groups of posts and seeds) and the sd over seeds behind ±. "
        f"The last columns compare each method with {_named(content.suite.baselines)} on the same posts and seeds: "
        "difference of accuracy (for several labels a post: share of right label decisions), its paired 95 % bootstrap "
        "interval over groups and seeds, and the p-value of a paired permutation test over groups, which speaks of "
        "these trained models only, Holm-corrected within the column. Bold marks the best mean among the methods with "
        "most seeds, not significance; * marks p < .05 after correction."
    )
    if any(part.beside for part in content.scores):
        text += (
            " A published number stands in a table only where it was measured on the same test rows by the same metric "
            "with the same averaging; what its model was trained on may differ."
        )
    return text


def state_lines(content: SuiteContent) -> list[str]:
    """Return what was not run and what failed."""
    lines = [f"Not run yet: {', '.join(content.absent)}."] if content.absent else []
    return lines + [f"- failed: {failure}" for failure in content.failures]


def footer(content: SuiteContent) -> str:
    """Return how the tables were made: command, protocol, seeds, commits, data."""
    data = ", ".join(f"{part.rows.dataset} {part.rows.data_hash[:12]}" for part in content.scores)
    return (
        f"Made by `{content.command}`; again from the committed records alone with `{content.command} --from-records`. "
        f"Protocol: {_listed(content.protocols)}. Seeds: {_listed(map(str, content.seeds))}. "
        f"Commits: {_listed(content.commits)}. Data: {data or 'none'}. Runs: {_counted(content)}."
    )


def _counted(content: SuiteContent) -> str:
    """Return how many of the planned runs there are."""
    done, planned = content.runs
    return f"all {done}" if done >= planned else f"{done} of {planned} planned"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "none"


def _named(methods: Sequence[str]) -> str:
    return " and with ".join(f"`{method}`" for method in methods)
