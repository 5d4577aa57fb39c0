//! The layers of configuration, each read into keys and values that know where they come from.
use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::{ConfigError, MANUAL, keys::Keys, store};

/// The variable that names a configuration file.
pub(super) const FILE_VARIABLE: &str = "HUBBUB_CONFIG";
/// What our variables begin with. One underscore would also match `HUBBUB_SERVICE_HOST` and its
/// like, which Kubernetes sets for a service of our name.
pub(super) const PREFIX: &str = "HUBBUB__";
/// What marks a variable that names a file holding the secret.
const IN_FILE: &str = "_FILE";

/// What one layer sets: key, value, and the origin as people are told it.
pub(super) struct Layer(Vec<(String, ValueKind, String)>);

impl fmt::Debug for Layer {
    /// Without the values: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(key, ..)| key)).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(Self(self.0.clone()))
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let value = |kind: &ValueKind, origin| Value::new(Some(origin), kind.clone());
        Ok(self.0.iter().map(|(key, kind, origin)| (key.clone(), value(kind, origin))).collect())
    }
}

impl Layer {
    /// The manual.
    pub(super) fn built_in() -> Result<Self, ConfigError> {
        let values = parse(MANUAL, "default")?;
        Ok(Self(values.into_iter().map(|(key, kind)| (key, kind, "default".into())).collect()))
    }

    /// A file; `place` is how people are told of it.
    pub(super) fn file(path: &Path, place: &str, keys: &Keys) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Unreadable { place: place.into(), cause })?;
        let origin = path.display().to_string();
        let mut values = parse(&text, &origin)?;
        values.sort_by(|a, b| a.0.cmp(&b.0));
        let values = values.into_iter().filter(|(key, kind)| !keys.is_empty_section(key, kind));
        values
            .map(|(key, kind)| match keys.default_of(&key) {
                Some(_) => Ok((key, kind, origin.clone())),
                None => Err(ConfigError::Unknown {
                    place: format!("file {origin}, key {}", key.escape_debug()),
                    nearest: keys.nearest(&key),
                }),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// `HUBBUB__SECTION__KEY`, and `HUBBUB__SECTION__KEY_FILE` for secrets.
    pub(super) fn variables(
        all: &[(OsString, OsString)],
        keys: &Keys,
    ) -> Result<Self, ConfigError> {
        let mut layer = Vec::new();
        for (name, value) in all {
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with(PREFIX) {
                continue;
            }
            let Some(text) = value.to_str() else {
                return Err(ConfigError::NotText { variable: name });
            };
            let (variable, text) = match name.strip_suffix(IN_FILE).filter(|v| is_secret(v, keys)) {
                Some(variable) if all.iter().any(|(other, _)| other == variable) => {
                    return Err(ConfigError::BothGiven { variable: variable.into() });
                }
                Some(variable) => (variable, secret(&name, text)?),
                None => (name.as_str(), text.to_owned()),
            };
            let Some(key) = keys.of_variable(variable) else {
                return Err(ConfigError::Unknown {
                    place: format!("variable {}", name.escape_debug()),
                    nearest: keys.nearest_variable(&name),
                });
            };
            let kind = keys.typed(key, &text, &name)?;
            layer.push((key.to_owned(), kind, name));
        }
        Ok(Self(layer))
    }

    /// `--set section.key=value`.
    pub(super) fn arguments(set: &[String], keys: &Keys) -> Result<Self, ConfigError> {
        set.iter().map(|argument| one_argument(argument, keys)).collect::<Result<_, _>>().map(Self)
    }
}

/// The file to read, if any, and how people are told of it. The argument wins over the variable.
pub(super) fn file_to_read(
    argument: Option<&Path>,
    variables: &[(OsString, OsString)],
) -> Option<(PathBuf, String)> {
    if let Some(path) = argument {
        return Some((path.to_owned(), format!("file {} (from --config)", path.display())));
    }
    // Empty counts as unset: `HUBBUB_CONFIG: ${HUBBUB_CONFIG:-}` in a compose file means "none".
    let (_, path) = variables.iter().find(|(n, v)| n == FILE_VARIABLE && !v.is_empty())?;
    let path = PathBuf::from(path);
    let place = format!("file {} (from {FILE_VARIABLE})", path.display());
    Some((path, place))
}

fn one_argument(argument: &str, keys: &Keys) -> Result<(String, ValueKind, String), ConfigError> {
    let Some((key, text)) = argument.split_once('=') else {
        // No more of it than could be a key: the rest may be a secret.
        let given = argument.chars().take_while(|c| c.is_ascii_alphanumeric() || "._".contains(*c));
        return Err(ConfigError::Argument { given: given.collect() });
    };
    if keys.default_of(key).is_none() {
        return Err(ConfigError::Unknown {
            place: format!("argument --set {}", key.escape_debug()),
            nearest: keys.nearest(key),
        });
    }
    let reveals = match key {
        "store.url" => store::has_credentials(text),
        "auth.guest_key" | "auth.admin_secret" => !text.is_empty(),
        _ => false,
    };
    if reveals {
        let variable = Keys::variable(key);
        return Err(ConfigError::SecretArgument { key: key.into(), variable });
    }
    Ok((key.to_owned(), keys.typed(key, text, "--set")?, "--set".to_owned()))
}

fn is_secret(variable: &str, keys: &Keys) -> bool {
    keys.of_variable(variable).is_some_and(Keys::is_secret)
}

/// The content of the file that the variable names.
fn secret(variable: &str, path: &str) -> Result<String, ConfigError> {
    let place = format!("variable {variable}: file {path:?}");
    std::fs::read_to_string(path)
        .map(|content| content.trim().to_owned())
        .map_err(|cause| ConfigError::Unreadable { place, cause })
}

/// Keys as `section.key`, with their values.
fn parse(text: &str, path: &str) -> Result<Vec<(String, ValueKind)>, ConfigError> {
    let table = File::from_str(text, FileFormat::Toml).collect().map_err(|error| {
        ConfigError::Syntax { path: path.into(), says: without_source(&error.to_string()) }
    })?;
    let mut keys = Vec::new();
    flatten("", table, &mut keys);
    Ok(keys)
}

fn flatten(prefix: &str, table: Map<String, Value>, into: &mut Vec<(String, ValueKind)>) {
    for (name, value) in table {
        // A quoted "a.b" is one name; it must not pass for the key `b` of the section `a`.
        let name = if name.contains('.') { format!("{name:?}") } else { name };
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(inner) if !inner.is_empty() => flatten(&key, inner, into),
            kind => into.push((key, kind)),
        }
    }
}

/// The parser's message as one line, without the line of the file it quotes: that may hold a secret.
fn without_source(message: &str) -> String {
    let quotes = |line: &&str| {
        line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim().starts_with('|')
    };
    let says: Vec<&str> = message.lines().filter(|line| !quotes(line)).map(str::trim).collect();
    says.join(": ").trim_end_matches(": ").to_owned()
}
