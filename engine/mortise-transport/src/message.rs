//! Numbered, bounded messages on a byte stream.
//!
//! ```text
//! message = u32 LE payload length | u64 LE correlation id | payload
//! ```
//! The length counts the payload alone. The correlation id pairs an answer with its request, so
//! that many requests are under way on one connection and are answered in any order. A connection
//! opens with four magic bytes that name the protocol spoken on it.

use crate::budget::{ByteBudget, HeldBytes};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Opens a connection of the request protocol, sent by the dialling side.
pub const REQUEST_MAGIC: [u8; 4] = *b"MRT1";
/// Opens a connection of the request protocol that a relay dials: the payload of each request
/// begins with the hint of its peer ([`begin_with_hint`]). Answers have none.
pub const RELAY_MAGIC: [u8; 4] = *b"MRT2";
/// Size of a hint.
pub const HINT_BYTES: usize = 8;
/// Opens a connection of the store protocol, sent by the dialling side.
pub const STORE_MAGIC: [u8; 4] = *b"MRS3";
/// Opens a connection to the witness relay, sent by the dialling side.
pub const WITNESS_MAGIC: [u8; 4] = *b"MRW1";
/// Size of the header of each message.
pub const HEADER_BYTES: usize = 4 + 8;

/// Bytes that a reader requests at once while much arrives.
const READ_BYTES: usize = 64 * 1024;
/// Bytes that a reader requests otherwise: a silent peer must not cost more.
const IDLE_BYTES: usize = 4 * 1024;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Pairs an answer with its request; chosen by the requesting side.
    pub correlation: u64,
    /// The content.
    pub payload: Bytes,
}

/// What [`MessageReader::read_within`] read.
#[derive(Debug)]
pub enum Received {
    /// A message, with its part of the budget.
    Message(Message, HeldBytes),
    /// A message for which the budget had no room: it was dropped as it came.
    Refused {
        /// The number of the message.
        correlation: u64,
    },
}

/// Why a message was not received or not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// A payload is larger than the bound of this side.
    #[error("a message of {found} bytes is over the bound of {max}")]
    Oversized {
        /// The size announced or asked for.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// The stream ended inside a message.
    #[error("the stream ended inside a message")]
    Torn,
    /// The first bytes are not the magic of the protocol.
    #[error("the connection does not open with the magic of this protocol")]
    Magic,
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The payload length that a header announces, for callers with a parser of their own.
pub fn message_length(header: [u8; 4]) -> usize {
    // 32 bits fit usize on every platform that tokio runs on
    u32::from_le_bytes(header) as usize
}

/// Splits the payload of a relayed request into the hint of its peer and the request. The relay may
/// be wrong in both: a payload without a whole hint is an empty request.
pub fn split_hint(mut payload: Bytes) -> (u64, Bytes) {
    match payload.len() {
        HINT_BYTES.. => (payload.get_u64_le(), payload),
        _ => (0, Bytes::new()),
    }
}

/// Begins the payload of a relayed request. The request follows.
pub fn begin_with_hint(hint: u64) -> BytesMut {
    BytesMut::from(&hint.to_le_bytes()[..])
}

/// Reads messages from a stream.
#[derive(Debug)]
pub struct MessageReader<R> {
    io: R,
    buffer: BytesMut,
    payload_max: usize,
    /// Bytes requested by the next read.
    request: usize,
    /// The part of a budget that the buffer holds.
    held: HeldBytes,
    /// The number of a message that is dropped as it comes, and its bytes that are still to come.
    refused: Option<(u64, usize)>,
}

impl<R: AsyncRead + Unpin> MessageReader<R> {
    /// A reader that refuses payloads over `payload_max` bytes.
    pub fn new(io: R, payload_max: usize) -> Self {
        Self::with_buffer(io, payload_max, BytesMut::new())
    }

    /// A reader that starts with bytes already taken from the stream.
    pub fn with_buffer(io: R, payload_max: usize, buffer: BytesMut) -> Self {
        let (request, held, refused) = (IDLE_BYTES, HeldBytes::default(), None);
        Self { io, buffer, payload_max, request, held, refused }
    }

    /// Reads the four magic bytes that open a connection.
    ///
    /// # Errors
    /// `Magic` when they differ, `Torn` when the stream ends first, `Io` when it fails.
    pub async fn expect_magic(&mut self, magic: [u8; 4]) -> Result<(), MessageError> {
        while self.buffer.len() < magic.len() {
            if self.fill().await? == 0 {
                return Err(MessageError::Torn);
            }
        }
        if self.buffer[..magic.len()] != magic {
            return Err(MessageError::Magic);
        }
        self.buffer.advance(magic.len());
        Ok(())
    }

    /// Waits until a message has begun; false when the peer closed before one did. Cancel-safe.
    ///
    /// # Errors
    /// `Io` when the stream fails.
    pub async fn begun(&mut self) -> Result<bool, MessageError> {
        Ok(self.is_partial() || self.fill().await? > 0)
    }

    /// The next message, or `None` when the peer closed between messages. Cancel-safe: bytes read
    /// before a cancellation are kept for the next call.
    ///
    /// # Errors
    /// `Oversized` as soon as a header announces too much; `Torn` when the stream ends inside a
    /// message; `Io` when it fails. After an error the stream has no further message.
    pub async fn read(&mut self) -> Result<Option<Message>, MessageError> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(Some(message));
            }
            if self.fill().await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(MessageError::Torn) };
            }
        }
    }

    /// As [`MessageReader::read`], with the bytes of unread messages taken from a budget. A message
    /// that finds no room is dropped as it comes, and the connection goes on. Cancel-safe.
    ///
    /// # Errors
    /// As [`MessageReader::read`].
    pub async fn read_within(
        &mut self,
        budget: &ByteBudget,
    ) -> Result<Option<Received>, MessageError> {
        loop {
            if let Some(correlation) = self.drop_refused() {
                return Ok(Some(Received::Refused { correlation }));
            }
            if self.refused.is_none() {
                if let Some(message) = self.buffered()? {
                    let held = self.held.split(message.payload.len());
                    return Ok(Some(Received::Message(message, held)));
                }
                if !budget.grow(&mut self.held, self.buffer.len()) {
                    self.refuse();
                    continue;
                }
            }
            if self.fill().await? == 0 {
                let is_between = self.buffer.is_empty() && self.refused.is_none();
                return if is_between { Ok(None) } else { Err(MessageError::Torn) };
            }
        }
    }

    /// Refuses the message that has begun. Only a message with a whole header is large enough to
    /// find no room.
    fn refuse(&mut self) {
        let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else { return };
        let mut fields = &header[..];
        let length = message_length(fields.get_u32_le().to_le_bytes());
        self.refused = Some((fields.get_u64_le(), HEADER_BYTES + length));
        self.held = HeldBytes::default();
    }

    /// Drops what has come of a refused message. Its number when all of it has.
    fn drop_refused(&mut self) -> Option<u64> {
        let (correlation, left) = self.refused?;
        let dropped = left.min(self.buffer.len());
        self.buffer.advance(dropped);
        self.refused = (left > dropped).then_some((correlation, left - dropped));
        self.refused.is_none().then_some(correlation)
    }

    /// The next message if all of it was already read from the stream.
    ///
    /// # Errors
    /// `Oversized` when its header announces too much.
    pub fn buffered(&mut self) -> Result<Option<Message>, MessageError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let mut fields = &header[..];
        let length = message_length(fields.get_u32_le().to_le_bytes());
        let correlation = fields.get_u64_le();
        if length > self.payload_max {
            return Err(MessageError::Oversized { found: length, max: self.payload_max });
        }
        if self.buffer.len() < HEADER_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        let payload = self.buffer.split_to(length).freeze();
        Ok(Some(Message { correlation, payload }))
    }

    /// True when a message has begun and is not complete.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty() || self.refused.is_some()
    }

    /// The stream; buffered bytes are lost.
    pub fn into_inner(self) -> R {
        self.io
    }

    async fn fill(&mut self) -> io::Result<usize> {
        if self.buffer.is_empty() {
            // The allocation of an earlier, larger message is not kept for a silent peer.
            self.buffer = BytesMut::new();
        }
        // What is dropped as it comes needs no large buffer.
        let request = if self.refused.is_some() { IDLE_BYTES } else { self.request };
        self.buffer.reserve(request.min(self.payload_max + HEADER_BYTES));
        let room = self.buffer.capacity() - self.buffer.len();
        let read = self.io.read_buf(&mut self.buffer).await?;
        // A read that fills its room is followed by a larger one.
        self.request = if read == room { (2 * room).min(READ_BYTES) } else { IDLE_BYTES };
        Ok(read)
    }
}

/// Writes messages to a stream, many with one system call.
#[derive(Debug)]
pub struct MessageWriter<W> {
    io: W,
    buffer: BytesMut,
    payload_max: usize,
}

impl<W: AsyncWrite + Unpin> MessageWriter<W> {
    /// A writer that refuses payloads over `payload_max` bytes.
    pub fn new(io: W, payload_max: usize) -> Self {
        Self { io, buffer: BytesMut::new(), payload_max }
    }

    /// Queues the magic bytes that open a connection.
    pub fn queue_magic(&mut self, magic: [u8; 4]) {
        self.buffer.put_slice(&magic);
    }

    /// Queues one message; nothing is sent before [`MessageWriter::flush`].
    ///
    /// # Errors
    /// `Oversized` when the payload is over the bound; nothing is queued then.
    pub fn queue(&mut self, correlation: u64, payload: &[u8]) -> Result<(), MessageError> {
        let oversized = MessageError::Oversized { found: payload.len(), max: self.payload_max };
        if payload.len() > self.payload_max {
            return Err(oversized);
        }
        let length = u32::try_from(payload.len()).map_err(|_| oversized)?;
        self.buffer.reserve(HEADER_BYTES + payload.len());
        self.buffer.put_u32_le(length);
        self.buffer.put_u64_le(correlation);
        self.buffer.put_slice(payload);
        Ok(())
    }

    /// Bytes that wait to be sent.
    pub fn queued_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Sends everything queued. Cancel-safe: unsent bytes stay queued.
    ///
    /// # Errors
    /// The stream's error; how much of the queue reached the peer is then unknown.
    pub async fn flush(&mut self) -> io::Result<()> {
        // What is left of the capacity when all is sent says nothing about the allocation.
        let was_large = self.buffer.len() > READ_BYTES;
        while self.buffer.has_remaining() {
            if self.io.write_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        if was_large {
            // The allocation of a large message is not kept for a silent peer.
            self.buffer = BytesMut::new();
        }
        self.io.flush().await
    }

    /// Sends everything queued and closes this direction.
    ///
    /// # Errors
    /// As [`MessageWriter::flush`].
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.io.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    const MAX: usize = 1000;

    async fn written(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = MessageWriter::new(&mut out, MAX);
        for (i, payload) in payloads.iter().enumerate() {
            writer.queue(i as u64 + 7, payload).unwrap();
        }
        writer.flush().await.unwrap();
        out
    }

    #[tokio::test]
    async fn messages_are_read_as_they_were_written() {
        let bytes = written(&[b"one", b"", &[9; MAX]]).await;
        assert_eq!(bytes[..15], *b"\x03\0\0\0\x07\0\0\0\0\0\0\0one");
        let mut reader = MessageReader::new(&bytes[..], MAX);
        for (correlation, payload) in [(7, &b"one"[..]), (8, b""), (9, &[9; MAX])] {
            let message = reader.read().await.unwrap().unwrap();
            assert_eq!((message.correlation, &message.payload[..]), (correlation, payload));
        }
        assert!(reader.read().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn messages_cut_into_single_bytes_are_put_together() {
        let bytes = written(&[b"one", b"two"]).await;
        let (mut near, far) = duplex(1);
        let feed = async move {
            near.write_all(&bytes).await.unwrap();
        };
        let read = async {
            let mut reader = MessageReader::new(far, MAX);
            assert_eq!(&reader.read().await.unwrap().unwrap().payload[..], b"one");
            assert_eq!(&reader.read().await.unwrap().unwrap().payload[..], b"two");
            assert!(reader.read().await.unwrap().is_none());
        };
        tokio::join!(feed, read);
    }

    /// Goal: a connection that once had a large answer does not keep its memory.
    #[tokio::test]
    async fn allocation_of_a_large_message_is_not_kept_after_the_flush() {
        let mut out = Vec::new();
        let mut writer = MessageWriter::new(&mut out, 4 * READ_BYTES);
        writer.queue(1, &vec![7; 3 * READ_BYTES]).unwrap();
        writer.flush().await.unwrap();
        writer.queue(2, b"small").unwrap();
        assert!(writer.buffer.capacity() < READ_BYTES, "{}", writer.buffer.capacity());
    }

    #[tokio::test]
    async fn every_cut_message_is_torn() {
        let bytes = written(&[b"one"]).await;
        for end in 1..bytes.len() {
            let mut reader = MessageReader::new(&bytes[..end], MAX);
            assert!(matches!(reader.read().await, Err(MessageError::Torn)), "cut at {end}");
        }
    }

    #[tokio::test]
    async fn a_header_over_the_bound_is_refused_before_its_payload_arrives() {
        let header = [&(MAX as u32 + 1).to_le_bytes()[..], &[0; 8]].concat();
        let mut reader = MessageReader::new(&header[..], MAX);
        let error = reader.read().await.unwrap_err();
        assert!(matches!(error, MessageError::Oversized { found: 1001, max: 1000 }));
        let mut writer = MessageWriter::new(Vec::new(), MAX);
        let error = writer.queue(0, &[0; MAX + 1]).unwrap_err();
        assert!(matches!(error, MessageError::Oversized { found: 1001, max: 1000 }));
        assert_eq!(writer.queued_bytes(), 0);
    }

    /// Goal: half-read messages of many connections share one sum; the one that finds no room is
    /// refused by its number, and its connection goes on.
    #[tokio::test]
    async fn messages_beyond_the_budget_are_refused_by_number_and_dropped() {
        let budget = ByteBudget::new(100 * 1024);
        let max = 200 * 1024;
        let message = |correlation: u64, length: usize| {
            let mut bytes = (length as u32).to_le_bytes().to_vec();
            bytes.extend(correlation.to_le_bytes());
            bytes.extend(vec![7; length]);
            bytes
        };
        let whole = message(1, 90 * 1024);
        let (mut near, far) = duplex(max);
        near.write_all(&whole[..80 * 1024]).await.unwrap();
        let mut first = MessageReader::new(far, max);
        tokio::select! {
            biased;
            _ = first.read_within(&budget) => panic!("the message is incomplete"),
            () = async { for _ in 0..100 { tokio::task::yield_now().await } } => {}
        }
        assert!(budget.free_bytes() < 30 * 1024, "a half-read message counts");
        let bytes = [message(2, 90 * 1024), message(3, 100)].concat();
        let mut second = MessageReader::new(&bytes[..], max);
        let refused = second.read_within(&budget).await.unwrap().unwrap();
        assert!(matches!(refused, Received::Refused { correlation: 2 }));
        let next = second.read_within(&budget).await.unwrap().unwrap();
        assert!(matches!(next, Received::Message(Message { correlation: 3, .. }, _)));
        assert!(second.read_within(&budget).await.unwrap().is_none());
        near.write_all(&whole[80 * 1024..]).await.unwrap();
        let held = first.read_within(&budget).await.unwrap().unwrap();
        assert!(matches!(&held, Received::Message(m, _) if m.payload.len() == 90 * 1024));
        drop(first);
        assert!(budget.free_bytes() < 30 * 1024, "and until it is answered");
        drop(held);
        assert_eq!(budget.free_bytes(), 100 * 1024);
        let cut = message(4, 150 * 1024);
        let mut torn = MessageReader::new(&cut[..cut.len() - 1], max);
        assert!(matches!(torn.read_within(&budget).await, Err(MessageError::Torn)));
    }

    #[tokio::test]
    async fn an_announced_length_reserves_no_memory() {
        let big = 64 << 20;
        let header = [&(big as u32).to_le_bytes()[..], &[0; 8]].concat();
        let mut reader = MessageReader::new(&header[..], big);
        assert!(matches!(reader.read().await, Err(MessageError::Torn)));
        assert!(reader.buffer.capacity() <= 4 * READ_BYTES);
    }

    #[tokio::test]
    async fn the_magic_is_checked_and_taken_off() {
        let mut bytes = REQUEST_MAGIC.to_vec();
        bytes.extend(written(&[b"one"]).await);
        let mut reader = MessageReader::new(&bytes[..], MAX);
        reader.expect_magic(REQUEST_MAGIC).await.unwrap();
        assert_eq!(&reader.read().await.unwrap().unwrap().payload[..], b"one");
        let mut other = MessageReader::new(&bytes[..], MAX);
        assert!(matches!(other.expect_magic(STORE_MAGIC).await, Err(MessageError::Magic)));
        let mut short = MessageReader::new(&bytes[..3], MAX);
        assert!(matches!(short.expect_magic(REQUEST_MAGIC).await, Err(MessageError::Torn)));
    }

    #[test]
    fn hint_is_split_off_and_half_a_hint_is_an_empty_request() {
        let mut payload = begin_with_hint(7 << 40);
        payload.put_slice(b"{}");
        assert_eq!(split_hint(payload.freeze()), (7 << 40, Bytes::from_static(b"{}")));
        assert_eq!(split_hint(begin_with_hint(9).freeze()), (9, Bytes::new()));
        for cut in 0..HINT_BYTES {
            assert_eq!(split_hint(Bytes::from(vec![1; cut])), (0, Bytes::new()));
        }
    }

    #[tokio::test]
    async fn a_cancelled_read_loses_nothing() {
        let bytes = written(&[b"whole"]).await;
        let (mut near, far) = duplex(64);
        let mut reader = MessageReader::new(far, MAX);
        near.write_all(&bytes[..9]).await.unwrap();
        tokio::select! {
            biased;
            _ = reader.read() => panic!("the message is incomplete"),
            () = tokio::task::yield_now() => {}
        }
        near.write_all(&bytes[9..]).await.unwrap();
        assert_eq!(&reader.read().await.unwrap().unwrap().payload[..], b"whole");
    }
}
