"""Results of a run in the place of those of an earlier one."""


def command(networks, rows):
    """What measures some rows of some networks."""
    parts = ["--networks", *networks, "--rows", *rows]
    return " ".join(["python benchmarks/peers/run.py", *parts])


def updated(before, after):
    """A record with the rows of `after`, and those that it did not measure.

    The libraries still take turns within every row. The command is one that
    measures all of it.

    Args:
        before: Dict, as run.py writes it.
        after: Dict, likewise.

    Returns:
        Dict.
    """
    minutes = before["minutes"] + after["minutes"]
    rows = _replaced(before, after, "rows", ("network", "row"))
    measured = [
        list(dict.fromkeys(row[key] for row in rows))
        for key in ("network", "row")
    ]
    return {
        **after,
        "command": command(*measured),
        "num_weights": before["num_weights"] | after["num_weights"],
        "gigaflops": before.get("gigaflops", {}) | after["gigaflops"],
        "versions": before["versions"] | after["versions"],
        "rows": rows,
        "agreement": _replaced(
            before, after, "agreement", ("network", "value", "library")
        ),
        "minutes": minutes,
        "others": sum(
            record["others"] * record["minutes"] / minutes
            for record in (before, after)
        ),
        "num_runs": before.get("num_runs", 1) + 1,
    }


def _replaced(before, after, name, keys):
    """In the order of the earlier run, what is new at the end."""
    groups = {}
    for entries in (before[name], after[name]):
        found = {}
        for entry in entries:
            key = tuple(entry[each] for each in keys)
            found.setdefault(key, []).append(entry)
        groups |= found
    return [entry for group in groups.values() for entry in group]
