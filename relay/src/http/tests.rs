use axum::body::Body;
use axum::http::{Method, Request, Response};

use super::*;
use crate::RelaySettings;

fn edge(settings: RelaySettings) -> (Router, Router, Arc<Context>) {
    let context = Context::new(settings, Vec::new(), None).unwrap();
    let (certificates, _) = CertificateStore::load(&certs::CertificateSettings::default()).unwrap();
    // Only one recorder may be installed, and each test has threads of its own.
    static METRICS: std::sync::OnceLock<Metrics> = std::sync::OnceLock::new();
    let metrics = METRICS.get_or_init(|| Metrics::install().unwrap()).clone();
    let (public, all) = routes(context.clone(), certificates, metrics, Vec::new());
    (public, all, context)
}

async fn ask(router: &Router, method: Method, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    tower::ServiceExt::oneshot(router.clone(), request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(axum::body::to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn metrics_and_readiness_are_for_the_operator_alone() {
    let (public, all, _) = edge(RelaySettings::default());
    for path in ["/metrics", "/readyz"] {
        assert_eq!(ask(&public, Method::GET, path).await.status(), StatusCode::NOT_FOUND, "{path}");
        let answer = ask(&all, Method::GET, path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(!answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{path} is not for pages");
    }
    for path in ["/healthz", "/certificate.sha256", "/broadcasts"] {
        let answer = ask(&public, Method::GET, path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{path}");
        assert_eq!(answer.headers()["timing-allow-origin"], "*", "{path}");
    }
}

#[tokio::test]
async fn preflights_are_answered_before_any_track_is_opened() {
    let (public, _, context) = edge(RelaySettings::default());
    let answer = ask(&public, Method::OPTIONS, "/tracks/live/demo/video0/live").await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(answer.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().contains("authorization"));
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD, OPTIONS");
    assert!(context.router.namespaces(&moqt::Namespace::default()).is_empty());
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let (public, _, _) = edge(RelaySettings::default());
    for (path, status, words) in [
        ("/nothing", 404, "no such path"),
        ("/tracks/live/demo/video0/newest", 400, "`latest`"),
        ("/tracks/live/demo/video0/live", 404, "nobody publishes live-demo--video0"),
        ("/tracks/live/demo/video0/init", 404, "nobody publishes live-demo--video0"),
        ("/tracks/live/demo/video0/7", 404, "no group 7 of live-demo--video0"),
        ("/broadcasts?prefix=a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/a/b/c/d/e/f/g/h", 400, "too long"),
    ] {
        let answer = ask(&public, Method::GET, path).await;
        assert_eq!(answer.status(), status, "{path}");
        let text = text(answer).await;
        assert!(text.contains(words), "{path}: {text}");
    }
}

#[tokio::test]
async fn bodies_without_end_have_a_bounded_number_of_places() {
    let mut settings = RelaySettings::default();
    settings.limit.http_live = 0;
    let (public, _, _) = edge(settings);
    let answer = ask(&public, Method::GET, "/tracks/live/demo/video0/live").await;
    assert_eq!(
        (answer.status(), answer.headers()[header::RETRY_AFTER].as_bytes()),
        (StatusCode::SERVICE_UNAVAILABLE, &b"5"[..])
    );
}

#[tokio::test]
async fn a_busy_port_matters_only_to_those_who_insist() {
    let busy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = busy.local_addr().unwrap();
    let (certificates, _) = CertificateStore::load(&certs::CertificateSettings::default()).unwrap();
    let bind = |enabled| {
        let mut settings = RelaySettings::default();
        settings.https.enabled = enabled;
        Https::bind(&settings, &[address], certificates.clone(), Router::new())
    };
    assert!(matches!(bind(None), Ok(None)));
    let refused = bind(Some(true)).unwrap_err().to_string();
    assert!(refused.contains(&address.to_string()) && refused.contains("HTTPS"), "{refused}");
    drop(busy);
    assert!(matches!(bind(Some(false)), Ok(None)));
    assert_eq!(bind(None).unwrap().unwrap().addresses(), [address]);
}

#[tokio::test]
async fn the_page_can_be_switched_off() {
    let (public, all, _) = edge(RelaySettings::default());
    for router in [&public, &all] {
        let page = ask(router, Method::GET, "/").await;
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(ask(router, Method::GET, "/efir-player.js").await.status(), StatusCode::OK);
    }
    let mut settings = RelaySettings::default();
    settings.http.page = false;
    let (public, ..) = edge(settings);
    assert_eq!(ask(&public, Method::GET, "/").await.status(), StatusCode::NOT_FOUND);
}
