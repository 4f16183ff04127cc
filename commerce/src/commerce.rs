//! The wiring of the shops, in order, and nothing else.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use process::{HttpSettings, Metrics, Shutdown};
use tokio::net::TcpListener;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::auth::{self, Authority, KeyError};
use crate::carrier::Carrier;
use crate::clock::Clock;
use crate::context::{Actor, Context, Databases, Tasks};
use crate::courier::Courier;
use crate::describe::describe;
use crate::event;
use crate::fault::Faults;
use crate::furniture;
use crate::grocery::Grocery;
use crate::http::Streams;
use crate::job::{Jobs, JobsError};
use crate::page;
use crate::peer::{self, PEER_TIMEOUT, PeerUrlError, Peers};
use crate::pharmacy::Pharmacy;
use crate::reseller::Reseller;
use crate::routes;
use crate::settings::CommerceSettings;
use crate::stack::Edge;
use crate::store::{self, Storage, StorageError, StoreError};
use crate::warehouse;

/// Where the routes of the process and of each actor begin.
const PREFIX: &str = "/api/v1";

/// Why the shops do not start. All of these are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] process::SettingsError),
    /// Logs cannot be set up.
    #[error(transparent)]
    Log(#[from] process::LogError),
    /// Metrics cannot be set up.
    #[error(transparent)]
    Metrics(#[from] process::MetricsError),
    /// There is neither a home nor a setting that says where data is to be.
    #[error("`storage.folder` is not set, and this user has no home")]
    NoFolder,
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no place for databases.
    #[error("storage: {0}")]
    Storage(#[from] StorageError),
    /// A database cannot be opened, or what is in it cannot be used.
    #[error("database: {0}")]
    Database(#[source] Box<dyn Error + Send + Sync>),
    /// There are no keys for tokens.
    #[error("auth: {0}")]
    Key(#[from] KeyError),
    /// The event bus cannot be reached.
    #[error("nats_url: {0}")]
    Bus(#[source] Box<dyn Error + Send + Sync>),
    /// A peer's URL leads nowhere.
    #[error("peer: {0}")]
    PeerUrl(#[from] PeerUrlError),
    /// The client for calls to peers cannot be made.
    #[error("peer.ca: {0}")]
    PeerClient(#[from] reqwest::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The description of the routes cannot be written.
    #[error("the description of the routes: {0}")]
    Describe(#[from] serde_json::Error),
    /// A field of a price list is named wrongly on the command line.
    #[error("--column: {0}")]
    Column(String),
    /// A price list cannot be taken over.
    #[error("import: {0}")]
    Import(#[source] Box<dyn Error + Send + Sync>),
    /// Standard output is gone.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Database(error.into())
    }
}

impl From<JobsError> for StartError {
    fn from(error: JobsError) -> Self {
        Self::Database(error.into())
    }
}

/// The actors of this process, open and ready to run.
#[derive(Debug)]
pub struct Commerce {
    router: Router,
    /// Keeps other processes out of the folder, whatever the actors hold.
    storage: Storage,
    databases: Databases,
    metrics: Metrics,
    jobs: Jobs,
    listeners: Vec<TcpListener>,
    http: HttpSettings,
    tasks: Tasks,
    peers: Unbind,
}

/// Lets go of peers when dropped: actors hold peers and peers hold actors.
#[derive(Debug)]
struct Unbind(Peers);

impl Drop for Unbind {
    fn drop(&mut self) {
        self.0.unbind();
    }
}

impl Commerce {
    /// Opens the databases, builds the actors that live here and listens. Nothing is worked on before [`Commerce::run`] but
    /// requests that reach [`Commerce::routes`]. `state_directory` holds the data folder if the settings name none.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn open(
        settings: CommerceSettings,
        metrics: Metrics,
        state_directory: Option<PathBuf>,
        shutdown: Shutdown,
    ) -> Result<Self, StartError> {
        let settings = settings.in_effect();
        let context = context(&settings, state_directory.as_deref(), shutdown).await?;
        let mut assembly = Assembly::new(&settings, &context);
        assembly.mount_process(&context);
        open_actors(&settings, &context, &mut assembly).await?;
        event::publish(&mut assembly.tasks, &context);
        bind_peers(&settings, &context.peers)?;
        let Assembly { router, api, tasks, .. } = assembly;
        let router = router.merge(routes::reading_routes(&describe(api))?).merge(page::routes());
        let Context { storage, databases, jobs, peers, .. } = context;
        let listeners = listen(&settings.listen)?;
        Ok(Self {
            router,
            storage,
            databases,
            metrics,
            jobs,
            listeners,
            http: settings.http,
            tasks,
            peers: Unbind(peers),
        })
    }

    /// Everything below `/api` and the page below `/shop/`, for another server of this process.
    pub fn routes(&self) -> Router {
        self.router.clone()
    }

    /// The addresses listened on.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves and works until shutdown. What is under way when it begins is finished if it can be in time; what is not is
    /// found again at the next start.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { router, storage, databases, metrics, jobs, listeners, http, mut tasks, peers } = self;
        tasks.spawn("jobs", jobs.run(shutdown.clone()));
        let kept = databases.clone();
        tasks.spawn("purge", store::purge_all(move || kept.list()));
        let router = router.merge(routes::admin_routes(databases, metrics)).merge(page::root());
        let serve = async {
            if listeners.is_empty() {
                shutdown.begun().await;
            } else {
                process::serve_http(listeners, router, &http, &shutdown).await;
            }
        };
        tokio::join!(serve, tasks.run(&shutdown));
        drop((peers, storage));
    }
}

/// What the process has before any actor.
pub(crate) async fn context(
    settings: &CommerceSettings,
    state_directory: Option<&Path>,
    shutdown: Shutdown,
) -> Result<Context, StartError> {
    let folder = data_folder(settings, state_directory)?;
    let storage = Storage::open(&settings.storage, &folder)?;
    context_in(settings, storage, &folder, Clock::system(), shutdown).await
}

/// The same with databases in `storage`, keys in `folder`, and this clock.
pub(crate) async fn context_in(
    settings: &CommerceSettings,
    storage: Storage,
    folder: &Path,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<Context, StartError> {
    let authority = Authority::open(&settings.auth, folder, clock.clone())?;
    let faults = Faults::default();
    faults.set(settings.fault.clone());
    let jobs = Jobs::open(&storage).await?;
    let (peers, databases) = (Peers::new(&authority), Databases::default());
    let (demo, seed) = (settings.demo, settings.seed);
    #[cfg(feature = "nats")]
    let bus = event::connect(settings.nats_url.as_deref(), &settings.nats_name).await.map_err(StartError::Bus)?;
    #[cfg(not(feature = "nats"))]
    event::connect(settings.nats_url.as_deref(), &settings.nats_name).await.map_err(StartError::Bus)?;
    Ok(Context {
        clock,
        authority,
        peers,
        faults,
        jobs,
        storage,
        demo,
        seed,
        #[cfg(feature = "nats")]
        bus,
        shutdown,
        databases,
    })
}

/// Where databases and keys are.
pub(crate) fn data_folder(settings: &CommerceSettings, state_directory: Option<&Path>) -> Result<PathBuf, StartError> {
    let named = settings.storage.folder.clone();
    named.or_else(|| Some(state_directory?.join("commerce"))).ok_or(StartError::NoFolder)
}

/// The actors of this process: each is opened, mounted and given its tasks in a paragraph of its own. They may hold peers of
/// actors that come later; nobody is called before all are there.
async fn open_actors(
    settings: &CommerceSettings,
    context: &Context,
    assembly: &mut Assembly,
) -> Result<(), StartError> {
    let here = |actor: Actor| settings.actors.contains(&actor);
    if here(Actor::Pharmacy) {
        let pharmacy = Pharmacy::open(context, &settings.pharmacy, &settings.shop).await?;
        assembly.mount(Actor::Pharmacy, pharmacy.routes());
        pharmacy.spawn(&mut assembly.tasks);
    }
    if here(Actor::Courier) {
        let courier = Courier::open(context, &settings.courier).await?;
        assembly.mount(Actor::Courier, courier.routes());
        courier.spawn(&mut assembly.tasks);
    }
    if here(Actor::Carrier) {
        let carrier = Carrier::open(context, &settings.carrier).await?;
        assembly.mount(Actor::Carrier, carrier.routes());
        carrier.spawn(&mut assembly.tasks);
    }
    if here(Actor::Grocery) {
        let grocery = Grocery::open(context, &settings.shop).await?;
        assembly.mount(Actor::Grocery, grocery.routes());
        grocery.spawn(&mut assembly.tasks);
    }
    if here(Actor::Warehouse) {
        let warehouse = warehouse::open(context, &settings.warehouse).await?;
        assembly.mount(Actor::Warehouse, warehouse.routes());
        warehouse.spawn(&mut assembly.tasks);
    }
    if here(Actor::Reseller) {
        let reseller = Reseller::open(context, &settings.reseller).await?;
        assembly.mount(Actor::Reseller, reseller.routes());
        reseller.spawn(&mut assembly.tasks);
    }
    if here(Actor::Furniture) {
        let furniture = furniture::open(context, &settings.furniture, &settings.shop).await?;
        assembly.mount(Actor::Furniture, furniture.routes());
        furniture.spawn(&mut assembly.tasks);
    }
    Ok(())
}

/// Tells where the actors are that live elsewhere.
fn bind_peers(settings: &CommerceSettings, peers: &Peers) -> Result<(), StartError> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|source| StartError::File { path: path.clone(), source });
    let ca = settings.peer.ca.as_ref().map(read).transpose()?;
    let client = peer::client(ca.as_deref(), PEER_TIMEOUT)?;
    for actor in Actor::ALL.into_iter().filter(|actor| !settings.actors.contains(actor)) {
        match settings.url(actor) {
            Some(url) => peers.bind_url(actor, url, &client)?,
            None => tracing::info!(%actor, "is neither in this process nor given a url"),
        }
    }
    Ok(())
}

fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        match process::listen(*address) {
            Ok(listener) => listeners.push(listener),
            // A computer without IPv6 has the other address.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && addresses.len() > 1 => {
                tracing::warn!(%address, %error, "not listened on");
            }
            Err(source) => return Err(StartError::Listen { address: *address, source }),
        }
    }
    Ok(listeners)
}

/// What becomes of the actors' parts.
pub(crate) struct Assembly {
    edge: Edge,
    peers: Peers,
    router: Router,
    api: OpenApi,
    pub(crate) tasks: Tasks,
}

impl Assembly {
    pub(crate) fn new(settings: &CommerceSettings, context: &Context) -> Self {
        let streams = Streams::new(settings.limit.streams, context.shutdown.clone());
        let edge = Edge::new(context.authority.clone(), context.faults.clone(), streams, settings.limit.clone());
        let (peers, api) = (context.peers.clone(), OpenApi::default());
        Self { edge, peers, router: Router::new(), api, tasks: Tasks::default() }
    }

    /// Takes an actor's routes in: for strangers, for its peers, and for the description.
    pub(crate) fn mount(&mut self, actor: Actor, routes: OpenApiRouter) {
        self.add(&format!("{PREFIX}/{actor}"), Some(actor), routes);
    }

    /// The routes so far, with their description.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> (Router, OpenApi) {
        (self.router.clone(), self.api.clone())
    }

    /// Takes in what the process has beside its actors.
    pub(crate) fn mount_process(&mut self, context: &Context) {
        let tokens = auth::routes(context.authority.clone(), context.demo);
        self.add(PREFIX, None, routes::process_routes(context.faults.clone()).merge(tokens));
    }

    fn add(&mut self, prefix: &str, actor: Option<Actor>, routes: OpenApiRouter) {
        let (router, api) = self.edge.wrap(prefix, actor, routes);
        if let Some(actor) = actor {
            self.peers.bind_here(actor, router.clone());
        }
        self.router = std::mem::take(&mut self.router).merge(router);
        self.api.merge(api);
    }
}
