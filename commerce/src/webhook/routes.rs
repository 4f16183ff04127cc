//! Subscriptions over HTTP: merged into the routes of every actor that has webhooks.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::limit;
use super::model::{DeliveryView, Subscribed, Subscription};
use super::service::{WebhookError, Webhooks};
use crate::auth::{Caller, Scope};
use crate::http::{Command, Items, Nothing, Path};
use crate::id::SubscriptionId;
use crate::problem::Problem;

/// Routes under `/webhooks`; the scope `export:read` allows them.
pub(crate) fn routes(webhooks: Webhooks) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(subscribe, list))
        .routes(routes!(unsubscribe))
        .routes(routes!(rotate))
        .routes(routes!(deliveries))
        .with_state(webhooks)
}

/// A new subscription.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubscribeBody {
    /// Where events are sent: `https://`, a public address.
    #[garde(length(min = 1, max = limit::URL_BYTES))]
    #[schema(min_length = 1, max_length = 2000, example = "https://example.com/hooks")]
    url: String,
    /// Kinds of events.
    #[garde(length(min = 1, max = 20))]
    #[schema(min_items = 1, max_items = 20, example = json!(["export.ready"]))]
    events: Vec<String>,
}

fn subscription_id(text: &str) -> Result<SubscriptionId, Problem> {
    SubscriptionId::parse(text).map_err(|_| WebhookError::NotFound.into())
}

/// Subscribes to events: they are sent to the address, signed as standardwebhooks.com asks. The secret is shown this once.
#[utoipa::path(post, path = "/webhooks", request_body = SubscribeBody, responses(
    (status = 201, description = "Subscribed; the secret is never shown again", body = Subscribed)))]
async fn subscribe(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    command: Command<SubscribeBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::ExportRead)?;
    let SubscribeBody { url, events } = command.body;
    let made = webhooks.subscribe(Some(&command.once), caller.subject, &url, events).await?;
    Ok((StatusCode::CREATED, axum::Json(made)).into_response())
}

/// The caller's subscriptions.
#[utoipa::path(get, path = "/webhooks", responses(
    (status = 200, description = "All of them", body = Items<Subscription>)))]
async fn list(State(webhooks): State<Webhooks>, caller: Caller) -> Result<Response, Problem> {
    caller.require(Scope::ExportRead)?;
    let items = webhooks.subscriptions(&caller.subject).await?;
    Ok(axum::Json(Items { items }).into_response())
}

/// Ends a subscription.
#[utoipa::path(delete, path = "/webhooks/{id}", params(("id" = String, Path, description = "The subscription")), responses(
    (status = 204, description = "Nothing is sent any more")))]
async fn unsubscribe(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::ExportRead)?;
    webhooks.unsubscribe(caller.subject, subscription_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a subscription a new secret; for a day calls are signed with the old one as well.
#[utoipa::path(post, path = "/webhooks/{id}/rotate", request_body = Nothing, params(
    ("id" = String, Path, description = "The subscription")), responses(
    (status = 200, description = "The new secret, never shown again", body = Subscribed)))]
async fn rotate(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    caller.require(Scope::ExportRead)?;
    let Nothing {} = command.body;
    let made = webhooks.rotate(Some(&command.once), caller.subject, subscription_id(&id)?).await?;
    Ok(axum::Json(made).into_response())
}

/// What became of the newest events.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", params(("id" = String, Path, description = "The subscription")),
    responses((status = 200, description = "Newest first", body = Items<DeliveryView>)))]
async fn deliveries(
    State(webhooks): State<Webhooks>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.require(Scope::ExportRead)?;
    let items = webhooks.deliveries(&caller.subject, &subscription_id(&id)?).await?;
    Ok(axum::Json(Items { items }).into_response())
}
