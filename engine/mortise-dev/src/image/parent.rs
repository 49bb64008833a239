//! The processes beside the machine: key service and host.

use super::BootArgs;
use super::folder::BootFolder;
use super::keys;
use crate::dev::{Child, KmsReady, Notice};
use mortise_cli::failure::Failure;
use mortise_transport::ports;
use std::ffi::OsString;
use std::time::Duration;
use tokio::time::timeout;

/// Both processes, or neither.
#[derive(Debug, Default)]
pub(super) struct Parent {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    kms: Child,
    host: Child,
    url: String,
}

/// Longest time for a process of ours to say that it listens.
const CHILD_MAX: Duration = Duration::from_secs(30);

impl Parent {
    /// No process listens.
    pub fn none() -> Self {
        Self::default()
    }

    /// Starts both and waits until they listen.
    pub async fn start(args: &BootArgs, folder: &BootFolder) -> Result<Self, Failure> {
        let mut kms = Child::start(&kms_args(args, folder)).map_err(Failure::system)?;
        let ready = match first_notice(&mut kms, "the key service").await? {
            Notice::KmsReady(ready) => ready,
            _ => return Err(Failure::system("the key service sent another notice")),
        };
        let mut host = Child::start(&host_args(args, folder, &ready)).map_err(Failure::system)?;
        let url = match first_notice(&mut host, "the host").await? {
            Notice::HostReady { http, .. } => http,
            _ => return Err(Failure::system("the host sent another notice")),
        };
        Ok(Self { running: Some(Running { kms, host, url }) })
    }

    /// The gateway; empty when there is none.
    pub fn url(&self) -> &str {
        self.running.as_ref().map_or("", |running| &running.url)
    }

    /// The process of the host.
    pub fn host_id(&self) -> Option<u32> {
        self.running.as_ref().and_then(|running| running.host.id())
    }

    /// Who runs, for people.
    pub fn processes(&self) -> String {
        let id = |child: &Child| child.id().unwrap_or_default();
        self.running.as_ref().map_or_else(
            || String::from("no key service, no host, "),
            |Running { kms, host, .. }| {
                format!("key service is process {}, host is process {}, ", id(kms), id(host))
            },
        )
    }

    /// The first end of one of them. Cancel-safe.
    pub async fn one_ended(&mut self) -> Failure {
        let Some(Running { kms, host, .. }) = &mut self.running else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = host.ended() => Failure::system("the host ended: see its log above"),
            _ = kms.ended() => Failure::system("the key service ended: see its log above"),
        }
    }

    /// Stops both in order.
    pub async fn stop(&mut self) {
        if let Some(Running { kms, host, .. }) = &mut self.running {
            host.stop().await;
            kms.stop().await;
        }
    }
}

/// The first notice of a child.
async fn first_notice(child: &mut Child, what: &str) -> Result<Notice, Failure> {
    match timeout(CHILD_MAX, child.notice()).await {
        Ok(Some(Notice::Failed { reason })) => Err(Failure::system(format!("{what}: {reason}"))),
        Ok(Some(notice)) => Ok(notice),
        Ok(None) => Err(Failure::system(format!("{what} ended while it started"))),
        Err(_) => Err(Failure::system(format!("{what} does not start"))),
    }
}

fn kms_args(args: &BootArgs, folder: &BootFolder) -> Vec<OsString> {
    let mut kms: Vec<OsString> = vec!["dev-kms".into(), "--data-dir".into(), folder.kms().into()];
    kms.extend(["--log".into(), OsString::from(&args.log)]);
    kms.extend(keys::flags(folder));
    if !args.refuse_unsigned {
        kms.push("--accept-unsigned-documents".into());
    }
    kms
}

fn host_args(args: &BootArgs, folder: &BootFolder, kms: &KmsReady) -> Vec<OsString> {
    let at = |port: u32| OsString::from(folder.at(port).to_string());
    let mut credentials = OsString::from("file=");
    credentials.push(&kms.credentials);
    let mut host: Vec<OsString> = vec!["dev-host".into()];
    for (flag, value) in [
        ("--data-dir", folder.store().into()),
        ("--listen-store", at(ports::STORE)),
        ("--engine", at(ports::REQUESTS)),
        ("--http", args.http.to_string().into()),
        ("--kms", kms.address.clone().into()),
        ("--listen-kms", at(ports::RELAY)),
        ("--listen-credentials", at(ports::CREDENTIALS)),
        ("--listen-diagnostics", at(ports::DIAGNOSTICS)),
        ("--listen-heartbeat", at(ports::HEARTBEAT)),
        ("--credentials", credentials),
        // what the enclave says is on its console already
        ("--log", format!("{},enclave=off", args.log).into()),
    ] {
        host.extend([flag.into(), value]);
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        boot: BootArgs,
    }

    #[test]
    fn key_service_of_a_boot_accepts_unsigned_documents_by_default() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = BootFolder::open(temporary.path()).unwrap();
        let flags = |line: &[&str]| kms_args(&Line::parse_from(line).boot, &folder);
        let switch = OsString::from("--accept-unsigned-documents");
        assert!(flags(&["boot"]).contains(&switch));
        assert!(!flags(&["boot", "--refuse-unsigned"]).contains(&switch));
    }
}
