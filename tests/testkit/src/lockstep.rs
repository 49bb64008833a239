//! The core and the model side by side: every answer compared, every aggregate recomputed.

use crate::keys::{Asked, TestSigner};
use crate::model::{Answer, Due, Model};
use crate::scenario::{START_MS, VERSION};
use mortise_core::admit::Step;
use mortise_core::state::Corruption;
use mortise_core::state::State;
use mortise_core::{Admitted, Admitting, Decision, admit, decide};
use mortise_format::command::Command;
use mortise_format::event::{Event, LogPosition};
use mortise_format::ids::{EngineId, FrameDigest};
use mortise_format::policy::Policy;
use mortise_format::reject::Reject;
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};

/// The engine of tests that need no identity.
pub const ENGINE_ID: EngineId = EngineId([0x3e; 32]);

/// A state and a model that must agree.
#[derive(Debug, Clone)]
pub struct Lockstep {
    /// Signs for the engine.
    pub signer: TestSigner,
    /// The state of the core.
    pub state: State,
    /// The model.
    pub model: Model,
    /// Engine time, milliseconds.
    pub now_ms: u64,
    /// Every event so far with its place.
    pub log: Vec<(LogPosition, Event)>,
    next: LogPosition,
    compares: bool,
}

impl Lockstep {
    /// An empty engine under a policy, at the start of time.
    pub fn new(policy: &Policy) -> Self {
        Self::under(policy, RuleSet::NEWEST)
    }

    /// The same under other rules than the newest.
    pub fn under(policy: &Policy, rules: RuleSet) -> Self {
        let salt_key = Secret::new([0x5a; 32]);
        let state = State::new(ENGINE_ID, policy.clone(), salt_key, 7);
        let mut model = Model::new(ENGINE_ID, policy.clone());
        model.rules = rules;
        let (signer, next) = (TestSigner::new(ENGINE_ID), LogPosition { seq: 0, index: 0 });
        let log = Vec::new();
        let mut lockstep = Self { signer, state, model, now_ms: 0, log, next, compares: true };
        let (version, previous) = (VERSION.into(), FrameDigest::ZERO);
        lockstep.log(Event::EpochStarted { epoch: 1, version, previous, rules });
        lockstep.at_ms(START_MS);
        lockstep
    }

    /// The same for tests of the core alone: the model applies the core's answers.
    #[must_use]
    pub fn without_comparing(mut self) -> Self {
        self.compares = false;
        self
    }

    /// Opens a frame so many seconds after the start, as `Machine::open` does.
    ///
    /// # Panics
    /// When core and model disagree.
    pub fn at_s(&mut self, seconds: u64) -> Due {
        self.at_ms(START_MS + seconds * 1000)
    }

    /// Opens a frame at this time; an earlier one counts as no time passed.
    ///
    /// # Panics
    /// When core and model disagree.
    pub fn at_ms(&mut self, now_ms: u64) -> Due {
        self.now_ms = self.now_ms.max(now_ms);
        self.next = LogPosition { seq: self.next.seq + 1, index: 0 };
        self.log(Event::TimeAdvanced { time_ms: self.now_ms });
        let taken = self.state.take_due(self.now_ms / 1000, usize::MAX);
        let set = |ids: &[_]| ids.iter().copied().collect::<BTreeSet<_>>();
        let found = Due {
            expired: set(&taken.expired),
            settled: set(&taken.settled),
            pruned: set(&taken.pruned),
        };
        for event in [
            Event::LocksExpired { lock_ids: taken.expired },
            Event::LocksSettled { lock_ids: taken.settled },
            Event::LocksPruned { lock_ids: taken.pruned },
        ] {
            let (Event::LocksExpired { lock_ids }
            | Event::LocksSettled { lock_ids }
            | Event::LocksPruned { lock_ids }) = &event
            else {
                continue;
            };
            if !lock_ids.is_empty() {
                self.log(event);
            }
        }
        let expected = self.model.advance(self.now_ms);
        if self.compares {
            assert_eq!(found, expected, "what time does");
            self.agree();
        }
        found
    }

    fn log(&mut self, event: Event) -> LogPosition {
        let at = self.next;
        self.state.apply(at, &event).expect("an event of our own fits");
        self.log.push((at, event));
        self.next.index += 1;
        at
    }

    /// Asks the core and the model, applies a logged answer, and compares everything.
    ///
    /// # Panics
    /// When core and model disagree.
    pub fn ask(&mut self, asked: &Asked) -> Answer {
        let expected = self.model.answer(self.now_ms, asked);
        let admitted = admit(self.state.rules(), &ENGINE_ID, asked.command.clone());
        if self.compares {
            let in_parts = in_parts(self.state.rules(), asked.command.clone());
            assert_eq!(format!("{in_parts:?}"), format!("{admitted:?}"), "admission in parts");
        }
        let (found, event) = match admitted {
            Err(reject) => (Answer::Refused(reject), None),
            Ok(admitted) => match decide(&self.state, self.now_ms, &admitted) {
                Decision::Event(event) => (Answer::of_event(&event), Some(event)),
                other => (Answer::of(&other), None),
            },
        };
        if self.compares {
            assert_eq!(found, expected, "core and model on {asked:?}");
        }
        if let Some(event) = event {
            let at = self.log(event);
            self.model.apply(at, asked, &found);
        }
        if self.compares {
            self.agree();
        }
        found
    }

    /// The event of the last logged answer.
    ///
    /// # Panics
    /// When nothing was logged.
    pub fn last(&self) -> (LogPosition, &Event) {
        let (at, event) = self.log.last().expect("something was logged");
        (*at, event)
    }

    /// Applies an event that `decide` did not make to a copy of the state.
    pub fn force(&self, event: &Event) -> Result<(), Corruption> {
        self.state.clone().apply(self.next, event)
    }

    /// Compares every lock, balance and nonce, and recomputes the state's aggregates.
    ///
    /// # Panics
    /// When core and model disagree.
    pub fn agree(&self) {
        assert_eq!(self.state.check(), Ok(()));
        assert_agree(&self.state, &self.model);
    }
}

/// Compares every lock, balance and nonce of a state with the model's.
///
/// # Panics
/// When they differ.
pub fn assert_agree(state: &State, model: &Model) {
    assert_eq!(state.lock_count(), model.locks.len(), "number of locks");
    for (lock_id, expected) in &model.locks {
        let found = state.lock(lock_id).expect("a lock of the model is in the state");
        let parts: Vec<_> =
            found.legs.iter().map(|l| [l.remaining, l.claimed, l.settled]).collect();
        assert_eq!(parts, expected.parts, "legs of {lock_id}");
        assert_eq!(*found.terms, expected.terms, "terms of {lock_id}");
        assert_eq!(
            (found.status, found.expires, found.claim_by, found.settle_by, found.claim_count),
            (
                expected.status,
                expected.expires,
                expected.claim_by,
                expected.settle_by,
                expected.claims
            ),
            "{lock_id}"
        );
        for leg in &found.terms.legs {
            assert_balance(state, model, &expected.terms.owner, &leg.asset);
        }
    }
    let readings = state.readings().iter().map(|r| (r.grant.request.id, (r.grant, r.at)));
    assert_eq!(readings.collect::<BTreeMap<_, _>>(), model.readings, "reading rights");
    let approved = state.approved_images().map(|a| (a.approval.clone(), a.at));
    assert_eq!(approved, model.approved, "approved images");
    let counts = [state.principal_count(), state.account_count(), state.total_count()];
    assert_eq!(counts, model.counts(), "principals, accounts, totals");
    for owner in model.owners() {
        assert_eq!(state.principal(owner).is_some(), model.knows(owner), "record of {owner}");
        let nonces = state.principal(owner).map(|p| p.nonces).unwrap_or_default();
        let now_s = state.time_ms() / 1000;
        let next = nonces.next_free(state.rules(), now_s);
        assert_eq!(next, model.next_nonce(now_s, owner), "next nonce of {owner}");
    }
}

fn assert_balance(
    state: &State,
    model: &Model,
    owner: &mortise_format::ids::Address,
    asset: &mortise_format::asset::Asset,
) {
    let (found, expected) = (state.balance(owner, asset), model.balance(owner, asset));
    assert_eq!(
        (found.total, found.held, found.claimed, found.withdrawing, found.available),
        (
            expected.total,
            expected.held,
            expected.claimed,
            expected.withdrawing,
            expected.available()
        ),
        "balance of {owner}"
    );
}

/// Admits a command in parts, as the engine does.
fn in_parts(rules: RuleSet, command: Command) -> Result<Admitted, Reject> {
    let mut left = Admitting::new(command);
    loop {
        match left.step(rules, &ENGINE_ID, 1) {
            Step::More(rest) => left = rest,
            Step::Done(done) => return done,
        }
    }
}
