//! Control groups of the kernel: less memory than the machine has. Used by other suites, too.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A control group in which a run can have only so much memory; removed when dropped.
pub struct ControlGroup {
    directory: PathBuf,
}

impl ControlGroup {
    /// Makes one, if this user may do that on this machine, in either version of the
    /// kernel's interface.
    pub fn new(name: &str, megabytes: u64) -> Option<ControlGroup> {
        let name = format!("host-test-{name}-{}", std::process::id());
        let places =
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        places.into_iter().find_map(|(parent, limit)| {
            let directory = Path::new(parent).join(&name);
            fs::create_dir(&directory).ok()?;
            let group = ControlGroup { directory };
            // Where there is no such file the group is removed again.
            let file = fs::File::options().write(true).open(group.directory.join(limit));
            file.ok()?.write_all((megabytes << 20).to_string().as_bytes()).ok()?;
            Some(group)
        })
    }

    /// A program that will be inside.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(r#"echo $$ > "$0" && exec "$@""#);
        command.arg(self.directory.join("cgroup.procs")).arg(program);
        command
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // Empty by now, or the test fails for what is still in it.
        let _ = fs::remove_dir(&self.directory);
    }
}
