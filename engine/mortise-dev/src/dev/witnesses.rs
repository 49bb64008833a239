//! Witnesses of the development system: processes of their own, on folders of the data folder.
//!
//! What it does not do: make the log safer against the owner of this machine, who also owns the
//! witnesses. It shows what witnesses do.

use super::children::Child;
use super::folder::{Folder, FolderError};
use super::notice::Notice;
use mortise_format::genesis::Genesis;
use mortise_format::policy::Policy;
use mortise_format::witness::WitnessKey;
use std::ffi::OsString;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::task::Poll;

/// How many there are, and how many must cosign.
const COUNT: u8 = 3;
pub(crate) const QUORUM: u32 = 2;

/// Running witnesses.
#[derive(Debug)]
pub(crate) struct LocalWitnesses {
    children: Vec<Child>,
    routes: WitnessRoutes,
}

/// Addresses of witnesses, and the logs that they know.
#[derive(Debug, Clone)]
pub(crate) struct WitnessRoutes {
    /// `VERIFIER_KEY URL` of each.
    places: Vec<String>,
    logs: PathBuf,
}

impl WitnessRoutes {
    /// These and others, `VERIFIER_KEY URL` each.
    pub fn and(mut self, others: &[String]) -> Self {
        self.places.extend_from_slice(others);
        self
    }

    /// The addresses of the witnesses, `HOST:PORT` each.
    pub fn addresses(&self) -> Vec<String> {
        let url = |place: &String| place.split_once(" http://").map(|(_, at)| at.to_owned());
        self.places.iter().filter_map(url).collect()
    }

    /// The verifier keys of the witnesses.
    pub fn verifier_keys(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|place| place.split(' ').next())
    }

    /// The same witnesses at other addresses, for a relay in front of each.
    pub fn at(&self, addresses: &[String]) -> Self {
        let places = self
            .verifier_keys()
            .zip(addresses)
            .map(|(key, at)| format!("{key} http://{at}"))
            .collect();
        Self { places, logs: self.logs.clone() }
    }

    /// Adds a log that they know.
    pub fn know(&self, log_key: &str) -> io::Result<()> {
        if let Some(folder) = self.logs.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let known = std::fs::read_to_string(&self.logs).unwrap_or_default();
        match known.lines().any(|line| line == log_key) {
            true => Ok(()),
            false => std::fs::write(&self.logs, format!("{known}{log_key}\n")),
        }
    }

    /// More flags of the host, for the witness proxy.
    pub fn host_args(&self, folder: &Folder) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        for place in &self.places {
            args.extend(["--witness".into(), place.into()]);
        }
        if !args.is_empty() {
            args.extend(["--listen-witness".into(), folder.witness_address()]);
        }
        args
    }

    /// More flags of the engine, for the witness proxy.
    pub fn engine_args(&self, folder: &Folder) -> Vec<OsString> {
        match self.places.is_empty() {
            true => Vec::new(),
            false => vec!["--witness".into(), folder.witness_address()],
        }
    }
}

/// Adds the witnesses of this folder to a policy; makes their keys if necessary.
pub(crate) fn enter(root: &Path, policy: &mut Policy) -> Result<(), FolderError> {
    policy.witnesses = (1..=COUNT).map(|n| key(root, n)).collect::<Result<_, _>>()?;
    policy.witnesses.sort_by_key(|witness| witness.key);
    policy.witnesses_min = QUORUM;
    Ok(())
}

fn home(root: &Path, n: u8) -> PathBuf {
    root.join("witnesses").join(format!("w{n}"))
}

fn key(root: &Path, n: u8) -> Result<WitnessKey, FolderError> {
    let wrong = |error: mortise_witness::FolderError| FolderError::Io {
        what: String::from("the key of a witness"),
        error: io::Error::other(error),
    };
    let folder = mortise_witness::Folder::open(&home(root, n)).map_err(wrong)?;
    let name = format!("w{n}.mortise.localhost");
    let signer = folder.key(Some(&name), &mortise_client::random_request_id().0).map_err(wrong)?;
    Ok(WitnessKey { key: *signer.verifier().public_key(), name })
}

impl LocalWitnesses {
    /// Starts the witnesses of this folder that its genesis names.
    pub async fn start(folder: &Folder, genesis: &Genesis) -> Result<Self, String> {
        let root = folder.root();
        let logs = root.join("witnesses").join("logs.txt");
        let routes = WitnessRoutes { places: Vec::new(), logs };
        let mut witnesses = Self { children: Vec::new(), routes };
        let is_here = |n: &u8| home(root, *n).join("key").exists();
        if genesis.policy.witnesses.is_empty() {
            return Ok(witnesses);
        }
        for n in (1..=COUNT).filter(is_here) {
            witnesses.start_one(&home(root, n)).await?;
        }
        Ok(witnesses)
    }

    async fn start_one(&mut self, home: &Path) -> Result<(), String> {
        let mut args: Vec<OsString> = vec!["dev-witness".into()];
        args.extend(["--listen".into(), "127.0.0.1:0".into()]);
        args.extend([
            "--data-dir".into(),
            home.into(),
            "--logs".into(),
            (&self.routes.logs).into(),
        ]);
        let mut child = Child::start(&args).map_err(|error| error.to_string())?;
        match child.notice().await {
            Some(Notice::WitnessReady { url, verifier_key }) => {
                self.routes.places.push(format!("{verifier_key} {url}"));
                self.children.push(child);
                Ok(())
            }
            _ => Err(String::from("a witness does not start")),
        }
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.children.len()
    }

    /// Where they are.
    pub fn routes(&self) -> WitnessRoutes {
        self.routes.clone()
    }

    /// Waits until one of them ends; forever if there are none.
    pub async fn one_ended(&mut self) -> io::Result<ExitStatus> {
        let mut ends: Vec<_> =
            self.children.iter_mut().map(|child| Box::pin(child.ended())).collect();
        let any = poll_fn(|context| {
            for end in &mut ends {
                if let Poll::Ready(status) = end.as_mut().poll(context) {
                    return Poll::Ready(status);
                }
            }
            Poll::Pending
        });
        any.await
    }

    /// Stops them in order.
    pub async fn stop(&mut self) {
        for child in &mut self.children {
            child.stop().await;
        }
    }
}
