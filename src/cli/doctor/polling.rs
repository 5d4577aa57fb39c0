//! What long-polling shows: whether Hubbub answers at all, and whether its requests meet again.
use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode, header::ACCESS_CONTROL_ALLOW_ORIGIN};

use super::{
    PATIENCE,
    report::{Mistake, Report},
    session::{Opened, Visit, cookies, look_at_date},
};

/// Sessions made to see whether their requests meet. Two requests each: among three nodes one in
/// 729 set-ups without stickiness would seem to have it.
const SESSIONS: usize = 4;
const NAME: &str = r#"40/chat,{"name":"doctor"}"#;

/// The first request; `None`: there is no long-polling to look at.
pub(super) async fn knock(visit: &Visit, report: &mut Report) -> Option<Opened> {
    let asked = Instant::now();
    let answer = visit.request(Method::GET, None).timeout(PATIENCE).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            // What happened is at the end of the chain.
            let why = anyhow::Error::from(error);
            let at = visit.engine("polling", None);
            report.found(Mistake::NotTaken, format!("no answer: {}", why.root_cause()), at);
            return None;
        }
    };
    report.reached();
    look_at_date(&answer, asked, report);
    let (status, cookies) = (answer.status(), cookies(&answer));
    look_at_cors(visit, &answer, report);
    let at = visit.engine("polling", None).to_string();
    let Ok(body) = answer.text().await else {
        report.found(Mistake::Buffered, "an answer began and never ended", at);
        return None;
    };
    match (status, body.strip_prefix('0').map(serde_json::from_str::<Opened>)) {
        (StatusCode::OK, Some(Ok(opened))) => {
            let ms = asked.elapsed().as_millis();
            report.seen(format!("a session began by long-polling in {ms} ms"));
            Some(Opened { cookies, ..opened })
        }
        (StatusCode::SERVICE_UNAVAILABLE, _) => {
            report.found(Mistake::NotTaken, format!("no session is taken now: {body:.80}"), at);
            None
        }
        // Said by CORS already.
        (StatusCode::FORBIDDEN, _) if visit.origin.is_some() => None,
        // Engine.IO's own refusal of the transport.
        (StatusCode::BAD_REQUEST, _) if body.starts_with("{\"code\":") => {
            report.seen("long-polling is off, so no stickiness is needed");
            None
        }
        _ => {
            let what = format!("what answers is no Hubbub: status {status}");
            report.found(Mistake::NotHubbub, what, at);
            None
        }
    }
}

/// Whether a page of this origin could read the answer.
fn look_at_cors(visit: &Visit, answer: &Response, report: &mut Report) {
    let Some(origin) = &visit.origin else { return };
    let at = format!("{} with Origin: {origin}", visit.engine("polling", None));
    let allowed: Vec<&str> = answer
        .headers()
        .get_all(ACCESS_CONTROL_ALLOW_ORIGIN)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let what = match allowed[..] {
        _ if answer.status() == StatusCode::FORBIDDEN => {
            "pages of this origin are refused".to_owned()
        }
        [] => "no Access-Control-Allow-Origin comes back, so a page cannot read it".to_owned(),
        [one] if one == "*" || one == origin => {
            report.seen(format!("pages of {origin} are let in"));
            return;
        }
        [other] => format!("another origin is let in instead: {other}"),
        _ => format!("Access-Control-Allow-Origin comes {} times", allowed.len()),
    };
    report.found(Mistake::Cors, what, at);
}

/// Everything else about long-polling, with the session that has begun and some more.
pub(super) async fn look(
    visit: &Visit,
    opened: &Opened,
    watch: Option<Duration>,
    report: &mut Report,
) {
    if !meets(visit, opened, report).await {
        visit.post(opened, "1").await.ok();
        return;
    }
    for _ in 1..SESSIONS {
        let Some(another) = knock(visit, &mut report.part()).await else { break };
        let meets = meets(visit, &another, report).await;
        visit.post(&another, "1").await.ok();
        if !meets {
            visit.post(opened, "1").await.ok();
            return;
        }
    }
    report.seen("the long-polling requests of a session meet on one node");
    wait(visit, opened, watch, report).await;
    visit.post(opened, "1").await.ok();
}

/// Enters the namespace, and waits to hear that it has.
async fn meets(visit: &Visit, opened: &Opened, report: &mut Report) -> bool {
    let at = visit.engine("polling", None).to_string();
    let entered = match visit.post(opened, NAME).await {
        Ok(answer) => answer.status(),
        Err(_) => StatusCode::GATEWAY_TIMEOUT,
    };
    let heard = hear(visit, opened, "40/chat").await;
    match (entered, heard) {
        (StatusCode::OK, Ok((StatusCode::OK, body))) if body.contains("40/chat") => true,
        (StatusCode::BAD_REQUEST, _) | (_, Ok((StatusCode::BAD_REQUEST, _))) => {
            let what = "long-polling requests of one session come to different nodes: some answer \
                        that they do not know it";
            report.found(Mistake::Sticky, what, at);
            false
        }
        (_, Err(error)) if error.is_timeout() => {
            let what = format!("an answer was held back for more than {PATIENCE:?}");
            report.found(Mistake::Buffered, what, at);
            false
        }
        (entered, heard) => {
            let heard = heard.map_or_else(|_| "no answer".to_owned(), |(s, _)| s.to_string());
            let what =
                format!("a session breaks off: {entered} to what is sent, {heard} to polling");
            report.found(Mistake::NotHubbub, what, at);
            false
        }
    }
}

/// Polls until this is heard, answering pings; a few times at most.
async fn hear(visit: &Visit, opened: &Opened, what: &str) -> reqwest::Result<(StatusCode, String)> {
    let mut heard = poll(visit, opened, PATIENCE).await?;
    for _ in 0..3 {
        if heard.0 != StatusCode::OK || heard.1.contains(what) {
            break;
        }
        heard = poll(visit, opened, PATIENCE).await?;
    }
    Ok(heard)
}

/// One poll; a ping in it is answered.
async fn poll(
    visit: &Visit,
    opened: &Opened,
    patience: Duration,
) -> reqwest::Result<(StatusCode, String)> {
    let heard = visit.poll(opened, patience).await?;
    if has_ping(&heard.1) {
        visit.post(opened, "3").await?;
    }
    Ok(heard)
}

fn has_ping(body: &str) -> bool {
    body.split('\x1e').any(|packet| packet == "2")
}

/// Polls that wait for nothing but the ping: whatever ends one before is in the way.
async fn wait(visit: &Visit, opened: &Opened, watch: Option<Duration>, report: &mut Report) {
    let (began, at) = (Instant::now(), visit.engine("polling", None).to_string());
    loop {
        let asked = Instant::now();
        let what = match poll(visit, opened, opened.at_most()).await {
            Ok((StatusCode::OK, body)) => {
                // The first ping comes at once; what counts is the time between two.
                let until = watch.unwrap_or_else(|| opened.interval().mul_f64(0.9));
                if has_ping(&body) && began.elapsed() >= until {
                    return report.seen("long polls were left to wait for their ping");
                }
                continue;
            }
            Ok((status, _)) => format!("status {status}"),
            Err(error) if error.is_timeout() => {
                let what = format!("no ping within {:?}", opened.at_most());
                return report.found(Mistake::Buffered, what, at);
            }
            Err(_) => "the connection was closed".to_owned(),
        };
        let (after, every) = (asked.elapsed().as_secs_f64(), opened.interval());
        let what = format!(
            "a poll that waited was ended after {after:.1} s ({what}); pings come every {every:?}"
        );
        return report.found(Mistake::Idle, what, at);
    }
}
