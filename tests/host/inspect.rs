//! `host inspect`: the contract as the program shows it is that of `wit/`, and what it writes
//! can be used.

use std::fs;

use wit_parser::Resolve;

use crate::run::{Scene, repository};

fn shown(arguments: &str) -> String {
    let ran = Scene::new().bare().args("inspect").args(arguments).run();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn every_function_of_the_contract_is_in_the_overview() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(repository("wit")).unwrap();
    let overview = shown("");
    let package = &resolve.packages[package];
    let mut functions = 0;
    for world in package.worlds.values().map(|world| &resolve.worlds[*world]) {
        assert!(overview.contains(&format!("\n  {:<12}", world.name)), "{}", world.name);
        for export in world.exports.keys() {
            let name = resolve.name_world_key(export);
            assert!(overview.contains(&format!("  {name}: func(")), "{name}");
            functions += 1;
        }
    }
    for (name, interface) in &package.interfaces {
        assert!(overview.contains(&format!("\n  {name:<12}")), "{name}");
        for function in resolve.interfaces[*interface].functions.keys() {
            assert!(overview.contains(&format!("  {function}: func(")), "{function}");
            functions += 1;
        }
    }
    assert_eq!(overview.matches(": func(").count(), functions, "{overview}");
    assert!(overview.contains(&package.name.to_string()), "{overview}");
}

#[test]
fn one_world_is_shown_whole() {
    assert_eq!(shown("filter"), fs::read_to_string(repository("wit/filter.wit")).unwrap());
    let ran = Scene::new().bare().args("inspect sort").run();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("flat-map"), "{}", ran.stderr);
}

#[test]
fn the_files_can_be_written_and_overwrite_nothing() {
    let scene = Scene::new();
    let write = || scene.bare().args("inspect --write deps/wit").run();
    assert_eq!(write().code, 0);
    let mut resolve = Resolve::default();
    resolve.push_dir(scene.path("deps/wit")).unwrap();
    assert_eq!(resolve.worlds.len(), 5);
    fs::write(scene.path("deps/wit/batch.wit"), "mine").unwrap();
    let ran = write();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("cannot write deps/wit/batch.wit: File exists"), "{}", ran.stderr);
    assert_eq!(scene.read("deps/wit/batch.wit"), b"mine");
}
