//! Compares what the allocator was configured to reserve with what is reserved now.
//!
//! The allocator's "Successfully allocated" describes the moment when it ran. These checks read
//! the huge pages and the CPU pool that the kernel holds now.

use super::super::facts::Facts;
use super::super::machine::{Machine, Trouble};
use super::super::report::Finding;

const CONFIG: &str = "/etc/nitro_enclaves/allocator.yaml";
const NODES: &str = "/sys/devices/system/node";
const POOL: &str = "/sys/module/nitro_enclaves/parameters/ne_cpus";
const RESTART: &str = "sudo systemctl restart nitro-enclaves-allocator.service";
const EDIT: &str = "sudoedit /etc/nitro_enclaves/allocator.yaml";

pub(super) fn check(machine: &dyn Machine, facts: &Facts) -> Vec<Finding> {
    let (config, wanted) = config(machine);
    vec![config, memory(machine, &wanted), pool(machine, facts, &wanted)]
}

/// The reservation that the file requests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    memory_mib: Option<u64>,
    cpus: Option<usize>,
}

fn config(machine: &dyn Machine) -> (Finding, Wanted) {
    let id = "allocator.config";
    let text = match machine.read(CONFIG) {
        Ok(text) => text,
        Err(trouble) => {
            let why = "the allocator reserves what this file requests; without the file, nothing";
            let install =
                format!("sudo install -m 0644 enclave-image/deploy/allocator.yaml {CONFIG}");
            let saw = format!("{CONFIG}: {trouble}");
            return (Finding::fail(id, saw, why, &[&install, RESTART]), Wanted::default());
        }
    };
    match parse(&text) {
        Ok(wanted) => {
            let number = |n: Option<usize>| n.map_or("no".to_owned(), |n| n.to_string());
            let memory = wanted.memory_mib.unwrap_or_default();
            let saw = format!("memory_mib {memory}, {} CPUs", number(wanted.cpus));
            (Finding::ok(id, saw), wanted)
        }
        Err(what) => {
            let why = "the allocator stops at this line and reserves nothing";
            let saw = format!("{CONFIG}: {what}");
            (Finding::fail(id, saw, why, &[EDIT, RESTART]), Wanted::default())
        }
    }
}

/// Parses the file as the allocator does, in a loop of the shell's `read`: it skips everything
/// before `---`, knows three keys and no lists, stops at an empty line, and ignores a last line
/// without a newline.
fn parse(text: &str) -> Result<Wanted, String> {
    let (mut memory, mut count, mut pool) = (None, None, None);
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line has no newline, so the allocator ignores it".into());
    }
    let mut lines = text.lines().enumerate();
    if !lines.by_ref().any(|(_, line)| line.trim() == "---") {
        return Err("there is no line ---, and the allocator skips everything before it".into());
    }
    for (at, line) in lines.filter(|(_, line)| !line.trim_start().starts_with('#')) {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim().trim_matches('"');
        let number = || {
            let number = value.parse::<u64>();
            number.map_err(|_| format!("line {}: {} is not a number", at + 1, key.trim()))
        };
        match key.trim() {
            "---" => {}
            "" if line.trim().is_empty() => {
                return Err(format!(
                    "line {}: empty; the allocator stops at an empty line",
                    at + 1
                ));
            }
            "memory_mib" => memory = Some(number()?),
            "cpu_count" => count = Some(number()?),
            "cpu_pool" => pool = Some(cpus(value).ok_or(format!("line {}: cpu_pool", at + 1))?),
            other => {
                let hint =
                    if other == "cpu_ids" { " (list the CPUs in cpu_pool: 2,3)" } else { "" };
                return Err(format!(
                    "line {}: {other} is not a key of the allocator{hint}",
                    at + 1
                ));
            }
        }
    }
    match (memory, count, pool) {
        (None, ..) => Err("memory_mib is missing".into()),
        (_, None, None) => Err("cpu_count or cpu_pool is missing".into()),
        (_, Some(_), Some(_)) => Err("use cpu_count or cpu_pool, not both".into()),
        (memory_mib, Some(count), None) => {
            Ok(Wanted { memory_mib, cpus: usize::try_from(count).ok() })
        }
        (memory_mib, None, Some(pool)) => Ok(Wanted { memory_mib, cpus: Some(pool.len()) }),
    }
}

/// The CPUs of `2,3,6-9`.
fn cpus(text: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.trim().is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last < first || last - first > 4096 {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

fn memory(machine: &dyn Machine, wanted: &Wanted) -> Finding {
    let id = "allocator.memory";
    let Some(wanted) = wanted.memory_mib else {
        return Finding::skip(id, "the configuration sets no memory_mib");
    };
    let reserved = match reserved(machine) {
        Ok(reserved) => reserved,
        Err(trouble) => return Finding::skip(id, format!("{NODES}: {trouble}")),
    };
    let (most, free) = reserved.iter().copied().max().unwrap_or_default();
    let saw =
        format!("{most} MiB of huge pages on one node ({free} MiB free), {wanted} MiB requested");
    if most >= wanted {
        return Finding::ok(id, saw);
    }
    Finding::fail(
        id,
        saw,
        "the allocator reserved less than requested, because memory was in use or fragmented when \
         it ran; the memory of an enclave must be on one node",
        &[
            RESTART,
            "echo 1 | sudo tee /proc/sys/vm/compact_memory   (then restart the allocator)",
            "sudo reboot   (memory is not fragmented after a boot), or lower memory_mib",
        ],
    )
}

/// For each node: MiB of huge pages, and how much of it is free.
fn reserved(machine: &dyn Machine) -> Result<Vec<(u64, u64)>, Trouble> {
    let nodes = machine.list(NODES)?;
    let is_node = |name: &&String| {
        let number = name.strip_prefix("node").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let of_node = |node: &String| {
        let folder = format!("{NODES}/{node}/hugepages");
        let sizes = machine.list(&folder).unwrap_or_default();
        sizes.iter().fold((0, 0), |(all, free), size| {
            let kib = size.strip_prefix("hugepages-").and_then(|s| s.strip_suffix("kB"));
            let kib: u64 = kib.and_then(|kib| kib.parse().ok()).unwrap_or_default();
            let pages = |file: &str| {
                let text = machine.read(&format!("{folder}/{size}/{file}")).unwrap_or_default();
                text.trim().parse::<u64>().unwrap_or_default().saturating_mul(kib) / 1024
            };
            (all + pages("nr_hugepages"), free + pages("free_hugepages"))
        })
    };
    Ok(nodes.iter().filter(is_node).map(of_node).collect())
}

fn pool(machine: &dyn Machine, facts: &Facts, wanted: &Wanted) -> Finding {
    let id = "allocator.cpus";
    let text = match machine.read(POOL) {
        Ok(text) => text,
        Err(Trouble::Missing) => {
            return Finding::skip(id, "the driver has no pool: see device.driver");
        }
        Err(trouble) => return Finding::skip(id, format!("{POOL}: {trouble}")),
    };
    let count = cpus(&text).unwrap_or_default().len();
    let requested = facts.settings.cpus;
    let Some(wanted) = wanted.cpus else {
        return Finding::skip(id, "the configuration sets neither cpu_count nor cpu_pool");
    };
    let saw = format!("the pool is \"{}\": {count} CPUs, {wanted} requested", text.trim());
    let is_enough = u64::try_from(count).is_ok_and(|count| count >= requested);
    if count >= wanted && is_enough && count > 0 {
        return Finding::ok(id, saw);
    }
    Finding::fail(
        id,
        format!("{saw}; the enclave uses {requested}"),
        "nitro-cli refuses an enclave with more CPUs than the pool has (E22 No CPUs available); \
         the pool has whole cores, and never the core of CPU 0",
        &[
            EDIT,
            "nitro-cli terminate-enclave --all   (the pool cannot change while an enclave runs)",
            RESTART,
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_read_as_the_allocator_reads_it() {
        let read = |text: &str| parse(text);
        let good = "# c\n---\n# m\nmemory_mib: 2048\ncpu_count: 2\n";
        assert_eq!(read(good), Ok(Wanted { memory_mib: Some(2048), cpus: Some(2) }));
        let pool = "---\nmemory_mib: 512\ncpu_pool: 2,3,6-9\n";
        assert_eq!(read(pool), Ok(Wanted { memory_mib: Some(512), cpus: Some(6) }));
        for (text, error) in [
            ("memory_mib: 1\ncpu_count: 2\n", "no line ---"),
            ("---\ncpu_count: 2\n", "memory_mib is missing"),
            ("---\nmemory_mib: 1\n", "cpu_count or cpu_pool"),
            ("---\nmemory_mib: 1\ncpu_count: 2\ncpu_pool: 2\n", "not both"),
            ("---\nmemory_mib: 4 GiB\ncpu_count: 2\n", "line 2: memory_mib is not a number"),
            ("---\nmemory_mib: 1\ncpu_count: 2\ncpu_ids:\n  - 2\n", "line 4: cpu_ids is not a key"),
            ("---\nmemory_mib: 1\ncpu_pool: 9-2\n", "line 3: cpu_pool"),
            ("---\nmemory_mib: 1\n\ncpu_count: 2\n", "line 3: empty"),
            ("---\nmemory_mib: 1\ncpu_count: 2", "last line has no newline"),
            ("---\nmemory_mib: 1 # MiB\ncpu_count: 2\n", "line 2: memory_mib is not a number"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(error), "{text:?}: {refused}");
        }
    }
}
