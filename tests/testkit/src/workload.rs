//! Random commands: mostly valid ones, and every kind of invalid one among them.

use crate::keys::{Asked, Party, TestSigner};
use crate::model::{Model, ModelLock};
use crate::scenario::{self, leg, request_until};
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::command::CancelForm;
use mortise_format::eip712::{Claim, Request};
use mortise_format::fact::Withdrawal;
use mortise_format::ids::{Address, Bytes32, LockId, Measurement};
use mortise_format::images::{ImageApproval, Version};
use mortise_format::lock::LockTerms;
use mortise_format::nonce::{hour_at, nonce_of};
use mortise_format::reading::ReadingGrant;
use mortise_format::rules::RuleSet;
use mortise_sim::rng::Rng;

/// Makes commands that fit a model's state.
#[derive(Debug, Clone)]
pub struct Workload {
    signer: TestSigner,
    asked: Vec<Asked>,
    next_request: u64,
    head_number: u64,
}

/// Number of commands that are kept to be sent again.
const KEPT: usize = 64;

impl Workload {
    /// Nothing asked yet.
    pub fn new(signer: TestSigner) -> Self {
        Self { signer, asked: Vec::new(), next_request: 1, head_number: 1 }
    }

    /// The next command.
    pub fn next(&mut self, rng: &mut Rng, model: &Model, now_s: u64) -> Asked {
        if !self.asked.is_empty() && rng.one_in(8) {
            return rng.pick(&self.asked).clone();
        }
        let asked = self.fresh(rng, model, now_s);
        let asked = if rng.one_in(25) { spoil(rng, asked) } else { asked };
        if self.asked.len() == KEPT {
            self.asked.remove(0);
        }
        self.asked.push(asked.clone());
        asked
    }

    fn fresh(&mut self, rng: &mut Rng, model: &Model, now_s: u64) -> Asked {
        let lock = self.some_lock(rng, model);
        if rng.one_in(40) {
            return self.approval(rng, model, now_s);
        }
        match (rng.below(21), lock) {
            (0..=4, _) => self.commit(rng, model, now_s),
            (5, _) => self.commit_batch(rng, model, now_s),
            (6, _) => self.approve(rng, model, now_s),
            (7, _) => self.cancel_draft(rng, model, now_s),
            (8 | 9, _) => self.fact(rng, now_s),
            (20, _) => self.grant_reading(rng, now_s),
            (10..=13, Some((lock_id, lock))) => self.claim(rng, lock_id, &lock, now_s),
            (14 | 15, Some((lock_id, lock))) => self.release(rng, lock_id, &lock, now_s),
            (16 | 17, Some((lock_id, lock))) => self.cancel(rng, lock_id, &lock, now_s),
            (_, Some((lock_id, lock))) => self.extend(rng, lock_id, &lock, now_s),
            (_, None) => self.commit(rng, model, now_s),
        }
    }

    fn some_lock(&self, rng: &mut Rng, model: &Model) -> Option<(LockId, ModelLock)> {
        if model.locks.is_empty() {
            return None;
        }
        let at = rng.below(u64::try_from(model.locks.len()).expect("few locks"));
        let at = usize::try_from(at).expect("few locks");
        model.locks.iter().nth(at).map(|(id, lock)| (*id, lock.clone()))
    }

    fn request(&mut self, rng: &mut Rng, now_s: u64) -> Request {
        let id = match rng.one_in(12) {
            true => rng.below(self.next_request),
            false => {
                self.next_request += 1;
                self.next_request
            }
        };
        let valid_for = match rng.below(12) {
            0 => 0,
            1 => 25 * 3600,
            2 => 30,
            _ => 1800,
        };
        let valid_until = if rng.one_in(40) { now_s - 1 } else { now_s + valid_for };
        request_until(id, valid_until)
    }

    fn commit(&mut self, rng: &mut Rng, model: &Model, now_s: u64) -> Asked {
        let owner = some_owner(rng);
        let terms = self.terms(rng, model, owner, now_s);
        let request = self.request(rng, now_s);
        self.signer.commit(signer(rng, owner), &terms, request)
    }

    fn commit_batch(&mut self, rng: &mut Rng, model: &Model, now_s: u64) -> Asked {
        let mut parts = Vec::new();
        for i in 0..2 + rng.below(3) {
            let owner = some_owner(rng);
            let mut terms = self.terms(rng, model, owner, now_s);
            if !rng.one_in(10) {
                terms.nonce += i;
            }
            parts.push((signer(rng, owner), terms, self.request(rng, now_s)));
        }
        self.signer.commit_all(&parts)
    }

    fn approve(&mut self, rng: &mut Rng, model: &Model, now_s: u64) -> Asked {
        let owner = some_owner(rng);
        let mut terms = self.terms(rng, model, owner, now_s);
        if !rng.one_in(4) {
            (terms.beneficiary, terms.arbiter) = (Address::ZERO, Address::ZERO);
            terms.legs.truncate(1);
        }
        self.signer.approve(signer(rng, owner), &terms)
    }

    fn cancel_draft(&mut self, rng: &mut Rng, model: &Model, now_s: u64) -> Asked {
        let owner = some_owner(rng);
        let terms = match self.some_lock(rng, model) {
            Some((_, lock)) if rng.one_in(3) => lock.terms,
            _ => self.terms(rng, model, owner, now_s),
        };
        let owner = Party::of(&terms.owner).unwrap_or(owner);
        let form = self.form(rng, now_s);
        self.signer.cancel_draft(signer(rng, owner), &terms, form)
    }

    fn claim(&mut self, rng: &mut Rng, lock_id: LockId, lock: &ModelLock, now_s: u64) -> Asked {
        let mut amounts: Vec<U256> = Vec::new();
        for [remaining, ..] in &lock.parts {
            let remaining = remaining.to_u64().unwrap_or(u64::MAX);
            amounts.push(U256::from(match rng.below(8) {
                0 => 0,
                1 => remaining + 1,
                2 | 3 => remaining,
                _ => rng.below(remaining + 1),
            }));
        }
        if rng.one_in(20) {
            amounts.push(U256::ONE);
        }
        let beneficiary = lock.terms.beneficiary;
        let usual = if beneficiary.is_zero() { Party::Stranger.address() } else { beneficiary };
        let claim = Claim {
            claim_index: if rng.one_in(12) { lock.claims + 1 } else { lock.claims },
            claimant: if rng.one_in(12) { Party::Owner.address() } else { usual },
            amounts,
            request: self.request(rng, now_s),
            ..scenario::claim(lock_id, 0, 1, scenario::request(0))
        };
        self.signer.claim(signer(rng, Party::Arbiter), &claim)
    }

    fn release(&mut self, rng: &mut Rng, lock_id: LockId, lock: &ModelLock, now_s: u64) -> Asked {
        let request = self.request(rng, now_s);
        self.signer.release(signer(rng, taker(lock)), lock_id, request)
    }

    fn cancel(&mut self, rng: &mut Rng, lock_id: LockId, lock: &ModelLock, now_s: u64) -> Asked {
        let owner = Party::of(&lock.terms.owner).unwrap_or(Party::Owner);
        let mut by = vec![(signer(rng, owner), self.form(rng, now_s))];
        if !rng.one_in(6) {
            by.push((signer(rng, taker(lock)), self.form(rng, now_s)));
        }
        if rng.one_in(6) {
            by.reverse();
        }
        if rng.one_in(10) {
            by.remove(0);
        }
        self.signer.cancel(lock_id, &by)
    }

    fn extend(&mut self, rng: &mut Rng, lock_id: LockId, lock: &ModelLock, now_s: u64) -> Asked {
        let owner = Party::of(&lock.terms.owner).unwrap_or(Party::Owner);
        let longer = (lock.expires + rng.below(900)).min(now_s + scenario::LOCK_S_MAX + 1);
        let request = self.request(rng, now_s);
        self.signer.extend(signer(rng, owner), lock_id, longer, request)
    }

    fn fact(&mut self, rng: &mut Rng, now_s: u64) -> Asked {
        self.head_number += 1;
        let head_time = match rng.below(12) {
            0 => now_s + 1,
            1 => now_s - scenario::FACT_AGE_S_MAX - 1,
            _ => now_s - rng.below(20),
        };
        let head_number = if rng.one_in(10) { self.head_number / 2 } else { self.head_number };
        let mut fact = scenario::fact(some_owner(rng), rng.below(8000), head_number, head_time);
        fact.withdrawing = U256::from(rng.below(3) * 50).min(fact.balance);
        if rng.one_in(8) {
            fact.withdrawal = Withdrawal::Requested;
        }
        if rng.one_in(20) {
            fact.asset = Asset::native(*rng.pick(&[1, scenario::UNSERVED_CHAIN]));
        }
        let by: &[Party] = match rng.below(12) {
            0 => &[Party::ObserverA],
            1 => &[Party::ObserverA, Party::Stranger],
            2 => &[Party::ObserverB, Party::ObserverB],
            3 => &[Party::ObserverA, Party::ObserverB, Party::ObserverC],
            _ => &[Party::ObserverB, Party::ObserverC],
        };
        self.signer.fact(by, &fact)
    }

    fn grant_reading(&mut self, rng: &mut Rng, now_s: u64) -> Asked {
        let from_epoch = if rng.one_in(10) { 0 } else { 1 + rng.below(3) };
        let to_epoch = match rng.below(4) {
            0 => 0,
            1 => from_epoch.saturating_sub(1),
            _ => from_epoch + rng.below(3),
        };
        let reader = Bytes32([u8::try_from(rng.below(4)).expect("below four"); 32]);
        let request = self.request(rng, now_s);
        let by: &[Party] = match rng.below(8) {
            0 => &[Party::Stranger],
            1 => &[Party::Operator, Party::Stranger],
            2 => &[Party::Operator, Party::Operator],
            _ => &[Party::Operator],
        };
        self.signer.grant_reading(by, &ReadingGrant { reader, from_epoch, to_epoch, request })
    }

    fn approval(&mut self, rng: &mut Rng, model: &Model, now_s: u64) -> Asked {
        let last = model.approved.as_ref().map(|(approval, _)| approval);
        let serial = last.map_or(0, |approval| approval.serial);
        let serial = if rng.one_in(8) { rng.below(serial + 3) } else { serial + 1 };
        let mut images = Vec::new();
        for _ in 0..rng.below(4) {
            let byte = u8::try_from(rng.below(20)).expect("a small number");
            images.push(Measurement([byte; 48]));
        }
        if !rng.one_in(10) {
            images.sort_unstable();
            images.dedup();
        }
        let patch = u32::try_from(rng.below(12)).expect("a small number");
        let minimum_version = match (rng.below(10), last) {
            (0, _) => Version { major: 1, minor: 4, patch },
            (1, _) => Version { major: 0, minor: 2, patch },
            (_, Some(last)) => last.minimum_version,
            (_, None) => Version::default(),
        };
        let valid_until = if rng.one_in(10) { now_s - 1 } else { now_s + rng.below(3600) };
        let by: &[Party] = match rng.below(10) {
            0 => &[Party::Stranger],
            1 => &[Party::Operator, Party::Stranger],
            2 => &[Party::Operator, Party::Operator],
            _ => &[Party::Operator],
        };
        let rules = model.rules;
        let approval = ImageApproval { serial, images, minimum_version, rules, valid_until };
        self.signer.approve_images(by, &approval)
    }

    fn form(&mut self, rng: &mut Rng, now_s: u64) -> CancelForm {
        match rng.below(5) {
            0 => CancelForm::Text,
            1 => CancelForm::ServerHash,
            2 => CancelForm::TextOrServerHash,
            _ => CancelForm::Consent(self.request(rng, now_s)),
        }
    }

    fn terms(&mut self, rng: &mut Rng, model: &Model, owner: Party, now_s: u64) -> LockTerms {
        let amount = match rng.below(16) {
            0 => scenario::SINGLE_MAX + 1,
            1 => scenario::SINGLE_MAX,
            _ => 1 + rng.below(scenario::SINGLE_MAX),
        };
        let nonce = self.nonce(rng, model, owner, now_s);
        let mut terms = LockTerms { nonce, ..scenario::terms(owner, 0, amount) };
        terms.expires = match rng.below(24) {
            0 => now_s,
            1 => now_s + 5,
            2 => now_s + scenario::LOCK_S_MAX + 1,
            3 => now_s + scenario::LOCK_S_MAX,
            _ => now_s + scenario::LOCK_S_MIN + rng.below(900),
        };
        let assets = [scenario::coin(), scenario::token(), scenario::escrowed()];
        let asset = *rng.pick(&assets);
        terms.legs[0].asset = asset;
        match rng.below(24) {
            0 => terms.legs.push(leg(scenario::nft(rng.below(3)), 1)),
            1 => terms.legs.push(leg(scenario::token(), 1 + rng.below(2_000_000))),
            2 => terms.legs.push(leg(asset, 1)),
            3 => terms.legs[0].asset = Asset::native(scenario::UNSERVED_CHAIN),
            4 => terms.legs[0].asset = Asset::native(scenario::SHORT_NOTICE_CHAIN),
            5 => terms.condition.target_chain_id = scenario::UNSERVED_CHAIN,
            6 => terms.legs[0].amount = U256::ZERO,
            _ => {}
        }
        if rng.one_in(6) {
            terms.beneficiary = Address::ZERO;
        }
        if rng.one_in(6) {
            terms.arbiter = Address::ZERO;
        }
        if rng.one_in(24) {
            terms.beneficiary = terms.owner;
        }
        terms
    }

    fn nonce(&mut self, rng: &mut Rng, model: &Model, owner: Party, now_s: u64) -> u64 {
        let free = model.next_nonce(now_s, &owner.address());
        let hour = nonce_of(1, 0);
        match rng.below(28) {
            0 => free.saturating_sub(1 + rng.below(3)),
            1 => free + 1 + rng.below(3),
            2 => free + 254 + rng.below(3),
            3 => free + (1 << 20) + 1,
            4 if model.rules >= RuleSet(3) => free - hour * (1 + rng.below(4)),
            5 if model.rules >= RuleSet(3) => nonce_of(hour_at(now_s) + 1, 0),
            6 if model.rules >= RuleSet(3) => {
                nonce_of(hour_at(now_s), 0) - hour * (24 + rng.below(3))
            }
            _ => free,
        }
    }
}

/// Makes one signature of a command bad.
fn spoil(rng: &mut Rng, asked: Asked) -> Asked {
    if asked.signers.is_empty() {
        return asked;
    }
    let at = rng.below(u64::try_from(asked.signers.len()).expect("few signatures"));
    let at = usize::try_from(at).expect("few signatures");
    if rng.one_in(2) { asked.with_high_s(at) } else { asked.with_foreign_digest(at, Party::Owner) }
}

fn some_owner(rng: &mut Rng) -> Party {
    if rng.one_in(3) { Party::OtherOwner } else { Party::Owner }
}

/// The party whose signature is expected, and sometimes another one.
fn signer(rng: &mut Rng, wanted: Party) -> Party {
    if rng.one_in(20) { *rng.pick(&Party::ALL) } else { wanted }
}

fn taker(lock: &ModelLock) -> Party {
    let beneficiary = Party::of(&lock.terms.beneficiary);
    beneficiary.unwrap_or(Party::Arbiter)
}
