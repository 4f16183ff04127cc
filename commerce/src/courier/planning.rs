//! The day's routes as they are kept: planned when something changes, told to the carriers, and from there to the parcels.

use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use super::Courier;
use super::area::{DEPOT, locate};
use super::calendar::Date;
use super::limit::{PLAN_BUDGET, PLAN_CLAIM, PLAN_PAUSE, PLAN_REST, STOPS_PER_DAY, VANS};
use super::model::{History, ParcelState};
use super::plan::{self, Day, Known, Stop, Unassigned, Van};
use super::request::ParcelRequest;
use super::store;
use crate::carrier::FLEETS;
use crate::clock::Timestamp;
use crate::problem::Problem;
use crate::store::{Row, StoreError, Tx, args};

/// The routes of a day as staff sees them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Routes {
    /// The day, in Helsinki.
    pub date: Date,
    /// When it was planned last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_at: Option<Timestamp>,
    /// Grows with every plan.
    pub version: i64,
    /// The trips.
    #[serde(flatten)]
    pub day: Day,
}

/// What is read before a plan is made.
struct Open {
    day: Day,
    version: i64,
    known: Vec<Known>,
    /// Parcels that no plan can hold, with the reasons.
    outside: Vec<Unassigned>,
    /// How fast the time of the slowest carrier goes: 1 is real.
    pace: i64,
}

impl Courier {
    /// The routes of a day; nothing if there are none.
    pub(crate) async fn routes_of(&self, date: Date) -> Result<Option<Routes>, StoreError> {
        let select = "SELECT routes, planned_at, version FROM route_day WHERE day = $1";
        let Some(row) = self.database.row(select, args![date.to_string()]).await? else { return Ok(None) };
        let mut day: Day = row.json(0)?;
        let select = "SELECT number FROM parcel WHERE day = $1 AND state = 'delivered'";
        let visited = self.database.rows(select, args![date.to_string()]).await?;
        day.visited = visited.iter().map(|row| row.text(0).map(str::to_owned)).collect::<Result<_, _>>()?;
        Ok(Some(Routes { date, planned_at: row.opt_int(1)?.map(Timestamp), version: row.int(2)?, day }))
    }

    /// Marks a day to be planned now, and plans it.
    pub(crate) async fn plan_now(&self, date: Date) -> Result<Option<Routes>, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                store::plan_due(tx, &date.to_string(), Timestamp(0)).await?;
                tx.run("UPDATE route_day SET due_at = $1 WHERE day = $2", args![Timestamp(0), date.to_string()]).await
            })
        })
        .await?;
        self.plan_day(&date.to_string()).await?;
        self.routes_of(date).await
    }

    /// A van broke down: its doors go to others.
    pub(crate) async fn van_down(&self, date: Date, van: String) -> Result<Option<Routes>, Problem> {
        if !self.vans(date, Timestamp(0), 1).iter().any(|known| known.id == van) {
            return Err(Problem::not_found("there is no such van"));
        }
        self.write(move |tx| {
            Box::pin(async move {
                let date = date.to_string();
                store::plan_due(tx, &date, tx.now()).await?;
                let select = "SELECT routes FROM route_day WHERE day = $1";
                let row = tx.row(select, args![&date]).await?;
                let mut day: Day = row.map_or(Ok(Day::default()), |row| row.json(0))?;
                day.down.insert(van);
                let update = "UPDATE route_day SET routes = $1, version = version + 1 WHERE day = $2";
                tx.run(update, args![serde_json::to_string(&day)?, date]).await
            })
        })
        .await?;
        Ok(self.plan_now(date).await?)
    }

    /// Plans all days that are due.
    pub(super) async fn plans(&self) -> Result<(), StoreError> {
        let now = self.context.clock.now();
        for row in
            self.database.rows("SELECT day FROM route_day WHERE due_at <= $1 ORDER BY day LIMIT 4", args![now]).await?
        {
            self.plan_day(row.text(0)?).await?;
        }
        Ok(())
    }

    /// Plans a day. What changes meanwhile makes it due again.
    async fn plan_day(&self, day: &str) -> Result<(), StoreError> {
        let Ok(date) = Date::parse(day) else { return Ok(()) };
        // One plan at a time: it takes a core.
        let Ok(_turn) = self.planner.acquire().await else { return Ok(()) };
        let claim = self.context.clock.now().after(PLAN_CLAIM);
        let name = day.to_owned();
        self.write(move |tx| {
            Box::pin(async move { tx.run("UPDATE route_day SET due_at = $1 WHERE day = $2", args![claim, name]).await })
        })
        .await?;
        let open = self.read_day(date).await?;
        let now = self.context.clock.now();
        let vans = self.vans(date, now, open.pace);
        let handed_over = Timestamp(now.0.max(date.hour(self.settings.shift.0).0)).after(super::limit::RESCUE);
        let (kept, problem) = open.day.open(DEPOT, &vans, &open.known, handed_over);
        let started = Instant::now();
        let stops = problem.stops.len();
        let planned = tokio::task::spawn_blocking(move || plan::plan(&problem, PLAN_BUDGET)).await;
        let Ok(mut planned) = planned else { return Ok(()) };
        planned.unassigned.extend(open.outside);
        let took = started.elapsed();
        tracing::info!(day, stops, ?took, left_out = planned.unassigned.len(), "routes are planned");
        let routes = kept.with(planned);
        if self.keep_plan(day, open.version, claim, &routes, took).await? {
            self.drive(day, open.version, &routes, open.pace).await?;
        }
        Ok(())
    }

    /// Keeps a plan unless another was kept meanwhile.
    async fn keep_plan(
        &self,
        day: &str,
        version: i64,
        claim: Timestamp,
        routes: &Day,
        took: Duration,
    ) -> Result<bool, StoreError> {
        let (name, routes) = (day.to_owned(), serde_json::to_string(routes)?);
        let rest = PLAN_PAUSE.max(took.saturating_mul(PLAN_REST));
        self.write(move |tx| {
            Box::pin(async move {
                let update = "
                    UPDATE route_day SET routes = $1, planned_at = $2, rest_until = $3, version = version + 1,
                        due_at = CASE WHEN due_at = $4 THEN NULL WHEN due_at < $3 THEN $3 ELSE due_at END
                    WHERE day = $5 AND version = $6";
                let now = tx.now();
                let kept = tx.run(update, args![routes, now, now.after(rest), claim, &name, version]).await? > 0;
                if kept {
                    tx.publish("route.planned", name, &serde_json::json!({ "version": version + 1 }))?;
                } else {
                    tx.run("UPDATE route_day SET due_at = $1 WHERE day = $2", args![now, name]).await?;
                }
                Ok(kept)
            })
        })
        .await
    }

    /// Tells the carriers the order of their doors, and the parcels when they will be there.
    async fn drive(&self, day: &str, version: i64, routes: &Day, pace: i64) -> Result<(), StoreError> {
        let mut times: Vec<(String, i64)> = Vec::new();
        for tour in routes.tours() {
            let order: Vec<String> = tour.visits.iter().map(|visit| visit.parcel.clone()).collect();
            let doors = tour.visits.iter().map(|visit| (visit.parcel.clone(), visit.arrive.0));
            times.extend(doors.filter(|_| pace <= 1));
            let key = format!("round-{day}-{version}-{}", tour.van);
            for adapter in self.adapters.iter() {
                match adapter.drive(&key, order.clone()).await {
                    // A carrier in a hurry has other hours than the plan, but visits the doors in its order.
                    Ok(doors) => {
                        times.extend(doors.into_iter().filter(|_| pace > 1).map(|door| (door.reference, door.at.0)))
                    }
                    Err(error) => tracing::info!(%error, "a carrier does not hear of its round"),
                }
            }
        }
        if times.is_empty() {
            return Ok(());
        }
        let rows = serde_json::to_string(&times)?;
        let day = day.to_owned();
        self.write(move |tx| {
            Box::pin(async move {
                let update = "
                    UPDATE parcel SET eta = x.eta, version = parcel.version + 1
                    FROM {rows $1 (number text, eta int)} AS x
                    WHERE parcel.number = x.number AND (parcel.eta IS NULL OR parcel.eta <> x.eta)
                        AND parcel.state NOT IN ('cancelled', 'lost', 'returned', 'delivered')";
                let changed = tx.run(update, args![rows]).await?;
                if changed > 0 {
                    tx.publish("route.timed", day, &serde_json::json!({ "parcels": changed }))?;
                }
                Ok(())
            })
        })
        .await
    }

    /// A day's routes and parcels.
    async fn read_day(&self, date: Date) -> Result<Open, StoreError> {
        let name = date.to_string();
        let row = self.database.row("SELECT routes, version FROM route_day WHERE day = $1", args![&name]).await?;
        let (day, version) =
            row.map_or(Ok((Day::default(), 0)), |row| Ok::<_, StoreError>((row.json(0)?, row.int(1)?)))?;
        let select = "
            SELECT number, request, history, carrier, eta, pace FROM parcel WHERE day = $1 AND taken = 1
            ORDER BY CASE WHEN state IN ('cancelled', 'lost', 'returned') THEN 1 ELSE 0 END, number LIMIT $2";
        let most = i64::try_from(STOPS_PER_DAY).unwrap_or(i64::MAX);
        let mut open = Open { day, version, known: Vec::new(), outside: Vec::new(), pace: i64::MAX };
        for row in self.database.rows(select, args![name, most]).await? {
            self.know(&mut open, date, &row)?;
        }
        Ok(open)
    }

    /// Makes a stop of a parcel.
    fn know(&self, open: &mut Open, date: Date, row: &Row) -> Result<(), StoreError> {
        let (number, asked, history): (String, ParcelRequest, History) =
            (row.text(0)?.to_owned(), row.json(1)?, row.json(2)?);
        let (carrier, pace) = (row.text(3)?.to_owned(), row.int(5)?);
        open.pace = open.pace.min(pace);
        let state = history.state();
        let Some((point, area)) = locate(&asked.to) else {
            if !state.is_final() {
                open.outside.push(Unassigned { parcel: number, reason: "outside of where the vans go".to_owned() });
            }
            return Ok(());
        };
        let (from, until) = (date.hour(self.settings.shift.0), date.hour(self.settings.shift.1));
        let window = asked.window.map_or((from, until), |window| (window.from.max(from), window.to.min(until)));
        // What is late can be at the door when its carrier says so, not before.
        let late = row.opt_int(4)?.map(Timestamp).filter(|_| state == ParcelState::Delayed && pace <= 1);
        let mut needs = std::collections::BTreeSet::from([carrier]);
        needs.extend(asked.cold_chain.then(|| COLD.to_owned()));
        let stop = Stop {
            id: number,
            point,
            area: area.to_owned(),
            weight_g: asked.weight_g,
            volume_ml: asked.volume_ml,
            needs,
            from: window.0.max(late.unwrap_or(window.0)),
            until: window.1,
            service_ms: i64::try_from(plan::service(asked.weight_g).as_millis()).unwrap_or(i64::MAX),
        };
        open.known.push(Known { stop, state });
        Ok(())
    }

    /// The vans of a day. In real time none leaves in the past.
    fn vans(&self, date: Date, now: Timestamp, pace: i64) -> Vec<Van> {
        let begin = date.hour(self.settings.shift.0);
        let from = if pace <= 1 { begin.max(now) } else { begin };
        let until = date.hour(self.settings.shift.1);
        let vans = FLEETS.iter().flat_map(|fleet| {
            let count = if fleet.cold_chain { self.settings.cold_vans } else { self.settings.vans };
            (1..=count).map(move |place| {
                let mut skills = std::collections::BTreeSet::from([fleet.id.to_owned()]);
                skills.extend(fleet.cold_chain.then(|| COLD.to_owned()));
                Van {
                    id: format!("{}-{place}", fleet.id.trim_end_matches("-vans")),
                    skills,
                    weight_g: self.settings.van_weight_g,
                    volume_ml: self.settings.van_volume_ml,
                    from,
                    until,
                }
            })
        });
        vans.take(VANS).collect()
    }

    /// A piece of work in the couriers' database.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> futures_util::future::BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
        T: Serialize + serde::de::DeserializeOwned + Send + 'static,
    {
        self.database.write(None, work).await
    }
}

/// What a van must be able to do for parcels that must stay cold.
const COLD: &str = "cold";
