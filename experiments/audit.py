"""Look for what spoils results before anything is trained: leaks, overlaps, conflicts, shortcuts, damage.

  python experiments/audit.py --data dreaddit --data-root DIR
  python experiments/audit.py --data irf --against multiwd,wellxplain
  python experiments/audit.py --all

--all audits every set whose files are there and writes experiments/tables/audit.md.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mhclf.config.command_line import parse_run, run_door
from mhclf.config.run import RunConfig, short_name
from mhclf.data.locate import check_files, dataset_names, find_dataset
from mhclf.errors import AuditError, ConfigError, DataError

HERE = Path(__file__).resolve().parent
COMMAND = "python experiments/audit.py --all"


def main(argv: Sequence[str]) -> int:
    """Parse, load, count, print, write."""
    arguments = parse_run(argv, HERE / "recipes", __doc__ or "", _add_options)
    config, extra = arguments.config, arguments.extra
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    records_file = HERE / "results" / "audit.json"
    names = dataset_names() if extra["all"] else [config.data]
    others = [name.strip() for name in (extra["against"] or "").split(",") if name.strip()]
    for name in [*names, *others]:
        located = find_dataset(name, config.columns if name == config.data else None)
        if not extra["all"]:
            check_files(located, config.data_root)
        print(located.account(), end="", flush=True)

    import rich.console

    from mhclf.results.audit_page import (
        audit_markdown,
        audit_tables,
        read_audit_records,
        write_audit_page,
        write_audit_records,
    )
    from mhclf.results.files import write_text
    from mhclf.results.tables import to_rich

    # The tables over all sets are wide: where the output is a file, they are not squeezed.
    console = rich.console.Console()
    if extra["all"] and not console.is_terminal:
        console = rich.console.Console(width=240)
    folder = Path(config.out) / "audit" / ("all" if extra["all"] else short_name(config.data))
    findings: list[dict[str, Any]] = []
    stops = []
    if extra["from_records"]:
        records, shared = read_audit_records(records_file)
    else:
        records, shared, findings, stops = _count(config, names, others, skip_missing=bool(extra["all"]))
    for table in audit_tables(records, shared):
        console.print(to_rich(table))
    for finding in findings:
        console.print(f"{finding['severity']}: {finding['message']}", soft_wrap=True, highlight=False, markup=False)
    page = write_audit_page(folder, records, shared, findings)
    written = [page, write_audit_records(folder / "audit.json", records, shared)]
    if (extra["all"] or extra["from_records"]) and config.limit is None:
        write_audit_records(records_file, records, shared)
        written.append(write_text(HERE / "tables" / "audit.md", audit_markdown(records, shared, COMMAND)))
    for path in written:
        console.print(f"written: {path}", soft_wrap=True, highlight=False, markup=False)
    if stops:
        raise AuditError(f"{config.data}: training would stop. {' '.join(stops)}")
    return 0


def _count(
    config: RunConfig, names: Sequence[str], others: Sequence[str], skip_missing: bool
) -> tuple[list[Any], list[Any], list[Any], list[str]]:
    """Return records of the sets, what they share, and for a single set its findings and what stops it."""
    from dataclasses import asdict

    from rich.progress import track

    from mhclf.data.audit import findings_as_json, findings_of, leaks_of, survey
    from mhclf.data.audit.between import shared_posts
    from mhclf.data.audit.reading import read_share
    from mhclf.data.load import load_table
    from mhclf.data.subsets import limit_rows
    from mhclf.models.encoder import load_tokenizer
    from mhclf.models.weights import resolve_encoder

    source = resolve_encoder(config.encoder)
    tokenizer = load_tokenizer(source)
    tables, records = {}, []
    findings, stops = [], []
    for name in track([*names, *others], description="auditing", transient=True):
        try:
            rule = {"split_seed": config.split_seed, "fold": config.fold} if name in names else {}
            columns = config.columns if name == config.data else None
            table = load_table(name, data_root=config.data_root, mask=config.mask, columns=columns, **rule)
        except DataError as error:
            if not skip_missing:
                raise
            logging.getLogger("mhclf").warning("left out %s", str(error).split(". ")[0])
            continue
        table = limit_rows(table, config.limit) if config.limit else table
        if table.config.name in tables:
            raise ConfigError(f"{name}: is called '{table.config.name}' like another set here. Rename one of them.")
        tables[table.config.name] = table
        if name not in names:
            continue
        length = config.max_length or table.config.max_length
        read = read_share(table.texts, table.rationales, tokenizer, source.name, length)
        numbers = survey(table, read)
        records.append(numbers.as_json())
        if len(names) == 1:
            found = [*leaks_of(table, config.audit.on_leak)[1], *findings_of(numbers)]
            stops = [finding.message for finding in found if finding.severity == "stop"]
            findings = findings_as_json(found)

    def watched(pairs: list[tuple[str, str]]) -> Iterable[tuple[str, str]]:
        return track(pairs, description="comparing sets", transient=True)

    pairs = shared_posts(tables, "all" if others else "likely", watched) if len(tables) > 1 else []
    return records, [asdict(pair) for pair in pairs], findings, stops


def _add_options(parser: object) -> None:
    add = parser.add_argument  # type: ignore[attr-defined]
    add("--all", action="store_true", help="every set whose files are there; writes experiments/tables/audit.md")
    add("--against", metavar="NAME,NAME", help="other sets: which posts do they share with --data?")
    add("--from_records", action="store_true", help="make the tables again from experiments/results/audit.json")


if __name__ == "__main__":
    run_door(main)
