//! What workers measured, put together.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use host::{Error, Event, LoggedRecord, grouped, printable};

/// Times are told apart to so many decimal digits.
const DIGITS: u8 = 2;

/// Functions from the outermost on, and how often a plugin was found in them.
pub type Stacks = BTreeMap<Vec<String>, u64>;

/// What was measured in a run.
pub struct Measurements {
    times: Histogram<u64>,
    longest: Option<(LoggedRecord, Duration)>,
    memory: u64,
    stacks: Stacks,
    elsewhere: u64,
}

impl Measurements {
    /// # Errors
    /// There is no memory.
    pub fn new() -> Result<Measurements, Error> {
        let times = Histogram::new(DIGITS)
            .map_err(|error| Error::Usage(format!("nothing can be measured: {error}")))?;
        let stacks = Stacks::new();
        Ok(Measurements { times, longest: None, memory: 0, stacks, elsewhere: 0 })
    }

    /// Takes in what an event tells.
    pub fn hear(&mut self, event: &Event<'_>) {
        let Event::Measured { times, longest, memory, stacks, elsewhere } = event else { return };
        for (nanoseconds, count) in *times {
            // A worker may say anything: what cannot be counted is left out.
            let _ = self.times.record_n(*nanoseconds, *count);
        }
        let before = self.longest.as_ref().map(|(_, took)| *took);
        if let Some((record, took)) = longest
            && Some(*took) > before
        {
            self.longest = Some((record.clone(), *took));
        }
        self.memory = self.memory.max(*memory);
        for (stack, count) in *stacks {
            let found = self.stacks.entry(stack.clone()).or_default();
            *found = found.saturating_add(*count);
        }
        self.elsewhere = self.elsewhere.saturating_add(*elsewhere);
    }

    /// What records take, in nanoseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.times
    }

    /// What half of the records take at most, in nanoseconds.
    pub fn median(&self) -> u64 {
        self.times.value_at_quantile(0.5)
    }

    /// The most memory that an instance had, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Where the plugin was found.
    pub fn stacks(&self) -> &Stacks {
        &self.stacks
    }

    /// What the records take, in words.
    pub fn times(&self) -> String {
        if self.times.is_empty() {
            return "there was none".to_owned();
        }
        let part = |share: f64| time(self.times.value_at_quantile(share));
        format!(
            "{} for half of them, 90 %: {}, 99 %: {}, 99.9 %: {}",
            part(0.5),
            part(0.9),
            part(0.99),
            part(0.999)
        )
    }

    /// Which record took longest, in words.
    pub fn longest(&self) -> Option<String> {
        let (record, took) = self.longest.as_ref()?;
        let took = time(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        Some(format!("{took} the longest, {}", printable(&record.to_string())))
    }

    /// In which functions the plugin was found most often, at most so many, in lines.
    pub fn functions(&self, most: usize) -> String {
        let mut own: BTreeMap<&str, u64> = BTreeMap::new();
        for (stack, count) in &self.stacks {
            if let Some(innermost) = stack.last() {
                let found = own.entry(innermost).or_default();
                *found = found.saturating_add(*count);
            }
        }
        let counts = self.stacks.values().chain([&self.elsewhere]);
        let all = counts.fold(0, |sum: u64, count| sum.saturating_add(*count));
        if all == 0 {
            return "  functions   the plugin was never found in one: there is too little to do \
                    (--run-time)"
                .to_owned();
        }
        let mut own: Vec<_> = own.into_iter().collect();
        own.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        let looks = grouped(all);
        let mut text = format!("  functions   where the plugin was at {looks} looks at it:");
        for (name, count) in own.into_iter().take(most) {
            let share = 100.0 * count as f64 / all as f64;
            text += &format!("\n  {share:8.1} %  {}", printable(name));
        }
        text
    }
}

/// A time in nanoseconds, for people.
pub fn time(nanoseconds: u64) -> String {
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{:.3} µs", nanoseconds as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.3} ms", nanoseconds as f64 / 1e6),
        _ => format!("{:.3} s", nanoseconds as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_ranges_took_is_put_together() {
        let mut all = Measurements::new().unwrap();
        let stack = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (times, memory, count) in
            [(vec![(100, 90), (1000, 9)], 1000, 3), (vec![(50_000, 1)], 900, 5)]
        {
            all.hear(&Event::Measured {
                times: &times,
                longest: None,
                memory,
                stacks: &[(stack(&["keep", "find"]), count), (stack(&["keep"]), 1)],
                elsewhere: 0,
            });
        }
        assert_eq!(
            all.times(),
            "100 ns for half of them, 90 %: 100 ns, 99 %: 1.003 µs, 99.9 %: 50.175 µs"
        );
        assert_eq!((all.longest(), all.memory()), (None, 1000));
        let functions = all.functions(1);
        assert!(functions.ends_with("at 10 looks at it:\n      80.0 %  find"), "{functions}");
    }
}
