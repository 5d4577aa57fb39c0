//! What a value may be, and how to say so when it is not.
use std::{fmt, ops::RangeInclusive, time::Duration};

use bytesize::ByteSize;

/// A value that makes no sense, by itself or beside another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: {allowed}")]
pub struct Impossible {
    pub key: &'static str,
    pub value: String,
    /// What would be allowed.
    pub allowed: String,
    /// The other setting, if it is the two together that cannot be.
    pub against: Option<&'static str>,
}

impl Impossible {
    pub(super) fn new(
        key: &'static str,
        value: impl fmt::Display,
        allowed: impl Into<String>,
    ) -> Self {
        Self { key, value: value.to_string(), allowed: allowed.into(), against: None }
    }

    /// `value` contradicts that of `other`.
    pub(super) fn against(
        key: &'static str,
        value: &impl Bounded,
        rule: &str,
        (other, its): (&'static str, &impl Bounded),
    ) -> Self {
        let allowed = format!("must be {rule} {other}, which is {}", its.shown());
        Self { key, value: value.shown(), allowed, against: Some(other) }
    }
}

/// What has an order, and a spelling in the manual.
pub(super) trait Bounded: PartialOrd + Copy {
    fn shown(&self) -> String;
}

impl Bounded for Duration {
    /// In the largest unit that divides it, as a person would write it.
    fn shown(&self) -> String {
        let ms = self.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        match units.iter().find(|(unit, _)| ms.is_multiple_of(*unit)) {
            _ if ms == 0 && !self.is_zero() => format!("{}ns", self.as_nanos()),
            _ if ms == 0 => "0s".to_owned(),
            Some((unit, name)) => format!("{}{name}", ms / unit),
            None => format!("{ms}ms"),
        }
    }
}

impl Bounded for ByteSize {
    fn shown(&self) -> String {
        let bytes = self.as_u64();
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.iter().find(|(unit, _)| bytes != 0 && bytes.is_multiple_of(*unit)) {
            Some((unit, name)) => format!("{}{name}", bytes / unit),
            None => format!("{bytes}B"),
        }
    }
}

macro_rules! plain_numbers {
    ($($number:ty)*) => {
        $(impl Bounded for $number {
            fn shown(&self) -> String {
                self.to_string()
            }
        })*
    };
}
plain_numbers!(u32 u64 usize);

/// Refuses what lies outside; the manual gives the same bounds (a test holds them together).
pub(super) fn within<T: Bounded>(
    key: &'static str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<(), Impossible> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let says = format!("must be between {} and {}", allowed.start().shown(), allowed.end().shown());
    Err(Impossible::new(key, value.shown(), says))
}

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) const fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub(super) const MINUTE: Duration = secs(60);
pub(super) const HOUR: Duration = secs(3_600);
pub(super) const DAY: Duration = secs(86_400);
/// Long enough to mean "for ever", short enough that no sum of times overflows.
pub(super) const TEN_YEARS: Duration = secs(3_650 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_read_as_in_the_manual() {
        let shown = [ms(100), secs(90), MINUTE, HOUR, DAY, TEN_YEARS, Duration::ZERO]
            .map(|d| d.shown())
            .join(" ");

        assert_eq!(shown, "100ms 90s 1m 1h 1d 3650d 0s");
        assert_eq!(ByteSize::kib(64).shown(), "64KiB");
        assert_eq!(ByteSize::b(1_000).shown(), "1000B");
    }

    #[test]
    fn a_value_outside_its_bounds_is_named_with_what_is_allowed() {
        let refused = within("limits.queued_events", 0_usize, 1..=100).unwrap_err();

        assert_eq!(refused.to_string(), "limits.queued_events = 0: must be between 1 and 100");
    }
}
