//! The checks of `mortise doctor`, by name: what each looks at, and which trouble it names
//! (`specs/doctor.md`).

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Its name in the report.
    pub id: &'static str,
    /// What it looks at.
    pub looks_at: &'static str,
    /// What a FAIL or WARN of it means.
    pub trouble: &'static str,
}

macro_rules! checks {
    ($($id:literal, $looks_at:literal, $trouble:literal;)*) => {
        /// All of them, in the order of a start.
        pub const CHECKS: &[Check] = &[
            $(Check { id: $id, looks_at: $looks_at, trouble: $trouble },)*
        ];
    };
}

checks! {
    "setup.environment", "/etc/mortise/mortise.env",
        "values that cannot be read";
    "service.allocator", "the allocator's unit",
        "it is down: no memory and no cores are reserved";
    "service.host", "the unit of mortise-host",
        "it is down: there is no log store, no relay, no gateway";
    "service.enclave", "the unit of the enclave",
        "it is down";
    "device.driver", "/sys/module/nitro_enclaves",
        "the driver is not loaded";
    "device.node", "/dev/nitro_enclaves",
        "no such file: the instance was started without enclaves";
    "allocator.config", "allocator.yaml, by the rules of its own reader",
        "cpu_ids, a missing ---, an empty line: its reader stops there and reserves nothing";
    "allocator.memory", "huge pages of each node",
        "less is reserved than was asked for (E22, E27)";
    "allocator.cpus", "the driver's pool of cores",
        "fewer cores are reserved than were asked for";
    "image.file", "the image file",
        "it is missing, or no image";
    "image.memory", "the memory for the enclave against 4 times the image",
        "E26 Insufficient memory requested";
    "enclave.running", "nitro-cli describe-enclaves, and its errors",
        "the enclave failed to start";
    "enclave.debug", "the flags of the enclave",
        "debug mode: its parent reads it, key service and verifiers refuse it";
    "enclave.cid", "its CID against ENCLAVE_CID",
        "callers dial another CID than it has";
    "enclave.exit", "the stop that mortise-host recorded",
        "it ended early: see the name of the stop";
    "vsock.engine", "a connection to the engine's port",
        "vsock connection refused";
    "engine.health", "phase, mode and fault, over vsock",
        "it does not serve: see the name of the fault";
    "host.gateway", "/healthz of the gateway",
        "the gateway does not answer";
    "host.ready", "/readyz of the gateway",
        "the engine behind the gateway is not ready";
    "proxy.store", "who listens at vsock port 5001",
        "the enclave finds no log store";
    "proxy.diagnostics", "who listens at vsock port 5002",
        "nobody hears why the enclave stops";
    "proxy.credentials", "who listens at vsock port 5003",
        "the enclave finds no credentials";
    "proxy.witness", "who listens at vsock port 5004, where the host has witnesses",
        "an engine with witnesses answers nothing";
    "proxy.kms", "who listens at vsock port 8000",
        "the enclave finds no way to the key service";
    "kms.endpoint", "a connection to the key service",
        "the parent does not reach it";
    "kms.relay", "what mortise-host counted on the way to the key service",
        "connections through the relay fail";
    "credentials.imds", "the instance's metadata, version 2",
        "it does not answer, or version 1 is left on";
    "credentials.role", "the role of the instance",
        "there is none, or another than the key policy names";
    "policy.lint", "a copy of the key's policy",
        "somebody can use the key outside the enclave";
    "policy.access", "the policy, for this role and image",
        "AccessDenied: another image, another role, or debug mode";
    "clock.sync", "chrony, or the kernel",
        "the clock is not synchronized: fresh documents look stale";
    "clock.engine", "the engine's time against the machine's",
        "they are apart";
    "disk.space", "free space of the data folder",
        "a full disk ends the engine";
    "disk.sync", "the time of one sync there",
        "each answer waits for it";
    "disk.log", "segments and index of the log",
        "the folder is incomplete";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every name in quotes in the sources of doctor that looks like a check's.
    #[test]
    fn each_check_of_doctor_is_here_once_and_no_other() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctor/checks");
        // The suite builds this file from another folder; there the test of this crate counts.
        let Ok(files) = std::fs::read_dir(folder) else { return };
        let areas: BTreeSet<_> = CHECKS.iter().map(|check| area(check.id)).collect();
        let mut found = BTreeSet::new();
        for file in files {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for quoted in text.split('"').skip(1).step_by(2) {
                let is_plain = quoted.bytes().all(|b| b.is_ascii_lowercase() || b == b'.');
                if is_plain && quoted.matches('.').count() == 1 && areas.contains(area(quoted)) {
                    found.insert(quoted.to_owned());
                }
            }
        }
        let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id.to_owned()).collect();
        assert_eq!(ids.len(), CHECKS.len());
        let unknown: Vec<_> = found.difference(&ids).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let page = include_str!("../../../../specs/doctor.md");
        for area in areas {
            assert!(page.contains(&format!("`{area}.")), "{area}");
        }
    }

    fn area(id: &str) -> &str {
        id.split('.').next().unwrap_or_default()
    }
}
