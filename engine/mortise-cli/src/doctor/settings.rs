//! Settings of this parent: the environment file of the units, with their defaults.

use super::machine::{Machine, Trouble};
use mortise_transport::aws::Partition;
use mortise_transport::{Address, ports};
use std::collections::BTreeMap;

/// Where `enclave-image/deploy` installs it.
pub(super) const ENVIRONMENT_FILE: &str = "/etc/mortise/mortise.env";
/// Default data folder: the `StateDirectory` of the unit.
const DATA_FOLDER: &str = "/var/lib/mortise";
const IMAGE: &str = "/opt/mortise/mortise.eif";

/// The values of the environment file, or the defaults of the units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// Whether the file could be read.
    pub file: Result<(), Trouble>,
    /// Numbers of lines that are not NAME=value.
    pub odd_lines: Vec<usize>,
    /// Names of values that are not numbers.
    pub odd_values: Vec<String>,
    pub enclave_name: String,
    pub enclave_cid: u32,
    /// Request port of the enclave.
    pub enclave_port: u32,
    /// Port of the gateway on 127.0.0.1.
    pub proxy_port: u16,
    /// AWS region of the keys; empty when there is none.
    pub region: String,
    /// Path of the image file.
    pub image: String,
    pub cpus: u64,
    pub memory_mib: u64,
    /// Path of the measurements of the image.
    pub measurements: String,
    /// Path of a copy of the key policy.
    pub key_policy: String,
    pub data_folder: String,
    /// Additional flags of the host.
    pub host_flags: String,
}

impl Settings {
    /// Reads the settings of this machine.
    pub fn read(machine: &dyn Machine) -> Self {
        let text = machine.read(ENVIRONMENT_FILE);
        let mut values = Values::parse(text.as_deref().unwrap_or_default());
        Self {
            enclave_name: values.text("MORTISE_ENCLAVE_NAME", "mortise"),
            enclave_cid: values.number("ENCLAVE_CID", 16),
            enclave_port: values.number("ENCLAVE_PORT", ports::REQUESTS),
            proxy_port: values.number("PROXY_PORT", 8080),
            region: values.text("AWS_REGION", ""),
            image: values.text("MORTISE_EIF", IMAGE),
            cpus: values.number("MORTISE_ENCLAVE_CPUS", 2),
            memory_mib: values.number("MORTISE_ENCLAVE_MEMORY_MIB", 1024),
            measurements: values.text("MORTISE_MEASUREMENTS", "/etc/mortise/measurements.json"),
            key_policy: values.text("MORTISE_KEY_POLICY", "/etc/mortise/key-policy.json"),
            data_folder: values.text("MORTISE_DATA_DIR", DATA_FOLDER),
            host_flags: values.text("MORTISE_HOST_ARGS", ""),
            file: text.map(drop),
            odd_lines: values.odd_lines,
            odd_values: values.odd_values,
        }
    }

    /// Address of the request port.
    pub fn engine(&self) -> Address {
        Address::Vsock { cid: self.enclave_cid, port: self.enclave_port }
    }

    /// Address of the gateway.
    pub fn gateway(&self) -> String {
        format!("127.0.0.1:{}", self.proxy_port)
    }

    /// Whether the host is configured to reach witnesses.
    pub fn has_witness(&self) -> bool {
        self.host_flags.contains("--witness")
    }

    /// Address of the key service in the region.
    pub fn key_service(&self) -> Option<String> {
        let partition = Partition::of_region(&self.region)?;
        Some(format!("{}:443", partition.kms_host(&self.region)))
    }
}

/// `NAME=value` lines as systemd reads them: comments, quotes.
#[derive(Debug, Default)]
struct Values {
    values: BTreeMap<String, String>,
    odd_lines: Vec<usize>,
    odd_values: Vec<String>,
}

impl Values {
    fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            match line.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    let value = value.trim().trim_matches(['"', '\'']);
                    parsed.values.insert(name.trim().to_owned(), value.to_owned());
                }
                _ => parsed.odd_lines.push(at + 1),
            }
        }
        parsed
    }

    fn text(&self, name: &str, default: &str) -> String {
        let value = self.values.get(name).filter(|value| !value.is_empty());
        value.map_or(default, String::as_str).to_owned()
    }

    fn number<T: std::str::FromStr>(&mut self, name: &str, default: T) -> T {
        match self.values.get(name).filter(|value| !value.is_empty()).map(|v| v.parse()) {
            None => default,
            Some(Ok(number)) => number,
            Some(Err(_)) => {
                self.odd_values.push(name.to_owned());
                default
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_quotes_comments_and_defaults() {
        let text = "# c\n\nENCLAVE_CID=17\nA=\"b c\"\n;x\nPROXY_PORT=http\nnonsense\nE=\n";
        let mut values = Values::parse(text);
        assert_eq!(values.number("ENCLAVE_CID", 16), 17);
        assert_eq!(values.number("ENCLAVE_PORT", 5000), 5000);
        assert_eq!(values.number("PROXY_PORT", 8080), 8080);
        assert_eq!((values.text("A", ""), values.text("E", "d")), ("b c".into(), "d".into()));
        assert_eq!(values.odd_lines, [7]);
        assert_eq!(values.odd_values, ["PROXY_PORT"]);
    }
}
