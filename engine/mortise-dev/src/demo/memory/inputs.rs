//! What callers send, and how: each row of FAULTS A and B that was about memory, and more of its
//! kind.

use crate::demo::line::{Line, dial};
use crate::demo::processes::Processes;
use crate::demo::requests::LoadRequests;
use bytes::Bytes;
use mortise_channel::seal_request;
use mortise_cli::failure::Failure;
use mortise_client::{Client, Endpoint, Signer, random_request_id};
use mortise_format::asset::Asset;
use mortise_format::hex;
use mortise_format::limits::{
    APP_TEXT_BYTES_MAX, EXECUTION_DATA_BYTES_MAX, REQUEST_BYTES_MAX, RPC_BATCH_MAX,
};
use mortise_transport::{Address, REQUEST_MAGIC, connect};
use serde_json::{Value, json};
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// An input: a number of connections that behave alike.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub name: &'static str,
    pub connections: u64,
    manner: Manner,
    request: fn(&Target, u64) -> Bytes,
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Asks the engine again as soon as it is answered.
    OneByOne,
    /// Sends this many requests to the engine and reads nothing.
    Deaf(usize),
    /// The same on a stream of JSON values.
    DeafText,
    /// Posts to the gateway again as soon as it is answered.
    Post,
    /// Posts to the gateway and reads nothing.
    DeafPost,
    /// Sends a third of the largest message to the engine.
    HalfSent,
    /// Sends a third of the largest body to the gateway.
    HalfPosted,
    /// Connects to the engine and says nothing.
    Idle,
    /// Each connection behaves as one of another row.
    Mixed,
}

impl Input {
    pub const ALL: [Self; 22] = [
        Self::new("events, batches of 256 (B1)", 8, Manner::OneByOne, events),
        Self::new("events, 1000 at once (B2)", 1000, Manner::OneByOne, event),
        Self::new("events, 1000 over the gateway", 1000, Manner::Post, event),
        Self::new("events, 150 deaf posts (B3)", 150, Manner::DeafPost, event),
        Self::new("events, 64 deaf connections", 64, Manner::Deaf(64), event),
        Self::new("documents, 600 posts of 256 (A7)", 600, Manner::Post, documents),
        Self::new("documents, 600 deaf posts of 256", 600, Manner::DeafPost, documents),
        Self::new("documents, deaf batches", 16, Manner::Deaf(256), documents),
        Self::new("half-sent messages, 3000 (B11)", 3000, Manner::HalfSent, health),
        Self::new("half-posted bodies, 1000", 1000, Manner::HalfPosted, health),
        Self::new("waits, batches of 256 (B8)", 16, Manner::Deaf(16), waits),
        Self::new("subscriptions that read nothing", 256, Manner::DeafText, subscribe),
        Self::new("small answers that no one reads", 64, Manner::Deaf(20_000), info),
        Self::new("lists of large locks, no one reads", 16, Manner::Deaf(1024), list),
        Self::new("balances of many locks", 16, Manner::Deaf(1024), balance),
        Self::new("receipts of large events", 32, Manner::Deaf(1024), receipt),
        Self::new("drafts with data (C7)", 16, Manner::OneByOne, draft),
        Self::new("refused batches of 64 (B7)", 16, Manner::Deaf(64), refused),
        Self::new("channel messages, large", 64, Manner::Deaf(16), channel),
        Self::new("texts to encrypt, large (B9)", 64, Manner::Deaf(4), encrypt),
        Self::new("idle connections, 12000", 12_000, Manner::Idle, health),
        Self::new("all of these at once", 420, Manner::Mixed, health),
    ];

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
        let others = Self::ALL.len() - 1;
        let other = &Self::ALL[usize::try_from(number).unwrap_or(0) % others];
        let input = if let Manner::Mixed = self.manner { other } else { &self };
        input.repeat(&target, number).await;
    }

    async fn repeat(&self, target: &Target, number: u64) {
        let mut next = number << 32;
        loop {
            let _ = match self.manner {
                Manner::OneByOne => self.one_by_one(target, &mut next).await,
                Manner::Deaf(count) => self.deaf(target, count, &mut next).await,
                Manner::DeafText => self.deaf_text(target, &mut next).await,
                Manner::Post => self.post(target, &mut next).await,
                Manner::DeafPost => self.deaf_post(target, &mut next).await,
                Manner::HalfSent => half_sent(target).await,
                Manner::HalfPosted => half_posted(target).await,
                Manner::Idle | Manner::Mixed => idle(target).await,
            };
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn next(&self, target: &Target, next: &mut u64) -> Bytes {
        *next += 1;
        (self.request)(target, *next)
    }

    async fn one_by_one(&self, target: &Target, next: &mut u64) -> io::Result<()> {
        let mut line = Line::new(target.address.clone());
        loop {
            line.ask(&self.next(target, next)).await?;
        }
    }

    async fn deaf(&self, target: &Target, count: usize, next: &mut u64) -> io::Result<()> {
        let (_reader, mut writer) = dial(&target.address).await?;
        for _ in 0..count {
            let request = self.next(target, next);
            writer.queue(*next, &request).map_err(io::Error::other)?;
            if writer.queued_bytes() > 64 * 1024 {
                writer.flush().await?;
            }
        }
        writer.flush().await?;
        pending().await
    }

    async fn deaf_text(&self, target: &Target, next: &mut u64) -> io::Result<()> {
        let mut stream = connect(&target.address).await?;
        stream.write_all(&self.next(target, next)).await?;
        pending().await
    }

    async fn post(&self, target: &Target, next: &mut u64) -> io::Result<()> {
        let mut stream = posted(target, &self.next(target, next)).await?;
        let mut dropped = vec![0; 64 * 1024];
        while stream.read(&mut dropped).await? > 0 {}
        Ok(())
    }

    async fn deaf_post(&self, target: &Target, next: &mut u64) -> io::Result<()> {
        let _stream = posted(target, &self.next(target, next)).await?;
        pending().await
    }
}

async fn posted(target: &Target, body: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(&target.gateway).await?;
    stream.write_all(&head(target, body.len())).await?;
    stream.write_all(body).await?;
    Ok(stream)
}

fn head(target: &Target, length: usize) -> Vec<u8> {
    let host = &target.gateway;
    format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

async fn half_sent(target: &Target) -> io::Result<()> {
    let mut stream = connect(&target.address).await?;
    stream.write_all(&REQUEST_MAGIC).await?;
    let length = u32::try_from(REQUEST_BYTES_MAX).unwrap_or(u32::MAX);
    stream.write_all(&length.to_le_bytes()).await?;
    stream.write_all(&1u64.to_le_bytes()).await?;
    send_spaces(&mut stream, REQUEST_BYTES_MAX / 3).await?;
    pending().await
}

async fn half_posted(target: &Target) -> io::Result<()> {
    let mut stream = TcpStream::connect(&target.gateway).await?;
    stream.write_all(&head(target, REQUEST_BYTES_MAX)).await?;
    send_spaces(&mut stream, REQUEST_BYTES_MAX / 3).await?;
    pending().await
}

/// In small parts: the memory of the callers is on the same machine.
async fn send_spaces(
    stream: &mut (impl tokio::io::AsyncWrite + Unpin),
    bytes: usize,
) -> io::Result<()> {
    let part = [b' '; 16 * 1024];
    for _ in 0..bytes / part.len() {
        stream.write_all(&part).await?;
    }
    Ok(())
}

async fn idle(target: &Target) -> io::Result<()> {
    let _stream = connect(&target.address).await?;
    pending().await
}

/// What the callers know of the engine.
#[derive(Debug, Clone)]
pub(super) struct Target {
    address: Address,
    /// Host and port of the gateway.
    gateway: String,
    owner: Signer,
    refused: Bytes,
    channel_key: [u8; 32],
    epoch: u64,
    /// A text in a call, sealed again for each message.
    padding: Bytes,
}

/// Batches of 64 locks with as much data as a lock may have: a third of a MiB each.
const LARGE_BATCHES: u64 = 12;

impl Target {
    pub async fn prepare(processes: &Processes) -> Result<Self, Failure> {
        let address = processes.address();
        let client = Client::new(Endpoint::Stream(address.clone()));
        let engine = client.identity().await?;
        let mut requests = LoadRequests::new(engine, 0);
        let refused = requests.refused_batch(&Signer::random());
        let owner = Signer::random();
        let mut line = Line::new(address.clone());
        for n in 0..LARGE_BATCHES {
            let batch = requests.large_batch(&owner, n);
            let answer = line.ask(&batch).await.map_err(Failure::system)?;
            if !answer.starts_with(br#"{"jsonrpc":"2.0","result":"#) {
                let why = String::from_utf8_lossy(&answer[..answer.len().min(400)]);
                return Err(Failure::check(format!("a batch of large locks is refused: {why}")));
            }
        }
        let info = call(1, "getEngineInfo", json!({})).to_string();
        let info = line.ask(info.as_bytes()).await.map_err(Failure::system)?;
        let info: Value = serde_json::from_slice(&info).map_err(Failure::system)?;
        let mut channel_key = [0; 32];
        let text = info["result"]["channelKey"].as_str().unwrap_or_default();
        hex::decode_into(text.trim_start_matches("0x"), &mut channel_key)
            .map_err(Failure::system)?;
        let gateway = processes.gateway().trim_start_matches("http://").trim_end_matches('/');
        let padding = "a".repeat(APP_TEXT_BYTES_MAX).into();
        let (gateway, epoch) = (gateway.to_owned(), info["result"]["epoch"].as_u64().unwrap_or(0));
        Ok(Self { address, gateway, owner, refused, channel_key, epoch, padding })
    }

    /// True if the engine answers that it is healthy.
    pub async fn is_healthy(&self) -> bool {
        let request = call(1, "health", json!({})).to_string();
        loop {
            let mut line = Line::new(self.address.clone());
            match line.ask(request.as_bytes()).await {
                Ok(answer) if answer.windows(9).any(|part| part == b"\"healthy\"") => return true,
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn owner(&self) -> String {
        self.owner.address().to_string()
    }
}

fn call(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn one(id: u64, method: &str, params: Value) -> Bytes {
    call(id, method, params).to_string().into()
}

fn batch(id: u64, method: &str, params: &Value) -> Bytes {
    let calls = (0..RPC_BATCH_MAX as u64).map(|n| call(id + n, method, params.clone()));
    Value::from_iter(calls).to_string().into()
}

fn health(_: &Target, id: u64) -> Bytes {
    one(id, "health", json!({}))
}

fn info(_: &Target, id: u64) -> Bytes {
    one(id, "getEngineInfo", json!({}))
}

fn events(_: &Target, id: u64) -> Bytes {
    batch(id, "getEvents", &json!({"from": 1, "count": 64}))
}

fn event(_: &Target, id: u64) -> Bytes {
    one(id, "getEvents", json!({"from": 1, "count": 64}))
}

fn documents(_: &Target, id: u64) -> Bytes {
    batch(id, "getBootAttestation", &json!({}))
}

fn waits(_: &Target, id: u64) -> Bytes {
    batch(id, "getEvents", &json!({"from": 1u64 << 40, "waitMs": 30_000}))
}

fn subscribe(_: &Target, id: u64) -> Bytes {
    one(id, "subscribe", json!({"from": 1}))
}

fn list(target: &Target, id: u64) -> Bytes {
    one(id, "getActiveLocks", json!({"owner": target.owner()}))
}

fn balance(target: &Target, id: u64) -> Bytes {
    one(id, "getBalance", json!({"owner": target.owner(), "asset": Asset::native(1)}))
}

fn receipt(_: &Target, id: u64) -> Bytes {
    one(id, "getReceipt", json!({"seq": 1 + id % LARGE_BATCHES, "index": 0}))
}

fn draft(_: &Target, id: u64) -> Bytes {
    let owner = Signer::random().address().to_string();
    let condition = json!({
        "targetChainId": 10, "targetAsset": Asset::native(10), "targetAmount": "1",
        "recipient": owner,
        "executionData": format!("0x{}", "7f".repeat(EXECUTION_DATA_BYTES_MAX)),
    });
    let draft = json!({
        "owner": owner, "asset": Asset::native(1), "amount": "1", "expiresIn": 300,
        "fulfillmentCondition": condition,
    });
    one(id, "createLock", draft)
}

fn refused(target: &Target, _: u64) -> Bytes {
    target.refused.clone()
}

fn encrypt(target: &Target, id: u64) -> Bytes {
    let text = String::from_utf8_lossy(&target.padding);
    one(id, "kmsEncrypt", json!({"owner": target.owner(), "text": text}))
}

/// A call inside the channel, as large as a message may be but for what is around it.
fn channel(target: &Target, id: u64) -> Bytes {
    let padding = String::from_utf8_lossy(&target.padding);
    let text = call(id, "health", json!({"surprise": padding.repeat(2)})).to_string();
    let ephemeral = random_request_id().0;
    let sealed = seal_request(&target.channel_key, target.epoch, &ephemeral, text.as_bytes());
    sealed.map_or_else(|_| Bytes::new(), |(message, _)| message.into())
}
