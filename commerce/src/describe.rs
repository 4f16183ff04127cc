//! What is common to all routes in their description: who may call them, the headers they take, and how they refuse.
//!
//! Routes describe what is their own. That a token may be bad, a body too long or the server busy follows from the middleware
//! before all of them, and is written here once.

use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, InfoBuilder, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required, Schema, Type};

use crate::actor::Actor;
use crate::http::KEY_BYTES;
use crate::layer::is_keyless;

/// The name of the security scheme.
const TOKEN: &str = "token";
const JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";
const KEY: &str = "Idempotency-Key";

/// How every route may refuse: status, meaning.
const REFUSALS: [(&str, &str); 11] = [
    ("400", "The request cannot be read, or a header or parameter is malformed"),
    ("401", "There is no token, or one that does not hold"),
    ("403", "The token does not allow this"),
    ("404", "There is no such thing, or it is somebody else's"),
    ("409", "The state of things does not allow this, or the first request with this key is not finished"),
    ("412", "It has changed since you read it"),
    ("413", "The body is too long"),
    ("415", "The body is not JSON"),
    ("422", "The body is not valid, or its key belongs to another request"),
    ("428", "Name the version you change in If-Match"),
    ("429", "Too many requests of this caller"),
];
const BUSY: (&str, &str) = ("503", "Too busy, or a part of the system does not answer");

/// The description of all routes, completed with what is common to them.
pub(crate) fn describe(mut api: OpenApi) -> OpenApi {
    let about = "Pharmacy, grocery, furniture shop, reseller, warehouse and couriers. Every POST carries an Idempotency-Key; \
                 errors are problem details (RFC 9457); lists have opaque cursors; things have ETags.";
    api.info =
        InfoBuilder::new().title("Efir commerce").version(env!("CARGO_PKG_VERSION")).description(Some(about)).build();
    let components = api.components.get_or_insert_default();
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(TOKEN, SecurityScheme::Http(token));
    for (status, meaning) in REFUSALS.iter().chain([&BUSY]) {
        components.responses.insert(name(status), refusal(status, meaning).into());
    }
    api.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
    for (path, item) in &mut api.paths.paths {
        let group = group(path);
        for (is_post, operation) in operations(item) {
            operation.tags = Some(vec![group.to_owned()]);
            // Shops share handlers; their operations need names of their own.
            operation.operation_id = operation.operation_id.take().map(|name| format!("{group}_{name}"));
            complete(is_post, operation);
        }
    }
    api
}

/// The actor whose path it is, or what belongs to none of them.
fn group(path: &str) -> &'static str {
    let segment = path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next());
    segment.and_then(Actor::parse).map_or("process", Actor::as_str)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let others = [get, put, delete, patch].into_iter().flatten().map(|operation| (false, operation));
    post.iter_mut().map(|operation| (true, operation)).chain(others)
}

/// The name of a shared answer.
fn name(status: &str) -> String {
    format!("Problem{status}")
}

fn refusal(status: &str, meaning: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let mut response = ResponseBuilder::new().description(meaning).content(PROBLEM_JSON, content).build();
    if matches!(status, "429" | "503") {
        let seconds = Header::new(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)));
        response.headers.insert("Retry-After".to_owned(), seconds.into());
    }
    response
}

fn complete(is_post: bool, operation: &mut Operation) {
    let is_open =
        operation.security.as_ref().is_some_and(|all| all.iter().any(|one| *one == SecurityRequirement::default()));
    if is_open {
        // A token may tell who asks; without one nobody in particular does.
        operation.security = Some(vec![SecurityRequirement::default(), SecurityRequirement::new(TOKEN, [""; 0])]);
    }
    let keyed = is_post && !is_keyless(operation);
    if keyed {
        let parameters = operation.parameters.get_or_insert_default();
        parameters.push(key().into());
    }
    let has_body = operation.request_body.is_some();
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        let nothing: RefOr<_> = Ref::from_schema_name("Nothing").into();
        if body.content.values().any(|content| is_of(content, &nothing)) {
            body.required = Some(Required::False);
        }
    }
    let of_version = takes(operation, ParameterIn::Header, Some("If-Match"));
    let fits = |status: &str| match status {
        "403" => !is_open,
        "404" => takes(operation, ParameterIn::Path, None),
        "409" => keyed || of_version,
        "412" | "428" => of_version,
        "413" | "415" => has_body,
        "422" => has_body || keyed,
        _ => true,
    };
    let common: Vec<&str> =
        REFUSALS.iter().chain([&BUSY]).map(|(status, _)| *status).filter(|status| fits(status)).collect();
    let responses = &mut operation.responses.responses;
    responses.values_mut().for_each(retype);
    for status in common {
        responses.entry(status.to_owned()).or_insert_with(|| Ref::from_response_name(name(status)).into());
    }
}

fn takes(operation: &Operation, place: ParameterIn, name: Option<&str>) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => {
            parameter.parameter_in == place && name.is_none_or(|name| parameter.name.eq_ignore_ascii_case(name))
        }
        RefOr::Ref(_) => false,
    })
}

fn key() -> Parameter {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(format!(r#"^("[!-~]{{1,{KEY_BYTES}}}"|[!-~]{{1,{KEY_BYTES}}})$"#)));
    ParameterBuilder::new()
        .name(KEY)
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some("Makes a repeat of the request harmless: the same key gives the first answer again"))
        .schema(Some(text))
        .build()
}

/// Problems have a media type of their own, which routes need not say.
fn retype(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let problem = Ref::from_schema_name("Problem").into();
    if response.content.get(JSON).is_some_and(|content| is_of(content, &problem))
        && let Some(content) = response.content.swap_remove(JSON)
    {
        response.content.insert(PROBLEM_JSON.to_owned(), content);
    }
}

fn is_of(content: &RefOr<Content>, schema: &RefOr<Schema>) -> bool {
    matches!(content, RefOr::T(content) if content.schema.as_ref() == Some(schema))
}
