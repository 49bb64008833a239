//! A stream of JSON values.

use super::budget::RETRY_AFTER_MS;
use super::json_stream::Scanner;
use super::port::PeerKey;
use super::subscription;
use super::{FIRST_BYTES, Guarded, SLOW_READER, linger};
use crate::app::plain;
use crate::handle::EngineHandle;
use crate::room::MadeAnswer;
use crate::rpc;
use bytes::{Buf, BytesMut};
use mortise_format::errors::Code;
use mortise_format::limits::REQUEST_BYTES_MAX;
use mortise_rpc::envelope::{self, Id, Request, failure};
use mortise_rpc::plain::PlainRequest;
use mortise_rpc::{ErrorObject, json};
use mortise_transport::{HeldBytes, Slot};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroize as _;

pub(super) async fn serve(
    mut stream: Guarded,
    mut buffer: BytesMut,
    handle: EngineHandle,
    slot: &Slot<PeerKey>,
) -> io::Result<()> {
    // While a value has begun.
    let mut busy = None;
    let mut scanner = Scanner::default();
    let mut held = HeldBytes::default();
    loop {
        skip_space(&mut buffer);
        match buffer.first() {
            Some(b'{' | b'[') => _ = busy.get_or_insert_with(|| slot.busy()),
            Some(_) => {
                complete_verb(&mut stream, &mut buffer).await?;
                return refuse(stream, &buffer).await;
            }
            None => {
                // A peer may be silent between values.
                busy = None;
                // The allocation of an earlier, larger value is not kept for a silent peer.
                buffer = BytesMut::with_capacity(FIRST_BYTES);
                if stream.read_buf(&mut buffer).await? == 0 {
                    return stream.shutdown().await;
                }
                continue;
            }
        }
        if let Some(length) = scanner.complete(&buffer) {
            let mut value = buffer.split_to(length);
            match reply(&handle, &value).await {
                Reply::Subscribe(request) => {
                    skip_space(&mut buffer);
                    let is_alone = buffer.is_empty();
                    // It has timeouts of its own.
                    let inner = stream.get_mut();
                    match subscription::serve(inner, &handle, &request, is_alone).await? {
                        None => return Ok(()),
                        Some(refused) => {
                            answer_next(&mut stream, handle.room(0).made(refused)).await?;
                        }
                    }
                }
                Reply::Last(answer) => {
                    // The request may contain credentials.
                    value.zeroize();
                    return answer_and_close(stream, &answer.bytes).await;
                }
                Reply::Next(Some(answer)) => answer_next(&mut stream, answer).await?,
                Reply::Next(None) => {}
            }
            drop(held.split(length));
            if let Some(busy) = &busy {
                busy.served();
            }
            continue;
        }
        if buffer.len() > REQUEST_BYTES_MAX {
            return answer_and_close(stream, &rpc::too_large()).await;
        }
        if !handle.budgets().requests.grow(&mut held, buffer.len()) {
            let error = ErrorObject::overloaded(RETRY_AFTER_MS);
            return answer_and_close(stream, &failure(&Id::Null, &error)).await;
        }
        let read = timeout(SLOW_READER, stream.read_buf(&mut buffer)).await;
        if read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
            let error =
                ErrorObject::new(Code::ParseError).with_message("the value is not complete");
            return answer_and_close(stream, &failure(&Id::Null, &error)).await;
        }
    }
}

/// The reaction to one value.
enum Reply {
    /// An answer, or none for notifications; then the next value is read.
    Next(Option<MadeAnswer>),
    /// An answer; then the connection ends.
    Last(MadeAnswer),
    /// The connection becomes a subscription.
    Subscribe(Request),
}

/// An object without `jsonrpc` is a plain application request and ends the connection. Every other
/// value is JSON-RPC.
async fn reply(handle: &EngineHandle, bytes: &[u8]) -> Reply {
    if bytes.len() > REQUEST_BYTES_MAX {
        return Reply::Last(handle.room(0).made(rpc::too_large()));
    }
    match json::parse(bytes) {
        Ok(value) if PlainRequest::is_meant(&value) => {
            let room = handle.room(plain::answer_bytes_max(bytes.len()));
            let handle = handle.within(&room);
            Reply::Last(room.made(plain::answer(rpc::app(&handle), handle.caller(), value).await))
        }
        parsed => match subscription::subscribe_request(envelope::read(bytes, parsed)) {
            Ok(request) => Reply::Subscribe(request),
            Err(message) => Reply::Next(rpc::answer_message(handle, message).await),
        },
    }
}

async fn answer_next(stream: &mut Guarded, mut answer: MadeAnswer) -> io::Result<()> {
    // One more byte must not double the buffer of a large answer.
    answer.bytes.reserve_exact(1);
    answer.bytes.push(b'\n');
    stream.write_all(&answer.bytes).await?;
    stream.flush().await
}

fn skip_space(buffer: &mut BytesMut) {
    let spaces = buffer.iter().take_while(|b| b.is_ascii_whitespace()).count();
    buffer.advance(spaces);
}

/// The first bytes of HTTP requests.
const VERBS: [&[u8]; 7] = [b"GET ", b"POST", b"OPTI", b"HEAD", b"PUT ", b"DELE", b"PATC"];

/// Reads until the bytes are an HTTP verb or cannot become one.
async fn complete_verb(stream: &mut Guarded, buffer: &mut BytesMut) -> io::Result<()> {
    let is_begun = |buffer: &BytesMut| {
        VERBS.iter().any(|verb| buffer.len() < verb.len() && verb.starts_with(buffer))
    };
    while is_begun(buffer) {
        let read = timeout(SLOW_READER, stream.read_buf(buffer)).await;
        if read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
            break;
        }
    }
    Ok(())
}

/// Answers input that is neither JSON nor a known protocol with one error, then closes.
async fn refuse(stream: Guarded, buffer: &[u8]) -> io::Result<()> {
    let error = match VERBS.iter().any(|verb| buffer.starts_with(verb)) {
        true => ErrorObject::new(Code::InvalidRequest)
            .with_message("this port speaks JSON-RPC, not HTTP: use the gateway of mortise-host"),
        false => ErrorObject::new(Code::ParseError).with_message("a request starts with { or ["),
    };
    answer_and_close(stream, &failure(&Id::Null, &error)).await
}

async fn answer_and_close(mut stream: Guarded, answer: &[u8]) -> io::Result<()> {
    stream.write_all(answer).await?;
    stream.write_all(b"\n").await?;
    stream.shutdown().await?;
    linger(&mut stream).await;
    Ok(())
}
