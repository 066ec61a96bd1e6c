//! A flame graph: functions above those that called them, as wide as the share of looks that
//! found the plugin in them. One SVG picture without scripts, which any browser shows; a
//! function's name and share stand in its tooltip.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use host::{grouped, printable};

use crate::cli::measurements::Stacks;

/// The picture's width, and the height of a function, in pixels.
const WIDTH: f64 = 1200.0;
const ROW: usize = 18;
/// Room for the title.
const HEAD: usize = 40;
/// About as wide is a letter of the font, in pixels.
const LETTER: f64 = 6.6;
/// What is narrower is left out, in pixels.
const NARROW: f64 = 0.3;

/// A function, called by one certain way.
#[derive(Default)]
struct Node<'a> {
    count: u64,
    called: BTreeMap<&'a str, Node<'a>>,
}

impl<'a> Node<'a> {
    fn depth(&self) -> usize {
        self.called.values().map(|node| 1 + node.depth()).max().unwrap_or_default()
    }
}

/// Draws stacks.
pub fn draw(stacks: &Stacks, title: &str) -> String {
    let mut root = Node::default();
    for (stack, count) in stacks {
        root.count = root.count.saturating_add(*count);
        let mut at = &mut root;
        for name in stack {
            at = at.called.entry(name).or_default();
            at.count = at.count.saturating_add(*count);
        }
    }
    let height = HEAD + root.depth() * ROW + ROW;
    let mut picture = Picture { svg: String::new(), all: root.count.max(1), height };
    picture.children(&root, 0.0, 0);
    let looks = grouped(root.count);
    let title = escaped(&format!("{title}: where it was at {looks} looks at it"));
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="ui-monospace, monospace" font-size="11" role="img" aria-label="{title}">
<style>
svg {{ background: #fff; color: #111 }}
rect {{ stroke: #fff; stroke-width: 0.5 }}
rect:hover {{ stroke: #111 }}
text {{ fill: #111; pointer-events: none }}
@media (prefers-color-scheme: dark) {{
  svg {{ background: #161616 }}
  rect {{ stroke: #161616 }}
  rect:hover {{ stroke: #fff }}
  .title {{ fill: #eee }}
}}
</style>
<text class="title" x="8" y="24" font-size="14">{title}</text>
{}</svg>
"#,
        picture.svg
    )
}

struct Picture {
    svg: String,
    all: u64,
    height: usize,
}

impl Picture {
    /// Draws what a function has called, from this place to the right.
    fn children(&mut self, node: &Node<'_>, mut left: f64, depth: usize) {
        for (name, node) in &node.called {
            let width = WIDTH * node.count as f64 / self.all as f64;
            if width >= NARROW {
                self.function(name, node, (left, width), depth);
                self.children(node, left, depth + 1);
            }
            left += width;
        }
    }

    fn function(&mut self, name: &str, node: &Node<'_>, (left, width): (f64, f64), depth: usize) {
        let top = self.height - (depth + 1) * ROW - ROW / 2;
        let share = 100.0 * node.count as f64 / self.all as f64;
        let name = printable(name);
        let tooltip = escaped(&format!("{name}: {share:.1} % ({})", grouped(node.count)));
        // Writing to a string does not fail.
        let _ = writeln!(
            self.svg,
            r#"<g><title>{tooltip}</title><rect x="{left:.1}" y="{top}" width="{width:.1}" height="{ROW}" fill="{}"/>"#,
            colour(&name)
        );
        let letters = ((width - 6.0) / LETTER).max(0.0) as usize;
        if letters >= 3 {
            let shown = match name.chars().count() <= letters {
                true => name,
                false => name.chars().take(letters - 1).chain(['…']).collect(),
            };
            let _ = writeln!(
                self.svg,
                r#"<text x="{:.1}" y="{}">{}</text>"#,
                left + 3.0,
                top + 13,
                escaped(&shown)
            );
        }
        self.svg += "</g>\n";
    }
}

/// A warm colour, the same for the same name.
fn colour(name: &str) -> String {
    let sum = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("hsl({}, {}%, {}%)", 15 + sum % 40, 75 + (sum / 40) % 20, 66 + (sum / 800) % 12)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_as_wide_as_their_share_and_stand_on_their_callers() {
        let stack = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let stacks =
            [(stack(&["keep", "find<u8>"]), 3), (stack(&["keep"]), 1), (stack(&["\u{1b}[31m"]), 4)];
        let svg = draw(&stacks.into(), "a & b");
        assert!(svg.contains("a &amp; b: where it was at 8 looks at it"), "{svg}");
        let of = |name: &str| {
            let from = svg.find(&format!("<title>{name}: ")).unwrap();
            svg[from..].lines().next().unwrap().to_owned()
        };
        let (keep, find) = (of("keep"), of("find&lt;u8&gt;"));
        assert!(
            keep.starts_with("<title>keep: 50.0 % (4)</title>")
                && keep.contains(r#"width="600.0""#)
        );
        assert!(find.contains("37.5 % (3)") && find.contains(r#"width="450.0""#), "{find}");
        let top = |line: &str| -> usize {
            line.split_once("y=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap()
        };
        assert_eq!(top(&keep), top(&find) + ROW);
        assert!(!svg.contains('\u{1b}'));
    }
}
