//! Routes by rules of thumb: nearest neighbour, then 2-opt, then whatever still fits somewhere.

use super::problem::{Plan, Problem, way};
use crate::courier::limit::IMPROVE_ROUNDS;

/// Plans in some milliseconds for hundreds of stops. Keeps every rule; the ways are some tenths longer than a solver's.
pub(super) fn plan(problem: &Problem) -> Plan {
    let mut open: Vec<usize> = (0..problem.stops.len()).collect();
    let mut orders = vec![Vec::new(); problem.vans.len()];
    for (van, order) in orders.iter_mut().enumerate() {
        *order = nearest(problem, van, &mut open);
        shorten(problem, van, order);
    }
    insert(problem, &mut orders, &open);
    for (van, order) in orders.iter_mut().enumerate() {
        shorten(problem, van, order);
    }
    problem.plan(&orders)
}

/// Goes to the nearest door that the van can still serve, first to those that few vans can.
fn nearest(problem: &Problem, van: usize, open: &mut Vec<usize>) -> Vec<usize> {
    let van = &problem.vans[van];
    let rarity = |place: usize| {
        let needs = &problem.stops[place].needs;
        problem.vans.iter().filter(|van| needs.is_subset(&van.skills)).count()
    };
    let mut choices: Vec<(usize, usize)> = open.iter().map(|place| (rarity(*place), *place)).collect();
    let mut order: Vec<usize> = Vec::new();
    loop {
        let here = order.last().map_or(problem.depot, |place| problem.stops[*place].point);
        choices.sort_by_key(|(rarity, place)| (*rarity, way(here, problem.stops[*place].point).0, *place));
        let next = choices.iter().position(|(_, place)| {
            order.push(*place);
            let fits = problem.tour(van, &order).is_some();
            order.pop();
            fits
        });
        let Some(next) = next else { break };
        order.push(choices.remove(next).1);
    }
    open.retain(|place| !order.contains(place));
    order
}

/// 2-opt: turns pieces of the tour around as long as that makes it shorter and keeps the windows.
fn shorten(problem: &Problem, van: usize, order: &mut [usize]) {
    let point = |order: &[usize], place: Option<usize>| {
        place.and_then(|place| order.get(place)).map_or(problem.depot, |place| problem.stops[*place].point)
    };
    for _ in 0..IMPROVE_ROUNDS {
        let mut better = false;
        for first in 0..order.len() {
            for last in first + 1..order.len() {
                let (before, after) = (point(order, first.checked_sub(1)), point(order, Some(last + 1)));
                let (start, end) = (point(order, Some(first)), point(order, Some(last)));
                let old = way(before, start).0 + way(end, after).0;
                let new = way(before, end).0 + way(start, after).0;
                if new >= old {
                    continue;
                }
                order[first..=last].reverse();
                if problem.tour(&problem.vans[van], order).is_some() {
                    better = true;
                } else {
                    order[first..=last].reverse();
                }
            }
        }
        if !better {
            return;
        }
    }
}

/// Puts what is left where it costs the least way.
fn insert(problem: &Problem, orders: &mut [Vec<usize>], open: &[usize]) {
    for place in open {
        let mut best: Option<(i64, usize, usize)> = None;
        for (van, order) in orders.iter().enumerate() {
            let now = problem.tour(&problem.vans[van], order).map_or(0, |tour| tour.metres);
            for at in 0..=order.len() {
                let mut tried = order.clone();
                tried.insert(at, *place);
                let Some(tour) = problem.tour(&problem.vans[van], &tried) else { continue };
                let more = tour.metres - now;
                if best.is_none_or(|(least, ..)| more < least) {
                    best = Some((more, van, at));
                }
            }
        }
        if let Some((_, van, at)) = best {
            orders[van].insert(at, *place);
        }
    }
}
