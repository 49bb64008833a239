//! One test for each invariant, over generated commands, on the core alone.

use super::{over_sequences, over_sequences_under};
use mortise_core::state::requests::Quota;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::command::Command;
use mortise_format::event::Event;
use mortise_format::ids::{Address, LockId};
use mortise_format::lock::{Custody, LockTerms};
use mortise_format::policy::Policy;
use mortise_testkit::keys::{Asked, SignedBy};
use mortise_testkit::lockstep::Lockstep;
use mortise_testkit::model::Answer;
use mortise_testkit::scenario;
use std::collections::{BTreeMap, BTreeSet};

/// Cases of each test.
const CASES: u32 = 12;

/// Sum of amounts that are far below 2^256.
fn add(a: U256, b: U256) -> U256 {
    a.checked_add(b).expect("amounts of the tests are small")
}

/// The terms that a command asks for.
fn asked_terms(asked: &Asked) -> Vec<&LockTerms> {
    match &asked.command {
        Command::Commit { intents } => intents.iter().map(|intent| &intent.terms).collect(),
        Command::Approve { terms, .. } => vec![terms],
        _ => Vec::new(),
    }
}

/// A policy so tight that a few commands reach every limit.
fn tight() -> Policy {
    let mut policy = scenario::policy();
    (policy.concurrent_max, policy.commands_per_minute_max) = (3, 6);
    policy.default_limits.account_max = U256::from(1200u64);
    policy.default_limits.asset_max = U256::from(1500u64);
    policy.assets[0].limits.account_max = policy.assets[0].limits.single_max;
    policy.assets[0].limits.asset_max = policy.assets[0].limits.single_max;
    policy
}

fn granted(answer: &Answer) -> &[(LockId, u64, u64, Custody)] {
    match answer {
        Answer::Granted(granted) => granted,
        _ => &[],
    }
}

/// The held and claimed amounts of an account, computed from its locks alone.
fn promised(engine: &Lockstep, owner: &Address, asset: &Asset) -> (U256, U256) {
    let (mut held, mut claimed) = (U256::ZERO, U256::ZERO);
    for lock in engine.state.locks().filter(|lock| lock.terms.owner == *owner) {
        for (leg, _) in lock.legs_and_terms().filter(|(_, terms)| terms.asset == *asset) {
            held = add(held, if lock.status.is_open() { leg.remaining } else { U256::ZERO });
            claimed = add(claimed, leg.claimed);
        }
    }
    (held, claimed)
}

#[test]
fn inv_01_no_grant_promises_more_than_there_is() {
    over_sequences(CASES, false, |_, engine, asked, answer| {
        if granted(answer).is_empty() {
            return;
        }
        for terms in asked_terms(asked) {
            for leg in &terms.legs {
                assert_eq!(engine.state.check_solvency(&terms.owner, &leg.asset), Ok(()));
                let (held, claimed) = promised(engine, &terms.owner, &leg.asset);
                let balance = engine.state.balance(&terms.owner, &leg.asset);
                assert!(add(add(held, claimed), balance.withdrawing) <= balance.total);
            }
        }
    });
}

#[test]
fn inv_02_available_is_what_the_locks_leave() {
    over_sequences(CASES, false, |_, engine, _, _| {
        assert_eq!(engine.state.check(), Ok(()));
        for lock in engine.state.locks() {
            for leg in &lock.terms.legs {
                let (held, claimed) = promised(engine, &lock.terms.owner, &leg.asset);
                let balance = engine.state.balance(&lock.terms.owner, &leg.asset);
                assert_eq!((balance.held, balance.claimed), (held, claimed));
                let taken = add(add(held, claimed), balance.withdrawing);
                assert_eq!(balance.available, balance.total.saturating_sub(taken));
            }
        }
    });
}

#[test]
fn inv_04_a_hold_fits_what_was_available_before_it() {
    over_sequences_under(&tight(), 4 * CASES, false, |before, _, asked, answer| {
        let mut wanted: BTreeMap<(Address, Asset), U256> = BTreeMap::new();
        for terms in asked_terms(asked).iter().filter(|_| !granted(answer).is_empty()) {
            for leg in &terms.legs {
                let sum = wanted.entry((terms.owner, leg.asset)).or_default();
                *sum = add(*sum, leg.amount);
            }
        }
        for ((owner, asset), amount) in wanted {
            assert!(amount <= before.state.balance(&owner, &asset).available);
        }
    });
}

#[test]
fn inv_05_a_batch_is_granted_whole_in_one_event_or_not_at_all() {
    over_sequences(CASES, false, |before, engine, asked, answer| {
        let wanted = asked_terms(asked).len();
        let new = engine.state.lock_count() - before.state.lock_count();
        match answer {
            Answer::Granted(granted) => assert_eq!((granted.len(), new), (wanted, wanted)),
            _ => assert_eq!(new, 0, "{answer:?}"),
        }
        assert!(engine.log.len() - before.log.len() <= 1);
    });
}

#[test]
fn inv_06_a_nonce_is_used_once() {
    over_sequences(CASES, false, |_, engine, _, answer| {
        if !answer.is_logged() {
            return;
        }
        let mut used = BTreeSet::new();
        for (_, event) in &engine.log {
            let terms: Vec<&LockTerms> = match event {
                Event::LocksGranted { locks, .. } => {
                    locks.iter().map(|l| l.terms.as_ref()).collect()
                }
                Event::DraftCancelled { terms, .. } => vec![terms.as_ref()],
                _ => Vec::new(),
            };
            for terms in terms {
                assert!(used.insert((terms.owner, terms.nonce)), "a nonce was used twice");
                let known = engine.state.principal(&terms.owner).map(|p| p.nonces);
                let (rules, now_s) = (engine.state.rules(), engine.now_ms / 1000);
                assert!(!known.unwrap_or_default().is_free(rules, now_s, terms.nonce));
            }
        }
    });
}

#[test]
fn inv_07_a_request_asked_again_is_answered_with_its_first_event() {
    over_sequences(CASES, false, |_, engine, asked, answer| {
        let mut engine = engine.clone();
        let names_a_request = matches!(
            &asked.command,
            Command::Commit { .. }
                | Command::Claim { .. }
                | Command::Release { .. }
                | Command::Extend { .. }
                | Command::Approve { .. }
        );
        match answer {
            Answer::Granted(_)
            | Answer::Claimed(_)
            | Answer::Released(_)
            | Answer::Extended(..)
            | Answer::Remembered(_)
                if names_a_request =>
            {
                let at = engine.last().0;
                let again = match answer {
                    Answer::Remembered(reject) if !reject.is_final() => {
                        Answer::RefusedBefore(*reject, at)
                    }
                    _ => Answer::Repeated(at),
                };
                assert_eq!(engine.ask(asked), again);
            }
            Answer::Repeated(at) => assert_eq!(engine.ask(asked), Answer::Repeated(*at)),
            _ => {}
        }
    });
}

/// Method: one bit of one signature of a granted command is flipped. The digest is recomputed from
/// the fields, so that the signature recovers to no party.
#[test]
fn inv_08_no_command_counts_with_a_changed_signature() {
    over_sequences(CASES, false, |before, engine, asked, answer| {
        let mut before = before.clone();
        if !answer.is_logged() {
            return;
        }
        let bit = usize::try_from(engine.now_ms / 1000 % 512).expect("a small number");
        let mut changed = asked.clone();
        for signature in changed.command.signatures_mut() {
            signature.0[bit / 8] ^= 1 << (bit % 8);
        }
        changed.signers = vec![SignedBy::NoOne; changed.signers.len()];
        let answer = before.ask(&changed);
        assert!(!answer.is_logged(), "{answer:?} to {changed:?}");
    });
}

#[test]
fn inv_10_time_never_goes_back() {
    over_sequences(CASES, false, |before, engine, _, _| {
        assert!(engine.state.time_ms() >= before.state.time_ms());
        if before.now_ms > scenario::START_MS {
            let back = Event::TimeAdvanced { time_ms: before.now_ms - 1 };
            assert!(engine.force(&back).is_err());
        }
        let mut times = engine.log.iter().filter_map(|(_, event)| match event {
            Event::TimeAdvanced { time_ms } => Some(*time_ms),
            _ => None,
        });
        let first = times.next();
        times.fold(first, |last, time| {
            assert!(last <= Some(time));
            Some(time)
        });
    });
}

#[test]
fn inv_11_what_has_ended_stays_and_no_leg_gives_more_than_its_amount() {
    over_sequences(CASES, false, |before, engine, _, _| {
        for lock in engine.state.locks() {
            for (leg, terms) in lock.legs_and_terms() {
                let parts = add(add(leg.remaining, leg.claimed), leg.settled);
                assert_eq!(parts, terms.amount);
            }
        }
        for old in before.state.locks().filter(|lock| lock.status.is_terminal()) {
            let new = engine.state.lock(&old.lock_id).expect("only time prunes");
            assert_eq!((new.status, &new.legs), (old.status, &old.legs));
        }
    });
}

#[test]
fn inv_13_no_grant_passes_a_limit() {
    let policy = tight();
    over_sequences_under(&policy, 4 * CASES, false, |_, engine, asked, answer| {
        if granted(answer).is_empty() {
            return;
        }
        for terms in asked_terms(asked) {
            let open = engine.state.locks().filter(|l| l.terms.owner == terms.owner);
            let open = open.filter(|l| l.status.is_open()).count();
            assert!(open <= usize::try_from(policy.concurrent_max).expect("a small number"));
            let minute = engine.now_ms / 60_000;
            let logged = engine
                .state
                .principal(&terms.owner)
                .map_or(0, |p| p.rate_in(minute, Quota::Grants));
            assert!(logged <= policy.commands_per_minute_max);
            for leg in &terms.legs {
                let limits = policy.limits(&leg.asset);
                assert!(leg.amount <= limits.single_max);
                let (held, claimed) = promised(engine, &terms.owner, &leg.asset);
                assert!(add(held, claimed) <= limits.account_max);
                assert!(engine.state.promised_total(&leg.asset) <= limits.asset_max);
            }
        }
    });
}

#[test]
fn inv_17_an_id_is_the_hash_of_its_lock_and_approvals_bind_to_nobody_unseen() {
    over_sequences(CASES, false, |_, engine, asked, answer| {
        for lock in engine.state.locks() {
            assert_eq!(lock.terms.lock_id(engine.signer.engine_id()), lock.lock_id);
        }
        if let (Command::Approve { terms, .. }, Answer::Granted(_)) = (&asked.command, answer) {
            assert!(terms.beneficiary.is_zero() && terms.arbiter.is_zero());
        }
    });
}
