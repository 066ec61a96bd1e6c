//! The plugins of this repository, as they are built and committed, do what the cases beside
//! their sources say: `host test` runs them.

use std::fs;

use crate::run::{Scene, repository};

#[test]
fn every_plugin_does_what_its_cases_say() {
    let mut cases = 0;
    for plugin in fs::read_dir(repository("plugins")).unwrap() {
        let plugin = plugin.unwrap().path();
        let Ok(of_this) = fs::read_dir(plugin.join("cases")) else { continue };
        let of_this = of_this.count();
        let ran = Scene::new().bare().arg("test").arg(&plugin).run();
        let told = String::from_utf8_lossy(&ran.stdout);
        assert_eq!(ran.code, 0, "{}:\n{told}{}", plugin.display(), ran.stderr);
        assert!(told.ends_with(&format!("{of_this} cases: {of_this} as expected\n")), "{told}");
        cases += of_this;
    }
    assert!(cases >= 24, "only {cases} cases were found");
}
