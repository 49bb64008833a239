//! INV-06 against a memory that never forgets: what an engine grants for ever.
//!
//! What it is for: random signatures, made in advance with near and far dates, are shown in any
//! order, again and again, while locks end, the engine forgets and restarts, and time leaps. Every
//! grant and every burned nonce is remembered here for ever.
//!
//! What it does not do: know rules. The same run over an engine that forgets by a naive rule must
//! find what that rule allows, or the run proves nothing.

mod naive;
mod real;

pub use naive::{Naive, NaiveRule};
pub use real::Real;

use crate::keys::Party;
use crate::scenario::{self, START_S};
use mortise_format::eip712::Request;
use mortise_format::ids::LockId;
use mortise_format::lock::LockTerms;
use mortise_sim::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// How an owner agreed to terms, or burned their nonce. The dates are those that were signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An intent.
    Intent(Request),
    /// The approval of a draft.
    Approval,
    /// The cancellation of a draft.
    Cancel,
    /// The same with a request.
    CancelRequest(Request),
}

/// A signature of an owner. Signing is deterministic, so its bytes are fixed with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The owner.
    pub owner: Party,
    /// The terms.
    pub terms: LockTerms,
    /// The form.
    pub form: Form,
    /// When and after how many uses of nonces the engine suggested the nonce.
    suggested: Option<(u64, usize)>,
}

/// What an engine made of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A lock was granted, by a new event.
    Granted,
    /// The nonce was burned, by a new event.
    Burned,
    /// Refused for its nonce.
    NonceRefused,
    /// Refused for another reason, or answered as before.
    Nothing,
}

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// (a) A lock id was granted twice.
    LockIdTwice,
    /// (b) Two signatures of one owner with one nonce were granted.
    NonceTwice,
    /// (c) A burned nonce was used.
    BurnedUsed,
    /// The nonce that the engine suggested to an owner, who used none since, was refused.
    SuggestedRefused,
}

/// An engine, or a small model of one.
pub trait Keeper {
    /// Opens a frame at this time, seconds.
    fn advance(&mut self, now_s: u64);
    /// Restarts, from a snapshot where there is one.
    fn restart(&mut self);
    /// The nonce that is suggested to an owner.
    fn suggested(&mut self, owner: Party) -> u64;
    /// A nonce that may be used, too old or too far, near this one.
    fn other(&self, rng: &mut Rng, suggested: u64) -> u64;
    /// Shows a signature.
    fn show(&mut self, signed: &Signed) -> Effect;
    /// The beneficiary releases a lock.
    fn release(&mut self, terms: &LockTerms, request: Request);
}

const OWNERS: [Party; 4] = [Party::Owner, Party::OtherOwner, Party::Stranger, Party::Operator];
const HOUR_S: u64 = 3600;
const DAY_S: u64 = 24 * HOUR_S;
/// Longest lock: longer than anything is remembered by request, so that terms outlive their record.
const LOCK_S_MAX: u64 = 10 * DAY_S;

/// Everything that was ever signed, granted and burned.
struct Memory {
    now_s: u64,
    signed: Vec<Signed>,
    granted: BTreeSet<LockId>,
    /// The owner and nonce of every grant and burn; true for a burn.
    used: BTreeMap<(Party, u64), bool>,
    open: Vec<LockTerms>,
    next_request: u64,
}

/// Runs random steps; the first violation ends the run.
///
/// # Errors
/// The violation.
pub fn run(keeper: &mut impl Keeper, seed: u64, steps: u32) -> Result<(), Violation> {
    let mut rng = Rng::new(seed);
    let (granted, used) = (BTreeSet::new(), BTreeMap::new());
    let (signed, open) = (Vec::new(), Vec::new());
    let mut memory = Memory { now_s: START_S, signed, granted, used, open, next_request: 1 };
    for _ in 0..steps {
        match rng.below(32) {
            0..=7 => memory.sign(keeper, &mut rng),
            8..=10 => memory.sign_again(&mut rng),
            11..=22 => memory.show(keeper, &mut rng)?,
            23 | 24 => memory.release(keeper, &mut rng),
            25..=27 => memory.leap(keeper, &mut rng),
            28..=30 => memory.leap_to_a_date(keeper, &mut rng),
            _ => keeper.restart(),
        }
    }
    Ok(())
}

impl Memory {
    fn request(&mut self, rng: &mut Rng) -> Request {
        self.next_request += 1;
        let valid_for = *rng.pick(&[60, 1800, 23 * HOUR_S, 3 * DAY_S, 40 * DAY_S]);
        scenario::request_until(self.next_request, self.now_s + valid_for)
    }

    fn form(&mut self, rng: &mut Rng) -> Form {
        match rng.below(8) {
            0..=3 => Form::Intent(self.request(rng)),
            4 | 5 => Form::Approval,
            6 => Form::Cancel,
            _ => Form::CancelRequest(self.request(rng)),
        }
    }

    fn uses_of(&self, owner: Party) -> usize {
        self.used.keys().filter(|(who, _)| *who == owner).count()
    }

    /// An owner signs, mostly with the suggested nonce, for soon or for later.
    fn sign(&mut self, keeper: &mut impl Keeper, rng: &mut Rng) {
        // One owner is busy, so that it uses nonces of many hours.
        let owner = if rng.one_in(2) { Party::Owner } else { *rng.pick(&OWNERS) };
        let next = keeper.suggested(owner);
        let (nonce, suggested) = match rng.below(4) {
            0 | 1 => (keeper.other(rng, next), None),
            _ => (next, Some((self.now_s, self.uses_of(owner)))),
        };
        let lasts = *rng.pick(&[120, 1800, 3000, 2 * DAY_S, 8 * DAY_S, 30 * DAY_S]);
        let expires = self.now_s + lasts + rng.below(600);
        let terms = scenario::plain_terms(owner, 0, 1 + rng.below(2));
        let beneficiary = Party::Beneficiary.address();
        let form = self.form(rng);
        // The wallet of an approval sees neither beneficiary nor arbiter.
        let terms = match form {
            Form::Approval => LockTerms { nonce, expires, ..terms },
            _ => LockTerms { nonce, expires, beneficiary, ..terms },
        };
        self.signed.push(Signed { owner, terms, form, suggested });
    }

    /// An owner signs terms again: under another request, with other dates, or as another form.
    fn sign_again(&mut self, rng: &mut Rng) {
        let Some(at) = self.some_signed(rng) else { return };
        let mut again = self.signed[at].clone();
        again.form = match (again.form, self.form(rng)) {
            (Form::Approval, Form::Intent(_)) => Form::Approval,
            (Form::Intent(_), Form::Approval) => Form::Intent(self.request(rng)),
            (_, form) => form,
        };
        if rng.one_in(3) {
            again.terms.expires = self.now_s + 120 + rng.below(3000);
        }
        again.suggested = None;
        self.signed.push(again);
    }

    /// The index of a signature, mostly of a late one.
    fn some_signed(&self, rng: &mut Rng) -> Option<usize> {
        let count = u64::try_from(self.signed.len()).expect("few signatures");
        let back = match rng.below(3) {
            0 => rng.below(count.max(1)),
            _ => rng.below(count.clamp(1, 6)),
        };
        usize::try_from(count.checked_sub(back + 1)?).ok()
    }

    fn show(&mut self, keeper: &mut impl Keeper, rng: &mut Rng) -> Result<(), Violation> {
        let Some(at) = self.some_signed(rng) else { return Ok(()) };
        let signed = self.signed[at].clone();
        let key = (signed.owner, signed.terms.nonce);
        let burns = match keeper.show(&signed) {
            Effect::Nothing => return Ok(()),
            Effect::NonceRefused => return self.check_suggested(&signed),
            Effect::Granted => false,
            Effect::Burned => true,
        };
        // Under any engine id this names the terms.
        let lock_id = signed.terms.lock_id(&crate::lockstep::ENGINE_ID);
        if !burns && !self.granted.insert(lock_id) {
            return Err(Violation::LockIdTwice);
        }
        match self.used.insert(key, burns) {
            Some(true) => return Err(Violation::BurnedUsed),
            Some(false) => return Err(Violation::NonceTwice),
            None => {}
        }
        if !burns {
            self.open.push(signed.terms);
        }
        Ok(())
    }

    /// The suggested nonce stays free for half a day while its owner uses none.
    fn check_suggested(&self, signed: &Signed) -> Result<(), Violation> {
        let Some((at_s, uses)) = signed.suggested else { return Ok(()) };
        let is_soon = self.now_s < at_s + DAY_S / 2;
        match is_soon && self.uses_of(signed.owner) == uses {
            true => Err(Violation::SuggestedRefused),
            false => Ok(()),
        }
    }

    fn release(&mut self, keeper: &mut impl Keeper, rng: &mut Rng) {
        if self.open.is_empty() {
            return;
        }
        let at = rng.below(u64::try_from(self.open.len()).expect("few locks"));
        let terms = self.open.swap_remove(usize::try_from(at).expect("few locks"));
        let request = self.request(rng);
        keeper.release(&terms, request);
    }

    fn leap(&mut self, keeper: &mut impl Keeper, rng: &mut Rng) {
        let most =
            *rng.pick(&[90, 600, 2 * HOUR_S, 3 * HOUR_S, 3 * HOUR_S, 3 * HOUR_S, DAY_S, 3 * DAY_S]);
        self.at(keeper, self.now_s + rng.below(most));
    }

    /// Time goes to shortly before a signature expires, when a lock on its terms can be granted.
    fn leap_to_a_date(&mut self, keeper: &mut impl Keeper, rng: &mut Rng) {
        let Some(at) = self.some_signed(rng) else { return };
        let date = self.signed[at].terms.expires.saturating_sub(60 + rng.below(2400));
        self.at(keeper, date.max(self.now_s));
    }

    fn at(&mut self, keeper: &mut impl Keeper, now_s: u64) {
        self.now_s = now_s;
        // What is due follows frame by frame: expired, then pruned, then forgotten.
        for _ in 0..3 {
            keeper.advance(now_s);
        }
    }
}

/// Every kind of violation that runs over these seeds end with.
pub fn violations<K: Keeper>(
    seeds: std::ops::Range<u64>,
    steps: u32,
    make: impl Fn(u64) -> K,
) -> BTreeSet<Violation> {
    seeds.filter_map(|seed| run(&mut make(seed), seed, steps).err()).collect()
}
