//! Faults that an audit without keys detects.

use super::liar::{Liar, Parts, with_last_changed};
use super::{audit, keys_of, log_of, named, subject};
use mortise_audit::{Report, Subject};
use mortise_core::body::CarriedStatement;
use mortise_format::frame::{Frame, FrameHeader, FrameKind};
use mortise_format::ids::{Bytes32, EngineId, FrameDigest};
use mortise_testkit::driver::Driver;
use mortise_testkit::keys::Party;
use mortise_testkit::scenario::{request, terms};
use mortise_verify::statement::SignedStatement as Kept;

/// Two epochs with some frames each; the last frame carries statements.
fn engine() -> Driver {
    let mut driver = Driver::booted(70);
    for nonce in 0..6 {
        let terms = terms(Party::Owner, nonce, 10);
        let commit = driver.signer().commit(Party::Owner, &terms, request(nonce));
        drop(driver.answer(&commit));
        if nonce == 2 {
            driver.restart();
        }
    }
    driver
}

/// The findings of the audits with and without keys, which must agree.
#[track_caller]
fn both(driver: &Driver, log: &[Vec<u8>]) -> Report {
    let full = audit(log, subject(driver), Some(&keys_of(driver)));
    let outside = audit(log, subject(driver), None);
    assert_eq!(named(&full), named(&outside));
    assert_eq!(full.broken_at, outside.broken_at);
    full
}

#[test]
fn frame_out_of_order_breaks_the_chain_by_name() {
    let driver = engine();
    let log = log_of(&driver);
    let last = u64::try_from(log.len()).unwrap() - 1;
    let place = |name: &'static str, change: &dyn Fn(&mut FrameHeader)| {
        let log = with_last_changed(&log, &driver, |parts| {
            change(&mut parts.header);
            false
        });
        let report = both(&driver, &log);
        assert_eq!(named(&report), [(last, None, name)]);
        assert_eq!((report.broken_at, report.frames), (Some(last), last));
    };
    place("Epoch", &|header| header.epoch += 1);
    place("TimeBack", &|header| header.time_ms = 1);
    place("Seq", &|header| header.seq += 1);
    place("Rules", &|header| header.rules.0 += 1);
    place("Previous", &|header| header.previous = FrameDigest([9; 32]));
    place("ForeignEngine", &|header| header.engine_id = EngineId([9; 32]));
    place("Epoch", &|header| header.kind = FrameHeader::kind_byte(FrameKind::Boot));
    let skipped = [&log[..3], &log[4..]].concat();
    assert_eq!(named(&both(&driver, &skipped)), [(3, None, "Seq")]);
    let mut torn = log.clone();
    torn[2].pop();
    assert_eq!(named(&both(&driver, &torn)), [(2, None, "NotAFrame")]);
    let boot = usize::try_from(driver.pipeline().machine().epochs()[1].first_seq).unwrap();
    let without = [&log[..boot], &log[boot + 1..]].concat();
    assert_eq!(named(&both(&driver, &without))[0].2, "Seq");
}

/// Goal: a skipped epoch is reported, even if the frames after it are sealed again.
#[test]
fn skipped_epoch_is_reported() {
    let driver = engine();
    let log = log_of(&driver);
    let boot = usize::try_from(driver.pipeline().machine().epochs()[1].first_seq).unwrap();
    let changed = with_last_changed(&log[..=boot], &driver, |parts| {
        parts.header.epoch += 1;
        false
    });
    let seq = u64::try_from(boot).unwrap();
    let subject = subject(&driver);
    let report = audit(&changed, subject, None);
    assert_eq!(named(&report), [(seq, None, "Epoch")]);
}

#[test]
fn statement_changed_swapped_omitted_or_signed_by_another_is_reported() {
    let driver = engine();
    let log = log_of(&driver);
    let last = u64::try_from(log.len()).unwrap() - 1;
    let carried = |name: &'static str, change: &dyn Fn(&mut Vec<CarriedStatement>)| {
        let log = with_last_changed(&log, &driver, |parts| {
            assert!(!parts.clear.statements.is_empty());
            change(&mut parts.clear.statements);
            true
        });
        let report = both(&driver, &log);
        assert_eq!(named(&report)[0], (last, None, name), "{:?}", report.findings);
        assert!(report.signed_to < last, "a wrong statement covers no frame");
        report.findings[0].text()
    };
    carried("StatementSigner", &|all| all[0].signature.0[3] ^= 1);
    carried("StatementSigner", &|all| {
        let digest = all[0].statement.digest();
        all[0].signature = Party::Stranger.signer().sign(&digest);
    });
    let text = carried("StatementField", &|all| {
        all[0].statement.history_root.0[0] ^= 1;
        let digest = all[0].statement.digest();
        all[0].signature = driver.identity().signer.sign(&digest);
    });
    assert!(text.contains("historyRoot"), "{text}");
    let text = carried("StatementField", &|all| all[0].history_path.clear());
    assert!(text.contains("historyPath"), "{text}");
    carried("StatementUnexpected", &|all| {
        all[0] = driver.statement(1).expect("it was released").clone();
    });
}

#[test]
fn omitted_statement_is_reported() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    let held = liar.to_carry.pop().expect("the last statement is uncarried");
    assert!(liar.to_carry.is_empty());
    liar.write(&[]);
    liar.to_carry.retain(|carried| carried.statement.seq != held.statement.seq);
    let seq = liar.write(&[]);
    let about = held.statement.seq;
    for report in [liar.report(), liar.report_outside()] {
        assert_eq!(named(&report), [(seq, None, "StatementSkipped")]);
        assert!(report.findings[0].text().contains(&format!("about frame {about} ")));
    }
}

/// A tail of frames by a forger who has the content keys and not the MAC key.
fn forged_tail(driver: &Driver, count: usize) -> Vec<Vec<u8>> {
    let mut liar = Liar::new(driver);
    liar.to_carry.clear();
    let honest = liar.log.len();
    let (mut log, mut previous) = (log_of(driver), None);
    for _ in 0..count {
        liar.now_ms += 1000;
        liar.write(&[]);
        // The forger cannot sign: no statement of the engine exists for these frames.
        liar.to_carry.clear();
    }
    for bytes in &liar.log[honest..] {
        let one = log.iter().cloned().chain([bytes.clone()]).collect::<Vec<_>>();
        let changed = with_last_changed(&one, driver, |parts: &mut Parts| {
            if let Some(previous) = previous {
                parts.header.previous = previous;
            }
            false
        });
        let frame = Frame::decode(changed.last().expect("it was sealed")).expect("a frame");
        let mut leaf = frame.leaf().clone();
        leaf.mac = Bytes32([0xfa; 32]);
        let forged = Frame::new(leaf, frame.clear().to_vec(), frame.cipher().to_vec());
        let forged = forged.expect("its digests fit");
        previous = Some(forged.digest());
        log.push(forged.encode());
    }
    log
}

/// Goal: without the MAC key an auditor cannot recognise the frames of a forger who has the content
/// keys. It reports that no signature of the engine covers them; one kept statement of the engine
/// proves a fork.
#[test]
fn no_signature_covers_a_tail_forged_with_the_content_keys() {
    let driver = engine();
    let honest = u64::try_from(log_of(&driver).len()).unwrap();
    let log = forged_tail(&driver, 3);
    let report = both(&driver, &log);
    assert_eq!((named(&report), report.frames), (vec![], honest + 3));
    assert!(report.signed_to < honest, "only the honest frames are signed: {}", report.signed_to);
    let mut liar = Liar::new(&driver);
    liar.now_ms += 5000;
    liar.write(&[]);
    let kept = liar.to_carry.last().expect("the engine signed its own frame");
    let kept = Kept { statement: kept.statement.clone(), signature: kept.signature };
    let with = || Subject { kept: vec![kept.clone()], ..subject(&driver) };
    for keys in [Some(keys_of(&driver)), None] {
        let report = audit(&log, with(), keys.as_ref());
        assert_eq!(named(&report), [(honest, None, "Fork")]);
    }
}

#[test]
fn statements_signed_by_a_forger_are_reported() {
    let driver = engine();
    let mut liar = Liar::new(&driver);
    liar.to_carry.clear();
    liar.write(&[]);
    for carried in &mut liar.to_carry {
        let digest = carried.statement.digest();
        carried.signature = Party::Stranger.signer().sign(&digest);
    }
    let seq = liar.write(&[]);
    let found: Vec<_> = named(&liar.report()).iter().map(|(_, _, name)| *name).collect();
    assert_eq!(found, ["StatementSkipped", "StatementSigner"]);
    assert_eq!(named(&liar.report_outside())[0].0, seq);
}

#[test]
fn log_of_another_engine_is_refused() {
    let driver = engine();
    let other = Subject { engine_id: Some(EngineId([9; 32])), ..subject(&driver) };
    let report = audit(&log_of(&driver), other, Some(&keys_of(&driver)));
    assert_eq!((named(&report), report.frames), (vec![(0, None, "OtherEngine")], 0));
}
