//! The enclave's ways out: store, diagnostics, credentials, witnesses, key service; "proxy
//! failure".

use super::super::facts::Facts;
use super::super::machine::{HttpAsk, Machine, Trouble};
use super::super::report::Finding;
use mortise_transport::ports;

/// Ports at which the parent listens for the enclave.
const PORTS: [(&str, u32, &str); 5] = [
    ("proxy.store", ports::STORE, "the engine keeps its log through it, and stops without it"),
    (
        "proxy.diagnostics",
        ports::DIAGNOSTICS,
        "the enclave says there why it stops; nobody hears it",
    ),
    (
        "proxy.credentials",
        ports::CREDENTIALS,
        "the engine gets its credentials for the key service through it",
    ),
    (
        "proxy.witness",
        ports::WITNESS,
        "an engine with witnesses answers after they cosigned, and reaches them through it",
    ),
    (
        "proxy.kms",
        ports::RELAY,
        "the engine reaches the key service through it and cannot open its keys without",
    ),
];

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    let listening = machine.run("ss", &["--vsock", "--listening", "--numeric", "--no-header"]);
    let text = listening.map(|ran| ran.stdout);
    let ports = PORTS.iter().map(|(id, port, why)| match &text {
        _ if *port == ports::WITNESS && !facts.settings.has_witness() => {
            Finding::skip(id, "MORTISE_HOST_ARGS has no --witness: right for a genesis without")
        }
        Ok(text) => listens(text, id, *port, why, facts),
        Err(Trouble::Missing) => Finding::skip(id, "there is no ss (package iproute2)"),
        Err(trouble) => Finding::skip(id, format!("ss: {trouble}")),
    });
    ports.chain([endpoint(machine, facts), relayed(machine, facts)]).collect()
}

fn listens(text: &str, id: &'static str, port: u32, why: &str, facts: &Facts) -> Finding {
    let local = |line: &str| line.split_whitespace().nth(4).map(str::to_owned);
    let found = text.lines().filter_map(local).any(|local| local.ends_with(&format!(":{port}")));
    if found {
        return Finding::ok(id, format!("somebody listens at vsock port {port}"));
    }
    let saw = format!("nobody listens at vsock port {port}");
    let again = "sudo systemctl restart mortise-host.service";
    if port == ports::DIAGNOSTICS {
        // The engine serves without it.
        let flag = "MORTISE_HOST_ARGS in /etc/mortise/mortise.env: --listen-diagnostics elsewhere?";
        return Finding::warn(id, saw, why, &[again, flag]);
    }
    let found = Finding::fail(id, saw, why, &[again]);
    let region = if facts.settings.region.is_empty() { "REGION" } else { &facts.settings.region };
    match port {
        ports::RELAY => found
            .then("sudoedit /etc/mortise/mortise.env   (AWS_REGION: without it there is no relay)")
            .then(format!("or Amazon's: vsock-proxy 8000 kms.{region}.amazonaws.com 443")),
        ports::CREDENTIALS => found.then(
            "sudoedit /etc/mortise/mortise.env   (AWS_REGION: without it nobody fetches them)",
        ),
        ports::WITNESS => {
            found.then("journalctl -u mortise-host.service -n 50   (a witness's line?)")
        }
        _ => found.then("journalctl -u mortise-host.service -n 50   (a lock, a bad log, a port?)"),
    }
}

/// From the parent to the key service.
fn endpoint(machine: &dyn Machine, facts: &Facts) -> Finding {
    let id = "kms.endpoint";
    let Some(to) = facts.settings.key_service() else {
        return Finding::skip(id, "AWS_REGION is not set in /etc/mortise/mortise.env");
    };
    match machine.connect_tcp(&to) {
        Ok(()) => Finding::ok(id, format!("{to} takes connections")),
        Err(Trouble::NotLive) => Finding::skip(id, Trouble::NotLive.to_string()),
        Err(trouble) => Finding::fail(
            id,
            format!("{to}: {trouble}"),
            "the relay connects there for the enclave: without a way the engine does not start",
            &[
                "the security group needs outbound 443; the subnet a route: NAT, or a VPC endpoint \
                 com.amazonaws.REGION.kms",
                "getent hosts kms.REGION.amazonaws.com",
            ],
        ),
    }
}

/// What the host counted of the relay and of credentials.
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
    let saw =
        format!("{whole} whole, {unreachable} unreachable, {away} turned away since its start");
    if unreachable == 0 && away == 0 {
        return Finding::ok(id, saw);
    }
    Finding::warn(
        id,
        saw,
        "connections to the key service failed: no way to it, or another CID than ENCLAVE_CID \
         asked",
        &["journalctl -u mortise-host.service -n 50", "see kms.endpoint and enclave.cid"],
    )
}
