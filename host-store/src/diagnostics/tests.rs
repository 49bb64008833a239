//! The listener with correct and with faulty enclaves.

use super::*;
use mortise_transport::{Address, connect};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinHandle;

struct Listening {
    folder: tempfile::TempDir,
    metrics: Arc<Metrics>,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Listening {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    async fn start_in(folder: tempfile::TempDir) -> Self {
        let listener = Listener::bind(&Address::Unix(folder.path().join("s"))).await.unwrap();
        let metrics = Arc::new(Metrics::new());
        let (stop, stopped) = watch::channel(());
        let diagnostics = Diagnostics {
            folder: folder.path().join("diagnostics"),
            metrics: Arc::clone(&metrics),
            only_cid: None,
        };
        let task = tokio::spawn(serve(listener, diagnostics, stopped));
        Self { folder, metrics, stop, task }
    }

    async fn connect(&self) -> Stream {
        connect(&Address::Unix(self.folder.path().join("s"))).await.unwrap()
    }

    /// Writes bytes and waits until the host has read all of them.
    async fn say(&self, bytes: &[u8]) {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut end = Vec::new();
        // The host never answers. It closes after it has read to the end.
        stream.read_to_end(&mut end).await.unwrap();
        assert_eq!(end, b"");
    }

    async fn stop(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.folder
    }

    fn counts(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|l| l == line)
    }
}

fn kept(folder: &tempfile::TempDir) -> Vec<String> {
    let file = std::fs::read_to_string(folder.path().join("diagnostics/lines.jsonl")).unwrap();
    let line = |line| serde_json::from_str::<Value>(line).unwrap()["line"].as_str().unwrap().into();
    file.lines().map(line).collect()
}

fn last_stop(folder: &tempfile::TempDir) -> Value {
    let file = std::fs::read(folder.path().join("diagnostics/last-stop.json")).unwrap();
    serde_json::from_slice(&file).unwrap()
}

const STOP: &[u8] = br#"{"name":"KEYS_LOST","exit":17,"why":"no keys","at":"noon"}"#;

#[tokio::test]
async fn lines_and_the_last_stop_are_on_the_disk_when_the_host_has_stopped() {
    let host = Listening::start().await;
    host.say(b"{\"level\":\"INFO\"}\nplain \x1b[2J\n").await;
    // an enclave that dies does not end its last line
    host.say(STOP).await;
    let folder = host.stop().await;
    let stop = std::str::from_utf8(STOP).unwrap();
    assert_eq!(kept(&folder), ["{\"level\":\"INFO\"}", "plain ?[2J", stop]);
    let found = last_stop(&folder);
    assert!(found["receivedMs"].as_u64().unwrap() > 1_700_000_000_000);
    for (field, value) in
        [("name", "KEYS_LOST".into()), ("exit", 17.into()), ("why", "no keys".into())]
    {
        assert_eq!(found[field], Value::clone(&value), "{field}");
    }
    assert_eq!(found["at"], "noon");
    // a host that starts again reads it
    let again = Listening::start_in(folder).await;
    again.say(b"next\n").await;
    let shown = "mortise_host_enclave_last_stop_seconds{name=\"KEYS_LOST\",exit=\"17\"} 1";
    let text = again.metrics.render();
    assert!(text.lines().any(|l| l.starts_with(shown)), "{text}");
    assert!(!text.contains("mortise_host_enclave_stops_total"), "{text}");
    let folder = again.stop().await;
    assert_eq!(kept(&folder).last().unwrap(), "next");
}

#[tokio::test]
async fn a_flood_is_cut_to_its_rate_and_the_stop_behind_it_is_kept() {
    let host = Listening::start().await;
    let mut flood = b"flood\n".repeat(20_000);
    flood.extend_from_slice(STOP);
    host.say(&flood).await;
    let text = host.metrics.render();
    let dropped = text
        .lines()
        .find_map(|l| l.strip_prefix("mortise_host_diagnostics_lines_total{outcome=\"dropped\"} "));
    let dropped: u32 = dropped.unwrap().parse().unwrap();
    assert!((15_000..=19_000).contains(&dropped), "{dropped}");
    let folder = host.stop().await;
    assert!(kept(&folder).len() <= 5001);
    assert_eq!(last_stop(&folder)["name"], "KEYS_LOST");
    let size = std::fs::metadata(folder.path().join("diagnostics/lines.jsonl")).unwrap().len();
    assert!(size <= 256 * 1024, "{size}");
}

#[tokio::test]
async fn garbage_is_kept_as_text_and_an_overlong_line_is_cut() {
    let host = Listening::start().await;
    let garbage: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    host.say(&[&garbage[..], b"\n", &[b'x'; 1_000_000], b"\nafter\n"].concat()).await;
    assert!(host.counts("mortise_host_diagnostics_lines_total{outcome=\"cut\"} 1"));
    assert!(host.counts("mortise_host_diagnostics_lines_total{outcome=\"taken\"} 3"));
    let folder = host.stop().await;
    let lines = kept(&folder);
    assert_eq!(lines[0].len(), 255);
    assert!(lines[0].bytes().all(|b| (b' '..=b'~').contains(&b)));
    assert_eq!(lines[1], "x".repeat(4095));
    assert_eq!(lines[2], "after");
    assert!(!folder.path().join("diagnostics/last-stop.json").exists());
}

#[tokio::test]
async fn connections_of_dead_enclaves_do_not_keep_the_newest_out() {
    let host = Listening::start().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(host.connect().await);
    }
    host.say(STOP).await;
    // the first ones were closed
    assert_eq!(silent[0].read(&mut [0]).await.unwrap(), 0);
    let open = format!("mortise_host_diagnostics_connections {}", CONNECTIONS_MAX - 1);
    assert!(host.counts(&open), "{}", host.metrics.render());
    let folder = host.stop().await;
    assert_eq!(last_stop(&folder)["exit"], 17);
}
