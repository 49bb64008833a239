//! `tlog-proof@v1`: a frame under a checkpoint, in one text.

use super::Log;
use super::note::{ORIGIN, log_key, note, witnesses};
use mortise_format::limits::TLOG_PROOF_BYTES_MAX;
use mortise_format::tlog_proof::{TlogProof, TlogProofTextError, proof_text};
use mortise_verify::checkpoint::CheckpointError;
use mortise_verify::history::HistoryProofError;
use mortise_verify::receipt::verify_frame;
use mortise_verify::tlog_proof::{TlogProofError, verify, verify_cosigned};

fn proof(log: &Log, seq: usize) -> String {
    let size = log.frames.len();
    let index = u64::try_from(seq).unwrap();
    proof_text(index, &log.path(seq, size), &note(&log.newest().head(), 2))
}

#[test]
fn one_text_proves_each_frame_of_a_log_and_matches_its_statement() {
    let (log, (_, key)) = (Log::of(1, 11), log_key());
    for seq in 0..11 {
        let (text, leaf) = (proof(&log, seq), &log.frames[seq].leaf);
        let verified = verify(text.as_bytes(), leaf, ORIGIN, &key).unwrap();
        assert_eq!(verified.inclusion().index(), log.verified(seq).seq());
        let set = witnesses(3, 2);
        let cosigned = verify_cosigned(text.as_bytes(), leaf, ORIGIN, &key, &set).unwrap();
        assert_eq!(cosigned.inclusion(), verified.inclusion());
        assert_eq!(cosigned.checkpoint().cosignatures().len(), 2);
        let parsed = TlogProof::parse(text.as_bytes()).unwrap();
        let head = verified.checkpoint().head();
        assert!(verify_frame(&log.verified(seq), leaf, parsed.path(), head).is_ok());
        let written = proof_text(parsed.index(), parsed.path(), parsed.checkpoint());
        assert_eq!(written, text);
    }
}

#[test]
fn every_flipped_or_cut_byte_of_a_proof_is_refused() {
    let (log, (_, key), set) = (Log::of(1, 7), log_key(), witnesses(2, 2));
    let (text, leaf) = (proof(&log, 4).into_bytes(), &log.frames[4].leaf);
    for at in 0..text.len() {
        let mut flipped = text.clone();
        flipped[at] ^= 1;
        let refused = verify_cosigned(&flipped, leaf, ORIGIN, &key, &set);
        assert!(refused.is_err(), "byte {at}");
        let refused = verify_cosigned(&text[..at], leaf, ORIGIN, &key, &set);
        assert!(refused.is_err(), "cut at {at}");
    }
}

#[test]
fn each_wrong_part_of_a_proof_has_its_error() {
    let (log, (_, key)) = (Log::of(1, 7), log_key());
    let (text, leaf) = (proof(&log, 4), &log.frames[4].leaf);
    let check = |text: &str| verify(text.as_bytes(), leaf, ORIGIN, &key).map(|_| ());
    assert_eq!(check(&text), Ok(()));
    let extra = |data: &str| text.replacen('\n', &format!("\nextra {data}\n"), 1);
    assert_eq!(check(&extra("YWJj")), Ok(()));
    let with_extra = extra("YWJj");
    let parsed = TlogProof::parse(with_extra.as_bytes()).unwrap();
    assert_eq!(parsed.unauthenticated_extra(), Some(&b"abc"[..]));
    assert_eq!(check(&extra("YWJ")), Err(TlogProofTextError::Extra.into()));
    assert_eq!(check(&text.replace("@v1", "@v2")), Err(TlogProofTextError::Header.into()));
    for index in ["04", "", "-4", "4 ", "18446744073709551616"] {
        let text = text.replace("index 4\n", &format!("index {index}\n"));
        assert_eq!(check(&text), Err(TlogProofTextError::Index.into()), "{index}");
    }
    assert_eq!(check(&text.replace("index 4\n", "")), Err(TlogProofTextError::Index.into()));
    let history = |error| Err(TlogProofError::Inclusion(error));
    let moved = check(&text.replace("index 4\n", "index 5\n"));
    assert_eq!(moved, history(HistoryProofError::RootMismatch));
    let out = HistoryProofError::IndexOutOfRange { index: 7, size: 7 };
    assert_eq!(check(&text.replace("index 4\n", "index 7\n")), history(out));
    let hash = text.lines().nth(2).unwrap();
    let longer = text.replacen(hash, &format!("{hash}\n{hash}"), 1);
    let length = |found| history(HistoryProofError::PathLength { expected: 3, found });
    assert_eq!(check(&longer), length(4));
    assert_eq!(check(&text.replacen(&format!("{hash}\n"), "", 1)), length(2));
    assert_eq!(
        check(&text.replacen(hash, &hash[4..], 1)),
        Err(TlogProofTextError::Hash { line: 0 }.into())
    );
    let many = text.replacen(hash, &format!("{hash}\n").repeat(65), 1);
    assert_eq!(check(&many), Err(TlogProofTextError::PathTooLong.into()));
    let headless = text.split("\n\n").next().unwrap();
    assert_eq!(check(headless), Err(TlogProofTextError::NoCheckpoint.into()));
    let other = verify(text.as_bytes(), leaf, "other", &key);
    assert_eq!(other, Err(TlogProofError::Checkpoint(CheckpointError::Origin)));
    let other = verify(text.as_bytes(), &log.frames[3].leaf, ORIGIN, &key);
    assert_eq!(other, Err(TlogProofError::Inclusion(HistoryProofError::RootMismatch)));
    let large = [b'a'].repeat(TLOG_PROOF_BYTES_MAX + 1);
    let named = TlogProofTextError::TooLarge { found: TLOG_PROOF_BYTES_MAX + 1 };
    assert_eq!(verify(&large, leaf, ORIGIN, &key), Err(named.into()));
    let most = verify(&large[1..], leaf, ORIGIN, &key);
    assert_eq!(most, Err(TlogProofTextError::Header.into()), "at the bound it is read");
    assert_eq!(verify(b"\xff\n", leaf, ORIGIN, &key), Err(TlogProofTextError::Utf8.into()));
}
