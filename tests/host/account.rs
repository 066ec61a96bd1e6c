//! The account line, read back as a user reads it.

use std::collections::BTreeMap;

/// The numbers of an account by the words that follow them, without a plural's "s".
#[derive(Debug)]
pub struct Account(BTreeMap<String, u64>);

impl Account {
    /// Finds the account in what the program said. It has to add up.
    #[track_caller]
    pub fn of(stderr: &str) -> Account {
        let account = Account::of_any(stderr);
        assert!(account.count("record written") >= account.count("kept"), "{stderr}");
        account
    }

    /// The same where fewer records may be written than were used.
    #[track_caller]
    pub fn of_any(stderr: &str) -> Account {
        let lines: Vec<&str> =
            stderr.lines().filter_map(|line| line.strip_prefix("host: ")).collect();
        let lines: Vec<&str> = lines.into_iter().filter(|line| line.contains(" read: ")).collect();
        let [line] = lines[..] else { panic!("there is not one account in: {stderr}") };
        let account = Account::parse(line);
        let becoming = ["kept", "dropped", "skipped", "dead-lettered", "failed"];
        let sum: u64 = becoming.iter().map(|what| account.count(what)).sum();
        assert_eq!(account.count("record read"), sum, "it does not add up: {line}");
        let set_aside = account.count("skipped") + account.count("dead-lettered");
        if set_aside > 0 {
            let kinds: u64 = KINDS.iter().map(|kind| account.count(kind)).sum();
            assert_eq!(kinds, set_aside + account.count("failed"), "{line}");
        }
        account
    }

    fn parse(line: &str) -> Account {
        let line =
            line.replace(": ", "; ").replace(" (", "; ").replace(')', "").replace(", ", "; ");
        let mut numbers = BTreeMap::new();
        for part in line.split("; ") {
            let (number, words) = part.split_once(' ').unwrap();
            // The time is no count.
            if let Ok(number) = number.replace(',', "").parse() {
                let mut words: Vec<&str> = words.split(' ').collect();
                words[0] = words[0].strip_suffix('s').unwrap_or(words[0]);
                assert!(numbers.insert(words.join(" "), number).is_none(), "{part} twice: {line}");
            }
        }
        Account(numbers)
    }

    /// The number before these words; 0 if they are not there.
    pub fn count(&self, words: &str) -> u64 {
        self.0.get(words).copied().unwrap_or(0)
    }

    /// Asserts on several numbers at once: `&[("kept", 2), ("trap", 1)]`.
    #[track_caller]
    pub fn holds(&self, numbers: &[(&str, u64)]) -> &Account {
        for (words, number) in numbers {
            assert_eq!(self.count(words), *number, "{words} of {self:?}");
        }
        self
    }
}

const KINDS: [&str; 9] =
    ["malformed", "rejected", "trap", "timeout", "memory", "output", "too long", "crash", "fuel"];

#[test]
fn an_account_is_read_as_it_is_written() {
    let account = Account::of(
        "warning: x\nhost: 1,234 records read: 1,200 kept, 30 dropped, 3 skipped, 1 failed \
         (3 trap, 1 too long); 1 byte not read; 1,200 records written; 2 workers, 1 restart; 0.10 s\n",
    );
    let wanted = [("record read", 1234), ("trap", 3), ("byte not read", 1), ("worker", 2)];
    account.holds(&wanted).holds(&[("restart", 1), ("failed", 1), ("crash", 0)]);
}
