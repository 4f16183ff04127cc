//! The head of a request: pseudo-headers checked, plain requests and extended CONNECT told apart (RFC 9114 section 4.3).

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::error::Http3Error;
use super::field::Fields;

/// A request's head.
#[derive(Debug)]
pub(crate) enum RequestHead {
    /// For the tower service.
    Plain(Box<Request<()>>),
    /// Extended CONNECT (RFC 9220).
    Connect(ConnectHead),
}

/// The parts of an extended CONNECT that WebTransport uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectHead {
    /// `:protocol`; empty in an ordinary CONNECT.
    pub(crate) protocol: String,
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
    /// `wt-available-protocols`.
    pub(crate) available_protocols: String,
}

impl RequestHead {
    pub(crate) fn parse(fields: &Fields) -> Result<Self, Http3Error> {
        let method = fields.get(":method").ok_or(Http3Error::Message(":method is missing"))?;
        if method == "CONNECT" {
            let text = |name| fields.get(name).unwrap_or_default().to_owned();
            return Ok(Self::Connect(ConnectHead {
                protocol: text(":protocol"),
                authority: text(":authority"),
                path: text(":path"),
                available_protocols: text("wt-available-protocols"),
            }));
        }
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| Http3Error::Message(":method is invalid"))?;
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri(fields)?;
        *request.version_mut() = Version::HTTP_3;
        for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(':')) {
            let name = HeaderName::from_lowercase(name.as_bytes())
                .map_err(|_| Http3Error::Message("header name is invalid"))?;
            let value = HeaderValue::from_str(value).map_err(|_| Http3Error::Message("header value is invalid"))?;
            request.headers_mut().append(name, value);
        }
        Ok(Self::Plain(Box::new(request)))
    }
}

fn uri(fields: &Fields) -> Result<Uri, Http3Error> {
    let path = fields.get(":path").ok_or(Http3Error::Message(":path is missing"))?;
    let authority =
        fields.get(":authority").or_else(|| fields.get("host")).ok_or(Http3Error::Message(":authority is missing"))?;
    let invalid = |_| Http3Error::Message(":path, :scheme or :authority is invalid");
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::try_from(fields.get(":scheme").unwrap_or("https")).map_err(invalid)?);
    parts.authority = Some(Authority::try_from(authority).map_err(invalid)?);
    parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(invalid)?);
    Uri::from_parts(parts).map_err(|_| Http3Error::Message("request target is invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http3::headers_frame;

    fn parse(fields: &[(&str, &str)]) -> Result<RequestHead, Http3Error> {
        let [_, section] = headers_frame(fields.iter().copied());
        RequestHead::parse(&Fields::decode(&section)?)
    }

    #[test]
    fn a_get_becomes_an_http_request() {
        let fields =
            [(":method", "GET"), (":scheme", "https"), (":authority", "a:1"), (":path", "/x?y=1"), ("accept", "*/*")];
        let Ok(RequestHead::Plain(request)) = parse(&fields) else { panic!("not a plain request") };
        assert_eq!(request.uri().path(), "/x");
        assert_eq!(request.uri().query(), Some("y=1"));
        assert_eq!(request.headers()["accept"], "*/*");
        assert_eq!(request.version(), Version::HTTP_3);
    }

    #[test]
    fn extended_connect_keeps_what_webtransport_needs() {
        let fields = [
            (":method", "CONNECT"),
            (":protocol", "webtransport"),
            (":authority", "a:1"),
            (":path", "/live"),
            ("wt-available-protocols", "\"x\""),
        ];
        let Ok(RequestHead::Connect(head)) = parse(&fields) else { panic!("not a CONNECT") };
        assert_eq!(
            (head.protocol.as_str(), head.path.as_str(), head.available_protocols.as_str()),
            ("webtransport", "/live", "\"x\"")
        );
    }

    #[test]
    fn malformed_heads_are_refused() {
        assert!(parse(&[(":path", "/")]).is_err());
        assert!(parse(&[(":method", "GET"), (":path", "/")]).is_err());
        assert!(parse(&[(":method", "GET"), (":authority", "a"), (":path", "no slash")]).is_err());
        assert!(parse(&[(":method", "G T"), (":authority", "a"), (":path", "/")]).is_err());
        assert!(parse(&[(":method", "GET"), (":authority", "a"), (":path", "/"), ("Upper", "x")]).is_err());
        assert!(parse(&[(":method", "GET"), (":authority", "a"), (":path", "/"), ("x", "a\nb")]).is_err());
    }
}
