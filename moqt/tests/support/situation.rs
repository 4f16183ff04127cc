//! A vector and its situation: who sent it, where, in answer to what, and how it may be refused.

use bytes::Bytes;
use moqt::{Answered, DecodeError, Location, MalformedTrack, Message, ProtocolError, RequestKind, Side, Version};
use serde_json::Value;

use super::json::{number, text};

/// How a vector was refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// More bytes are needed: a wait on a stream, a violation in a bounded block or at FIN.
    Incomplete,
    Session(u64),
    Name,
    Track,
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Incomplete => Self::Incomplete,
            DecodeError::Invalid(error) => error.into(),
        }
    }
}

impl From<ProtocolError> for Refusal {
    fn from(error: ProtocolError) -> Self {
        Self::Session(error.code.to_wire(Version::Draft18))
    }
}

impl From<MalformedTrack> for Refusal {
    fn from(_: MalformedTrack) -> Self {
        Self::Track
    }
}

impl Refusal {
    pub(crate) fn is(&self, error: &Value) -> bool {
        let (scope, name) = (text(&error["scope"]), text(&error["name"]));
        match self {
            Self::Incomplete => name == "INCOMPLETE" || (scope == "session" && error["code"] == 3),
            Self::Session(code) => scope == "session" && number(&error["code"]) == Some(*code),
            Self::Name => scope == "application" && name == "INVALID_NAME",
            Self::Track => name == "MALFORMED_TRACK",
        }
    }
}

/// A vector with the parts every check needs.
pub(crate) struct Vector<'a> {
    pub(crate) all: &'a Value,
    pub(crate) version: Version,
    pub(crate) bytes: Bytes,
}

impl Vector<'_> {
    pub(crate) fn expected(&self) -> &Value {
        &self.all["value"]
    }

    pub(crate) fn is_error(&self) -> bool {
        self.all["expect"] == "error"
    }

    /// What the vector says in words about its situation.
    pub(crate) fn words(&self) -> String {
        let why = text(&self.expected()["why"]);
        format!("{} {why} {}", text(&self.all["name"]), text(&self.all["note"])).to_lowercase()
    }

    /// Applies the checks that need to know who sent the message, where, and in answer to what: for a
    /// bad vector in every situation its words allow, for a good one in at least one.
    pub(crate) fn check_situation(&self, message: &Message) -> Result<(), ProtocolError> {
        let mut refusals = Vec::new();
        let mut accepted = false;
        for from in self.senders() {
            for answered in self.answered() {
                match self.check_one(message, from, answered) {
                    Ok(()) => accepted = true,
                    Err(error) => refusals.push(error),
                }
            }
        }
        if !self.is_error() && accepted {
            return Ok(());
        }
        let wanted = |error: &ProtocolError| Refusal::from(error.clone()).is(&self.expected()["error"]);
        match refusals.iter().position(wanted) {
            Some(index) => Err(refusals.swap_remove(index)),
            None => refusals.pop().map_or(Ok(()), Err),
        }
    }

    fn check_one(&self, message: &Message, from: Side, answered: Answered) -> Result<(), ProtocolError> {
        let words = self.words();
        let request = match answered {
            Answered::Request(kind) => kind,
            Answered::Update => RequestKind::Subscribe,
        };
        message.validate_sender(from)?;
        match message {
            Message::Setup(setup) => setup.validate(from, words.contains("webtransport") || words.contains("-wt"))?,
            Message::GoAway(goaway) => {
                goaway.validate_stream(self.all["stream"] == "control")?;
            }
            Message::RequestError(error) => error.validate(from, request)?,
            Message::RequestOk(ok) => ok.validate(answered, self.version)?,
            Message::RequestUpdate(update) if self.is_error() => {
                update.validate(request, self.version)?;
            }
            _ => {}
        }
        if let (Message::FetchOk(ok), Some(start)) = (message, self.named_location()) {
            ok.validate(start)?;
        }
        if self.is_error() && ["bidi", "opening", "opens"].iter().any(|word| words.contains(word)) {
            message.check_opens_stream(self.version)?;
        }
        Ok(())
    }

    /// The first `{group, object}` in the words of a bad vector: where its request started.
    fn named_location(&self) -> Option<Location> {
        let words = self.words();
        let (_, rest) = words.split_once('{').filter(|_| self.is_error())?;
        let (group, object) = rest.split_once('}')?.0.split_once(',')?;
        Some(Location::new(group.trim().parse().ok()?, object.trim().parse().ok()?))
    }

    fn senders(&self) -> Vec<Side> {
        let words = self.words();
        let has = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
        if has(&["server sends", "from-server", "from a server", "server to client", "client receive"]) {
            return vec![Side::Server];
        }
        if has(&["client sends", "from-client", "from a client", "client to server", "server receive"]) {
            return vec![Side::Client];
        }
        vec![Side::Client, Side::Server]
    }

    fn answered(&self) -> Vec<Answered> {
        let named = text(&self.expected()["as"]).to_lowercase();
        let name = text(&self.all["name"]).to_lowercase();
        let kinds = [
            ("publish-namespace", RequestKind::PublishNamespace),
            ("subscribe-namespace", RequestKind::SubscribeNamespace),
            ("subscribe-tracks", RequestKind::SubscribeTracks),
            ("track-status", RequestKind::TrackStatus),
            ("publish", RequestKind::Publish),
        ];
        for source in [named, name, self.words()] {
            let source = source.replace(['_', ' '], "-");
            if source.contains("request-update-ok") {
                return vec![Answered::Update];
            }
            if let Some((_, kind)) = kinds.iter().find(|(name, _)| source.contains(&format!("{name}-ok"))) {
                return vec![Answered::Request(*kind)];
            }
        }
        let requests = RequestKind::ALL.map(Answered::Request);
        requests.into_iter().chain([Answered::Update]).collect()
    }
}
