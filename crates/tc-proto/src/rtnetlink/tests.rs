//! The async client over a socket that does not do as it should: every outcome is an error or the right
//! answer, and nobody waits for ever.

mod changes;

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::BufMut;
use netlink_proto::sys::protocols::NETLINK_ROUTE;
use netlink_proto::sys::{AsyncSocket, SocketAddr};
use netlink_sys::Socket;
use proptest::collection::vec;
use proptest::prelude::*;

use super::channel::Channel;
use super::connection::over;
use super::handle::Lists;
use super::{OwnedRequest, TcHandle};
use crate::client::tests::faults::{Fault, arrive, fault, in_order, qdisc};
use crate::client::tests::{Datagram, Fails, Foreign, Step, ack, change, done, message, quiet};
use crate::client::{Ack, Error};
use crate::msg::QdiscList;

/// A socket whose n-th send queues the n-th list of steps.
struct Fake {
    socket: Socket,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Vec<Step>>,
    queue: VecDeque<Step>,
    reader: Option<Waker>,
}

impl AsyncSocket for Fake {
    fn socket_ref(&self) -> &Socket {
        &self.socket
    }

    fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    fn new(protocol: isize) -> io::Result<Self> {
        Ok(Self { socket: Socket::new(protocol)?, state: Mutex::default() })
    }

    fn poll_send(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send_to(context, buf, &SocketAddr::new(0, 0))
    }

    fn poll_send_to(
        &self,
        _: &mut Context<'_>,
        buf: &[u8],
        _: &SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock().unwrap();
        let answers = state.answers.pop_front().unwrap_or_default();
        state.queue.extend(answers);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_recv<B: BufMut>(&self, context: &mut Context<'_>, buf: &mut B) -> Poll<io::Result<()>> {
        self.poll_recv_from(context, buf).map_ok(drop)
    }

    fn poll_recv_from<B: BufMut>(
        &self,
        context: &mut Context<'_>,
        buf: &mut B,
    ) -> Poll<io::Result<SocketAddr>> {
        let mut state = self.state.lock().unwrap();
        let (bytes, from) = match state.queue.pop_front() {
            Some(Datagram(bytes)) => (bytes, 0),
            Some(Step::Cut(mut bytes, _)) => {
                // This much of it has room; what is behind `bytes` says nothing.
                let nothing = message(1, 0, 0, &[]).into_iter().cycle();
                bytes.extend(nothing.take(buf.chunk_mut().len().saturating_sub(bytes.len())));
                (bytes, 0)
            }
            Some(Foreign(bytes)) => (bytes, 4711),
            Some(Step::Notice(_) | Step::CutNotice(..)) => panic!("nobody listens here"),
            Some(Fails(errno)) => return Poll::Ready(Err(io::Error::from_raw_os_error(errno))),
            None => {
                state.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
        };
        // What does not fit is cut without a word.
        let room = buf.chunk_mut().len();
        buf.put_slice(bytes.get(..room).unwrap_or(&bytes));
        Poll::Ready(Ok(SocketAddr::new(from, 0)))
    }

    fn poll_recv_from_full(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
        let mut bytes = Vec::with_capacity(1 << 20);
        self.poll_recv_from(context, &mut bytes).map_ok(|from| (bytes, from))
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// Does `work` over a connection whose n-th datagram is answered with the n-th list of steps. Fails
/// when it would wait for ever.
fn with<T, W: Future<Output = T>>(
    answers: impl IntoIterator<Item = Vec<Step>>,
    work: impl FnOnce(TcHandle) -> W,
) -> T {
    let fake = Fake::new(NETLINK_ROUTE).unwrap();
    fake.state.lock().unwrap().answers.extend(answers);
    let (connection, handle) = over(fake);
    let mut connection = Some(connection);
    let mut work = pin!(work(TcHandle::new(Channel::Own(handle), Lists::over_connection(quiet()))));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
        if let Some(running) = &mut connection {
            if Pin::new(running).poll(&mut context).is_ready() {
                connection = None;
                continue;
            }
        }
        assert!(woken.0.swap(false, Relaxed), "it waits for ever");
    }
}

/// Kinds of faults after which the answer comes all the same.
fn is_harmless(fault: Fault) -> bool {
    use Fault::{Foreign, Interrupted, Late, None, Stale, Twice};
    matches!(fault, None | Late | Twice | Interrupted | Foreign | Stale)
}

/// The outcome of a request is the answer to it, or an error where the faults take an answer away.
fn its_own(outcome: Result<Ack, Error>, errno: i32, harmless: bool) -> Result<(), TestCaseError> {
    match outcome {
        Ok(_) => prop_assert_eq!(errno, 0),
        Err(Error::Kernel(e)) => prop_assert_eq!(e.errno, errno),
        Err(Error::Io { .. } | Error::NoAnswer) => prop_assert!(!harmless),
        Err(e) => prop_assert!(false, "{e:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn one_request_after_another_gets_its_own_answer_or_an_error(
        errnos in vec(prop_oneof![Just(0), 1..130_i32], 1..8),
        faults in vec(vec(fault(), 0..2), 8),
    ) {
        let steps = (1..).zip(&errnos).zip(&faults);
        let steps: Vec<_> = steps
            .map(|((sequence, errno), faults)| arrive(vec![ack(*errno, sequence)], faults))
            .collect();
        let outcomes = with(steps, |tc| async move {
            let mut outcomes = vec![];
            for _ in 0..errnos.len() {
                outcomes.push(tc.request(change()).await);
            }
            outcomes.into_iter().zip(errnos).collect::<Vec<_>>()
        });
        let harmless = faults.iter().flatten().all(|fault| is_harmless(*fault));
        for (outcome, errno) in outcomes {
            its_own(outcome, errno, harmless)?;
        }
    }

    #[test]
    fn each_of_many_requests_at_once_gets_its_own_answer_or_an_error(
        errnos in vec(prop_oneof![Just(0), 1..130_i32], 1..12),
        faults in vec(fault(), 0..12),
        in_order in vec(in_order(), 0..12),
        together: bool,
    ) {
        // What is lost after something came late leaves nothing to tell the rest of a batch by.
        let faults = match together && !faults.iter().all(|fault| is_harmless(*fault)) {
            true => in_order,
            false => faults,
        };
        let answers = (1..).zip(&errnos).map(|(sequence, errno)| ack(*errno, sequence));
        let steps = match together {
            true => vec![arrive(answers.collect(), &faults)],
            // All are sent before the first answer is read.
            false => {
                let mut steps = vec![vec![]; errnos.len()];
                steps[errnos.len() - 1] = arrive(answers.collect(), &faults);
                steps
            }
        };
        let count = errnos.len();
        let outcomes = with(steps, |tc| async move {
            if together {
                return tc.batch((0..count).map(|_| OwnedRequest::from(change()))).await;
            }
            let each = (0..count).map(|_| tc.request(change()));
            futures_util::future::join_all(each).await
        });
        prop_assert_eq!(outcomes.len(), count);
        let harmless = faults.iter().all(|fault| is_harmless(*fault));
        for (outcome, errno) in outcomes.into_iter().zip(errnos) {
            its_own(outcome, errno, harmless)?;
        }
    }

    #[test]
    fn a_list_is_whole_or_an_error(
        parts in vec(vec(1..1000_u32, 0..4), 0..5),
        faults in vec(in_order(), 0..6),
    ) {
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let part = |part: &Vec<u32>| part.iter().flat_map(|h| part_of_list(*h)).collect();
        let answer = parts.iter().map(part).chain([done(0, 0, 1)]).collect();
        let listed = with([arrive(answer, &faults)], |tc| async move {
            tc.list(&QdiscList::on(2)).await
        });
        match listed {
            Ok(list) => {
                let found: Vec<_> = list.iter().map(|qdisc| qdisc.handle().0).collect();
                prop_assert_eq!(found, parts.concat());
            }
            Err(_) => prop_assert!(!faults.iter().all(|fault| is_harmless(*fault))),
        }
    }

    #[test]
    fn whatever_comes_nobody_waits_for_ever(garbage in vec(any::<u8>(), 0..80)) {
        // An answer that is none, and then the connection says that it lost something.
        let steps = vec![Datagram(garbage), Fails(libc::ENOBUFS)];
        let _ = with([steps.clone()], |tc| async move { tc.request(change()).await });
        let _ = with([steps], |tc| async move { tc.list(&QdiscList::all()).await });
    }
}

/// An entry of a list, which says that more come.
fn part_of_list(handle: u32) -> Vec<u8> {
    let mut message = qdisc(1, handle);
    message[6] |= 2;
    message
}

#[test]
fn what_is_lost_ends_the_connection_and_not_the_patience() {
    for lost in [Fails(libc::ENOBUFS), Fails(libc::ENOTCONN), Datagram(vec![7; 20])] {
        let (first, second, third) = with([vec![], vec![lost]], |tc| async move {
            let both = futures_util::future::join(tc.request(change()), tc.request(change()));
            let (first, second) = both.await;
            (first, second, tc.request(change()).await)
        });
        assert!(matches!(first, Err(Error::NoAnswer)), "{first:?}");
        assert!(matches!(second, Err(Error::NoAnswer)), "{second:?}");
        assert!(matches!(third, Err(Error::Io { op: "send", .. })), "{third:?}");
    }
}
