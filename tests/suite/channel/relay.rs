//! In the parent's place: passes messages on, records all of them, and changes what it is told to.

use mortise_testkit::system::wire::framed;
use mortise_transport::REQUEST_MAGIC;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the engine.
    In,
    /// To the client.
    Out,
}

/// What becomes of a message.
pub enum Deed {
    /// It goes on.
    Pass,
    /// This goes on in its place.
    Change(Vec<u8>),
    /// A request does not go on: this is its answer.
    Answer(Vec<u8>),
}

type Doer = Box<dyn FnMut(Direction, &[u8]) -> Deed + Send>;

/// The shared side of a relay.
struct RelayState {
    seen: Mutex<Vec<(Direction, Vec<u8>)>>,
    doer: Mutex<Doer>,
}

/// A relay on threads of its own, which end with their connections or the process.
pub struct Relay {
    socket: PathBuf,
    state: Arc<RelayState>,
}

impl Relay {
    /// Listens at `socket` and dials `engine` for each connection. Honest until told otherwise.
    pub fn start(socket: PathBuf, engine: PathBuf) -> Self {
        let listener = UnixListener::bind(&socket).expect("the relay listens");
        let doer: Doer = Box::new(|_, _| Deed::Pass);
        let state = Arc::new(RelayState { seen: Mutex::default(), doer: Mutex::new(doer) });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // An engine that is not there is a connection that closes.
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

    /// From now on `doer` decides about each message.
    pub fn tell(&self, doer: impl FnMut(Direction, &[u8]) -> Deed + Send + 'static) {
        *lock(&self.state.doer) = Box::new(doer);
    }

    /// The payloads that went one way, as they came.
    pub fn seen(&self, way: Direction) -> Vec<Vec<u8>> {
        let seen = lock(&self.state.seen);
        seen.iter().filter(|(found, _)| *found == way).map(|(_, bytes)| bytes.clone()).collect()
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}

/// Starts a thread for each way.
fn carry(client: &UnixStream, engine: &UnixStream, state: &Arc<RelayState>) {
    for (way, from, to) in [(Direction::In, client, engine), (Direction::Out, engine, client)] {
        let clone = |stream: &UnixStream| stream.try_clone().expect("a socket is shared");
        let (mut from, mut to, mut back) = (clone(from), clone(to), clone(from));
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            // How a connection ends is the affair of its ends; both learn of it.
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
        match (lock(&state.doer))(way, &payload) {
            Deed::Pass => to.write_all(&framed(number, &payload))?,
            Deed::Change(other) => to.write_all(&framed(number, &other))?,
            Deed::Answer(answer) => back.write_all(&framed(number, &answer))?,
        }
    }
}
