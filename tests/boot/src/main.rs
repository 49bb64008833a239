//! The measured image in QEMU's nitro-enclave machine, from the build to the replay after a kill.
//!
//! What it is for: the one test that runs what a parent would run: kernel, ramdisks and the static
//! binary as the first process, over a real vsock. It also tests failures: each ends within a bound
//! and has an error name on the console.
//!
//! What it does not do: prove anything about a Nitro card. The module is emulated and its documents
//! are unsigned; one of the cases checks that verifiers refuse them.
//!
//! `tests/boot/run.sh` builds the inputs and starts it. Exit status 0 if every case passed.

mod bad;
mod booted;
mod clock;
mod damage;
mod first;
mod hanging;
mod image;
mod lies;
mod locks;
mod serving;
mod settings;

use clap::Parser as _;
use settings::Settings;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The findings of a case, or why it failed.
type Outcome = Result<String, String>;
/// A case with its name.
type Named = (&'static str, fn(&Settings) -> Outcome);

/// The state of a run.
struct Run {
    settings: Settings,
    begun: Instant,
    failed: AtomicU32,
}

/// Delay between starts of machines that run beside each other: a boot uses a processor for about
/// this long, and a slow module would be a fault of its own.
const BESIDE: Duration = Duration::from_secs(12);

fn main() -> ExitCode {
    let settings = Settings::parse();
    if let Err(error) = std::fs::create_dir_all(&settings.work) {
        eprintln!("{}: {error}", settings.work.display());
        return ExitCode::FAILURE;
    }
    let run = Run { settings, begun: Instant::now(), failed: AtomicU32::new(0) };
    // If the machine never served, the later cases would test nothing.
    if run.serving() && !run.settings.short {
        run.bad();
    }
    let took = run.begun.elapsed().as_secs();
    match run.failed.load(Ordering::Relaxed) {
        0 => {
            println!("boot: every case passed, {took} s");
            ExitCode::SUCCESS
        }
        failed => {
            println!("boot: {failed} cases failed, {took} s");
            ExitCode::FAILURE
        }
    }
}

impl Run {
    /// Runs a case and prints its outcome; returns whether it passed.
    fn case(&self, (name, case): Named) -> bool {
        if !self.settings.is_wanted(name) {
            return true;
        }
        let begun = Instant::now();
        let outcome = case(&self.settings);
        let took = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(found) => println!("ok   {name} ({took:.1} s){}{found}", dash(&found)),
            Err(why) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                println!("FAIL {name} ({took:.1} s): {why}");
                return false;
            }
        }
        true
    }

    /// Runs all cases, one after the other.
    fn all(&self, cases: &[Named]) {
        for case in cases {
            self.case(*case);
        }
    }

    /// From the build to the replay.
    fn serving(&self) -> bool {
        SERVING.into_iter().all(|case| self.case(case))
    }

    /// Machines that cannot serve. Those that mostly wait run beside the others; the others run one
    /// after the other.
    fn bad(&self) {
        thread::scope(|scope| {
            scope.spawn(|| {
                for case in WAITING.into_iter().filter(|(name, _)| self.settings.is_wanted(name)) {
                    scope.spawn(move || self.case(case));
                    thread::sleep(BESIDE);
                }
            });
            scope.spawn(|| self.all(&TIME));
            self.all(&BAD);
        });
    }
}

/// Cases that build on each other.
const SERVING: [Named; 5] = [
    ("image_of_a_folder_is_built", image::built),
    ("key_service_without_its_switch_gives_no_key", serving::strict_kms),
    ("image_serves_replays_after_a_kill_and_keeps_its_locks", serving::life),
    ("image_with_one_changed_byte_gets_no_key", bad::other_image),
    ("image_with_a_broken_byte_is_refused", bad::broken_byte),
];

/// Machines that end soon.
const BAD: [Named; 14] = [
    ("garbage_for_a_kernel_is_refused", bad::garbage_kernel),
    ("kernel_that_halts_is_ended_by_the_bound", bad::halted_kernel),
    ("image_without_vsock_module_names_it", bad::no_vsock),
    ("image_without_module_of_the_security_module_names_it", bad::no_nsm),
    ("invalid_kernel_module_is_named", bad::broken_module),
    ("too_little_memory_is_named", bad::little_memory),
    ("image_without_configuration_names_it", bad::no_config),
    ("flipped_bit_of_a_stored_frame_is_named", damage::flipped_bit),
    ("stored_frame_of_another_version_is_named", damage::other_version),
    ("removed_frame_is_named", damage::removed_frame),
    ("first_process_that_ends_badly_ends_the_machine", first::ends_badly),
    ("panic_of_a_kernel_that_halts_is_reported", first::panic_without_end),
    ("silent_machine_is_reported", first::silent_machine),
    ("machine_without_a_parent_ends", bad::no_parent),
];

/// A parent that answers late or with garbage: minutes of waiting, the longest first.
const WAITING: [Named; 11] = [
    ("store_that_answers_noise_is_named_and_ends", lies::noisy_store),
    ("store_of_another_protocol_is_named_and_ends", lies::store_of_another_protocol),
    ("store_whose_answers_have_no_content_is_named_and_ends", lies::store_of_garbage),
    ("store_that_answers_another_question_is_named", lies::store_that_answers_another_question),
    ("store_that_is_silent_is_named_and_ends", lies::silent_store),
    ("store_that_trickles_is_named_and_ends", lies::trickling_store),
    ("store_that_hangs_up_is_named_and_ends", lies::store_that_hangs_up),
    ("silent_credentials_are_named_and_end_the_start", lies::silent_credentials),
    ("credentials_that_are_noise_are_named_and_end_the_start", lies::noisy_credentials),
    ("silent_key_service_is_named_and_ends_the_start", lies::silent_relay),
    ("key_service_that_answers_noise_is_named", lies::noisy_relay),
];

/// Clocks that jump, and a host that hangs.
const TIME: [Named; 5] = [
    ("machine_that_was_paused_has_the_right_time", clock::paused_machine),
    ("module_whose_time_goes_back_ends_by_name", clock::jumping_module),
    ("module_whose_time_leaps_ahead_ends_by_name", clock::leaping_module),
    ("machine_that_stood_too_long_has_the_right_time_or_none", clock::long_stopped_machine),
    ("host_that_hangs_ends_the_engine", hanging::host_that_hangs),
];

fn dash(found: &str) -> &'static str {
    if found.is_empty() { "" } else { " - " }
}
