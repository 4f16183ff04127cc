//! The real shops, and a server before them that does one thing wrong, on purpose: who checks promises must notice.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, header, request};
use axum::response::Response;
use commerce::{Commerce, CommerceSettings};
use process::Shutdown;
use serde_json::{Value, json};
use tests::system::metrics;
use tokio::task::JoinHandle;

/// A demonstration in which everything that takes its time in life takes milliseconds.
const QUICK: &str = "
demo = true
listen = ['127.0.0.1:0']
[shop]
dispatch_after_ms = 50
[pharmacy]
auto_advice_ms = 50
[warehouse]
auto_ms = 20
[carrier]
speed = 100000
[courier]
# At that speed a parcel that a busy machine leaves alone for a second is away for a day.
lost_after_hours = 2160
[reseller]
offers_every_ms = 200
";

/// Largest body that passes.
const BODY_BYTES: usize = 64 << 20;

/// The real shops, which end with this.
pub(crate) struct Shops {
    pub(crate) address: SocketAddr,
    running: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Shops {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings: CommerceSettings = toml::from_str(QUICK).unwrap();
        settings.storage.folder = Some(folder.path().to_owned());
        let shutdown = Shutdown::new(Duration::from_secs(1));
        let commerce = Box::pin(Commerce::open(settings, metrics(), None, shutdown.clone())).await.unwrap();
        let address = commerce.addresses()[0];
        Self { address, running: tokio::spawn(commerce.run(shutdown)), _folder: folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }
}

impl Drop for Shops {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Nothing.
    Nothing,
    /// A promotion is for many more than was said.
    Oversells,
    /// Every fifth payment is answered, and the order forgotten.
    LosesPayments,
    /// Every fifth order is answered, and does not exist.
    LosesOrders,
    /// A line costs a cent more when the order is looked at later.
    Miscounts,
    /// A customer's basket is charged a cent that nobody refunds.
    KeepsTheChange,
    /// A request that comes again is another request.
    ForgetsKeys,
    /// Every second export lacks a row.
    TearsExports,
    /// Nothing is answered from one second after the first search for one second.
    Stalls,
}

/// A server that passes everything on to the real shops, but for what it does wrong.
pub(crate) struct BrokenShops {
    pub(crate) address: SocketAddr,
    running: JoinHandle<()>,
    _shops: Shops,
}

struct Double {
    wrong: Wrong,
    shops: SocketAddr,
    client: reqwest::Client,
    /// Requests that were done wrong or might have been.
    count: AtomicU64,
    searched: std::sync::OnceLock<Instant>,
}

impl BrokenShops {
    pub(crate) async fn start(wrong: Wrong) -> Self {
        let shops = Shops::start().await;
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (count, searched) = (AtomicU64::new(0), std::sync::OnceLock::new());
        let double = Arc::new(Double { wrong, shops: shops.address, client, count, searched });
        let router = Router::new().fallback(pass).with_state(double);
        let running = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, running, _shops: shops }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }
}

impl Drop for BrokenShops {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Double {
    /// Whether this one of every so many is due.
    fn is_turn(&self, of: u64) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) % of == of - 1
    }

    async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: Bytes) -> reqwest::Response {
        let url = format!("http://{}{path}", self.shops);
        self.client.request(method, url).headers(headers).body(body).send().await.unwrap()
    }

    /// What goes wrong before a request reaches the shops.
    fn spoil_request(&self, parts: &mut request::Parts, body: &mut Bytes) {
        let path = parts.uri.path();
        if self.wrong == Wrong::Oversells && parts.method == Method::POST && path.ends_with("/grocery/promotions") {
            let mut promotion: Value = serde_json::from_slice(body).unwrap();
            promotion["quota"] = json!(1000);
            *body = promotion.to_string().into();
        }
        if self.wrong == Wrong::ForgetsKeys && parts.method == Method::POST && path.ends_with("/grocery/orders") {
            let key = format!("double-{}", self.count.fetch_add(1, Ordering::Relaxed));
            parts.headers.insert("idempotency-key", key.parse().unwrap());
        }
    }

    /// What goes wrong with an answer.
    fn spoil_answer(&self, parts: &request::Parts, body: Bytes) -> Bytes {
        let (path, reads) = (parts.uri.path(), parts.method == Method::GET);
        let orders = path.ends_with("/grocery/orders");
        match self.wrong {
            Wrong::LosesOrders if !reads && orders && self.is_turn(5) => changed(&body, |order| {
                order["id"] = json!("01900000-0000-7000-8000-000000000000");
            }),
            Wrong::Miscounts if reads && path.contains("/grocery/orders/") => changed(&body, |order| {
                order["lines"][0]["total"]["minor"] = json!(order["lines"][0]["total"]["minor"].as_i64().unwrap() + 1);
            }),
            Wrong::KeepsTheChange if reads && path.contains("/reseller/orders/") => changed(&body, |order| {
                order["paid"]["minor"] = json!(order["paid"]["minor"].as_i64().unwrap() + 1);
            }),
            Wrong::TearsExports if path.ends_with("/furniture/export") && self.is_turn(2) => {
                let text = std::str::from_utf8(&body).unwrap();
                let kept = text.split_inclusive('\n').enumerate().filter(|(row, _)| *row != 1);
                kept.map(|(_, row)| row).collect::<String>().into()
            }
            _ => body,
        }
    }

    /// Waits while nothing is answered.
    async fn stall(&self, path: &str) {
        if self.wrong == Wrong::Stalls && path.ends_with("/pharmacy/medicines") {
            let second = Duration::from_secs(1);
            let since = self.searched.get_or_init(Instant::now).elapsed();
            if (second..2 * second).contains(&since) {
                tokio::time::sleep(2 * second - since).await;
            }
        }
    }
}

fn changed(body: &Bytes, change: impl FnOnce(&mut Value)) -> Bytes {
    let mut value: Value = serde_json::from_slice(body).unwrap();
    // Refusals are as they are.
    if value["id"].is_string() {
        change(&mut value);
    }
    value.to_string().into()
}

async fn pass(State(double): State<Arc<Double>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut body = to_bytes(body, BODY_BYTES).await.unwrap();
    double.spoil_request(&mut parts, &mut body);
    double.stall(parts.uri.path()).await;
    let own: [HeaderName; 4] = [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    own.iter().for_each(|name| drop(parts.headers.remove(name)));
    let mut path = parts.uri.path_and_query().unwrap().to_string();
    let mut method = parts.method.clone();
    let paid = path.strip_suffix("/confirm").filter(|_| double.wrong == Wrong::LosesPayments && double.is_turn(5));
    let forgets = paid.map(str::to_owned);
    if let Some(order) = &forgets {
        // It looks at the order, and says that it is paid.
        (method, path, body) = (Method::GET, order.clone(), Bytes::new());
    }
    let answer = double.send(method, &path, parts.headers.clone(), body).await;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = double.spoil_answer(&parts, answer.bytes().await.unwrap());
    if forgets.is_some() {
        body = changed(&body, |order| order["state"] = json!("confirmed"));
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .extend(headers.into_iter().filter(|(name, _)| name.as_ref().is_none_or(|name| !own.contains(name))));
    response
}
