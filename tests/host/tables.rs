//! Tables that other programs write are read as they read them, and they read what the
//! program writes: Python's csv module and DuckDB. A test is passed over where its program
//! is missing, unless this is CI.

use std::process::Command;

use crate::run::Scene;
use crate::wat;

/// Whether Python and a module of it are there. In CI they have to be.
fn has_python_with(module: &str) -> bool {
    let output = Command::new("python3").args(["-c", &format!("import {module}")]).output();
    let is_there = output.is_ok_and(|output| output.status.success());
    let is_ci = std::env::var_os("CI").is_some();
    assert!(is_there || !is_ci, "python3 with the module {module} is missing");
    is_there
}

/// Runs a script in a scene.
#[track_caller]
fn python(scene: &Scene, script: &str) {
    let mut command = Command::new("python3");
    command.args(["-c", &format!("{VALUES}\n{script}")]).current_dir(scene.path(""));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Rows with whatever a field can hold, and how a table is read for comparison.
const VALUES: &str = r#"
import csv, json, sys
odd = ["", " ", "a", "a,b", 'a "b"', '"', '""', "a\nb", "a\r\nb", "\r", "\t", "\u00e9\U0001f600",
       "'", "\\", "0", "1.10", "null", "\ufeff", ",", "x" * 5000]
rows = [[str(n), odd[n % len(odd)], odd[(n // len(odd)) % len(odd)]] for n in range(2000)]
names = ["id", "the, name", 'the "note"\n']
def read(name, **options):
    with open(name, newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file, **options))
"#;

/// The program's objects, as Python reads them back, are the rows that were written.
const CHECK_OBJECTS: &str = r#"
objects = [json.loads(line) for line in open("out.ndjson", encoding="utf-8")]
assert objects == [dict(zip(names, row)) for row in rows], "the objects differ"
"#;

#[test]
fn what_python_writes_is_read_as_python_reads_it() {
    if !has_python_with("csv") {
        return;
    }
    // Where rows end with a line feed it leaves a carriage return without quotes, and does
    // not read it back itself.
    let no_returns = "rows = [[cell.replace('\\r', '') for cell in row] for row in rows]\n";
    for (name, options, prepare) in [
        ("a.csv", "", ""),
        ("a.csv", ", quoting=csv.QUOTE_ALL", ""),
        ("a.csv", ", quoting=csv.QUOTE_NONNUMERIC", ""),
        ("a.csv", ", lineterminator='\\n'", no_returns),
        ("a.csv", ", lineterminator='\\r', quoting=csv.QUOTE_ALL", ""),
        ("a.csv", ", dialect='unix'", ""),
        ("a.tsv", ", dialect='excel-tab'", ""),
    ] {
        let scene = Scene::new();
        let python = |script: &str| python(&scene, &format!("{prepare}{script}"));
        let write = format!(
            "with open({name:?}, 'w', newline='', encoding='utf-8') as file:\n    \
             csv.writer(file{options}).writerows([names] + rows)"
        );
        python(&write);
        let delimiter = if name == "a.tsv" { "\\t" } else { "," };
        let compare = format!(
            "tables = [read(name, delimiter='{delimiter}') for name in ['same', {name:?}]]\n\
             assert tables == [[names] + rows] * 2, 'the rows differ'"
        );
        for workers in ["--workers 1", "--workers 3 --range-size 1000"] {
            let host = || scene.host(&wat::keeps_all()).args(workers).arg(name);
            let ran = host().args("--to ndjson -o out.ndjson").run();
            ran.exits(0).account().holds(&[("kept", 2000)]);
            python(CHECK_OBJECTS);
            host().args("-o same").run().exits(0);
            python(&compare);
        }
    }
}

#[test]
fn python_reads_what_is_written() {
    if !has_python_with("csv") {
        return;
    }
    let scene = Scene::new();
    let write = "with open('in.ndjson', 'w') as file:\n    \
                 for row in rows: print(json.dumps(dict(zip(names, row))), file=file)";
    python(&scene, write);
    let columns = "id,\"the, name\",\"the \"\"note\"\"\n\"";
    for (to, delimiter) in [("csv", ","), ("tsv", "\\t")] {
        let host = scene.host(&wat::keeps_all()).args("in.ndjson -o out --to").arg(to);
        host.arg("--columns").arg(columns).run().exits(0);
        let check = format!("assert read('out', delimiter='{delimiter}') == [names] + rows");
        python(&scene, &check);
    }
}

#[test]
fn what_duckdb_writes_is_read_and_it_reads_what_is_written() {
    if !has_python_with("duckdb") {
        return;
    }
    let scene = Scene::new();
    let write = r#"
import duckdb
db = duckdb.connect()
db.execute('create table t (id varchar, a varchar, b varchar)')
# It writes a null and an empty text alike where nothing is quoted, and reads a null.
rows = [[a, b or "-", c or "-"] for a, b, c in rows]
db.executemany('insert into t values (?, ?, ?)', rows[:400])
db.execute("copy (select * from t order by id::int) to 'a.csv' (header, delimiter ',')")
db.execute("copy (select * from t order by id::int) to 'all.csv' (header, force_quote *)")
db.execute("copy (select * from t order by id::int) to 'a.tsv' (header, delimiter '\t')")
"#;
    python(&scene, write);
    for (name, delimiter) in [("a.csv", ","), ("all.csv", ","), ("a.tsv", "\\t")] {
        let host = || scene.host(&wat::keeps_all()).arg(name).args("--range-size 1000");
        host().args("--to ndjson -o out.ndjson").run().exits(0).account().holds(&[("kept", 400)]);
        host().args("-o same").run().exits(0);
        host().args("--to csv --columns b,id -o picked").run().exits(0);
        let check = format!(
            r#"
import duckdb
rows = [[a, b or "-", c or "-"] for a, b, c in rows][:400]
objects = [json.loads(line) for line in open("out.ndjson", encoding="utf-8")]
assert objects == [dict(zip(["id", "a", "b"], row)) for row in rows]
options = "header=true, all_varchar=true, quote='\"', escape='\"', strict_mode=true, null_padding=false, auto_detect=false"
columns = "columns={{'id': 'varchar', 'a': 'varchar', 'b': 'varchar'}}"
found = duckdb.sql(f"select * from read_csv('same', delim='{delimiter}', {{columns}}, {{options}})").fetchall()
assert [list(row) for row in found] == rows, "DuckDB reads other rows"
columns = "columns={{'b': 'varchar', 'id': 'varchar'}}"
found = duckdb.sql(f"select * from read_csv('picked', delim=',', {{columns}}, {{options}})").fetchall()
assert [list(row) for row in found] == [[row[2], row[0]] for row in rows]
"#
        );
        python(&scene, &check);
    }
}

/// Every table that these programs write, through the program as it is, as Parquet, as Arrow and
/// as lines; then they compare what they read of those.
#[test]
fn parquet_and_arrow_are_to_pyarrow_and_duckdb_what_they_were() {
    if !has_python_with("pyarrow") || !has_python_with("duckdb") {
        return;
    }
    let scene = Scene::new();
    let script = crate::run::repository("tests/host/data/tables/tables.py");
    let python = |arguments: &[&str]| {
        let mut command = Command::new("python3");
        let output = command.arg(&script).args(arguments).current_dir(scene.path("")).output();
        let output = output.unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {words}");
    };
    python(&["write"]);
    let names = scene.names();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let host = || scene.host(&wat::keeps_all()).arg(&name).args("--range-size 20000");
        for (kind, flags) in [
            ("same", ""),
            ("arrow", "--to arrow"),
            ("parquet", "--to parquet"),
            ("lines", "--to ndjson"),
        ] {
            host().args(flags).args("-o").arg(format!("{kind}-{name}")).run().exits(0);
        }
        python(&["check", &name]);
    }
}
