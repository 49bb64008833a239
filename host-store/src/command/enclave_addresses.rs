//! The address of each port of the enclave: named, or by the machine's kind of vsock.
//!
//! ```text
//!                 named        else --hybrid PATH      else
//! requests        --engine     hybrid:PATH:5000        vsock:CID:5000
//! store ...       --listen-X   hybrid:PATH:5001 ...    vsock:any:5001 ...
//! diagnostics     --listen-X   hybrid:PATH:5002        vsock:any:5002, if the store is on vsock
//! heartbeat       --listen-X   hybrid:PATH:9000        nowhere: nitro-cli listens there
//! ```

use clap::Args;
use mortise_transport::{Address, VSOCK_CID_ANY, ports};
use std::path::PathBuf;

/// The enclave's addresses. ADDR is unix:PATH, vsock:CID:PORT or hybrid:PATH:PORT.
#[derive(Debug, Default, Args)]
pub struct EnclaveAddresses {
    /// The unix socket of the enclave's vsock (vhost-device-vsock, Firecracker): every address
    /// below that is not named is then hybrid:PATH:PORT with the standard port, 5000 for requests,
    /// 5001 store, 5002 diagnostics, 5003 credentials, 5004 witnesses, 8000 key service, 9000
    /// heartbeat. Sockets for the enclave's calls are made beside it, as PATH_PORT.
    #[arg(long, value_name = "PATH")]
    hybrid: Option<PathBuf>,
    /// Where the engine takes requests [default: vsock at the CID and port below].
    #[arg(long, visible_alias = "enclave", value_name = "ADDR")]
    engine: Option<Address>,
    /// The CID of the enclave. With it, other virtual machines are turned away.
    #[arg(long, env = "ENCLAVE_CID", default_value_t = 16)]
    enclave_cid: u32,
    /// The enclave's port for requests.
    #[arg(long, env = "ENCLAVE_PORT", default_value_t = ports::REQUESTS)]
    enclave_port: u32,
    /// Where the enclave reaches the store [default: vsock:any:5001].
    #[arg(long, value_name = "ADDR")]
    listen_store: Option<Address>,
    /// Where the enclave says what it does and why it stops [default: vsock:any:5002 when the
    /// store listens on vsock, else nowhere]. Lines go to the log and to DATA_DIR/diagnostics.
    #[arg(long, value_name = "ADDR")]
    listen_diagnostics: Option<Address>,
    /// Where the enclave gets credentials of the key service [default: vsock:any:5003].
    #[arg(long, value_name = "ADDR")]
    listen_credentials: Option<Address>,
    /// Where the enclave hands requests to witnesses over [default: vsock:any:5004].
    #[arg(long, value_name = "ADDR")]
    listen_witness: Option<Address>,
    /// Where the enclave reaches the relay to the key service [default: vsock:any:8000].
    #[arg(long, value_name = "ADDR")]
    listen_kms: Option<Address>,
    /// Where the heartbeat of the enclave's init is answered [default: nowhere]. On Nitro,
    /// nitro-cli answers it at port 9000 and this flag would be in its way.
    #[arg(long, value_name = "ADDR")]
    listen_heartbeat: Option<Address>,
}

impl EnclaveAddresses {
    /// Where the engine takes requests.
    pub fn engine(&self) -> Address {
        let vsock = Address::Vsock { cid: self.enclave_cid, port: self.enclave_port };
        let hybrid = self.hybrid(self.enclave_port);
        self.engine.clone().or(hybrid).unwrap_or(vsock)
    }

    /// Where it reaches the store.
    pub fn store(&self) -> Address {
        self.at(self.listen_store.as_ref(), ports::STORE)
    }

    /// Where it says what it does, if anywhere.
    pub fn diagnostics(&self) -> Option<Address> {
        let is_vsock = !matches!(self.store(), Address::Unix(_));
        let is_wanted = self.listen_diagnostics.is_some() || is_vsock;
        is_wanted.then(|| self.at(self.listen_diagnostics.as_ref(), ports::DIAGNOSTICS))
    }

    /// Where it gets credentials.
    pub fn credentials(&self) -> Address {
        self.at(self.listen_credentials.as_ref(), ports::CREDENTIALS)
    }

    /// Where it hands requests to witnesses over.
    pub fn witness(&self) -> Address {
        self.at(self.listen_witness.as_ref(), ports::WITNESS)
    }

    /// Where it reaches the relay.
    pub fn relay(&self) -> Address {
        self.at(self.listen_kms.as_ref(), ports::RELAY)
    }

    /// Where its init's heartbeat is answered, if anywhere.
    pub fn heartbeat(&self) -> Option<Address> {
        self.listen_heartbeat.clone().or_else(|| self.hybrid(ports::HEARTBEAT))
    }

    fn at(&self, named: Option<&Address>, port: u32) -> Address {
        let vsock = Address::Vsock { cid: VSOCK_CID_ANY, port };
        named.cloned().or_else(|| self.hybrid(port)).unwrap_or(vsock)
    }

    fn hybrid(&self, port: u32) -> Option<Address> {
        self.hybrid.clone().map(|path| Address::Hybrid { path, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        addresses: EnclaveAddresses,
    }

    /// Every address, in the order of their ports.
    fn addresses(flags: &str) -> Vec<String> {
        let args = std::iter::once("test").chain(flags.split_whitespace());
        let all = Flags::parse_from(args).addresses;
        [
            Some(all.engine()),
            Some(all.store()),
            all.diagnostics(),
            Some(all.credentials()),
            Some(all.witness()),
            Some(all.relay()),
            all.heartbeat(),
        ]
        .map(|address| address.map_or("none".into(), |address| address.to_string()))
        .to_vec()
    }

    #[test]
    fn without_flags_all_are_on_vsock_and_the_heartbeat_is_left_to_nitro() {
        assert_eq!(
            addresses("--enclave-cid 16 --enclave-port 5000"),
            [
                "vsock:16:5000",
                "vsock:any:5001",
                "vsock:any:5002",
                "vsock:any:5003",
                "vsock:any:5004",
                "vsock:any:8000",
                "none"
            ]
        );
    }

    #[test]
    fn one_flag_puts_all_behind_one_socket() {
        let expected: Vec<String> = [5000, 5001, 5002, 5003, 5004, 8000, 9000]
            .map(|port| format!("hybrid:/run/e.vsock:{port}"))
            .to_vec();
        assert_eq!(addresses("--enclave-port 5000 --hybrid /run/e.vsock"), expected);
    }

    #[test]
    fn a_named_address_is_used_and_diagnostics_stay_off_beside_a_unix_store() {
        let all = addresses("--listen-store unix:/a --enclave unix:/b");
        assert_eq!(
            (all[0].as_str(), all[1].as_str(), all[2].as_str()),
            ("unix:/b", "unix:/a", "none")
        );
        let all = addresses("--listen-store unix:/a --listen-diagnostics unix:/d");
        assert_eq!(all[2], "unix:/d");
        let all = addresses("--hybrid /v --listen-heartbeat vsock:any:9000 --listen-kms unix:/k");
        assert_eq!((all[5].as_str(), all[6].as_str()), ("unix:/k", "vsock:any:9000"));
    }
}
