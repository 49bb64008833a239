//! Signed notes, checkpoints and cosignatures.

use super::Log;
use ed25519_dalek::{Signer as _, SigningKey};
use mortise_format::checkpoint::{
    CheckpointTextError, checkpoint_text, cosignature_bytes, cosigned_message,
};
use mortise_format::ids::Root;
use mortise_format::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, WITNESSES_MAX};
use mortise_format::merkle::history::TreeHead;
use mortise_format::note::{KeyUse, Note, NoteError, NoteKey};
use mortise_verify::checkpoint::{
    CheckpointError, Witnesses, WitnessesError, cosigned_at, verify, verify_cosigned,
};

pub const ORIGIN: &str = "example.com/log";

/// An Ed25519 key pair of number `n`.
pub fn key(kind: KeyUse, name: &str, n: u8) -> (SigningKey, NoteKey) {
    let secret = SigningKey::from_bytes(&[n; 32]);
    let key = NoteKey::new(kind, name, secret.verifying_key().to_bytes()).unwrap();
    (secret, key)
}

pub fn log_key() -> (SigningKey, NoteKey) {
    key(KeyUse::Log, ORIGIN, 1)
}

pub fn witness(n: u8) -> (SigningKey, NoteKey) {
    key(KeyUse::Witness, &format!("w{n}.example"), 100 + n)
}

/// A checkpoint of `head`, cosigned by witnesses 0 to `witnesses`.
pub fn note(head: &TreeHead, witnesses: u8) -> String {
    let text = checkpoint_text(ORIGIN, head);
    let (secret, log) = log_key();
    let mut note =
        format!("{text}\n{}", log.signature_line(&secret.sign(text.as_bytes()).to_bytes()));
    for n in 0..witnesses {
        note.push_str(&cosignature(n, 1_700_000_000 + u64::from(n), &text));
    }
    note
}

fn cosignature(n: u8, time: u64, text: &str) -> String {
    let (secret, key) = witness(n);
    let signature = secret.sign(cosigned_message(time, text).as_bytes()).to_bytes();
    key.signature_line(&cosignature_bytes(time, &signature))
}

pub fn witnesses(count: u8, quorum: usize) -> Witnesses {
    Witnesses::new((0..count).map(|n| witness(n).1).collect(), quorum).unwrap()
}

fn head() -> TreeHead {
    TreeHead { size: 20_852_163, root: Root([0xab; 32]) }
}

/// The checkpoint of C2SP tlog-cosignature with both lines, from which the keys are not known.
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\n\
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+\
ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/\
zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

#[test]
fn the_example_of_the_specification_parses() {
    let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(note.text().lines().count(), 3);
    let [log, witness] = note.signatures() else { panic!("two lines") };
    assert_eq!((log.name, log.bytes.len()), ("example.com/behind-the-sofa", 64));
    assert_eq!((witness.name, witness.bytes.len()), ("witness.example.com/w1", 72));
    assert_eq!(witness.bytes[..8], 1_679_315_147u64.to_be_bytes());
}

#[test]
fn a_checkpoint_of_a_log_verifies_and_continues_its_statements() {
    let log = Log::of(1, 6);
    let head = log.newest().head();
    let (note, (_, key)) = (note(&head, 3), log_key());
    let checkpoint = verify(note.as_bytes(), ORIGIN, &key).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.head()), (ORIGIN, &head));
    let cosigned = verify_cosigned(note.as_bytes(), ORIGIN, &key, &witnesses(5, 3)).unwrap();
    assert_eq!(cosigned.checkpoint(), &checkpoint);
    let seen: Vec<_> = cosigned.cosignatures().iter().map(|c| (c.witness, c.time)).collect();
    assert_eq!(seen, [(0, 1_700_000_000), (1, 1_700_000_001), (2, 1_700_000_002)]);
    let few = verify_cosigned(note.as_bytes(), ORIGIN, &key, &witnesses(5, 4));
    assert_eq!(few, Err(CheckpointError::Quorum { quorum: 4, found: 3 }));
}

#[test]
fn every_flipped_byte_of_a_cosigned_checkpoint_is_refused() {
    let (note, (_, key), set) = (note(&head(), 2).into_bytes(), log_key(), witnesses(2, 2));
    assert!(verify_cosigned(&note, ORIGIN, &key, &set).is_ok());
    for at in 0..note.len() {
        for bit in [1, 4, 0x20] {
            let mut flipped = note.clone();
            flipped[at] ^= bit;
            assert!(verify_cosigned(&flipped, ORIGIN, &key, &set).is_err(), "byte {at} bit {bit}");
        }
        assert!(verify_cosigned(&note[..at], ORIGIN, &key, &set).is_err(), "cut at {at}");
    }
}

#[test]
fn each_malformed_note_has_its_error() {
    let check = |text: &str| Note::parse(text.as_bytes()).map(|_| ()).unwrap_err();
    assert_eq!(
        check(&"a".repeat(NOTE_BYTES_MAX + 1)),
        NoteError::TooLarge { found: NOTE_BYTES_MAX + 1 }
    );
    assert_eq!(check(&"a".repeat(NOTE_BYTES_MAX)), NoteError::NoFinalNewline, "it is read");
    assert!(matches!(Note::parse(b"a\xff\n\n"), Err(NoteError::Utf8(_))));
    assert_eq!(check("a\tb\n\n"), NoteError::ControlCharacter);
    assert_eq!(check("a\r\n\n"), NoteError::ControlCharacter);
    assert_eq!(check("a\n\n\u{2014} k AAAAAAA="), NoteError::NoFinalNewline);
    assert_eq!(check("a\n\u{2014} k AAAAAAA=\n"), NoteError::NoEmptyLine);
    assert_eq!(check("\n\n\u{2014} k AAAAAAA=\n"), NoteError::EmptyText);
    assert_eq!(check("a\n\n"), NoteError::NoSignature);
    let lines = "\u{2014} k AAAAAAA=\n".repeat(NOTE_SIGNATURES_MAX);
    assert!(Note::parse(format!("a\n\n{lines}").as_bytes()).is_ok());
    let more = check(&format!("a\n\n{lines}\u{2014} k AAAAAAA=\n"));
    assert_eq!(more, NoteError::TooManySignatures);
    let bad = [
        "- k AAAAAAA=",
        "\u{2014}k AAAAAAA=",
        "\u{2014} k",
        "\u{2014} k  AAAAAAA=",
        "\u{2014} k+ AAAAAAA=",
        "\u{2014}  AAAAAAA=",
        "\u{2014} k AAAAAAA",
        "\u{2014} k AAAAAAB=",
        "\u{2014} k AAAAAA==",
        "\u{2014} k AAAA-AA=",
        "\u{2014} k\u{a0}l AAAAAAA=",
        "\u{2014} k AAAAAAA= ",
    ];
    for line in bad {
        let refused = check(&format!("a\n\n\u{2014} k AAAAAAA=\n{line}\n"));
        assert_eq!(refused, NoteError::SignatureLine { line: 1 }, "{line}");
    }
}

/// The log's signature over any text.
fn signed(text: &str) -> String {
    let (secret, key) = log_key();
    format!("{text}\n{}", key.signature_line(&secret.sign(text.as_bytes()).to_bytes()))
}

#[test]
fn each_signed_text_that_is_no_checkpoint_has_its_error() {
    let root = checkpoint_text("o", &head()).lines().nth(2).unwrap().to_string();
    let check = |text: &str| verify(signed(text).as_bytes(), ORIGIN, &log_key().1).map(|_| ());
    let good = format!("{ORIGIN}\n1\n{root}\n");
    assert_eq!(check(&good), Ok(()));
    assert_eq!(check(&format!("{good}extension\n")), Ok(()));
    assert_eq!(check(&format!("{ORIGIN}\n1\n")), Err(CheckpointTextError::Lines.into()));
    assert_eq!(
        check(&format!("{ORIGIN}\n1\n{root}\n\nextension\n")),
        Err(CheckpointTextError::Lines.into())
    );
    for size in ["01", "-1", "+1", "1 ", "0x1", "18446744073709551616", "one"] {
        let text = format!("{ORIGIN}\n{size}\n{root}\n");
        assert_eq!(check(&text), Err(CheckpointTextError::Size.into()), "{size}");
    }
    for root in ["AAAA", &root[1..], &format!("{root}A"), &root.replace('=', "")] {
        let text = format!("{ORIGIN}\n1\n{root}\n");
        assert_eq!(check(&text), Err(CheckpointTextError::Root.into()), "{root}");
    }
    let other = format!("{ORIGIN}2\n1\n{root}\n");
    assert_eq!(check(&other), Err(CheckpointError::Origin));
}

#[test]
fn signatures_of_unknown_keys_are_ignored_and_bad_ones_of_known_keys_are_refused() {
    let (text, (_, log)) = (checkpoint_text(ORIGIN, &head()), log_key());
    let (good, set) = (note(&head(), 2), witnesses(2, 1));
    let check = |note: &str| verify_cosigned(note.as_bytes(), ORIGIN, &log, &set).map(|_| ());
    let (other, other_key) = key(KeyUse::Log, ORIGIN, 9);
    let foreign = other_key.signature_line(&other.sign(text.as_bytes()).to_bytes());
    assert_eq!(check(&format!("{good}{foreign}")), Ok(()));
    let alone = format!("{text}\n{foreign}");
    assert_eq!(check(&alone), Err(CheckpointError::LogSignatureMissing));
    let junk = log.signature_line(&[7; 64]);
    assert_eq!(check(&format!("{text}\n{junk}")), Err(CheckpointError::LogSignature));
    assert_eq!(
        check(&format!("{text}\n{}", log.signature_line(&[7; 63]))),
        Err(CheckpointError::LogSignature)
    );
    assert_eq!(check(&format!("{good}{junk}")), Err(CheckpointError::SignatureTwice));
    let twice = format!("{good}{}", cosignature(0, 1, &text));
    assert_eq!(check(&twice), Err(CheckpointError::SignatureTwice));
    let of_another_text = format!("{}{}", note(&head(), 1), cosignature(1, 1, "other\n"));
    assert_eq!(check(&of_another_text), Err(CheckpointError::Cosignature { witness: 1 }));
    let late = format!("{}{}", note(&head(), 1), cosignature(1, 1 << 63, &text));
    assert_eq!(check(&late), Err(CheckpointError::Cosignature { witness: 1 }));
}

#[test]
fn keys_have_one_purpose_and_sets_count_each_witness_once() {
    let (note, (_, log), (_, first)) = (note(&head(), 1), log_key(), witness(0));
    assert_eq!(verify(note.as_bytes(), ORIGIN, &first), Err(CheckpointError::KeyUse));
    assert_eq!(cosigned_at(&log, "text\n", &[0; 72]), None);
    let set = |keys, quorum| Witnesses::new(keys, quorum).unwrap_err();
    assert_eq!(set(vec![first.clone(), log], 1), WitnessesError::KeyUse { index: 1 });
    let twice = vec![first.clone(), first.clone()];
    assert_eq!(set(twice, 2), WitnessesError::Twice { index: 1 });
    let renamed = NoteKey::new(KeyUse::Witness, "other", *first.public_key()).unwrap();
    assert_eq!(set(vec![first.clone(), renamed], 2), WitnessesError::Twice { index: 1 });
    assert_eq!(set(vec![first.clone()], 0), WitnessesError::Quorum { quorum: 0, count: 1 });
    assert_eq!(set(vec![first.clone()], 2), WitnessesError::Quorum { quorum: 2, count: 1 });
    let many = vec![first; WITNESSES_MAX + 1];
    assert_eq!(set(many, 1), WitnessesError::TooMany { count: WITNESSES_MAX + 1 });
}

#[test]
fn keys_of_small_order_are_refused() {
    // The neutral element: under it, R and s of zero would fit every message unless refused.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let weak = NoteKey::new(KeyUse::Log, ORIGIN, neutral).unwrap();
    let text = checkpoint_text(ORIGIN, &head());
    let mut signature = [0; 64];
    signature[0] = 1;
    let note = format!("{text}\n{}", weak.signature_line(&signature));
    assert_eq!(verify(note.as_bytes(), ORIGIN, &weak), Err(CheckpointError::LogSignature));
}

#[test]
fn verifier_keys_are_encoded_and_parsed_as_specified() {
    let (_, key) = log_key();
    let text = key.to_string();
    assert_eq!(NoteKey::parse(KeyUse::Log, &text), Ok(key.clone()));
    let check = |kind, text: &str| NoteKey::parse(kind, text).unwrap_err();
    let other = NoteError::KeyType { expected: 4, found: 1 };
    assert_eq!(check(KeyUse::Witness, &text), other);
    assert_eq!(check(KeyUse::Log, ORIGIN), NoteError::KeyText);
    assert_eq!(check(KeyUse::Log, &text[..text.len() - 4]), NoteError::KeyText);
    assert_eq!(check(KeyUse::Log, &text[ORIGIN.len()..]), NoteError::KeyName);
    let renamed = text.replace("example", "exemple");
    assert_eq!(check(KeyUse::Log, &renamed), NoteError::KeyId);
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb"] {
        assert_eq!(NoteKey::new(KeyUse::Log, name, [1; 32]), Err(NoteError::KeyName), "{name}");
    }
    // The example key of the Go module golang.org/x/mod/sumdb/note.
    let known = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let key = NoteKey::parse(KeyUse::Log, known).unwrap();
    assert_eq!((key.to_string().as_str(), key.name()), (known, "PeterNeumann"));
}

/// The example of golang.org/x/mod/sumdb/note, signed by another implementation.
#[test]
fn a_signature_of_another_implementation_verifies() {
    let known = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let key = NoteKey::parse(KeyUse::Log, known).unwrap();
    let note = "If you think cryptography is the answer to your problem,\n\
then you don't know what your problem is.\n\n\
\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBti\
FupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    // Signed but not a checkpoint: the form is checked before the signature.
    let parsed = Note::parse(note.as_bytes()).unwrap();
    let line = &parsed.signatures()[0];
    assert_eq!((line.name, line.id), (key.name(), key.id()));
    let good = ed25519_dalek::VerifyingKey::from_bytes(key.public_key()).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&line.bytes).unwrap();
    assert!(good.verify_strict(parsed.text().as_bytes(), &signature).is_ok());
    assert_eq!(verify(note.as_bytes(), "x", &key), Err(CheckpointTextError::Lines.into()));
}
