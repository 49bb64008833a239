//! A relay in place of the parent: forwards and records messages, and changes those a test chooses.

use mortise_testkit::system::wire::framed;
use mortise_transport::REQUEST_MAGIC;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the engine.
    In,
    /// To the client.
    Out,
}

/// The action of the relay on a message.
pub enum Action {
    /// Forward it.
    Pass,
    /// Forward this instead.
    Change(Vec<u8>),
    /// Answer the request with this and forward nothing.
    Answer(Vec<u8>),
}

type Decide = Box<dyn FnMut(Direction, &[u8]) -> Action + Send>;

/// The state that all threads of a relay share.
struct RelayState {
    seen: Mutex<Vec<(Direction, Vec<u8>)>>,
    decide: Mutex<Decide>,
}

/// A relay. Its threads end with their connections or the process.
pub struct Relay {
    socket: PathBuf,
    state: Arc<RelayState>,
}

impl Relay {
    /// Listens at `socket` and dials `engine` for each connection. Forwards unchanged by default.
    pub fn start(socket: PathBuf, engine: PathBuf) -> Self {
        let listener = UnixListener::bind(&socket).expect("the relay listens");
        let decide: Decide = Box::new(|_, _| Action::Pass);
        let state = Arc::new(RelayState { seen: Mutex::default(), decide: Mutex::new(decide) });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // If the engine is down, the connection closes.
                if let Ok(engine) = UnixStream::connect(&engine) {
                    carry(&client, &engine, &shared);
                }
            }
        });
        Self { socket, state }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sets the function that decides on each message from now on.
    pub fn on_message(&self, decide: impl FnMut(Direction, &[u8]) -> Action + Send + 'static) {
        *lock(&self.state.decide) = Box::new(decide);
    }

    /// The payloads in one direction, in order.
    pub fn seen(&self, way: Direction) -> Vec<Vec<u8>> {
        let seen = lock(&self.state.seen);
        seen.iter().filter(|(found, _)| *found == way).map(|(_, bytes)| bytes.clone()).collect()
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}

/// Starts a thread for each direction.
fn carry(client: &UnixStream, engine: &UnixStream, state: &Arc<RelayState>) {
    for (way, from, to) in [(Direction::In, client, engine), (Direction::Out, engine, client)] {
        let clone = |stream: &UnixStream| stream.try_clone().expect("a socket is shared");
        let (mut from, mut to, mut back) = (clone(from), clone(to), clone(from));
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            // Both ends learn that the connection closed; the relay ignores why.
            let _ = pass_all(way, &mut from, &mut to, &mut back, &state);
            for stream in [&from, &to] {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
}

fn pass_all(
    way: Direction,
    from: &mut UnixStream,
    to: &mut UnixStream,
    back: &mut UnixStream,
    state: &RelayState,
) -> std::io::Result<()> {
    if way == Direction::In {
        let mut magic = [0; 4];
        from.read_exact(&mut magic)?;
        assert_eq!(magic, REQUEST_MAGIC);
        to.write_all(&magic)?;
    }
    loop {
        let mut header = [0; 12];
        from.read_exact(&mut header)?;
        let (length, number) = header.split_at(4);
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        let number = u64::from_le_bytes(number.try_into().expect("eight bytes"));
        let mut payload = vec![0; usize::try_from(length).expect("a length fits")];
        from.read_exact(&mut payload)?;
        lock(&state.seen).push((way, payload.clone()));
        match (lock(&state.decide))(way, &payload) {
            Action::Pass => to.write_all(&framed(number, &payload))?,
            Action::Change(other) => to.write_all(&framed(number, &other))?,
            Action::Answer(answer) => back.write_all(&framed(number, &answer))?,
        }
    }
}
