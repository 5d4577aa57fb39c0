//! Conditions on the results: `p99<50ms`, `lost=0`, `deliveries/s>=10000`.
use std::{collections::BTreeMap, fmt, str::FromStr};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expectation {
    name: String,
    relation: Relation,
    value: f64,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Is,
    AtLeast,
    Above,
}

/// What can be expected, and of which unit: microseconds, or numbers.
pub(super) type Values = BTreeMap<&'static str, f64>;

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text
            .find(['<', '>', '='])
            .ok_or("a condition is a name, one of < <= = >= >, and a value: p99<50ms")?;
        let (name, rest) = text.split_at(at);
        let relations = [
            ("<=", Relation::AtMost),
            (">=", Relation::AtLeast),
            ("<", Relation::Below),
            (">", Relation::Above),
            ("=", Relation::Is),
        ];
        let (relation, value) = relations
            .iter()
            .find_map(|(sign, relation)| Some((*relation, rest.strip_prefix(sign)?)))
            .ok_or("a condition is a name, one of < <= = >= >, and a value: p99<50ms")?;
        let name = name.trim().to_owned();
        if !super::results::NAMES.contains(&name.as_str()) {
            return Err(format!(
                "nothing is called {name}; there are {}",
                super::results::NAMES.join(", ")
            ));
        }
        Ok(Self { name, relation, value: number(value.trim())?, text: text.to_owned() })
    }
}

/// A number, or a duration in microseconds.
fn number(text: &str) -> Result<f64, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    match humantime::parse_duration(text) {
        Ok(duration) => Ok(duration.as_secs_f64() * 1e6),
        Err(_) => Err(format!("{text} is neither a number nor a duration such as 50ms")),
    }
}

impl Expectation {
    /// What was found instead; `None`: it holds. What was not measured does not hold.
    pub(super) fn broken_by(&self, values: &Values) -> Option<String> {
        let Some(found) = values.get(self.name.as_str()).copied() else {
            return Some("was not measured".to_owned());
        };
        let holds = match self.relation {
            Relation::Below => found < self.value,
            Relation::AtMost => found <= self.value,
            Relation::Is => (found - self.value).abs() < f64::EPSILON,
            Relation::AtLeast => found >= self.value,
            Relation::Above => found > self.value,
        };
        (!holds).then(|| format!("is {}", super::results::shown(&self.name, found)))
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values::from([("p99", 49_000.0), ("lost", 0.0), ("deliveries/s", 10_000.0)])
    }

    #[test]
    fn conditions_hold_or_say_what_was_found() {
        for holds in ["p99<50ms", "p99 <= 49ms", "lost=0", "deliveries/s>=10000", "p99>48.5ms"] {
            assert_eq!(holds.parse::<Expectation>().unwrap().broken_by(&values()), None, "{holds}");
        }
        for (broken, found) in [
            ("p99<49ms", "is 49.0 ms"),
            ("lost>0", "is 0"),
            ("deliveries/s=9999", "is 10000"),
            ("ack_p99<1s", "was not measured"),
        ] {
            let said = broken.parse::<Expectation>().unwrap().broken_by(&values());
            assert_eq!(said.as_deref(), Some(found), "{broken}");
        }
    }

    #[test]
    fn what_is_no_condition_says_why() {
        for (wrong, says) in [
            ("p99", "a condition is"),
            ("p98<5ms", "nothing is called p98"),
            ("p99<fast", "neither a number nor a duration"),
        ] {
            let said = wrong.parse::<Expectation>().unwrap_err();
            assert!(said.contains(says), "{wrong}: {said}");
        }
    }
}
