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
    #[expect(clippy::needless_pass_by_value, reason = "so that tests read as settings do")]
    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.to_string()));
        self
    }

    /// Presence as usual, but faster; not so fast that a busy machine is taken for a dead one.
    pub(crate) fn hurried(self) -> Self {
        self.with("presence.lease", "3s")
            .with("presence.renew", "500ms")
            .with("presence.reap", "200ms")
            .with("presence.grace", "1s")
            .with("presence.assert", "500ms")
    }

    /// A limit that no test meets by accident.
    pub(crate) fn unlimited(self) -> Self {
        self.with("limits.message_rate", 1_000_000).with("limits.message_burst", 1_000_000)
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == key);
        found.map_or_else(|| panic!("{key} is not set here"), |(_, value)| value)
    }

    /// All of them but [`Settings::as_variables`].
    pub(crate) fn as_arguments(&self) -> impl Iterator<Item = String> {
        let others = self.0.iter().filter(|(key, _)| key != "store.url");
        others.flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")])
    }

    /// The address of a store may hold a password, which is no argument.
    pub(crate) fn as_variables(&self) -> [(&'static str, &str); 1] {
        [("HUBBUB__STORE__URL", self.get("store.url"))]
    }
}
