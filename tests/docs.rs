//! Looks at README.md and the pages of docs/ as a book: whether what they link to is there, and
//! whether docs/SUMMARY.md, the book's table of contents, has every page.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// README.md and the pages of docs/, which lie in directories within.
fn pages() -> Vec<PathBuf> {
    let docs = WalkDir::new(Path::new(REPOSITORY).join("docs")).into_iter();
    let mut pages: Vec<_> = docs
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    assert!(pages.len() > 10);
    pages.push(Path::new(REPOSITORY).join("README.md"));
    pages
}

/// What stands between marks that come in pairs: blocks of code, or words of code.
fn outside(text: &str, mark: &str) -> String {
    text.split(mark).step_by(2).collect::<Vec<_>>().join("code")
}

fn without_blocks(page: &Path) -> String {
    outside(&fs::read_to_string(page).unwrap(), "```")
}

/// Where a page's links lead, as they are written.
fn links(page: &Path) -> Vec<String> {
    let prose = outside(&without_blocks(page), "`");
    let in_line = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let below = prose.lines().filter(|line| line.starts_with('['));
    let below = below.filter_map(|line| line.split_once("]: "));
    let targets = in_line.map(|(target, _)| target).chain(below.map(|(_, target)| target));
    targets.map(ToOwned::to_owned).collect()
}

/// The names of a page's headings, as forges and mdBook make them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let mut times = HashMap::new();
    let text = without_blocks(page);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let names = headings.map(|heading| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let name: String = words
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let before = times.entry(name.clone()).or_insert(0);
        *before += 1;
        if *before == 1 { name } else { format!("{name}-{}", *before - 1) }
    });
    names.collect()
}

#[test]
fn what_is_linked_to_is_there() {
    let mut seen = 0;
    for page in pages() {
        for link in links(&page) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let place = page.parent().unwrap().join(file);
            let target = if file.is_empty() { &page } else { &place };
            assert!(target.exists(), "{}: {link} is not there", page.display());
            assert!(
                anchor.is_empty() || anchors(target).contains(anchor),
                "{}: {link} is no heading there",
                page.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn every_link_by_a_name_has_a_place() {
    for page in pages() {
        let prose = outside(&without_blocks(&page), "`");
        let used = prose.split("][").skip(1).filter_map(|rest| rest.split_once(']'));
        let used: BTreeSet<_> = used.map(|(name, _)| name).collect();
        let defined = prose.lines().filter(|line| line.starts_with('['));
        let defined = defined.filter_map(|line| line[1..].split_once("]: "));
        let defined: BTreeSet<_> = defined.map(|(name, _)| name).collect();
        assert_eq!(used, defined, "{}", page.display());
    }
}

#[test]
fn the_book_has_every_page_once() {
    let docs = Path::new(REPOSITORY).join("docs");
    let mut named = links(&docs.join("SUMMARY.md"));
    let mut there: Vec<_> = pages()
        .iter()
        .filter_map(|page| page.strip_prefix(&docs).ok())
        .map(|page| page.to_str().unwrap().to_owned())
        .filter(|page| page != "SUMMARY.md")
        .collect();
    named.sort();
    there.sort();
    assert_eq!(named, there);
}
