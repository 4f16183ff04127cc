//! TRACK_STATUS: what SUBSCRIBE_OK would say, without a subscription downstream.

use std::sync::Arc;

use moqt::Parameters;
use transport::IncomingTrackStatus;

use crate::relay::Context;

/// Answers one TRACK_STATUS.
pub(super) async fn serve(context: Arc<Context>, mut request: IncomingTrackStatus) {
    let viewing = match context.open(&request.track, &request.parameters.hops) {
        Ok(viewing) => viewing,
        Err(refusal) => {
            return request.refuse(refusal.code, refusal.retry, &refusal.reason, refusal.redirect.map(|to| *to));
        }
    };
    let ready = tokio::select! {
        ready = viewing.ready() => ready,
        () = request.cancelled() => return,
    };
    match ready {
        Ok(properties) => {
            let parameters = Parameters { largest_object: viewing.track.largest(), ..Parameters::default() };
            request.accept(parameters, properties);
        }
        Err(refusal) => request.refuse(refusal.code, refusal.retry, &refusal.reason, refusal.redirect.map(|to| *to)),
    }
}
