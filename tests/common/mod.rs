//! What the suites of real processes share: starting them, asking them, and waiting for them.
#[path = "../it/harness/http.rs"]
mod http;
mod process;
mod redis;
mod settings;
mod wait;

pub(crate) use self::{
    http::{Answer, Http},
    process::Process,
    redis::Redis,
    settings::Settings,
    wait::{beside, eventually, eventually_within, many_descriptors, patiently},
};
