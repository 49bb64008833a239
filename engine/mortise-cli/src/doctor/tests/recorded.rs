//! A simulated machine: files in a folder, recorded outputs and answers.

use crate::doctor::machine::{CommandOutput, Entry, Files, HttpAnswer, HttpAsk, Machine, Trouble};
use mortise_transport::Address;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Anything that is not recorded does not exist.
pub(super) struct Recorded {
    root: tempfile::TempDir,
    files: Files,
    devices: BTreeSet<String>,
    commands: BTreeMap<String, CommandOutput>,
    pub sockets: BTreeMap<String, Result<(), Trouble>>,
    pub tcp: BTreeMap<String, Result<(), Trouble>>,
    pub calls: BTreeMap<String, String>,
    http: BTreeMap<String, HttpAnswer>,
    pub sync: Duration,
    pub now: u64,
    pub is_live: bool,
}

/// As nitro-cli 1.3 prints it, see [`Recorded::enclave`].
pub(super) const OUR_ENCLAVE: &str = r#"[
  {
    "EnclaveName": "mortise",
    "EnclaveID": "i-0123456789abcdef0-enc0123456789abcde",
    "ProcessID": 4242,
    "EnclaveCID": 16,
    "NumberOfCPUs": 2,
    "CPUIDs": [
      1,
      3
    ],
    "MemoryMiB": 1024,
    "State": "RUNNING",
    "Flags": "NONE",
    "Measurements": {
      "HashAlgorithm": "Sha384 { ... }",
      "PCR0": "<PCR0>",
      "PCR1": "1111",
      "PCR2": "2222"
    }
  }
]
"#;

/// An older nitro-cli, and the guides' `--debug-mode`.
pub(super) const DEBUG_ENCLAVE: &str = r#"[{"EnclaveName": "mortise",
  "EnclaveID": "i-0123456789abcdef0-enc0123456789abcde", "ProcessID": 4242, "EnclaveCID": 16,
  "NumberOfCPUs": 2, "CPUIDs": [1, 3], "MemoryMiB": 1024, "State": "RUNNING",
  "Flags": "DEBUG_MODE"}]"#;

/// `chronyc -c tracking` on an instance.
pub(super) const TRACKING: &str = "A9FEA97B,169.254.169.123,4,1795352400.000000000,0.000002113,\
     -0.000001021,0.000012345,-1.234,0.001,0.012,0.000450000,0.000120000,16.1,Normal\n";

const DEPLOY_ENVIRONMENT: &str = include_str!("../../../../../enclave-image/deploy/mortise.env");
const DEPLOY_ALLOCATOR: &str = include_str!("../../../../../enclave-image/deploy/allocator.yaml");
const DEPLOY_POLICY: &str =
    include_str!("../../../../../enclave-image/deploy/iam/key-policy-engine.sample.json");
const PAGES: &str = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB";
const IMDS: &str = "169.254.169.254:80/latest";
const NOW: u64 = 1_795_352_400;

impl Recorded {
    /// A machine with nothing on it.
    pub fn bare() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            files: Files::new(root.path()),
            root,
            devices: BTreeSet::new(),
            commands: BTreeMap::new(),
            sockets: BTreeMap::new(),
            tcp: BTreeMap::new(),
            calls: BTreeMap::new(),
            http: BTreeMap::new(),
            sync: Duration::from_micros(900),
            now: NOW,
            is_live: true,
        }
    }

    /// A running parent, set up by `enclave-image/deploy`.
    pub fn healthy() -> Self {
        let mut machine = Self::bare();
        machine.file("/etc/mortise/mortise.env", DEPLOY_ENVIRONMENT);
        machine.file("/etc/nitro_enclaves/allocator.yaml", DEPLOY_ALLOCATOR);
        machine.file("/etc/mortise/key-policy.json", DEPLOY_POLICY);
        machine.file("/sys/module/nitro_enclaves/parameters/ne_cpus", "1,3\n");
        machine.file("/sys/devices/virtual/dmi/id/sys_vendor", "Amazon EC2\n");
        machine.file("/sys/devices/virtual/dmi/id/product_name", "c5.xlarge\n");
        machine.file("/dev/nitro_enclaves", "");
        machine.devices.insert("/dev/nitro_enclaves".into());
        machine.hugepages(512);
        machine.image_mib(12);
        machine.file("/var/lib/mortise/log/0000000000.seg", "");
        machine.file("/var/lib/mortise/index/db", "");
        machine.programs();
        machine.sockets.insert("vsock:16:5000".into(), Ok(()));
        machine.tcp.insert("kms.eu-west-1.amazonaws.com:443".into(), Ok(()));
        machine.health("\"phase\":\"ready\",\"mode\":\"attested\"");
        machine.answer("127.0.0.1:8080/healthz", 200, "ok\n");
        machine.answer("127.0.0.1:8080/readyz", 200, "{}");
        let relayed = "mortise_host_relay_connections_total{outcome=\"whole\"} 3\n";
        machine.answer("127.0.0.1:8080/metrics", 200, relayed);
        machine.answer(&format!("{IMDS}/api/token"), 200, "secret-token");
        machine.answer(&format!("{IMDS}/meta-data/"), 401, "");
        machine.role("mortise-parent");
        machine
    }

    fn programs(&mut self) {
        for unit in ["nitro-enclaves-allocator", "mortise-host", "mortise-enclave"] {
            self.command(&format!("systemctl is-active {unit}.service"), "active\n");
        }
        self.enclave(OUR_ENCLAVE, "ab");
        let ports = [5001, 5002, 5003, 8000].map(|port| format!("v_str LISTEN 0 0 *:{port} *:*\n"));
        self.command("ss --vsock --listening --numeric --no-header", &ports.concat());
        self.command("chronyc -c tracking", TRACKING);
        self.command(
            "df -Pk /var/lib/mortise",
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/nvme0n1p1 20961280 \
             4194304 16766976 21% /\n",
        );
    }

    /// Writes a file of the machine.
    pub fn file(&self, path: &str, text: &str) {
        let place = self.place(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
    }

    /// Removes a file or a folder.
    pub fn remove(&mut self, path: &str) {
        let place = self.place(path);
        match place.is_dir() {
            true => std::fs::remove_dir_all(place).unwrap(),
            false => std::fs::remove_file(place).unwrap(),
        }
        self.devices.remove(path);
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// A sparse image of this size.
    pub fn image_mib(&self, mib: u64) {
        self.file("/opt/mortise/mortise.eif", ".eif");
        let image =
            std::fs::File::options().write(true).open(self.place("/opt/mortise/mortise.eif"));
        image.unwrap().set_len(mib * 1024 * 1024).unwrap();
    }

    /// This number of 2 MiB pages on the node.
    pub fn hugepages(&self, pages: u64) {
        self.file(&format!("{PAGES}/nr_hugepages"), &format!("{pages}\n"));
        self.file(&format!("{PAGES}/free_hugepages"), "0\n");
    }

    /// A program that succeeds.
    pub fn command(&mut self, line: &str, stdout: &str) {
        let ran = CommandOutput { success: true, stdout: stdout.into(), stderr: String::new() };
        self.commands.insert(line.into(), ran);
    }

    /// A running enclave of an image whose PCR0 repeats these digits.
    pub fn enclave(&mut self, described: &str, digits: &str) {
        self.command(
            "nitro-cli describe-enclaves",
            &described.replace("<PCR0>", &digits.repeat(48)),
        );
    }

    /// A program that fails.
    pub fn fails(&mut self, line: &str, stdout: &str) {
        let ran = CommandOutput { success: false, stdout: stdout.into(), stderr: String::new() };
        self.commands.insert(line.into(), ran);
    }

    /// The health of the engine.
    pub fn health(&mut self, fields: &str) {
        let answer = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":\"doctor\",\"result\":{{\"version\":\"0.1.0\",\
             \"timestamp\":{NOW},{fields}}}}}"
        );
        self.calls.insert("vsock:16:5000".into(), answer);
    }

    /// The answer of a URL.
    pub fn answer(&mut self, url: &str, status: u16, body: &str) {
        self.http.insert(url.into(), HttpAnswer { status, body: body.into() });
    }

    /// The role of the instance, with credentials that must not be printed.
    pub fn role(&mut self, role: &str) {
        let roles = format!("{IMDS}/meta-data/iam/security-credentials/");
        self.answer(&roles, 200, role);
        self.answer(
            &format!("{roles}{role}"),
            200,
            "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIASECRET\",\"SecretAccessKey\":\"SECRET\",\
             \"Token\":\"SECRET\",\"Expiration\":\"2026-11-22T19:00:00Z\"}",
        );
        self.answer(
            &format!("{IMDS}/meta-data/iam/info"),
            200,
            r#"{"InstanceProfileArn":"arn:aws:iam::111122223333:instance-profile/parent"}"#,
        );
    }

    fn live<T>(&self, found: Option<T>) -> Result<T, Trouble> {
        match self.is_live {
            true => found.ok_or(Trouble::Missing),
            false => Err(Trouble::NotLive),
        }
    }
}

impl Machine for Recorded {
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
        match self.devices.contains(path) {
            true => Ok(Entry::Special),
            false => self.files.entry(path),
        }
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<CommandOutput, Trouble> {
        self.live(self.commands.get(&format!("{program} {}", args.join(" "))).cloned())
    }

    fn connect(&self, address: &Address) -> Result<(), Trouble> {
        self.live(self.sockets.get(&address.to_string()).cloned())?
    }

    fn connect_tcp(&self, to: &str) -> Result<(), Trouble> {
        self.live(self.tcp.get(to).cloned())?
    }

    fn call(&self, address: &Address, _line: &str) -> Result<String, Trouble> {
        self.live(self.calls.get(&address.to_string()).cloned())
    }

    fn http(&self, ask: &HttpAsk<'_>) -> Result<HttpAnswer, Trouble> {
        let is_imds = ask.to.starts_with("169.254");
        let is_open = ask.header.is_none() || ask.path == "/latest/api/token";
        let found = self.http.get(&format!("{}{}", ask.to, ask.path)).cloned();
        // only the root list is requested without a token
        assert!(!is_imds || !is_open || ask.path.len() <= 18, "{ask:?}");
        self.live(found)
    }

    fn sync_time(&self, folder: &str) -> Result<Duration, Trouble> {
        self.live(self.files.entry(folder).ok().map(|_| self.sync))
    }

    fn now(&self) -> u64 {
        self.now
    }
}
