//! One head, asked of all witnesses until a quorum has cosigned or cannot any more.

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

/// Why a witness refuses a head for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WitnessReject {
    /// It cosigned a larger head: this log is an older copy, or another engine writes on.
    Ahead {
        /// What it says that it cosigned last.
        newest: u64,
    },
    /// What it cosigned is no beginning of this log.
    Fork,
}

impl WitnessReject {
    /// A stable name for health and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ahead { .. } => "WITNESS_AHEAD",
            Self::Fork => "WITNESS_FORK",
        }
    }
}

/// How a round ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A quorum cosigned.
    Cosigned(Arc<Cosigned>),
    /// So many refused that no quorum is left.
    Refused(WitnessReject),
}

/// Gives the consistency path from an earlier size to the head's; none when there is none yet.
pub type Paths<'a> = dyn Fn(u64) -> PortFuture<'static, Option<Vec<[u8; 32]>>> + Send + Sync + 'a;

/// First and longest rest between two questions to a witness that gives no answer.
const REST: Duration = Duration::from_millis(50);
const REST_MAX: Duration = Duration::from_secs(5);
/// Answers 409 that are followed at once, before resting.
const HURRIES_MAX: u32 = 3;

/// A head on its way through a round.
struct Asked<'a> {
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

/// Asks until a quorum has cosigned `head`, or cannot any more. Witnesses without an answer are
/// asked again for as long as it takes.
pub async fn gather<'a>(
    quorum: &'a WitnessQuorum,
    head: TreeHead,
    paths: &'a Paths<'a>,
) -> Outcome {
    let (text, note) = quorum.sign(&head);
    let asked = Asked { quorum, head, text, note, paths };
    let (count, quorum) = (quorum.witnesses().keys().len(), quorum.witnesses().quorum());
    let asking = (0..count).map(|member| asked.ask(member));
    let mut asking: FuturesUnordered<_> = asking.collect();
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    while let Some(verdict) = asking.next().await {
        match verdict {
            Verdict::Cosigned(line) => lines.push(line),
            Verdict::Refused(refusal) => refused.push(refusal),
        }
        if lines.len() >= quorum {
            return asked.cosigned(&lines);
        }
        if count - refused.len() < quorum {
            break;
        }
    }
    let ahead = refused.iter().find(|refusal| matches!(refusal, WitnessReject::Ahead { .. }));
    Outcome::Refused(*ahead.unwrap_or(&WitnessReject::Fork))
}

impl Asked<'_> {
    /// The note with its cosignatures, checked as anybody would.
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

    async fn ask(&self, member: usize) -> Verdict {
        let (mut rest, mut hurries) = (REST, 0);
        loop {
            let old = self.quorum.cosigned(member).min(self.head.size);
            match self.question(member, old).await {
                WitnessAnswer::Cosigned { line, .. } => {
                    self.quorum.set_cosigned(member, self.head.size);
                    return Verdict::Cosigned(line);
                }
                WitnessAnswer::LastCosigned(newest) if newest > self.head.size => {
                    return Verdict::Refused(WitnessReject::Ahead { newest });
                }
                // The size is the one that was named: what it refuses is the root.
                WitnessAnswer::LastCosigned(newest) if newest == old && old == self.head.size => {
                    return Verdict::Refused(WitnessReject::Fork);
                }
                WitnessAnswer::LastCosigned(newest) if newest != old && hurries < HURRIES_MAX => {
                    self.quorum.set_cosigned(member, newest);
                    hurries += 1;
                    continue;
                }
                WitnessAnswer::OtherRoot if old == self.head.size => {
                    return Verdict::Refused(WitnessReject::Fork);
                }
                WitnessAnswer::Inconsistent => return Verdict::Refused(WitnessReject::Fork),
                _ => {}
            }
            tokio::time::sleep(rest).await;
            (rest, hurries) = ((2 * rest).min(REST_MAX), 0);
        }
    }

    /// One question; anything that is no answer is `Unusable`.
    async fn question(&self, member: usize, old: u64) -> WitnessAnswer {
        let path = match old {
            0 => Some(Vec::new()),
            old if old == self.head.size => Some(Vec::new()),
            old => (self.paths)(old).await,
        };
        let Some(path) = path else { return WitnessAnswer::Unusable };
        let request = AddCheckpoint { old_size: old, path, checkpoint: &self.note };
        let (quorum, key) = (self.quorum, self.quorum.key(member));
        let asking = quorum.port().add_checkpoint(key, request.text().into_bytes());
        let timeout = Duration::from_millis(WITNESS_ANSWER_MS_MAX);
        match tokio::time::timeout(timeout, asking).await {
            Ok(Ok((status, body))) => {
                let answer = read_answer(quorum.verifier(member), &self.text, status, &body);
                if matches!(answer, WitnessAnswer::Unusable) {
                    tracing::warn!(witness = key.name, status, "a witness did not cosign");
                }
                answer
            }
            Ok(Err(error)) => {
                tracing::warn!(witness = key.name, %error, "a witness was not reached");
                WitnessAnswer::Unusable
            }
            Err(_) => {
                tracing::warn!(witness = key.name, "a witness did not answer in time");
                WitnessAnswer::Unusable
            }
        }
    }
}
