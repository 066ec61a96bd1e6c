//! What plugins may import: the interfaces, by name, and what their functions answer.
//! How the answers reach a plugin is in `core_imports` and `component_imports`.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The interface through which plugins log, as modules and components import it.
pub(super) const LOG: &str = "host:plugin/log@0.1.0";
/// Its one function.
pub(super) const LOG_WRITE: &str = "write";
/// The interface through which plugins ask for parameters.
pub(super) const PARAMS: &str = "host:plugin/params@0.1.0";
/// Its one function.
pub(super) const PARAMS_GET: &str = "get";
/// The interface through which plugins read side data.
pub(super) const DATA: &str = "host:plugin/data@0.1.0";
/// Its functions.
pub(super) const DATA_SIZE: &str = "size";
pub(super) const DATA_READ: &str = "read";
/// WASI's interface for parameters, in the versions that are in use.
pub(super) const STORES: [&str; 2] =
    ["wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-draft"];
/// Its functions.
pub(super) const STORE_GET: &str = "get";
pub(super) const STORE_GET_ALL: &str = "get-all";

/// Every interface that is offered.
pub(super) fn offered() -> impl Iterator<Item = &'static str> {
    [LOG, PARAMS, DATA].into_iter().chain(STORES)
}

/// What the user has told a plugin, by name.
pub(super) type Params = Arc<BTreeMap<String, String>>;

/// Bytes that can only be read.
pub(crate) type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// What the user has handed to all plugins, by name.
#[derive(Clone, Default)]
pub(crate) struct Data(Arc<BTreeMap<String, Bytes>>);

impl Data {
    pub fn new(data: BTreeMap<String, Bytes>) -> Data {
        Data(Arc::new(data))
    }

    /// Length in bytes.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        Some(self.bytes(name)?.len() as u64)
    }

    /// Up to `length` bytes from `offset` on.
    pub(super) fn read(&self, name: &str, offset: u64, length: u32) -> Option<&[u8]> {
        let bytes = self.bytes(name)?;
        let start = usize::try_from(offset).map_or(bytes.len(), |start| start.min(bytes.len()));
        let rest = &bytes[start..];
        Some(&rest[..rest.len().min(length as usize)])
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|bytes| (**bytes).as_ref())
    }
}

impl std::fmt::Debug for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_up_to_its_end_and_not_further() {
        let bytes: Bytes = Box::new(b"abcdef".to_vec());
        let data = Data::new(BTreeMap::from([("table".to_owned(), bytes)]));
        assert_eq!(data.size("table"), Some(6));
        assert_eq!(data.size("other"), None);
        for (offset, length, wanted) in
            [(0, 6, "abcdef"), (1, 2, "bc"), (4, 9, "ef"), (6, 1, ""), (u64::MAX, u32::MAX, "")]
        {
            assert_eq!(data.read("table", offset, length).unwrap(), wanted.as_bytes());
        }
        assert_eq!(data.read("other", 0, 1), None);
    }
}
