//! `host doctor`: what the sandbox can be on this machine, layer by layer, and where
//! compiled plugins are kept.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use bytesize::ByteSize;
use host::{CacheUse, Finding, Layer, default_cache, default_workers, look_into_cache, printable};
use serde_json::json;

use super::arguments::SandboxChoice;
use super::report;

/// Tells what the sandbox can be on this machine
///
/// Told is layer by layer what there is, what a run would use, why a layer cannot be had, and what
/// to change; and where compiled plugins are kept.
#[derive(Debug, Parser)]
#[command(
    name = "doctor",
    bin_name = "host doctor",
    after_help = "\
Exit codes: 0 a run can have what it demands; 2 nothing was looked at; 3 it cannot."
)]
pub struct Arguments {
    /// Tell it as JSON
    #[arg(long)]
    json: bool,

    /// What a run would demand, as its own --sandbox says
    #[arg(long, value_enum, value_name = "WHAT", default_value = "auto")]
    sandbox: SandboxChoice,

    /// Layers that a run would demand besides, as its own --sandbox-require says
    #[arg(long, value_name = "LAYER,...", value_delimiter = ',')]
    sandbox_require: Vec<Layer>,
}

impl Arguments {
    /// Whether a run that is told the same is refused without the layer.
    fn demand(&self, finding: &Finding) -> bool {
        match self.sandbox {
            SandboxChoice::Strict => true,
            SandboxChoice::Auto => {
                finding.demanded || self.sandbox_require.contains(&finding.layer)
            }
            SandboxChoice::Off => false,
        }
    }
}

/// Tries everything and tells. The exit code is 3 if `host` would refuse to run here.
pub fn run(arguments: Arguments) -> ExitCode {
    let findings = match host::doctor() {
        Ok(findings) => findings,
        Err(error) => return report::refuse(&error),
    };
    let cache = default_cache().map(|path| Looked { used: look_into_cache(&path), path });
    let text = match arguments.json {
        true => as_json(&findings, cache.as_ref()),
        false => as_text(&findings, cache.as_ref()),
    };
    super::show(&text);
    let lacks = |finding: &Finding| finding.trouble.is_some() && arguments.demand(finding);
    let refused = findings.iter().any(lacks);
    ExitCode::from(if refused { 3 } else { 0 })
}

/// The cache of compiled plugins that runs use by default.
struct Looked {
    path: PathBuf,
    /// What is in it, or why it cannot be used.
    used: Result<CacheUse, String>,
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

fn as_text(findings: &[Finding], cache: Option<&Looked>) -> String {
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
    text += &format!("  workers by default: {}\n", default_workers());
    let (place, use_or_trouble) = match cache {
        None => ("nowhere".into(), "there is neither XDG_CACHE_HOME nor HOME".into()),
        Some(Looked { path, used }) => {
            let place = printable(&path.display().to_string());
            let words = match used {
                Ok(CacheUse { entries, bytes, max_bytes }) => format!(
                    "{entries} of them, {} of {} at most",
                    ByteSize(*bytes).display(),
                    ByteSize(*max_bytes).display()
                ),
                Err(why) => format!("NO: {}", printable(why)),
            };
            (place, words)
        }
    };
    text + &format!("\nCompiled plugins are kept (--cache) in {place}\n  {use_or_trouble}\n")
}

fn as_json(findings: &[Finding], cache: Option<&Looked>) -> String {
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
    let cache = cache.map(|Looked { path, used }| {
        let found = used.as_ref().ok();
        json!({
            "path": path.to_string_lossy(),
            "entries": found.map(|found| found.entries),
            "bytes": found.map(|found| found.bytes),
            "max_bytes": found.map(|found| found.max_bytes),
            "trouble": used.as_ref().err(),
        })
    });
    let all = json!({
        "layers": layers, "auto": auto, "strict": strict, "workers": default_workers(),
        "cache": cache,
    });
    format!("{all:#}\n")
}
