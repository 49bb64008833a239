//! A program without std that links and uses the pure crates. It compiles only if nothing in their
//! dependency graph links std (the panic handler below would be a second one). It exits with 0 only
//! if every check below holds.
//!
//! The suite builds and runs it (`tests/suite/no_std.rs`), and builds it once more with the feature
//! `planted-std`, which must fail.
#![no_std]
#![no_main]

extern crate alloc;
#[cfg(feature = "planted-std")]
extern crate std;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};
use mortise_audit::{Auditor, Subject, prepare};
use mortise_channel::{ChannelSecret, seal_request};
use mortise_format::ids::{EngineId, FrameDigest, PolicyHash, Root};
use mortise_format::note::{Note, NoteError};
use mortise_format::secp256k1::{Signer, recover};
use mortise_format::{U256, codec, domains, eip712, errors};
use mortise_verify::Engine;
use mortise_verify::attestation::{
    AWS_NITRO_ROOT_G1, ArchivedCheck, AttestationError, Claims, Expect, PcrPolicy, verify_archived,
};
use mortise_verify::statement::{SignedStatement, verify as verify_statement};

/// Bytes that the program may allocate in total.
const HEAP_BYTES: usize = 1 << 20;

/// Allocates from one array and never frees.
struct Bump {
    bytes: UnsafeCell<[u8; HEAP_BYTES]>,
    used: AtomicUsize,
}

// SAFETY: `used` gives each caller a disjoint range, and nothing else accesses the array.
unsafe impl Sync for Bump {}

// SAFETY: `alloc` returns null or a range inside the array that it never returned before.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let room = layout.size() + layout.align();
        let start = self.used.fetch_add(room, Ordering::Relaxed);
        if start + room > HEAP_BYTES {
            return core::ptr::null_mut();
        }
        let first = self.bytes.get().cast::<u8>().wrapping_add(start);
        first.wrapping_add(first.align_offset(layout.align()))
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump { bytes: UnsafeCell::new([0; HEAP_BYTES]), used: AtomicUsize::new(0) };

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: abort takes no argument and never returns.
    unsafe { abort() }
}

/// Named by the unwinding tables of the precompiled `alloc`, never called: a panic aborts.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Named by the landing pads of the precompiled `alloc`, never called: a panic aborts.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: abort takes no argument and never returns.
    unsafe { abort() }
}

/// Entry point for the C start-up code. Returns 0 if every check holds.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    let amount = U256::from(1000u64);
    let decoded = codec::decode::<U256>(&codec::encode(&amount));
    let known = errors::Code::by_code(-32029) == Some(errors::Code::Overloaded);
    let hashes_differ = domains::sha256(&[b"a"]) != domains::keccak256(&[b"a"]);
    let same = decoded == Ok(amount) && known && hashes_differ && signature_recovers();
    let outside = statement_verifies() && unsigned_note_is_refused() && audit_finds();
    i32::from(!(same && outside && unsigned_document_is_refused() && channel_passes()))
}

/// True when an attestation document without a signature is refused with the right error.
fn unsigned_document_is_refused() -> bool {
    let check = ArchivedCheck {
        roots: &[AWS_NITRO_ROOT_G1],
        pcrs: &PcrPolicy::any_image(),
        claims: Claims::unchecked(),
        nonce: Expect::Anything,
    };
    let refused = verify_archived(b"\x84\x43\xa1\x01\x20\xa0\x40\x40", &check);
    matches!(refused, Err(AttestationError::Unsigned { algorithm: -1 }))
}

/// True when a text passes through the channel.
fn channel_passes() -> bool {
    let secret = ChannelSecret::derive(&[1; 32]);
    let Ok((message, _)) = seal_request(&secret.public(), 1, &[2; 32], b"{}") else { return false };
    matches!(secret.open(1, &message), Ok((text, _)) if text.starts_with(b"{} "))
}

/// True when a signature recovers to its signer.
fn signature_recovers() -> bool {
    let Ok(signer) = Signer::from_bytes(&[1; 32]) else { return false };
    let digest = eip712::personal_digest(b"no std");
    recover(&digest, &signer.sign(&digest)) == Ok(signer.address())
}

/// True when a note without a signature line is refused with the right error.
fn unsigned_note_is_refused() -> bool {
    Note::parse(b"text\n\n") == Err(NoteError::NoSignature)
}

/// True when an audit reports that bytes are not a frame.
fn audit_finds() -> bool {
    let mut auditor = Auditor::new(Subject::default(), None, 1);
    auditor.follow(prepare(b"no frame", None));
    auditor.is_broken() && auditor.finish().finding_count == 1
}

/// True when a statement verifies for its engine, and fails with another root.
fn statement_verifies() -> bool {
    let Ok(signer) = Signer::from_bytes(&[2; 32]) else { return false };
    let statement = eip712::RootStatement {
        engine_id: EngineId([1; 32]),
        epoch: 1,
        seq: 0,
        time_ms: 1000,
        frame_digest: FrameDigest::ZERO,
        event_root: Root::ZERO,
        event_count: 0,
        state_root: Root::ZERO,
        history_root: Root::ZERO,
        history_size: 1,
        policy_hash: PolicyHash::ZERO,
    };
    let engine = Engine { id: statement.engine_id, address: signer.address() };
    let mut signed = SignedStatement { signature: signer.sign(&statement.digest()), statement };
    let good = verify_statement(&engine, &signed).is_ok();
    signed.statement.state_root.0[0] = 1;
    good && verify_statement(&engine, &signed).is_err()
}
