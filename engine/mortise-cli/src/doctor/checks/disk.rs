//! The data folder: space, time of a sync, the parts that a start needs.

use super::super::facts::Facts;
use super::super::machine::{Machine, Trouble};
use super::super::report::Finding;
use std::time::Duration;

const MIB: u64 = 1024;
/// Less than this, in KiB, is a failure; four times as much a warning.
const FREE_KIB_MIN: u64 = 1024 * MIB;
/// A sync that takes longer slows every answer.
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
        return Finding::skip(id, "the answer of df is not understood");
    };
    let used = fields.get(4).copied().unwrap_or_default();
    let saw = format!("{folder}: {} MiB free, {used} used", free / MIB);
    let why =
        "a full disk refuses frames: the engine stops, and starts again only when there is room";
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
            Finding::ok(id, format!("4 KiB are on the disk after {} us", took.as_micros()))
        }
        Ok(took) => Finding::warn(
            id,
            format!("4 KiB are on the disk after {} ms", took.as_millis()),
            "every answer waits for a sync: this is the time that a lock takes at least",
            &["use a gp3 or io2 volume of its own for the data folder; look for its burst balance"],
        ),
        Err(Trouble::NotLive) => Finding::skip(id, Trouble::NotLive.to_string()),
        Err(Trouble::Missing) => Finding::skip(id, format!("{folder} does not exist yet")),
        Err(Trouble::Denied) => Finding::skip(id, "run doctor as root to try a write"),
        Err(trouble) => Finding::fail(
            id,
            format!("{folder}: {trouble}"),
            "what cannot be synced is not acknowledged, and the engine stops",
            &[
                "dmesg --level err,warn | tail -n 50",
                "mount | grep DATA-VOLUME   (is it read-only?)",
            ],
        ),
    }
}

/// Frames are segments in `log`, sealed values are in `index` and nowhere else.
fn log(machine: &dyn Machine, folder: &str) -> Finding {
    let id = "disk.log";
    let segments = match machine.list(&format!("{folder}/log")) {
        Ok(names) => names,
        Err(Trouble::Missing) => return Finding::skip(id, format!("{folder} has no log yet")),
        Err(Trouble::Denied) => return Finding::skip(id, "run doctor as root to look at the log"),
        Err(trouble) => {
            let why = "the host does not start without its log";
            let copy = "restore the folder from its copy";
            return Finding::fail(id, format!("{folder}/log: {trouble}"), why, &[copy]);
        }
    };
    let saw = format!("{} segments, the index beside them", segments.len());
    match machine.read(&format!("{folder}/index/db")) {
        Ok(_) => Finding::ok(id, saw),
        Err(trouble) => Finding::fail(
            id,
            format!("{} segments, but {folder}/index/db: {trouble}", segments.len()),
            "places of frames are found again from the log; the sealed keys are in the index alone",
            &["restore the whole folder from its copy", "mortise-host verify --data-dir DIR"],
        ),
    }
}
