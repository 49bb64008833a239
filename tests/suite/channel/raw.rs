//! Hand-made messages, and the engine's answers to changed ones.

use super::Carried;
use mortise_channel::{AnswerOpener, OpenError, seal_request};
use mortise_format::errors::Code;
use mortise_format::ids::Bytes32;
use mortise_rpc::Method;
use mortise_testkit::system::System;
use mortise_testkit::system::parties::{Parties, call};
use mortise_testkit::system::wire::Framed;
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::PathBuf;

/// Seals messages to the channel key of one boot.
pub struct Raw {
    socket: PathBuf,
    key: [u8; 32],
    key_id: u64,
    drawn: Cell<u8>,
}

impl Raw {
    /// Reads the key without a proof: the test started this engine.
    pub fn of(system: &System) -> Self {
        let info = system.call("getEngineInfo", Value::Null)["result"].clone();
        let key: Bytes32 = serde_json::from_value(info["channelKey"].clone()).expect("a key");
        let key_id = info["epoch"].as_u64().expect("a number");
        Self { socket: system.engine_socket(), key: key.0, key_id, drawn: Cell::new(0) }
    }

    pub fn sealed(&self, text: &str) -> (Vec<u8>, AnswerOpener) {
        let ephemeral = [self.drawn.replace(self.drawn.get() + 1); 32];
        seal_request(&self.key, self.key_id, &ephemeral, text.as_bytes()).expect("it fits")
    }

    /// What the engine answers to a message.
    pub fn exchange(&self, message: &[u8]) -> Vec<u8> {
        let mut framed = Framed::connect(&self.socket);
        framed.send(1, message);
        framed.receive().expect("the engine answers").1
    }

    pub fn ask(&self, text: &str) -> Result<Vec<u8>, OpenError> {
        let (message, opener) = self.sealed(text);
        opener.open(&self.exchange(&message))
    }

    /// The error in clear that a message gets.
    fn refusal(&self, framed: &mut Framed, message: &[u8]) -> Value {
        framed.send(9, message);
        let (number, answer) = framed.hear();
        assert_eq!((number, &answer["id"]), (9, &Value::Null), "{answer}");
        assert_eq!(answer.get("result"), None);
        answer["error"].clone()
    }

    fn is_refused(&self, framed: &mut Framed, message: &[u8]) {
        let error = self.refusal(framed, message);
        assert_eq!(error["code"], Code::ChannelRefused.code(), "{error}");
        assert_eq!(error["data"]["keyId"], json!(self.key_id));
        assert_eq!(error["data"].as_object().map(serde_json::Map::len), Some(4), "{error}");
    }
}

#[test]
fn changed_or_truncated_request_is_refused_with_the_key_id_alone() {
    let carried = Carried::start();
    let raw = Raw::of(&carried.system);
    let (message, _) = raw.sealed(r#"{"jsonrpc":"2.0","id":1,"method":"health"}"#);
    let mut framed = Framed::connect(&carried.system.engine_socket());
    for at in 0..message.len() {
        let mut other = message.clone();
        other[at] ^= 0x20;
        if at < 4 {
            let error = raw.refusal(&mut framed, &other);
            assert_eq!(error["code"], Code::ParseError.code());
        } else {
            raw.is_refused(&mut framed, &other);
            raw.is_refused(&mut framed, &message[..at]);
        }
    }
    raw.is_refused(&mut framed, &[&message[..], b" "].concat());
    let health = raw.ask(r#"{"jsonrpc":"2.0","id":1,"method":"health"}"#).expect("it opens");
    assert!(String::from_utf8_lossy(&health).contains("healthy"));
}

#[test]
fn request_to_a_key_of_the_parent_is_refused() {
    let carried = Carried::start();
    let raw = Raw::of(&carried.system);
    let other = mortise_channel::ChannelSecret::derive(&[0xaa; 32]);
    let (message, _) = seal_request(&other.public(), raw.key_id, &[1; 32], b"{}").expect("it fits");
    let mut framed = Framed::connect(&carried.system.engine_socket());
    raw.is_refused(&mut framed, &message);
    // The encapsulated key of one request before the ciphertext of another.
    let ((first, _), (mut second, _)) = (raw.sealed("{}"), raw.sealed("{}"));
    second[19..51].copy_from_slice(&first[19..51]);
    raw.is_refused(&mut framed, &second);
}

#[test]
fn answer_to_a_repeated_message_opens_for_the_first_sender_alone() {
    let carried = Carried::start();
    let (raw, parties) = (Raw::of(&carried.system), Parties::of(&carried.system.engine_socket()));
    let commit = call(1, Method::CommitLock, &parties.commit(0, 100));
    let (message, opener) = raw.sealed(&String::from_utf8(commit).expect("it is text"));
    let (_, another) = raw.sealed("{}");
    let answers = [raw.exchange(&message), raw.exchange(&message)];
    assert_ne!(answers[0], answers[1]);
    let locks = answers.each_ref().map(|answer| {
        assert_eq!(another.open(answer), Err(OpenError::NotAuthentic));
        let text = opener.open(answer).expect("it opens");
        let answer: Value = serde_json::from_slice(&text).expect("it is JSON");
        answer["result"]["commitment"]["lockId"].clone()
    });
    assert!(locks[0].is_string());
    assert_eq!(locks[0], locks[1]);
    let open = carried.system.call("getActiveLocks", json!({"owner": parties.owner.address()}));
    assert_eq!(open["result"].as_array().map(Vec::len), Some(1));
}
