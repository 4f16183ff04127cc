//! Routes by vrp-core: a metaheuristic that goes on improving until its budget is used up.
//!
//! The problem is built with the core's own builders. vrp-pragmatic, which reads problems from its JSON format, writes to standard
//! output whenever it reads one, and cannot be asked not to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use vrp_core::construction::features::{
    JobSkills, JobSkillsDimension, VehicleSkillsDimension, create_minimize_tours_feature, create_skills_feature,
};
use vrp_core::models::ViolationCode;
use vrp_core::models::common::{Demand, MultiDimLoad, TimeWindow};
use vrp_core::models::problem::{
    Costs, Job, JobIdDimension, SimpleTransportCost, SingleBuilder, TransportCost, Vehicle, VehicleBuilder,
    VehicleDetailBuilder, VehicleIdDimension,
};
use vrp_core::prelude::{
    CapacityFeatureBuilder, Environment, GenericError, GoalContext, GoalContextBuilder, InfoLogger,
    MinimizeUnassignedBuilder, Problem as CoreProblem, ProblemBuilder, Solver, TransportFeatureBuilder,
    VrpConfigBuilder,
};
use vrp_core::rosomaxa::evolution::TelemetryMode;
use vrp_core::rosomaxa::utils::{DefaultRandom, Parallelism, TimeQuota};

use super::problem::{Plan, Problem, Stop, Van, way};
use crate::clock::Timestamp;

/// What another van on the road costs, in metres: full vans before many vans.
const VAN_COST: f64 = 5_000.0;

/// Rounds of improvement for each stop: some stops need no two seconds to be ordered.
const ROUNDS_PER_STOP: usize = 25;

/// Names of the ways in which a van does not fit a stop; only the solver tells them apart.
const LATE: ViolationCode = ViolationCode(1);
const FULL: ViolationCode = ViolationCode(2);
const UNABLE: ViolationCode = ViolationCode(3);

/// Plans with one thread for at most the budget.
pub(super) fn plan(problem: &Problem, budget: Duration) -> Result<Plan, String> {
    solve(problem, budget).map_err(|error| error.to_string())
}

fn solve(problem: &Problem, budget: Duration) -> Result<Plan, GenericError> {
    let silent: InfoLogger = Arc::new(|_| ());
    let core = Arc::new(described(problem, silent.clone())?);
    let quota = Arc::new(TimeQuota::new(budget.as_secs_f64()));
    let environment =
        Environment::new(Arc::new(DefaultRandom::default()), Some(quota), Parallelism::new(1, 1), silent, false);
    let config = VrpConfigBuilder::new(core.clone())
        .set_environment(Arc::new(environment))
        .set_telemetry_mode(TelemetryMode::None)
        .prebuild()?
        .with_max_time(Some(usize::try_from(budget.as_secs().max(1)).unwrap_or(1)))
        .with_max_generations(Some(problem.stops.len().saturating_mul(ROUNDS_PER_STOP).max(ROUNDS_PER_STOP)))
        .build()?;
    let solution = Solver::new(core, config).solve()?;
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

/// The problem in the solver's words: metres, seconds since 1970, and places as numbers into the table of ways: the depot, then
/// the stops.
fn described(problem: &Problem, logger: InfoLogger) -> Result<CoreProblem, GenericError> {
    let ways = Arc::new(ways(problem)?);
    let jobs = problem.stops.iter().enumerate().map(|(place, stop)| job(place + 1, stop));
    let vans = problem.vans.iter().map(vehicle);
    ProblemBuilder::default()
        .add_jobs(jobs.collect::<Result<Vec<_>, _>>()?.into_iter())
        .add_vehicles(vans.collect::<Result<Vec<_>, _>>()?.into_iter())
        .with_goal(goal(ways.clone())?)
        .with_transport_cost(ways)
        .with_logger(logger)
        .build()
}

/// All stops first, then few vans, then short ways.
fn goal(ways: Arc<dyn TransportCost>) -> Result<GoalContext, GenericError> {
    let stops = MinimizeUnassignedBuilder::new("stops").build()?;
    let vans = create_minimize_tours_feature("vans")?;
    let cost = TransportFeatureBuilder::new("ways").set_violation_code(LATE).set_transport_cost(ways);
    let load = CapacityFeatureBuilder::<MultiDimLoad>::new("load").set_violation_code(FULL).build()?;
    let needs = create_skills_feature("needs", UNABLE)?;
    GoalContextBuilder::with_features(&[stops, vans, cost.build_minimize_cost()?, load, needs])?.build()
}

fn job(place: usize, stop: &Stop) -> Result<Job, GenericError> {
    // Whole seconds, inwards.
    let window = TimeWindow::new(seconds_from(stop.from), seconds_until(stop.until));
    let load = MultiDimLoad::new(vec![whole(stop.weight_g), whole(stop.volume_ml)]);
    let demand = Demand { delivery: (load, MultiDimLoad::default()), ..Demand::default() };
    let needs = stop.needs.iter().cloned().collect::<Vec<_>>();
    let task = SingleBuilder::default().id(&stop.id).demand(demand).location(place)?.times(vec![window])?;
    let task = task.duration(seconds(stop.service_ms))?.dimension(|dimensions| {
        if !needs.is_empty() {
            dimensions.set_job_skills(JobSkills::new(Some(needs), None, None));
        }
    });
    task.build_as_job()
}

fn vehicle(van: &Van) -> Result<Vehicle, GenericError> {
    let day = VehicleDetailBuilder::default().set_start_location(0).set_end_location(0);
    let day = day.set_start_time(seconds_from(van.from)).set_start_time_latest(seconds_until(van.until));
    let vehicle = VehicleBuilder::default()
        .id(&van.id)
        .capacity(MultiDimLoad::new(vec![whole(van.weight_g), whole(van.volume_ml)]))
        .dimension(|dimensions| {
            dimensions.set_vehicle_skills(van.skills.iter().cloned().collect());
        })
        .add_detail(day.set_end_time(seconds_until(van.until)).build()?)
        .build()?;
    let costs = Costs {
        fixed: VAN_COST,
        per_distance: 1.0,
        per_driving_time: 1.0,
        per_waiting_time: 1.0,
        per_service_time: 1.0,
    };
    Ok(Vehicle { costs, ..vehicle })
}

/// The ways between all places, the same as the plan's times are worked out with.
#[expect(clippy::cast_precision_loss, reason = "metres and seconds on a map")]
fn ways(problem: &Problem) -> Result<SimpleTransportCost, GenericError> {
    let points: Vec<_> = std::iter::once(problem.depot).chain(problem.stops.iter().map(|stop| stop.point)).collect();
    let pairs = points.iter().flat_map(|from| points.iter().map(|to| way(*from, *to)));
    let (metres, times) = pairs.map(|(metres, time)| (metres as f64, (time / 1000) as f64)).unzip();
    SimpleTransportCost::new(times, metres)
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn seconds_from(time: Timestamp) -> f64 {
    (time.0.div_euclid(1000) + i64::from(time.0.rem_euclid(1000) > 0)) as f64
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn seconds_until(time: Timestamp) -> f64 {
    time.0.div_euclid(1000) as f64
}

fn whole(amount: i64) -> i32 {
    i32::try_from(amount).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "minutes at a door")]
fn seconds(millis: i64) -> f64 {
    (millis as f64 / 1000.0).ceil()
}
