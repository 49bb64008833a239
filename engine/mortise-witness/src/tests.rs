//! The decision, on a log that the tests build: every status of the protocol, and that a witness
//! cosigns growth only.

use super::*;
use crate::heads::MemoryHeads;
use ed25519_dalek::{Signer as _, SigningKey};
use mortise_format::checkpoint::checkpoint_text;
use mortise_format::ids::Root;
use mortise_format::merkle::history::{leaf_hash, node_hash};
use mortise_format::note::{KeyUse, NoteKey};
use mortise_verify::checkpoint::{Witnesses, verify_cosigned};
use mortise_verify::witness_answer::{WitnessAnswer, read_answer};

const ORIGIN: &str = "log.example/1";

/// A log with leaves numbered from 0. Each branch is a fork.
struct Log {
    key: SigningKey,
    origin: &'static str,
    branch: u8,
}

impl Log {
    fn new(branch: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[8; 32]), origin: ORIGIN, branch }
    }

    fn public(&self) -> NoteKey {
        NoteKey::new(KeyUse::Log, self.origin, self.key.verifying_key().to_bytes()).unwrap()
    }

    /// Branches differ after leaf 2.
    fn leaf(&self, index: u64) -> [u8; 32] {
        leaf_hash(&[if index > 2 { self.branch } else { 0 }, u8::try_from(index).unwrap()])
    }

    fn root_of(&self, from: u64, to: u64) -> [u8; 32] {
        match to - from {
            0 => sha256(&[]),
            1 => self.leaf(from),
            count => {
                let left = 1 << (count - 1).ilog2();
                node_hash(&self.root_of(from, from + left), &self.root_of(from + left, to))
            }
        }
    }

    /// SUBPROOF of RFC 6962 2.1.2.
    fn sub_proof(&self, m: u64, from: u64, to: u64, whole: bool) -> Vec<[u8; 32]> {
        if from + m == to {
            return if whole { vec![] } else { vec![self.root_of(from, to)] };
        }
        let left = 1 << (to - from - 1).ilog2();
        let mut path = if m <= left {
            self.sub_proof(m, from, from + left, whole)
        } else {
            self.sub_proof(m - left, from + left, to, false)
        };
        path.push(match m <= left {
            true => self.root_of(from + left, to),
            false => self.root_of(from, from + left),
        });
        path
    }

    fn note(&self, size: u64) -> String {
        let head = TreeHead { size, root: Root(self.root_of(0, size)) };
        let text = checkpoint_text(self.origin, &head);
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        format!("{text}\n{}", self.public().signature_line(&signature))
    }

    fn request(&self, old: u64, size: u64) -> Vec<u8> {
        let path = if old == 0 { vec![] } else { self.sub_proof(old, 0, size, true) };
        let checkpoint = self.note(size);
        AddCheckpoint { old_size: old, path, checkpoint: &checkpoint }.text().into_bytes()
    }
}

fn witness() -> Witness {
    let signer = WitnessSigner::new("w.example", &[5; 32]).unwrap();
    Witness::new(signer, Box::new(MemoryHeads::default()))
}

fn logs() -> KnownLogs {
    let mut logs = KnownLogs::default();
    logs.add(Log::new(0).public());
    logs
}

fn status(witness: &Witness, body: &[u8]) -> u16 {
    witness.answer(&logs(), body, 1_800_000_000).status
}

#[test]
fn a_log_that_grows_is_cosigned_and_the_lines_verify() {
    let (witness, log) = (witness(), Log::new(0));
    let witnesses = Witnesses::new(vec![witness.signer().verifier().clone()], 1).unwrap();
    for (old, size) in [(0, 1), (1, 2), (2, 2), (2, 7), (7, 8), (8, 40)] {
        let answer = witness.answer(&logs(), &log.request(old, size), 1_800_000_000 + size);
        assert_eq!(answer.status, 200, "{old} {size} {}", answer.body);
        let note = format!("{}{}", log.note(size), answer.body);
        let cosigned = verify_cosigned(note.as_bytes(), ORIGIN, &log.public(), &witnesses).unwrap();
        assert_eq!(cosigned.cosignatures()[0].time, 1_800_000_000 + size);
        let text = note.split("\n\n").next().unwrap().to_owned() + "\n";
        let read = read_answer(&witnesses.keys()[0], &text, 200, answer.body.as_bytes());
        assert!(matches!(read, WitnessAnswer::Cosigned { .. }), "{read:?}");
    }
}

#[test]
fn stale_forked_and_cloned_logs_are_refused_by_status() {
    let (witness, log, fork) = (witness(), Log::new(0), Log::new(1));
    assert_eq!(status(&witness, &log.request(0, 5)), 200);
    let stale = witness.answer(&logs(), &log.request(0, 3), 0);
    assert_eq!((stale.status, stale.is_size, stale.body.as_str()), (409, true, "5\n"));
    assert_eq!(status(&witness, &log.request(3, 4)), 409, "a smaller head is never cosigned again");
    assert_eq!(status(&witness, &fork.request(5, 9)), 422);
    let other = witness.answer(&logs(), &fork.request(5, 5), 0);
    assert_eq!((other.status, other.is_size), (422, false), "another root at one size");
    assert_eq!(status(&witness, &fork.request(0, 9)), 409);
    assert_eq!(status(&witness, &log.request(5, 9)), 200, "a refused request changes nothing");
}

#[test]
fn each_wrong_request_has_its_status() {
    let (witness, log) = (witness(), Log::new(0));
    let good = String::from_utf8(log.request(0, 3)).unwrap();
    let with = |from: &str, to: &str| good.replacen(from, to, 1).into_bytes();
    for bad in [
        vec![],
        b"old 0".to_vec(),
        b"old 0\n\n".to_vec(),
        with("old 0", "old 00"),
        with("old 0", "old -1"),
        with("old 0", "Old 0"),
        with("old 0\n", "old 0\r\n"),
        with("old 0\n", "old 0\nAAAA\n"),
        with("\n3\n", "\n03\n"),
        with("\n\n", "\n"),
        with("old 0", "old 4"),
        good.trim_end().as_bytes().to_vec(),
        [good.as_bytes(), &[0xff]].concat(),
        vec![b'a'; 20_000],
        format!("old 0\n{}", "A".repeat(43).as_str().to_owned() + "=\n").into_bytes(),
    ] {
        let text = String::from_utf8_lossy(&bad).into_owned();
        assert_eq!(status(&witness, &bad), 400, "{text}");
    }
    assert_eq!(status(&witness, &with(ORIGIN, "log.example/2")), 404);
    let unsigned = Log { key: SigningKey::from_bytes(&[9; 32]), ..Log::new(0) };
    assert_eq!(status(&witness, &unsigned.request(0, 3)), 403);
    assert_eq!(status(&witness, &with("\n3\n", "\n4\n")), 403, "a signature covers the size");
    let with_path = AddCheckpoint { old_size: 0, path: vec![[1; 32]], checkpoint: &log.note(3) };
    assert_eq!(status(&witness, with_path.text().as_bytes()), 422, "the first one has no path");
    assert_eq!(status(&witness, good.as_bytes()), 200);
}

#[test]
fn every_hash_of_a_path_counts() {
    let log = Log::new(0);
    let grown = || {
        let witness = witness();
        assert_eq!(status(&witness, &log.request(0, 6)), 200);
        witness
    };
    let note = log.note(11);
    let path = log.sub_proof(6, 0, 11, true);
    let status_of = |path| {
        let request = AddCheckpoint { old_size: 6, path, checkpoint: &note };
        status(&grown(), request.text().as_bytes())
    };
    assert_eq!(status_of(path.clone()), 200);
    for at in 0..path.len() {
        let (mut flipped, mut cut) = (path.clone(), path.clone());
        flipped[at][0] ^= 1;
        cut.remove(at);
        assert_eq!((status_of(flipped), status_of(cut)), (422, 422), "{at}");
    }
    let longer = [path, vec![[0; 32]]].concat();
    assert_eq!(status_of(longer), 422);
}

/// Goal: the log's signature on a contradicting head is kept: it proves the fork to anyone.
#[test]
fn the_signed_checkpoint_that_proves_a_fork_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let heads = crate::heads::FileHeads::new(folder.path().into());
    let witness = Witness::new(WitnessSigner::new("w.example", &[5; 32]).unwrap(), Box::new(heads));
    let (log, fork) = (Log::new(0), Log::new(1));
    assert_eq!(status(&witness, &log.request(0, 5)), 200);
    let files = || {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|e| e == "fork")).collect::<Vec<_>>()
    };
    assert!(files().is_empty());
    assert_eq!(status(&witness, &fork.request(5, 5)), 422);
    let kept = std::fs::read_to_string(&files()[0]).unwrap();
    assert_eq!(kept, fork.note(5));
    assert_eq!(status(&witness, &log.request(5, 5)), 200, "the newest head again");
}

#[test]
fn a_head_that_cannot_be_stored_is_not_cosigned() {
    struct Broken;
    impl Heads for Broken {
        fn newest(&mut self, _: &str) -> Result<Option<TreeHead>, HeadsError> {
            Ok(None)
        }
        fn swap(&mut self, _: &str, _: Option<TreeHead>, _: TreeHead) -> Result<(), HeadsError> {
            Err(std::io::Error::other("full").into())
        }
        fn keep_fork(&mut self, _: &str, _: &str) -> Result<(), HeadsError> {
            Ok(())
        }
    }
    let signer = WitnessSigner::new("w.example", &[5; 32]).unwrap();
    let witness = Witness::new(signer, Box::new(Broken));
    let answer = witness.answer(&logs(), &Log::new(0).request(0, 3), 0);
    assert_eq!((answer.status, answer.body.contains('\u{2014}')), (500, false));
}

/// Threads race with every size: in any order, cosigned sizes only grow.
#[test]
fn concurrent_requests_never_roll_a_log_back() {
    let (witness, log) = (witness(), Log::new(0));
    let cosigned = Mutex::new(0u64);
    std::thread::scope(|scope| {
        for first in 1..=4 {
            let (witness, log, cosigned) = (&witness, &log, &cosigned);
            scope.spawn(move || {
                for size in (first..40).step_by(4) {
                    let mut newest = cosigned.lock().unwrap();
                    let old = *newest;
                    drop(newest);
                    if old <= size && status(witness, &log.request(old, size)) == 200 {
                        newest = cosigned.lock().unwrap();
                        *newest = (*newest).max(size);
                    }
                }
            });
        }
    });
    let newest = *cosigned.lock().unwrap();
    assert!(newest > 0);
    assert_eq!(status(&witness, &log.request(0, 39)), 409);
    assert_eq!(witness.answer(&logs(), &log.request(0, 39), 0).body, format!("{newest}\n"));
}
