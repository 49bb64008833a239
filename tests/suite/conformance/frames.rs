//! One complete sealed frame with published keys, and wrong frames.

use super::samples;
use mortise_core::body::SealedBody;
use mortise_core::event_tree;
use mortise_core::keys::{EpochKeys, LogKeys};
use mortise_core::seal::{self, SealError};
use mortise_format::codec;
use mortise_format::content_key::event_salt;
use mortise_format::frame::{FRAME_VERSION, Frame, FrameHeader, FrameKind, LEAF_BYTES};
use mortise_format::ids::{EngineId, FrameDigest, PolicyHash, Root, to_hex};
use mortise_format::rules::RuleSet;
use mortise_format::secret::Secret;
use serde_json::{Value, json};

const ENGINE: EngineId = EngineId([0x01; 32]);
const LOG_SECRET: [u8; 32] = [0x02; 32];
const DATA_KEY: [u8; 32] = [0x03; 32];
const EPOCH: u64 = 5;
const SEQ: u64 = 41;

fn keys() -> EpochKeys {
    let log_keys = LogKeys::new(Secret::new(LOG_SECRET), &ENGINE);
    log_keys.epoch(&Secret::new(DATA_KEY), &ENGINE, EPOCH)
}

fn body() -> SealedBody {
    let mut body = SealedBody::default();
    samples::events()[1..4].iter().for_each(|(_, event)| body.push(event));
    body
}

fn salts() -> Vec<[u8; 32]> {
    (0..3).map(|index| event_salt(&keys().content(SEQ), index)).collect()
}

fn event_root() -> Root {
    let body = body();
    let leaves = body.events().zip(salts()).map(|(e, salt)| event_tree::leaf_hash(&salt, e));
    event_tree::root(&leaves.collect::<Vec<_>>())
}

fn frame() -> Frame {
    let header = FrameHeader {
        version: FRAME_VERSION,
        rules: RuleSet(7),
        kind: FrameHeader::kind_byte(FrameKind::Events),
        engine_id: ENGINE,
        epoch: EPOCH,
        seq: SEQ,
        time_ms: 5_000_000_000_123,
        previous: FrameDigest([0x04; 32]),
        event_count: 3,
        event_root: event_root(),
        state_root: Root([0x05; 32]),
        policy_hash: PolicyHash([0x06; 32]),
        clear_bytes: 0,
        cipher_bytes: 0,
    };
    let clear = samples::clear_body().encode(header.rules);
    seal::seal(&keys(), header, clear, body().bytes()).unwrap()
}

/// The error for these bytes, or `accepted`.
pub fn refusal(bytes: &[u8]) -> String {
    let name = |debug: String| debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    match Frame::decode(bytes) {
        Err(error) => name(format!("{error:?}")),
        Ok(frame) => match seal::open(&keys(), &frame) {
            Err(SealError::Frame(error)) => name(format!("{error:?}")),
            Err(error) => name(format!("{error:?}")),
            Ok(_) => "accepted".into(),
        },
    }
}

fn wrong() -> Vec<(&'static str, Vec<u8>)> {
    let good = frame().encode();
    let flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut longer = good.clone();
    longer.push(0);
    let clear = LEAF_BYTES;
    vec![
        ("empty", Vec::new()),
        ("cut in the leaf", good[..LEAF_BYTES - 1].to_vec()),
        ("cut in the ciphertext", good[..good.len() - 1].to_vec()),
        ("one byte more", longer),
        ("another version", flip(0)),
        ("the leaf of version 1", [&[1, 0], &good[2..295]].concat()),
        ("other rules", flip(2)),
        ("an unknown kind", flip(4)),
        ("another engine", flip(5)),
        ("another epoch", flip(37)),
        ("another seq", flip(45)),
        ("another time", flip(53)),
        ("another predecessor", flip(61)),
        ("another event count", flip(93)),
        ("another event root", flip(97)),
        ("another state root", flip(129)),
        ("another policy hash", flip(161)),
        ("another clear digest", flip(201)),
        ("another cipher digest", flip(233)),
        ("another MAC", flip(265)),
        ("a changed clear body", flip(clear)),
        ("a changed ciphertext", flip(good.len() - 1)),
    ]
}

/// The content of `specs/vectors/frames.json`.
pub fn json() -> String {
    let (frame, keys) = (frame(), keys());
    let secret = |s: &Secret| s.expose(|b| to_hex(b));
    let wrong: Vec<Value> = wrong()
        .into_iter()
        .map(|(name, bytes)| {
            json!({"name": name, "error": refusal(&bytes), "frame": to_hex(&bytes)})
        })
        .collect();
    let events: Vec<String> = body().events().map(to_hex).collect();
    let value = json!({
        "about": "One sealed frame with published keys (specs/event-log.md), and wrong ones with \
                  the name of what refuses them. Written by tests/suite/conformance.rs.",
        "keys": {
            "engineId": ENGINE.to_string(),
            "logSecret": to_hex(&LOG_SECRET),
            "dataKey": to_hex(&DATA_KEY),
            "epoch": EPOCH,
            "seq": SEQ,
            "contentKey": secret(&keys.content(SEQ)),
            "macKey": secret(keys.mac()),
        },
        "events": events,
        "eventSalts": salts().iter().map(|s| to_hex(s)).collect::<Vec<_>>(),
        "eventRoot": event_root().to_string(),
        "clearBody": to_hex(frame.clear()),
        "leaf": to_hex(&codec::encode(frame.leaf())),
        "frame": to_hex(&frame.encode()),
        "frameDigest": frame.digest().to_string(),
        "historyLeafHash": to_hex(&frame.leaf().history_leaf()),
        "wrong": wrong,
    });
    format!("{value:#}\n")
}

/// The bytes of a 0x text.
pub fn bytes(text: &str) -> Vec<u8> {
    mortise_format::ids::parse_hex_bytes(text).unwrap()
}
