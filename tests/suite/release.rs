//! Goal: the release pipeline calls only steps that exist, and only its publishing job has a token.
//!
//! Method: the workflow is parsed; its commands must be steps that the script lists. The script's
//! quick steps run here in a temporary folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use yaml_rust2::{Yaml, YamlLoader};

const SCRIPT: &str = "enclave-image/release.sh";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn workflow() -> (String, Yaml) {
    let path = repository().join(".github/workflows/release.yml");
    let text = std::fs::read_to_string(path).expect("the workflow is there");
    let mut documents = YamlLoader::load_from_str(&text).expect("it is YAML");
    assert_eq!(documents.len(), 1);
    (text, documents.remove(0))
}

fn steps<'a>(workflow: &'a Yaml, job: &str) -> Vec<&'a Yaml> {
    let steps = workflow["jobs"][job]["steps"].as_vec();
    steps.unwrap_or_else(|| panic!("no job {job}")).iter().collect()
}

fn script(arguments: &[&str], out: &Path) -> Output {
    let mut command = Command::new(repository().join(SCRIPT));
    let output = command.args(arguments).env("RELEASE_OUT", out).env_remove("RELEASE_TAG");
    output.env("CI", "").output().expect("the script runs")
}

#[test]
fn each_command_of_the_workflow_is_a_step_of_the_script() {
    let (_, workflow) = workflow();
    let out = tempfile::tempdir().expect("the system gives a folder");
    let listed = script(&["--list"], out.path());
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).expect("names");
    let listed: BTreeSet<&str> = listed.lines().collect();
    let mut called = BTreeSet::new();
    for step in steps(&workflow, "build") {
        let Some(run) = step["run"].as_str() else { continue };
        match run.strip_prefix("enclave-image/release.sh ") {
            Some(step) => assert!(called.insert(step), "{step} is called twice"),
            None => assert!(run.starts_with("cargo install --locked cargo-cyclonedx@"), "{run}"),
        }
    }
    assert_eq!(called, listed);
    let text = std::fs::read_to_string(repository().join(SCRIPT)).expect("the script is there");
    let version = text.lines().find_map(|line| line.strip_prefix("CYCLONEDX_VERSION="));
    let version = version.expect("the script names the tool's release");
    let installs = format!("cargo install --locked cargo-cyclonedx@{version}");
    assert!(steps(&workflow, "build").iter().any(|s| s["run"].as_str() == Some(&installs)));
}

/// Goal: a changed build cannot read a token, because the build job has none.
#[test]
fn token_is_in_the_publishing_job_alone() {
    let (text, workflow) = workflow();
    assert!(!text.contains("secrets."), "no secret of the repository is needed");
    assert_eq!(text.matches("github.token").count(), 1);
    assert_eq!(workflow["permissions"]["contents"].as_str(), Some("read"));
    assert!(workflow["jobs"]["build"]["permissions"].is_badvalue());
    let publish = steps(&workflow, "publish");
    let last = publish.last().expect("it has steps");
    assert!(last["env"]["GH_TOKEN"].as_str().is_some());
    assert!(last["run"].as_str().is_some_and(|run| run.contains("gh release create")));
    assert!(workflow["jobs"]["publish"]["if"].as_str().is_some());
}

#[test]
fn script_is_executable_and_passes_shellcheck() {
    match Command::new("shellcheck").arg(repository().join(SCRIPT)).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => println!("skipped: shellcheck is absent"),
    }
}

#[test]
fn unknown_steps_other_tags_and_missing_programs_are_refused() {
    let out = tempfile::tempdir().expect("the system gives a folder");
    assert!(!script(&["publish"], out.path()).status.success());
    assert!(!script(&[], out.path()).status.success());
    let without_program = script(&["image"], out.path());
    let output = String::from_utf8_lossy(&without_program.stderr).into_owned();
    assert!(
        !without_program.status.success() && output.contains("run the step programs"),
        "{output}"
    );
    let mut command = Command::new(repository().join(SCRIPT));
    let other = command.arg("check").env("RELEASE_TAG", "v99.0.0").output().expect("it runs");
    let output = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && output.contains("tag v99.0.0 is not v"), "{output}");
}

#[test]
fn checksums_cover_every_file() {
    let out = tempfile::tempdir().expect("the system gives a folder");
    for (name, content) in [("a", "1"), ("b c", "2")] {
        std::fs::write(out.path().join(name), content).expect("it can be written");
    }
    for _ in 0..2 {
        let made = script(&["sums"], out.path());
        assert!(made.status.success(), "{made:?}");
        let sums = std::fs::read_to_string(out.path().join("SHA256SUMS")).expect("it is written");
        let names: Vec<&str> = sums.lines().filter_map(|line| line.get(66..)).collect();
        assert_eq!(names, ["a", "b c"]);
    }
}
