//! Every metric of access.
//!
//! | Name | Unit | Meaning |
//! |---|---|---|
//! | `access_refused_total` `{reason}` | requests | requests and updates refused, by what was wrong with what was shown: `missing`, `right` (good for other things), `expired`, `not_yet`, `unknown`, `malformed`, `algorithm`, `key` (not known), `signature`, `issuer`, `audience`, `unsupported` |
//! | `access_ended_total` | requests | running requests ended because their authorization expired |
//! | `access_keys` | keys | keys whose tokens are believed |
//! | `access_key_readings_total` `{source,result}` | readings | key files (`file`) and the JWKS URL (`url`) read |
//! | `access_keys_read_seconds` | seconds since 1970 | when all of them were last read well |

use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{counter, gauge};

use crate::grant::Denial;

pub(crate) fn refused(denial: Denial) {
    counter!("access_refused_total", "reason" => denial.label()).increment(1);
}

pub(crate) fn ended() {
    counter!("access_ended_total").increment(1);
}

pub(crate) fn keys(count: usize) {
    gauge!("access_keys").set(count as f64);
}

pub(crate) fn reading(source: &'static str, ok: bool) {
    counter!("access_key_readings_total", "source" => source, "result" => if ok { "ok" } else { "failed" })
        .increment(1);
}

pub(crate) fn all_read() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge!("access_keys_read_seconds").set(since.as_secs_f64());
}
