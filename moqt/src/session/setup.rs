//! SETUP: what this side sends and what the peer may (sections 3.3 and 10.3).

use super::event::{Event, PeerSetup};
use super::limit::MAX_REGISTERED_TOKEN_BYTES;
use super::tokens::TokenCache;
use super::{Carrier, Session};
use crate::{Message, ProtocolError, SessionErrorCode, Setup, SetupOptions, Side};

/// The options this side may send: path and authority belong to clients on raw QUIC.
pub(super) fn allowed(mut setup: SetupOptions, side: Side, carrier: Carrier) -> SetupOptions {
    if side == Side::Server || carrier == Carrier::WebTransport {
        setup.path = None;
        setup.authority = None;
    }
    setup
}

pub(super) fn message(side: Side, options: SetupOptions) -> Message {
    Message::Setup(Setup { sender: Some(side), options })
}

impl Session {
    pub(super) fn receive_setup(&mut self, setup: Setup) -> Result<(), ProtocolError> {
        setup.validate(!self.side, self.carrier == Carrier::WebTransport)?;
        let options = setup.options;
        let tokens = self.peer_tokens.apply_setup(&options.tokens)?;
        let limit = options.max_auth_token_cache_size.unwrap_or(0);
        self.local_tokens = TokenCache::new(limit.min(MAX_REGISTERED_TOKEN_BYTES));
        // What does not fit the peer's cache was only used there, not registered, so it must not be
        // known here either. A fault would be a SETUP of ours that the peer refuses, which ends the
        // session from its side.
        let _ = self.local_tokens.apply_setup(&self.setup.tokens);
        self.hops = options.hops && self.setup.hops;
        self.setup_deadline = None;
        let text = |bytes: bytes::Bytes| String::from_utf8_lossy(&bytes).into_owned();
        let peer = PeerSetup {
            implementation: options.implementation,
            path: options.path.map(text),
            authority: options.authority.map(text),
            tokens,
            hops: self.hops,
        };
        self.event(Event::Established(peer));
        if let (Some(single), Some(max)) = (self.plane.single(), options.max_request_id.filter(|max| *max > 0)) {
            self.outputs.extend(single.raise(max)?);
        }
        self.read_early_requests()
    }

    pub(super) fn check_setup_deadline(&self) -> Result<(), ProtocolError> {
        if self.setup_deadline.is_some_and(|deadline| self.now >= deadline) {
            let reason = "no SETUP within the time allowed";
            return Err(ProtocolError::new(SessionErrorCode::ControlMessageTimeout, reason));
        }
        Ok(())
    }

    /// Requests that overtook SETUP are read now, in the order their streams came.
    fn read_early_requests(&mut self) -> Result<(), ProtocolError> {
        for key in self.requests.keys() {
            self.read_request(key)?;
            if self.requests.get(key).is_some_and(|request| request.early_fin) {
                self.receive_fin(key)?;
            }
        }
        Ok(())
    }
}
