//! From the layers to the one configuration in effect, each value with where it comes from.
use std::{collections::HashMap, ffi::OsString, path::PathBuf};

use config::{Value, ValueKind};

use super::{
    Config, ConfigError,
    bounds::Impossible,
    keys::Keys,
    layers::{Layer, file_to_read},
    store,
};

/// What the command line says about configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `--config FILE`.
    pub file: Option<PathBuf>,
    /// `--set section.key=value`, in the order given; the last one of a key counts.
    pub set: Vec<String>,
}

/// The configuration in effect, and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// Every key, in the manual's order.
    pub settings: Vec<Setting>,
}

/// One key, as `hubbub config` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// As TOML would have it. Secrets are masked.
    pub value: String,
    /// `default`, the file's path, the variable's name, or `--set`.
    pub origin: String,
}

/// Reads every layer, the manual first, and checks the outcome.
/// `environment` is [`super::environment`], or a test's own.
pub fn load<N: Into<OsString>, V: Into<OsString>>(
    arguments: &Arguments,
    environment: impl IntoIterator<Item = (N, V)>,
) -> Result<Loaded, ConfigError> {
    let mut variables: Vec<(OsString, OsString)> =
        environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    // So that of several errors always the same one is told.
    variables.sort();

    let built_in = Layer::built_in()?;
    let keys = Keys::of(&built_in)?;
    let mut layers = vec![built_in];
    if let Some((path, place)) = file_to_read(arguments.file.as_deref(), &variables) {
        layers.push(Layer::file(&path, &place, &keys)?);
    }
    layers.push(Layer::variables(&variables, &keys)?);
    layers.push(Layer::arguments(&arguments.set, &keys)?);

    let merged = merge(layers)?;
    let settings = settings(&keys, &merged);
    let config = decode(&merged, &settings)?;
    config.validate().map_err(|what| {
        let origins = origins(&what, &settings);
        ConfigError::Impossible { what, origins }
    })?;
    Ok(Loaded { config, settings })
}

type Sections = HashMap<String, HashMap<String, Value>>;

/// Lets later layers win, by key; a value keeps its origin.
fn merge(layers: Vec<Layer>) -> Result<Sections, ConfigError> {
    let wrong = |error: config::ConfigError| ConfigError::Syntax {
        path: "layers".into(),
        says: error.to_string(),
    };
    let mut builder = config::Config::builder();
    for layer in layers {
        builder = builder.add_source(layer);
    }
    let sections = builder.build().map_err(wrong)?.cache.into_table().map_err(wrong)?;
    sections
        .into_iter()
        .map(|(section, keys)| Ok((section, keys.into_table().map_err(wrong)?)))
        .collect()
}

fn settings(keys: &Keys, merged: &Sections) -> Vec<Setting> {
    let value_of = |key: &str| {
        let (section, name) = key.split_once('.')?;
        merged.get(section)?.get(name)
    };
    keys.in_order()
        .filter_map(|key| {
            let value = value_of(key)?;
            let origin = value.origin().unwrap_or("default").to_owned();
            Some(Setting { key: key.to_owned(), value: shown(key, &value.kind), origin })
        })
        .collect()
}

/// As TOML would have it, with secrets masked.
fn shown(key: &str, kind: &ValueKind) -> String {
    match (key, kind) {
        ("store.url", ValueKind::String(url)) => format!("{:?}", store::masked(url)),
        (_, ValueKind::String(text)) if text.is_empty() => "\"\"".to_owned(),
        (key, _) if Keys::is_secret(key) => "\"***\"".to_owned(),
        (_, ValueKind::String(text)) => format!("{text:?}"),
        (_, ValueKind::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| shown("", &item.kind)).collect();
            format!("[{}]", items.join(", "))
        }
        (_, kind) => kind.to_string(),
    }
}

/// Into the sections' types. By way of JSON: `config`'s own conversion would cut 4294967297 to 1,
/// and does not say which key it stumbled on.
fn decode(merged: &Sections, settings: &[Setting]) -> Result<Config, ConfigError> {
    let sections: serde_json::Map<_, _> = merged
        .iter()
        .map(|(section, keys)| {
            let keys = keys.iter().map(|(name, value)| (name.clone(), json(&value.kind)));
            (section.clone(), serde_json::Value::Object(keys.collect()))
        })
        .collect();
    serde_path_to_error::deserialize(serde_json::Value::Object(sections)).map_err(|error| {
        let path = error.path().to_string();
        let key = path.split('[').next().unwrap_or_default();
        let setting = settings.iter().find(|setting| setting.key == key);
        // The decoder quotes what it was given.
        let says = if Keys::is_secret(key) {
            "must be a text".to_owned()
        } else {
            error.inner().to_string()
        };
        ConfigError::Invalid {
            key: key.to_owned(),
            value: setting.map(|s| s.value.clone()).unwrap_or_default(),
            origin: setting.map_or("default", |s| &s.origin).to_owned(),
            says,
        }
    })
}

fn json(kind: &ValueKind) -> serde_json::Value {
    match kind {
        ValueKind::Boolean(value) => (*value).into(),
        ValueKind::I64(value) => (*value).into(),
        ValueKind::U64(value) => (*value).into(),
        ValueKind::Float(value) => (*value).into(),
        ValueKind::String(value) => value.as_str().into(),
        ValueKind::Array(items) => items.iter().map(|item| json(&item.kind)).collect(),
        ValueKind::Table(keys) => {
            let keys = keys.iter().map(|(name, value)| (name.clone(), json(&value.kind)));
            serde_json::Value::Object(keys.collect())
        }
        // 128 bits come from no layer of ours; nothing of ours takes them.
        ValueKind::Nil | ValueKind::I128(_) | ValueKind::U128(_) => serde_json::Value::Null,
    }
}

/// Where the value comes from; with two that contradict each other, where both do.
fn origins(what: &Impossible, settings: &[Setting]) -> String {
    let of = |key: &str| {
        settings.iter().find(|setting| setting.key == key).map_or("default", |s| s.origin.as_str())
    };
    match what.against {
        Some(other) => format!("{}; {other} from {}", of(what.key), of(other)),
        None => of(what.key).to_owned(),
    }
}
