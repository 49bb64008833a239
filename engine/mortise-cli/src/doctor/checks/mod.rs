//! The checks, in start order.

mod allocator;
mod clock;
mod credentials;
mod device;
mod disk;
mod enclave;
mod engine;
mod image;
mod policy;
mod proxy;
mod services;
mod tool;

use super::facts::Facts;
use super::machine::Machine;
use super::report::{Finding, Report};

/// The checks of one area.
type Area = fn(&dyn Machine, &Facts) -> Vec<Finding>;

/// Runs all checks.
pub(super) fn run(machine: &dyn Machine, facts: &Facts) -> Report {
    let areas: [Area; 11] = [
        services::check,
        device::check,
        allocator::check,
        image::check,
        enclave::check,
        engine::check,
        proxy::check,
        credentials::check,
        policy::check,
        clock::check,
        disk::check,
    ];
    let findings = areas.iter().flat_map(|area| area(machine, facts)).collect();
    Report { is_debug: facts.is_debug(), findings }
}
