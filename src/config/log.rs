//! `[log]`: what is logged, and how it looks.
use serde::Deserialize;

use super::Impossible;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Human in a terminal, JSON otherwise.
    Auto,
    Human,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A level, or a filter as `tracing-subscriber` reads it.
    pub level: String,
    pub format: Format,
}

impl Log {
    /// Catches what the filter's parser would take for the name of a target: `inof` would log
    /// nothing at all. What remains is told when logging begins.
    pub fn validate(&self) -> Result<(), Impossible> {
        let is_level = |word: &str| {
            ["off", "error", "warn", "info", "debug", "trace"]
                .iter()
                .any(|level| word.eq_ignore_ascii_case(level))
        };
        let is_right = |directive: &str| match directive.trim().rsplit_once('=') {
            Some((_, level)) if !level.contains(']') => is_level(level),
            // A span's field, `[span{field=value}]`, is for the parser.
            Some(_) => true,
            None => is_level(directive.trim()) || directive.contains('['),
        };
        if self.level.split(',').all(is_right) {
            return Ok(());
        }
        let says = "must be off, error, warn, info, debug or trace, or such a list as \
                    \"info,hubbub::store=debug\"";
        Err(Impossible::new("log.level", format!("{:?}", self.level), says))
    }
}
