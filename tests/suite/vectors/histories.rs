//! `history.json`: inclusion and consistency in the RFC 6962 tree.

use super::{File, name, read, word, words};
use mortise_core::history::{consistency_path, inclusion_path, root};
use mortise_format::ids::{Bytes32, Root};
use mortise_format::merkle::history::leaf_hash;
use mortise_rpc::HexBytes;
use mortise_verify::history::{TreeHead, verify_consistency, verify_inclusion};
use mortise_verify::json::hashes;
use serde_json::{Value, json};

const ABOUT: &str = "The history (specs/history.md): input.check is inclusion (of leaf at index \
under head) or consistency (of earlier with later). Verdict: proven, or the name of the refusal. \
Each case is its base with other values at the places of `set` (JSON pointers).";

pub fn head(value: &Value) -> Result<TreeHead, &'static str> {
    let (size, root): (u64, Root) = (read(value, "size")?, read(value, "root")?);
    Ok(TreeHead { size, root })
}

fn check(input: &Value) -> Result<(), &'static str> {
    let path: Vec<Bytes32> = read(input, "path")?;
    let path = hashes(&path);
    if input["check"] == "consistency" {
        let (earlier, later) = (head(&input["earlier"])?, head(&input["later"])?);
        return verify_consistency(&earlier, &later, &path).map(drop).map_err(name);
    }
    let (index, leaf): (u64, HexBytes) = (read(input, "index")?, read(input, "leaf")?);
    verify_inclusion(&head(&input["head"])?, index, &leaf.0, &path).map(drop).map_err(name)
}

fn leaf(n: usize) -> Vec<u8> {
    format!("frame {n}").into_bytes()
}

fn leaves() -> Vec<[u8; 32]> {
    (0..13).map(|n| leaf_hash(&leaf(n))).collect()
}

fn head_json(size: usize) -> Value {
    json!({"size": size, "root": Root(root(&leaves()[..size]))})
}

fn inclusion(index: usize, size: usize) -> Value {
    let path = inclusion_path(&leaves()[..size], index).unwrap();
    json!({
        "check": "inclusion", "head": head_json(size), "index": index, "leaf": word(&leaf(index)),
        "path": words(&path),
    })
}

fn consistency(earlier: usize, later: usize) -> Value {
    let path = consistency_path(&leaves()[..later], earlier).unwrap();
    json!({
        "check": "consistency", "earlier": head_json(earlier), "later": head_json(later),
        "path": words(&path),
    })
}

pub fn file() -> File {
    let mut file = File::new("history.json", ABOUT, check);
    for size in [1, 2, 3, 7, 8, 13] {
        for index in 0..size {
            let name = format!("leaf {index} of {size}");
            file.base(name.leak(), inclusion(index, size));
        }
    }
    for later in [1, 2, 5, 8, 13] {
        for earlier in 1..=later {
            let name = format!("{earlier} begins {later}");
            file.base(name.leak(), consistency(earlier, later));
        }
    }
    file.every_change("leaf 5 of 13", &["/head/root", "/index", "/leaf", "/path"]);
    file.every_change("leaf 12 of 13", &["/head/root", "/index", "/leaf", "/path"]);
    // Roots do not bind sizes: who signs a head signs both.
    for base in ["5 begins 13", "8 begins 13"] {
        file.every_change(base, &["/earlier/root", "/later/root", "/path"]);
    }
    named(&mut file);
    file
}

fn named(file: &mut File) {
    let empty = json!({"size": 0, "root": Root(root(&[]))});
    let (other, zeros) = (word(&leaves()[0]), word(&[0; 32]));
    for (name, base, set, verdict) in [
        ("an empty tree", "leaf 0 of 1", json!({"/head": empty}), "IndexOutOfRange"),
        ("an index behind the tree", "leaf 2 of 3", json!({"/index": 3}), "IndexOutOfRange"),
        ("a node in place of a leaf", "leaf 2 of 3", json!({"/leaf": other}), "RootMismatch"),
        ("an empty earlier tree", "5 begins 8", json!({"/earlier": empty}), "FromEmpty"),
        ("a tree that shrank", "5 begins 8", json!({"/later": head_json(4)}), "Shrunk"),
        ("a fork of one size", "8 begins 8", json!({"/later/root": zeros}), "SameSizeOtherRoot"),
        ("a path between equal trees", "8 begins 8", json!({"/path": [zeros]}), "PathLength"),
        (
            "another earlier root",
            "5 begins 8",
            json!({"/earlier/root": zeros}),
            "EarlierRootMismatch",
        ),
        ("another later root", "5 begins 8", json!({"/later/root": zeros}), "RootMismatch"),
        (
            "another root, earlier a power of two",
            "8 begins 13",
            json!({"/earlier/root": zeros}),
            "RootMismatch",
        ),
        ("a negative size", "5 begins 8", json!({"/later/size": -8}), "Form"),
    ] {
        file.case(name, base, set, verdict);
    }
}
