//! Whether the engine answers: on its vsock port, with which health, and through the gateway.

use super::super::advice::advice;
use super::super::facts::Facts;
use super::super::machine::{HttpAsk, Machine, Trouble};
use super::super::report::Finding;

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    vec![vsock(machine, facts), health(facts), gateway(machine, facts), ready(machine, facts)]
}

/// "vsock connection refused".
fn vsock(machine: &dyn Machine, facts: &Facts) -> Finding {
    let (id, address) = ("vsock.engine", facts.settings.engine());
    let trouble = match machine.connect(&address) {
        Ok(()) => return Finding::ok(id, format!("{address} accepts connections")),
        Err(Trouble::NotLive) => return Finding::skip(id, Trouble::NotLive.to_string()),
        Err(trouble) => trouble,
    };
    let saw = format!("{address}: {trouble}");
    let why = "requests reach the engine only through this port";
    match facts.enclave() {
        None => Finding::fail(id, saw, why, &["see enclave.running above: no enclave runs"]),
        Some(enclave) if enclave.cid != facts.settings.enclave_cid => {
            let see = format!("see enclave.cid above: the enclave has CID {}", enclave.cid);
            Finding::fail(id, saw, why, &[&see])
        }
        Some(_) => Finding::fail(
            id,
            saw,
            "an enclave runs with this CID, but nothing in it listens: it is still starting, its \
             measured configuration has another port, or the engine has stopped",
            &["mortise doctor --last-crash", "sudo systemctl restart mortise-enclave.service"],
        ),
    }
}

fn health(facts: &Facts) -> Finding {
    let id = "engine.health";
    if let Err(trouble) = &facts.health {
        return Finding::skip(id, format!("the engine does not answer: {trouble}"));
    }
    let text = |field| facts.health_text(field);
    let (phase, mode, fault) = (text("phase"), text("mode"), text("fault"));
    let saw = format!("phase {phase}, {mode}, version {}", text("version"));
    match (phase, mode) {
        ("fault", _) => {
            let advice = advice(fault, Some(17));
            Finding::fail(id, format!("{saw}, fault {fault}"), advice.meaning, advice.next)
        }
        (_, "debug") => Finding::fail(
            id,
            format!("{saw}: DEBUG MODE"),
            "every verifier refuses its documents, and its promises bind no one",
            &["sudo systemctl restart mortise-enclave.service   (without --debug-mode)"],
        ),
        (_, "emulated") => Finding::fail(
            id,
            format!("{saw}: EMULATED MODULE"),
            "the image is for local boots: its documents are unsigned, and every verifier refuses \
             them",
            &["mortise image build --out DIR   (with module = \"nitro\" in enclave.toml)"],
        ),
        ("ready", _) => Finding::ok(id, saw),
        _ => Finding::warn(
            id,
            saw,
            "it is not ready yet: it replays the log, or waits for witnesses",
            &["mortise --json health | jq .phase   (again in a minute)"],
        ),
    }
}

fn gateway(machine: &dyn Machine, facts: &Facts) -> Finding {
    let (id, to) = ("host.gateway", facts.settings.gateway());
    match machine.http(&HttpAsk::get(&to, "/healthz")) {
        Ok(answer) if answer.status == 200 => {
            Finding::ok(id, format!("http://{to}/healthz: {}", answer.body.trim()))
        }
        Ok(answer) if answer.status == 503 => Finding::fail(
            id,
            format!("http://{to}/healthz: {}", answer.body.trim()),
            "the store takes no frames, so commits wait",
            &["df -h /var/lib/mortise", "mortise explain DISK_FULL"],
        ),
        Ok(answer) => Finding::fail(
            id,
            format!("http://{to}/healthz: status {}", answer.status),
            "another program uses the port of mortise-host",
            &["sudo ss --listening --tcp --processes --numeric"],
        ),
        Err(Trouble::NotLive) => Finding::skip(id, Trouble::NotLive.to_string()),
        Err(trouble) => Finding::fail(
            id,
            format!("http://{to}/healthz: {trouble}"),
            "HTTP clients reach the engine through mortise-host",
            &[
                "sudo systemctl restart mortise-host.service",
                "journalctl -u mortise-host.service -n 50",
            ],
        ),
    }
}

fn ready(machine: &dyn Machine, facts: &Facts) -> Finding {
    let (id, to) = ("host.ready", facts.settings.gateway());
    match machine.http(&HttpAsk::get(&to, "/readyz")) {
        Ok(answer) if answer.status == 200 => Finding::ok(id, format!("http://{to}/readyz: ready")),
        Ok(answer) => Finding::fail(
            id,
            format!("http://{to}/readyz: status {}", answer.status),
            "the gateway works, but the engine is not ready or not reachable",
            &["see vsock.engine and engine.health above"],
        ),
        Err(trouble) => Finding::skip(id, format!("the gateway does not answer: {trouble}")),
    }
}
