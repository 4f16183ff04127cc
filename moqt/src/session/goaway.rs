//! GOAWAY of the session and of single requests (sections 3.6 and 10.4).

use std::time::Duration;

use super::Session;
use super::event::{CommandError, Event, RequestKey};
use super::timer::Timer;
use crate::{GoAway, Message, ProtocolError, SessionErrorCode, Side, StreamErrorCode};

/// What was said about going away, and the deadlines this side gave.
#[derive(Debug, Default)]
pub(super) struct GoAwayState {
    sent: bool,
    received: bool,
    session: Option<Timer>,
    requests: Vec<(RequestKey, Timer)>,
}

impl GoAwayState {
    pub(super) fn was_sent(&self) -> bool {
        self.sent
    }

    pub(super) fn was_received(&self) -> bool {
        self.received
    }

    pub(super) fn timers(&self) -> impl Iterator<Item = Timer> {
        self.session.into_iter().chain(self.requests.iter().map(|(_, timer)| *timer))
    }

    pub(super) fn forget(&mut self, key: RequestKey) {
        self.requests.retain(|(other, _)| *other != key);
    }
}

impl Session {
    /// Asks the peer to move to `uri` (empty: the same address). Requests that arrive from now on
    /// are refused with GOING_AWAY; if any request is alive after `timeout` (zero: no limit),
    /// `handle_timeout` fails with GOAWAY_TIMEOUT.
    ///
    /// # Errors
    /// [`CommandError`] for a second call, or a URI from a client.
    pub fn go_away(&mut self, uri: &str, timeout: Duration) -> Result<(), CommandError> {
        self.check_open()?;
        if self.goaway.sent {
            return Err(CommandError::WrongState("GOAWAY was sent already"));
        }
        let message = self.goaway_message(uri, timeout, true)?;
        self.outputs.push_back(self.plane.control(&message)?);
        self.goaway.sent = true;
        self.goaway.session = (!timeout.is_zero()).then_some(Timer::Waiting(timeout));
        Ok(())
    }

    /// Asks the peer to issue one request again at `uri` (empty: on this session). If it is alive
    /// after `timeout` (zero: no limit), it is reset with GOING_AWAY.
    ///
    /// # Errors
    /// [`CommandError`] for a second call on the request, a request that has not been answered, or
    /// a URI from a client.
    pub fn go_away_request(&mut self, key: RequestKey, uri: &str, timeout: Duration) -> Result<(), CommandError> {
        self.check_open()?;
        let message = self.goaway_message(uri, timeout, false)?;
        let request = self.requests.get_mut(key).ok_or(CommandError::UnknownRequest)?;
        if request.goaway_sent {
            return Err(CommandError::WrongState("GOAWAY was sent already"));
        }
        if !request.established {
            return Err(CommandError::WrongState("the request has no answer yet"));
        }
        request.goaway_sent = true;
        if !timeout.is_zero() {
            self.goaway.requests.push((key, Timer::Waiting(timeout)));
        }
        self.write(key, &message, false)
    }

    fn goaway_message(&self, uri: &str, timeout: Duration, control: bool) -> Result<Message, CommandError> {
        if self.side == Side::Client && !uri.is_empty() {
            return Err(CommandError::Message("a client cannot name a URI in GOAWAY".into()));
        }
        let timeout = (!timeout.is_zero()).then_some(timeout);
        let request_id = control.then(|| self.peer_ids.next());
        Ok(Message::GoAway(GoAway { uri: uri.to_owned(), timeout, request_id }))
    }

    pub(super) fn receive_goaway(&mut self, goaway: GoAway) -> Result<(), ProtocolError> {
        if self.goaway.received {
            return Err(ProtocolError::violation("a second GOAWAY"));
        }
        goaway.validate(!self.side)?;
        self.goaway.received = true;
        self.event(Event::GoAway { uri: goaway.uri, timeout: goaway.timeout.unwrap_or_default() });
        Ok(())
    }

    pub(super) fn receive_request_goaway(&mut self, key: RequestKey, goaway: GoAway) -> Result<(), ProtocolError> {
        let Some(request) = self.requests.get_mut(key) else { return Ok(()) };
        if std::mem::replace(&mut request.goaway_received, true) {
            return Err(ProtocolError::violation("a second GOAWAY on a request stream"));
        }
        if goaway.request_id.is_some() {
            return Err(ProtocolError::violation("a request id in the GOAWAY of a request stream"));
        }
        let announced = request.announced;
        goaway.validate(!self.side)?;
        if announced {
            self.event(Event::RequestGoAway { key, uri: goaway.uri, timeout: goaway.timeout.unwrap_or_default() });
        }
        Ok(())
    }

    pub(super) fn check_goaway_deadlines(&mut self) -> Result<(), ProtocolError> {
        let now = self.now;
        let over = self.goaway.session.as_mut().is_some_and(|timer| timer.fire(now));
        if over {
            self.goaway.session = None;
            if self.requests.len() > 0 {
                let reason = "requests are left after the time given in GOAWAY";
                return Err(ProtocolError::new(SessionErrorCode::GoawayTimeout, reason));
            }
        }
        let over = self.goaway.requests.extract_if(.., |(_, timer)| timer.fire(now)).map(|(key, _)| key);
        for key in over.collect::<Vec<_>>() {
            if let Some(request) = self.remove(key) {
                self.outputs.extend(self.plane.cancel(key, StreamErrorCode::GoingAway));
                let code = StreamErrorCode::GoingAway.to_wire(self.plane.version());
                self.report_end(key, request, Some(code));
            }
        }
        Ok(())
    }
}
