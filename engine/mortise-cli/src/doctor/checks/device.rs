//! The driver and its device: "No such file: /dev/nitro_enclaves".

use super::super::facts::Facts;
use super::super::machine::{Entry, Machine, Trouble};
use super::super::report::Finding;

const DEVICE: &str = "/dev/nitro_enclaves";
const DRIVER: &str = "/sys/module/nitro_enclaves";
const VENDOR: &str = "/sys/devices/virtual/dmi/id/sys_vendor";
const TYPE: &str = "/sys/devices/virtual/dmi/id/product_name";

pub(super) fn check(machine: &dyn Machine, _facts: &Facts) -> Vec<Finding> {
    vec![driver(machine), device(machine)]
}

fn driver(machine: &dyn Machine) -> Finding {
    let id = "device.driver";
    match machine.entry(DRIVER) {
        Ok(_) => Finding::ok(id, "the driver nitro_enclaves is loaded"),
        Err(Trouble::Missing) => Finding::fail(
            id,
            format!("{DRIVER}: it does not exist"),
            "without the driver there is no device, no CPU pool and no enclave",
            &[
                "sudo modprobe nitro_enclaves",
                "sudo dnf install -y aws-nitro-enclaves-cli   (Amazon Linux 2023; other systems: \
                 the kernel needs CONFIG_NITRO_ENCLAVES)",
            ],
        ),
        Err(trouble) => Finding::skip(id, format!("{DRIVER}: {trouble}")),
    }
}

fn device(machine: &dyn Machine) -> Finding {
    let id = "device.node";
    match machine.entry(DEVICE) {
        Ok(Entry::Special) => Finding::ok(id, DEVICE),
        Ok(_) if !machine.is_live() => Finding::ok(id, DEVICE),
        Ok(_) => Finding::fail(
            id,
            format!("{DEVICE} is not a device"),
            "a file was written in its place",
            &[&format!(
                "sudo rm -r {DEVICE} && sudo modprobe -r nitro_enclaves && sudo modprobe \
               nitro_enclaves"
            )],
        ),
        Err(Trouble::Missing) => missing(machine),
        Err(trouble) => Finding::fail(
            id,
            format!("{DEVICE}: {trouble}"),
            "nitro-cli opens this device to create an enclave",
            &["sudo usermod -aG ne $USER   (then log in again)"],
        ),
    }
}

fn missing(machine: &dyn Machine) -> Finding {
    let text = |path| machine.read(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let (vendor, kind) = (text(VENDOR), text(TYPE));
    let id = "device.node";
    let machine = format!("{} {}", or_unknown(&vendor), or_unknown(&kind));
    let saw = format!("{DEVICE}: it does not exist (this machine: {machine})");
    if vendor == "Amazon EC2" {
        return Finding::fail(
            id,
            saw,
            "the instance was launched without enclaves, or its type has none (it needs Nitro and \
             4 vCPUs; 2 on Graviton)",
            &[
                "aws ec2 describe-instances --instance-ids ID --query \
                 'Reservations[].Instances[].EnclaveOptions'",
                "aws ec2 run-instances --enclave-options 'Enabled=true' ...",
                "sudo systemctl restart nitro-enclaves-allocator.service",
            ],
        );
    }
    Finding::fail(
        id,
        saw,
        "only EC2 instances on Nitro can run enclaves",
        &["on a laptop: mortise-dev dev   (the same engine under a development root)"],
    )
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}
