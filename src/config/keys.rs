//! Every key there is, in the manual's order: its variable, its kind, and its nearest neighbour.
use std::collections::HashMap;

use config::{Source, ValueKind};

use super::{ConfigError, MANUAL, layers::Layer, layers::PREFIX};

/// Keys whose values are never printed, and may come from a file.
const SECRETS: [&str; 3] = ["store.url", "auth.guest_key", "auth.admin_secret"];

pub(super) struct Keys {
    in_order: Vec<String>,
    defaults: HashMap<String, ValueKind>,
}

impl Keys {
    /// The keys of the built-in layer.
    pub(super) fn of(built_in: &Layer) -> Result<Self, ConfigError> {
        let values = built_in.collect().map_err(|error| ConfigError::Syntax {
            path: "default".into(),
            says: error.to_string(),
        })?;
        let defaults: HashMap<_, _> =
            values.into_iter().map(|(key, value)| (key, value.kind)).collect();
        Ok(Self { in_order: keys_of_manual(), defaults })
    }

    pub(super) fn in_order(&self) -> impl Iterator<Item = &str> {
        self.in_order.iter().map(String::as_str)
    }

    pub(super) fn is_secret(key: &str) -> bool {
        SECRETS.contains(&key)
    }

    pub(super) fn default_of(&self, key: &str) -> Option<&ValueKind> {
        self.defaults.get(key)
    }

    /// A section that a file opens and leaves empty; there is nothing wrong with it.
    pub(super) fn is_empty_section(&self, key: &str, kind: &ValueKind) -> bool {
        let is_empty = matches!(kind, ValueKind::Table(table) if table.is_empty());
        is_empty && self.in_order().any(|k| k.split_once('.').is_some_and(|(s, _)| s == key))
    }

    /// `store.url` → `HUBBUB__STORE__URL`.
    pub(super) fn variable(key: &str) -> String {
        format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
    }

    /// `HUBBUB__STORE__URL` → `store.url`. Capitals only: two spellings could contradict each other.
    pub(super) fn of_variable(&self, variable: &str) -> Option<&str> {
        self.in_order().find(|key| Self::variable(key) == variable)
    }

    /// The text of a variable or an argument, as the kind of value the key has.
    pub(super) fn typed(
        &self,
        key: &str,
        text: &str,
        origin: &str,
    ) -> Result<ValueKind, ConfigError> {
        let invalid = |says: &str| ConfigError::Invalid {
            key: key.into(),
            value: format!("{text:?}"),
            origin: origin.into(),
            says: says.into(),
        };
        match self.default_of(key) {
            Some(ValueKind::Boolean(_)) => {
                text.parse().map(ValueKind::Boolean).map_err(|_| invalid("must be true or false"))
            }
            Some(ValueKind::Float(_)) => {
                text.parse().map(ValueKind::Float).map_err(|_| invalid("must be a number"))
            }
            Some(ValueKind::I64(_)) => {
                text.parse().map(ValueKind::I64).map_err(|_| invalid("must be a whole number"))
            }
            Some(ValueKind::Array(_)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(items.map(str::to_owned).collect::<Vec<String>>().into())
            }
            _ => Ok(ValueKind::String(text.to_owned())),
        }
    }

    /// The key that was probably meant: the same name in another section before a similar one.
    pub(super) fn nearest(&self, wrong: &str) -> String {
        let name = |key: &str| key.rsplit('.').next().map(str::to_owned);
        let distance = |key: &str| {
            let elsewhere = name(key) == name(wrong);
            (!elsewhere, strsim::damerau_levenshtein(key, wrong))
        };
        self.in_order().min_by_key(|key| distance(key)).unwrap_or_default().to_owned()
    }

    pub(super) fn nearest_variable(&self, wrong: &str) -> String {
        self.in_order()
            .map(Self::variable)
            .min_by_key(|variable| strsim::damerau_levenshtein(variable, wrong))
            .unwrap_or_default()
    }
}

/// The keys as the manual lists them; the parser forgets their order.
fn keys_of_manual() -> Vec<String> {
    let mut section = "";
    let mut keys = Vec::new();
    for line in MANUAL.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.push(format!("{section}.{name}"));
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_manual_has_every_key_once() {
        let keys = Keys::of(&Layer::built_in().unwrap()).unwrap();

        let mut in_order = keys.in_order.clone();
        in_order.sort();
        let mut parsed: Vec<String> = keys.defaults.keys().cloned().collect();
        parsed.sort();

        assert_eq!(in_order, parsed);
        assert_eq!(keys.in_order[0], "server.listen");
    }
}
