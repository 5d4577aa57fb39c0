//! What a node is told, beyond what every test's node is told.
/// Settings by key. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Settings(Vec<(String, String)>);

impl Default for Settings {
    /// Any free ports, and nobody waits for a balancer.
    fn default() -> Self {
        Self(Vec::new())
            .with("server.listen", "127.0.0.1:0")
            .with("internal.listen", "127.0.0.1:0")
            .with("store.url", "memory:")
            .with("drain.balancer_lag", "0s")
            .with("drain.spread", "0s")
    }
}

impl Settings {
    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.to_string()));
        self
    }

    /// Presence as usual, but faster.
    pub(crate) fn hurried(self) -> Self {
        self.with("presence.lease", "1s")
            .with("presence.renew", "200ms")
            .with("presence.reap", "200ms")
            .with("presence.grace", "1s")
            .with("presence.assert", "500ms")
    }

    /// A limit that no test meets by accident.
    pub(crate) fn unhurried_by_limits(self) -> Self {
        self.with("limits.message_rate", 1_000_000).with("limits.message_burst", 1_000_000)
    }

    pub(crate) fn as_arguments(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")])
    }
}
