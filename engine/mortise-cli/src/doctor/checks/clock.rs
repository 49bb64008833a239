//! The parent's clock, and its offset from engine time.
//!
//! The engine never uses the parent's time. A wrong parent clock still causes problems: credentials
//! look expired, logs do not line up, verifiers on this machine reject a fresh document as stale.

use super::super::facts::Facts;
use super::super::machine::{Machine, Trouble};
use super::super::report::Finding;

/// Seconds that two clocks may differ.
const OFFSET_SECONDS_MAX: f64 = 1.0;
const ENGINE_OFFSET_SECONDS_MAX: u64 = 5;
const START: &str = "sudo systemctl enable --now chronyd.service";
const MAKE_STEP: &str = "sudo chronyc makestep";

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    vec![sync(machine), engine(machine, facts)]
}

fn sync(machine: &dyn Machine) -> Finding {
    let id = "clock.sync";
    match machine.run("chronyc", &["-c", "tracking"]) {
        Ok(ran) if ran.success => chrony(id, ran.stdout.trim()),
        Err(Trouble::NotLive) => Finding::skip(id, Trouble::NotLive.to_string()),
        _ => kernel(machine, id),
    }
}

/// Parses `tracking`: field 5 is the offset of the system clock, the last field is the state.
fn chrony(id: &'static str, line: &str) -> Finding {
    let fields: Vec<&str> = line.split(',').collect();
    let offset = fields.get(4).and_then(|field| field.parse::<f64>().ok());
    let state = fields.last().copied().unwrap_or_default();
    let (Some(offset), true) = (offset, fields.len() >= 13) else {
        return Finding::skip(id, "the output of chronyc has an unknown format");
    };
    let saw = format!("chrony: {state}, {offset:.6} s from true time");
    if state == "Normal" && offset.abs() <= OFFSET_SECONDS_MAX {
        return Finding::ok(id, saw);
    }
    Finding::warn(id, saw, WHY, &[START, MAKE_STEP])
}

const WHY: &str = "credentials look expired and documents stale on this machine; the engine itself \
                   does not use this clock";

/// The state of the kernel clock (adjtimex), through timedatectl.
fn kernel(machine: &dyn Machine, id: &'static str) -> Finding {
    let args = ["show", "--property=NTPSynchronized", "--value"];
    match machine.run("timedatectl", &args) {
        Ok(ran) if ran.stdout.trim() == "yes" => {
            Finding::ok(id, "the kernel's clock is synchronized")
        }
        Ok(ran) if ran.stdout.trim() == "no" => {
            Finding::warn(id, "the kernel's clock is not synchronized", WHY, &[START, MAKE_STEP])
        }
        _ => Finding::skip(id, "neither chronyc nor timedatectl answers"),
    }
}

fn engine(machine: &dyn Machine, facts: &Facts) -> Finding {
    let id = "clock.engine";
    let time = facts.health.as_ref().ok().and_then(|health| health["timestamp"].as_u64());
    let Some(time) = time.filter(|time| *time > 0) else {
        return Finding::skip(id, "the engine reports no time");
    };
    let now = machine.now();
    let (apart, side) = (now.abs_diff(time), if now > time { "ahead of" } else { "behind" });
    let saw = format!("this machine is {apart} s {side} the engine");
    if apart <= ENGINE_OFFSET_SECONDS_MAX {
        return Finding::ok(id, format!("{apart} s from engine time"));
    }
    let why = "engine time comes from the security module, so the clock of this machine is wrong";
    Finding::warn(id, saw, why, &[MAKE_STEP, START])
}
