//! One round: asks all witnesses to cosign one head, until a quorum has agreed or cannot.

use super::head::{CosignatureLine, Cosigned};
use super::quorum::WitnessQuorum;
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
    /// Newer heads were cosigned meanwhile, and this one is forgotten.
    Overtaken,
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
    Cosigned(usize, CosignatureLine),
    Refused(WitnessReject),
}

/// Asks all witnesses until a quorum has cosigned `head` or cannot. Retries witnesses that do not
/// answer without an end.
pub async fn gather<'a>(
    quorum: &'a WitnessQuorum,
    head: TreeHead,
    paths: &'a Paths<'a>,
) -> Outcome {
    Round::new(quorum, head, paths).run(|_| true).await
}

/// Has a head that a quorum cosigned before cosigned again, with times of this round: until a
/// quorum has done so, or cannot. What arrives counts at once, so a caller may give up at any time.
pub async fn renew<'a>(quorum: &'a WitnessQuorum, head: TreeHead, paths: &'a Paths<'a>) -> Outcome {
    let begun_ms = quorum.clock().now_ms().unwrap_or(u64::MAX);
    let earliest_ms = begun_ms.saturating_sub(quorum.terms().skew_ms);
    let is_new = |cosigned: &Cosigned| {
        cosigned.cosigned_at.is_some_and(|time| time.saturating_mul(1000) >= earliest_ms)
    };
    Round::new(quorum, head, paths).run(is_new).await
}

impl<'a> Round<'a> {
    fn new(quorum: &'a WitnessQuorum, head: TreeHead, paths: &'a Paths<'a>) -> Self {
        let (text, note) = quorum.sign(&head);
        Self { quorum, head, text, note, paths }
    }

    /// Asks all witnesses until the cosignatures of a quorum are enough, no quorum is possible, or
    /// every witness has answered.
    async fn run(&self, is_enough: impl Fn(&Cosigned) -> bool) -> Outcome {
        let witnesses = self.quorum.witnesses();
        let (count, quorum) = (witnesses.keys().len(), witnesses.quorum());
        let verdicts = (0..count).map(|member| self.ask(member));
        let mut verdicts: FuturesUnordered<_> = verdicts.collect();
        let (mut refused, mut last) = (Vec::new(), None);
        while let Some(verdict) = verdicts.next().await {
            match verdict {
                Verdict::Cosigned(member, line) => {
                    last = self.quorum.add(&self.head, &self.note, member, line).or(last);
                    if let Some(cosigned) = last.take_if(|cosigned| is_enough(cosigned)) {
                        return self.cosigned(cosigned);
                    }
                }
                Verdict::Refused(refusal) => refused.push(refusal),
            }
            if count - refused.len() < quorum {
                break;
            }
        }
        if count - refused.len() >= quorum {
            return last.map_or(Outcome::Overtaken, |cosigned| self.cosigned(cosigned));
        }
        let ahead = refused.iter().find(|refusal| matches!(refusal, WitnessReject::Ahead { .. }));
        Outcome::Refused(*ahead.unwrap_or(&WitnessReject::Fork))
    }

    /// Verifies the checkpoint like any verifier.
    fn cosigned(&self, cosigned: Arc<Cosigned>) -> Outcome {
        let (note, quorum) = (cosigned.note.as_bytes(), self.quorum);
        let verified = verify_cosigned(note, quorum.origin(), quorum.log(), quorum.witnesses());
        assert!(
            verified.is_ok_and(|cosigned| *cosigned.checkpoint().head() == self.head),
            "each line was checked against its witness"
        );
        Outcome::Cosigned(cosigned)
    }

    /// Asks one witness until it cosigns or refuses.
    async fn ask(&self, member: usize) -> Verdict {
        let (mut backoff, mut immediate) = (BACKOFF, 0);
        loop {
            let old = self.quorum.cosigned(member).min(self.head.size);
            match self.request(member, old).await {
                WitnessAnswer::Cosigned { line, time } => {
                    self.quorum.set_cosigned(member, self.head.size);
                    let line = CosignatureLine { line, time, is_ahead: false };
                    return Verdict::Cosigned(member, line);
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
