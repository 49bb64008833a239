//! Facts that several checks need, gathered once.

use super::machine::{HttpAsk, Machine, Trouble};
use super::settings::Settings;
use super::stops::{LastStop, read_last_stop};
use serde::Deserialize;
use serde_json::Value;

/// The instance metadata service.
pub(super) const IMDS: &str = "169.254.169.254:80";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const HEALTH: &str =
    "{\"jsonrpc\":\"2.0\",\"id\":\"doctor\",\"method\":\"health\",\"params\":{}}\n";

/// One enclave, as `nitro-cli describe-enclaves` reports it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Enclave {
    /// Name; empty with older tools.
    #[serde(default)]
    pub enclave_name: String,
    #[serde(rename = "EnclaveID")]
    pub id: String,
    #[serde(rename = "EnclaveCID")]
    pub cid: u32,
    #[serde(rename = "NumberOfCPUs")]
    pub cpus: u64,
    #[serde(rename = "MemoryMiB")]
    pub memory_mib: u64,
    /// `RUNNING`, `TERMINATING`.
    pub state: String,
    /// `NONE`, `DEBUG_MODE`.
    pub flags: String,
    /// PCRs by name, of the image file; newer tools only.
    #[serde(default)]
    pub measurements: Value,
}

impl Enclave {
    /// Whether its parent can read it.
    pub fn is_debug(&self) -> bool {
        self.flags.contains("DEBUG_MODE")
    }
}

/// The role of the instance, and how its metadata service answers.
#[derive(Debug, Clone)]
pub(super) struct Imds {
    /// The role; empty when the instance has none.
    pub role: String,
    /// `Code` of the credentials document; the credentials themselves are dropped.
    pub code: String,
    /// End of the credentials, as the service writes it.
    pub expiration: String,
    /// Whether the service answers without a token.
    pub answers_without_token: bool,
    /// ARN of the instance profile; it names the account.
    pub profile: String,
}

/// The facts.
pub(super) struct Facts {
    pub settings: Settings,
    pub enclaves: Result<Vec<Enclave>, Trouble>,
    /// The engine's health over vsock: the result, or its error.
    pub health: Result<Value, Trouble>,
    /// The last stop that the host recorded.
    pub last_stop: Result<LastStop, Trouble>,
    pub imds: Result<Imds, Trouble>,
}

impl Facts {
    /// Asks the machine for each fact.
    pub fn gather(machine: &dyn Machine) -> Self {
        let settings = Settings::read(machine);
        Self {
            enclaves: enclaves(machine),
            health: health(machine, &settings),
            last_stop: read_last_stop(machine, &settings.data_folder),
            imds: imds(machine),
            settings,
        }
    }

    /// The enclave of this engine: by name, by CID, or because it is the only one.
    pub fn enclave(&self) -> Option<&Enclave> {
        let all = self.enclaves.as_deref().unwrap_or_default();
        let named = all.iter().find(|one| one.enclave_name == self.settings.enclave_name);
        let placed = || all.iter().find(|one| one.cid == self.settings.enclave_cid);
        named.or_else(placed).or(if all.len() == 1 { all.first() } else { None })
    }

    /// Whether nitro-cli or the engine reports debug mode.
    pub fn is_debug(&self) -> bool {
        self.enclave().is_some_and(Enclave::is_debug) || self.health_text("mode") == "debug"
    }

    /// A text field of the engine's health; empty if there is none.
    pub fn health_text(&self, field: &str) -> &str {
        let health = self.health.as_ref().ok();
        health.and_then(|health| health[field].as_str()).unwrap_or_default()
    }
}

fn enclaves(machine: &dyn Machine) -> Result<Vec<Enclave>, Trouble> {
    let ran = machine.run("nitro-cli", &["describe-enclaves"])?;
    if !ran.success {
        let line = ran.stderr.lines().find(|line| !line.trim().is_empty());
        return Err(Trouble::Other(line.unwrap_or("it failed without a message").to_owned()));
    }
    serde_json::from_str(&ran.stdout)
        .map_err(|error| Trouble::Other(format!("the answer is not the expected JSON: {error}")))
}

fn health(machine: &dyn Machine, settings: &Settings) -> Result<Value, Trouble> {
    let text = machine.call(&settings.engine(), HEALTH)?;
    let answer: Value = serde_json::from_str(&text)
        .map_err(|_| Trouble::Other("the answer is not JSON".to_owned()))?;
    match (&answer["result"], &answer["error"]["message"]) {
        (result @ Value::Object(_), _) => Ok(result.clone()),
        (_, Value::String(error)) => Err(Trouble::Other(error.clone())),
        _ => Err(Trouble::Other("the answer is not a health result".to_owned())),
    }
}

fn imds(machine: &dyn Machine) -> Result<Imds, Trouble> {
    let seconds = Some(("x-aws-ec2-metadata-token-ttl-seconds", "60"));
    let ask = HttpAsk { to: IMDS, method: "PUT", path: "/latest/api/token", header: seconds };
    let token = machine.http(&ask)?;
    if token.status != 200 {
        return Err(Trouble::Other(format!("status {} for the token request", token.status)));
    }
    let get = |path: &str| {
        let header = Some(("x-aws-ec2-metadata-token", token.body.trim()));
        let answer = machine.http(&HttpAsk { to: IMDS, method: "GET", path, header })?;
        Ok::<_, Trouble>(if answer.status == 200 { answer.body } else { String::new() })
    };
    let role = get(ROLES)?.lines().next().unwrap_or_default().trim().to_owned();
    let document = if role.is_empty() { String::new() } else { get(&format!("{ROLES}{role}"))? };
    // the rest of the document is secret
    let field = |name: &str| {
        let document: Value = serde_json::from_str(&document).unwrap_or_default();
        document[name].as_str().unwrap_or_default().to_owned()
    };
    let profile: Value =
        serde_json::from_str(&get("/latest/meta-data/iam/info")?).unwrap_or_default();
    let open = machine.http(&HttpAsk::get(IMDS, "/latest/meta-data/"));
    Ok(Imds {
        code: field("Code"),
        expiration: field("Expiration"),
        role,
        answers_without_token: open.is_ok_and(|answer| answer.status == 200),
        profile: profile["InstanceProfileArn"].as_str().unwrap_or_default().to_owned(),
    })
}
