//! The command line of `efir-commerce`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Metrics, SettingsArguments, Shutdown};
use serde::Serialize;

use crate::actor::Actor;
use crate::auth::{Authority, Grant, Role, Scope, Scopes};
use crate::clock::Clock;
use crate::commerce::{self, Commerce, StartError, data_folder};
use crate::courier;
use crate::fault::Faults;
use crate::furniture;
use crate::pharmacy::{self, Columns};
use crate::reseller;
use crate::settings::CommerceSettings;
use crate::store::{self, Database, Storage};

/// Pharmacy, grocery, furniture shop, reseller, warehouse and couriers behind one HTTP API
#[derive(Debug, Clone, clap::Parser, Serialize)]
#[command(
    name = "efir-commerce",
    version,
    after_help = "\
Examples:
  efir-commerce --demo                              all actors, http://localhost:8090/api/docs
  efir-commerce --actors grocery --actors courier   these here, the others at their settings' url
  efir-commerce token --role customer --subject demo-1
                                                    a token for trying things out, on standard output
  efir-commerce import kela prices.txt              a price list into the pharmacy's catalogue, all or nothing
  efir-commerce measure routes --stops 200 --vans 10
                                                    how long a day's routes take to plan here, and how good they are
  efir-commerce backup copies/                      copies of the databases while they are in use

Environment: EFIR_LIMIT__IN_FLIGHT=512 sets limit.in_flight, and so on.
Exit codes: 0 stopped as asked, 1 failed, 2 settings or usage wrong."
)]
pub struct Flags {
    /// Flags of all servers
    #[command(flatten)]
    #[serde(skip)]
    pub common: SettingsArguments,
    /// TCP address to listen on; may be repeated
    #[arg(long, value_name = "ADDRESS", global = true)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listen: Vec<SocketAddr>,
    /// Actor that lives in this process; may be repeated [default: all]
    #[arg(long, value_name = "ACTOR", value_parser = actor, global = true)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actors: Vec<Actor>,
    /// Hand out demo tokens to everybody who asks
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    demo: bool,
    /// Print the bound addresses as one line of JSON on standard output
    #[arg(long, global = true)]
    #[serde(skip)]
    json: bool,
    /// What to do
    #[command(subcommand)]
    #[serde(skip)]
    action: Option<Action>,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// Serve until asked to stop (the default)
    Serve,
    /// Print a token for trying things out
    Token(TokenArguments),
    /// Make many synthetic products, for measurements
    Seed {
        /// Where
        #[command(subcommand)]
        shop: SeedAction,
    },
    /// Time the planners on made-up problems: one line of JSON
    Measure {
        /// Which
        #[command(subcommand)]
        planner: MeasureAction,
    },
    /// Take a price list over into the pharmacy's catalogue: all of it or nothing
    Import(ImportArguments),
    /// Copy the databases to another folder while they are in use
    Backup {
        /// Folder that does not hold databases yet
        to: PathBuf,
    },
    /// Put copies in the place of databases that are not in use
    Restore {
        /// Folder of a backup
        from: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum SeedAction {
    /// In the furniture shop
    Furniture {
        /// How many
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=furniture::BULK_ROWS))]
        rows: i64,
    },
}

/// What is timed. The bounds are those of real baskets and days.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
enum MeasureAction {
    /// From which shop each line of a basket comes
    Sourcing {
        /// Lines of a basket
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=50))]
        lines: u16,
        /// Shops that have all of them
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=8))]
        shops: u16,
        /// How many baskets
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        baskets: u16,
    },
    /// Which van brings which parcel
    Routes {
        /// Doors
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=600))]
        stops: u16,
        /// Vans
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=60))]
        vans: u16,
    },
}

/// Whose form a price list has.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ListForm {
    /// Fields between semicolons, named by the first line as Finnish medicine registers do; ISO 8859-1 or UTF-8
    Kela,
}

#[derive(Debug, Clone, clap::Args)]
struct ImportArguments {
    /// Whose form the file has
    #[arg(value_enum)]
    form: ListForm,
    /// The file
    file: PathBuf,
    /// What a field is called in the file if not as usual: price=VHCALV; may be repeated
    #[arg(long, value_name = "FIELD=NAME", value_parser = column)]
    column: Vec<String>,
}

#[derive(Debug, Clone, clap::Args)]
struct TokenArguments {
    /// Whom it makes of its bearer
    #[arg(long, value_enum)]
    role: Role,
    /// For whom
    #[arg(long, default_value = "demo-1")]
    subject: String,
    /// Actor that is to believe it; may be repeated [default: all]
    #[arg(long, value_name = "ACTOR", value_parser = actor)]
    audience: Vec<Actor>,
    /// Scope in place of the role's; may be repeated
    #[arg(long, value_parser = scope)]
    scope: Vec<Scope>,
    /// How long it holds: 90s, 15m, 1h, 7d
    #[arg(long, default_value = "1h", value_parser = duration)]
    ttl: Duration,
}

/// What `efir-commerce` does with its flags: runs until shutdown, or does something at once.
///
/// # Errors
/// See [`StartError`].
pub async fn start(flags: Flags, shutdown: Shutdown) -> Result<(), StartError> {
    let loaded = process::load_settings(&flags.common, &flags, CommerceSettings::check)?;
    let Some(settings) = loaded else { return Ok(()) };
    process::init_logs(&settings.log)?;
    let state = process::state_directory();
    match flags.action {
        None | Some(Action::Serve) => serve(settings, state, flags.json, shutdown).await,
        Some(Action::Token(arguments)) => print_token(&settings, state.as_deref(), &arguments),
        Some(Action::Seed { shop: SeedAction::Furniture { rows } }) => {
            let context = commerce::context(&settings, state.as_deref(), shutdown).await?;
            furniture::bulk(&furniture::database(&context).await?, rows).await?;
            print(&format!("{rows} synthetic products\n"))
        }
        Some(Action::Measure { planner }) => print(&(measure(&settings, planner)? + "\n")),
        Some(Action::Import(arguments)) => import(&settings, state.as_deref(), &arguments).await,
        Some(Action::Backup { to }) => {
            let copied = store::back_up(&settings.storage, &data_folder(&settings, state.as_deref())?, &to).await?;
            print(&format!("{copied} databases copied to {}\n", to.display()))
        }
        Some(Action::Restore { from }) => {
            let copied = store::restore(&settings.storage, &data_folder(&settings, state.as_deref())?, &from)?;
            print(&format!("{copied} databases restored from {}\n", from.display()))
        }
    }
}

async fn serve(
    settings: CommerceSettings,
    state: Option<PathBuf>,
    json: bool,
    shutdown: Shutdown,
) -> Result<(), StartError> {
    let metrics = Metrics::install()?;
    let commerce = Commerce::open(settings, metrics, state, shutdown.clone()).await?;
    let addresses = commerce.addresses();
    let text = if json { serde_json::to_string(&Bound { http: addresses })? + "\n" } else { welcome(&addresses) };
    print(&text)?;
    commerce.run(shutdown).await;
    Ok(())
}

/// Where the process is reached, for scripts.
#[derive(Serialize)]
struct Bound {
    /// TCP addresses of HTTP.
    http: Vec<SocketAddr>,
}

fn welcome(addresses: &[SocketAddr]) -> String {
    let port = addresses.first().map_or(0, SocketAddr::port);
    format!(
        "The shops are open.\n\n  for people     http://localhost:{port}/shop/\n  for programs   http://localhost:{port}/api/docs\n\nCtrl-C ends it.\n"
    )
}

fn measure(settings: &CommerceSettings, planner: MeasureAction) -> Result<String, StartError> {
    let figures = match planner {
        MeasureAction::Sourcing { lines, shops, baskets } => {
            let limit = Duration::from_millis(settings.reseller.sourcing_ms);
            serde_json::to_string(&reseller::measure_sourcing(lines.into(), shops.into(), baskets.into(), limit))
        }
        MeasureAction::Routes { stops, vans } => {
            serde_json::to_string(&courier::measure_routes(stops.into(), vans.into()))
        }
    };
    Ok(figures?)
}

fn print_token(
    settings: &CommerceSettings,
    state: Option<&Path>,
    arguments: &TokenArguments,
) -> Result<(), StartError> {
    let TokenArguments { role, subject, audience, scope, ttl } = arguments;
    let authority = Authority::open(&settings.auth, &data_folder(settings, state)?, Clock::system())?;
    let scopes = if scope.is_empty() { role.scopes() } else { scope.iter().copied().collect::<Scopes>() };
    let audience = if audience.is_empty() { &Actor::ALL } else { audience.as_slice() };
    let token = authority.issue(&Grant { subject, actor: None, audience, scopes, ttl: *ttl })?;
    print(&(token + "\n"))
}

async fn import(
    settings: &CommerceSettings,
    state: Option<&Path>,
    arguments: &ImportArguments,
) -> Result<(), StartError> {
    let ImportArguments { form: ListForm::Kela, file, column } = arguments;
    let mut columns = Columns::default();
    // Looked at when the flags were read.
    column.iter().try_for_each(|pair| columns.rename(pair)).map_err(StartError::Column)?;
    let storage = Storage::open(&settings.storage, &data_folder(settings, state)?)?;
    let (name, clock) = (Actor::Pharmacy.as_str(), Clock::system());
    let db = Database::open(&storage, name, pharmacy::MIGRATIONS, clock, Faults::default()).await?;
    let mut progress = |packages: usize| {
        // Nobody may be watching.
        let _shown = write!(io::stderr(), "\r{packages} packages read");
    };
    let outcome = pharmacy::import(&db, file, &columns, &mut progress).await;
    let _shown = writeln!(io::stderr());
    let done = outcome.map_err(|error| StartError::Import(error.into()))?;
    print(&format!(
        "{} packages, {} with a price, {} lines without a package\n",
        done.packages, done.priced, done.skipped
    ))
}

fn print(text: &str) -> Result<(), StartError> {
    io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()).map_err(StartError::Output)
}

fn actor(name: &str) -> Result<Actor, String> {
    let names = || Actor::ALL.map(Actor::as_str).join(", ");
    Actor::parse(name).ok_or_else(|| format!("one of {}", names()))
}

fn column(pair: &str) -> Result<String, String> {
    Columns::default().rename(pair).map(|()| pair.to_owned())
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| "no scope of ours".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a number and s, m, h or d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::{Flags, duration};
    use crate::settings::CommerceSettings;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        for wrong in ["", "h", "5", "-1h", "1.5h", "5\u{e4}", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn flags_are_settings() {
        let flags = ["efir-commerce", "--actors", "grocery", "--demo", "--listen", "127.0.0.1:0"];
        let mut layers = process::SettingsLayers::new();
        layers.flags(&Flags::try_parse_from(flags).unwrap()).unwrap();
        let settings: CommerceSettings = layers.load().unwrap();
        assert!(settings.demo && settings.seed && settings.actors.len() == 1);
        assert!(settings.check().is_ok());
        assert!(Flags::try_parse_from(["efir-commerce", "--actors", "bank"]).is_err());
    }
}
