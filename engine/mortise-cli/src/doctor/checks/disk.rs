//! The data folder: free space, sync latency, the files that a start needs.

use super::super::facts::Facts;
use super::super::machine::{Machine, Trouble};
use super::super::report::Finding;
use std::time::Duration;

const MIB: u64 = 1024;
/// Free space in KiB. Less is a failure; less than four times as much is a warning.
const FREE_KIB_MIN: u64 = 1024 * MIB;
/// Every answer waits for a sync; a longer one is a warning.
const SYNC_TIME_MAX: Duration = Duration::from_millis(20);

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    let folder = &facts.settings.data_folder;
    vec![space(machine, folder), sync(machine, folder), log(machine, folder)]
}

fn space(machine: &dyn Machine, folder: &str) -> Finding {
    let id = "disk.space";
    let ran = match machine.run("df", &["-Pk", folder]) {
        Ok(ran) if ran.success => ran,
        Ok(ran) => return Finding::skip(id, format!("df: {}", ran.stderr.trim())),
        Err(trouble) => return Finding::skip(id, format!("df: {trouble}")),
    };
    let fields: Vec<&str> =
        ran.stdout.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    let Some(free) = fields.get(3).and_then(|free| free.parse::<u64>().ok()) else {
        return Finding::skip(id, "the output of df has an unknown format");
    };
    let used = fields.get(4).copied().unwrap_or_default();
    let saw = format!("{folder}: {} MiB free, {used} used", free / MIB);
    let why = "when the disk is full, the engine stops and does not start until there is space";
    let grow = [
        "aws ec2 modify-volume --volume-id VOLUME --size GIB",
        "sudo xfs_growfs / || sudo \
                resize2fs DEVICE",
    ];
    match free {
        ..FREE_KIB_MIN => Finding::fail(id, saw, why, &grow),
        free if free / 4 < FREE_KIB_MIN => Finding::warn(id, saw, why, &grow),
        _ => Finding::ok(id, saw),
    }
}

fn sync(machine: &dyn Machine, folder: &str) -> Finding {
    let id = "disk.sync";
    match machine.sync_time(folder) {
        Ok(took) if took <= SYNC_TIME_MAX => {
            Finding::ok(id, format!("a sync of 4 KiB takes {} us", took.as_micros()))
        }
        Ok(took) => Finding::warn(
            id,
            format!("a sync of 4 KiB takes {} ms", took.as_millis()),
            "every answer waits for a sync, so this is the minimum latency of a lock",
            &["use a separate gp3 or io2 volume for the data folder; check its burst balance"],
        ),
        Err(Trouble::NotLive) => Finding::skip(id, Trouble::NotLive.to_string()),
        Err(Trouble::Missing) => Finding::skip(id, format!("{folder} does not exist yet")),
        Err(Trouble::Denied) => Finding::skip(id, "run doctor as root to test a write"),
        Err(trouble) => Finding::fail(
            id,
            format!("{folder}: {trouble}"),
            "a frame that is not synced is not acknowledged, and the engine stops",
            &[
                "dmesg --level err,warn | tail -n 50",
                "mount | grep DATA-VOLUME   (is it read-only?)",
            ],
        ),
    }
}

/// Frames are in the segments of `log`. Sealed keys are in `index` only.
fn log(machine: &dyn Machine, folder: &str) -> Finding {
    let id = "disk.log";
    let segments = match machine.list(&format!("{folder}/log")) {
        Ok(names) => names,
        Err(Trouble::Missing) => return Finding::skip(id, format!("{folder} has no log yet")),
        Err(Trouble::Denied) => return Finding::skip(id, "run doctor as root to read the log"),
        Err(trouble) => {
            let why = "the host does not start without its log";
            let copy = "restore the folder from a backup";
            return Finding::fail(id, format!("{folder}/log: {trouble}"), why, &[copy]);
        }
    };
    let saw = format!("{} segments and the index", segments.len());
    match machine.read(&format!("{folder}/index/db")) {
        Ok(_) => Finding::ok(id, saw),
        Err(trouble) => Finding::fail(
            id,
            format!("{} segments, but {folder}/index/db: {trouble}", segments.len()),
            "frame offsets can be rebuilt from the log, but only the index holds the sealed keys",
            &["restore the whole folder from a backup", "mortise-host verify --data-dir DIR"],
        ),
    }
}
