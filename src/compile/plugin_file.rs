//! A plugin's file, copied once: what is hashed is what is compiled, whatever happens to the
//! file meanwhile.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::slots;

use super::PIECE;

/// The largest plugin, in bytes.
const MAX_PLUGIN: u64 = 256 << 20;

/// A copy of a plugin's file in memory, sealed.
pub(super) struct PluginFile {
    pub memory: OwnedFd,
    /// In bytes.
    pub length: u64,
    /// BLAKE3 of the bytes.
    pub hash: blake3::Hash,
}

impl PluginFile {
    /// Copies the file.
    ///
    /// # Errors
    /// Why it cannot be used, as what follows its name in a sentence.
    pub fn read(path: &Path) -> Result<PluginFile, String> {
        let words = |error: std::io::Error| error.to_string();
        // Opening a pipe would wait for its writer.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = file.map_err(words)?;
        if !file.metadata().map_err(words)?.is_file() {
            return Err("it is not a file".into());
        }
        let memory = slots::handover("plugin").map_err(words)?;
        let mut copy = File::from(memory.try_clone().map_err(words)?);
        let (mut hasher, mut length) = (blake3::Hasher::new(), 0);
        let mut buffer = vec![0; PIECE];
        // One byte more than may be there shows that there are too many, also in a file that
        // grows while it is read.
        let mut file = file.take(MAX_PLUGIN + 1);
        loop {
            let read = file.read(&mut buffer).map_err(words)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            copy.write_all(&buffer[..read]).map_err(words)?;
            length += read as u64;
        }
        if length > MAX_PLUGIN {
            return Err(format!("it is larger than {} MiB", MAX_PLUGIN >> 20));
        }
        slots::seal(&memory).map_err(words)?;
        Ok(PluginFile { memory, length, hash: hasher.finalize() })
    }
}
