//! SETUP (10.3); CLIENT_SETUP and SERVER_SETUP in draft-16 (9.3).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError};
use crate::error_code::SessionErrorCode;
use crate::key_value::{Pair, PairIter, PairValue, encode_block};
use crate::request::Side;
use crate::token::Token;
use crate::varint;
use crate::version::Version;

const PATH: u64 = 0x01;
const MAX_REQUEST_ID: u64 = 0x02;
const AUTHORIZATION_TOKEN: u64 = 0x03;
const MAX_AUTH_TOKEN_CACHE_SIZE: u64 = 0x04;
const AUTHORITY: u64 = 0x05;
const MOQT_IMPLEMENTATION: u64 = 0x07;
/// Declares the private relay-path extension ([`crate::parameter::HOPS`]); its content is empty.
const HOPS: u64 = 0xEF1D;

/// The first message of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Who sent it. Only draft-16 says so on the wire: elsewhere decoding gives `None`.
    pub sender: Option<Side>,
    /// What it says.
    pub options: SetupOptions,
}

/// The setup options; a field that is `None` is not on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupOptions {
    /// Path and query of the URI: client only, raw QUIC only.
    pub path: Option<Bytes>,
    /// Authority of the URI: client only, raw QUIC only.
    pub authority: Option<Bytes>,
    /// Tokens for the session.
    pub tokens: Vec<Token>,
    /// Bytes of registered tokens the sender keeps; absent means 0, no aliases.
    pub max_auth_token_cache_size: Option<u64>,
    /// Draft-16: the first Request ID the peer may not use; absent means 0, no requests.
    pub max_request_id: Option<u64>,
    /// Name and version of the sender.
    pub implementation: Option<String>,
    /// Private extension: the sender understands [`crate::Parameters::hops`].
    pub hops: bool,
    /// Options this crate does not know: to be ignored, kept for logs.
    pub unknown: Vec<Pair>,
}

impl SetupOptions {
    fn accept(&mut self, pair: Pair, version: Version) -> Result<(), ProtocolError> {
        match (pair.id, pair.value) {
            (PATH, PairValue::Bytes(path)) => once(&mut self.path, path),
            (MAX_REQUEST_ID, PairValue::Int(max)) if !version.has_request_streams() => {
                once(&mut self.max_request_id, max)
            }
            (AUTHORIZATION_TOKEN, PairValue::Bytes(content)) => {
                self.tokens.push(Token::from_content(content, version)?);
                Ok(())
            }
            (MAX_AUTH_TOKEN_CACHE_SIZE, PairValue::Int(max)) => once(&mut self.max_auth_token_cache_size, max),
            (AUTHORITY, PairValue::Bytes(authority)) => once(&mut self.authority, authority),
            // It only SHOULD be UTF-8; what is not is no use to anybody.
            (MOQT_IMPLEMENTATION, PairValue::Bytes(name)) if str::from_utf8(&name).is_ok() => {
                once(&mut self.implementation, String::from_utf8_lossy(&name).into_owned())
            }
            (HOPS, PairValue::Bytes(content)) if content.is_empty() => {
                self.hops = true;
                Ok(())
            }
            (id, value) => {
                self.unknown.push(Pair { id, value });
                Ok(())
            }
        }
    }

    fn pairs(&self, version: Version) -> Result<Vec<Pair>, EncodeError> {
        let bytes = |id, value: &Option<Bytes>| value.clone().map(|value| Pair::new(id, value));
        let int = |id, value: Option<u64>| value.map(|value| Pair::new(id, value));
        let implementation = self.implementation.clone().map(Bytes::from);
        let mut pairs: Vec<Pair> = [
            bytes(PATH, &self.path),
            int(MAX_REQUEST_ID, self.max_request_id).filter(|_| !version.has_request_streams()),
            int(MAX_AUTH_TOKEN_CACHE_SIZE, self.max_auth_token_cache_size),
            bytes(AUTHORITY, &self.authority),
            bytes(MOQT_IMPLEMENTATION, &implementation),
            bytes(HOPS, &self.hops.then(Bytes::new)),
        ]
        .into_iter()
        .flatten()
        .chain(self.unknown.iter().cloned())
        .collect();
        for token in &self.tokens {
            let mut content = BytesMut::new();
            token.encode(&mut content, version)?;
            pairs.push(Pair::new(AUTHORIZATION_TOKEN, content.freeze()));
        }
        Ok(pairs)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), ProtocolError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ProtocolError::violation("a setup option is repeated")),
    }
}

impl Setup {
    /// Checks what only the receiver knows: who sent it, and over which transport.
    ///
    /// Whether the path and authority are served is for the caller.
    ///
    /// # Errors
    /// INVALID_PATH or INVALID_AUTHORITY where they may not be, MALFORMED_PATH or MALFORMED_AUTHORITY for
    /// bad syntax, PROTOCOL_VIOLATION for the other side's message or a token alias that cannot exist.
    pub fn validate(&self, from: Side, webtransport: bool) -> Result<(), ProtocolError> {
        if self.sender.is_some_and(|sender| sender != from) {
            return Err(ProtocolError::violation("the other side's setup message"));
        }
        let misplaced = from == Side::Server || webtransport;
        if let Some(path) = &self.options.path {
            check_uri_part(misplaced, is_path(path), SessionErrorCode::InvalidPath, SessionErrorCode::MalformedPath)?;
        }
        if let Some(authority) = &self.options.authority {
            check_uri_part(
                misplaced,
                is_authority(authority),
                SessionErrorCode::InvalidAuthority,
                SessionErrorCode::MalformedAuthority,
            )?;
        }
        let aliased = |token: &Token| matches!(token, Token::Delete { .. } | Token::UseAlias { .. });
        if from == Side::Client && self.options.tokens.iter().any(aliased) {
            return Err(ProtocolError::violation("a client's SETUP uses a token alias"));
        }
        Ok(())
    }
}

fn check_uri_part(
    misplaced: bool,
    well_formed: bool,
    invalid: SessionErrorCode,
    malformed: SessionErrorCode,
) -> Result<(), ProtocolError> {
    if misplaced {
        return Err(ProtocolError::new(invalid, "only a client on raw QUIC may send this option"));
    }
    if !well_formed {
        return Err(ProtocolError::new(malformed, "not a part of a URI"));
    }
    Ok(())
}

/// The characters RFC 3986 allows in a path segment, percent signs checked apart.
fn is_path_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte)
}

fn has_whole_escapes(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => return false,
        }
    }
    true
}

/// `path-abempty ["?" query]`.
fn is_path(bytes: &[u8]) -> bool {
    let split = bytes.iter().position(|byte| *byte == b'?').unwrap_or(bytes.len());
    let (path, query) = bytes.split_at(split);
    let legal = |byte: &u8| is_path_character(*byte) || *byte == b'/';
    (path.is_empty() || path.starts_with(b"/"))
        && path.iter().all(legal)
        && query.iter().all(|byte| legal(byte) || *byte == b'?')
        && has_whole_escapes(bytes)
}

/// `[userinfo "@"] host [":" port]`, with a host that is not empty.
fn is_authority(bytes: &[u8]) -> bool {
    let host = match bytes.iter().rposition(|byte| *byte == b'@') {
        Some(at) => &bytes[at + 1..],
        None => bytes,
    };
    let legal = |byte: &u8| is_path_character(*byte);
    if !bytes[..bytes.len() - host.len()].iter().all(legal) || !has_whole_escapes(bytes) {
        return false;
    }
    let (name, port) = match host.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = literal.iter().position(|byte| *byte == b']') else {
                return false;
            };
            (&literal[..end], &literal[end + 1..])
        }
        None => host.split_at(host.iter().position(|byte| *byte == b':').unwrap_or(host.len())),
    };
    let digits = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    digits && !name.is_empty() && name.iter().all(|byte| legal(byte) && *byte != b'@')
}

impl Decode for SetupOptions {
    /// Reads the options that fill `buf`.
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let count = if version.has_key_value_parameters() { Some(varint::decode(buf, version)?) } else { None };
        let mut options = Self::default();
        let mut read = 0;
        for pair in PairIter::new(buf.split_off(0), version) {
            options.accept(pair?, version)?;
            read += 1;
        }
        if count.is_some_and(|count| count != read) {
            return Err(DecodeError::violation("the number of setup parameters is wrong"));
        }
        Ok(options)
    }
}

impl Encode for SetupOptions {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        let pairs = self.pairs(version)?;
        if version.has_key_value_parameters() {
            varint::encode(pairs.len() as u64, out, version)?;
        }
        encode_block(pairs, out, version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(options: SetupOptions, from: Side, webtransport: bool) -> Option<SessionErrorCode> {
        let setup = Setup { sender: None, options };
        setup.validate(from, webtransport).err().map(|error| error.code)
    }

    fn path(path: &'static str) -> SetupOptions {
        SetupOptions { path: Some(path.into()), ..SetupOptions::default() }
    }

    fn authority(authority: &'static str) -> SetupOptions {
        SetupOptions { authority: Some(authority.into()), ..SetupOptions::default() }
    }

    #[test]
    fn path_and_authority_belong_to_clients_on_raw_quic() {
        assert_eq!(refusal(path("/moq?x=1/2"), Side::Client, false), None);
        let invalid = Some(SessionErrorCode::InvalidPath);
        assert_eq!(refusal(path("/moq"), Side::Server, false), invalid);
        assert_eq!(refusal(path("/moq"), Side::Client, true), invalid);
        let invalid = Some(SessionErrorCode::InvalidAuthority);
        assert_eq!(refusal(authority("a.example"), Side::Server, false), invalid);
    }

    #[test]
    fn syntax_is_checked() {
        for bad in ["no-slash", "/a b", "/%2", "/a#b", "/\u{e9}"] {
            let malformed = Some(SessionErrorCode::MalformedPath);
            assert_eq!(refusal(path(bad), Side::Client, false), malformed, "{bad}");
        }
        for good in ["a", "a.example:4443", "[::1]:443", "user@host", "10.0.0.1"] {
            assert_eq!(refusal(authority(good), Side::Client, false), None, "{good}");
        }
        for bad in ["", ":443", "a b", "[::1", "a:b", "a/b", "a@b@"] {
            let malformed = Some(SessionErrorCode::MalformedAuthority);
            assert_eq!(refusal(authority(bad), Side::Client, false), malformed, "{bad}");
        }
    }

    #[test]
    fn a_client_has_no_aliases_to_use_yet() {
        let tokens = vec![Token::UseAlias { alias: 1 }];
        let options = SetupOptions { tokens, ..SetupOptions::default() };
        let violation = Some(SessionErrorCode::ProtocolViolation);
        assert_eq!(refusal(options.clone(), Side::Client, false), violation);
        assert_eq!(refusal(options, Side::Server, false), None);
    }
}
