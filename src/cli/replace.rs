//! Putting a file in the place of another, whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The directory that a file stands in.
pub fn directory(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file with these permissions, less the bits that the umask takes away.
pub fn replace(path: &Path, permissions: u32, text: &str) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".host-")
        .permissions(Permissions::from_mode(permissions))
        .tempfile_in(directory(path))?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
