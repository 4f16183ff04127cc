//! What a figure should be, and what it must be.

use bench::Failure;

/// The share of a goal that a figure must reach on any machine, however busy.
const GATE: f64 = 0.25;

/// Goals and the figures that miss them.
#[derive(Debug)]
pub(crate) struct Goals {
    gate: bool,
    failed: Vec<String>,
}

impl Goals {
    /// With `gate` a figure that is far from its goal is a failure.
    pub(crate) fn new(gate: bool) -> Self {
        Self { gate, failed: Vec::new() }
    }

    /// The larger the better.
    pub(crate) fn at_least(&mut self, what: &str, figure: f64, goal: f64) {
        self.note(what, "at least", figure, goal, figure / goal);
    }

    /// The smaller the better.
    pub(crate) fn at_most(&mut self, what: &str, figure: f64, goal: f64) {
        self.note(what, "at most", figure, goal, goal / figure);
    }

    fn note(&mut self, what: &str, bound: &str, figure: f64, goal: f64, reached: f64) {
        let met = if reached >= 1.0 { "met" } else { "missed" };
        println!("    goal: {what} {bound} {goal:.0}: {met}");
        // What is no number reaches nothing.
        if self.gate && (reached.is_nan() || reached < GATE) {
            self.failed.push(format!("{what}: {figure:.1} is far from {bound} {goal:.0}"));
        }
    }

    /// Whether all is well.
    ///
    /// # Errors
    /// What is not.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        if self.failed.is_empty() { Ok(()) } else { Err(self.failed.join("; ").into()) }
    }
}
