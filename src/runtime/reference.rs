//! docs/reference.md tells what there is: everything that plugins export and import, with its
//! exact type, and nothing else.

use std::collections::BTreeSet;

use wasmtime::ValType;
use wit_component::WitPrinter;
use wit_parser::{PackageId, Resolve};

use super::core_imports::offers;
use super::core_module::{INITIALIZE, REALLOC};
use super::operation::CALLS;
use super::wasi::{preview1, preview2};

const REFERENCE: &str = include_str!("../../docs/reference.md");

/// What stands under a heading, up to the next one of its level or above.
fn section(heading: &str) -> &'static str {
    let level = heading.split(' ').next().unwrap();
    let start = REFERENCE.find(&format!("\n{heading}\n")).unwrap() + heading.len() + 2;
    let rest = &REFERENCE[start..];
    let ends =
        (1..=level.len()).filter_map(|level| rest.find(&format!("\n{} ", "#".repeat(level))));
    &rest[..ends.min().unwrap_or(rest.len())]
}

/// The rows of a section's tables that begin with code: their cells.
fn rows(heading: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let rows = section(heading).lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// Code in a cell, without its marks.
fn code(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split('`').skip(1).step_by(2)
}

fn one(cell: &'static str) -> &'static str {
    code(cell).next().unwrap_or_default()
}

fn signature(params: &[ValType], results: &[ValType]) -> String {
    let list =
        |types: &[ValType]| types.iter().map(ValType::to_string).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(params), list(results))
}

/// The worlds and interfaces of a package, as a printer of WIT writes them without comments.
fn items(resolve: &Resolve, package: PackageId) -> BTreeSet<String> {
    let mut printer = WitPrinter::default();
    printer.emit_docs(false).print(resolve, package, &[]).unwrap();
    printer.output.to_string().split("\n}\n").map(|item| item.trim().to_owned()).collect()
}

#[test]
fn the_contract_is_that_of_wit() {
    let mut resolve = Resolve::default();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/wit");
    let (package, _) = resolve.push_dir(directory).unwrap();
    // Blocks and what is between them take turns.
    let blocks = REFERENCE.split("```").skip(1).step_by(2);
    let told: String = blocks.filter_map(|block| block.strip_prefix("wit\n")).collect();
    let told = format!("package {};\n{told}", resolve.packages[package].name);
    let mut of_reference = Resolve::default();
    let read = of_reference.push_str("docs/reference.md", &told).unwrap();
    let (wanted, told) = (items(&resolve, package), items(&of_reference, read));
    // The package's name stands before the first, which need not be the same.
    let bare = |items: BTreeSet<String>| -> BTreeSet<String> {
        let items = items.iter().map(|item| match item.strip_prefix("package") {
            Some(item) => item.split_once('\n').map_or("", |(_, item)| item.trim()),
            None => item,
        });
        items.map(str::to_owned).collect()
    };
    assert_eq!(bare(told), bare(wanted));
}

#[test]
fn core_modules_export_and_import_what_it_says() {
    let told: BTreeSet<_> = rows("## Core modules").collect();
    let has = |cells: &[&str]| {
        told.iter().any(|row| {
            row.len() > cells.len()
                && cells.iter().zip(row).all(|(cell, told)| told.trim_matches('`') == *cell)
        })
    };
    let mut wanted = 0;
    let mut expect = |cells: &[&str]| {
        assert!(has(cells), "{cells:?}");
        wanted += 1;
    };
    let i32s = |count| vec![ValType::I32; count];
    expect(&[REALLOC, &signature(&i32s(4), &i32s(1))]);
    expect(&[INITIALIZE, &signature(&[], &[])]);
    let mut layouts = BTreeSet::new();
    for function in CALLS.iter().flat_map(|call| call.functions) {
        let (params, results) = (function.core_params(), function.core_results());
        expect(&[function.export, &signature(&i32s(params), &i32s(results))]);
        if let Some((_, result)) = function.wit.split_once(" -> ") {
            expect(&[function.post, &signature(&i32s(1), &[])]);
            layouts.insert((result, function.result_bytes.to_string()));
        }
    }
    layouts.iter().for_each(|(result, bytes)| expect(&[result, bytes]));
    for offer in offers().filter(|offer| offer.interface != preview1::MODULE) {
        expect(&[offer.interface, offer.name, &signature(offer.params, offer.results)]);
    }
    assert_eq!(told.len(), wanted, "it names something that there is not");
}

#[test]
fn every_function_of_wasi_0_1_is_there_and_no_other() {
    let told: BTreeSet<_> =
        rows("### WASI 0.1").map(|row| (one(row[0]), one(row[1]).to_owned())).collect();
    let wanted = preview1::functions()
        .map(|(name, params, results)| (name, signature(params, results)))
        .collect();
    assert_eq!(told, wanted);
}

#[test]
fn every_interface_of_wasi_0_2_is_there_and_no_other() {
    let told: BTreeSet<_> = rows("### WASI 0.2").map(|row| one(row[0])).collect();
    assert_eq!(told, BTreeSet::from(preview2::INTERFACES));
    // The functions that are given one by one are patterns of a `match`.
    let source = include_str!("wasi/preview2.rs");
    let start = source.find("fn add_function(").unwrap();
    let source = &source[start..source.find("#[cfg(test)]").unwrap()];
    let quoted: Vec<&str> = source.split('"').collect();
    let patterns = quoted.windows(2).skip(1).step_by(2).filter(|pair| {
        let behind = pair[1].trim_start().trim_start_matches(')').trim_start();
        behind.starts_with("=>") || behind.starts_with('|')
    });
    let wanted: BTreeSet<_> =
        patterns.map(|pair| pair[0]).filter(|name| !name.contains(':')).collect();
    let told: BTreeSet<_> = rows("### WASI 0.2").flat_map(|row| code(row[1])).collect();
    assert_eq!(told, wanted);
}
