//! `host doctor`: what the sandbox can be on this machine, layer by layer.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use host::{Finding, default_workers, printable};
use serde_json::json;

use super::report;

/// Tells layer by layer what the sandbox can be on this machine, what a run would use,
/// why a layer cannot be had, and what to change
#[derive(Debug, Parser)]
#[command(name = "host doctor")]
struct Arguments {
    /// Tell it as JSON
    #[arg(long)]
    json: bool,
}

/// Tries everything and tells. The exit code is 3 if `host` would refuse to run here.
pub fn run() -> ExitCode {
    let words = std::env::args_os().skip(1);
    let arguments = match super::parse::<Arguments>(words) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let findings = match host::doctor() {
        Ok(findings) => findings,
        Err(error) => return report::refuse(&error),
    };
    let text = if arguments.json { as_json(&findings) } else { as_text(&findings) };
    // Nobody may be left to read it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let refused = findings.iter().any(|finding| finding.demanded && finding.trouble.is_some());
    ExitCode::from(if refused { 3 } else { 0 })
}

fn modes(findings: &[Finding]) -> (&'static str, &'static str) {
    let lacks = |demanded: bool| {
        findings.iter().any(|finding| finding.trouble.is_some() && (finding.demanded || !demanded))
    };
    let auto = match (lacks(true), lacks(false)) {
        (true, _) => "refuses to run",
        (false, true) => "runs with less than everything",
        (false, false) => "runs with everything",
    };
    (auto, if lacks(false) { "refuses to run" } else { "runs" })
}

fn as_text(findings: &[Finding]) -> String {
    let mut text = String::from("The sandbox around workers on this machine:\n\n");
    for finding in findings {
        let demanded = if finding.demanded { " (always demanded)" } else { "" };
        let state = match &finding.trouble {
            None => "yes".to_owned(),
            Some(trouble) => format!("NO: {}", printable(trouble)),
        };
        text += &format!("  {:<14}{state}{demanded}\n", finding.layer);
        text += &format!("  {:<14}{}\n", "", finding.purpose());
        if finding.trouble.is_some() {
            text += &format!("  {:<14}to have it: {}\n", "", finding.remedy());
        }
    }
    let (auto, strict) = modes(findings);
    text += &format!("\n  --sandbox=auto {auto}; --sandbox=strict {strict}\n");
    text + &format!("  workers by default: {}\n", default_workers())
}

fn as_json(findings: &[Finding]) -> String {
    let layers: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "layer": finding.layer.name(),
                "available": finding.trouble.is_none(),
                "demanded": finding.demanded,
                "trouble": finding.trouble,
                "purpose": finding.purpose(),
                "remedy": finding.remedy(),
            })
        })
        .collect();
    let (auto, strict) = modes(findings);
    let all = json!({
        "layers": layers, "auto": auto, "strict": strict, "workers": default_workers(),
    });
    format!("{all:#}\n")
}
