//! Runs the measured binary on a machine that is not an enclave.

use std::process::Command;

/// Every start outside an enclave ends with `NO_NSM`, whatever the environment and arguments are.
#[test]
fn start_without_the_module_exits_with_no_nsm_and_one_json_line() {
    for argument in [&[][..], &["--config", "elsewhere/enclave.toml"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mortise-enclave"));
        command
            .args(argument)
            .env("MORTISE_CONFIG", "elsewhere/enclave.toml")
            .env("RUST_LOG", "trace");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(10));
        assert!(output.stdout.is_empty());
        let stderr = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = stderr.lines().collect();
        let [line] = lines[..] else { panic!("{stderr}") };
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
        for part in ["\"name\":\"NO_NSM\"", "\"exit\":10", "mortise-dev dev"] {
            assert!(line.contains(part), "{line}");
        }
    }
}
