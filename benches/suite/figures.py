"""How figures are kept: every raw run in NAME-DATE.json, and the tables in NAME-DATE.md beside it."""

import json
import sys


def keep(runs_dir, name, trial, section):
    """Adds the trial to the day's, and writes the day's tables anew. `section` makes a trial's part of
    the page."""
    runs_dir.mkdir(parents=True, exist_ok=True)
    raw = runs_dir / f"{name}-{trial['facts']['date'][:10]}.json"
    trials = json.loads(raw.read_text()) if raw.exists() else []
    trials.append(trial)
    raw.write_text(as_json(trials))
    raw.with_suffix(".md").write_text("\n".join(map(section, trials)))
    print(f"raw figures: {raw}", file=sys.stderr)


def as_json(trials):
    """JSON with one run a line: readable, and a later trial changes no earlier line."""
    blocks = []
    for trial in trials:
        head = {key: value for key, value in trial.items() if key != "runs"}
        head = json.dumps(head, indent=2).removesuffix("\n}")
        runs = ",\n".join("    " + json.dumps(run) for run in trial["runs"])
        blocks.append(f'{head},\n  "runs": [\n{runs}\n  ]\n}}')
    return "[\n" + ",\n".join(blocks) + "\n]\n"


def markdown(columns, rows):
    """A table: the names of the columns (those of numbers end with a colon), and rows of values."""
    head = [column.removesuffix(":") for column in columns]
    rules = ["---:" if column.endswith(":") else "---" for column in columns]
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in (head, rules, *rows))
