//! A reader of the log to which the operator of a test system gave the right to every epoch.

use super::System;
use super::parties::{now_s, request};
use crate::keys::{Party, TestSigner};
use mortise_client::Reader;
use mortise_format::command::Command;
use mortise_format::event::LogPosition;
use mortise_format::ids::EngineId;
use mortise_format::reading::ReadingGrant;
use mortise_rpc::params::{GetReceipt, GrantReading};
use mortise_rpc::results::{ReceiptResult, SealedReceipt};
use serde_json::{Value, json};

/// A reader with a right.
#[derive(Debug)]
pub struct GrantedReader {
    reader: Reader,
    engine_id: EngineId,
}

impl GrantedReader {
    /// A new reader, with the right from now on.
    ///
    /// # Panics
    /// When the engine does not grant it.
    pub fn of(system: &System) -> Self {
        let engine_id = system.call("getEnclaveId", json!({}))["result"].clone();
        let engine_id = serde_json::from_value(engine_id).expect("it answers with its id");
        let reader = Reader::random_with_secret().0;
        let request = mortise_format::eip712::Request { valid_until: now_s() + 600, ..request() };
        let grant = ReadingGrant { reader: reader.public(), from_epoch: 1, to_epoch: 0, request };
        let asked = TestSigner::new(engine_id).grant_reading(&[Party::Operator], &grant);
        let Command::GrantReading { grant, signatures } = asked.command else {
            panic!("the signer grants")
        };
        let answer = system.call("grantReading", json!(GrantReading { grant, signatures }));
        assert!(answer["error"].is_null(), "{answer}");
        Self { reader, engine_id }
    }

    /// The key.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The parameters of `getReceipt` for the event at a place.
    pub fn params(&self, seq: u64, index: u32) -> Value {
        let (at, reader) = (LogPosition { seq, index }, self.reader.public());
        json!(GetReceipt::ForReader { at, reader })
    }

    /// The receipt in an answer to these parameters.
    ///
    /// # Panics
    /// When it does not open.
    pub fn open(&self, seq: u64, index: u32, result: &Value) -> ReceiptResult {
        let sealed: SealedReceipt = serde_json::from_value(result.clone()).expect("it is sealed");
        let at = LogPosition { seq, index };
        self.reader.open_receipt(&self.engine_id, at, &sealed).expect("it opens")
    }
}
