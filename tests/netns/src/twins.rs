//! Two equal hosts: rtc works on one, tc on the other, and both must come out equal.

use crate::ns::{steady, without_number_after};
use crate::{Ns, Output};

/// All that hangs on `eth0`, shown by one process: in an emulated machine processes are dear.
const SHOW_ALL: [&str; 4] = ["-d", "-force", "-batch", "show-all"];
const SHOW_ALL_BATCH: &str = "\
qdisc show dev eth0
class show dev eth0
filter show dev eth0
filter show dev eth0 ingress
filter show dev eth0 egress
";

/// Two namespaces with the same devices.
#[derive(Debug)]
pub struct Twins {
    ours: Ns,
    theirs: Ns,
}

impl Twins {
    /// Two hosts, each with `eth0`, of four transmit queues.
    pub fn new(ns: &Ns) -> Twins {
        let [ours, theirs] = ["ours", "theirs"].map(|name| {
            let host = ns.host(name);
            host.link_with_queues("eth0", 4);
            host
        });
        std::fs::write("/run/show-all", SHOW_ALL_BATCH).expect("/run is ours");
        Twins { ours, theirs }
    }

    /// Does something on both hosts.
    pub fn each(&self, f: impl Fn(&Ns)) {
        f(&self.ours);
        f(&self.theirs);
    }

    /// Runs the command with rtc here and with tc there. Status and both streams must be equal, and
    /// so must be, as tc shows them, all qdiscs, classes and filters of `eth0` afterwards.
    #[track_caller]
    pub fn both(&self, words: &[&str]) -> Output {
        let ours = self.alike(words);
        let [theirs, ours_left] = [&self.theirs, &self.ours].map(|host| stable(host.tc(&SHOW_ALL)));
        assert_eq!(theirs, ours_left, "{words:?} leaves: left as by tc, right as by rtc");
        ours
    }

    /// Runs the command with rtc here and with tc there: status and both streams must be equal.
    #[track_caller]
    pub fn alike(&self, words: &[&str]) -> Output {
        let (theirs, ours) = (self.theirs.tc(words), self.ours.rtc(words));
        self.ours.assert_same(&stable(theirs), &stable(ours.clone()));
        ours
    }

    /// The same as [`Twins::both`] for several commands, each split at blanks.
    #[track_caller]
    pub fn all(&self, commands: &[&str]) {
        for command in commands {
            self.both(&command.split_ascii_whitespace().collect::<Vec<_>>());
        }
    }
}

/// Without what differs between any two runs: number and time of loaded programs, and the handles that the
/// kernel gives from 8001: on.
fn stable(output: Output) -> Output {
    let mut output = steady(output);
    for mark in [" id ", "\"id\":", " load_time ", "\"load_time\":"] {
        output.stdout = without_number_after(mark, &output.stdout);
    }
    output.stdout = without_given_handles(&output.stdout);
    output.command.clear();
    output
}

fn without_given_handles(text: &str) -> String {
    let is_given = |word: &str| {
        let word = word.trim_start_matches('"');
        word.len() == 4 && word.starts_with('8') && word.chars().all(|c| c.is_ascii_hexdigit())
    };
    let mut out = String::new();
    for piece in text.split_inclusive(':') {
        let start = piece.rfind([' ', ',']).map_or(0, |at| at + 1);
        let (before, word) = piece.split_at(start);
        out.push_str(before);
        match word.strip_suffix(':') {
            Some(word) if is_given(word) => out.push_str("GIVEN:"),
            _ => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_handles_do_not_count() {
        assert_eq!(
            without_given_handles(
                "qdisc mq 806c: root\nqdisc pfifo 806d: parent 806c:1 limit 8000p"
            ),
            "qdisc mq GIVEN: root\nqdisc pfifo GIVEN: parent GIVEN:1 limit 8000p"
        );
        assert_eq!(without_given_handles("qdisc mq 8: root 80000:"), "qdisc mq 8: root 80000:");
    }

    #[test]
    fn program_numbers_do_not_count() {
        assert_eq!(without_number_after(" id ", "a id 12 tag\nb id 3\n"), "a id  tag\nb id \n");
    }
}
