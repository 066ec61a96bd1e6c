#!/usr/bin/env python3
"""Runs each attack once with its own defence and once with that taken out.

    python3 tests/hostile/table.py              everything: build, run, print the table
    python3 tests/hostile/table.py WORD...      only defences and attacks with a WORD in their names
    python3 tests/hostile/table.py --build      only builds

A test of a defence that passes says little until it has been seen to fail. `defences.toml`
says for every attack which defence it meets and how to take that out. The program itself
knows nothing of this: a copy of the source is edited, so that each defence asks the
environment variable HOST_WITHOUT whether it is there. The copy is built once. Then

* without the variable every attack has to be fended off, as in the program itself;
* with a defence taken out its attacks have to succeed, in the way that `then` describes.

What is tested best where a user looks is a test of another suite: `host::failures::NAME`.

Exit code 0: everything was as it should be. 1: something was not, and is named.
Standard library only. The target directory is the project's, or CARGO_TARGET_DIR.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# Always the same place: then cargo replaces what it built for the last copy.
COPY = TARGET / "without"
DEFENCES = "tests/hostile/defences.toml"
README = "tests/hostile/README.md"

VARIABLE = "HOST_WITHOUT"
# A supervisor that runs for so many seconds hangs, where hanging is what is expected. Longer
# than the supervisor's longest limit that is not taken out, which is 30 s.
HANG = 40
# A run that takes longer than this is given up: the driver itself hangs.
GIVE_UP = 600
# Most attacks wait for something, so several go on at once for each core.
AT_ONCE = 16 * (os.cpu_count() or 1)
# Tests of these can be attacks; but for the first, named with the suite: host::module::test.
SUITES = ["hostile", "host", "sandbox"]
# Characters of a verdict that are shown.
SHOWN = 100

# The copy need not be fast: what it is built with in place of the project's own settings. What
# it depends on is what the project has.
FAST_TO_BUILD = ["--config", "profile.release.package.host.opt-level=1"]

# What makes the copy ask. Several names can be given, with commas between them.
QUESTION = f"""
/// Whether this defence is taken out of this run.
pub(crate) fn without(defence: &str) -> bool {{
    std::env::var("{VARIABLE}").is_ok_and(|names| names.split(',').any(|name| name == defence))
}}
"""


KEYS = ("name", "what", "attacks", "then", "also", "unless", "hang", "edit")


class Mistake(Exception):
    """Something that has to be put right before the table can be made."""


@dataclass(frozen=True)
class Edit:
    """A place in the source, and how it reads with the question whether the defence is there."""

    owner: str
    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Defence:
    """Something that stands against attacks; or, without attacks, an aid to others."""

    name: str
    what: str
    attacks: tuple[str, ...]
    edits: tuple[Edit, ...]
    # For each attack: what the verdict then reads like, and what is taken out as well.
    then: dict[str, str]
    also: dict[str, tuple[str, ...]]
    # A verdict with all defences that shows that something else stops these attacks here.
    unless: str | None
    hang: int


@dataclass(frozen=True)
class Plan:
    """What `defences.toml` says."""

    defences: list[Defence]
    # Attacks without a defence that could be taken out, and why.
    exceptions: dict[str, str]


@dataclass(frozen=True)
class Verdict:
    """What the driver said about an attack."""

    passed: bool
    text: str

    def line(self) -> str:
        return " ".join(self.text.split())

    def short(self) -> str:
        text = self.line().replace("|", "/")
        return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


@dataclass
class Row:
    """An attack in the table."""

    attack: str
    defence: str
    with_it: Verdict
    without_it: Verdict | None = None
    # On this machine something else stops it, as the verdict with all defences shows.
    not_tried: bool = False
    trouble: list[str] = field(default_factory=list)


# ---------------------------------------------------------------- reading defences.toml


def read_plan(text: str) -> Plan:
    """Reads and checks the file; what concerns the source is checked when that is edited."""
    data = tomllib.loads(text)
    only_keys("the file", data, {"defence", "exception"})
    defences = [read_defence(entry) for entry in data.get("defence", [])]
    exceptions = {}
    for entry in data.get("exception", []):
        only_keys("an exception", entry, {"attacks", "why"})
        exceptions |= dict.fromkeys(entry["attacks"], entry["why"])
    plan = Plan(defences, exceptions)
    check_names(plan)
    return plan


def only_keys(what: str, entry: dict, known: set[str]) -> None:
    unknown = set(entry) - known
    if unknown:
        raise Mistake(f"{DEFENCES}: {what} has {', '.join(sorted(unknown))}, which means nothing")


def read_defence(entry: dict) -> Defence:
    name = entry.get("name", "without a name")
    only_keys(f"defence {name}", entry, set(KEYS))
    for key in ("name", "what", "edit"):
        if key not in entry:
            raise Mistake(f"{DEFENCES}: defence {name} has no `{key}`")
    attacks = tuple(entry.get("attacks", []))
    edits = []
    for edit in entry["edit"]:
        only_keys(f"an edit of {name}", edit, {"file", "from", "to"})
        edits.append(Edit(name, edit["file"], edit["from"], edit["to"]))
    asked = {asked for edit in edits for asked in re.findall(r'without\("([^"]*)"\)', edit.new)}
    if asked != {name}:
        raise Mistake(f'{DEFENCES}: the edits of {name} have to ask `crate::without("{name}")`')
    then = for_each(name, attacks, entry.get("then"), "then")
    also = for_each(name, attacks, entry.get("also", []), "also")
    return Defence(
        name=name,
        what=entry["what"],
        attacks=attacks,
        edits=tuple(edits),
        then=then,
        also={attack: tuple(names) for attack, names in also.items()},
        unless=entry.get("unless"),
        hang=entry.get("hang", HANG),
    )


def for_each(name: str, attacks: tuple[str, ...], said, key: str) -> dict:
    """What holds for each attack: one thing for all, or a table with one for each."""
    if not isinstance(said, dict):
        said = dict.fromkeys(attacks, said)
    unknown = set(said) - set(attacks)
    if unknown:
        raise Mistake(f"{DEFENCES}: `{key}` of {name} names other attacks: {listed(unknown)}")
    missing = [attack for attack in attacks if said.get(attack) is None]
    if missing and key == "then":
        raise Mistake(f"{DEFENCES}: {name} does not say how these succeed: {listed(missing)}")
    return {attack: said.get(attack, []) for attack in attacks}


def check_names(plan: Plan) -> None:
    names = [defence.name for defence in plan.defences]
    attacks = [attack for defence in plan.defences for attack in defence.attacks]
    attacks += plan.exceptions
    for what, found in (("defences", names), ("attacks", attacks)):
        twice = {name for name in found if found.count(name) > 1}
        if twice:
            raise Mistake(f"{DEFENCES}: these {what} stand there more than once: {listed(twice)}")
    also = {name for defence in plan.defences for more in defence.also.values() for name in more}
    if also - set(names):
        raise Mistake(f"{DEFENCES}: `also` names no defence: {listed(also - set(names))}")
    idle = [d.name for d in plan.defences if not d.attacks and d.name not in also]
    if idle:
        raise Mistake(f"{DEFENCES}: neither attacked nor named by `also`: {listed(idle)}")


def expanded(plan: Plan, attacks: list[str]) -> Plan:
    """The plan with every name that ends in `*` replaced by the attacks that it stands for."""

    def names(pattern: str) -> list[str]:
        if not pattern.endswith("*"):
            return [pattern]
        found = [attack for attack in attacks if fnmatchcase(attack, pattern)]
        if not found:
            raise Mistake(f"{DEFENCES}: there are no attacks {pattern}")
        return found

    def each(said: dict) -> dict:
        return {name: what for pattern, what in said.items() for name in names(pattern)}

    defences = [
        replace(
            defence,
            attacks=tuple(name for pattern in defence.attacks for name in names(pattern)),
            then=each(defence.then),
            also=each(defence.also),
        )
        for defence in plan.defences
    ]
    return Plan(defences, each(plan.exceptions))


def listed(names) -> str:
    return ", ".join(sorted(names))


# ---------------------------------------------------------------- the edited copy


def copy_source(to: Path) -> None:
    """Copies what belongs to the project: what git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    shutil.rmtree(to, ignore_errors=True)
    for name in sorted(set(files.decode().split("\0")) - {""}):
        source = ROOT / name
        # A file can have been deleted and still be tracked.
        if source.is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to / name)


def rename(copy: Path) -> None:
    """Gives the copy a version of its own: otherwise cargo, which shares the target directory,
    takes what is built of the copy for what is built of the project."""
    manifest = copy / "Cargo.toml"
    version = re.compile(r'^version = "(.*)"$', re.MULTILINE)
    put(manifest, version.sub(r'version = "\1-without"', manifest.read_text(), count=1))
    # Otherwise cargo would write the list of versions anew.
    locked, entry = copy / "Cargo.lock", re.compile(r'^(name = "host"\nversion = ".*)"$', re.MULTILINE)
    put(locked, entry.sub(r'\1-without"', locked.read_text(), count=1))


def own_edits() -> list[Edit]:
    """Workers start with an empty environment: this lets them keep the variable."""
    kept = (f'if let Some(value) = std::env::var_os("{VARIABLE}") {{ '
            f'environment.push(variable("{VARIABLE}", &value)); }}\n    ')
    line = "fault::hand_on(role.name(), &mut environment);"
    return [Edit("table.py itself", "src/roles.rs", line, kept + line)]


def apply_edits(copy: Path, edits: list[Edit]) -> None:
    for name in sorted({edit.file for edit in edits}):
        path = copy / name
        if not path.is_file():
            owners = {edit.owner for edit in edits if edit.file == name}
            raise Mistake(f"{listed(owners)}: there is no {name}; put the new name into {DEFENCES}")
        put(path, edited(path.read_text(), [edit for edit in edits if edit.file == name]))
    library = copy / "src/lib.rs"
    put(library, library.read_text() + QUESTION)


def put(path: Path, text: str) -> None:
    """Writes a file of the copy, which is as old as what it was made of: so nothing that is the same
    as before is built again."""
    made_of = [path, ROOT / DEFENCES, Path(__file__)]
    newest = max(file.stat().st_mtime_ns for file in made_of)
    path.write_text(text)
    os.utime(path, ns=(newest, newest))


def edited(text: str, edits: list[Edit]) -> str:
    """The text with every edit made, each at the only place where its `from` stands."""
    placed = sorted(((place_of(text, edit), edit) for edit in edits), key=lambda pair: pair[0])
    parts, done, last = [], 0, None
    for place, edit in placed:
        if place < done:
            raise Mistake(
                f"{edit.file}: the edits of {last.owner} and {edit.owner} overlap;"
                f" let each `from` in {DEFENCES} be shorter"
            )
        parts += [text[done:place], edit.new]
        done, last = place + len(edit.old), edit
    return "".join(parts) + text[done:]


def place_of(text: str, edit: Edit) -> int:
    count = text.count(edit.old)
    if count != 1:
        raise Mistake(
            f"{edit.owner}: in {edit.file} this stands {count} times, not once:\n\n{edit.old}\n\n"
            f"If the program has changed there, let `from` and `to` in {DEFENCES} follow."
        )
    return text.index(edit.old)


def build(copy: Path) -> dict[str, Path]:
    """Builds the copy's suites and gives the program of each; what they depend on was built for
    the project already."""
    command = ["cargo", "test", "--release", "--no-run", *FAST_TO_BUILD]
    for suite in SUITES:
        command += ["--test", suite]
    command += ["--message-format=json", "--manifest-path", str(copy / "Cargo.toml")]
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET)}
    built = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    if built.returncode != 0:
        said = [m["message"]["rendered"] for m in messages if m["reason"] == "compiler-message"]
        raise Mistake("".join(said) + f"\nThe edited copy in {copy} does not build: see above.")
    programs = {
        message["target"]["name"]: Path(message["executable"])
        for message in messages
        if message["reason"] == "compiler-artifact"
        and message["executable"]
        and "test" in message["target"]["kind"]
    }
    if not set(SUITES) <= set(programs):
        raise Mistake(f"cargo built {listed(programs)}, not {listed(SUITES)}")
    return programs


# ---------------------------------------------------------------- running attacks


def list_attacks(binary: Path) -> list[str]:
    listing = subprocess.run([binary, "--list"], check=True, capture_output=True, text=True)
    return listing.stdout.split()


def run(
    suites: dict[str, Path], attacks: list[str], without: list[str], hang: int | None
) -> dict[str, Verdict]:
    """Runs attacks and gives a verdict on each."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if without:
        environment[VARIABLE] = ",".join(without)
    if hang is not None:
        environment["HOSTILE_HANG"] = str(hang)
    own = [attack for attack in attacks if "::" not in attack]
    verdicts = drive(suites["hostile"], own, environment) if own else {}
    for attack in attacks:
        if attack not in own:
            suite, test = attack.split("::", 1)
            verdicts[attack] = run_test(suites[suite], test, environment)
    return verdicts


def start(
    program: Path, names: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess | None:
    """Runs these attacks or tests to their end; gives nothing if that does not come."""
    command = [program, "--exact", *names]
    try:
        return subprocess.run(
            command,
            env=environment,
            cwd=COPY,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIVE_UP,
        )
    except subprocess.TimeoutExpired:
        return None


def run_test(program: Path, test: str, environment: dict[str, str]) -> Verdict:
    """Runs one test of another suite."""
    ran = start(program, [test], environment | {"RUST_BACKTRACE": "0"})
    if ran is None:
        return Verdict(False, f"it takes longer than {GIVE_UP} s")
    if "running 1 test" not in ran.stdout:
        return Verdict(False, "there is no such test")
    if ran.returncode == 0:
        return Verdict(True, "the test passes")
    # What stands behind the place of the panic.
    said = re.search(r"panicked at [^\n]*\n(.*?)\n(?:note: |\n)", ran.stdout, re.DOTALL)
    return Verdict(False, said[1].strip() if said else ran.stdout.strip())


def drive(program: Path, attacks: list[str], environment: dict[str, str]) -> dict[str, Verdict]:
    """Runs attacks of this suite in one go."""
    ran = start(program, attacks, environment)
    if ran is None:
        return dict.fromkeys(attacks, Verdict(False, f"the driver gave nothing in {GIVE_UP} s"))
    verdicts = parse(ran.stdout, attacks)
    unheard = Verdict(False, f"no verdict (code {ran.returncode}): {ran.stderr.strip()}")
    if ran.returncode == 0 and not all(verdict.passed for verdict in verdicts.values()):
        unheard = Verdict(False, "the driver's exit code does not fit its verdicts")
        verdicts = {}
    return {attack: verdicts.get(attack, unheard) for attack in attacks}


def parse(output: str, attacks: list[str]) -> dict[str, Verdict]:
    """The verdicts in the driver's table, whose texts can have several lines."""
    names = "|".join(map(re.escape, attacks))
    row = re.compile(rf"^({names}) +(passed|FAILED) +[\d.]+  ", re.MULTILINE)
    end = re.compile(r"\n\n\d+ passed, \d+ failed\n*\Z").search(output)
    if end is None:
        return {}
    found = list(row.finditer(output))
    stops = [match.start() for match in found[1:]] + [end.start()]
    return {
        match[1]: Verdict(match[2] == "passed", output[match.end() : stop].strip())
        for match, stop in zip(found, stops)
    }


def attack_without(suites: dict[str, Path], defence: Defence, row: Row) -> None:
    """Runs an attack with its defence taken out, and notes what is not as it should be."""
    if defence.unless and re.search(defence.unless, row.with_it.line()):
        row.not_tried = True
        return
    without = [defence.name, *defence.also[row.attack]]
    verdict = run(suites, [row.attack], without, defence.hang)[row.attack]
    row.without_it = verdict
    then = defence.then[row.attack]
    if verdict.passed:
        row.trouble.append(f"without {' and '.join(without)} it is fended off all the same")
    elif not re.search(then, verdict.line()):
        row.trouble.append(
            f"without {' and '.join(without)} it should have succeeded like this:"
            f"\n    {then}\nbut what came of it is:\n    {verdict.line()}"
        )


def make_rows(suites: dict[str, Path], plan: Plan) -> list[Row]:
    """Runs everything."""
    owners = {attack: defence for defence in plan.defences for attack in defence.attacks}
    attacks = [*owners, *plan.exceptions]
    say(f"running {len(attacks)} attacks with all defences")
    with_all = run(suites, attacks, [], None)
    rows = []
    for attack, verdict in with_all.items():
        row = Row(attack, owners[attack].name if attack in owners else "-", verdict)
        if not verdict.passed:
            row.trouble.append(f"with all defences: {verdict.text}")
        rows.append(row)
    say(f"running {len(owners)} attacks without their defence, {AT_ONCE} at once")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tasks = [
            pool.submit(attack_without, suites, owners[row.attack], row)
            for row in rows
            if row.attack in owners
        ]
    for task in tasks:
        task.result()
    return rows


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- the table


def check_completeness(plan: Plan, attacks: list[str], readme: str) -> list[str]:
    """Every attack is in the table and in the README, and nothing else is."""
    planned = {attack for defence in plan.defences for attack in defence.attacks}
    planned |= set(plan.exceptions)
    trouble = [
        f"{attack}: in no defence and no exception of {DEFENCES}"
        for attack in attacks
        if attack not in planned
    ]
    trouble += [
        f"{attack}: {DEFENCES} has it, but there is no such attack"
        for attack in sorted(planned - set(attacks))
        if "::" not in attack
    ]
    # The README speaks of a family of attacks as `call-NAME`.
    told = [name.replace("NAME", "*") for name in re.findall(r"`([\w-]+)`", readme)]
    trouble += [
        f"{attack}: not in {README}"
        for attack in sorted(planned | set(attacks))
        if not any(fnmatchcase(attack.rsplit("::", 1)[-1], name) for name in told)
    ]
    return trouble


def chosen(plan: Plan, words: list[str]) -> Plan:
    """The part of the plan that is asked for; aids stay."""

    def wanted(*names: str) -> bool:
        return not words or any(word in name for word in words for name in names)

    defences = []
    for defence in plan.defences:
        attacks = tuple(attack for attack in defence.attacks if wanted(attack, defence.name))
        if attacks:
            defences.append(replace(defence, attacks=attacks))
    return Plan(defences, {name: why for name, why in plan.exceptions.items() if wanted(name)})


def print_table(plan: Plan, rows: list[Row]) -> None:
    cells = [("attack", "defence", "with it", "without it")]
    for row in rows:
        without = "not tried: see below"
        if row.not_tried:
            without = "not tried: on this machine something else stops it"
        elif row.without_it:
            without = row.without_it.short()
        cells.append((row.attack, row.defence, row.with_it.short(), without))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    cells.insert(1, tuple("-" * width for width in widths))
    for line in cells:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
    for attack, why in plan.exceptions.items():
        print(f"\n{attack} is an exception: {' '.join(why.split())}")


def main(words: list[str]) -> int:
    began = time.monotonic()
    plan = read_plan((ROOT / DEFENCES).read_text())
    copy_source(COPY)
    edits = [edit for defence in plan.defences for edit in defence.edits]
    apply_edits(COPY, own_edits() + edits)
    rename(COPY)
    suites = build(COPY)
    if words == ["--build"]:
        return 0
    attacks = list_attacks(suites["hostile"])
    plan = expanded(plan, attacks)
    check_names(plan)
    trouble = check_completeness(plan, attacks, (ROOT / README).read_text())
    part = chosen(plan, words)
    if not part.defences and not part.exceptions:
        raise Mistake(f"no defence and no attack has {' or '.join(words)} in its name")
    rows = make_rows(suites, part)
    print_table(part, rows)
    trouble += [f"{row.attack}: {text}" for row in rows for text in row.trouble]
    for text in trouble:
        print(f"\nMISMATCH {text}")
    tried = [row for row in rows if row.without_it and not row.not_tried]
    succeeded = sum(not row.trouble for row in tried)
    print(
        f"\n{len(rows)} attacks: {succeeded} succeed without their defence and not with it,"
        f" {len(part.exceptions)} are exceptions,"
        f" {sum(row.not_tried for row in rows)} were not tried; {len(trouble)} mismatches;"
        f" {time.monotonic() - began:.0f} s"
    )
    return 1 if trouble else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Mistake as mistake:
        sys.exit(f"error: {mistake}")
