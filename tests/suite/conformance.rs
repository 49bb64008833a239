//! Goal: stored bytes never change silently.
//!
//! Method: one sample of every stored type is encoded, and its digest compared with
//! `specs/vectors/conformance.toml`. `specs/vectors/frames.json` holds one sealed frame in full,
//! and wrong frames with their errors.
//!
//! `MORTISE_REGENERATE=1` writes both files again. Do that deliberately, in a commit of its own,
//! never to make a failing test pass.

#[path = "conformance/frames.rs"]
mod frames;
#[path = "conformance/samples.rs"]
pub(crate) mod samples;

use mortise_format::ids::to_hex;
use std::path::{Path, PathBuf};

pub(crate) fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/vectors")
}

/// Compares a file with its expected content, or writes it under `MORTISE_REGENERATE=1`.
fn expect_file(name: &str, expected: &str) {
    let path = vectors().join(name);
    if std::env::var_os("MORTISE_REGENERATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "stored bytes changed: see the head of tests/suite/conformance.rs");
}

#[test]
fn encoding_of_every_stored_type_matches_its_pinned_digest() {
    let mut text = String::from(
        "# BLAKE3 of the encoding of one sample of every stored type, and its size in bytes.\n\
         # Written by tests/suite/conformance.rs; a change here is a change of format.\n\n",
    );
    for (name, bytes) in samples::all() {
        let digest = to_hex(&mortise_format::domains::blake3_in("mortise conformance", &[&bytes]));
        text.push_str(&format!(
            "\"{name}\" = {{ bytes = {}, blake3 = \"{digest}\" }}\n",
            bytes.len()
        ));
    }
    expect_file("conformance.toml", &text);
}

#[test]
fn decoding_refuses_every_cut_and_every_trailing_byte_of_every_sample() {
    for (name, check) in samples::strictness() {
        assert!(check(), "{name}");
    }
}

#[test]
fn sealed_frame_of_the_vectors_is_reproduced_byte_for_byte() {
    expect_file("frames.json", &frames::json());
}

#[test]
fn every_wrong_frame_of_the_vectors_has_the_stated_error() {
    let text = std::fs::read_to_string(vectors().join("frames.json")).unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
    let wrong = vectors["wrong"].as_array().unwrap();
    assert!(wrong.len() >= 10);
    for case in wrong {
        let bytes = frames::bytes(case["frame"].as_str().unwrap());
        assert_eq!(frames::refusal(&bytes), case["error"].as_str().unwrap(), "{}", case["name"]);
    }
}
