//! What is left of a request that nobody waits for any more.
//!
//! A request that was handed to the connection will be sent, and answered; dropping the future takes
//! nothing back. So the answer is read to its end all the same, and until then is kept what the
//! request needs: the descriptors that it names by number, and its turn among the lists. That needs
//! no task and no runtime: the connection wakes whoever waits for the answer, and what it wakes here
//! reads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::channel::Answers;

/// What a request needs until it is answered.
pub(super) type Held = Box<dyn Send>;

/// Reads the answer to its end whenever there is something of it, then drops both.
struct Keeper {
    kept: Mutex<Option<(Answers, Held)>>,
    /// How often it was woken and has not looked since.
    woken: AtomicUsize,
}

/// Keeps `held` until the answer has ended.
pub(super) fn until_answered(answers: Answers, held: Held) {
    let kept = Mutex::new(Some((answers, held)));
    Arc::new(Keeper { kept, woken: AtomicUsize::new(0) }).wake();
}

impl Keeper {
    /// Reads what is there; gives what is not needed any more.
    fn read(self: &Arc<Self>) -> Option<(Answers, Held)> {
        let waker = Waker::from(Arc::clone(self));
        let mut context = Context::from_waker(&waker);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (answers, _) = kept.as_mut()?;
            match answers.as_mut().poll_next(&mut context) {
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => return kept.take(),
                Poll::Pending => return None,
            }
        }
    }
}

impl Wake for Keeper {
    fn wake(self: Arc<Self>) {
        // It may be woken while it reads, on another thread or on this one: then who reads already
        // reads once more.
        let mut woken = self.woken.fetch_add(1, Ordering::SeqCst) + 1;
        if woken > 1 {
            return;
        }
        loop {
            drop(self.read());
            let before = self.woken.fetch_sub(woken, Ordering::SeqCst);
            if before == woken {
                return;
            }
            woken = before - woken;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::rtnetlink::channel::Answer;

    struct Flag(Arc<AtomicUsize>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A stream like that of a connection: a queue that wakes.
    #[derive(Default)]
    struct Queue(Mutex<(Vec<Option<Answer>>, Option<Waker>)>);

    impl Queue {
        fn answers(self: &Arc<Self>) -> Answers {
            let queue = Arc::clone(self);
            Box::pin(futures_util::stream::poll_fn(move |context| {
                let mut queue = queue.0.lock().unwrap();
                match queue.0.pop() {
                    Some(next) => Poll::Ready(next),
                    None => {
                        queue.1 = Some(context.waker().clone());
                        Poll::Pending
                    }
                }
            }))
        }

        fn push(&self, next: Option<Answer>) {
            let waker = {
                let mut queue = self.0.lock().unwrap();
                queue.0.insert(0, next);
                queue.1.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    #[test]
    fn what_is_held_goes_when_the_answer_has_ended() {
        let (queue, dropped) = (Arc::new(Queue::default()), Arc::new(AtomicUsize::new(0)));
        until_answered(queue.answers(), Box::new(Flag(Arc::clone(&dropped))));
        queue.push(Some(Answer::default()));
        queue.push(Some(Answer::default()));
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        queue.push(None);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        // Nothing is left that knows the queue.
        assert_eq!(Arc::strong_count(&queue), 1);
    }

    #[test]
    fn an_answer_that_has_ended_holds_nothing() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let none = futures_util::stream::empty().boxed();
        until_answered(none, Box::new(Flag(Arc::clone(&dropped))));
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn waking_while_reading_reads_once_more() {
        // Wakes its reader each time it is asked, as a queue that fills while it is read does.
        let (asked, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        let answers: Answers = Box::pin(futures_util::stream::poll_fn(move |context| {
            if count.fetch_add(1, Ordering::SeqCst) == 5 {
                return Poll::Ready(None);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }));
        until_answered(answers, Box::new(Flag(Arc::clone(&dropped))));
        assert_eq!((asked.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst)), (6, 1));
    }
}
