//! A second implementation, written from the spec alone: `tests/interop/channel.py`.

use super::Carried;
use crate::conformance::vectors;
use mortise_channel::{ChannelSecret, seal_request};
use mortise_format::hex;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn bytes(row: &Value, field: &str) -> Vec<u8> {
    hex::decode(row[field].as_str().expect("a text")).expect("hex digits")
}

fn seed(row: &Value, field: &str) -> [u8; 32] {
    bytes(row, field).try_into().expect("32 bytes")
}

/// The second implementation made the vectors.
#[test]
fn vectors_of_the_second_implementation_are_reproduced_byte_for_byte() {
    let text = std::fs::read_to_string(vectors().join("channel.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let rows = all["vectors"].as_array().unwrap();
    assert!(rows.len() >= 3);
    for row in rows {
        let secret = ChannelSecret::derive(&seed(row, "keySeed"));
        assert_eq!(secret.public().to_vec(), bytes(row, "publicKey"));
        let key_id = row["keyId"].as_u64().unwrap();
        let text = row["request"].as_str().unwrap().as_bytes();
        let ephemeral = seed(row, "ephemeralSeed");
        let (message, opener) =
            seal_request(&secret.public(), key_id, &ephemeral, text).expect("it fits");
        assert_eq!(message, bytes(row, "encapsulatedRequest"));
        let (opened, sealer) = secret.open(key_id, &message).expect("it opens");
        assert_eq!(opened.trim_ascii_end(), text);
        let answer = row["answer"].as_str().unwrap().as_bytes();
        let sealed = sealer.seal(&seed(row, "nonce"), answer).expect("it fits");
        assert_eq!(sealed, bytes(row, "encapsulatedAnswer"));
        assert_eq!(opener.open(&sealed).expect("it opens"), answer);
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/channel.py")
}

/// `MORTISE_INTEROP_PYTHON` names a Python with cryptography.
#[test]
fn python_client_works_with_the_engine() {
    let Ok(python) = std::env::var("MORTISE_INTEROP_PYTHON") else {
        println!("skipped: MORTISE_INTEROP_PYTHON names no Python");
        return;
    };
    let carried = Carried::start();
    let run = |arguments: &[&Path]| {
        let output = Command::new(&python).arg(script()).args(arguments).output();
        let output = output.expect("the Python that is named runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let output = run(&[&carried.system.engine_socket()]);
    assert!(output.contains("\"phase\": \"ready\""), "{output}");
    let checked = run(&[Path::new("--check"), &vectors().join("channel.json")]);
    assert!(checked.contains("reproduced"), "{checked}");
}
