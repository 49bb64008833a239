//! The ports of the parent that the enclave connects to: store, diagnostics, credentials,
//! witnesses, key service. "Proxy failure".

use super::super::facts::Facts;
use super::super::machine::{HttpAsk, Machine, Trouble};
use super::super::report::Finding;
use mortise_transport::ports;

/// Ports on which the parent listens for the enclave.
const PORTS: [(&str, u32, &str); 5] = [
    ("proxy.store", ports::STORE, "the engine stores its log through it, and stops without it"),
    (
        "proxy.diagnostics",
        ports::DIAGNOSTICS,
        "the enclave reports here why it stops; without a listener the report is lost",
    ),
    (
        "proxy.credentials",
        ports::CREDENTIALS,
        "the engine gets its credentials for the key service through it",
    ),
    (
        "proxy.witness",
        ports::WITNESS,
        "the engine reaches its witnesses through it, and answers only after they cosign",
    ),
    (
        "proxy.kms",
        ports::RELAY,
        "the engine reaches the key service through it, and cannot unwrap its keys without it",
    ),
];

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    let listening = machine.run("ss", &["--vsock", "--listening", "--numeric", "--no-header"]);
    let text = listening.map(|ran| ran.stdout);
    let ports = PORTS.iter().map(|(id, port, why)| match &text {
        _ if *port == ports::WITNESS && !facts.settings.has_witness() => Finding::skip(
            id,
            "MORTISE_HOST_ARGS has no --witness: correct for a genesis without witnesses",
        ),
        Ok(text) => listens(text, id, *port, why, facts),
        Err(Trouble::Missing) => Finding::skip(id, "there is no ss (package iproute2)"),
        Err(trouble) => Finding::skip(id, format!("ss: {trouble}")),
    });
    ports.chain([endpoint(machine, facts), relayed(machine, facts)]).collect()
}

fn listens(text: &str, id: &'static str, port: u32, why: &str, facts: &Facts) -> Finding {
    let local = |line: &str| line.split_whitespace().nth(4).map(str::to_owned);
    let is_open = text.lines().filter_map(local).any(|local| local.ends_with(&format!(":{port}")));
    if is_open {
        return Finding::ok(id, format!("a process listens on vsock port {port}"));
    }
    let saw = format!("nothing listens on vsock port {port}");
    let restart = "sudo systemctl restart mortise-host.service";
    if port == ports::DIAGNOSTICS {
        // The engine serves without it.
        let flag = "MORTISE_HOST_ARGS in /etc/mortise/mortise.env: --listen-diagnostics elsewhere?";
        return Finding::warn(id, saw, why, &[restart, flag]);
    }
    let closed = Finding::fail(id, saw, why, &[restart]);
    let key_service = facts.settings.key_service();
    let key_service = key_service.as_deref().unwrap_or("kms.REGION.amazonaws.com:443");
    match port {
        ports::RELAY => closed
            .then("sudoedit /etc/mortise/mortise.env   (AWS_REGION: without it there is no relay)")
            .then(format!("or Amazon's: vsock-proxy 8000 {}", key_service.replace(':', " "))),
        ports::CREDENTIALS => closed.then(
            "sudoedit /etc/mortise/mortise.env   (AWS_REGION: without it the host fetches none)",
        ),
        ports::WITNESS => {
            closed.then("journalctl -u mortise-host.service -n 50   (lines about witnesses)")
        }
        _ => closed.then(
            "journalctl -u mortise-host.service -n 50   (a locked folder, a damaged \
         log, a used port)",
        ),
    }
}

/// Connects from the parent to the key service.
fn endpoint(machine: &dyn Machine, facts: &Facts) -> Finding {
    let id = "kms.endpoint";
    let Some(to) = facts.settings.key_service() else {
        return Finding::skip(id, "AWS_REGION is not set in /etc/mortise/mortise.env");
    };
    match machine.connect_tcp(&to) {
        Ok(()) => Finding::ok(id, format!("{to} accepts connections")),
        Err(Trouble::NotLive) => Finding::skip(id, Trouble::NotLive.to_string()),
        Err(trouble) => Finding::fail(
            id,
            format!("{to}: {trouble}"),
            "the relay connects there for the enclave; without it the engine does not start",
            &[
                "allow outbound 443 in the security group; give the subnet a route: NAT, or a VPC \
                 endpoint com.amazonaws.REGION.kms",
                &format!("getent hosts {}", to.trim_end_matches(":443")),
            ],
        ),
    }
}

/// The connections that the host counted on the relay.
fn relayed(machine: &dyn Machine, facts: &Facts) -> Finding {
    let (id, to) = ("kms.relay", facts.settings.gateway());
    let answer = match machine.http(&HttpAsk::get(&to, "/metrics")) {
        Ok(answer) if answer.status == 200 => answer.body,
        Ok(answer) => return Finding::skip(id, format!("/metrics: status {}", answer.status)),
        Err(trouble) => return Finding::skip(id, format!("/metrics: {trouble}")),
    };
    let count = |outcome: &str| {
        let series = format!("mortise_host_relay_connections_total{{outcome=\"{outcome}\"}} ");
        let value = answer.lines().find_map(|line| line.strip_prefix(&series));
        value.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or_default()
    };
    let [whole, unreachable, away] = ["whole", "unreachable", "turned_away"].map(count);
    let saw = format!(
        "{whole} complete, {unreachable} unreachable, {away} refused since the host started"
    );
    if unreachable == 0 && away == 0 {
        return Finding::ok(id, saw);
    }
    Finding::warn(
        id,
        saw,
        "connections to the key service failed: it is not reachable, or an enclave with a CID \
         other than ENCLAVE_CID connected",
        &["journalctl -u mortise-host.service -n 50", "see kms.endpoint and enclave.cid"],
    )
}
