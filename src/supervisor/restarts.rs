//! How a worker that died is replaced: at once, after a pause, or not any more.

use std::time::Duration;

/// So many deaths in a row are followed by a replacement at once.
const AT_ONCE: u32 = 3;
/// The first pause; each is twice as long as the one before, ...
const PAUSE: Duration = Duration::from_millis(10);
/// ... up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Deaths in a row that are borne for each job, and for each worker: a poison record costs
/// two, a killed replay of it up to six more.
const BORNE: u32 = 10;
const BORNE_BY_WORKER: u32 = 8;

/// Counts deaths of workers since a range was last finished.
#[derive(Debug)]
pub(super) struct Restarts {
    deaths: u32,
    limit: u32,
}

/// What follows a death.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum After {
    /// Another worker, after this pause.
    Pause(Duration),
    /// The end of the job: so many died in a row.
    TooMany(u32),
}

impl Restarts {
    /// For a job with so many workers.
    pub fn new(workers: usize) -> Restarts {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        let limit = workers.saturating_mul(BORNE_BY_WORKER).saturating_add(BORNE);
        Restarts { deaths: 0, limit }
    }

    /// Takes in that something was finished.
    pub fn finished(&mut self) {
        self.deaths = 0;
    }

    /// Takes in that a worker died.
    pub fn died(&mut self) -> After {
        self.deaths += 1;
        if self.deaths > self.limit {
            return After::TooMany(self.deaths);
        }
        let Some(doublings) = self.deaths.checked_sub(AT_ONCE + 1) else {
            return After::Pause(Duration::ZERO);
        };
        let factor = 2u32.checked_pow(doublings).unwrap_or(u32::MAX);
        After::Pause(PAUSE.saturating_mul(factor).min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(restarts: &mut Restarts) -> Vec<u128> {
        std::iter::from_fn(|| match restarts.died() {
            After::Pause(pause) => Some(pause.as_millis()),
            After::TooMany(_) => None,
        })
        .collect()
    }

    #[test]
    fn pauses_grow_and_then_it_is_over() {
        let pauses = pauses(&mut Restarts::new(1));
        assert_eq!(pauses.len(), 18);
        assert_eq!(pauses[..11], [0, 0, 0, 10, 20, 40, 80, 160, 320, 640, 1000]);
        assert_eq!(pauses[17], 1000);
        let mut many = Restarts::new(1024);
        assert_eq!(self::pauses(&mut many).len(), 10 + 8 * 1024);
        assert_eq!(many.died(), After::TooMany(10 + 8 * 1024 + 2));
    }

    #[test]
    fn what_is_finished_makes_up_for_all_deaths() {
        let mut restarts = Restarts::new(2);
        for _ in 0..100 {
            for _ in 0..3 {
                assert_eq!(restarts.died(), After::Pause(Duration::ZERO));
            }
            restarts.finished();
        }
    }
}
