//! The checkout that the measured binary is built from, and the build.
//!
//! What it is for: the same commit and tools give the same bytes in any folder and environment.
//! Paths of checkout, registry and toolchain are remapped in the output of rustc and the C
//! compiler; every variable that changes code generation is removed.
//!
//! What it does not do: choose tools. The version of Rust is that of `rust-toolchain.toml`; C
//! compiler, linker and libc are the machine's, and the record names them.

use super::record::SourceRecord;
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Cargo profile of the measured binary: link-time optimised.
const PROFILE: &str = "dist";
/// Target triple of the binary.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Package of the binary, and its file name.
const PACKAGE: &str = "mortise-enclave";
/// Target folder of image builds, separate from development builds.
const FOLDER: &str = "target/image";
/// Prefixes of variables that change the output of compilers.
const DROPPED_STARTS: [&str; 12] = [
    "AR_",
    "AWS_LC_",
    "CARGO_BUILD_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CC_",
    "CFLAGS",
    "CXXFLAGS",
    "CXX_",
    "HOST_",
    "LDFLAGS",
    "TARGET_",
];
/// Names of variables that change the output of compilers.
const DROPPED: [&str; 15] = [
    "AR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CC",
    "CPATH",
    "CPPFLAGS",
    "CXX",
    "C_INCLUDE_PATH",
    "LD",
    "LIBRARY_PATH",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// A checkout of Mortise.
#[derive(Debug)]
pub struct Source {
    folder: PathBuf,
}

impl Source {
    /// The named checkout, or the one that contains the working folder.
    pub fn find(named: Option<&Path>) -> Result<Self, Failure> {
        let is_checkout = |folder: &Path| folder.join("enclave-image/Cargo.toml").is_file();
        let start = match named {
            Some(folder) => folder.canonicalize(),
            None => std::env::current_dir(),
        };
        let start = start.map_err(Failure::usage)?;
        let mut above = start.ancestors().take(if named.is_some() { 1 } else { usize::MAX });
        match above.find(|folder| is_checkout(folder)) {
            Some(folder) => Ok(Self { folder: folder.to_owned() }),
            None => {
                let place = start.display();
                let next = "next: pass a checkout with --source, or a binary with --binary";
                Err(Failure::usage(format!("{place} is not a checkout of Mortise\n  {next}")))
            }
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Builds the binary, with the lines of cargo on stderr.
    pub fn build(&self, note: &dyn Fn(&str)) -> Result<Vec<u8>, Failure> {
        note(
            "building the measured binary (static, link-time optimised; takes minutes the first \
             time)",
        );
        let mut cargo = self.tool("cargo");
        cargo.args([
            "build",
            "--locked",
            "--profile",
            PROFILE,
            "--package",
            PACKAGE,
            "--target",
            TARGET,
        ]);
        cargo.arg("--target-dir").arg(self.folder.join(FOLDER));
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.rust_flags(self.sysroot()?));
        cargo.env("CARGO_INCREMENTAL", "0").env("SOURCE_DATE_EPOCH", "0");
        let flags = self.c_flags();
        for name in ["CFLAGS_x86_64_unknown_linux_gnu", "CXXFLAGS_x86_64_unknown_linux_gnu"] {
            cargo.env(name, &flags);
        }
        let status = cargo.stdout(Stdio::null()).status();
        let status = status.map_err(|error| Failure::check(format!("cargo: {error}")))?;
        if !status.success() {
            return Err(Failure::check(format!("cargo did not build {PACKAGE}: {status}")));
        }
        super::file::read(&self.folder.join(FOLDER).join(TARGET).join(PROFILE).join(PACKAGE))
    }

    /// The folder of the toolchain, which rustc embeds in its output.
    fn sysroot(&self) -> Result<PathBuf, Failure> {
        let sysroot = line(self.tool("rustc").args(["--print", "sysroot"])).map(PathBuf::from);
        let text = "rustc is missing: install rustup (https://rustup.rs)";
        sysroot.ok_or_else(|| Failure::check(text))
    }

    fn rust_flags(&self, sysroot: PathBuf) -> String {
        let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
        for (folder, name) in self.remapped().into_iter().chain([(sysroot, "/rust")]) {
            flags.push(format!("--remap-path-prefix={}={name}", folder.display()));
        }
        flags.join("\x1f")
    }

    fn c_flags(&self) -> String {
        let flag = |(folder, name): (PathBuf, &str)| {
            format!("-ffile-prefix-map={}={name}", folder.display())
        };
        self.remapped().into_iter().map(flag).collect::<Vec<_>>().join(" ")
    }

    /// Folders of this machine, and their names in the output.
    fn remapped(&self) -> Vec<(PathBuf, &'static str)> {
        let home = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let cargo = home("CARGO_HOME").or_else(|| Some(home("HOME")?.join(".cargo")));
        let mut folders = vec![(self.folder.clone(), "/mortise")];
        folders.extend(cargo.map(|folder| (folder, "/cargo")));
        folders
    }

    /// A tool that runs in the checkout, without the variables that would change its output.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(&self.folder);
        for (name, _) in std::env::vars_os() {
            if is_dropped(&name) {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C");
        command
    }

    /// Kernel and modules of `enclave-image/local/pins.env`, from the cache or from Debian.
    pub fn debian_kernel(
        &self,
        cache: Option<&Path>,
        note: &dyn Fn(&str),
    ) -> Result<(PathBuf, Vec<PathBuf>), Failure> {
        note("fetching the Debian kernel, from the cache or from Debian");
        let script = self.folder.join("enclave-image/local/kernel.sh");
        let mut command = Command::new(&script);
        command.envs(cache.map(|cache| ("MORTISE_CACHE", cache)));
        let output = command.stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| super::file::wrong(&script, error))?;
        if !output.status.success() {
            let text = "the kernel was not fetched: see the lines above, or pass one with --kernel";
            return Err(Failure::check(text));
        }
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let list = std::fs::read_dir(folder.join("modules"));
        let list = list.map_err(|error| super::file::wrong(&folder, error))?;
        let modules: Result<Vec<_>, _> = list.map(|entry| Ok(entry?.path())).collect();
        let mut modules = modules.map_err(|e: std::io::Error| super::file::wrong(&folder, e))?;
        modules.sort();
        Ok((folder.join("vmlinuz"), modules))
    }

    /// The commit and the versions of the tools.
    pub fn record(&self) -> SourceRecord {
        let git = |args: &[&str]| line(self.tool("git").args(args));
        let tools = [
            ("rustc", "rustc", "--version"),
            ("cargo", "cargo", "--version"),
            ("cc", "cc", "--version"),
            ("ld", "ld", "--version"),
            ("libc", "ldd", "--version"),
        ];
        let version = |(name, tool, flag): (&str, &str, &str)| {
            let version = line(self.tool(tool).arg(flag)).unwrap_or_else(|| "unknown".into());
            (name.to_owned(), version)
        };
        let commit = git(&["rev-parse", "HEAD"]);
        SourceRecord {
            is_changed: commit.is_none() || git(&["status", "--porcelain"]).is_some(),
            commit: commit.unwrap_or_else(|| "unknown".into()),
            tools: tools.map(version).into_iter().collect::<BTreeMap<_, _>>(),
        }
    }
}

/// Whether a variable changes the output of compilers.
fn is_dropped(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    DROPPED.contains(&&*name) || DROPPED_STARTS.iter().any(|start| name.starts_with(start))
}

/// The first line of output of a tool; `None` if it fails or prints nothing.
fn line(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next().map(|line| line.trim().to_owned());
    first.filter(|line| output.status.success() && !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_change_code_are_dropped_and_others_stay() {
        for name in [
            "RUSTFLAGS",
            "CFLAGS",
            "CFLAGS_x86_64_unknown_linux_gnu",
            "CARGO_PROFILE_DEV_LTO",
            "RUSTC_WRAPPER",
            "CARGO_TARGET_DIR",
            "AWS_LC_SYS_CFLAGS",
            "CC",
        ] {
            assert!(is_dropped(&name.into()), "{name}");
        }
        for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "CARGO_NET_OFFLINE", "CI"] {
            assert!(!is_dropped(&name.into()), "{name}");
        }
    }

    #[test]
    fn folder_without_a_checkout_is_refused_with_the_next_step() {
        let folder = tempfile::tempdir().unwrap();
        let failure = Source::find(Some(folder.path())).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.text().contains("--source"), "{}", failure.text());
        let ours = Source::find(None).unwrap();
        assert!(ours.folder.join("enclave-image/Cargo.toml").is_file());
        let inside = Source::find(Some(&ours.folder.join("engine")));
        assert!(inside.is_err(), "a named folder is the checkout itself");
    }

    #[test]
    fn every_folder_of_the_machine_is_replaced_for_both_compilers() {
        let source = Source { folder: PathBuf::from("/somewhere") };
        let flags = source.rust_flags(PathBuf::from("/tools"));
        assert!(flags.contains("+crt-static"), "{flags}");
        for name in ["=/somewhere=/mortise", "=/cargo", "=/tools=/rust"] {
            assert!(flags.contains(name), "{flags}");
        }
        assert!(source.c_flags().contains("-ffile-prefix-map=/somewhere=/mortise"));
    }
}
