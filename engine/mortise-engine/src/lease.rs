//! The lease: an answer about now is made only while witnesses know its head as the newest.
//!
//! What it is for: an engine that another one superseded still has its keys and its state, and a
//! parent that serves it. Its next write fails, but reads make no frame. Witnesses cosign no head
//! below one that they cosigned, so a quorum of recent cosignatures says that at that time there
//! was no other engine.
//!
//! What it does not do: cosign ([`crate::witness`]), renew ([`crate::pipeline`]). It spares honest
//! callers an old answer. The guarantee is the client's own check when the answer arrives
//! ([`mortise_verify::lease`]): a parent that delays an answer is not seen here.
//!
//! ```text
//! read -> frame released -> evidence -> clock -> age <= lease -> answer, with the evidence
//! ```
//! Invariant: the clock is read after the state was, so the lease covers the moment of the read. A
//! pause before the comparison refuses; a pause after it makes the answer older for the client.

use crate::ports::ClockError;
use crate::reader::ReleasedView;
use crate::witness::{Cosigned, WitnessQuorum};
use mortise_core::body::CarriedStatement;
use mortise_core::history::archive::Plan;
use mortise_format::merkle::history::TreeHead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The lease of an engine with witnesses.
#[derive(Debug)]
pub struct Lease {
    quorum: Arc<WitnessQuorum>,
    view: Arc<ReleasedView>,
    is_over: AtomicBool,
}

/// What shows that a statement was the newest, and when.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// A checkpoint of the statement's history, or of a later one.
    pub checkpoint: Arc<Cosigned>,
    /// The path from the one history to the other; `None` if they are the same.
    pub path: Option<Plan>,
    /// The statement was the newest then: the time of the quorum, or its own. Milliseconds.
    pub as_of_ms: u64,
}

/// There is no lease: another engine may have continued the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseExpired {
    /// The last time as of which the head is known to be the newest, seconds.
    pub as_of: Option<u64>,
    /// The lease of the policy, seconds.
    pub max_age: u64,
}

/// Longest wait for the rest of a cosigned head to be released: its frames are durable, and only
/// their signatures are missing.
const RELEASE_WAIT: Duration = Duration::from_secs(1);

impl Lease {
    pub fn new(quorum: Arc<WitnessQuorum>, view: Arc<ReleasedView>) -> Self {
        Self { quorum, view, is_over: AtomicBool::new(false) }
    }

    /// The lease of the policy, seconds.
    pub fn max_age(&self) -> u64 {
        self.quorum.terms().lease_ms / 1000
    }

    /// Cosignatures that gave no lease, see [`WitnessQuorum::ahead`].
    pub fn ahead(&self) -> u64 {
        self.quorum.ahead()
    }

    /// Ends the lease for good: the epoch ends, and the next engine need not wait.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// What shows that a released statement was the newest. `None` if no checkpoint in memory
    /// contains it, which is so for the first moments after a boot and for old statements.
    pub async fn evidence(&self, signed: &CarriedStatement) -> Option<Evidence> {
        let statement = &signed.statement;
        let (size, root) = (statement.history_size, statement.history_root);
        let exact = self.quorum.cosigned_at(&TreeHead { size, root });
        if let Some(exact) = &exact
            && let Some(time) = exact.cosigned_at
        {
            let (checkpoint, as_of_ms) = (Arc::clone(exact), time.saturating_mul(1000));
            return Some(Evidence { checkpoint, path: None, as_of_ms });
        }
        let checkpoint = self.quorum.newest()?;
        let (later, as_of_ms) = (checkpoint.head.size, statement.time_ms);
        if later == size {
            return Some(Evidence { checkpoint, path: None, as_of_ms });
        }
        if self.view.size() < later {
            // The checkpoint covers frames whose signatures are not made yet.
            self.view.wait_for(later.checked_sub(1)?, RELEASE_WAIT).await;
        }
        let path = self.view.archive(|archive| archive.consistency(size, later));
        path.map(|path| Evidence { checkpoint, path: Some(path), as_of_ms })
    }

    /// Compares with the clock, which it reads now: after the state was read.
    ///
    /// # Errors
    /// [`LeaseExpired`], also without a trusted time and after [`Lease::end`].
    pub fn check(&self, evidence: Option<&Evidence>) -> Result<(), LeaseExpired> {
        let (terms, now_ms) = (self.quorum.terms(), self.now_ms());
        let as_of_ms = evidence.map(|evidence| evidence.as_of_ms);
        let is_young = |as_of_ms: u64, now_ms: u64| {
            as_of_ms <= now_ms.saturating_add(terms.skew_ms)
                && now_ms.saturating_sub(as_of_ms) <= terms.lease_ms
        };
        let is_held = as_of_ms.zip(now_ms.ok()).is_some_and(|(as_of, now)| is_young(as_of, now));
        match is_held && !self.is_over.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(LeaseExpired {
                as_of: as_of_ms.map(|as_of_ms| as_of_ms / 1000),
                max_age: self.max_age(),
            }),
        }
    }

    /// Engine time.
    ///
    /// # Errors
    /// As the clock.
    pub fn now_ms(&self) -> Result<u64, ClockError> {
        self.quorum.clock().now_ms()
    }
}
