//! Goal: receipts, checkpoints and consistency proofs of any age verify with public data alone. If
//! the store changes a leaf, the engine gives out no proof. State proofs exist for the roots of the
//! stated window alone.
//!
//! Method: the pipeline on a disk in memory, one frame per command.

use mortise_core::history::archive::ArchiveError;
use mortise_core::machine::RootNotKept;
use mortise_core::state::LeafKey;
use mortise_engine::api::{NotDone, Reply};
use mortise_engine::pipeline::Settings;
use mortise_engine::query::{FindGrant, FindRequest, ProveEntryAt};
use mortise_engine::reader::{EventProof, TileError, complete};
use mortise_format::command::CancelForm;
use mortise_format::event::{Event, LogPosition};
use mortise_format::frame::LEAF_BYTES;
use mortise_format::ids::LockId;
use mortise_format::limits::RECENT_ROOTS_MAX;
use mortise_format::lock::LockTerms;
use mortise_format::merkle::history::{verify_consistency, verify_inclusion};
use mortise_rpc::params::GetReceipt;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{plain_terms, request, terms};
use mortise_testkit::store::now;
use mortise_verify::state::{verify_absence, verify_leaf};
use mortise_verify::statement::{SignedStatement, VerifiedStatement};
use mortise_verify::{Engine, receipt, statement};

/// Makes frames of one command each: cancelled drafts, which use their nonces.
fn burn(driver: &mut Driver, frames: u64) {
    for nonce in 0..frames {
        let draft = LockTerms { expires: u64::MAX / 2, ..plain_terms(Party::Owner, nonce, 1) };
        let asked = driver.signer().cancel_draft(Party::Owner, &draft, CancelForm::Text);
        let reply = driver.answer(&asked);
        assert!(matches!(reply, Ok(Reply::Logged(..))), "{nonce}: {reply:?}");
        driver.now_ms += 4000;
    }
}

/// Grants and releases locks, each in its own frame.
fn trade(driver: &mut Driver, count: u64) -> Vec<LockId> {
    let mut locks = Vec::new();
    for n in 0..count {
        let terms = terms(Party::Owner, n, 1);
        let lock_id = driver.signer().lock_id(&terms);
        let granted = driver.signer().commit(Party::Owner, &terms, request(n));
        let released = driver.signer().release(Party::Beneficiary, lock_id, request(n));
        for asked in [granted, released] {
            let reply = driver.answer(&asked);
            assert!(matches!(reply, Ok(Reply::Logged(..))), "{n}: {reply:?}");
            driver.now_ms += 4000;
        }
        locks.push(lock_id);
    }
    locks
}

/// The receipt of an event, as `getReceipt` finds it: its position from the state, the rest from
/// the log.
fn receipt_of(driver: &mut Driver, of: GetReceipt) -> Option<EventProof> {
    let at = match of {
        GetReceipt::At(at) | GetReceipt::ForReader { at, .. } => at,
        GetReceipt::Lock(lock_id) => driver.read(FindGrant(lock_id)).answer?,
        GetReceipt::Request(principal, id) => driver.read(FindRequest(principal, id)).answer?,
    };
    now(driver.reader().receipt(at)).expect("it is read")
}

fn shown(driver: &mut Driver, of: GetReceipt) -> EventProof {
    receipt_of(driver, of).expect("it is in the log")
}

fn verified(driver: &Driver, signed: &mortise_core::body::CarriedStatement) -> VerifiedStatement {
    let identity = driver.identity();
    let engine = Engine { id: identity.engine_id, address: identity.signer.address() };
    let (statement, signature) = (signed.statement.clone(), signed.signature);
    statement::verify(&engine, &SignedStatement { statement, signature }).expect("it is ours")
}

fn at(seq: u64, index: u32) -> GetReceipt {
    GetReceipt::At(LogPosition { seq, index })
}

fn frame_is_shown(driver: &mut Driver, seq: u64) {
    let shown = shown(driver, at(seq, 0));
    let frame = &shown.frame;
    let newest = verified(driver, &shown.newest).head();
    let stated = verified(driver, frame.signed());
    let leaf = mortise_format::codec::encode(frame.leaf());
    let found = receipt::verify_frame(&stated, &leaf, &shown.path, &newest);
    assert_eq!(found.map(|frame| frame.inclusion().index()), Ok(seq));
}

#[test]
fn frames_of_every_age_are_proven_under_the_newest_checkpoint_and_after_a_restart() {
    let mut driver = Driver::booted(41);
    burn(&mut driver, 600);
    for epoch in 0..2 {
        let size = driver.pipeline().machine().head().next_seq;
        for seq in [0, 1, 100, 255, 256, 300, 511, 512, 513, 560, size - 2, size - 1] {
            frame_is_shown(&mut driver, seq);
        }
        if epoch == 0 {
            driver.restart();
        }
    }
}

#[test]
fn sizes_of_every_age_are_consistent_and_impossible_ones_are_refused() {
    let mut driver = Driver::booted(42);
    burn(&mut driver, 540);
    driver.restart();
    let size = driver.pipeline().machine().head().next_seq;
    for (from, to) in [(1, 2), (1, size), (255, 257), (256, 512), (300, 530), (513, size)] {
        let shown = now(driver.reader().consistency(from, Some(to))).expect("it is read");
        let shown = shown.expect("the log has these sizes");
        assert_eq!((shown.from.size, shown.to.size), (from, to));
        let (from_root, to_root) = (shown.from.root.0, shown.to.root.0);
        let stated = |driver: &Driver, size: u64| {
            driver.statement(size - 1).map(|s| s.statement.history_root.0)
        };
        assert_eq!(stated(&driver, from), Some(from_root));
        assert_eq!(stated(&driver, to), Some(to_root));
        assert_eq!(verify_consistency(&from_root, from, &to_root, to, &shown.path), Ok(()));
    }
    let whole = now(driver.reader().consistency(size, None)).expect("it is read");
    let whole = whole.expect("the log has this size");
    assert_eq!((whole.path.len(), whole.from), (0, whole.to));
    for (from, to) in [(0, None), (0, Some(0)), (5, Some(4)), (1, Some(size + 1)), (size + 1, None)]
    {
        let found = now(driver.reader().consistency(from, to)).expect("nothing is read");
        assert!(found.is_none(), "{from} {to:?}: {found:?}");
    }
}

#[test]
fn request_for_a_missing_frame_is_refused_and_stops_nothing() {
    let mut driver = Driver::booted(43);
    let locks = trade(&mut driver, 3);
    let size = driver.pipeline().machine().head().next_seq;
    let unknown = GetReceipt::Request(Party::Owner.address(), request(999).id);
    for of in [at(size, 0), at(u64::MAX, 0), at(1, 9), at(0, u32::MAX), unknown] {
        assert!(receipt_of(&mut driver, of).is_none());
    }
    assert_eq!(driver.read(FindGrant(LockId([9; 32]))).answer, None);
    assert!(driver.pipeline().fault().is_none());
    // Lookups by lock, by request and by log position find the same event.
    let by_lock = shown(&mut driver, GetReceipt::Lock(locks[1]));
    let of = GetReceipt::Request(Party::Owner.address(), request(1).id);
    let by_request = shown(&mut driver, of);
    let event = |shown: &EventProof| {
        let EventProof { frame, index, .. } = shown;
        (frame.statement().seq, *index, frame.event(*index).map(|event| event.bytes))
    };
    assert_eq!(event(&by_lock), event(&by_request));
    let EventProof { frame, index, .. } = by_lock;
    assert!(matches!(frame.decoded(index), Some(Event::LocksGranted { .. })));
}

#[test]
fn remembered_reject_has_a_receipt() {
    let mut driver = Driver::booted(44);
    trade(&mut driver, 1);
    let again = terms(Party::Owner, 0, 1);
    let refused = driver.signer().commit(Party::Owner, &again, request(7));
    assert!(matches!(driver.answer(&refused), Err(NotDone::Refused(_))));
    let of = GetReceipt::Request(Party::Owner.address(), request(7).id);
    let shown = shown(&mut driver, of);
    let EventProof { frame, index, .. } = shown;
    assert!(matches!(frame.decoded(index), Some(Event::CommandRefused { .. })));
}

#[test]
fn engine_gives_out_no_proof_if_the_store_changed_a_leaf() {
    let mut driver = Driver::booted(45);
    burn(&mut driver, 300);
    let size = driver.pipeline().machine().head().next_seq;
    let plan = driver.pipeline().machine().archive().inclusion(3, size).expect("it is in the log");
    let plans = [plan];
    assert!(now(complete(&driver.disk, &plans)).is_ok());
    let lie = |change: fn(&mut Vec<Vec<u8>>)| {
        let disk = driver.disk.copy();
        disk.edit(|content| change(&mut content.frames));
        now(complete(&disk, &plans)).expect_err("the tile was changed")
    };
    let mismatch = |error: &TileError| {
        matches!(error, TileError::Archive(ArchiveError::TileMismatch { tile: 0 }))
    };
    assert!(mismatch(&lie(|frames| frames[200][LEAF_BYTES - 1] ^= 1)));
    let cut = lie(|frames| frames.truncate(255));
    assert!(matches!(cut, TileError::Archive(ArchiveError::TileLength { tile: 0, found: 255 })));
    // With the unchanged tile the path is valid.
    let leaf = driver.disk.frames()[3].leaf().history_leaf();
    let root = driver.pipeline().machine().history().root();
    let path = &now(complete(&driver.disk, &plans)).expect("the tile is intact")[0];
    assert_eq!(verify_inclusion(&root, size, 3, &leaf, path), Ok(()));
}

/// The lock's value after frame `seq`, proven under the root of that frame.
fn proven(driver: &mut Driver, key: &LeafKey, seq: u64) -> Option<Vec<u8>> {
    let answer = driver.read(ProveEntryAt { key: *key, seq }).answer.expect("the root is kept");
    let signed = now(driver.reader().statement_at(seq)).expect("it is read");
    let stated = verified(driver, &signed.expect("it is released"));
    assert_eq!(stated.seq(), seq);
    match &answer.value {
        Some((value, salt)) => {
            let value = mortise_format::codec::encode(value);
            verify_leaf(&stated, key, &value, salt, &answer.proof).expect("it is present");
            Some(value)
        }
        None => {
            verify_absence(&stated, key, &answer.proof).expect("it is absent");
            None
        }
    }
}

#[test]
fn every_recent_root_proves_the_holds_of_its_frame() {
    let mut driver = Driver::booted(46);
    let locks = trade(&mut driver, 12);
    let newest = driver.pipeline().machine().head().next_seq - 1;
    let owner = LeafKey::Principal(Party::Owner.address());
    for (n, lock_id) in locks.iter().enumerate() {
        let key = LeafKey::Lock(*lock_id);
        let values_by_seq: Vec<_> =
            (0..=newest).map(|seq| proven(&mut driver, &key, seq)).collect();
        let since = values_by_seq.iter().position(Option::is_some).expect("it was granted");
        assert!(values_by_seq[since..].iter().all(Option::is_some), "nothing is pruned yet");
        let mut values = values_by_seq[since..].to_vec();
        values.dedup();
        assert_eq!(values.len(), 2, "lock {n} was active, then released");
    }
    let mut counts: Vec<_> = (0..=newest).map(|seq| proven(&mut driver, &owner, seq)).collect();
    counts.dedup();
    assert_eq!(counts.len(), 25, "absent, then another value after each command");
    driver.restart();
    for seq in 0..=newest {
        proven(&mut driver, &LeafKey::Lock(locks[5]), seq);
        proven(&mut driver, &LeafKey::Lock(LockId([7; 32])), seq);
    }
}

#[test]
fn roots_outside_of_the_window_are_refused_with_the_window() {
    let settings = Settings { snapshot_frames: u64::MAX, ..Settings::default() };
    let mut driver = Driver::new(47, settings);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    let frames = u64::try_from(RECENT_ROOTS_MAX).expect("a small number");
    burn(&mut driver, frames + 20);
    let newest = driver.pipeline().machine().head().next_seq - 1;
    let window = RootNotKept { oldest: newest - frames, newest };
    let key = LeafKey::Principal(Party::Owner.address());
    for seq in [0, window.oldest - 1, newest + 1, u64::MAX] {
        let refused = driver.read(ProveEntryAt { key, seq }).answer.map(|_| ());
        assert_eq!(refused, Err(window), "{seq}");
    }
    for seq in [window.oldest, window.oldest + 1, newest - 1, newest] {
        proven(&mut driver, &key, seq);
    }
}
