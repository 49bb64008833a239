//! A proxy between engine and store that forwards everything, and changes answers where a test says
//! so.
//!
//! ```text
//! engine <-- answer, or a lie -- proxy <-- answer -- real store
//! ```
//! The real store executes every request: only the answer is changed.

use mortise_format::codec;
use mortise_format::limits::STORE_MESSAGE_BYTES_MAX;
use mortise_format::store::{StoreRequest, StoreResponse};
use mortise_transport::{
    Address, Listener, MessageError, MessageReader, MessageWriter, STORE_MAGIC, Stream, connect,
};
use std::sync::{Arc, Mutex, mpsc};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::watch;

/// What happens to an answer.
#[derive(Debug, Clone)]
pub enum Lie {
    /// It is passed on.
    Honest,
    /// Another answer is sent in its place.
    Other(StoreResponse),
    /// It is sent under a number that no request has.
    Renumbered,
    /// These bytes are sent in its place, and the connection ends.
    Raw(Vec<u8>),
    /// It and all later answers wait for [`Proxy::release`].
    Held,
}

/// Decides about each answer.
type Liar = Box<dyn FnMut(&StoreRequest, &StoreResponse) -> Lie + Send>;

/// The shared side of a proxy.
struct ProxyState {
    liar: Mutex<Liar>,
    released: watch::Sender<u64>,
}

/// A proxy on a thread of its own.
pub struct Proxy {
    state: Arc<ProxyState>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proxy")
    }
}

impl Proxy {
    /// Listens at `listen` for engines and dials `store` for each. Honest until [`Proxy::lie`].
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start(listen: Address, store: Address) -> Self {
        let (released, _) = watch::channel(0);
        let state = Arc::new(ProxyState { liar: Mutex::new(Box::new(honest)), released });
        let shared = Arc::clone(&state);
        let (tell, told) = mpsc::channel();
        // The thread serves until the process ends: it holds nothing but sockets.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async move {
                let listener = Listener::bind(&listen).await.expect("the proxy listens");
                tell.send(()).expect("the test waits for it");
                while let Ok((engine, _)) = listener.accept().await {
                    let (store, state) = (store.clone(), Arc::clone(&shared));
                    tokio::spawn(async move {
                        // Engine and store notice themselves that a connection ended.
                        let _ = serve(engine, &store, &state).await;
                    });
                }
            });
        });
        told.recv().expect("the proxy listens");
        Self { state }
    }

    /// From now on `liar` decides about each answer.
    pub fn lie(&self, liar: impl FnMut(&StoreRequest, &StoreResponse) -> Lie + Send + 'static) {
        *self.state.liar.lock().expect("no liar panics") = Box::new(liar);
    }

    /// From now on no append is acknowledged.
    pub fn hold_acks(&self) {
        self.lie(|asked, _| match asked {
            StoreRequest::Append { .. } => Lie::Held,
            _ => Lie::Honest,
        });
    }

    /// From now on every answer is passed on.
    pub fn be_honest(&self) {
        self.lie(honest);
    }

    /// Sends all held answers and is honest from now on.
    pub fn release(&self) {
        self.be_honest();
        self.state.released.send_modify(|count| *count += 1);
    }
}

fn honest(_: &StoreRequest, _: &StoreResponse) -> Lie {
    Lie::Honest
}

/// A message of the protocol, as bytes.
fn message(number: u64, answer: &StoreResponse) -> Vec<u8> {
    let payload = codec::encode(answer);
    let length = u32::try_from(payload.len()).expect("an answer is bounded");
    [&length.to_le_bytes()[..], &number.to_le_bytes(), &payload].concat()
}

async fn serve(engine: Stream, store: &Address, state: &ProxyState) -> Result<(), MessageError> {
    let (read, write) = split(engine);
    let mut requests = MessageReader::new(read, STORE_MESSAGE_BYTES_MAX);
    requests.expect_magic(STORE_MAGIC).await?;
    let mut answers = Some(write);
    let (mut reader, mut writer) = dial(store).await?;
    while let (Some(request), Some(out)) = (requests.read().await?, answers.take()) {
        writer.queue(request.correlation, &request.payload)?;
        writer.flush().await?;
        let Some(answer) = reader.read().await? else { return Ok(()) };
        let asked = codec::decode(&request.payload).expect("the engine sends requests");
        let said = codec::decode(&answer.payload).expect("the store sends answers");
        answers = pass(state, &asked, said, request.correlation, out).await?;
    }
    Ok(())
}

/// Both directions to the store.
type Dialled = (MessageReader<ReadHalf<Stream>>, MessageWriter<WriteHalf<Stream>>);

async fn dial(store: &Address) -> Result<Dialled, MessageError> {
    let (read, write) = split(connect(store).await?);
    let mut writer = MessageWriter::new(write, STORE_MESSAGE_BYTES_MAX);
    writer.queue_magic(STORE_MAGIC);
    Ok((MessageReader::new(read, STORE_MESSAGE_BYTES_MAX), writer))
}

/// Sends the answer that the liar decides; `None` when the connection ended with it.
async fn pass(
    state: &ProxyState,
    asked: &StoreRequest,
    said: StoreResponse,
    number: u64,
    mut out: WriteHalf<Stream>,
) -> Result<Option<WriteHalf<Stream>>, MessageError> {
    let mut released = state.released.subscribe();
    let lie = (state.liar.lock().expect("no liar panics"))(asked, &said);
    let (number, answer) = match lie {
        Lie::Honest => (number, said),
        Lie::Other(other) => (number, other),
        Lie::Renumbered => (u64::MAX, said),
        Lie::Held => {
            // An error means that the proxy was dropped.
            let _ = released.changed().await;
            (number, said)
        }
        Lie::Raw(bytes) => {
            out.write_all(&bytes).await?;
            out.shutdown().await?;
            return Ok(None);
        }
    };
    out.write_all(&message(number, &answer)).await?;
    out.flush().await?;
    Ok(Some(out))
}
