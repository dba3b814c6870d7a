"""How a run bears small changes of its test posts, as a table and in a sentence."""

from mhclf.evaluation import higher_is_better
from mhclf.results.robustness import Robustness
from mhclf.results.summary import metric_name
from mhclf.results.tables import Column, Table, format_interval, format_number


def robustness_table(found: Robustness) -> Table:
    """Return one row a kind of change: the score before and after, its drop, and flips."""
    items = list(found.kinds.values())
    metric = metric_name(items[0].metric) if items else "metric"
    rows = tuple(
        (
            kind.replace("_", " "),
            _share(found.touched.get(kind)),
            format_number(item.before),
            format_number(item.after),
            format_interval(item.difference, item.ci_low, item.ci_high),
            format_number(item.p_value),
            format_interval(item.flipped, item.flipped_low, item.flipped_high),
            format_number(item.lost),
            format_number(item.gained),
        )
        for kind, item in found.kinds.items()
    )
    columns = (
        Column("change"),
        Column("posts changed", "right"),
        Column(f"{metric} before", "right"),
        Column("after", "right"),
        Column("difference", "right"),
        Column("p", "right"),
        Column("predictions flipped", "right", "lower"),
        Column("right to wrong", "right", "lower"),
        Column("wrong to right", "right"),
    )
    note = (
        f"n = {items[0].n if items else 0} test posts; {found.strength:.0%} of words chosen (lower case: all). "
        "Intervals: 95 %, paired bootstrap over groups."
    )
    return Table("Robustness", columns, rows, (note,))


def _share(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"


def robustness_sentence(found: Robustness) -> str:
    """Return the change that costs most and the one that flips most."""
    signs = {kind: 1 if higher_is_better(item.metric) else -1 for kind, item in found.kinds.items()}
    worst = min(found.kinds, key=lambda kind: signs[kind] * found.kinds[kind].difference)
    flips = max(found.kinds, key=lambda kind: found.kinds[kind].flipped)
    loss, most = found.kinds[worst], found.kinds[flips]
    text = f"Small changes to the test posts ({_counted(len(found.kinds))}): "
    if signs[worst] * loss.difference < 0:
        text += (
            f"{worst.replace('_', ' ')} costs most, {metric_name(loss.metric)} {format_number(loss.before)} before and "
            f"{format_number(loss.after)} after (difference "
            f"{format_interval(loss.difference, loss.ci_low, loss.ci_high)}); "
        )
    else:
        text += f"none worsens {metric_name(loss.metric)}; "
    idle = [kind.replace("_", " ") for kind, share in found.touched.items() if not share]
    if idle:
        text += f"{', '.join(idle)} changed no post, and says nothing here; "
    if most.flipped:
        return text + f"{flips.replace('_', ' ')} flips most predictions, {most.flipped:.1%}."
    return text + "none flips a prediction."


def _counted(kinds: int) -> str:
    return "1 kind" if kinds == 1 else f"{kinds} kinds"
