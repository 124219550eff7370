//! Many requests in few system calls.

use super::window::{Expect, Window};
use super::{Ack, Client, Error};
use crate::msg::{Request, flags};

/// Answers that are under way at most. The kernel charges 832 bytes for each against a receive
/// buffer of 212,992 bytes, so that 256 would fit; what does not fit is lost.
const MAX_ANSWERS: usize = 128;
/// Answers that a request with `NLM_F_ECHO` counts for: the messages echoed are much longer.
const ECHO_ANSWERS: usize = 16;
/// Bytes that are sent together at most.
const MAX_BYTES: usize = 64 * 1024;

/// Sends requests together, at most 128 and 64 KiB at a time, and reports what came of each in the
/// order in which they were pushed.
///
/// The requests are independent: one that fails does not keep the next ones from taking effect.
/// Memory does not grow with their number. What was pushed is sent when the window is full and by
/// [`flush`](Self::flush); between the two the client is free for other requests, but those
/// overtake what was pushed and not yet sent.
#[derive(Debug, Default)]
#[must_use = "what is pushed is not sent before the window is full or flushed"]
pub struct Pipeline {
    window: Window,
    answers: usize,
    reported: u64,
}

impl Pipeline {
    /// An empty pipeline.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a request, after sending what there is if the window is full.
    ///
    /// `report` gets the number of a request, counted from 0 over all that were pushed, and its
    /// outcome. Every request is reported exactly once, even when the socket fails.
    pub fn push(
        &mut self,
        client: &mut Client,
        request: &Request<'_>,
        report: impl FnMut(u64, Result<Ack, Error>),
    ) {
        let answers = if request.flags() & flags::ECHO == 0 { 1 } else { ECHO_ANSWERS };
        let bytes = self.window.len().saturating_add(request.bytes().len());
        if self.answers + answers > MAX_ANSWERS || bytes > MAX_BYTES {
            self.flush(client, report);
        }
        self.window.push(request, Expect::of(request));
        self.answers += answers;
    }

    /// Sends what has been pushed and not yet sent, and reports the outcomes.
    pub fn flush(&mut self, client: &mut Client, mut report: impl FnMut(u64, Result<Ack, Error>)) {
        self.answers = 0;
        if self.window.is_empty() {
            return;
        }
        client.exchange(&mut self.window);
        for outcome in self.window.outcomes() {
            let number = self.reported;
            self.reported += 1;
            report(number, outcome);
        }
    }

    /// Number of requests that have been pushed and not yet sent.
    pub fn pending(&self) -> usize {
        self.window.count()
    }
}

impl Client {
    /// Sends requests through a [`Pipeline`] and gives the outcome of each, in order.
    ///
    /// ```no_run
    /// use tc_proto::client::Client;
    /// use tc_proto::msg::{ClassRequest, Verb};
    /// use tc_proto::Handle;
    ///
    /// # let mut client = Client::open()?;
    /// # let eth0 = client.link_index("eth0")?;
    /// let class = |minor| ClassRequest::new(eth0, Handle::new(1, minor));
    /// let deletions = (1..=1000).map(|minor| class(minor).encode(Verb::Delete));
    /// for outcome in client.send_all(deletions.collect::<Result<Vec<_>, _>>()?) {
    ///     match outcome {
    ///         Err(e) if e.is_not_found() => {}
    ///         other => drop(other?),
    ///     }
    /// }
    /// # Ok::<(), tc_proto::client::Error>(())
    /// ```
    pub fn send_all<'fd>(
        &mut self,
        requests: impl IntoIterator<Item = Request<'fd>>,
    ) -> Vec<Result<Ack, Error>> {
        let mut outcomes = Vec::new();
        self.batch(requests, |_, outcome| outcomes.push(outcome));
        outcomes
    }

    /// Sends requests through a [`Pipeline`] and reports the outcome of each, in order.
    pub fn batch<'fd>(
        &mut self,
        requests: impl IntoIterator<Item = Request<'fd>>,
        mut report: impl FnMut(u64, Result<Ack, Error>),
    ) {
        let mut pipeline = Pipeline::new();
        for request in requests {
            pipeline.push(self, &request, &mut report);
        }
        pipeline.flush(self, report);
    }
}
