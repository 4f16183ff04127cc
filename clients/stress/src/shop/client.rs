//! Requests to the shops and their answers, over a kept HTTP client.

use std::time::Duration;

use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap, IF_MATCH, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, Response};
use serde_json::Value;

use crate::limit;

/// Where the shops are and how to ask there. One per runtime: connections belong to the runtime that opened them.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    timeout: Duration,
}

/// One request. Its path begins with a slash, behind the base URL.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) key: Option<String>,
    pub(crate) language: &'static str,
    pub(crate) version: Option<i64>,
    pub(crate) body: Option<Value>,
}

/// What came back, whatever it says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// When to come back, if it said so.
    pub(crate) retry_after: Option<Duration>,
    /// JSON; null if it was none.
    pub(crate) body: Value,
}

/// Why no whole answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("cannot connect")]
    Connect,
    #[error("no answer in time")]
    Late,
    #[error("the connection broke")]
    Broken,
    #[error("the answer is too long")]
    TooLong,
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        match error {
            error if error.is_timeout() => Self::Late,
            error if error.is_connect() => Self::Connect,
            _ => Self::Broken,
        }
    }
}

impl Request {
    pub(crate) fn get(path: impl Into<String>, token: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            token: token.to_owned(),
            key: None,
            language: "en",
            version: None,
            body: None,
        }
    }

    pub(crate) fn post(path: impl Into<String>, token: &str, key: String, body: Value) -> Self {
        Self { method: Method::POST, key: Some(key), body: Some(body), ..Self::get(path, token) }
    }

    /// Removes this version of something.
    pub(crate) fn delete(path: impl Into<String>, token: &str, version: Option<i64>) -> Self {
        Self { method: Method::DELETE, version, ..Self::get(path, token) }
    }

    pub(crate) fn in_language(self, language: &'static str) -> Self {
        Self { language, ..self }
    }
}

impl Answer {
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The status, and the problem's name if it tells one: the same for the same kind of failure.
    pub(crate) fn kind(&self) -> String {
        match self.problem() {
            "" => self.status.to_string(),
            problem => format!("{} {problem}", self.status),
        }
    }

    /// The last word of the problem's type.
    pub(crate) fn problem(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        let word = kind.rsplit(':').next().unwrap_or_default();
        // A server may say anything; a label is short.
        if word.len() <= limit::PROBLEM_BYTES { word } else { "" }
    }
}

impl Client {
    /// A client for shops whose interface begins at this URL.
    pub(crate) fn new(base: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        // Everything is on this machine or was named explicitly: no proxy has a say, nor has a server that points elsewhere.
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).connect_timeout(timeout).build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), timeout })
    }

    /// Asks and reads the whole answer. Cancel safe as far as this side goes: the server may have done it.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let asked = async {
            let mut response = self.send(request).await?;
            let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if bytes.len() + chunk.len() > limit::MAX_ANSWER_BYTES {
                    return Err(NoAnswer::TooLong);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Answer { status, retry_after, body: serde_json::from_slice(&bytes).unwrap_or_default() })
        };
        tokio::time::timeout(self.timeout, asked).await.unwrap_or(Err(NoAnswer::Late))
    }

    /// Asks for something long: the head of the answer, in the time of any answer.
    pub(crate) async fn open(&self, request: &Request) -> Result<Response, NoAnswer> {
        tokio::time::timeout(self.timeout, self.send(request)).await.unwrap_or(Err(NoAnswer::Late))
    }

    /// The next piece of something long, in the time of any answer; none at its end.
    pub(crate) async fn more(&self, response: &mut Response) -> Result<Option<bytes::Bytes>, NoAnswer> {
        let chunk = tokio::time::timeout(self.timeout, response.chunk()).await;
        Ok(chunk.map_err(|_| NoAnswer::Late)??)
    }

    async fn send(&self, request: &Request) -> Result<Response, NoAnswer> {
        let Request { method, path, token, key, language, version, body } = request;
        let mut building = self.http.request(method.clone(), format!("{}{path}", self.base));
        if !token.is_empty() {
            building = building.bearer_auth(token);
        }
        building = building.header(ACCEPT_LANGUAGE, *language);
        if let Some(key) = key {
            building = building.header("idempotency-key", key);
        }
        if let Some(version) = version {
            building = building.header(IF_MATCH, format!("\"{version}\""));
        }
        if let Some(body) = body {
            building = building.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        Ok(building.send().await?)
    }
}

/// Seconds only: what our shops say. Others that name a date have said when, too.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    Some(value.trim().parse().map_or(Duration::from_secs(1), Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn failures_are_told_by_status_and_problem() {
        let answer = |status, body| Answer { status, body, ..Answer::default() };
        let problem = json!({ "type": "urn:efir:problem:out-of-stock" });
        assert_eq!(answer(409, problem).kind(), "409 out-of-stock");
        assert_eq!(answer(500, Value::Null).kind(), "500");
        assert_eq!(answer(500, json!({ "type": "x".repeat(1000) })).kind(), "500");
    }

    #[test]
    fn a_time_to_come_back_is_read() {
        let headers = |text: &str| HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
        assert_eq!(retry_after(&headers("3")), Some(Duration::from_secs(3)));
        assert_eq!(retry_after(&headers("Wed, 21 Oct 2026 07:28:00 GMT")), Some(Duration::from_secs(1)));
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
