//! Abusive callers: what they send, and how.

use super::methods;
use crate::demo::line::{Line, dial};
use crate::demo::requests::LoadRequests;
use bytes::Bytes;
use mortise_cli::failure::Failure;
use mortise_client::{Identity, Signer};
use mortise_format::asset::Asset;
use mortise_format::ids::{Address as EvmAddress, LockId};
use mortise_format::limits::{REQUEST_BYTES_MAX, RPC_BATCH_MAX};
use mortise_transport::Address;
use serde_json::{Value, json};
use std::future::pending;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

/// An abuse: a number of connections that behave alike.
#[derive(Debug, Clone)]
pub(super) struct Abuse {
    pub name: &'static str,
    pub connections: u64,
    manner: Manner,
    request: fn(&Target, u64) -> Bytes,
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Asks again as soon as it is answered.
    OneByOne,
    /// Keeps this many requests in flight.
    Pipelined(usize),
    /// Asks this often and reads nothing.
    Deaf(usize),
    /// Sends a part of a large message and no more.
    HalfSent,
    /// Connects and says nothing.
    Idle,
}

impl Abuse {
    /// The first row has no caller: the honest client alone.
    pub const ALL: [Self; 18] = [
        Self::new("none", 0, Manner::OneByOne, health),
        Self::new("commits, 64 clients", 64, Manner::OneByOne, fresh_commit),
        Self::new("commits, pipelined by 1024", 1, Manner::Pipelined(1024), fresh_commit),
        Self::new("balances, 64 clients", 64, Manner::OneByOne, balance),
        Self::new("lists without owner", 8, Manner::Pipelined(64), list),
        Self::new("receipts, batches of 256", 8, Manner::OneByOne, receipts),
        Self::new("events, batches of 256", 4, Manner::OneByOne, events),
        Self::new("events, slow readers", 64, Manner::Deaf(4), event),
        Self::new("documents, batches of 256", 8, Manner::Deaf(64), documents),
        Self::new("waits, batches of 256", 4, Manner::OneByOne, waits),
        Self::new("drafts of made-up owners", 8, Manner::Pipelined(64), draft),
        Self::new("refused batch of 64 signatures", 8, Manner::OneByOne, refused_batch),
        Self::new("half-sent messages", 256, Manner::HalfSent, health),
        Self::new("idle connections", 3000, Manner::Idle, health),
        Self::new("every method", 16, Manner::OneByOne, methods::single),
        Self::new("every method, pipelined by 256", 4, Manner::Pipelined(256), methods::single),
        Self::new("every method, batches of 256", 4, Manner::OneByOne, methods::batch),
        Self::new("texts to encrypt", 16, Manner::OneByOne, methods::encrypt),
    ];

    /// Commits in a class of custody that is full.
    pub const REFUSED_COMMITS: Self =
        Self::new("custody open is full, escrow commits", 16, Manner::OneByOne, fresh_commit);

    const fn new(
        name: &'static str,
        connections: u64,
        manner: Manner,
        request: fn(&Target, u64) -> Bytes,
    ) -> Self {
        Self { name, connections, manner, request }
    }

    /// Runs until it is aborted. Starts again after a lost connection.
    pub async fn run(self, target: Target, number: u64) {
        let mut next = number << 32;
        loop {
            let _ = match self.manner {
                Manner::OneByOne => self.closed(&target, &mut next).await,
                Manner::Pipelined(in_flight) => self.pipelined(&target, in_flight, &mut next).await,
                Manner::Deaf(count) => self.deaf(&target, count, &mut next).await,
                Manner::HalfSent => half_sent(&target).await,
                Manner::Idle => idle(&target).await,
            };
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn next(&self, target: &Target, next: &mut u64) -> Bytes {
        *next += 1;
        (self.request)(target, *next)
    }

    async fn closed(&self, target: &Target, next: &mut u64) -> std::io::Result<()> {
        let mut line = Line::new(target.address.clone());
        loop {
            line.ask(&self.next(target, next)).await?;
        }
    }

    async fn pipelined(
        &self,
        target: &Target,
        in_flight: usize,
        next: &mut u64,
    ) -> std::io::Result<()> {
        let (mut reader, mut writer) = dial(&target.address).await?;
        let mut room = in_flight;
        loop {
            while room > 0 {
                let request = self.next(target, next);
                writer.queue(*next, &request).map_err(std::io::Error::other)?;
                room -= 1;
            }
            writer.flush().await?;
            let mut answer = reader.read().await.map_err(std::io::Error::other)?;
            while answer.is_some() {
                room += 1;
                answer = reader.buffered().map_err(std::io::Error::other)?;
            }
            if room == 0 {
                return Ok(());
            }
        }
    }

    async fn deaf(&self, target: &Target, count: usize, next: &mut u64) -> std::io::Result<()> {
        let (_reader, mut writer) = dial(&target.address).await?;
        for _ in 0..count {
            let request = self.next(target, next);
            writer.queue(*next, &request).map_err(std::io::Error::other)?;
            writer.flush().await?;
        }
        pending().await
    }
}

/// Announces the largest message and sends a third of it.
async fn half_sent(target: &Target) -> std::io::Result<()> {
    let mut stream = mortise_transport::connect(&target.address).await?;
    stream.write_all(&mortise_transport::REQUEST_MAGIC).await?;
    let length = u32::try_from(REQUEST_BYTES_MAX).unwrap_or(u32::MAX);
    stream.write_all(&length.to_le_bytes()).await?;
    stream.write_all(&1u64.to_le_bytes()).await?;
    stream.write_all(&vec![b' '; REQUEST_BYTES_MAX / 3]).await?;
    pending().await
}

/// Opens a connection and keeps it.
async fn idle(target: &Target) -> std::io::Result<()> {
    let _stream = mortise_transport::connect(&target.address).await?;
    pending().await
}

/// What the callers know of the engine.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub engine: Identity,
    /// An owner, and one of its locks.
    pub owner: EvmAddress,
    pub lock_id: LockId,
    address: Address,
    /// Locks whose receipts are asked for.
    locks: Vec<LockId>,
    /// A batch of 64 locks of which the last signature is another's.
    refused_batch: Bytes,
}

impl Target {
    /// An engine as it is.
    pub fn of(engine: Identity, address: Address) -> Self {
        let (owner, lock_id) = (EvmAddress::ZERO, LockId([0; 32]));
        Self { engine, owner, lock_id, address, locks: Vec::new(), refused_batch: Bytes::new() }
    }

    /// An engine with frames to ask for.
    pub async fn prepare(engine: Identity, address: Address) -> Result<Self, Failure> {
        let mut requests = LoadRequests::new(engine, 0);
        let refused_batch = requests.refused_batch(&Signer::random());
        // Events and receipts are asked of frames with many locks.
        let mut line = Line::new(address.clone());
        let owner = Signer::random();
        let mut locks = Vec::new();
        for nonce in 0..64 {
            let commit = requests.commit(&owner, nonce, 1);
            line.ask(&commit.bytes).await.map_err(Failure::system)?;
            locks.push(commit.lock_id);
        }
        let lock_id = locks.last().copied().unwrap_or(LockId([0; 32]));
        let (owner, of) = (owner.address(), Self::of(engine, address));
        Ok(Self { owner, lock_id, locks, refused_batch, ..of })
    }
}

pub(super) fn call(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn batch(id: u64, method: &str, params: &Value) -> Bytes {
    let calls = (0..RPC_BATCH_MAX as u64).map(|n| call(id + n, method, params.clone()));
    Value::from_iter(calls).to_string().into()
}

fn health(_: &Target, id: u64) -> Bytes {
    call(id, "health", json!({})).to_string().into()
}

fn fresh_commit(target: &Target, id: u64) -> Bytes {
    LoadRequests::new(target.engine, id).commit(&Signer::random(), 0, 1).bytes
}

fn balance(_: &Target, id: u64) -> Bytes {
    let owner = Signer::random().address().to_string();
    call(id, "getBalance", json!({"owner": owner, "asset": Asset::native(1)})).to_string().into()
}

fn list(_: &Target, id: u64) -> Bytes {
    call(id, "listLocks", json!({})).to_string().into()
}

fn receipts(target: &Target, id: u64) -> Bytes {
    let at = usize::try_from(id).unwrap_or_default() % target.locks.len().max(1);
    batch(id, "getReceipt", &json!({"lockId": target.locks.get(at)}))
}

fn events(_: &Target, id: u64) -> Bytes {
    batch(id, "getEvents", &json!({"from": 0, "count": 64}))
}

fn event(_: &Target, id: u64) -> Bytes {
    call(id, "getEvents", json!({"from": 0, "count": 64})).to_string().into()
}

fn documents(_: &Target, id: u64) -> Bytes {
    batch(id, "getBootAttestation", &json!({}))
}

fn waits(_: &Target, id: u64) -> Bytes {
    batch(id, "getEvents", &json!({"from": 1u64 << 40, "waitMs": 30_000}))
}

fn draft(_: &Target, id: u64) -> Bytes {
    let owner = Signer::random().address().to_string();
    let condition = json!({
        "targetChainId": 10, "targetAsset": Asset::native(10), "targetAmount": "1",
        "recipient": owner,
    });
    let draft = json!({
        "owner": owner, "asset": Asset::native(1), "amount": "1", "expiresIn": 300,
        "fulfillmentCondition": condition,
    });
    call(id, "createLock", draft).to_string().into()
}

fn refused_batch(target: &Target, _: u64) -> Bytes {
    target.refused_batch.clone()
}
