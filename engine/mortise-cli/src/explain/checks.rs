//! The checks of `mortise doctor` by name: what each examines, and which problem it finds
//! (`specs/doctor.md`).

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Name in the report.
    pub id: &'static str,
    /// What it examines.
    pub looks_at: &'static str,
    /// The meaning of its FAIL or WARN.
    pub trouble: &'static str,
}

macro_rules! checks {
    ($($id:literal, $looks_at:literal, $trouble:literal;)*) => {
        /// All checks, in start order.
        pub const CHECKS: &[Check] = &[
            $(Check { id: $id, looks_at: $looks_at, trouble: $trouble },)*
        ];
    };
}

checks! {
    "setup.environment", "/etc/mortise/mortise.env",
        "values that cannot be read";
    "service.allocator", "the allocator's unit",
        "the unit is down: no memory and no cores are reserved";
    "service.host", "the unit of mortise-host",
        "the unit is down: no log store, no relay, no gateway";
    "service.enclave", "the unit of the enclave",
        "the unit is down";
    "device.driver", "/sys/module/nitro_enclaves",
        "the driver is not loaded";
    "device.node", "/dev/nitro_enclaves",
        "no such file: the instance was launched without enclaves";
    "allocator.config", "allocator.yaml, parsed as the allocator does",
        "cpu_ids, a missing ---, an empty line: the allocator stops there and reserves nothing";
    "allocator.memory", "huge pages of each node",
        "less memory is reserved than requested (E22, E27)";
    "allocator.cpus", "the driver's pool of cores",
        "fewer cores are reserved than requested";
    "image.file", "the image file",
        "it is missing, or not an image";
    "image.memory", "the memory for the enclave against 4 times the image",
        "E26 Insufficient memory requested";
    "enclave.running", "nitro-cli describe-enclaves, and its errors",
        "the enclave failed to start";
    "enclave.debug", "the flags of the enclave",
        "debug mode: the parent can read it, the key service and verifiers refuse it";
    "enclave.cid", "its CID against ENCLAVE_CID",
        "callers connect to a different CID";
    "enclave.exit", "the stop that mortise-host recorded",
        "the enclave stopped: see the name of the stop";
    "vsock.engine", "a connection to the engine's port",
        "vsock connection refused";
    "engine.health", "phase, mode and fault, over vsock",
        "the engine is not ready: see the name of the fault";
    "host.gateway", "/healthz of the gateway",
        "the gateway does not answer";
    "host.ready", "/readyz of the gateway",
        "the engine behind the gateway is not ready";
    "proxy.store", "the listener on vsock port 5001",
        "the enclave cannot reach the log store";
    "proxy.diagnostics", "the listener on vsock port 5002",
        "the reason of a stop is lost";
    "proxy.credentials", "the listener on vsock port 5003",
        "the enclave gets no credentials";
    "proxy.witness", "the listener on vsock port 5004, if the host has witnesses",
        "an engine with witnesses releases no answers";
    "proxy.kms", "the listener on vsock port 8000",
        "the enclave cannot reach the key service";
    "kms.endpoint", "a connection to the key service",
        "the parent cannot reach the key service";
    "kms.relay", "connections that mortise-host counted on the relay",
        "connections through the relay fail";
    "credentials.imds", "the instance's metadata, version 2",
        "it does not answer, or version 1 is enabled";
    "credentials.role", "the role of the instance",
        "the instance has no role, or the key policy names another role";
    "policy.lint", "a copy of the key's policy",
        "someone can use the key outside the enclave";
    "policy.access", "the policy, for this role and image",
        "AccessDenied: another image, another role, or debug mode";
    "clock.sync", "chrony, or the kernel",
        "the clock is not synchronized, so fresh documents look stale";
    "clock.engine", "engine time against the clock of the machine",
        "they differ";
    "disk.space", "free space of the data folder",
        "a full disk stops the engine";
    "disk.sync", "the latency of a sync there",
        "each answer waits for it";
    "disk.log", "segments and index of the log",
        "the folder is incomplete";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Compares with every quoted check name in the sources of doctor.
    #[test]
    fn every_check_of_doctor_is_listed_once() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctor/checks");
        // Skipped where the sources are not at their place; the run in this crate counts.
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
