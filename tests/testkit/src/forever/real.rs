//! The engine itself: pipeline, log, snapshots and restarts.

use super::{Effect, Form, Keeper, LOCK_S_MAX, Signed};
use crate::driver::{Driver, Response};
use crate::keys::Party;
use mortise_engine::api::{NotDone, Replied};
use mortise_engine::pipeline::Settings;
use mortise_engine::query::SuggestNonce;
use mortise_format::command::CancelForm;
use mortise_format::eip712::Request;
use mortise_format::errors::Code;
use mortise_format::event::{Event, LogPosition};
use mortise_format::ids::LockId;
use mortise_format::lock::LockTerms;
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_sim::rng::Rng;
use std::collections::BTreeSet;

/// An engine whose answers are told apart: new events from repeated ones.
#[derive(Debug)]
pub struct Real {
    /// The engine.
    pub driver: Driver,
    answered: BTreeSet<LogPosition>,
    /// Locks that were granted and nonces that were burned.
    pub uses: u32,
    /// Times that a frame of time alone left fewer principals.
    pub forgot: u32,
}

impl Real {
    /// An engine on an empty disk that takes a snapshot every few frames.
    ///
    /// # Panics
    /// When it does not boot.
    pub fn new(seed: u64) -> Self {
        let settings = Settings { snapshot_frames: 9, ..Settings::default() };
        let mut driver = Driver::new(seed, settings);
        driver.genesis_mut().policy.lock_s_max = LOCK_S_MAX;
        driver.boot().expect("an empty disk boots");
        driver.settle();
        Self { driver, answered: BTreeSet::new(), uses: 0, forgot: 0 }
    }

    fn effect_of(&mut self, replied: &Replied) -> Effect {
        let refused = |code| match code {
            Code::NonceUsed => Effect::NonceRefused,
            _ => Effect::Nothing,
        };
        if let Err(NotDone::Refused(reject)) = replied {
            return refused(reject.reject.code());
        }
        let response = Response::of(replied);
        let at = LogPosition { seq: response.seq(), index: response.index };
        if !self.answered.insert(at) {
            return Effect::Nothing;
        }
        self.uses += u32::from(!matches!(response.event, Event::CommandRefused { .. }));
        match response.event {
            Event::LocksGranted { .. } => Effect::Granted,
            Event::DraftCancelled { .. } => Effect::Burned,
            Event::CommandRefused { reject, .. } => refused(reject.code()),
            other => panic!("{other:?} answers no signature of an owner"),
        }
    }
}

impl Keeper for Real {
    fn advance(&mut self, now_s: u64) {
        let principals = |real: &Self| real.driver.pipeline().machine().state().principal_count();
        let before = principals(self);
        self.driver.now_ms = now_s * 1000;
        self.driver.sweep();
        self.forgot += u32::from(principals(self) < before);
    }

    fn restart(&mut self) {
        self.driver.restart();
    }

    fn suggested(&mut self, owner: Party) -> u64 {
        self.driver.read(SuggestNonce(owner.address())).answer
    }

    fn other(&self, rng: &mut Rng, suggested: u64) -> u64 {
        let hour = nonce_of(1, 0);
        match rng.below(8) {
            0 => suggested.saturating_sub(1),
            1 => suggested + 1 + rng.below(400),
            2 => suggested + hour,
            3..=5 => nonce_of(hour_at(self.driver.now_ms / 1000), 0) + rng.below(2),
            _ => suggested - hour * (1 + rng.below(27)),
        }
    }

    fn show(&mut self, signed: &Signed) -> Effect {
        let (signer, by, terms) = (self.driver.signer(), signed.owner, &signed.terms);
        let asked = match signed.form {
            Form::Intent(request) => signer.commit(by, terms, request),
            Form::Approval => signer.approve(by, terms),
            Form::Cancel => signer.cancel_draft(by, terms, CancelForm::Text),
            Form::CancelRequest(request) => {
                signer.cancel_draft(by, terms, CancelForm::Consent(request))
            }
        };
        let replied = self.driver.answer(&asked);
        self.effect_of(&replied)
    }

    fn release(&mut self, terms: &LockTerms, request: Request) {
        let signer = self.driver.signer();
        let lock_id: LockId = signer.lock_id(terms);
        drop(self.driver.answer(&signer.release(Party::Beneficiary, lock_id, request)));
    }
}
