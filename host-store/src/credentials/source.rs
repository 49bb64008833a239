//! The sources of credentials.

use super::imds::{Imds, ImdsError};
use mortise_rpc::credentials::Credentials;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use zeroize::Zeroizing;

/// A source of credentials: `imds`, `imds=HOST:PORT`, `env`, `file=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsSource {
    /// The role of this instance, from the instance metadata service, version 2.
    Imds(Imds),
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    Environment,
    /// A JSON object with the field names of the instance metadata service.
    File(PathBuf),
}

/// The text is not a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a source of credentials is imds, imds=HOST:PORT, env or file=PATH")]
pub struct SourceNameError;

/// Why a source gave no credentials. No text contains a part of a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A variable is not set.
    #[error("the variable {0} is not set")]
    Variable(&'static str),
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    File(std::io::Error),
    /// The text is not a JSON object with the field names of credentials.
    #[error("it is not a JSON object with AccessKeyId and SecretAccessKey")]
    Form,
    /// The instance metadata service failed.
    #[error(transparent)]
    Imds(#[from] ImdsError),
}

impl FromStr for CredentialsSource {
    type Err = SourceNameError;

    fn from_str(text: &str) -> Result<Self, SourceNameError> {
        match text.split_once('=') {
            None if text == "imds" => Ok(Self::Imds(Imds::default())),
            None if text == "env" => Ok(Self::Environment),
            Some(("imds", at)) => {
                at.parse().map(|at| Self::Imds(Imds::at(at))).map_err(|_| SourceNameError)
            }
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(SourceNameError),
        }
    }
}

impl fmt::Display for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imds(imds) => write!(f, "imds={imds}"),
            Self::Environment => f.write_str("env"),
            Self::File(path) => write!(f, "file={}", path.display()),
        }
    }
}

impl CredentialsSource {
    /// Requests credentials from the source.
    pub(super) async fn fetch(&self) -> Result<Credentials, SourceError> {
        match self {
            Self::Imds(imds) => Ok(imds.fetch().await?),
            Self::Environment => from_variables(|name| std::env::var(name).ok()),
            Self::File(path) => {
                // A few lines: reading them here is faster than on another thread.
                let text = std::fs::read(path).map_err(SourceError::File)?;
                let text = Zeroizing::new(text);
                // Drops the parser's error, which could quote the text.
                serde_json::from_slice(&text).map_err(|_| SourceError::Form)
            }
        }
    }
}

fn from_variables(value: impl Fn(&str) -> Option<String>) -> Result<Credentials, SourceError> {
    let variable = |name| value(name).filter(|value| !value.is_empty());
    let needed = |name| variable(name).ok_or(SourceError::Variable(name));
    Ok(Credentials {
        access_key_id: needed("AWS_ACCESS_KEY_ID")?,
        secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?,
        token: variable("AWS_SESSION_TOKEN"),
        expiration: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sources_are_read_back() {
        for name in ["imds=127.0.0.1:1338", "env", "file=/run/credentials.json"] {
            assert_eq!(name.parse::<CredentialsSource>().unwrap().to_string(), name);
        }
        assert_eq!(
            "imds".parse::<CredentialsSource>().unwrap().to_string(),
            "imds=169.254.169.254:80"
        );
        for wrong in ["", "imds=", "imds=x", "file=", "file", "env=1", "profile"] {
            assert_eq!(wrong.parse::<CredentialsSource>(), Err(SourceNameError), "{wrong}");
        }
    }

    #[test]
    fn environment_gives_a_key_and_perhaps_a_token() {
        let without = |absent: &'static str| {
            from_variables(move |name| (name != absent).then(|| name.to_lowercase()))
        };
        let whole = without("").unwrap();
        assert_eq!(whole.access_key_id, "aws_access_key_id");
        assert_eq!(whole.secret_access_key, "aws_secret_access_key");
        assert_eq!(whole.token.as_deref(), Some("aws_session_token"));
        assert_eq!(without("AWS_SESSION_TOKEN").unwrap().token, None);
        for needed in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let refused = without(needed).unwrap_err();
            assert!(matches!(refused, SourceError::Variable(name) if name == needed), "{refused}");
        }
        assert!(from_variables(|_| Some(String::new())).is_err());
    }

    #[tokio::test]
    async fn file_that_is_no_credentials_is_refused_without_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        let source = CredentialsSource::File(path.clone());
        assert!(matches!(source.fetch().await, Err(SourceError::File(_))));
        std::fs::write(&path, r#"{"AccessKeyId":"AKIA","SecretAccessKey":hunter2}"#).unwrap();
        let refused = source.fetch().await.unwrap_err();
        assert!(matches!(refused, SourceError::Form));
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
}
