//! Dependencies between our crates point strictly down, for every kind of dependency.

use super::{assert_none, assert_one, root};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The layer of each crate: ARCHITECTURE.md has the same table.
const LAYERS: &[(u8, &[&str])] = &[
    (0, &["mortise-format"]),
    (
        1,
        &[
            "mortise-rpc",
            "mortise-core",
            "mortise-channel",
            "mortise-transport",
            "mortise-export",
            "mortise-image",
            "mortise-key-policy",
        ],
    ),
    (2, &["mortise-verify", "mortise-config"]),
    (3, &["mortise-engine", "mortise-audit", "mortise-client", "mortise-host", "mortise-witness"]),
    (4, &["mortise-sim", "mortise-nitro", "mortise-contracts"]),
    (5, &["mortise-enclave"]),
    (6, &["mortise-cli"]),
    (7, &["mortise-dev"]),
    (8, &["mortise-testkit"]),
    (9, &["mortise-tests", "mortise-boot", "mortise-benches"]),
];

/// The first layer that is not shipped.
const NOT_SHIPPED: u8 = 8;

/// Crates that may depend on these of ours and no others.
const ONLY: &[(&str, &[&str])] = &[
    ("mortise-host", &["mortise-format", "mortise-rpc", "mortise-transport", "mortise-export"]),
    ("mortise-rpc", &["mortise-format"]),
    ("mortise-key-policy", &["mortise-format"]),
    ("mortise-export", &["mortise-format"]),
    ("mortise-config", &["mortise-transport"]),
    ("mortise-verify", &["mortise-format", "mortise-rpc"]),
    ("mortise-audit", &["mortise-format", "mortise-rpc", "mortise-core", "mortise-verify"]),
    ("mortise-witness", &["mortise-format", "mortise-verify"]),
    ("mortise-image", &[]),
];

/// (from, to): `from` must not depend on `to`, directly or through our crates.
const NEVER_REACHES: &[(&str, &str)] = &[
    ("mortise-enclave", "mortise-sim"),
    ("mortise-enclave", "mortise-image"),
    ("mortise-enclave", "mortise-testkit"),
    ("mortise-client", "mortise-core"),
    ("mortise-cli", "mortise-engine"),
    ("mortise-cli", "mortise-sim"),
    ("mortise-cli", "mortise-host"),
    ("mortise-cli", "mortise-nitro"),
    ("mortise-cli", "mortise-dev"),
];

/// Crates that the measured binary must not link: no command line, no HTTP server, no store.
const NOT_MEASURED: &[&str] = &[
    "axum",
    "clap",
    "sled",
    "aws-sigv4",
    "mortise-sim",
    "mortise-cli",
    "mortise-host",
    "mortise-image",
    "mortise-witness",
    "mortise-testkit",
];

/// Crates that the user's command must not link: engine, simulator, store, TLS library.
const NOT_IN_THE_COMMAND: &[&str] = &[
    "actix",
    "aws-lc-rs",
    "rustls",
    "sled",
    "mortise-dev",
    "mortise-engine",
    "mortise-host",
    "mortise-nitro",
    "mortise-sim",
    "mortise-testkit",
];

/// The manifest of one of our crates.
#[derive(Default)]
struct Crate {
    needs: BTreeSet<String>,
    features: BTreeSet<String>,
}

type Crates = BTreeMap<String, Crate>;

/// Every crate of the workspace, with the dependencies of all kinds, optional ones too.
fn crates() -> Crates {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    let packages = metadata.packages.into_iter().map(|package| {
        let needs = package.dependencies.into_iter().map(|d| d.name).filter(|n| is_ours(n));
        let features = package.features.into_keys().collect();
        (package.name.to_string(), Crate { needs: needs.collect(), features })
    });
    packages.collect()
}

fn is_ours(name: &str) -> bool {
    name.starts_with("mortise-")
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(_, names)| names.contains(&name)).map(|(layer, _)| *layer)
}

/// Crates outside the table, and dependencies that do not point strictly down.
fn arrows_not_down(crates: &Crates) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, found) in crates {
        let Some(from) = layer(name) else {
            violations.push(format!("{name} is in no layer"));
            continue;
        };
        for need in &found.needs {
            if layer(need).is_none_or(|to| to >= from) {
                violations.push(format!("{name} -> {need} does not point down"));
            }
        }
    }
    violations
}

/// Shipped crates that depend on a crate which is not shipped.
fn arrows_out_of_the_product(crates: &Crates) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, found) in crates {
        let shipped = layer(name).is_some_and(|layer| layer < NOT_SHIPPED);
        for need in &found.needs {
            if shipped && layer(need).is_none_or(|layer| layer >= NOT_SHIPPED) {
                violations.push(format!("{name} is shipped and names {need}, which is not"));
            }
        }
    }
    violations
}

/// Dependencies of a restricted crate that are not in its list.
fn arrows_out_of_bounds(crates: &Crates) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, allowed) in ONLY {
        let needs = crates.get(*name).map(|found| &found.needs);
        for need in needs.into_iter().flatten().filter(|need| !allowed.contains(&need.as_str())) {
            violations.push(format!("{name} may not depend on {need}"));
        }
    }
    violations
}

/// Forbidden pairs that are connected by a path of any length.
fn forbidden_paths(crates: &Crates) -> Vec<String> {
    let connected = NEVER_REACHES.iter().filter(|(from, to)| reach(crates, from).contains(*to));
    connected.map(|(from, to)| format!("{from} reaches {to}")).collect()
}

fn reach<'a>(crates: &'a Crates, from: &'a str) -> BTreeSet<&'a str> {
    let mut open = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if seen.insert(name)
            && let Some(found) = crates.get(name)
        {
            open.extend(found.needs.iter().map(String::as_str));
        }
    }
    seen
}

/// Features that replace a check by a mock.
fn mock_features(crates: &Crates) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, found) in crates {
        for feature in found.features.iter().filter(|feature| feature.contains("mock")) {
            violations.push(format!("{name} has the feature {feature}"));
        }
    }
    violations
}

/// Lines of `cargo tree --prefix none` that name something the measured binary must not link.
fn unmeasurable(tree: &str) -> Vec<String> {
    linked("mortise-enclave", NOT_MEASURED, tree)
}

/// Lines of `cargo tree --prefix none` that name one of these crates.
fn linked(program: &str, forbidden: &[&str], tree: &str) -> Vec<String> {
    let names: BTreeSet<&str> = tree.lines().filter_map(|l| l.split(' ').next()).collect();
    let found = forbidden.iter().filter(|name| names.contains(*name));
    found.map(|name| format!("{program} links {name}")).collect()
}

/// Shipped crates that the page lacks in the row of their layer.
fn layers_off_the_page(page: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for (layer, names) in LAYERS.iter().filter(|(layer, _)| *layer < NOT_SHIPPED) {
        let rows = || page.lines().filter(|line| line.starts_with(&format!("| {layer} |")));
        for name in names.iter().filter(|name| !rows().any(|row| row.contains(*name))) {
            violations.push(format!("ARCHITECTURE.md lacks {name} in layer {layer}"));
        }
    }
    violations
}

/// A workspace of these crates, each written as `name: need need`.
fn planted(lines: &[&str]) -> Crates {
    let crates = lines.iter().map(|line| {
        let (name, needs) = line.split_once(':').expect("a planted line has a colon");
        let needs = needs.split_whitespace().map(str::to_owned).collect();
        (name.to_owned(), Crate { needs, ..Crate::default() })
    });
    crates.collect()
}

#[test]
fn arrows_between_crates_point_strictly_down() {
    assert_none(&arrows_not_down(&crates()));
}

#[test]
fn arrow_up_or_sideways_is_found() {
    let up = planted(&["mortise-format: mortise-core"]);
    assert_one(&arrows_not_down(&up), "mortise-format -> mortise-core");
    let sideways = planted(&["mortise-client: mortise-engine mortise-core"]);
    assert_one(&arrows_not_down(&sideways), "mortise-client -> mortise-engine");
    assert_one(&arrows_not_down(&planted(&["mortise-new:"])), "mortise-new is in no layer");
}

#[test]
fn page_has_each_shipped_crate_in_its_layer() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page is there");
    assert_none(&layers_off_the_page(&page));
    let moved = page.replace("| 0 | `engine/mortise-format`", "| 1 | `engine/mortise-format`");
    assert_one(&layers_off_the_page(&moved), "mortise-format in layer 0");
}

#[test]
fn no_shipped_crate_names_the_testkit() {
    assert_none(&arrows_out_of_the_product(&crates()));
    let planted = planted(&["mortise-cli: mortise-testkit", "mortise-tests: mortise-testkit"]);
    assert_one(&arrows_out_of_the_product(&planted), "mortise-cli is shipped");
}

#[test]
fn host_depends_only_on_its_allowed_crates() {
    assert_none(&arrows_out_of_bounds(&crates()));
    let planted = planted(&["mortise-host: mortise-format mortise-core"]);
    assert_one(&arrows_out_of_bounds(&planted), "may not depend on mortise-core");
}

/// Goal: a verifier needs no code of the engine; only the audit by replay does.
#[test]
fn verifier_depends_only_on_format_and_rpc() {
    let planted = planted(&["mortise-verify: mortise-format mortise-rpc mortise-core"]);
    assert_one(&arrows_out_of_bounds(&planted), "mortise-verify may not depend on mortise-core");
}

/// The output of `cargo tree` for a package with these features, over normal dependencies.
fn tree(package: &str, features: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--features", features])
        .args(["--edges", "normal", "--prefix", "none"])
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn client_cannot_reach_the_core() {
    let planted = planted(&["mortise-client: mortise-x", "mortise-x: mortise-core"]);
    assert_one(&forbidden_paths(&planted), "mortise-client reaches mortise-core");
}

#[test]
fn enclave_cannot_reach_the_software_stand_ins() {
    assert_none(&forbidden_paths(&crates()));
    let planted = planted(&["mortise-enclave: mortise-x", "mortise-x: mortise-sim"]);
    assert_one(&forbidden_paths(&planted), "mortise-enclave reaches mortise-sim");
}

#[test]
fn no_crate_has_a_mock_feature() {
    assert_none(&mock_features(&crates()));
    let mut planted = planted(&["mortise-engine:"]);
    let found = planted.get_mut("mortise-engine").expect("it was planted");
    found.features.insert("nsm-mock".to_owned());
    assert_one(&mock_features(&planted), "nsm-mock");
}

#[test]
fn measured_binary_links_no_command_line_no_server_no_store() {
    let tree = tree("mortise-enclave", "");
    assert!(tree.contains("mortise-engine "), "the tree lacks the engine:\n{tree}");
    assert_none(&unmeasurable(&tree));
}

#[test]
fn command_of_users_links_no_engine_no_simulator_no_store() {
    let tree = tree("mortise-cli", "");
    assert!(tree.contains("mortise-client "), "the tree lacks the client:\n{tree}");
    assert_none(&linked("mortise-cli", NOT_IN_THE_COMMAND, &tree));
    let planted = "mortise-cli v0.1.0\nsled v0.34.7";
    assert_one(&linked("mortise-cli", NOT_IN_THE_COMMAND, planted), "mortise-cli links sled");
}

#[test]
fn server_in_the_measured_binary_is_found() {
    assert_one(&unmeasurable("mortise-enclave v0.1.0\naxum v0.8.9\naxum-core v0.5.6"), "axum");
}
