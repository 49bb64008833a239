//! The loop against a listener that each test scripts.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Gives what the test sends, then nothing for ever.
struct Script(tokio::sync::Mutex<mpsc::UnboundedReceiver<io::Result<(Stream, Peer)>>>);

impl Accept for Script {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self.0.lock().await.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }
}

/// A served script. Each handler echoes one byte, then reads to the end.
struct Served {
    script: mpsc::UnboundedSender<io::Result<(Stream, Peer)>>,
    stop: watch::Sender<()>,
    events: Arc<Mutex<Vec<String>>>,
    handled: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

fn options() -> ServeOptions {
    let (connections_max, drain) = (2, Duration::ZERO);
    ServeOptions { only_cid: Some(16), connections_max, at_bound: AtBound::Wait, drain }
}

impl Served {
    fn start(options: ServeOptions) -> Self {
        let (script, scripted) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(());
        let (events, handled): (Arc<Mutex<Vec<_>>>, Arc<AtomicUsize>) = Default::default();
        let (heard, count) = (Arc::clone(&events), Arc::clone(&handled));
        let task = tokio::spawn(async move {
            let handler = move |stream| {
                count.fetch_add(1, Ordering::SeqCst);
                echo(stream)
            };
            let report = |event| heard.lock().unwrap().push(format!("{event:?}"));
            serve_from(&Script(scripted.into()), options, stopped, handler, report).await;
        });
        Self { script, stop, events, handled, task }
    }

    fn connect(&self, peer: Peer) -> UnixStream {
        let (near, far) = UnixStream::pair().unwrap();
        self.script.send(Ok((far.into(), peer))).unwrap();
        near
    }

    fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }
}

async fn echo(mut stream: Stream) {
    if let Ok(byte) = stream.read_u8().await {
        stream.write_u8(byte).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

async fn is_answered(stream: &mut UnixStream) -> bool {
    // A stream that was dropped at the other end may refuse the byte already.
    let _ = stream.write_u8(7).await;
    stream.read_u8().await.is_ok_and(|byte| byte == 7)
}

#[tokio::test]
async fn other_virtual_machine_is_turned_away_and_reaches_no_handler() {
    let served = Served::start(options());
    for cid in [17, 3, 0, u32::MAX] {
        let mut other = served.connect(Peer::Vsock { cid });
        assert!(!is_answered(&mut other).await, "{cid}");
        assert_eq!(served.events().pop().unwrap(), format!("TurnedAway {{ cid: {cid} }}"));
    }
    assert_eq!(served.handled.load(Ordering::SeqCst), 0);
    let mut enclave = served.connect(Peer::Vsock { cid: 16 });
    let mut local = served.connect(Peer::Local);
    assert!(is_answered(&mut enclave).await && is_answered(&mut local).await);
    assert_eq!((served.handled.load(Ordering::SeqCst), served.events().len()), (2, 4));
}

#[tokio::test]
async fn without_a_cid_every_virtual_machine_is_admitted() {
    let served = Served::start(ServeOptions { only_cid: None, ..options() });
    assert!(is_answered(&mut served.connect(Peer::Vsock { cid: 17 })).await);
    assert!(served.events().is_empty());
}

#[tokio::test]
async fn rejected_peers_take_no_connection() {
    let served = Served::start(options());
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(served.connect(Peer::Vsock { cid: 17 }));
    }
    let mut first = served.connect(Peer::Local);
    let mut second = served.connect(Peer::Local);
    assert!(is_answered(&mut first).await && is_answered(&mut second).await);
}

#[tokio::test]
async fn failed_accept_is_reported_and_retried_after_a_pause() {
    let served = Served::start(options());
    let begun = Instant::now();
    for _ in 0..3 {
        served.script.send(Err(io::Error::from_raw_os_error(24))).unwrap();
    }
    assert!(is_answered(&mut served.connect(Peer::Local)).await);
    assert!(begun.elapsed() >= 3 * ACCEPT_PAUSE);
    let events = served.events();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.starts_with("AcceptFailed")), "{events:?}");
}

#[tokio::test]
async fn at_the_bound_the_next_connection_waits_until_one_ends() {
    let served = Served::start(options());
    let [mut first, mut second, mut third] = [(); 3].map(|()| served.connect(Peer::Local));
    assert!(is_answered(&mut first).await && is_answered(&mut second).await);
    third.write_u8(7).await.unwrap();
    assert_eq!(served.handled.load(Ordering::SeqCst), 2);
    drop(first);
    assert_eq!(third.read_u8().await.unwrap(), 7);
    assert_eq!(served.handled.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn at_the_bound_the_oldest_is_closed_to_make_room() {
    let served = Served::start(ServeOptions { at_bound: AtBound::CloseOldest, ..options() });
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = served.connect(Peer::Local);
        assert!(is_answered(&mut stream).await);
        streams.push(stream);
    }
    for old in &mut streams[..3] {
        assert!(old.read_u8().await.is_err(), "it was closed");
    }
    for new in &mut streams[3..] {
        new.shutdown().await.unwrap();
        assert!(new.read_to_end(&mut Vec::new()).await.is_ok_and(|count| count == 0));
    }
    assert_eq!(served.events(), ["OldestClosed"; 3]);
}

#[tokio::test]
async fn stop_lets_connections_finish_and_accepts_no_new_one() {
    let served = Served::start(ServeOptions { drain: Duration::from_secs(60), ..options() });
    let mut under_way = served.connect(Peer::Local);
    assert!(is_answered(&mut under_way).await);
    served.stop.send(()).unwrap();
    let mut late = served.connect(Peer::Local);
    assert!(!served.task.is_finished());
    drop(under_way);
    served.task.await.unwrap();
    assert!(!is_answered(&mut late).await);
    assert!(served.events.lock().unwrap().is_empty());
}

#[tokio::test]
async fn stop_closes_connections_that_do_not_finish_in_time() {
    for (drain, events) in
        [(Duration::ZERO, vec![]), (Duration::from_millis(5), vec!["CutOff { connections: 1 }"])]
    {
        let served = Served::start(ServeOptions { drain, ..options() });
        let mut under_way = served.connect(Peer::Local);
        assert!(is_answered(&mut under_way).await);
        // the owner of the switch goes: that is a stop too
        drop(served.stop);
        served.task.await.unwrap();
        assert!(under_way.read_u8().await.is_err());
        assert_eq!(*served.events.lock().unwrap(), events);
    }
}

#[tokio::test]
async fn handler_that_panics_ends_only_its_own_connection() {
    let (near, far) = UnixStream::pair().unwrap();
    let (script, scripted) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(());
    let serving = tokio::spawn(async move {
        let handler = |mut stream: Stream| async move {
            let byte = stream.read_u8().await.unwrap();
            assert_ne!(byte, 0, "the test wants a panic");
            stream.write_u8(byte).await.unwrap();
        };
        serve_from(&Script(scripted.into()), options(), stopped, handler, |_| {}).await;
    });
    script.send(Ok((far.into(), Peer::Local))).unwrap();
    let mut bad = near;
    bad.write_u8(0).await.unwrap();
    assert!(bad.read_u8().await.is_err());
    let (mut good, far) = UnixStream::pair().unwrap();
    script.send(Ok((far.into(), Peer::Local))).unwrap();
    assert!(is_answered(&mut good).await);
    stop.send(()).unwrap();
    serving.await.unwrap();
}
