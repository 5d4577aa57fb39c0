//! What the suites of real processes share: starting them, asking them, and waiting for them.
pub(crate) mod acl;
mod http;
mod port;
mod process;
mod redis;
mod settings;
mod stopwatch;
mod wait;

pub(crate) use self::{
    http::{Answer, Http},
    port::Port,
    process::Process,
    redis::Redis,
    settings::Settings,
    stopwatch::Stopwatch,
    wait::{PATIENCE, beside, eventually, eventually_within, many_descriptors, patiently},
};
