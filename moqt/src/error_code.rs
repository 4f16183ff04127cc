//! The four tables of codes (section 14): one line per code, with its number in each draft.

use std::fmt;

use crate::version::Version;

macro_rules! codes {
    (
        $(#[$type_doc:meta])* $type:ident, fallback $fallback:literal,
        $( $(#[$doc:meta])* $variant:ident $name:literal $draft16:expr, $draft18:expr; )*
    ) => {
        $(#[$type_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type {
            $( $(#[$doc])* $variant, )*
            /// A code this version does not define; to be treated as an internal error.
            Unknown(u64),
        }

        impl $type {
            /// Every defined code.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),*];

            /// The code's numbers in draft-16 and draft-18.
            const fn numbers(self) -> (Option<u64>, Option<u64>) {
                match self {
                    $( Self::$variant => ($draft16, $draft18), )*
                    Self::Unknown(code) => (Some(code), Some(code)),
                }
            }

            /// The number on the wire; a code the version lacks is sent as its internal error.
            pub const fn to_wire(self, version: Version) -> u64 {
                let (draft16, draft18) = self.numbers();
                let number = match version {
                    Version::Draft16 => draft16,
                    _ => draft18,
                };
                match number {
                    Some(code) => code,
                    None => $fallback,
                }
            }

            /// The meaning of a number from the wire; never fails (section 14).
            pub fn from_wire(code: u64, version: Version) -> Self {
                let same = |known: &Self| {
                    let (draft16, draft18) = known.numbers();
                    let number = match version {
                        Version::Draft16 => draft16,
                        _ => draft18,
                    };
                    number == Some(code)
                };
                Self::ALL.iter().copied().find(same).unwrap_or(Self::Unknown(code))
            }

            /// The draft's name for it.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                    Self::Unknown(_) => "UNKNOWN",
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Unknown(code) => write!(f, "UNKNOWN {code:#x}"),
                    known => f.write_str(known.name()),
                }
            }
        }
    };
}

codes! {
    /// Why a session was closed.
    SessionErrorCode, fallback 0x1,
    /// An orderly end.
    NoError "NO_ERROR" Some(0x0), Some(0x0);
    /// Something failed here.
    InternalError "INTERNAL_ERROR" Some(0x1), Some(0x1);
    /// The peer may not have this session.
    Unauthorized "UNAUTHORIZED" Some(0x2), Some(0x2);
    /// The peer broke a rule of the protocol.
    ProtocolViolation "PROTOCOL_VIOLATION" Some(0x3), Some(0x3);
    /// A Request ID of the wrong parity, repeated or out of sequence.
    InvalidRequestId "INVALID_REQUEST_ID" Some(0x4), Some(0x4);
    /// One alias for two tracks.
    DuplicateTrackAlias "DUPLICATE_TRACK_ALIAS" Some(0x5), Some(0x5);
    /// A known type with content that does not fit it.
    KeyValueFormattingError "KEY_VALUE_FORMATTING_ERROR" Some(0x6), Some(0x6);
    /// A Request ID at or above the granted maximum.
    TooManyRequests "TOO_MANY_REQUESTS" Some(0x7), None;
    /// PATH where it may not be, or a path that is not served.
    InvalidPath "INVALID_PATH" Some(0x8), Some(0x8);
    /// PATH that is not a path.
    MalformedPath "MALFORMED_PATH" Some(0x9), Some(0x9);
    /// The peer stayed too long after GOAWAY.
    GoawayTimeout "GOAWAY_TIMEOUT" Some(0x10), Some(0x10);
    /// The peer took too long over a control message.
    ControlMessageTimeout "CONTROL_MESSAGE_TIMEOUT" Some(0x11), Some(0x11);
    /// The peer took too long over a data stream.
    DataStreamTimeout "DATA_STREAM_TIMEOUT" Some(0x12), Some(0x12);
    /// More registered tokens than the cache holds.
    AuthTokenCacheOverflow "AUTH_TOKEN_CACHE_OVERFLOW" Some(0x13), Some(0x13);
    /// A token alias registered twice.
    DuplicateAuthTokenAlias "DUPLICATE_AUTH_TOKEN_ALIAS" Some(0x14), Some(0x14);
    /// No common version.
    VersionNegotiationFailed "VERSION_NEGOTIATION_FAILED" Some(0x15), Some(0x15);
    /// A token in SETUP that is not valid.
    MalformedAuthToken "MALFORMED_AUTH_TOKEN" Some(0x16), Some(0x16);
    /// A token alias nobody registered.
    UnknownAuthTokenAlias "UNKNOWN_AUTH_TOKEN_ALIAS" Some(0x17), Some(0x17);
    /// A token in SETUP that has expired.
    ExpiredAuthToken "EXPIRED_AUTH_TOKEN" Some(0x18), Some(0x18);
    /// AUTHORITY where it may not be, or one that is not served.
    InvalidAuthority "INVALID_AUTHORITY" Some(0x19), Some(0x19);
    /// AUTHORITY that is not an authority.
    MalformedAuthority "MALFORMED_AUTHORITY" Some(0x1a), Some(0x1a);
}

codes! {
    /// Why a request was refused.
    RequestErrorCode, fallback 0x0,
    /// Something failed here.
    InternalError "INTERNAL_ERROR" Some(0x0), Some(0x0);
    /// Not allowed.
    Unauthorized "UNAUTHORIZED" Some(0x1), Some(0x1);
    /// Nobody answered in time.
    Timeout "TIMEOUT" Some(0x2), Some(0x2);
    /// This endpoint does not do that.
    NotSupported "NOT_SUPPORTED" Some(0x3), Some(0x3);
    /// A token that decodes but is not valid.
    MalformedAuthToken "MALFORMED_AUTH_TOKEN" Some(0x4), Some(0x4);
    /// A token that has expired.
    ExpiredAuthToken "EXPIRED_AUTH_TOKEN" Some(0x5), Some(0x5);
    /// The sender is about to close the session.
    GoingAway "GOING_AWAY" None, Some(0x6);
    /// Too busy.
    ExcessiveLoad "EXCESSIVE_LOAD" None, Some(0x9);
    /// No such track or namespace.
    DoesNotExist "DOES_NOT_EXIST" Some(0x10), Some(0x10);
    /// A range that holds nothing.
    InvalidRange "INVALID_RANGE" Some(0x11), Some(0x11);
    /// The track broke a rule of the object model.
    MalformedTrack "MALFORMED_TRACK" Some(0x12), Some(0x12);
    /// The track is subscribed to already in this session.
    DuplicateSubscription "DUPLICATE_SUBSCRIPTION" Some(0x19), Some(0x19);
    /// The subscriber does not want what was offered.
    Uninterested "UNINTERESTED" Some(0x20), Some(0x20);
    /// The prefix overlaps another one in the session.
    PrefixOverlap "PREFIX_OVERLAP" Some(0x30), Some(0x30);
    /// The prefix covers too much.
    NamespaceTooLarge "NAMESPACE_TOO_LARGE" None, Some(0x31);
    /// A joining FETCH names a request that is no subscription.
    InvalidJoiningRequestId "INVALID_JOINING_REQUEST_ID" Some(0x32), Some(0x32);
    /// A mandatory property is not understood.
    UnsupportedExtension "UNSUPPORTED_EXTENSION" None, Some(0x33);
    /// Ask elsewhere; the message says where.
    Redirect "REDIRECT" None, Some(0x34);
}

codes! {
    /// Why a subscription ended.
    PublishDoneCode, fallback 0x0,
    /// Something failed here.
    InternalError "INTERNAL_ERROR" Some(0x0), Some(0x0);
    /// No longer allowed.
    Unauthorized "UNAUTHORIZED" Some(0x1), Some(0x1);
    /// The track is over.
    TrackEnded "TRACK_ENDED" Some(0x2), Some(0x2);
    /// The range subscribed to is over.
    SubscriptionEnded "SUBSCRIPTION_ENDED" Some(0x3), Some(0x3);
    /// The publisher is about to close the session.
    GoingAway "GOING_AWAY" Some(0x4), Some(0x4);
    /// The subscriber reads too slowly.
    TooFarBehind "TOO_FAR_BEHIND" Some(0x6), Some(0x5);
    /// The subscription's time is over.
    Expired "EXPIRED" Some(0x5), Some(0x6);
    /// A REQUEST_UPDATE failed.
    UpdateFailed "UPDATE_FAILED" Some(0x8), Some(0x8);
    /// Too busy.
    ExcessiveLoad "EXCESSIVE_LOAD" None, Some(0x9);
    /// The track broke a rule of the object model.
    MalformedTrack "MALFORMED_TRACK" Some(0x12), Some(0x12);
}

codes! {
    /// Why a stream was reset or stopped.
    StreamErrorCode, fallback 0x0,
    /// Something failed here.
    InternalError "INTERNAL_ERROR" Some(0x0), Some(0x0);
    /// No longer wanted.
    Cancelled "CANCELLED" Some(0x1), Some(0x1);
    /// The objects came too late.
    DeliveryTimeout "DELIVERY_TIMEOUT" Some(0x2), Some(0x2);
    /// The session is closing.
    SessionClosed "SESSION_CLOSED" Some(0x3), Some(0x3);
    /// The sender is about to close the session.
    GoingAway "GOING_AWAY" None, Some(0x4);
    /// The receiver reads too slowly.
    TooFarBehind "TOO_FAR_BEHIND" None, Some(0x5);
    /// A FETCH met objects whose state is not known.
    UnknownObjectStatus "UNKNOWN_OBJECT_STATUS" Some(0x4), Some(0x6);
    /// A token has expired.
    ExpiredAuthToken "EXPIRED_AUTH_TOKEN" None, Some(0x7);
    /// Too busy.
    ExcessiveLoad "EXCESSIVE_LOAD" None, Some(0x9);
    /// The track broke a rule of the object model.
    MalformedTrack "MALFORMED_TRACK" Some(0x12), Some(0x12);
}

impl RequestErrorCode {
    /// Whether another token may help.
    pub fn is_about_authorization(self) -> bool {
        matches!(self, Self::Unauthorized | Self::MalformedAuthToken | Self::ExpiredAuthToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_round_trip_in_each_draft() {
        macro_rules! check {
            ($($type:ident),*) => {$(
                for version in Version::ALL {
                    for code in $type::ALL {
                        let (draft16, draft18) = code.numbers();
                        let defined = match version {
                            Version::Draft16 => draft16,
                            _ => draft18,
                        };
                        if let Some(number) = defined {
                            assert_eq!($type::from_wire(number, version), *code);
                            assert_eq!(code.to_wire(version), number);
                        }
                    }
                }
            )*};
        }
        check!(SessionErrorCode, RequestErrorCode, PublishDoneCode, StreamErrorCode);
    }

    #[test]
    fn the_drafts_swap_two_publish_done_codes() {
        assert_eq!(PublishDoneCode::from_wire(5, Version::Draft16), PublishDoneCode::Expired);
        assert_eq!(PublishDoneCode::from_wire(5, Version::Draft18), PublishDoneCode::TooFarBehind);
        assert_eq!(StreamErrorCode::UnknownObjectStatus.to_wire(Version::Draft16), 4);
        assert_eq!(RequestErrorCode::GoingAway.to_wire(Version::Draft16), 0);
    }
}
