//! What a node is told, beyond what every test's node is told.
/// Settings by key. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Settings(Vec<(String, String)>);

impl Default for Settings {
    /// What is put right later in any case is not put right within a test, so that nothing but the
    /// first try is seen to work; nor is anybody sent away for being slow to answer, so that who
    /// goes goes for the reason under test.
    fn default() -> Self {
        Self::as_shipped()
            .with("rooms.position_check", "1h")
            .with("presence.assert", "1h")
            .with("engine.ping_timeout", "5m")
            .with("engine.connect_timeout", "5m")
    }
}

impl Settings {
    /// Any free ports, and nobody waits for a balancer.
    pub(crate) fn as_shipped() -> Self {
        Self(Vec::new())
            .with("server.listen", "127.0.0.1:0")
            .with("internal.listen", "127.0.0.1:0")
            .with("store.url", "memory:")
            .with("drain.balancer_lag", "0s")
            .with("drain.spread", "0s")
    }

    #[expect(clippy::needless_pass_by_value, reason = "so that tests read as settings do")]
    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.to_string()));
        self
    }

    /// Presence as usual, but faster; not so fast that a busy machine is taken for a dead one.
    pub(crate) fn hurried(self) -> Self {
        self.with("presence.lease", "5s")
            .with("presence.renew", "500ms")
            .with("presence.reap", "200ms")
            .with("presence.grace", "1s")
            .with("presence.assert", "500ms")
    }

    /// Limits that no test meets by accident: neither who says much, nor who has no turn to read
    /// what is said.
    pub(crate) fn unlimited(self) -> Self {
        self.with("limits.message_rate", 1_000_000)
            .with("limits.message_burst", 1_000_000)
            .with("limits.unsent_bytes", "100MiB")
            .with("limits.unsent_age", "10m")
            .with("server.session_rate", 1_000_000)
            .with("server.session_burst", 1_000_000)
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == key);
        found.map_or_else(|| panic!("{key} is not set here"), |(_, value)| value)
    }

    /// All of them but [`Settings::as_variables`].
    pub(crate) fn as_arguments(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|(key, value)| match key.as_str() {
            "--config" => vec![key.clone(), value.clone()],
            "store.url" => Vec::new(),
            _ => vec!["--set".to_owned(), format!("{key}={value}")],
        })
    }

    /// The address of a store may hold a password, which is no argument.
    pub(crate) fn as_variables(&self) -> [(&'static str, &str); 1] {
        [("HUBBUB__STORE__URL", self.get("store.url"))]
    }
}
