//! This machine, or a folder with the files of another machine.

use super::machine::{
    CommandOutput, Entry, FILE_TIME, Files, HttpAnswer, HttpAsk, Machine, TEXT_BYTES_MAX, Trouble,
    bounded,
};
use crate::failure::Failure;
use mortise_transport::Address;
use std::future::Future;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::runtime::Runtime;

/// Timeout of a program.
const COMMAND_TIME: Duration = Duration::from_secs(10);
/// Timeout of a connection or a request.
const NET_TIME: Duration = Duration::from_secs(3);
/// Timeout of all syncs together.
const SYNC_TIME: Duration = Duration::from_secs(10);
/// Number of syncs; the result is their median.
const SYNCS: usize = 5;

/// The machine at a root folder.
pub(super) struct RealMachine {
    files: Files,
    is_live: bool,
    runtime: Option<Runtime>,
}

impl RealMachine {
    /// `/` is the running machine; in any other folder only files are checked.
    pub fn new(root: &Path) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let is_live = root == Path::new("/");
        Ok(Self {
            files: Files::new(root),
            is_live,
            runtime: Some(runtime.map_err(Failure::system)?),
        })
    }

    fn wait<T>(
        &self,
        time: Duration,
        work: impl Future<Output = io::Result<T>>,
    ) -> Result<T, Trouble> {
        let Some(runtime) = self.runtime.as_ref().filter(|_| self.is_live) else {
            return Err(Trouble::NotLive);
        };
        match runtime.block_on(async { tokio::time::timeout(time, work).await }) {
            Ok(done) => Ok(done?),
            Err(_) => Err(Trouble::TimedOut),
        }
    }
}

/// A DNS lookup runs on its own thread. Dropping must not wait for it.
impl Drop for RealMachine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Machine for RealMachine {
    fn is_live(&self) -> bool {
        self.is_live
    }

    fn read(&self, path: &str) -> Result<String, Trouble> {
        self.files.read(path)
    }

    fn tail(&self, path: &str) -> Result<String, Trouble> {
        self.files.tail(path)
    }

    fn head(&self, path: &str, bytes: usize) -> Result<Vec<u8>, Trouble> {
        self.files.head(path, bytes)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, Trouble> {
        self.files.list(path)
    }

    fn entry(&self, path: &str) -> Result<Entry, Trouble> {
        self.files.entry(path)
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<CommandOutput, Trouble> {
        let mut command = Command::new(program);
        command.args(args).kill_on_drop(true).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.wait(COMMAND_TIME, async move {
            let mut child = command.spawn()?;
            let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
            let (stdout, stderr, status) =
                tokio::try_join!(all_of(stdout), all_of(stderr), child.wait())?;
            Ok(CommandOutput { success: status.success(), stdout, stderr })
        })
    }

    fn connect(&self, address: &Address) -> Result<(), Trouble> {
        self.wait(NET_TIME, async { mortise_transport::connect(address).await.map(drop) })
    }

    fn connect_tcp(&self, to: &str) -> Result<(), Trouble> {
        self.wait(NET_TIME, async { TcpStream::connect(to).await.map(drop) })
    }

    fn call(&self, address: &Address, line: &str) -> Result<String, Trouble> {
        self.wait(NET_TIME, async {
            let mut stream = mortise_transport::connect(address).await?;
            stream.write_all(line.as_bytes()).await?;
            stream.flush().await?;
            json_text(&mut stream).await
        })
    }

    fn http(&self, ask: &HttpAsk<'_>) -> Result<HttpAnswer, Trouble> {
        let header = ask.header.map(|(name, value)| format!("{name}: {value}\r\n"));
        let HttpAsk { to, method, path, .. } = ask;
        // HTTP/1.0: the server closes the connection after the answer
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: {to}\r\ncontent-length: 0\r\n{}\r\n",
            header.unwrap_or_default()
        );
        self.wait(NET_TIME, async {
            let mut stream = TcpStream::connect(to).await?;
            stream.write_all(request.as_bytes()).await?;
            let text = all_of(Some(stream)).await?;
            answer_of(&text).ok_or_else(|| io::Error::other("the answer is not HTTP"))
        })
    }

    fn sync_time(&self, folder: &str) -> Result<Duration, Trouble> {
        if !self.is_live {
            return Err(Trouble::NotLive);
        }
        let folder = self.files.place(folder);
        bounded(SYNC_TIME, move || {
            let mut times = Vec::new();
            for _ in 0..SYNCS {
                let mut file = tempfile::NamedTempFile::with_prefix_in(".doctor-", &folder)?;
                let start = Instant::now();
                file.write_all(&[0; 4096])?;
                file.as_file().sync_data()?;
                times.push(start.elapsed());
            }
            times.sort();
            Ok(times[SYNCS / 2])
        })
    }

    fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(FILE_TIME).as_secs()
    }
}

/// Reads to the end and keeps at most [`TEXT_BYTES_MAX`]; drops the rest, so that the writer does
/// not block.
async fn all_of(source: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let Some(mut source) = source else { return Ok(String::new()) };
    let (mut kept, mut buffer) = (Vec::new(), [0_u8; 8192]);
    loop {
        let count = source.read(&mut buffer).await?;
        if count == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        let room = TEXT_BYTES_MAX.saturating_sub(kept.len()).min(count);
        kept.extend_from_slice(&buffer[..room]);
    }
}

/// Reads until the input is one complete JSON value.
async fn json_text(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let (mut kept, mut buffer) = (Vec::new(), [0_u8; 8192]);
    while kept.len() < TEXT_BYTES_MAX {
        let count = stream.read(&mut buffer).await?;
        kept.extend_from_slice(&buffer[..count]);
        if serde_json::from_slice::<serde::de::IgnoredAny>(&kept).is_ok() {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        if count == 0 {
            return Err(io::Error::other("the connection closed without an answer"));
        }
    }
    Err(io::Error::other("the answer is too long"))
}

/// Status and body.
fn answer_of(text: &str) -> Option<HttpAnswer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let line = head.lines().next()?.strip_prefix("HTTP/1.")?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    Some(HttpAnswer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::TcpListener;

    fn live() -> RealMachine {
        RealMachine::new(Path::new("/")).unwrap()
    }

    #[test]
    fn programs_run_to_their_end_and_missing_ones_are_named() {
        let ran = live().run("sh", &["-c", "echo out; echo err >&2; exit 3"]).unwrap();
        assert_eq!(
            (ran.success, ran.stdout.as_str(), ran.stderr.as_str()),
            (false, "out\n", "err\n")
        );
        assert_eq!(live().run("no-such-program-of-doctor", &[]), Err(Trouble::Missing));
    }

    #[test]
    fn http_answer_is_read_to_the_end_of_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.0 503 Busy\r\nx: y\r\n\r\nwait\n").unwrap();
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        let ask = HttpAsk { to: &to, method: "PUT", path: "/a", header: Some(("x-b", "c")) };
        let answer = live().http(&ask).unwrap();
        assert_eq!(answer, HttpAnswer { status: 503, body: "wait\n".into() });
        let request = server.join().unwrap();
        assert!(request.starts_with("PUT /a HTTP/1.0\r\n"), "{request}");
        assert!(request.contains("\r\nx-b: c\r\n"), "{request}");
    }

    #[test]
    fn port_without_a_listener_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(live().connect_tcp(&gone.to_string()), Err(Trouble::Refused));
        let none = Address::Unix(folder.path().join("none.sock"));
        assert_eq!(live().connect(&none), Err(Trouble::Missing));
    }

    #[test]
    fn probes_of_a_running_machine_fail_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let machine = RealMachine::new(folder.path()).unwrap();
        assert_eq!(machine.run("sh", &["-c", "exit 0"]), Err(Trouble::NotLive));
        assert_eq!(machine.connect_tcp("127.0.0.1:1"), Err(Trouble::NotLive));
        assert_eq!(machine.sync_time("/"), Err(Trouble::NotLive));
    }

    #[test]
    fn syncs_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let took = live().sync_time(&folder.path().to_string_lossy()).unwrap();
        assert!(took > Duration::ZERO);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
