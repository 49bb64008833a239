//! Goal: a wrong frame is refused by the named fault, even if the engine's own keys sealed it.
//!
//! Method: the last frame of a log is opened, changed and sealed again, so that MAC and digests are
//! right.

use super::{at, log, verdict};
use mortise_core::body::{Boot, CarriedStatement, ClearBody, SealedBody, document_digest};
use mortise_core::machine::EpochRecord;
use mortise_core::{event_tree, seal};
use mortise_format::content_key::event_salt;
use mortise_format::event::Event;
use mortise_format::frame::{FrameHeader, FrameKind};
use mortise_format::ids::{EngineId, FrameDigest};
use mortise_format::limits::ATTESTATION_BYTES_MAX;
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;

/// The parts of an opened frame.
struct Parts {
    header: FrameHeader,
    clear: ClearBody,
    events: Vec<Event>,
}

/// The error of a boot over the log with frame `seq` changed and sealed again. The event root is
/// recomputed unless `change` returns false.
fn forged(driver: &Driver, seq: u64, change: impl FnOnce(&mut Parts) -> bool) -> (u64, String) {
    let frame = driver.disk.frames()[at(seq)].clone();
    let header = frame.header().clone();
    let epochs = driver.pipeline().machine().epochs();
    let record = epochs.iter().find(|record| record.epoch == header.epoch);
    let keys = driver.keys_of(record.expect("the epoch is known")).expect("it opens");
    let clear = ClearBody::of(&frame).expect("a clear body decodes");
    let mut parts = Parts { header, clear, events: driver.events(&frame) };
    let follows = change(&mut parts);
    let mut body = SealedBody::default();
    parts.events.iter().for_each(|event| body.push(event));
    if follows {
        parts.header.event_count = u32::try_from(body.count()).expect("few events");
        let content = keys.content(parts.header.seq);
        let leaf = |(index, bytes): (u32, &[u8])| {
            event_tree::leaf_hash(&event_salt(&content, index), bytes)
        };
        let leaves: Vec<_> = (0..).zip(body.events()).map(leaf).collect();
        parts.header.event_root = event_tree::root(&leaves);
    }
    let clear = parts.clear.encode(parts.header.rules);
    let forged = seal::seal(&keys, parts.header, clear, body.bytes()).expect("it can be sealed");
    verdict(driver, |frames| frames[at(seq)] = forged.encode())
}

/// The last frame of the log of these tests, and its last boot frame.
const LAST: u64 = 6;
const BOOT: u64 = 4;

#[track_caller]
fn assert_says(driver: &Driver, seq: u64, name: &str, change: impl FnOnce(&mut Parts) -> bool) {
    assert_eq!(forged(driver, seq, change), (seq, name.to_owned()));
}

#[test]
fn frame_with_a_wrong_header_field_is_refused_by_that_field() {
    let driver = log(20);
    let place = |name, change: &dyn Fn(&mut FrameHeader)| {
        assert_says(&driver, LAST, name, |parts| {
            change(&mut parts.header);
            true
        });
    };
    place("ForeignEngine", &|header| header.engine_id = EngineId([9; 32]));
    place("Previous", &|header| header.previous = FrameDigest([9; 32]));
    place("TimeBack", &|header| header.time_ms = 1);
    place("Epoch", &|header| header.epoch += 1);
    place("Seq", &|header| header.seq += 1);
    place("Rules", &|header| header.rules.0 += 1);
    place("Rules", &|header| header.rules.0 -= 1);
}

#[test]
fn frame_whose_roots_do_not_follow_from_its_events_is_refused() {
    let driver = log(21);
    let wrong = |name, change: &dyn Fn(&mut FrameHeader)| {
        assert_says(&driver, LAST, name, |parts| {
            change(&mut parts.header);
            false
        });
    };
    wrong("EventRoot", &|header| header.event_root.0[0] ^= 1);
    wrong("EventRoot", &|header| header.event_count += 1);
    wrong("StateRoot", &|header| header.state_root.0[0] ^= 1);
    wrong("PolicyHash", &|header| header.policy_hash.0[0] ^= 1);
}

#[test]
fn removed_repeated_or_reordered_events_are_refused() {
    let driver = log(22);
    assert_says(&driver, LAST, "StateRoot", |parts| parts.events.pop().is_some());
    assert_says(&driver, LAST, "Corruption", |parts| {
        parts.events.push(parts.events[1].clone());
        true
    });
    assert_says(&driver, LAST, "FirstEvent", |parts| {
        parts.events.swap(0, 1);
        true
    });
    assert_says(&driver, LAST, "FirstEvent", |parts| {
        parts.events.remove(0);
        true
    });
}

#[test]
fn frame_that_does_not_start_with_its_required_event_is_refused() {
    let driver = log(23);
    assert_says(&driver, LAST, "FirstEvent", |parts| {
        let time_ms = parts.header.time_ms + 1;
        parts.events[0] = Event::TimeAdvanced { time_ms };
        true
    });
    assert_says(&driver, BOOT, "FirstEvent", |parts| {
        if let Event::EpochStarted { epoch, .. } = &mut parts.events[0] {
            *epoch += 1;
        }
        true
    });
    assert_says(&driver, LAST, "BootRecord", |parts| {
        let epochs = driver.pipeline().machine().epochs();
        let boot = |record: &EpochRecord| Boot {
            record: record.boot.clone(),
            document: vec![],
            genesis_document: vec![],
        };
        parts.clear.boot = epochs.last().map(boot);
        true
    });
    assert_says(&driver, BOOT, "BootRecord", |parts| parts.clear.boot.take().is_some());
    assert_says(&driver, LAST, "Epoch", |parts| {
        parts.header.kind = FrameHeader::kind_byte(FrameKind::Boot);
        true
    });
}

#[test]
fn document_that_the_boot_record_does_not_name_is_refused() {
    let driver = log(26);
    let boot = |change: &dyn Fn(&mut Boot)| {
        assert_says(&driver, BOOT, "BootDocument", |parts| {
            change(parts.clear.boot.as_mut().expect("a boot frame has a record"));
            true
        });
    };
    boot(&|boot| boot.document.push(1));
    boot(&|boot| boot.record.document_digest.0[0] ^= 1);
    boot(&|boot| {
        boot.document = vec![1; ATTESTATION_BYTES_MAX + 1];
        boot.record.document_digest = document_digest(&boot.document);
    });
}

/// The engine of these tests has no genesis document, so its first frame may have none either.
#[test]
fn genesis_document_in_a_later_frame_or_another_one_in_the_first_is_refused() {
    let driver = log(27);
    for (seq, bytes) in [(0, 1), (0, ATTESTATION_BYTES_MAX + 1), (BOOT, 1)] {
        assert_says(&driver, seq, "GenesisDocument", |parts| {
            let boot = parts.clear.boot.as_mut().expect("a boot frame has a record");
            boot.genesis_document = vec![1; bytes];
            true
        });
    }
}

#[test]
fn changed_swapped_repeated_or_omitted_carried_statement_is_refused() {
    let driver = log(24);
    let carried = |name, change: &dyn Fn(&mut Vec<CarriedStatement>)| {
        assert_says(&driver, LAST, name, |parts| {
            assert!(!parts.clear.statements.is_empty());
            change(&mut parts.clear.statements);
            true
        });
    };
    carried("StatementSignature", &|all| all[0].signature.0[3] ^= 1);
    carried("StatementSignature", &|all| {
        let digest = all[0].statement.digest();
        all[0].signature = Party::Stranger.signer().sign(&digest);
    });
    carried("Statement", &|all| all[0].statement.state_root.0[0] ^= 1);
    carried("Statement", &|all| all[0].statement.history_size += 1);
    carried("Statement", &|all| all[0].history_path.clear());
    carried("Statement", &|all| {
        let earlier = driver.statement(1).expect("it was released");
        all[0] = earlier.clone();
    });
    carried("Statement", &|all| {
        let first = all[0].clone();
        all.push(first);
    });
}

/// Goal: a frame may leave a statement to a later frame, and none is lost.
#[test]
fn statement_that_a_frame_leaves_out_is_carried_later() {
    let driver = log(25);
    let start = driver.replay(&driver.disk.copy()).expect("the log follows");
    let seqs: Vec<u64> = start.to_carry.iter().map(|s| s.statement.seq).collect();
    assert_eq!(seqs, [LAST]);
    for signed in &start.to_carry {
        assert_eq!(Some(signed), driver.statement(signed.statement.seq));
    }
}
