//! One event of every kind that this version of the format has.

use crate::conformance::samples;
use crate::proofs::commitment::terms;
use mortise_format::U256;
use mortise_format::asset::{Asset, AssetType, Condition, TokenId};
use mortise_format::command::{CancelForm, Command, SignedCancel, SignedIntent};
use mortise_format::eip712::{Claim, Request};
use mortise_format::event::{Authority, Content, Event, GrantedLock, RequestKey};
use mortise_format::fact::BalanceFact;
use mortise_format::ids::{Address, Bytes32, FrameDigest, LockId, RequestId, Signature};
use mortise_format::lock::{Custody, LegTerms, LockTerms, Status};
use mortise_format::reading::ReadingGrant;
use mortise_format::reject::{Field, Limit, NonceFault, Party, Reject};
use mortise_format::rules::RuleSet;

const SIGNATURE: Signature = Signature([0x55; 65]);
const LOCK: LockId = LockId([0x66; 32]);
const REQUEST: Request = Request { id: RequestId([0x33; 32]), valid_until: 1_700_000_500 };

fn request_key() -> RequestKey {
    let content = Content { digest: Bytes32([0x44; 32]), tags: [1, 2, 3, 4, 5, 6, 7, 0xffff] };
    RequestKey { principal: Address([1; 20]), id: REQUEST.id, valid_until: 9, content }
}

fn two_legs() -> LockTerms {
    let asset = Asset {
        chain_id: 10,
        asset_type: AssetType::Erc1155,
        token: Address([0x11; 20]),
        token_id: TokenId([0x22; 32]),
    };
    let mut terms = terms();
    terms.legs.push(LegTerms { asset, amount: U256::MAX });
    terms.condition = Condition { execution_data: Some(vec![8, 9]), ..terms.condition };
    terms
}

fn claim() -> Claim {
    Claim {
        lock_id: LOCK,
        claim_index: 1,
        claimant: Address([2; 20]),
        amounts: vec![U256::ONE, U256::ZERO],
        evidence: Bytes32([0x77; 32]),
        request: REQUEST,
    }
}

fn fact() -> BalanceFact {
    let asset = Asset::erc20(1, Address([0x12; 20]));
    BalanceFact { asset, head_time: 1_699_999_999, ..samples::fact() }
}

fn grant() -> ReadingGrant {
    ReadingGrant { reader: Bytes32([0x91; 32]), from_epoch: 2, to_epoch: 0, request: REQUEST }
}

fn consent(form: CancelForm) -> SignedCancel {
    SignedCancel { form, signature: SIGNATURE }
}

fn granted(terms: LockTerms, authority: Authority) -> GrantedLock {
    let (claim_by, settle_by, custody) = (10, 11, Custody::Escrow);
    let (terms, signature) = (terms.into(), SIGNATURE);
    GrantedLock { lock_id: LOCK, terms, authority, signature, claim_by, settle_by, custody }
}

/// Events about locks and assets.
pub fn of_locks() -> Vec<Event> {
    let (lock_id, signature, freed) = (LOCK, SIGNATURE, vec![U256::ONE]);
    let locks = vec![
        granted(terms(), Authority::Approval),
        granted(two_legs(), Authority::Intent(REQUEST)),
    ];
    vec![
        Event::LocksGranted {
            locks,
            batch: Bytes32([0x99; 32]),
            request_keys: [request_key()].into(),
        },
        Event::LockClaimed {
            claim: claim(),
            signature,
            request_key: request_key(),
            status: Status::Partial,
        },
        Event::LockReleased {
            lock_id,
            signature,
            request_key: request_key(),
            freed: freed.clone(),
        },
        Event::LockCancelled {
            lock_id,
            consents: vec![consent(CancelForm::Consent(REQUEST)), consent(CancelForm::Text)],
            principal: Address([1; 20]),
            request_keys: vec![request_key()],
            freed,
        },
        Event::DraftCancelled {
            lock_id,
            terms: terms().into(),
            consent: consent(CancelForm::ServerHash),
            request_key: None,
        },
        Event::LockExtended {
            lock_id,
            terms: two_legs().into(),
            claim_by: 12,
            settle_by: 13,
            custody: Custody::Open,
            signature,
            request_key: request_key(),
            status: Status::Active,
        },
        Event::LocksExpired { lock_ids: vec![lock_id, LockId([0x67; 32])] },
        Event::LocksSettled { lock_ids: vec![lock_id] },
        Event::LocksPruned { lock_ids: Vec::new() },
    ]
}

/// Events about the engine, and rejects.
pub fn of_the_engine() -> Vec<Event> {
    let mut events = vec![
        Event::EpochStarted {
            epoch: 2,
            version: "0.1.0".into(),
            previous: FrameDigest([0xaa; 32]),
            rules: RuleSet(3),
        },
        Event::TimeAdvanced { time_ms: 1_700_000_000_123 },
        Event::FactRecorded { fact: fact(), signatures: vec![SIGNATURE; 2] },
        Event::SnapshotTaken { seq: 14, digest: Bytes32([0xbb; 32]) },
        Event::ReadingGranted { grant: grant(), signatures: vec![SIGNATURE; 2] },
    ];
    let refused = commands().into_iter().cycle().zip(rejects());
    events.extend(refused.map(|(command, reject)| Event::CommandRefused {
        request_key: request_key(),
        reject,
        command: command.into(),
    }));
    events
}

fn commands() -> Vec<Command> {
    let (lock_id, signature, request) = (LOCK, SIGNATURE, REQUEST);
    let intent = SignedIntent { terms: two_legs(), request, signature };
    vec![
        Command::Commit { intents: vec![intent] },
        Command::Approve { terms: terms(), signature },
        Command::Claim { claim: claim(), signature },
        Command::Release { lock_id, request, signature },
        Command::Cancel { lock_id, consents: vec![consent(CancelForm::TextOrServerHash)] },
        Command::CancelDraft { terms: terms(), consent: consent(CancelForm::Text) },
        Command::Extend { lock_id, new_expires: 15, request, signature },
        Command::RecordFact { fact: fact(), signatures: vec![signature] },
        Command::Claim { claim: claim(), signature },
        Command::GrantReading { grant: grant(), signatures: vec![signature] },
    ]
}

fn rejects() -> Vec<Reject> {
    let one = U256::ONE;
    vec![
        Reject::InsufficientAvailable { total: one, held: one, available: one, requested: one },
        Reject::NonceUsed,
        Reject::ExpiryWindow { min: 1, max: 2 },
        Reject::Validation(Field::Signatures),
        Reject::Limit(Limit::Drafts, one),
        Reject::AlreadyTerminal(Status::Expired),
        Reject::ConsentRequired(Party::NoOne),
        Reject::StaleFacts { age: 6, max: 7 },
        Reject::ClaimExceeds { leg: 5, remaining: one },
        Reject::Limit(Limit::ReadingGrants, one),
        Reject::Limit(Limit::Locks, one),
        Reject::NonceNotFree {
            fault: NonceFault::FromFuture,
            next: 500_000 << 32,
            oldest_hour: 499_975,
            newest_hour: 500_000,
        },
        Reject::ExpiryTooEarly { min: 8, max: 9 },
        Reject::ClaimAhead { next: 10 },
    ]
}
