//! Witnesses and the lease: rounds in virtual time, and what an answer about now would carry.

use super::{Driver, timed};
use crate::store::now;
use mortise_core::body::CarriedStatement;
use mortise_engine::lease::{Evidence, Lease, LeaseExpired};
use mortise_engine::pipeline::Input;
use mortise_engine::store::LogStore;
use mortise_engine::witness::{Outcome, Paths, consistency, gather, renew};
use mortise_format::ids::Bytes32;
use mortise_format::merkle::history::TreeHead;
use mortise_rpc::results::{FreshnessView, StatementView};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What stands beside the result of an answer about now.
#[derive(Debug, Clone)]
pub struct AnsweredNow {
    /// The member `freshness`.
    pub view: FreshnessView,
    /// Whether the engine gives the answer.
    pub leave: Result<(), LeaseExpired>,
}

impl Driver {
    /// Lets the engine's clock and that of the witnesses see the time.
    pub(super) fn set_clocks(&self) {
        self.clock.0.store(self.now_ms, Ordering::Relaxed);
        if let Some(bench) = &self.bench {
            bench.set_time(self.now_ms / 1000);
        }
    }

    /// Asks the witnesses to cosign the pending head.
    ///
    /// # Panics
    /// When no head is pending, or when the witnesses do not answer: the engine would wait for
    /// them.
    pub fn ask_witnesses(&mut self) {
        let head = self.engine_mut().heads.pop_front().expect("a head is under way");
        let outcome = self.round(head, |quorum, paths| timed(gather(quorum, head, paths)));
        match outcome.expect("witnesses answer") {
            Outcome::Refused(refusal) => self.handle(Input::WitnessRefused(refusal)),
            Outcome::Cosigned(_) | Outcome::Overtaken => {
                self.engine_mut().cosigned = head.size;
                self.handle(Input::Cosigned(head.size));
            }
        }
    }

    /// Does the pending renewal of the lease. Without answers it is given up, as the engine does.
    ///
    /// # Panics
    /// When none is pending.
    pub fn renew(&mut self) {
        let head = self.engine_mut().renewals.pop_front().expect("a renewal is under way");
        let outcome = self.round(head, |quorum, paths| timed(renew(quorum, head, paths)));
        let refusal = match outcome {
            Some(Outcome::Refused(refusal)) => Some(refusal),
            Some(Outcome::Cosigned(_) | Outcome::Overtaken) | None => None,
        };
        self.handle(Input::Renewed(refusal));
    }

    /// Ends the epoch as an orderly stop does, and carries that out.
    ///
    /// # Panics
    /// When there is nothing to end.
    pub fn end_epoch(&mut self) {
        let (now_ms, mut out) = (self.now_ms, Vec::new());
        assert!(self.engine_mut().pipeline.end_epoch(now_ms, &mut out), "it ends");
        self.take_outputs(out, Vec::new(), Vec::new());
        self.settle();
    }

    /// True when the lease is being renewed.
    pub fn has_renewal(&self) -> bool {
        !self.engine().renewals.is_empty()
    }

    fn round<T>(
        &self,
        head: TreeHead,
        run: impl FnOnce(&mortise_engine::witness::WitnessQuorum, &Paths<'_>) -> T,
    ) -> T {
        self.set_clocks();
        let (disk, engine) = (Arc::new(self.disk.clone()) as Arc<dyn LogStore>, self.engine());
        let archive = engine.pipeline.machine().archive();
        let paths = |earlier| consistency(&disk, archive.consistency(earlier, head.size));
        run(engine.quorum.as_ref().expect("the policy has witnesses"), &paths)
    }

    /// Lets time pass, second by second, with everything that the engine does meanwhile.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now_ms += 1000;
            self.set_clocks();
            self.tick();
            self.settle();
        }
    }

    /// The lease of this boot.
    ///
    /// # Panics
    /// Without witnesses.
    pub fn lease(&self) -> Lease {
        self.set_clocks();
        let quorum = self.engine().quorum.as_ref().expect("the policy has witnesses");
        Lease::new(Arc::clone(quorum), Arc::clone(self.reader().view()))
    }

    /// An answer about the newest released frame.
    ///
    /// # Panics
    /// Before the boot frame is released.
    pub fn answered_now(&self) -> AnsweredNow {
        self.answered_as_of(&self.reader().view().newest().expect("the engine serves"))
    }

    /// An answer about a released frame.
    ///
    /// # Panics
    /// When the path of the frame cannot be made.
    pub fn answered_as_of(&self, signed: &CarriedStatement) -> AnsweredNow {
        let lease = self.lease();
        let evidence = now(lease.evidence(signed));
        let path = |evidence: &Evidence| match &evidence.path {
            Some(plan) => now(self.reader().path(signed.statement.seq, plan.clone())),
            None => Ok(Vec::new()),
        };
        let path = evidence.as_ref().map(path).transpose().expect("the path is read");
        let view = FreshnessView {
            statement: StatementView::from(&signed.statement),
            statement_signature: signed.signature,
            checkpoint: evidence.as_ref().map(|evidence| evidence.checkpoint.note.clone()),
            history_path: path.unwrap_or_default().into_iter().map(Bytes32).collect(),
        };
        AnsweredNow { view, leave: lease.check(evidence.as_ref()) }
    }
}
