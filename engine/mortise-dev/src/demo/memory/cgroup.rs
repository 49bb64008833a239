//! A memory cgroup around a process: the kernel kills it when it needs more.
//!
//! What is charged before the process is moved stays with its old group (cgroups(7)), so the limit
//! counts what the process takes from then on. The group of this process is the parent of the new
//! one where groups are version 2 and may have children; version 1 has a hierarchy for memory.

use std::fs;
use std::path::{Path, PathBuf};

/// A group of one process, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Cgroup {
    folder: PathBuf,
    back: PathBuf,
    process: u32,
}

impl Cgroup {
    /// Limits what a process takes from now on. `None` where groups cannot be made.
    pub fn limit(name: &str, process: u32, bytes: usize) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let (parent, limit) = parent(&own)?;
        let folder = parent.join(format!("mortise-{name}-{process}"));
        fs::create_dir(&folder).ok()?;
        let group = Self { folder, back: parent, process };
        fs::write(group.folder.join(limit), bytes.to_string()).ok()?;
        move_into(&group.folder, process)?;
        Some(group)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A group with a process cannot be removed.
        let _ = move_into(&self.back, self.process);
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The memory group of this process, and the name of the file with its limit.
fn parent(own: &str) -> Option<(PathBuf, &'static str)> {
    let root = Path::new("/sys/fs/cgroup");
    let of = |controllers: &str| {
        own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let is_it = parts.next()?.split(',').any(|name| name == controllers);
            is_it
                .then(|| parts.next())
                .flatten()
                .map(|path| path.trim_start_matches('/').to_owned())
        })
    };
    if let Some(path) = of("memory") {
        let inside = root.join("memory").join(path);
        // In a container the hierarchy may be mounted at the own group.
        let folder = if inside.is_dir() { inside } else { root.join("memory") };
        return Some((folder, "memory.limit_in_bytes"));
    }
    Some((root.join(of("")?), "memory.max"))
}

fn move_into(folder: &Path, process: u32) -> Option<()> {
    fs::write(folder.join("cgroup.procs"), process.to_string()).ok()
}
