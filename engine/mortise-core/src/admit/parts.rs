//! Admission in parts, so that a batch does not keep a worker from the commands of others.
//!
//! ```text
//! Command --step--> shape, lock ids, content digests, first signatures --step--> more --> Admitted
//! ```
//! Invariant: the parts give what [`admit`] gives for the whole command. The signatures of a batch
//! have one error, so it does not matter which of them is found first.

use super::content::intent_content;
use super::{Admitted, AdmittedLock, Inner, admit, check_terms, one_form, signer};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::{IntoIter, Vec};
use mortise_format::command::{Command, SignedIntent};
use mortise_format::eip712::{self, Domain};
use mortise_format::event::{Authority, Content, RequestKey};
use mortise_format::ids::{Bytes32, EngineId, LockId};
use mortise_format::limits::BATCH_LOCKS_MAX;
use mortise_format::reject::{Field, Reject};
use mortise_format::rules::RuleSet;

/// A command on its way through admission.
#[derive(Debug)]
pub struct Admitting(State);

#[derive(Debug)]
enum State {
    New(Command),
    Begun(Box<Intents>),
}

/// What a part of admission came to.
#[derive(Debug)]
pub enum Step {
    /// Signatures are left.
    More(Admitting),
    /// The command is admitted or refused.
    Done(Result<Admitted, Reject>),
}

impl Admitting {
    /// A command of which nothing was checked.
    pub fn new(command: Command) -> Self {
        Self(State::New(command))
    }

    /// The next part. Recovers `signatures`, at least one, of a batch; every other command is done
    /// at once. All steps of a command must have the same rules and engine.
    pub fn step(self, rules: RuleSet, engine_id: &EngineId, signatures: usize) -> Step {
        let begun = match self.0 {
            State::New(command) => match one_form(rules, command) {
                Command::Commit { intents } => Intents::begin(rules, engine_id, intents),
                command => return Step::Done(admit(rules, engine_id, command)),
            },
            State::Begun(intents) => Ok(*intents),
        };
        let checked = begun.and_then(|mut intents| {
            intents.check(signatures.max(1))?;
            Ok(intents)
        });
        match checked {
            Err(reject) => Step::Done(Err(reject)),
            Ok(intents) if intents.left() > 0 => Step::More(Self(State::Begun(Box::new(intents)))),
            Ok(intents) => Step::Done(Ok(intents.into_admitted())),
        }
    }

    /// Signatures that are not recovered yet, at least one.
    pub fn left(&self) -> usize {
        let count = match &self.0 {
            State::Begun(intents) => intents.left(),
            State::New(Command::Commit { intents }) => intents.len(),
            State::New(Command::Cancel { consents, .. }) => consents.len(),
            State::New(
                Command::RecordFact { signatures, .. }
                | Command::GrantReading { signatures, .. }
                | Command::ApproveImages { signatures, .. },
            ) => signatures.len(),
            State::New(
                Command::Approve { .. }
                | Command::Claim { .. }
                | Command::Release { .. }
                | Command::CancelDraft { .. }
                | Command::Extend { .. },
            ) => 1,
        };
        count.max(1)
    }
}

/// The intents of a commit, of which the first have been checked.
#[derive(Debug)]
pub(super) struct Intents {
    domain: Domain,
    batch: Bytes32,
    rest: IntoIter<(SignedIntent, LockId, Content)>,
    locks: Vec<AdmittedLock>,
    request_keys: Vec<RequestKey>,
}

impl Intents {
    /// Checks the terms, and makes what all signatures of the batch cover. The signatures have the
    /// form that the rules want ([`one_form`]).
    ///
    /// # Errors
    /// `Validation`.
    pub fn begin(
        rules: RuleSet,
        engine_id: &EngineId,
        intents: Vec<SignedIntent>,
    ) -> Result<Self, Reject> {
        if intents.is_empty() || intents.len() > BATCH_LOCKS_MAX {
            return Err(Reject::Validation(Field::Locks));
        }
        intents.iter().try_for_each(|intent| check_terms(rules, &intent.terms))?;
        let ids: Vec<LockId> = intents.iter().map(|i| i.terms.lock_id(engine_id)).collect();
        let batch = if ids.len() == 1 { Bytes32::ZERO } else { eip712::batch_hash(&ids) };
        let whole = intents.into_iter().zip(ids).map(|(intent, lock_id)| {
            let content = intent_content(&intent.terms, &batch);
            (intent, lock_id, content)
        });
        let rest = whole.collect::<Vec<_>>().into_iter();
        let (locks, request_keys) =
            (Vec::with_capacity(rest.len()), Vec::with_capacity(rest.len()));
        Ok(Self { domain: Domain::of_engine(engine_id), batch, rest, locks, request_keys })
    }

    /// Recovers the next `count` signatures.
    ///
    /// # Errors
    /// `InvalidSignature`.
    pub fn check(&mut self, count: usize) -> Result<(), Reject> {
        for (intent, lock_id, content) in self.rest.by_ref().take(count) {
            let SignedIntent { terms, request, signature } = intent;
            let hash = eip712::lock_intent(&terms, &self.batch, &request);
            if signer(&self.domain.digest(&hash), &signature)? != terms.owner {
                return Err(Reject::InvalidSignature);
            }
            let (principal, id, valid_until) = (terms.owner, request.id, request.valid_until);
            self.request_keys.push(RequestKey { principal, id, valid_until, content });
            let (terms, authority) = (Arc::new(terms), Authority::Intent(request));
            self.locks.push(AdmittedLock { lock_id, terms, authority, signature });
        }
        Ok(())
    }

    fn left(&self) -> usize {
        self.rest.len()
    }

    /// The command, when no signature is left.
    pub fn into_admitted(self) -> Admitted {
        let Self { batch, locks, request_keys, .. } = self;
        Admitted(Inner::Grant { locks, batch, request_keys: request_keys.into() })
    }
}
