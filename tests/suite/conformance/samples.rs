//! One sample of every stored type, every variant of every enum.

use mortise_core::body::{Boot, BootRecord, ClearBody, FrameStatement, document_digest};
use mortise_core::state::{LeafKey, LeafValue};
use mortise_format::asset::{Asset, AssetType, Condition, TokenId};
use mortise_format::binding::BoundKeys;
use mortise_format::command::{CancelForm, Command, SignedCancel, SignedIntent};
use mortise_format::eip712::{Claim, Request, RootStatement};
use mortise_format::entry::{NonceWindow, UsedNonces};
use mortise_format::event::{Authority, Content, Event, GrantedLock, LogPosition, RequestKey};
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::genesis::{Genesis, GenesisKeys, Predecessor};
use mortise_format::ids::{
    Address, Bytes32, EngineId, FrameDigest, LockId, Measurement, PolicyHash, RequestId, Root,
    Signature,
};
use mortise_format::images::{ImageApproval, Version};
use mortise_format::lock::{Custody, LegTerms, LockTerms, Status};
use mortise_format::reading::ReadingGrant;
use mortise_format::reject::{Field, Limit, NonceFault, Party, Reject};
use mortise_format::rules::RuleSet;
use mortise_format::witness::{Origin, WitnessKey};
use mortise_format::{U256, codec};
use mortise_testkit::scenario;

pub fn asset() -> Asset {
    Asset {
        chain_id: 10,
        asset_type: AssetType::Erc1155,
        token: Address([0x11; 20]),
        token_id: TokenId([0x22; 32]),
    }
}

fn terms() -> LockTerms {
    LockTerms {
        owner: Address([1; 20]),
        beneficiary: Address([2; 20]),
        arbiter: Address([3; 20]),
        nonce: 4,
        expires: 5_000_000_000,
        condition: Condition {
            target_chain_id: 42161,
            target_asset: Asset::native(42161),
            target_amount: U256::from(6u64),
            recipient: Address([7; 20]),
            execution_data: Some(vec![8, 9]),
        },
        legs: vec![LegTerms { asset: asset(), amount: U256::MAX }],
    }
}

fn request() -> Request {
    Request { id: RequestId([0x33; 32]), valid_until: 5_000_000_001 }
}

fn request_key() -> RequestKey {
    let content = Content { digest: Bytes32([0x44; 32]), tags: [1, 2, 3, 4, 5, 6, 7, 8] };
    RequestKey { principal: Address([1; 20]), id: request().id, valid_until: 9, content }
}

fn signature() -> Signature {
    Signature([0x55; 65])
}

fn claim() -> Claim {
    Claim {
        lock_id: LockId([0x66; 32]),
        claim_index: 1,
        claimant: Address([2; 20]),
        amounts: vec![U256::ONE],
        evidence: Bytes32([0x77; 32]),
        request: request(),
    }
}

fn consents() -> Vec<SignedCancel> {
    let forms = [CancelForm::Consent(request()), CancelForm::Text, CancelForm::ServerHash];
    forms.into_iter().map(|form| SignedCancel { form, signature: signature() }).collect()
}

pub fn fact() -> BalanceFact {
    BalanceFact {
        asset: asset(),
        account: Address([1; 20]),
        head_number: 100,
        head_hash: Bytes32([0x88; 32]),
        head_time: 4_999_999_999,
        balance: U256::from(1000u64),
        withdrawing: U256::ONE,
        withdrawal: Withdrawal::Requested,
    }
}

pub fn events() -> Vec<(&'static str, Event)> {
    let lock_id = LockId([0x66; 32]);
    let granted = |authority| GrantedLock {
        lock_id,
        terms: terms().into(),
        authority,
        signature: signature(),
        claim_by: 10,
        settle_by: 11,
        custody: Custody::Escrow,
    };
    let batch = Bytes32([0x99; 32]);
    let mut events = vec![
        (
            "EpochStarted",
            Event::EpochStarted {
                epoch: 2,
                version: "0.1.0".into(),
                previous: FrameDigest([0xaa; 32]),
                rules: RuleSet(3),
            },
        ),
        ("TimeAdvanced", Event::TimeAdvanced { time_ms: 5_000_000_000_123 }),
        (
            "LocksGranted",
            Event::LocksGranted {
                locks: vec![granted(Authority::Intent(request())), granted(Authority::Approval)],
                batch,
                request_keys: [request_key()].into(),
            },
        ),
        (
            "LockClaimed",
            Event::LockClaimed {
                claim: claim(),
                signature: signature(),
                request_key: request_key(),
                status: Status::Partial,
            },
        ),
    ];
    events.extend(endings(lock_id));
    events
}

fn endings(lock_id: LockId) -> Vec<(&'static str, Event)> {
    let (freed, ids) = (vec![U256::ONE], vec![lock_id, LockId([0x67; 32])]);
    vec![
        (
            "LockReleased",
            Event::LockReleased {
                lock_id,
                signature: signature(),
                request_key: request_key(),
                freed: freed.clone(),
            },
        ),
        (
            "LockCancelled",
            Event::LockCancelled {
                lock_id,
                consents: consents(),
                principal: Address([1; 20]),
                request_keys: vec![request_key()],
                freed,
            },
        ),
        (
            "DraftCancelled",
            Event::DraftCancelled {
                lock_id,
                terms: Box::new(terms()),
                consent: consents()[1],
                request_key: None,
            },
        ),
        (
            "LockExtended",
            Event::LockExtended {
                lock_id,
                terms: Box::new(terms()),
                claim_by: 12,
                settle_by: 13,
                custody: Custody::Open,
                signature: signature(),
                request_key: request_key(),
                status: Status::Active,
            },
        ),
        ("LocksExpired", Event::LocksExpired { lock_ids: ids.clone() }),
        ("LocksSettled", Event::LocksSettled { lock_ids: ids.clone() }),
        ("LocksPruned", Event::LocksPruned { lock_ids: ids }),
        ("FactRecorded", Event::FactRecorded { fact: fact(), signatures: vec![signature(); 2] }),
        (
            "CommandRefused",
            Event::CommandRefused {
                request_key: request_key(),
                reject: Reject::NonceUsed,
                command: Box::new(Command::Claim { claim: claim(), signature: signature() }),
            },
        ),
        ("SnapshotTaken", Event::SnapshotTaken { seq: 14, digest: Bytes32([0xbb; 32]) }),
        (
            "ReadingGranted",
            Event::ReadingGranted { grant: reading(), signatures: vec![signature(); 2] },
        ),
        (
            "ImagesApproved",
            Event::ImagesApproved { approval: approval(), signatures: vec![signature(); 2] },
        ),
        ("EpochEnded", Event::EpochEnded { epoch: 7 }),
    ]
}

fn commands() -> Vec<(&'static str, Command)> {
    let (lock_id, signature, request) = (LockId([0x66; 32]), signature(), request());
    let intent = SignedIntent { terms: terms(), request, signature };
    vec![
        ("Commit", Command::Commit { intents: vec![intent] }),
        ("Approve", Command::Approve { terms: terms(), signature }),
        ("Claim", Command::Claim { claim: claim(), signature }),
        ("Release", Command::Release { lock_id, request, signature }),
        ("Cancel", Command::Cancel { lock_id, consents: consents() }),
        ("CancelDraft", Command::CancelDraft { terms: terms(), consent: consents()[0] }),
        ("Extend", Command::Extend { lock_id, new_expires: 15, request, signature }),
        ("RecordFact", Command::RecordFact { fact: fact(), signatures: vec![signature] }),
        ("GrantReading", Command::GrantReading { grant: reading(), signatures: vec![signature] }),
        (
            "ApproveImages",
            Command::ApproveImages { approval: approval(), signatures: vec![signature] },
        ),
    ]
}

fn approval() -> ImageApproval {
    let images = vec![Measurement([0xdd; 48]), Measurement([0xee; 48])];
    let minimum_version = Version { major: 20, minor: 21, patch: 22 };
    let rules = RuleSet(30);
    ImageApproval { serial: 18, images, minimum_version, rules, valid_until: 19 }
}

fn reading() -> ReadingGrant {
    let reader = Bytes32([0xcc; 32]);
    ReadingGrant { reader, from_epoch: 16, to_epoch: 17, request: request() }
}

fn rejects() -> Vec<Reject> {
    let one = U256::ONE;
    vec![
        Reject::LockNotFound,
        Reject::InvalidSignature,
        Reject::LockExpired,
        Reject::Validation(Field::Signatures),
        Reject::Unauthorized,
        Reject::InsufficientAvailable { total: one, held: one, available: one, requested: one },
        Reject::NonceUsed,
        Reject::ExpiryWindow { min: 1, max: 2 },
        Reject::ResetPeriodTooShort { latest: 3 },
        Reject::ForcedWithdrawal,
        Reject::UnsupportedChain(4),
        Reject::Limit(Limit::Drafts, one),
        Reject::AlreadyTerminal(Status::Expired),
        Reject::ConsentRequired(Party::NoOne),
        Reject::ClaimExceeds { leg: 5, remaining: one },
        Reject::RequestIdReused(Field::Method),
        Reject::StaleFacts { age: 6, max: 7 },
        Reject::ProofInvalid,
        Reject::NonceNotFree {
            fault: NonceFault::TooOld,
            next: 500_000 << 32,
            oldest_hour: 499_975,
            newest_hour: 500_000,
        },
        Reject::ExpiryTooEarly { min: 8, max: 9 },
        Reject::ClaimAhead { next: 10 },
    ]
}

pub fn clear_body() -> ClearBody {
    let statement = RootStatement {
        engine_id: EngineId([1; 32]),
        epoch: 2,
        seq: 3,
        time_ms: 4_000,
        frame_digest: FrameDigest([5; 32]),
        event_root: Root([6; 32]),
        event_count: 7,
        state_root: Root([8; 32]),
        history_root: Root([9; 32]),
        history_size: 4,
        policy_hash: PolicyHash([10; 32]),
    };
    let stated = FrameStatement { statement, history_path: vec![[11; 32], [12; 32]] };
    ClearBody {
        boot: Some(Boot {
            record: BootRecord {
                keys: BoundKeys {
                    signing: [17; 33],
                    checkpoint: Some([18; 32]),
                    channel: Some([19; 32]),
                },
                wrapped_key: vec![13; 80],
                key_commitment: Bytes32([14; 32]),
                document_digest: document_digest(&[15; 100]),
                fresh: Bytes32([16; 32]),
            },
            document: vec![15; 100],
            genesis_document: Vec::new(),
        }),
        statements: vec![stated.signed(signature())],
    }
}

/// The clear body of the first frame of a log, under the rules that carry a genesis document.
pub fn first_clear_body() -> ClearBody {
    let mut clear = clear_body();
    let boot = clear.boot.as_mut().expect("a boot frame");
    boot.genesis_document = vec![20; 100];
    clear
}

/// Kinds of keys of the state tree.
const LEAF_KEYS: usize = 5;

fn leaves() -> Vec<(&'static str, Vec<u8>)> {
    let keys = [
        ("Lock", LeafKey::Lock(LockId([1; 32]))),
        ("Account", LeafKey::Account(Address([2; 20]), asset())),
        ("Principal", LeafKey::Principal(Address([3; 20]))),
        ("Policy", LeafKey::Policy),
        ("Images", LeafKey::Images),
    ];
    let nonces = UsedNonces { floor: 17, bitmap: [1, 2, 3, 4] };
    let window = |hour| NonceWindow { hour, floor: 30, bitmap: [5, 6, 7, 8] };
    let windows = vec![window(31), window(32)];
    let fact = Some((U256::MAX, U256::ONE, Withdrawal::Executable, 18));
    let values = [
        (
            "Lock",
            LeafValue::Lock {
                status: Status::Active,
                custody: Custody::Open,
                expires: 1,
                claim_by: 2,
                settle_by: 3,
                claim_count: 4,
                granted_at: LogPosition { seq: 5, index: 6 },
                legs: vec![[U256::ONE; 3]],
            },
        ),
        ("Account", LeafValue::Account { held: U256::ONE, claimed: U256::ZERO, fact }),
        ("Principal", LeafValue::Principal { nonces, open_count: 19 }),
        ("Policy", LeafValue::Policy(PolicyHash([20; 32]))),
        (
            "Images",
            LeafValue::Images {
                serial: 21,
                images: vec![Measurement([22; 48]), Measurement([23; 48])],
                minimum_version: Version { major: 24, minor: 25, patch: 26 },
                rules: RuleSet(27),
                approved_at: LogPosition { seq: 27, index: 28 },
            },
        ),
        ("PrincipalByHour", LeafValue::PrincipalByHour { windows, open_count: 29 }),
    ];
    let keys = keys.iter().map(|(name, key)| (*name, codec::encode(key)));
    keys.chain(values.iter().map(|(name, value)| (*name, codec::encode(value)))).collect()
}

/// Every sample with its name.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, event) in events() {
        all.push((format!("event.{name}"), codec::encode(&event)));
    }
    for (name, command) in commands() {
        all.push((format!("command.{name}"), codec::encode(&command)));
    }
    for (i, reject) in rejects().iter().enumerate() {
        all.push((format!("reject.{i}.{}", reject.code().name()), codec::encode(reject)));
    }
    all.push(("clear-body".into(), clear_body().encode(RuleSet(2))));
    all.push(("clear-body.3".into(), first_clear_body().encode(RuleSet(3))));
    for (i, (name, bytes)) in leaves().into_iter().enumerate() {
        let kind = if i < LEAF_KEYS { "leaf-key" } else { "leaf-value" };
        all.push((format!("{kind}.{name}"), bytes));
    }
    all.push(("genesis".into(), codec::encode(&scenario::genesis())));
    all.push(("genesis.witnessed".into(), codec::encode(&witnessed())));
    all
}

/// A genesis of a recovery, with witnesses.
fn witnessed() -> Genesis {
    let witness = |n| WitnessKey { key: [n; 32], name: format!("w{n}.example") };
    let mut genesis = scenario::genesis();
    genesis.policy.witnesses = [31, 32, 33].map(witness).into();
    (genesis.policy.witnesses_min, genesis.policy.witnesses_faulty_max) = (3, 2);
    genesis.origin = Origin::Sigsum;
    genesis.predecessor = Some(Predecessor {
        engine_id: EngineId([34; 32]),
        keys: GenesisKeys { signing: [35; 33], checkpoint: [36; 32] },
        log_secret_commitment: Bytes32([37; 32]),
        base: scenario::genesis().base(),
        before: Bytes32([38; 32]),
        checkpoint: "a checkpoint".into(),
        signatures: vec![Signature([39; 65]), Signature([40; 65])],
    });
    assert_eq!(genesis.check(), Ok(()));
    genesis
}

type Check = Box<dyn Fn() -> bool>;

/// Every decoder refuses each truncation and each trailing byte.
pub fn strictness() -> Vec<(String, Check)> {
    fn check<T: bincode::Decode<()> + PartialEq + 'static>(bytes: Vec<u8>, value: T) -> Check {
        Box::new(move || {
            let mut longer = bytes.clone();
            longer.push(0);
            codec::decode::<T>(&bytes).is_ok_and(|decoded| decoded == value)
                && (0..bytes.len()).all(|end| codec::decode::<T>(&bytes[..end]).is_err())
                && codec::decode::<T>(&longer) == Err(codec::CodecError::Trailing { extra: 1 })
        })
    }
    let mut all: Vec<(String, Check)> = Vec::new();
    for (name, event) in events() {
        all.push((format!("event.{name}"), check(codec::encode(&event), event)));
    }
    for (name, command) in commands() {
        all.push((format!("command.{name}"), check(codec::encode(&command), command)));
    }
    for genesis in [scenario::genesis(), witnessed()] {
        all.push(("genesis".into(), check(codec::encode(&genesis), genesis)));
    }
    for (rules, clear) in [(RuleSet(2), clear_body()), (RuleSet(3), first_clear_body())] {
        let bytes = clear.encode(rules);
        let is_strict = move || {
            let decode = |bytes: &[u8]| ClearBody::decode(bytes, rules);
            decode(&bytes).as_ref() == Ok(&clear)
                && (0..bytes.len()).all(|end| decode(&bytes[..end]).is_err())
                && decode(&[&bytes[..], &[0]].concat())
                    == Err(codec::CodecError::Trailing { extra: 1 })
        };
        all.push((format!("clear-body.{rules}"), Box::new(is_strict)));
    }
    all
}
