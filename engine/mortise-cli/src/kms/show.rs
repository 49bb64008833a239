//! What `mortise kms` prints: the lines of the second document.

use crate::output::Output;
use mortise_rpc::results::{KmsDataKey, KmsDecrypted, KmsEncrypted, KmsRandom};

pub(super) fn encrypted(parts: &KmsEncrypted, output: &Output) {
    let KmsEncrypted { encrypted, signature, ciphertext_blob } = parts;
    let lines = format!(
        "ENCRYPTED={encrypted}\nSIGNATURE={signature}\nCIPHERTEXT_BLOB={ciphertext_blob}\n"
    );
    output.text(parts, &lines);
}

pub(super) fn decrypted(result: &KmsDecrypted, output: &Output) {
    let text = result.text.as_deref().unwrap_or_default();
    let verdict = match result.signature_valid {
        Some(true) => "valid",
        _ => "not valid",
    };
    output.text(result, &format!("{text}\nSIGNATURE: {verdict}\n"));
}

pub(super) fn data_key(key: &KmsDataKey, output: &Output) {
    let mut lines = format!("CIPHERTEXT: {}\n", key.ciphertext_blob);
    if let Some(plaintext) = &key.plaintext {
        lines.push_str(&format!("PLAINTEXT: {plaintext}\n"));
    }
    output.text(key, &lines);
}

pub(super) fn unwrapped(result: &KmsDecrypted, output: &Output) {
    let plaintext = result.plaintext.as_ref().map(ToString::to_string).unwrap_or_default();
    output.text(result, &format!("PLAINTEXT: {plaintext}\n"));
}

pub(super) fn random(result: &KmsRandom, output: &Output) {
    output.text(result, &format!("{}\n", result.random));
}
