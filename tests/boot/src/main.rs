//! The measured image in QEMU's nitro-enclave machine, from the build to the replay after a kill.
//!
//! What it is for: the one test that runs what a parent would run - kernel, ramdisks and the static
//! binary as the first process, over a real vsock - and that looks at its bad ends: each has a name
//! on the console and comes within a bound.
//!
//! What it does not do: prove anything about a Nitro card. The module is emulated and nobody signs
//! its documents; that they are refused is one of the checks.
//!
//! `tests/boot/run.sh` builds what this needs and starts it. Exit status 0 when every case held.

mod bad;
mod booted;
mod image;
mod locks;
mod serving;
mod settings;

use clap::Parser as _;
use settings::Settings;
use std::process::ExitCode;
use std::time::Instant;

/// Why a case did not hold.
type Case = Result<String, String>;

/// What a run has so far.
struct Run {
    settings: Settings,
    begun: Instant,
    failed: u32,
}

fn main() -> ExitCode {
    let settings = Settings::parse();
    if let Err(error) = std::fs::create_dir_all(&settings.work) {
        eprintln!("{}: {error}", settings.work.display());
        return ExitCode::FAILURE;
    }
    let mut run = Run { settings, begun: Instant::now(), failed: 0 };
    // A machine that never served makes the cases after it say nothing new.
    if run.serving() && !run.settings.short {
        run.bad();
    }
    let took = run.begun.elapsed().as_secs();
    match run.failed {
        0 => {
            println!("boot: every case held, {took} s");
            ExitCode::SUCCESS
        }
        failed => {
            println!("boot: {failed} cases did not hold, {took} s");
            ExitCode::FAILURE
        }
    }
}

impl Run {
    /// Runs a case and says how it went; true when it held.
    fn case(&mut self, name: &str, case: impl FnOnce(&Settings) -> Case) -> bool {
        let begun = Instant::now();
        let outcome = case(&self.settings);
        let took = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(found) => println!("ok   {name} ({took:.1} s){}{found}", dash(&found)),
            Err(why) => {
                self.failed += 1;
                println!("FAIL {name} ({took:.1} s): {why}");
                return false;
            }
        }
        true
    }

    /// From the build to the replay.
    fn serving(&mut self) -> bool {
        self.case("image_of_a_folder_is_built", image::built)
            && self.case("key_service_without_its_switch_gives_no_key", serving::strict_kms)
            && self.case("image_serves_replays_after_a_kill_and_keeps_its_locks", serving::life)
            && self.case("image_with_one_changed_byte_gets_no_key", bad::other_image)
            && self.case("image_with_a_broken_byte_is_refused", bad::broken_byte)
    }

    /// Machines that cannot serve.
    fn bad(&mut self) {
        self.case("garbage_for_a_kernel_is_refused", bad::garbage_kernel);
        self.case("kernel_that_halts_is_ended_by_the_bound", bad::halted_kernel);
        self.case("image_without_vsock_module_names_it", bad::no_vsock);
        self.case("image_without_module_of_the_security_module_names_it", bad::no_nsm);
        self.case("module_that_is_none_is_named", bad::broken_module);
        self.case("too_little_memory_is_named", bad::little_memory);
        self.case("machine_without_a_parent_ends", bad::no_parent);
        self.case("image_without_configuration_names_it", bad::no_config);
    }
}

fn dash(found: &str) -> &'static str {
    if found.is_empty() { "" } else { " - " }
}
