//! The plugins of this repository, as they are built and committed, do what the cases beside
//! their sources say: `host test` runs them.

use std::fs;

use crate::run::{Scene, repository};

#[test]
fn every_plugin_does_what_its_cases_say() {
    let mut plugins = 0;
    for plugin in fs::read_dir(repository("plugins")).unwrap() {
        let plugin = plugin.unwrap().path();
        let name = plugin.file_name().unwrap().to_str().unwrap();
        // Of the directories one holds what several plugins share, and a hidden one builds.
        if !plugin.is_dir() || name == "shared" || name.starts_with('.') {
            continue;
        }
        let cases = fs::read_dir(plugin.join("cases")).unwrap().count();
        let ran = Scene::new().bare().arg("test").arg(&plugin).run();
        let told = String::from_utf8_lossy(&ran.stdout);
        assert_eq!(ran.code, 0, "{name}:\n{told}{}", ran.stderr);
        assert!(told.ends_with(&format!("{cases} cases: {cases} as expected\n")), "{told}");
        plugins += 1;
    }
    assert!(plugins >= 15, "only {plugins} plugins were found");
}
