//! The basket as a mixed integer program.

use std::time::Duration;

use good_lp::solvers::WithTimeLimit;
use good_lp::solvers::microlp::microlp;
use good_lp::{
    Expression, ProblemVariables, Solution, SolutionStatus, SolverModel, Variable, WithInitialSolution, constraint,
    variable,
};

use super::{Basket, Method, Sourcing};

/// Minor units per unit of the program: keeps its numbers near one.
const SCALE: f64 = 100.0;

/// The variables of the program.
struct Unknowns {
    /// Per line and choice: how many.
    take: Vec<Vec<Variable>>,
    /// Per shop: whether it is used.
    open: Vec<Variable>,
    /// Per shop: whether its shipping is free; absent if it never is.
    free: Vec<Option<Variable>>,
}

/// Solves it, starting from the greedy plan. `None` if the solver fails or its rounded answer breaks a rule.
pub(super) fn solve(basket: &Basket, greedy: &Sourcing, limit: Duration) -> Option<Sourcing> {
    let mut variables = ProblemVariables::new();
    let unknowns = declare(basket, &mut variables);
    let mut model = variables
        .minimise(total(basket, &unknowns))
        .using(microlp)
        .with_time_limit(limit.as_secs_f64())
        .with_initial_solution(start(basket, greedy, &unknowns));
    for rule in rules(basket, &unknowns) {
        model.add_constraint(rule);
    }
    let solution = model.solve().ok()?;
    let method = match solution.status() {
        SolutionStatus::Optimal => Method::Optimal,
        SolutionStatus::TimeLimit | SolutionStatus::GapLimit => Method::TimeLimit,
    };
    let whole = |unknown: &Variable| rounded(solution.value(*unknown));
    let take = unknowns.take.iter().map(|line| line.iter().map(whole).collect()).collect();
    basket.priced(take, method)
}

#[expect(clippy::cast_possible_truncation, reason = "quantities are small; a nonsensical value breaks a rule later")]
fn rounded(value: f64) -> i64 {
    value.round() as i64
}

#[expect(clippy::cast_precision_loss, reason = "limits keep amounts far below 2^53")]
fn float(minor: i64) -> f64 {
    minor as f64
}

fn declare(basket: &Basket, variables: &mut ProblemVariables) -> Unknowns {
    let mut take = Vec::with_capacity(basket.lines.len());
    for line in &basket.lines {
        let most = |available: i64| float(available.clamp(0, line.coverable()));
        let amounts = line.choices.iter();
        take.push(amounts.map(|way| variables.add(variable().integer().clamp(0.0, most(way.available)))).collect());
    }
    let open = basket.shops.iter().map(|_| variables.add(variable().binary())).collect();
    let free = basket.shops.iter().map(|shop| shop.free_from.map(|_| variables.add(variable().binary()))).collect();
    Unknowns { take, open, free }
}

/// Goods at the customer's prices, and shipping of the open shops that is not free.
fn total(basket: &Basket, unknowns: &Unknowns) -> Expression {
    let mut total = Expression::default();
    for (line, amounts) in basket.lines.iter().zip(&unknowns.take) {
        for (choice, &amount) in line.choices.iter().zip(amounts) {
            total.add_mul(float(choice.price) / SCALE, amount);
        }
    }
    for (shop, (&open, free)) in basket.shops.iter().zip(unknowns.open.iter().zip(&unknowns.free)) {
        total.add_mul(float(shop.fee) / SCALE, open);
        if let Some(free) = *free {
            total.add_mul(-float(shop.fee) / SCALE, free);
        }
    }
    total
}

fn rules(basket: &Basket, unknowns: &Unknowns) -> Vec<good_lp::Constraint> {
    let mut rules = Vec::new();
    let mut costs = vec![Expression::default(); basket.shops.len()];
    for (line, amounts) in basket.lines.iter().zip(&unknowns.take) {
        let mut covered = Expression::default();
        for (choice, &amount) in line.choices.iter().zip(amounts) {
            covered.add_mul(1.0, amount);
            costs[choice.shop].add_mul(float(choice.cost) / SCALE, amount);
            let most = float(choice.available.clamp(0, line.coverable()));
            // One rule per choice rather than per shop: the relaxation is tighter, the search short.
            rules.push(constraint!(amount <= most * unknowns.open[choice.shop]));
        }
        rules.push(constraint!(covered == float(line.coverable())));
    }
    for (shop, cost) in costs.into_iter().enumerate() {
        if let (Some(free), Some(from)) = (unknowns.free[shop], basket.shops[shop].free_from) {
            rules.push(constraint!(cost >= (float(from) / SCALE) * free));
            rules.push(constraint!(free <= unknowns.open[shop]));
        }
    }
    rules
}

/// The greedy plan as values of the variables, so that the search starts with a bound.
fn start(basket: &Basket, greedy: &Sourcing, unknowns: &Unknowns) -> Vec<(Variable, f64)> {
    let mut used = vec![false; basket.shops.len()];
    let mut values = Vec::new();
    for ((line, amounts), taken) in basket.lines.iter().zip(&unknowns.take).zip(&greedy.take) {
        for ((choice, &unknown), &amount) in line.choices.iter().zip(amounts).zip(taken) {
            used[choice.shop] |= amount > 0;
            values.push((unknown, float(amount)));
        }
    }
    for (shop, &used) in used.iter().enumerate() {
        values.push((unknowns.open[shop], f64::from(u8::from(used))));
        if let Some(free) = unknowns.free[shop] {
            let earned = used && greedy.shipping[shop] < basket.shops[shop].fee;
            values.push((free, f64::from(u8::from(earned))));
        }
    }
    values
}
