//! States of a reduce in this worker: on their way in and out of a slot, piece by piece,
//! and what is done with them in between.

use crate::fault;
use crate::protocol::{Fatal, MAX_PIECE, Piece, States, Then};
use crate::range::Nonce;
use crate::records::Format;
use crate::runtime::{Answer, Trapped};
use crate::slots::{Control, Parts, Progress};

use super::Worker;
use super::attempt::Broken;
use super::chain::Chain;
use super::fold::Fold;
use super::output::{NotWritten, Output};
use super::text::Text;

/// What one slot has of states.
#[derive(Debug, Default)]
pub(super) struct Transit {
    /// What has come so far.
    coming: Vec<u8>,
    /// What goes; its first `gone` bytes are gone.
    going: Vec<u8>,
    gone: usize,
    /// How many records it is, if it is records.
    records: u64,
}

impl Transit {
    /// Puts a state on its way out.
    pub fn leave(&mut self, state: Vec<u8>) {
        *self = Transit { going: state, ..Transit::default() };
    }

    /// Puts the next piece into the slot. Gives its bytes and those that follow.
    pub fn piece(&mut self, area: &mut [u8]) -> (u64, u64) {
        let rest = &self.going[self.gone..];
        let length = rest.len().min(area.len()).min(MAX_PIECE);
        area[..length].copy_from_slice(&rest[..length]);
        let left = rest.len() - length;
        self.gone += length;
        if left == 0 {
            // Not to be held until the next one.
            self.going = Vec::new();
            self.gone = 0;
        }
        (length as u64, left as u64)
    }
}

/// Takes the state of what an attempt has folded.
pub(super) fn take(chain: &mut Chain, control: Control<'_>) -> Result<Vec<u8>, Broken> {
    at_state(fold(chain)?, control, |fold| fold.take().map(Ok))
}

/// Takes in a piece of states and, once they are whole, does what is to be done.
pub(super) fn serve(worker: &mut Worker, states: States) -> Result<Piece, Broken> {
    let Worker { start, chain, slots, transits, rows, .. } = worker;
    let index = usize::from(states.slot);
    let (Some(slot), Some(transit)) = (slots.get_mut(index), transits.get_mut(index)) else {
        return Err(Broken::internal("there is no such slot"));
    };
    let length = usize::try_from(states.length).map_err(|_| Broken::internal("a long piece"))?;
    let Parts { control, input, output, text } = slot.parts(length);
    if states.before == 0 {
        transit.coming.clear();
    }
    if transit.coming.len() as u64 != states.before {
        return Err(Broken::internal("a piece of a state is missing"));
    }
    transit.coming.extend_from_slice(input);
    let nonce = states.nonce;
    if states.then == Then::Await {
        return Ok(Piece { nonce, bytes: 0, left: 0, records: 0, text_bytes: 0 });
    }
    let coming = std::mem::take(&mut transit.coming);
    let page = Output::new(&mut *output, start.framing, &mut rows.out, start.max_output);
    let (going, records) = make(chain, control, &coming, states.then, page)?;
    *transit = Transit { going, records, ..Transit::default() };
    let mut text = Text::new(text, 0);
    chain.write_log(&mut text, None);
    let (bytes, left) = transit.piece(output);
    Ok(Piece { nonce, bytes, left, records, text_bytes: text.bytes() })
}

/// Gives the next piece of what is on its way out of a slot.
pub(super) fn fetch(worker: &mut Worker, nonce: Nonce, slot: u8) -> Result<Piece, Broken> {
    let index = usize::from(slot);
    let (slot, transit) = (worker.slots.get_mut(index), worker.transits.get_mut(index));
    let (Some(slot), Some(transit)) = (slot, transit) else {
        return Err(Broken::internal("there is no such slot"));
    };
    let (bytes, left) = transit.piece(slot.parts(0).output);
    Ok(Piece { nonce, bytes, left, records: transit.records, text_bytes: 0 })
}

/// Makes what is wanted of the states that have come: a state, or so many records.
fn make(
    chain: &mut Chain,
    control: Control<'_>,
    coming: &[u8],
    then: Then,
    page: Output<'_>,
) -> Result<(Vec<u8>, u64), Broken> {
    let fold = fold(chain)?;
    match then {
        Then::Await => Ok((Vec::new(), 0)),
        Then::Merge { left } => {
            let split = usize::try_from(left).ok().and_then(|left| coming.split_at_checked(left));
            let (left, right) = split.ok_or_else(|| Broken::internal("a state is missing"))?;
            Ok((at_state(fold, control, |fold| fold.merge(left, right))?, 0))
        }
        Then::Finish => finish(fold, control, coming, page),
        Then::FinishNone => {
            let none = at_state(fold, control, |fold| fold.take().map(Ok))?;
            finish(fold, control, &none, page)
        }
    }
}

/// Has records made of a state, and writes them as they stand in the output.
fn finish(
    fold: &mut Fold,
    control: Control<'_>,
    state: &[u8],
    mut page: Output<'_>,
) -> Result<(Vec<u8>, u64), Broken> {
    at_state(fold, control, |fold| fold.finish(state))?;
    let mut written = Vec::new();
    let mut records = 0;
    for text in fold.made() {
        page.begin("");
        let mut result = page.write_made(text, Format::Ndjson);
        if result == Err(NotWritten::Full) && page.records() > 0 {
            page.move_to(&mut written);
            page.begin("");
            result = page.write_made(text, Format::Ndjson);
        }
        records += 1;
        if let Err(why) = result {
            let text = format!("record {records} of what `finish` made cannot be written: {why}");
            return Err(Broken { what: Fatal::State, text });
        }
    }
    page.move_to(&mut written);
    Ok((written, records))
}

fn fold(chain: &mut Chain) -> Result<&mut Fold, Broken> {
    chain.fold().ok_or_else(|| Broken::internal("there is no reduce"))
}

/// Has the plugin do something with states, and says so to the supervisor meanwhile.
fn at_state<T>(
    fold: &mut Fold,
    control: Control<'_>,
    call: impl FnOnce(&mut Fold) -> Result<Answer<T>, Trapped>,
) -> Result<T, Broken> {
    control.announce(Progress::AtState);
    fault::pass("before-state");
    let answer = call(fold);
    fault::pass("after-state");
    control.announce(Progress::Idle);
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(why)) => {
            let refused_memory = fold.instance().is_some_and(|it| it.guest().was_refused_memory());
            Err(Broken { what: Fatal::StateRejected { refused_memory }, text: why })
        }
        Err(trapped) => Err(Broken { what: Fatal::State, text: trapped.without_record() }),
    }
}
