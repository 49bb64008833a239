//! The answers of a batch: in order, and no more than one message can hold.
//!
//! What it is for: calls of a batch run together, so that commands share frames, as long as their
//! answers are sure to fit. A call with a large answer waits for the ones before it. When an answer
//! does not fit, the calls that are not begun are refused: nothing is made that cannot be sent.
//!
//! Invariants: the answers in memory are below the bound of one message, plus one answer. Calls
//! begin in order, and no more than [`CALLS_IN_A_ROW`] while the other sessions of the thread wait:
//! many calls need nothing that they would wait for.

use crate::room::MadeAnswer;
use futures_util::StreamExt as _;
use futures_util::future::{FutureExt as _, LocalBoxFuture, ready};
use futures_util::stream::FuturesOrdered;
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Id, failure};
use std::future::poll_fn;
use std::task::Poll;

/// A call of a batch, not begun.
pub(super) struct Planned<'a> {
    /// `None` for a notification, which has no answer.
    pub id: Option<Id>,
    /// The answer is not larger than this.
    pub bytes: usize,
    /// Begins it. A call that is answered takes several times the memory of one that waits.
    pub begin: Box<dyn FnOnce() -> LocalBoxFuture<'a, Option<MadeAnswer>> + 'a>,
}

/// Answers calls in order. The answers have at most `bytes_max` bytes together.
pub(super) async fn in_order(calls: Vec<Planned<'_>>, bytes_max: usize) -> Vec<MadeAnswer> {
    let refusals = calls.len() * REFUSAL_BYTES;
    let mut batch = Batch { room: bytes_max.saturating_sub(refusals), ..Batch::default() };
    for call in calls {
        while !batch.has_room(call.bytes) {
            batch.finish_one().await;
        }
        batch.begin(call).await;
    }
    while batch.finish_one().await {}
    batch.answers
}

/// Calls that begin, and are answered when they wait for nothing, before other tasks go on.
const CALLS_IN_A_ROW: usize = 8;
/// Bytes of the answer that refuses a call, and of the comma before it.
const REFUSAL_BYTES: usize = 512;

#[derive(Default)]
struct Batch<'a> {
    running: FuturesOrdered<LocalBoxFuture<'a, Finished>>,
    begun: usize,
    /// Bytes for the answers of running calls.
    reserved: usize,
    /// Bytes for the answers that are not made yet.
    room: usize,
    /// True once an answer did not fit.
    is_full: bool,
    answers: Vec<MadeAnswer>,
}

struct Finished {
    id: Option<Id>,
    bytes: usize,
    answer: Option<MadeAnswer>,
}

impl<'a> Batch<'a> {
    fn has_room(&self, bytes: usize) -> bool {
        self.is_full || self.running.is_empty() || self.reserved + bytes <= self.room
    }

    async fn begin(&mut self, call: Planned<'a>) {
        let Planned { id, bytes, begin } = call;
        if self.is_full {
            let answer = id.as_ref().map(refusal);
            let finished = Finished { id, bytes: 0, answer };
            self.running.push_back(async { finished }.boxed_local());
            return;
        }
        self.reserved += bytes;
        let mut call = begin().map(move |answer| Finished { id, bytes, answer }).boxed_local();
        self.running.push_back(
            match poll_fn(|context| Poll::Ready(call.poll_unpin(context))).await {
                Poll::Ready(finished) => ready(finished).boxed_local(),
                Poll::Pending => call,
            },
        );
        self.begun += 1;
        if self.begun.is_multiple_of(CALLS_IN_A_ROW) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits for the oldest running call; false if there is none.
    async fn finish_one(&mut self) -> bool {
        let Some(Finished { id, bytes, answer }) = self.running.next().await else { return false };
        self.reserved = self.reserved.saturating_sub(bytes);
        let Some((id, answer)) = id.zip(answer) else { return true };
        let length = answer.bytes.len();
        let is_refusal = length < REFUSAL_BYTES;
        if length <= self.room || is_refusal {
            // The room for one refusal a call is set aside.
            self.room = self.room.saturating_sub(if is_refusal { 0 } else { length });
            self.answers.push(answer);
        } else {
            self.is_full = true;
            self.answers.push(refusal(&id));
        }
        true
    }
}

fn refusal(id: &Id) -> MadeAnswer {
    let error = ErrorObject::overloaded(0).with_message(
        "the answers of this batch are over their size limit: send this call again in another one",
    );
    MadeAnswer { bytes: failure(id, &error), reserved: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn call<'a>(n: u64, bytes: usize, begun: &'a RefCell<Vec<u64>>) -> Planned<'a> {
        let answer = async move {
            begun.borrow_mut().push(n);
            tokio::task::yield_now().await;
            Some(MadeAnswer { bytes: vec![b'0'; bytes], reserved: Vec::new() })
        };
        Planned { id: Some(Id::from(n)), bytes, begin: Box::new(|| answer.boxed_local()) }
    }

    fn is_refused(answer: &MadeAnswer) -> bool {
        String::from_utf8_lossy(&answer.bytes).contains("OVERLOADED")
    }

    #[tokio::test]
    async fn calls_with_small_answers_all_begin_before_the_first_ends() {
        let begun = RefCell::default();
        let calls = (0..256).map(|n| call(n, 1000, &begun)).collect();
        let answers = in_order(calls, 4 * 1024 * 1024).await;
        assert_eq!(answers.len(), 256);
        assert!(answers.iter().all(|answer| answer.bytes.len() == 1000));
        assert_eq!(*begun.borrow(), (0..256).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn other_tasks_have_turns_while_calls_that_wait_for_nothing_are_answered() {
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let made = |n: u64| {
            let answer = async { Some(MadeAnswer { bytes: vec![b'0'; 9], reserved: Vec::new() }) };
            Planned { id: Some(Id::from(n)), bytes: 9, begin: Box::new(|| answer.boxed_local()) }
        };
        let answers = in_order((0..256).map(made).collect(), 4 * 1024 * 1024).await;
        assert_eq!(answers.len(), 256);
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns >= 256 / CALLS_IN_A_ROW - 1, "{turns} turns");
        other.abort();
    }

    #[tokio::test]
    async fn large_answers_are_made_one_by_one_and_no_more_than_fit() {
        let begun = RefCell::default();
        let calls = (0..256).map(|n| call(n, 1_000_000, &begun)).collect();
        let answers = in_order(calls, 4 * 1024 * 1024).await;
        assert_eq!(answers.len(), 256);
        assert!(
            answers.iter().map(|answer| answer.bytes.len() + 1).sum::<usize>() < 4 * 1024 * 1024
        );
        let whole = answers.iter().take_while(|answer| answer.bytes.len() == 1_000_000).count();
        assert_eq!(whole, 4);
        assert!(answers[whole..].iter().all(is_refused));
        assert!(begun.borrow().len() <= whole + 1, "no call begins after the bound");
    }

    #[tokio::test]
    async fn notification_takes_no_room_and_has_no_answer() {
        let begun = RefCell::default();
        let mut silent = call(0, 10, &begun);
        silent.id = None;
        let answers = in_order(vec![silent, call(1, 10, &begun)], 4096).await;
        assert_eq!(answers.len(), 1);
    }
}
