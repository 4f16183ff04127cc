//! Routes by vrp-pragmatic: a metaheuristic that goes on improving until its budget is used up.
//!
//! The library writes two lines to standard output when it reads a problem (its indices and their times); it offers no way to
//! have them elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use vrp_pragmatic::core::models::problem::{JobIdDimension, VehicleIdDimension};
use vrp_pragmatic::core::prelude::{Environment, Solver, VrpConfigBuilder};
use vrp_pragmatic::core::rosomaxa::evolution::TelemetryMode;
use vrp_pragmatic::core::rosomaxa::utils::{DefaultRandom, Parallelism, TimeQuota};
use vrp_pragmatic::format::Location;
use vrp_pragmatic::format::problem as vrp;
use vrp_pragmatic::format::problem::PragmaticProblem;

use super::problem::{Plan, Problem, Stop, Van, way};
use crate::clock::Timestamp;

/// Name of the only table of ways.
const PROFILE: &str = "van";

/// What another van on the road costs, in metres: full vans before many vans.
const VAN_COST: f64 = 5_000.0;

/// Rounds of improvement for each stop: some stops need no two seconds to be ordered.
const ROUNDS_PER_STOP: usize = 25;

/// Plans with one thread for at most the budget.
pub(super) fn plan(problem: &Problem, budget: Duration) -> Result<Plan, String> {
    let core = Arc::new((described(problem), vec![ways(problem)]).read_pragmatic().map_err(|error| error.to_string())?);
    let quota = Arc::new(TimeQuota::new(budget.as_secs_f64()));
    let silent = Arc::new(|_: &str| ());
    let environment =
        Environment::new(Arc::new(DefaultRandom::default()), Some(quota), Parallelism::new(1, 1), silent, false);
    let config = VrpConfigBuilder::new(core.clone())
        .set_environment(Arc::new(environment))
        .set_telemetry_mode(TelemetryMode::None)
        .prebuild()
        .map_err(|error| error.to_string())?
        .with_max_time(Some(usize::try_from(budget.as_secs().max(1)).unwrap_or(1)))
        .with_max_generations(Some(problem.stops.len().saturating_mul(ROUNDS_PER_STOP).max(ROUNDS_PER_STOP)))
        .build()
        .map_err(|error| error.to_string())?;
    let solution = Solver::new(core, config).solve().map_err(|error| error.to_string())?;
    let places: HashMap<&str, usize> =
        problem.stops.iter().enumerate().map(|(place, stop)| (stop.id.as_str(), place)).collect();
    let mut orders = vec![Vec::new(); problem.vans.len()];
    for route in &solution.routes {
        let van = route.actor.vehicle.dimens.get_vehicle_id();
        let Some(van) = problem.vans.iter().position(|known| Some(&known.id) == van) else { continue };
        let jobs = route.tour.all_activities().filter_map(|activity| activity.job.as_ref());
        orders[van] = jobs.filter_map(|job| places.get(job.dimens.get_job_id()?.as_str()).copied()).collect();
    }
    Ok(problem.plan(&orders))
}

/// The problem in the solver's words. Places are numbers into the table of ways: the depot, then the stops.
fn described(problem: &Problem) -> vrp::Problem {
    let jobs = problem.stops.iter().enumerate().map(|(place, stop)| job(place + 1, stop)).collect();
    let vehicles = problem.vans.iter().map(vehicle).collect();
    let profiles = vec![vrp::MatrixProfile { name: PROFILE.to_owned(), speed: None }];
    vrp::Problem {
        plan: vrp::Plan { jobs, relations: None, clustering: None },
        fleet: vrp::Fleet { vehicles, profiles, resources: None },
        objectives: None,
    }
}

fn job(place: usize, stop: &Stop) -> vrp::Job {
    // Whole seconds, inwards.
    let window = vec![
        text(stop.from.0.div_euclid(1000) + i64::from(stop.from.0.rem_euclid(1000) > 0)),
        text(stop.until.0 / 1000),
    ];
    let delivery = vrp::JobTask {
        places: vec![vrp::JobPlace {
            location: Location::new_reference(place),
            duration: seconds(stop.service_ms),
            times: Some(vec![window]),
            tag: None,
        }],
        demand: Some(vec![whole(stop.weight_g), whole(stop.volume_ml)]),
        order: None,
    };
    let needs = stop.needs.iter().cloned().collect::<Vec<_>>();
    let skills = vrp::JobSkills { all_of: Some(needs), one_of: None, none_of: None };
    vrp::Job {
        id: stop.id.clone(),
        pickups: None,
        deliveries: Some(vec![delivery]),
        replacements: None,
        services: None,
        skills: (!stop.needs.is_empty()).then_some(skills),
        value: None,
        group: None,
        compatibility: None,
    }
}

fn vehicle(van: &Van) -> vrp::VehicleType {
    let depot = Location::new_reference(0);
    vrp::VehicleType {
        type_id: format!("type {}", van.id),
        vehicle_ids: vec![van.id.clone()],
        profile: vrp::VehicleProfile { matrix: PROFILE.to_owned(), scale: None },
        costs: vrp::VehicleCosts { fixed: Some(VAN_COST), distance: 1.0, time: 1.0 },
        shifts: vec![vrp::VehicleShift {
            start: vrp::ShiftStart {
                earliest: text(van.from.0.div_euclid(1000) + 1),
                latest: None,
                location: depot.clone(),
            },
            end: Some(vrp::ShiftEnd { earliest: None, latest: text(van.until.0 / 1000), location: depot }),
            breaks: None,
            reloads: None,
            recharges: None,
        }],
        capacity: vec![whole(van.weight_g), whole(van.volume_ml)],
        skills: (!van.skills.is_empty()).then(|| van.skills.iter().cloned().collect()),
        limits: None,
    }
}

/// The ways between all places, the same as the plan's times are worked out with.
fn ways(problem: &Problem) -> vrp::Matrix {
    let points: Vec<_> = std::iter::once(problem.depot).chain(problem.stops.iter().map(|stop| stop.point)).collect();
    let pairs = points.iter().flat_map(|from| points.iter().map(|to| way(*from, *to)));
    let (distances, travel_times) = pairs.map(|(metres, time)| (metres, time / 1000)).unzip();
    vrp::Matrix { profile: Some(PROFILE.to_owned()), timestamp: None, travel_times, distances, error_codes: None }
}

fn text(epoch_seconds: i64) -> String {
    Timestamp(epoch_seconds.saturating_mul(1000)).to_string()
}

fn whole(amount: i64) -> i32 {
    i32::try_from(amount).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "minutes at a door")]
fn seconds(millis: i64) -> f64 {
    (millis as f64 / 1000.0).ceil()
}
