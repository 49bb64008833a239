//! The state of cosigning: which heads are with the witnesses, and when the newest is due again.
//!
//! ```text
//! durable head ---> requested ---> cosigned ---(a third of the lease)---> renewing ---.
//!                                     ^------------------------------------------------'
//! ```
//! A new head never waits for a renewal. So a witness may refuse a renewal because it cosigned the
//! new head meanwhile: that is this engine's own, and no reason to stop.

use super::{Fault, Output, Pipeline};
use crate::witness::{LeaseTerms, WitnessReject};
use mortise_format::merkle::history::TreeHead;
use mortise_format::policy::Policy;

#[derive(Debug)]
pub(super) struct Witnessing {
    /// True if the policy has witnesses: frames wait for a quorum.
    is_required: bool,
    terms: LeaseTerms,
    /// The head whose cosignatures are in flight.
    requested: Option<TreeHead>,
    /// The newest head that a quorum cosigned.
    cosigned: Option<TreeHead>,
    /// True while that head, or the one before it, is being cosigned again.
    is_renewing: bool,
    /// Engine time of the last cosignatures or of the last attempt to renew them, milliseconds.
    renewed_ms: u64,
    hold: Hold,
}

/// Whether the first release waits until the lease of the engine before this one is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// It does not, or not any more.
    None,
    /// It will, from the first cosignatures on: until then the other engine can renew.
    FromFirst,
    /// Until this engine time, milliseconds.
    Until(u64),
}

impl Witnessing {
    /// `is_continued`: the engine before this one ended its epoch and answers nothing any more.
    pub fn new(policy: &Policy, is_continued: bool) -> Self {
        let (is_required, terms) = (!policy.witnesses.is_empty(), LeaseTerms::of(policy));
        let is_held = is_required && terms.is_awaited && !is_continued;
        let hold = if is_held { Hold::FromFirst } else { Hold::None };
        let (requested, cosigned) = (None, None);
        Self { is_required, terms, requested, cosigned, is_renewing: false, renewed_ms: 0, hold }
    }

    /// True if witnesses do not hold up the release of a frame.
    pub fn covers(&self, seq: u64) -> bool {
        !self.is_required || (self.is_cosigned(seq) && self.hold == Hold::None)
    }

    fn is_cosigned(&self, seq: u64) -> bool {
        self.cosigned.is_some_and(|head| seq < head.size)
    }

    /// The largest size that this engine had witnesses cosign.
    fn size_max(&self) -> u64 {
        let heads = self.requested.iter().chain(&self.cosigned);
        heads.map(|head| head.size).max().unwrap_or(0)
    }

    /// Takes the newest durable head to the witnesses, one head at a time.
    pub fn request(&mut self, head: TreeHead) -> Option<TreeHead> {
        let is_new = self.cosigned.is_none_or(|cosigned| head.size > cosigned.size);
        if !self.is_required || !is_new || self.requested.is_some() {
            return None;
        }
        self.requested = Some(head);
        Some(head)
    }

    /// Accepts cosignatures only for the requested head.
    fn cosigned(&mut self, now_ms: u64, size: u64) -> bool {
        let Some(head) = self.requested.take_if(|head| head.size == size) else { return false };
        (self.cosigned, self.renewed_ms) = (Some(head), now_ms);
        if self.hold == Hold::FromFirst {
            let until = now_ms.saturating_add(self.terms.lease_ms);
            self.hold = Hold::Until(until.saturating_add(self.terms.skew_ms));
        }
        true
    }

    /// The head whose lease is to be renewed now.
    fn due(&mut self, now_ms: u64) -> Option<TreeHead> {
        let is_due = now_ms >= self.renewed_ms.saturating_add(self.terms.renew_ms());
        if self.is_renewing || self.requested.is_some() || !is_due {
            return None;
        }
        let head = self.cosigned?;
        (self.is_renewing, self.renewed_ms) = (true, now_ms);
        Some(head)
    }

    /// True if the end of the epoch spares the next engine its wait.
    fn is_awaited(&self) -> bool {
        self.is_required && self.terms.is_awaited
    }
}

impl From<WitnessReject> for Fault {
    fn from(refusal: WitnessReject) -> Self {
        match refusal {
            WitnessReject::Ahead { newest } => Self::WitnessAhead { newest },
            WitnessReject::Fork => Self::WitnessFork,
        }
    }
}

impl Pipeline {
    pub(super) fn cosigned(&mut self, now_ms: u64, size: u64, out: &mut Vec<Output>) {
        if self.witnessing.cosigned(now_ms, size) {
            self.release(out);
            self.request_cosignatures(out);
        }
    }

    /// Renews the lease of the newest cosigned head when it is due.
    pub(super) fn renew(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        out.extend(self.witnessing.due(now_ms).map(Output::Renew));
    }

    /// A renewal is refused as a new head is, unless the later head is this engine's own.
    pub(super) fn renewed(&mut self, refusal: Option<WitnessReject>) -> Result<(), Fault> {
        self.witnessing.is_renewing = false;
        match refusal {
            Some(WitnessReject::Ahead { newest }) if newest <= self.witnessing.size_max() => Ok(()),
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }

    /// Ends the epoch in the log, as the last act of an orderly stop: the next engine need not wait
    /// until this one's lease is over. The caller has ended the lease. False if there is nothing to
    /// end: no engine would wait, or this one never served.
    pub fn end_epoch(&mut self, now_ms: u64, out: &mut Vec<Output>) -> bool {
        let state = self.machine.state();
        let is_wanted = self.witnessing.is_awaited() && state.rules().ends_epochs();
        if !is_wanted || !self.is_open || !self.is_idle() || self.fault.is_some() || self.has_ended
        {
            return false;
        }
        self.has_ended = true;
        if let Err(fault) = self.last_frame(now_ms, out) {
            self.stop(fault, out);
        }
        true
    }

    /// Makes the first release once the lease of the engine before this one is over.
    pub(super) fn end_hold(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if matches!(self.witnessing.hold, Hold::Until(until_ms) if now_ms >= until_ms) {
            self.witnessing.hold = Hold::None;
            self.release(out);
        }
    }
}
