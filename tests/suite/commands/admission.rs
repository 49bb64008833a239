//! Malformed commands are refused by name before any lookup, and change nothing.

use super::{assert_refused, engine, engine_with_lock};
use mortise_format::U256;
use mortise_format::asset::{Asset, AssetType, TokenId};
use mortise_format::command::{CancelForm, Command};
use mortise_format::eip712::Claim;
use mortise_format::ids::Address;
use mortise_format::limits::{BATCH_LOCKS_MAX, EXECUTION_DATA_BYTES_MAX, LOCK_LEGS_MAX};
use mortise_format::lock::LockTerms;
use mortise_format::reject::{Field, Reject};
use mortise_testkit::keys::{Asked, Party, SignedBy};
use mortise_testkit::scenario::{
    START_S, claim, coin, fact, leg, nft, plain_terms, request, terms, token,
};

/// Terms with one fault each, and the field that the reject names.
fn wrong_terms() -> Vec<(LockTerms, Field)> {
    let good = || terms(Party::Owner, 0, 100);
    let with = |change: &dyn Fn(&mut LockTerms)| {
        let mut terms = good();
        change(&mut terms);
        terms
    };
    let coin_with_contract = Asset { token: Address([1; 20]), ..coin() };
    let token_without_contract = Asset { token: Address::ZERO, ..token() };
    let token_with_id = Asset { token_id: TokenId([1; 32]), ..token() };
    let legs: Vec<_> = (0..=LOCK_LEGS_MAX).map(|n| leg(nft(n as u64), 1)).collect();
    vec![
        (with(&|t| t.owner = Address::ZERO), Field::Owner),
        (with(&|t| t.legs.clear()), Field::Assets),
        (with(&|t| t.legs = legs.clone()), Field::Assets),
        (with(&|t| t.legs[0].amount = U256::ZERO), Field::Amount),
        (with(&|t| t.legs[0].asset = coin_with_contract), Field::Asset),
        (with(&|t| t.legs[0].asset = token_without_contract), Field::Asset),
        (with(&|t| t.legs[0].asset = token_with_id), Field::Asset),
        (with(&|t| t.legs.push(leg(coin(), 1))), Field::Asset),
        (with(&|t| t.condition.target_asset = coin_with_contract), Field::TargetAsset),
        (
            with(&|t| {
                t.condition.execution_data = Some(vec![0; EXECUTION_DATA_BYTES_MAX + 1]);
            }),
            Field::ExecutionData,
        ),
    ]
}

#[test]
fn malformed_terms_are_refused_naming_the_field() {
    let mut engine = engine();
    for (terms, field) in wrong_terms() {
        let signer = engine.signer;
        let reject = Reject::Validation(field);
        assert_refused(&mut engine, &signer.commit(Party::Owner, &terms, request(1)), reject);
        let plain =
            LockTerms { beneficiary: Address::ZERO, arbiter: Address::ZERO, ..terms.clone() };
        assert_refused(&mut engine, &signer.approve(Party::Owner, &plain), reject);
        let cancel = signer.cancel_draft(Party::Owner, &terms, CancelForm::Text);
        assert_refused(&mut engine, &cancel, reject);
    }
}

#[test]
fn batch_of_no_locks_or_too_many_is_refused() {
    let mut engine = engine();
    let part = |n| (Party::Owner, terms(Party::Owner, n, 1), request(n));
    let parts: Vec<_> = (0..=BATCH_LOCKS_MAX as u64).map(part).collect();
    for parts in [&parts[..0], &parts[..]] {
        let asked = engine.signer.commit_all(parts);
        assert_refused(&mut engine, &asked, Reject::Validation(Field::Locks));
    }
}

#[test]
fn approval_does_not_cover_beneficiary_arbiter_or_a_second_leg() {
    let mut engine = engine();
    let plain = plain_terms(Party::Owner, 0, 100);
    let owner = Party::Owner.address();
    let mut two_legs = plain.clone();
    two_legs.legs.push(leg(token(), 1));
    for (terms, field) in [
        (
            LockTerms { beneficiary: Party::Beneficiary.address(), ..plain.clone() },
            Field::Beneficiary,
        ),
        (LockTerms { beneficiary: owner, ..plain.clone() }, Field::Beneficiary),
        (LockTerms { arbiter: Party::Arbiter.address(), ..plain.clone() }, Field::Arbiter),
        (two_legs, Field::Assets),
    ] {
        let asked = engine.signer.approve(Party::Owner, &terms);
        assert_refused(&mut engine, &asked, Reject::Validation(field));
    }
}

#[test]
fn claim_of_nothing_without_a_claimant_or_of_too_many_amounts_is_refused() {
    let (mut engine, lock_id) = engine_with_lock();
    let good = claim(lock_id, 0, 10, request(2));
    let amounts = |n| vec![U256::ONE; n];
    for (claim, field) in [
        (Claim { amounts: amounts(0), ..good.clone() }, Field::Amounts),
        (Claim { amounts: amounts(LOCK_LEGS_MAX + 1), ..good.clone() }, Field::Amounts),
        (Claim { amounts: vec![U256::ZERO], ..good.clone() }, Field::Amounts),
        (Claim { claimant: Address::ZERO, ..good.clone() }, Field::Claimant),
    ] {
        let asked = engine.signer.claim(Party::Arbiter, &claim);
        assert_refused(&mut engine, &asked, Reject::Validation(field));
    }
}

#[test]
fn cancellation_with_no_consent_or_three_consents_is_refused() {
    let (mut engine, lock_id) = engine_with_lock();
    let by = [(Party::Owner, CancelForm::Text); 3];
    for by in [&by[..0], &by[..]] {
        let asked = engine.signer.cancel(lock_id, by);
        assert_refused(&mut engine, &asked, Reject::Validation(Field::Signature));
    }
}

#[test]
fn malformed_fact_is_refused_naming_the_field() {
    let mut engine = engine();
    let good = fact(Party::Owner, 500, 1, START_S);
    let bad_asset = Asset { asset_type: AssetType::Erc20, ..good.asset };
    let observers = [Party::ObserverA, Party::ObserverB];
    let twice = [Party::ObserverA, Party::ObserverA];
    for (fact, by, field) in [
        (
            mortise_format::fact::BalanceFact { asset: bad_asset, ..good },
            &observers[..],
            Field::Asset,
        ),
        (
            mortise_format::fact::BalanceFact { account: Address::ZERO, ..good },
            &observers[..],
            Field::Account,
        ),
        (
            mortise_format::fact::BalanceFact { withdrawing: U256::from(501u64), ..good },
            &observers[..],
            Field::Withdrawing,
        ),
        (good, &[][..], Field::Signatures),
        (good, &twice[..], Field::Signatures),
    ] {
        let asked = engine.signer.fact(by, &fact);
        assert_refused(&mut engine, &asked, Reject::Validation(field));
    }
}

/// One valid command of each kind, about the lock of [`engine_with_lock`] or a new one.
fn good_commands(engine: &mortise_testkit::lockstep::Lockstep) -> Vec<Asked> {
    let signer = engine.signer;
    let lock_id = signer.lock_id(&terms(Party::Owner, 0, 100));
    let second = terms(Party::Owner, 1, 100);
    vec![
        signer.commit(Party::Owner, &second, request(10)),
        signer.commit_all(&[
            (Party::Owner, second.clone(), request(11)),
            (Party::OtherOwner, terms(Party::OtherOwner, 0, 5), request(12)),
        ]),
        signer.approve(Party::Owner, &plain_terms(Party::Owner, 2, 100)),
        signer.claim(Party::Arbiter, &claim(lock_id, 0, 10, request(13))),
        signer.release(Party::Beneficiary, lock_id, request(14)),
        signer.cancel(
            lock_id,
            &[(Party::Owner, CancelForm::Text), (Party::Beneficiary, CancelForm::Text)],
        ),
        signer.cancel_draft(Party::Owner, &second, CancelForm::ServerHash),
        signer.extend(Party::Owner, lock_id, START_S + 900, request(15)),
        signer.fact(&[Party::ObserverA, Party::ObserverB], &fact(Party::Owner, 500, 1, START_S)),
    ]
}

#[test]
fn signature_with_high_s_foreign_v_or_scalars_out_of_range_is_refused() {
    let (engine, _) = engine_with_lock();
    for asked in good_commands(&engine) {
        assert!(engine.clone().ask(&asked).is_logged(), "{asked:?}");
        for at in 0..asked.signers.len() {
            let high = asked.clone().with_high_s(at);
            assert_refused(&mut engine.clone(), &high, Reject::InvalidSignature);
            for (place, byte) in [(64, 2), (64, 26), (64, 29), (64, 255)] {
                let mut bad = asked.clone();
                bad.command.signatures_mut()[at].0[place] = byte;
                bad.signers[at] = SignedBy::Malformed;
                assert_refused(&mut engine.clone(), &bad, Reject::InvalidSignature);
            }
            for range in [0..32, 32..64] {
                for byte in [0, 0xff] {
                    let mut bad = asked.clone();
                    bad.command.signatures_mut()[at].0[range.clone()].fill(byte);
                    bad.signers[at] = SignedBy::Malformed;
                    assert_refused(&mut engine.clone(), &bad, Reject::InvalidSignature);
                }
            }
        }
    }
}

#[test]
fn v_of_0_or_1_is_as_good_as_27_or_28() {
    let (engine, _) = engine_with_lock();
    for mut asked in good_commands(&engine) {
        asked.command.signatures_mut().into_iter().for_each(|s| s.0[64] -= 27);
        assert!(engine.clone().ask(&asked).is_logged(), "{asked:?}");
    }
}

/// Goal: INV-08. A signature is valid for the fields of its own command alone.
#[test]
fn signature_over_other_fields_or_for_another_engine_recovers_to_no_party() {
    let (engine, _) = engine_with_lock();
    for asked in good_commands(&engine) {
        for at in 0..asked.signers.len() {
            for by in Party::ALL {
                let foreign = asked.clone().with_foreign_digest(at, by);
                let answer = engine.clone().ask(&foreign);
                assert!(!answer.is_logged(), "{answer:?} to {foreign:?}");
            }
        }
    }
    let other_signer =
        mortise_testkit::keys::TestSigner::new(mortise_format::ids::EngineId([9; 32]));
    let mut asked = other_signer.commit(Party::Owner, &terms(Party::Owner, 1, 100), request(10));
    asked.signers[0] = SignedBy::NoOne;
    assert_refused(&mut engine.clone(), &asked, Reject::InvalidSignature);
}

/// Goal: INV-17. No field of a signed lock can be changed under its signature.
#[test]
fn every_field_of_a_lock_is_under_its_owners_signature() {
    let engine = engine();
    let signed = engine.signer.commit(Party::Owner, &terms(Party::Owner, 0, 100), request(1));
    let changes: [&dyn Fn(&mut LockTerms); 11] = [
        &|t| t.owner = Party::OtherOwner.address(),
        &|t| t.beneficiary = Party::Stranger.address(),
        &|t| t.arbiter = Party::Stranger.address(),
        &|t| t.nonce += 1,
        &|t| t.expires += 1,
        &|t| {
            t.condition.target_chain_id = 1;
            t.condition.target_asset.chain_id = 1;
        },
        &|t| t.condition.target_amount = U256::ONE,
        &|t| t.condition.recipient = Party::Stranger.address(),
        &|t| t.condition.execution_data = Some(vec![1]),
        &|t| t.legs[0].amount = U256::from(101u64),
        &|t| t.legs[0].asset = token(),
    ];
    let original = engine.signer.lock_id(&terms(Party::Owner, 0, 100));
    for change in changes {
        let mut asked = signed.clone();
        let Command::Commit { intents } = &mut asked.command else { continue };
        change(&mut intents[0].terms);
        assert_ne!(engine.signer.lock_id(&intents[0].terms), original);
        asked.signers[0] = SignedBy::NoOne;
        assert_refused(&mut engine.clone(), &asked, Reject::InvalidSignature);
    }
    let mut asked = signed;
    let Command::Commit { intents } = &mut asked.command else { return };
    intents[0].request.id.0[0] ^= 1;
    asked.signers[0] = SignedBy::NoOne;
    assert_refused(&mut engine.clone(), &asked, Reject::InvalidSignature);
}
