//! The page: `page/page.html` with its style, its script and its data in it. Nothing of the data can
//! become more than data: it stands in an element that no browser runs, without a `<` that could
//! end it, and a policy forbids every script and style but these two, and every request.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// One script, in rooms of one purpose each.
const SCRIPT: &str = concat!(
    include_str!("page/words.js"),
    include_str!("page/elements.js"),
    include_str!("page/charts.js"),
    include_str!("page/glance.js"),
    include_str!("page/throughput.js"),
    include_str!("page/workers.js"),
    include_str!("page/records.js"),
    include_str!("page/failures.js"),
    include_str!("page/account.js"),
    include_str!("page/draw.js"),
);

/// What every report begins with, and nothing else.
pub const BEGINNING: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta name=\"generator\" content=\"host --report\">\n";

/// The page that shows these data, which are JSON.
pub fn page(data: &str) -> String {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    // In JSON it stands in strings only, which may have it so.
    let data = data.replace('<', "\\u003c");
    let parts: [(&str, Cow<'_, str>); 4] = [
        ("{policy}", policy.into()),
        ("{style}", STYLE.into()),
        ("{data}", data.into()),
        ("{script}", SCRIPT.into()),
    ];
    let (mut page, mut rest) = (String::with_capacity(PAGE.len() + SCRIPT.len()), PAGE);
    for (place, text) in parts {
        // What was put in is not looked at again: it may hold anything.
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        page += before;
        page += &text;
        rest = after;
    }
    page + rest
}

/// The hash by which a policy allows a script or a style.
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_leave_their_element() {
        let data = r#"{"name":"</script><script>alert(1)</script><!-- {script} {style}"}"#;
        let page = page(data);
        assert!(page.starts_with(BEGINNING));
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</script").count(), 2);
        assert!(!page.contains("<!--"));
        let from = page.split_once("id=\"data\">").unwrap().1;
        let told = from.split_once("</script>").unwrap().0;
        let told: serde_json::Value = serde_json::from_str(told).unwrap();
        assert_eq!(told, serde_json::from_str::<serde_json::Value>(data).unwrap());
    }

    #[test]
    fn script_and_style_end_where_they_should() {
        for text in [SCRIPT, STYLE] {
            assert!(!text.contains("</") && !text.contains("<!--") && !text.contains('\r'));
        }
    }
}
