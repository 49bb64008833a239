//! Parses a policy document completely.

use super::json::Json;

/// Most bytes of a key policy. AWS has the same limit.
pub const POLICY_BYTES_MAX: usize = 32 * 1024;

/// Why a text is not a policy document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is longer than a key policy may be.
    #[error("the policy has {found} bytes; a key policy has at most {bytes_max}")]
    TooLarge {
        /// [`POLICY_BYTES_MAX`].
        bytes_max: usize,
        found: usize,
    },
    /// It is not JSON, or a key occurs twice in an object.
    #[error("the policy is not JSON at line {line}, column {column}, or a key occurs twice there")]
    NotJson { line: usize, column: usize },
    /// A field has the wrong type.
    #[error("{field} is not {expected}")]
    WrongType {
        field: &'static str,
        /// The type that it must have.
        expected: &'static str,
    },
    /// A required field is missing.
    #[error("{field} is missing")]
    Missing { field: &'static str },
    /// A statement has a field and its opposite, such as `Action` and `NotAction`.
    #[error("{field} and its opposite exclude each other")]
    Contradiction { field: &'static str },
    /// A field has an unknown name.
    #[error("a {place} has an unknown field")]
    FieldUnknown {
        /// `policy`, `statement` or `principal`.
        place: &'static str,
    },
    /// A part of the policy language that the local KMS does not evaluate.
    #[error("{what} is not supported by the local KMS")]
    Unsupported {
        /// The name of the part.
        what: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    /// Denies, even if another statement grants.
    Deny,
}

/// Patterns with wildcards, or everything but them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns {
    /// True for `NotAction` and `NotResource`.
    pub excluded: bool,
    pub texts: Vec<String>,
}

/// Who a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Principals {
    /// True for `NotPrincipal`.
    pub excluded: bool,
    /// True for `"*"` and `{"AWS": "*"}`.
    pub everyone: bool,
    /// ARNs and account numbers.
    pub aws: Vec<String>,
    /// Services and federations: `Service:logs.amazonaws.com`.
    pub others: Vec<String>,
}

/// One condition of a statement. A statement applies if all its conditions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// As written, possibly with `IfExists` or a set prefix.
    pub operator: String,
    pub key: String,
    /// At least one must match; none may match for a negated operator.
    pub values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub sid: Option<String>,
    pub effect: Effect,
    /// `None` in the policy of an identity.
    pub principals: Option<Principals>,
    pub actions: Patterns,
    pub resources: Patterns,
    pub conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    pub version: Option<String>,
    pub statements: Vec<Statement>,
}

impl PolicyDocument {
    /// Parses a document.
    ///
    /// # Errors
    /// [`DocumentError`], except `Unsupported`.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let (bytes_max, found) = (POLICY_BYTES_MAX, text.len());
        if found > bytes_max {
            return Err(DocumentError::TooLarge { bytes_max, found });
        }
        let json: Json = serde_json::from_str(text).map_err(|error| DocumentError::NotJson {
            line: error.line(),
            column: error.column(),
        })?;
        let mut version = None;
        let mut statements = None;
        for (key, value) in object("the policy", json)? {
            match key.as_str() {
                "Version" => version = Some(text_of("Version", value)?),
                "Id" => drop(text_of("Id", value)?),
                "Statement" => statements = Some(read_statements(value)?),
                _ => return Err(DocumentError::FieldUnknown { place: "policy" }),
            }
        }
        let statements = statements.ok_or(DocumentError::Missing { field: "Statement" })?;
        Ok(Self { version, statements })
    }

    /// Checks that the local KMS evaluates every part of this key policy.
    ///
    /// # Errors
    /// `Unsupported` for `NotPrincipal`, `NotAction`, `NotResource` and sets of values; `Missing`
    /// for a statement without `Principal`.
    pub fn check_supported(&self) -> Result<(), DocumentError> {
        let refuse = |what| Err(DocumentError::Unsupported { what });
        for statement in &self.statements {
            let principals = statement.principals.as_ref();
            if principals.ok_or(DocumentError::Missing { field: "Principal" })?.excluded {
                return refuse("NotPrincipal");
            }
            if statement.actions.excluded {
                return refuse("NotAction");
            }
            if statement.resources.excluded {
                return refuse("NotResource");
            }
            if statement.conditions.iter().any(|condition| condition.operator.contains(':')) {
                return refuse("ForAllValues and ForAnyValue");
            }
        }
        Ok(())
    }
}

fn read_statements(json: Json) -> Result<Vec<Statement>, DocumentError> {
    match json {
        Json::List(list) => list.into_iter().map(read_statement).collect(),
        one => Ok(vec![read_statement(one)?]),
    }
}

fn read_statement(json: Json) -> Result<Statement, DocumentError> {
    let (mut sid, mut effect, mut principals) = (None, None, None);
    let (mut actions, mut resources, mut conditions) = (None, None, Vec::new());
    for (key, value) in object("Statement", json)? {
        match key.as_str() {
            "Sid" => sid = Some(text_of("Sid", value)?),
            "Effect" => effect = Some(read_effect(value)?),
            "Principal" => once(&mut principals, "Principal", read_principals(false, value)?)?,
            "NotPrincipal" => once(&mut principals, "NotPrincipal", read_principals(true, value)?)?,
            "Action" => once(&mut actions, "Action", patterns(false, "Action", value)?)?,
            "NotAction" => once(&mut actions, "NotAction", patterns(true, "NotAction", value)?)?,
            "Resource" => once(&mut resources, "Resource", patterns(false, "Resource", value)?)?,
            "NotResource" => {
                once(&mut resources, "NotResource", patterns(true, "NotResource", value)?)?;
            }
            "Condition" => conditions = read_conditions(value)?,
            _ => return Err(DocumentError::FieldUnknown { place: "statement" }),
        }
    }
    let missing = |field| DocumentError::Missing { field };
    Ok(Statement {
        sid,
        effect: effect.ok_or(missing("Effect"))?,
        principals,
        actions: actions.ok_or(missing("Action"))?,
        resources: resources.ok_or(missing("Resource"))?,
        conditions,
    })
}

/// Sets the slot that a field and its opposite share. The parser refuses repeated keys before.
fn once<T>(slot: &mut Option<T>, field: &'static str, value: T) -> Result<(), DocumentError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(DocumentError::Contradiction { field }),
    }
}

fn read_effect(json: Json) -> Result<Effect, DocumentError> {
    match text_of("Effect", json)?.as_str() {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        _ => Err(DocumentError::WrongType { field: "Effect", expected: "Allow or Deny" }),
    }
}

fn read_principals(excluded: bool, json: Json) -> Result<Principals, DocumentError> {
    let mut principals = Principals { excluded, ..Principals::default() };
    let kinds = match json {
        Json::Text(text) if text == "*" => {
            principals.everyone = true;
            return Ok(principals);
        }
        other => object("Principal", other)?,
    };
    for (kind, names) in kinds {
        for name in texts("Principal", names)? {
            match (kind.as_str(), name.as_str()) {
                ("AWS", "*") => principals.everyone = true,
                ("AWS", _) => principals.aws.push(name),
                ("Service" | "Federated" | "CanonicalUser", _) => {
                    principals.others.push(format!("{kind}:{name}"));
                }
                _ => return Err(DocumentError::FieldUnknown { place: "principal" }),
            }
        }
    }
    Ok(principals)
}

fn read_conditions(json: Json) -> Result<Vec<Condition>, DocumentError> {
    let mut conditions = Vec::new();
    for (operator, keys) in object("Condition", json)? {
        for (key, values) in object("Condition", keys)? {
            let values = texts("Condition", values)?;
            conditions.push(Condition { operator: operator.clone(), key, values });
        }
    }
    Ok(conditions)
}

fn patterns(excluded: bool, field: &'static str, json: Json) -> Result<Patterns, DocumentError> {
    Ok(Patterns { excluded, texts: texts(field, json)? })
}

/// One text or a list of texts. Booleans and numbers become texts.
fn texts(field: &'static str, json: Json) -> Result<Vec<String>, DocumentError> {
    let scalar = |json| match json {
        Json::Text(text) | Json::Number(text) => Ok(text),
        Json::Bool(value) => Ok(value.to_string()),
        _ => Err(DocumentError::WrongType { field, expected: "a text or a list of texts" }),
    };
    match json {
        Json::List(list) => list.into_iter().map(scalar).collect(),
        one => Ok(vec![scalar(one)?]),
    }
}

fn text_of(field: &'static str, json: Json) -> Result<String, DocumentError> {
    match json {
        Json::Text(text) => Ok(text),
        _ => Err(DocumentError::WrongType { field, expected: "a text" }),
    }
}

fn object(field: &'static str, json: Json) -> Result<Vec<(String, Json)>, DocumentError> {
    match json {
        Json::Object(entries) => Ok(entries),
        _ => Err(DocumentError::WrongType { field, expected: "an object" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(fields: &str) -> Result<PolicyDocument, DocumentError> {
        PolicyDocument::parse(&format!(r#"{{"Version":"2012-10-17","Statement":{{{fields}}}}}"#))
    }

    const GOOD: &str = r#""Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*""#;

    #[test]
    fn single_statement_and_single_text_need_no_list() {
        let policy = statement(GOOD).unwrap();
        assert_eq!(policy.statements.len(), 1);
        assert!(policy.statements[0].principals.as_ref().unwrap().everyone);
        assert_eq!(policy.statements[0].actions.texts, ["kms:*"]);
        assert_eq!(policy.check_supported(), Ok(()));
    }

    #[test]
    fn each_malformed_statement_is_refused_by_name() {
        let missing = |field| DocumentError::Missing { field };
        for (fields, refused) in [
            (GOOD.replace(r#""Effect":"Allow","#, ""), missing("Effect")),
            (GOOD.replace(r#","Resource":"*""#, ""), missing("Resource")),
            (GOOD.replace(r#""Action":"kms:*","#, ""), missing("Action")),
            (
                format!(r#"{GOOD},"NotAction":"x""#),
                DocumentError::Contradiction { field: "NotAction" },
            ),
            (format!(r#"{GOOD},"When":"x""#), DocumentError::FieldUnknown { place: "statement" }),
            (
                GOOD.replace("Allow", "allow"),
                DocumentError::WrongType { field: "Effect", expected: "Allow or Deny" },
            ),
            (
                GOOD.replace(r#""kms:*""#, r#"[{}]"#),
                DocumentError::WrongType { field: "Action", expected: "a text or a list of texts" },
            ),
        ] {
            assert_eq!(statement(&fields), Err(refused), "{fields}");
        }
        assert!(matches!(statement("}"), Err(DocumentError::NotJson { .. })));
        let twice = format!(r#"{GOOD},"Effect":"Deny""#);
        assert!(matches!(statement(&twice), Err(DocumentError::NotJson { .. })));
        let long = " ".repeat(POLICY_BYTES_MAX + 1);
        assert!(matches!(PolicyDocument::parse(&long), Err(DocumentError::TooLarge { .. })));
    }

    #[test]
    fn parts_that_the_local_kms_does_not_evaluate_are_refused_by_name() {
        for (from, to, what) in [
            ("\"Principal\"", "\"NotPrincipal\"", "NotPrincipal"),
            ("\"Action\"", "\"NotAction\"", "NotAction"),
            ("\"Resource\"", "\"NotResource\"", "NotResource"),
        ] {
            let policy = statement(&GOOD.replace(from, to)).unwrap();
            assert_eq!(policy.check_supported(), Err(DocumentError::Unsupported { what }));
        }
        let sets = format!(r#"{GOOD},"Condition":{{"ForAllValues:StringEquals":{{"a:b":[]}}}}"#);
        let refused = statement(&sets).unwrap().check_supported();
        assert!(matches!(refused, Err(DocumentError::Unsupported { .. })));
    }
}
