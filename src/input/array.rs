//! Where an input's records are the elements of an array inside its JSON text: finding
//! that array before the first range is cut.

use std::sync::Arc;

use super::{Beginning, Cut, Opened, Out, Stopped};
use crate::error::Error;
use crate::records::{ElementsSplitter, Format, Pointer, Seek, Seeker, Splitter};

/// Looks for the array from `start` on. `show` shows the seeker the bytes from an offset
/// on.
pub(super) fn find(
    pointer: &Arc<Pointer>,
    start: u64,
    opened: &Opened,
    out: &Out,
    mut show: impl FnMut(u64, &mut Seeker) -> Result<Seek, Stopped>,
) -> Result<Beginning, Stopped> {
    let mut seeker = Seeker::new(Arc::clone(pointer), start);
    let mut at = start;
    loop {
        match show(at, &mut seeker)? {
            Seek::More { seen } => at = seen,
            Seek::Found { start } => {
                let splitter = Splitter::Elements(Box::new(ElementsSplitter::new(seeker)));
                return Ok(Beginning { format: Format::JsonArray, start, splitter });
            }
            Seek::Fault(fault) => {
                out.send(Cut::Fault { input: opened.id(), fault })?;
                return Err(Stopped);
            }
            Seek::Missing(why) => {
                let pointer = pointer.to_string();
                return out.fail(Error::NoArray { name: opened.name(), pointer, why });
            }
            // Only behind the array can a text be whole.
            Seek::End => return Err(Stopped),
        }
    }
}
