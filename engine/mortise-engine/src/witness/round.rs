//! One round: asks all witnesses to cosign one head, until a quorum has agreed or cannot.

use super::quorum::{Cosigned, WitnessQuorum};
use crate::ports::PortFuture;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use mortise_format::add_checkpoint::AddCheckpoint;
use mortise_format::limits::WITNESS_ANSWER_MS_MAX;
use mortise_format::merkle::history::TreeHead;
use mortise_verify::checkpoint::verify_cosigned;
use mortise_verify::witness_answer::{WitnessAnswer, read_answer};
use std::sync::Arc;
use std::time::Duration;

/// A witness refuses a head, and a retry does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WitnessReject {
    /// It cosigned a larger head: this log is an older copy, or another engine extends it.
    Ahead {
        /// The size that it reports as cosigned last.
        newest: u64,
    },
    /// The history that it cosigned is not a prefix of this log.
    Fork,
}

impl WitnessReject {
    /// The stable name, for health and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ahead { .. } => "WITNESS_AHEAD",
            Self::Fork => "WITNESS_FORK",
        }
    }
}

/// The result of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Cosigned(Arc<Cosigned>),
    /// Too many refused: no quorum is possible.
    Refused(WitnessReject),
}

/// Returns the consistency path from an earlier size to the head; `None` if it is not available.
pub type Paths<'a> = dyn Fn(u64) -> PortFuture<'static, Option<Vec<[u8; 32]>>> + Send + Sync + 'a;

/// First and longest back-off between two requests to a witness that does not answer.
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Consecutive retries without back-off after a 409 that names another size.
const IMMEDIATE_RETRIES_MAX: u32 = 3;

/// The head of a round, with its checkpoint.
struct Round<'a> {
    quorum: &'a WitnessQuorum,
    head: TreeHead,
    text: String,
    note: String,
    paths: &'a Paths<'a>,
}

enum Verdict {
    Cosigned(String),
    Refused(WitnessReject),
}

/// Asks all witnesses until a quorum has cosigned `head` or cannot. Retries witnesses that do not
/// answer without an end.
pub async fn gather<'a>(
    quorum: &'a WitnessQuorum,
    head: TreeHead,
    paths: &'a Paths<'a>,
) -> Outcome {
    let (text, note) = quorum.sign(&head);
    let round = Round { quorum, head, text, note, paths };
    let (count, quorum) = (quorum.witnesses().keys().len(), quorum.witnesses().quorum());
    let verdicts = (0..count).map(|member| round.ask(member));
    let mut verdicts: FuturesUnordered<_> = verdicts.collect();
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    while let Some(verdict) = verdicts.next().await {
        match verdict {
            Verdict::Cosigned(line) => lines.push(line),
            Verdict::Refused(refusal) => refused.push(refusal),
        }
        if lines.len() >= quorum {
            return round.cosigned(&lines);
        }
        if count - refused.len() < quorum {
            break;
        }
    }
    let ahead = refused.iter().find(|refusal| matches!(refusal, WitnessReject::Ahead { .. }));
    Outcome::Refused(*ahead.unwrap_or(&WitnessReject::Fork))
}

impl Round<'_> {
    /// Joins note and cosignatures, and verifies the result like any verifier.
    fn cosigned(&self, lines: &[String]) -> Outcome {
        let note = format!("{}{}", self.note, lines.concat());
        let quorum = self.quorum;
        let verified =
            verify_cosigned(note.as_bytes(), quorum.origin(), quorum.log(), quorum.witnesses());
        assert!(
            verified.is_ok_and(|cosigned| *cosigned.checkpoint().head() == self.head),
            "each line was checked against its witness"
        );
        Outcome::Cosigned(quorum.keep(Cosigned { head: self.head, note }))
    }

    /// Asks one witness until it cosigns or refuses.
    async fn ask(&self, member: usize) -> Verdict {
        let (mut backoff, mut immediate) = (BACKOFF, 0);
        loop {
            let old = self.quorum.cosigned(member).min(self.head.size);
            match self.request(member, old).await {
                WitnessAnswer::Cosigned { line, .. } => {
                    self.quorum.set_cosigned(member, self.head.size);
                    return Verdict::Cosigned(line);
                }
                WitnessAnswer::LastCosigned(newest) if newest > self.head.size => {
                    return Verdict::Refused(WitnessReject::Ahead { newest });
                }
                // The sizes match, so the witness refuses the root.
                WitnessAnswer::LastCosigned(newest) if newest == old && old == self.head.size => {
                    return Verdict::Refused(WitnessReject::Fork);
                }
                WitnessAnswer::LastCosigned(newest)
                    if newest != old && immediate < IMMEDIATE_RETRIES_MAX =>
                {
                    self.quorum.set_cosigned(member, newest);
                    immediate += 1;
                    continue;
                }
                WitnessAnswer::OtherRoot if old == self.head.size => {
                    return Verdict::Refused(WitnessReject::Fork);
                }
                WitnessAnswer::Inconsistent => return Verdict::Refused(WitnessReject::Fork),
                _ => {}
            }
            tokio::time::sleep(backoff).await;
            (backoff, immediate) = ((2 * backoff).min(BACKOFF_MAX), 0);
        }
    }

    /// Sends one request. A failure or a timeout is `Unusable`.
    async fn request(&self, member: usize, old: u64) -> WitnessAnswer {
        let path = match old {
            0 => Some(Vec::new()),
            old if old == self.head.size => Some(Vec::new()),
            old => (self.paths)(old).await,
        };
        let Some(path) = path else { return WitnessAnswer::Unusable };
        let request = AddCheckpoint { old_size: old, path, checkpoint: &self.note };
        let (quorum, key) = (self.quorum, self.quorum.key(member));
        let call = quorum.port().add_checkpoint(key, request.text().into_bytes());
        let timeout = Duration::from_millis(WITNESS_ANSWER_MS_MAX);
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok((status, body))) => {
                let answer = read_answer(quorum.verifier(member), &self.text, status, &body);
                if matches!(answer, WitnessAnswer::Unusable) {
                    tracing::warn!(witness = key.name, status, "a witness did not cosign");
                }
                answer
            }
            Ok(Err(error)) => {
                tracing::warn!(witness = key.name, %error, "cannot reach a witness");
                WitnessAnswer::Unusable
            }
            Err(_) => {
                tracing::warn!(witness = key.name, "a witness did not answer in time");
                WitnessAnswer::Unusable
            }
        }
    }
}
