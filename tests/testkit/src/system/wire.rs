//! The request port and HTTP, byte by byte, with blocking sockets.

use super::TIMEOUT;
use mortise_transport::{RELAY_MAGIC, REQUEST_MAGIC};
use serde_json::{Value, json};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A connection that speaks JSON values.
#[derive(Debug)]
pub struct JsonLine {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl JsonLine {
    /// Connects.
    ///
    /// # Errors
    /// No one listens.
    pub fn try_connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the peer does not read them; so do the functions below when it does not answer.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the engine takes bytes");
    }

    /// Closes the sending direction.
    pub fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("the socket closes");
    }

    /// The next answer: one line.
    pub fn hear(&mut self) -> Value {
        self.try_hear().expect("the engine answers")
    }

    fn try_hear(&mut self) -> io::Result<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).map_err(io::Error::other);
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// True when the peer has closed and no bytes are left.
    pub fn is_over(&mut self) -> bool {
        self.buffer.is_empty() && self.fill().expect("the socket closes in order") == 0
    }

    /// A call and its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.try_call(method, params).expect("the engine answers")
    }

    /// A call and its answer.
    ///
    /// # Errors
    /// The connection ended.
    pub fn try_call(&mut self, method: &str, params: Value) -> io::Result<Value> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.stream.write_all(call.to_string().as_bytes())?;
        self.try_hear()
    }
}

/// A connection that speaks numbered messages.
#[derive(Debug)]
pub struct Framed(UnixStream);

impl Framed {
    /// Connects and sends the magic of the protocol.
    ///
    /// # Panics
    /// When no one listens; so do the functions below when the peer is gone.
    pub fn connect(socket: &Path) -> Self {
        Self::opened_with(socket, REQUEST_MAGIC)
    }

    /// Connects as a relay does: each payload begins with the hint of its peer.
    pub fn relay(socket: &Path) -> Self {
        Self::opened_with(socket, RELAY_MAGIC)
    }

    fn opened_with(socket: &Path, magic: [u8; 4]) -> Self {
        let mut stream = UnixStream::connect(socket).expect("the engine listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a socket has a timeout");
        stream.set_write_timeout(Some(TIMEOUT)).expect("a socket has a timeout");
        stream.write_all(&magic).expect("the engine takes bytes");
        Self(stream)
    }

    /// Sends bytes, which may be no message.
    pub fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the engine takes bytes");
    }

    /// Sends a message.
    pub fn send(&mut self, number: u64, payload: impl AsRef<[u8]>) {
        self.say(&framed(number, payload.as_ref()));
    }

    /// Sends a message of the peer with this hint.
    pub fn send_for(&mut self, hint: u64, number: u64, payload: impl AsRef<[u8]>) {
        self.send(number, [&hint.to_le_bytes(), payload.as_ref()].concat());
    }

    /// The next message; `None` when the peer has closed.
    pub fn receive(&mut self) -> Option<(u64, Vec<u8>)> {
        self.try_receive().expect("a message is whole")
    }

    /// The next message; `None` when the peer has closed.
    ///
    /// # Errors
    /// The connection broke off.
    pub fn try_receive(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let mut header = [0; 12];
        match self.0.read(&mut header[..1])? {
            0 => return Ok(None),
            _ => self.0.read_exact(&mut header[1..])?,
        }
        let (length, number) = header.split_at(4);
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        let number = u64::from_le_bytes(number.try_into().expect("eight bytes"));
        let mut payload = vec![0; usize::try_from(length).expect("a length fits")];
        self.0.read_exact(&mut payload)?;
        Ok(Some((number, payload)))
    }

    /// The next message as JSON, with its number.
    pub fn hear(&mut self) -> (u64, Value) {
        let (number, payload) = self.receive().expect("the engine answers");
        (number, serde_json::from_slice(&payload).expect("answers are JSON"))
    }

    /// Closes the sending direction.
    pub fn half_close(&mut self) {
        self.0.shutdown(Shutdown::Write).expect("the socket closes");
    }
}

/// The bytes of a message.
///
/// # Panics
/// When the length of the payload does not fit the header.
pub fn framed(number: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a payload is bounded");
    [&length.to_le_bytes()[..], &number.to_le_bytes(), payload].concat()
}

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Names in lower case, with values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request on a connection of its own.
///
/// # Panics
/// When there is no whole answer.
pub fn http(to: SocketAddr, method: &str, path: &str, body: &[u8]) -> HttpAnswer {
    let mut stream = TcpStream::connect(to).expect("the gateway listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a socket has a timeout");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the gateway takes a head");
    // The gateway does not read all of a body that it rejects by its size.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => panic!("the gateway answers: {error}"),
        _ => {}
    }
    parse_http(&answer)
}

fn parse_http(answer: &[u8]) -> HttpAnswer {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    HttpAnswer {
        status: status.expect("an answer has a status"),
        headers: lines.filter_map(header).collect(),
        body: answer[end + 4..].to_vec(),
    }
}
