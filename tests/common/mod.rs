//! What the suites of real processes share: starting them, asking them, and waiting for them.
mod acl;
#[path = "../it/harness/http.rs"]
mod http;
mod process;
mod redis;
mod settings;
mod wait;

pub(crate) use self::{
    acl::url,
    http::{Answer, Http},
    process::Process,
    redis::Redis,
    settings::Settings,
    wait::{beside, eventually, eventually_within, many_descriptors, patiently},
};
