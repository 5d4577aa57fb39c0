//! What a visit is made with: a client that makes a connection for each request, as the many
//! clients of a chat together do, and what Engine.IO says at the beginning.
use std::time::{Duration, Instant};

use anyhow::Context;
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode, Url,
    header::{CONTENT_TYPE, COOKIE, DATE, ORIGIN, SET_COOKIE},
};
use serde::Deserialize;

use super::{
    PATIENCE,
    report::{Mistake, Report},
};
use crate::clock;

/// How wrong a clock may be. `Date` has whole seconds, and an answer is under way for a while.
const CLOCK_OFF: Duration = Duration::from_secs(5);

pub(super) struct Visit {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) origin: Option<String>,
}

/// The first packet of every session.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opened {
    pub(super) sid: String,
    pub(super) ping_interval: u64,
    pub(super) ping_timeout: u64,
    /// What a browser would send back from now on.
    #[serde(skip)]
    pub(super) cookies: String,
}

impl Opened {
    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(self.ping_interval)
    }

    /// By then a ping must have come.
    pub(super) fn at_most(&self) -> Duration {
        Duration::from_millis(self.ping_interval.saturating_add(self.ping_timeout))
    }
}

impl Visit {
    pub(super) fn new(url: &Url, origin: Option<String>) -> anyhow::Result<Self> {
        let client = Client::builder()
            .http1_only()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .connect_timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no HTTP client")?;
        Ok(Self { client, url: url.clone(), origin })
    }

    /// Where Engine.IO is spoken.
    pub(super) fn engine(&self, transport: &str, sid: Option<&str>) -> Url {
        let mut url = self.url.clone();
        url.set_path("/socket.io/");
        url.query_pairs_mut().clear().append_pair("EIO", "4").append_pair("transport", transport);
        if let Some(sid) = sid {
            url.query_pairs_mut().append_pair("sid", sid);
        }
        url
    }

    pub(super) fn request(&self, method: Method, opened: Option<&Opened>) -> RequestBuilder {
        let url = self.engine("polling", opened.map(|opened| opened.sid.as_str()));
        let mut request = self.client.request(method, url);
        if let Some(origin) = &self.origin {
            request = request.header(ORIGIN, origin);
        }
        match opened.map(|opened| opened.cookies.as_str()) {
            None | Some("") => request,
            Some(cookies) => request.header(COOKIE, cookies),
        }
    }

    pub(super) async fn post(&self, opened: &Opened, body: &str) -> reqwest::Result<Response> {
        let request = self.request(Method::POST, Some(opened)).timeout(PATIENCE);
        request.header(CONTENT_TYPE, "text/plain;charset=UTF-8").body(body.to_owned()).send().await
    }

    pub(super) async fn poll(
        &self,
        opened: &Opened,
        patience: Duration,
    ) -> reqwest::Result<(StatusCode, String)> {
        let answer = self.request(Method::GET, Some(opened)).timeout(patience).send().await?;
        Ok((answer.status(), answer.text().await?))
    }
}

/// `name=value` of each cookie that was set.
pub(super) fn cookies(answer: &Response) -> String {
    let set = answer.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    set.filter_map(|cookie| cookie.split(';').next()).collect::<Vec<_>>().join("; ")
}

/// Compares the clock of whoever answered with the one here.
pub(super) fn look_at_date(answer: &Response, asked: Instant, report: &mut Report) {
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    if let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) {
        let ours = clock::now();
        let off = ours.duration_since(theirs).unwrap_or_else(|ahead| ahead.duration());
        say_clock(off, asked.elapsed(), "the Date header of the first answer", report);
    }
}

/// The same for milliseconds since 1970.
pub(super) fn look_at_time(theirs: u64, took: Duration, at: &str, report: &mut Report) {
    let off = Duration::from_millis(clock::now_ms().abs_diff(theirs));
    say_clock(off, took, at, report);
}

fn say_clock(off: Duration, took: Duration, at: &str, report: &mut Report) {
    if off > CLOCK_OFF + took {
        let off = humantime::format_duration(Duration::from_secs(off.as_secs()));
        report.found(Mistake::Clock, format!("its clock and this machine's are {off} apart"), at);
    }
}
