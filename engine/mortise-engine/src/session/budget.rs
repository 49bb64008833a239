//! The bytes that all sessions hold: requests that are being read or answered, and answers that are
//! not yet written.
//!
//! What it does not do: bound what a request makes the engine do. Queues and quotas do that.

use mortise_format::limits::{ANSWER_BYTES_HELD_MAX, REQUEST_BYTES_HELD_MAX};
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Id, batch, failure};
use mortise_rpc::id::texts;
use mortise_transport::{ByteBudget, HeldBytes};

/// Both sums.
#[derive(Debug)]
pub struct Budgets {
    pub requests: ByteBudget,
    pub answers: ByteBudget,
}

impl Default for Budgets {
    fn default() -> Self {
        Self::new(REQUEST_BYTES_HELD_MAX, ANSWER_BYTES_HELD_MAX)
    }
}

impl Budgets {
    pub(super) fn new(requests: usize, answers: usize) -> Self {
        Self { requests: ByteBudget::new(requests), answers: ByteBudget::new(answers) }
    }

    /// Counts an answer. When there is no room, others do not read theirs: this one is replaced by
    /// an error with its ids. What the request did is done, and may be asked again.
    pub(super) fn answer(&self, answer: Vec<u8>) -> (Vec<u8>, HeldBytes) {
        match self.answers.hold(answer.len()) {
            Some(held) => (answer, held),
            None => {
                let error = ErrorObject::overloaded(RETRY_AFTER_MS).with("outcome", "unknown");
                (in_place_of(&answer, &error), HeldBytes::default())
            }
        }
    }
}

/// The wait that an OVERLOADED error asks for.
pub(super) const RETRY_AFTER_MS: u64 = 200;

/// An error for each answer of a text.
fn in_place_of(answer: &[u8], error: &ErrorObject) -> Vec<u8> {
    let text = std::str::from_utf8(answer).unwrap_or_default();
    let id = |text: Option<&str>| text.map_or(Id::Null, |text| Id::Written(text.to_owned()));
    let failures = texts(text).into_iter().map(|text| failure(&id(text), error));
    let mut failures: Vec<_> = failures.collect();
    match text.starts_with('[') {
        true => batch(&failures).unwrap_or_default(),
        false => failures.pop().unwrap_or_else(|| failure(&Id::Null, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_rpc::envelope::success;

    #[test]
    fn an_answer_without_room_is_an_error_with_its_ids() {
        let budgets = Budgets::new(0, 64 * 1024);
        let large = "x".repeat(50_000);
        let first = success(&Id::from(1), &large);
        let (answer, held) = budgets.answer(first.clone());
        assert_eq!(answer, first);
        let text = |(answer, _): (Vec<u8>, HeldBytes)| String::from_utf8(answer).unwrap();
        let written = Id::Written("1e2".to_owned());
        let second = success(&written, &large);
        let refused = text(budgets.answer(second.clone()));
        assert!(refused.contains(r#""name":"OVERLOADED""#), "{refused}");
        assert!(refused.ends_with(r#","id":1e2}"#), "{refused}");
        let both = batch(&[first, second.clone()]).unwrap();
        let refused = text(budgets.answer(both.clone()));
        assert!(refused.starts_with("[{") && refused.ends_with(r#","id":1e2}]"#), "{refused}");
        assert!(refused.contains(r#","id":1},"#), "{refused}");
        let sealed = text(budgets.answer([b"MRC1".to_vec(), vec![0xff; 50_000]].concat()));
        assert!(sealed.ends_with(r#","id":null}"#), "{sealed}");
        drop(held);
        assert!(text(budgets.answer(second.clone())).contains(&large));
    }
}
