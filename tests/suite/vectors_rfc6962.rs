//! Goal: our history verifier accepts and refuses the same proofs as standard RFC 6962 verifiers.
//!
//! Method: every published inclusion and consistency case of the folder `rfc6962` in
//! `MORTISE_VECTORS` (default: `shared/vectors` beside the repository). Without the folder the test
//! prints a line and passes; under `CI=true` it fails.

use mortise_format::ids::Root;
use mortise_format::merkle::history::verify_inclusion;
use mortise_verify::history::{TreeHead, verify_consistency};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Number of files in the folder, so that missing cases are noticed.
const CASES: usize = 170;

/// Why a case is refused.
#[derive(Debug)]
enum Refused {
    /// A field is no 32-byte hash, so that it cannot even be passed to the verifier.
    NoHash,
    /// The verifier refuses it.
    Proof,
}

#[derive(Debug, Default)]
struct Count {
    good: usize,
    bad: usize,
    bad_no_hash: usize,
}

#[test]
fn every_published_rfc6962_case_is_judged_as_expected() {
    let folder = vectors().join("rfc6962");
    if !folder.is_dir() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is absent", folder.display());
        println!("skipped: {} is absent", folder.display());
        return;
    }
    let mut inclusion = Count::default();
    let mut consistency = Count::default();
    for path in json_files(&folder.join("inclusion")) {
        judge(&path, &mut inclusion, check_inclusion);
    }
    for path in json_files(&folder.join("consistency")) {
        judge(&path, &mut consistency, check_consistency);
    }
    println!("rfc6962 inclusion: {inclusion:?}; consistency: {consistency:?}");
    let total = |count: &Count| count.good + count.bad + count.bad_no_hash;
    assert!(total(&inclusion) + total(&consistency) >= CASES);
    assert!(inclusion.good > 0 && inclusion.bad > 0);
    assert!(consistency.good > 0 && consistency.bad > 0);
}

/// The folder with the published vectors.
pub fn vectors() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    std::env::var_os("MORTISE_VECTORS").map_or(beside, PathBuf::from)
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn judge(path: &Path, count: &mut Count, check: fn(&Value) -> Result<(), Refused>) {
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let want_err = case["wantErr"].as_bool().unwrap();
    let place = match check(&case) {
        Ok(()) => &mut count.good,
        Err(Refused::Proof) => &mut count.bad,
        Err(Refused::NoHash) => &mut count.bad_no_hash,
    };
    *place += 1;
    let judged = check(&case);
    assert_eq!(judged.is_err(), want_err, "{}: {judged:?}", path.display());
}

fn check_inclusion(case: &Value) -> Result<(), Refused> {
    let (root, leaf) = (hash(&case["root"])?, hash(&case["leafHash"])?);
    let (size, index) = (number(&case["treeSize"]), number(&case["leafIdx"]));
    let path = hashes(&case["proof"])?;
    verify_inclusion(&root, size, index, &leaf, &path).map_err(|_| Refused::Proof)
}

fn check_consistency(case: &Value) -> Result<(), Refused> {
    let (root1, root2) = (hash(&case["root1"])?, hash(&case["root2"])?);
    let (size1, size2) = (number(&case["size1"]), number(&case["size2"]));
    let path = hashes(&case["proof"])?;
    let head = |size, root| TreeHead { size, root: Root(root) };
    let verified = verify_consistency(&head(size1, root1), &head(size2, root2), &path);
    verified.map(|_| ()).map_err(|_| Refused::Proof)
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("sizes and indices of the cases are u64")
}

fn hashes(value: &Value) -> Result<Vec<[u8; 32]>, Refused> {
    value.as_array().into_iter().flatten().map(hash).collect()
}

fn hash(value: &Value) -> Result<[u8; 32], Refused> {
    base64(value.as_str().unwrap()).try_into().map_err(|_| Refused::NoHash)
}

/// Decodes standard base64 with padding.
pub fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("{c} is no base64 digit"),
    };
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        bits = bits << 6 | u32::from(digit(c));
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    out
}
