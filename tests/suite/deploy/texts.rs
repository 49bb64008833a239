//! The files for monitoring parse, and name only metrics that exist.

use super::{files, files_of, text};
use serde_json::Value;
use std::collections::BTreeSet;
use yaml_rust2::YamlLoader;

const METRICS: &str = "host-store/src";
/// Metrics of other exporters that alerts may use.
const FOREIGN: [&str; 3] = ["up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"];

/// Every name in a text that starts with `mortise_host_`.
fn names(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_name(c));
    words.filter(|word| word.starts_with("mortise_host_")).map(str::to_owned).collect()
}

/// The names that the host's source registers, with the series of histograms.
fn served() -> BTreeSet<String> {
    let source = files_of(METRICS);
    let literals = source.split('"').filter(|text| names(text).contains(*text));
    let mut served: BTreeSet<String> = literals.map(str::to_owned).collect();
    for rest in source.split("histogram(r, \"").skip(1) {
        let name = rest.split('"').next().unwrap_or_default();
        served.extend(["_bucket", "_sum", "_count"].map(|series| format!("{name}{series}")));
    }
    served
}

/// Names in a text that the host does not serve.
fn unknown(text: &str) -> Vec<String> {
    let served = served();
    names(text).into_iter().filter(|name| !served.contains(name)).collect()
}

#[test]
fn served_names_are_those_of_a_scrape() {
    let rendered = mortise_host::Metrics::new().render();
    let (scraped, served) = (names(&rendered), served());
    assert!(scraped.len() >= 8, "{scraped:?}");
    assert!(scraped.is_subset(&served), "{:?}", scraped.difference(&served).collect::<Vec<_>>());
    assert!(served.contains("mortise_host_sync_seconds_bucket"));
}

#[test]
fn alerts_and_alarms_name_only_metrics_of_the_host() {
    for path in ["prometheus/mortise.rules.yaml", "cloudwatch/agent.json", "cloudwatch/alarms.json"]
    {
        assert!(!names(&text(path)).is_empty(), "{path}");
        assert_eq!(unknown(&text(path)), Vec::<String>::new(), "{path}");
    }
    assert_eq!(unknown("mortise_host_next_sec"), ["mortise_host_next_sec"]);
}

#[test]
fn every_alert_has_an_expression_a_severity_and_a_next_step() {
    let rules = text("prometheus/mortise.rules.yaml");
    let parsed = YamlLoader::load_from_str(&rules).unwrap();
    let all = parsed[0]["groups"][0]["rules"].as_vec().unwrap();
    assert!(all.len() >= 10);
    let (source, mut seen) = (files_of(METRICS), BTreeSet::new());
    for rule in all {
        let word = |value: &yaml_rust2::Yaml| value.as_str().unwrap_or_default().to_owned();
        let (name, expr) = (word(&rule["alert"]), word(&rule["expr"]));
        assert!(seen.insert(name.clone()), "{name} twice");
        assert!(["page", "ticket"].contains(&word(&rule["labels"]["severity"]).as_str()), "{name}");
        for field in ["summary", "next"] {
            assert!(!word(&rule["annotations"][field]).is_empty(), "{name}: {field}");
        }
        let ours = !names(&expr).is_empty();
        assert!(ours || FOREIGN.iter().any(|foreign| expr.contains(foreign)), "{name}: {expr}");
        for label in expr.split("outcome=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(source.contains(&format!("\"{label}\"")), "{name}: no outcome {label}");
        }
        let open = expr.matches('(').count();
        assert_eq!(open, expr.matches(')').count(), "{name}: {expr}");
    }
}

#[test]
fn alarms_watch_metrics_that_the_agent_publishes() {
    let agent: Value = serde_json::from_str(&text("cloudwatch/agent.json")).unwrap();
    let processor = &agent["logs"]["metrics_collected"]["prometheus"]["emf_processor"];
    let declarations = processor["metric_declaration"].as_array().unwrap();
    let published = |metric: &str, dimensions: &BTreeSet<&str>| {
        declarations.iter().any(|declaration| {
            let selectors = declaration["metric_selectors"].as_array().unwrap();
            let found: BTreeSet<&str> = declaration["dimensions"][0]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            selectors.contains(&Value::from(format!("^{metric}$"))) && found == *dimensions
        })
    };
    let alarms: Value = serde_json::from_str(&text("cloudwatch/alarms.json")).unwrap();
    let resources = alarms["Resources"].as_object().unwrap();
    let mut ours = 0;
    for (name, alarm) in resources {
        assert_eq!(alarm["Type"], "AWS::CloudWatch::Alarm", "{name}");
        let alarm = &alarm["Properties"];
        if alarm["Namespace"] != processor["metric_namespace"] {
            continue;
        }
        ours += 1;
        let dimensions = alarm["Dimensions"].as_array().unwrap().iter();
        let dimensions = dimensions.filter_map(|one| one["Name"].as_str()).collect();
        let metric = alarm["MetricName"].as_str().unwrap();
        assert!(published(metric, &dimensions), "{name}: {metric} by {dimensions:?}");
    }
    assert!(ours >= 6, "{ours}");
}

/// `increase()` and the agent's differences miss the first event of a series that appears with it,
/// so a fresh host must already serve each such counter.
#[test]
fn fresh_host_serves_the_counters_of_alerts_and_alarms_at_zero() {
    let fresh = mortise_host::Metrics::new().render();
    let rules = text("prometheus/mortise.rules.yaml");
    let increases: Vec<&str> = rules
        .split("increase(")
        .skip(1)
        .filter_map(|rest| rest.split('[').next())
        .filter(|series| series.starts_with("mortise_"))
        .collect();
    assert!(increases.len() >= 6, "{increases:?}");
    for series in increases {
        // A matcher of several series: the counter must have some at zero.
        let series = series
            .split_once("!~")
            .map_or(series, |(name, _)| name.split_once('{').map_or(name, |(name, _)| name));
        let shown = fresh.lines().any(|line| {
            let name = line.rsplit_once(' ').map_or("", |(name, _)| name);
            name == series || name.starts_with(&format!("{series}{{"))
        });
        assert!(shown, "{series} is missing before its first event\n{fresh}");
    }
    let alarms: Value = serde_json::from_str(&text("cloudwatch/alarms.json")).unwrap();
    for (alarm, resource) in alarms["Resources"].as_object().unwrap() {
        let name = resource["Properties"]["MetricName"].as_str().unwrap();
        let counts = name.starts_with("mortise_") && name.ends_with("_total");
        assert!(!counts || fresh.contains(&format!("\n{name}")), "{alarm}: {name}");
    }
}

/// The role allows exactly what the agent's configuration needs.
#[test]
fn role_lets_the_agent_write_its_metrics_and_its_logs() {
    let agent: Value = serde_json::from_str(&text("cloudwatch/agent.json")).unwrap();
    let role: Value = serde_json::from_str(&text("iam/parent-role-policy.json")).unwrap();
    let statement = |sid: &str| {
        let all = role["Statement"].as_array().unwrap();
        all.iter().find(|statement| statement["Sid"] == sid).unwrap().clone()
    };
    // The agent sends scraped metrics as log events and puts only its own.
    let put = statement("MetricsOfTheParent");
    assert_eq!(put["Action"], "cloudwatch:PutMetricData");
    let namespace = &put["Condition"]["StringEquals"]["cloudwatch:namespace"];
    assert_eq!(*namespace, agent["metrics"]["namespace"]);
    let logs = statement("LogsOfTheParent");
    let resource = logs["Resource"].as_str().unwrap();
    let groups = resource.split("log-group:").nth(1).unwrap().strip_suffix('*').unwrap();
    let collected = &agent["logs"]["logs_collected"]["files"]["collect_list"];
    let scraped = &agent["logs"]["metrics_collected"]["prometheus"];
    for log in collected.as_array().unwrap().iter().chain([scraped]) {
        let group = log["log_group_name"].as_str().unwrap();
        assert!(group.starts_with(groups), "{group} is not under {groups}");
        let keeps = log["retention_in_days"].is_u64();
        let may = logs["Action"].as_array().unwrap().contains(&"logs:PutRetentionPolicy".into());
        assert!(may || !keeps, "{group}: the role may not set how long it is kept");
    }
}

/// Alarms about the machine itself watch what the agent or EC2 publishes.
#[test]
fn alarms_of_the_machine_watch_metrics_of_the_agent() {
    let agent: Value = serde_json::from_str(&text("cloudwatch/agent.json")).unwrap();
    let alarms: Value = serde_json::from_str(&text("cloudwatch/alarms.json")).unwrap();
    let disk = &alarms["Resources"]["DiskFull"]["Properties"];
    assert_eq!(disk["Namespace"], agent["metrics"]["namespace"]);
    let measured = &agent["metrics"]["metrics_collected"]["disk"];
    assert_eq!(
        disk["MetricName"],
        format!("disk_{}", measured["measurement"][0].as_str().unwrap())
    );
    let dimensions = disk["Dimensions"].as_array().unwrap();
    let path = dimensions.iter().find(|dimension| dimension["Name"] == "path").unwrap();
    assert!(measured["resources"].as_array().unwrap().contains(&path["Value"]));
    // The alarm has no dimension for the device because the agent drops it.
    assert_eq!(measured["drop_device"], true);
    assert!(dimensions.iter().all(|dimension| dimension["Name"] != "device"));
}

/// The metric of the last stop stays after the next start, so an alert on it must test its age or
/// whether an enclave is connected.
#[test]
fn alert_about_the_last_stop_ends_when_an_enclave_is_connected() {
    let rules = text("prometheus/mortise.rules.yaml");
    let parsed = YamlLoader::load_from_str(&rules).unwrap();
    for rule in parsed[0]["groups"][0]["rules"].as_vec().unwrap() {
        let expr = rule["expr"].as_str().unwrap();
        if expr.starts_with("time() - mortise_host_enclave_last_stop_seconds") {
            assert!(expr.ends_with("< 600"), "{expr}");
        } else if expr.contains("mortise_host_enclave_last_stop_seconds") {
            assert!(
                expr.contains("and on (instance) mortise_host_store_connections < 1"),
                "{expr}"
            );
            let exits = expr.split("exit=~\"").nth(1).unwrap().split('"').next().unwrap();
            // 78 is the script's own status; no enclave exits with it.
            let unit = text("systemd/mortise-enclave.service");
            assert!(unit.contains(&format!("Status={} 78\n", exits.replace('|', " "))), "{exits}");
        }
    }
}

#[test]
fn every_json_and_yaml_file_parses() {
    let (json, yaml) = (files("json"), files("yaml"));
    assert!(json.len() >= 6 && yaml.len() >= 3, "{} {}", json.len(), yaml.len());
    for (path, text) in json {
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{path}");
    }
    for (path, text) in yaml {
        assert_eq!(YamlLoader::load_from_str(&text).map(|all| all.len()), Ok(1), "{path}");
    }
}

#[test]
fn allocator_reserves_enough_for_the_environment_file() {
    let allocator = YamlLoader::load_from_str(&text("allocator.yaml")).unwrap();
    let environment = text("mortise.env");
    let value = |name: &str| {
        let line = environment.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap().parse::<i64>().unwrap()
    };
    let reserved = |name: &str| allocator[0][name].as_i64().unwrap();
    assert!(reserved("memory_mib") >= value("MORTISE_ENCLAVE_MEMORY_MIB"));
    assert!(reserved("cpu_count") >= value("MORTISE_ENCLAVE_CPUS"));
    // The allocator's parser skips everything before this line.
    assert!(text("allocator.yaml").starts_with("---\n"));
}
