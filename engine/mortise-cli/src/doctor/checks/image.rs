//! The image file, and whether the enclave gets enough memory for it: E26, E27.

use super::super::facts::Facts;
use super::super::machine::{Entry, Machine};
use super::super::report::Finding;

/// nitro-cli requires this many times the size of the file.
const MEMORY_RATIO: u64 = 4;
const MIB: u64 = 1024 * 1024;
/// First bytes of every enclave image file.
const MAGIC: &[u8] = b".eif";
const SET_MEMORY: &str = "sudoedit /etc/mortise/mortise.env   (MORTISE_ENCLAVE_MEMORY_MIB)";

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    let path = &facts.settings.image;
    let build = "mortise image build --out DIR, then: sudo install -m 0644 DIR/mortise.eif";
    let unusable = |what: &str| {
        let saw = format!("{path}: {what}");
        let why = "there is nothing to start";
        let file = Finding::fail("image.file", saw, why, &[&format!("{build} {path}")]);
        vec![file, Finding::skip("image.memory", "there is no image")]
    };
    let bytes = match machine.entry(path) {
        Ok(Entry::File(bytes)) => bytes,
        Ok(_) => return unusable("this is not a file"),
        Err(trouble) => return unusable(&trouble.to_string()),
    };
    match machine.head(path, MAGIC.len()) {
        Ok(head) if head == MAGIC => {}
        Ok(_) => return unusable("this is not an enclave image: it does not start with .eif"),
        Err(trouble) => return unusable(&trouble.to_string()),
    }
    let file = Finding::ok("image.file", format!("{path}: {bytes} bytes"));
    vec![file, memory(facts, bytes)]
}

fn memory(facts: &Facts, bytes: u64) -> Finding {
    let (id, given) = ("image.memory", facts.settings.memory_mib);
    let needed = bytes.div_ceil(MIB).saturating_mul(MEMORY_RATIO);
    let saw =
        format!("the enclave gets {given} MiB; {MEMORY_RATIO} times the image is {needed} MiB");
    if bytes.saturating_mul(MEMORY_RATIO) <= given.saturating_mul(MIB) {
        return Finding::ok(id, saw);
    }
    let reserve =
        format!("sudoedit /etc/nitro_enclaves/allocator.yaml   (memory_mib: {needed} at least)");
    Finding::fail(
        id,
        saw,
        "nitro-cli refuses to start it: E26 Insufficient memory requested",
        &[
            SET_MEMORY,
            &reserve,
            "sudo systemctl restart nitro-enclaves-allocator.service mortise-enclave.service",
        ],
    )
}
