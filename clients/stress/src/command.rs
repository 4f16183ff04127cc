//! What each subcommand does.

use std::fs;
use std::path::Path;

use process::Shutdown;
use transport::Address;

use crate::args::{Arguments, Command, CompareArguments, LoadArguments, RunArguments};
use crate::capacity;
use crate::connect::Target;
use crate::error::Failure;
use crate::plan::{Plan, SHIPPED};
use crate::report::{OWN_SCOPES, Report, compare, html};
use crate::require::{ALWAYS, Condition};
use crate::run::{self, Setup};
use crate::screen::{self, Screen};
use crate::shop;

/// Runs the subcommand.
///
/// # Errors
/// See [`Failure`].
pub(crate) async fn run(arguments: Arguments, shutdown: Shutdown) -> Result<(), Failure> {
    let Arguments { log: _, compare, command } = arguments;
    match (compare.as_deref(), command) {
        (None, Some(Command::Run(arguments))) => Box::pin(run_plan(arguments, shutdown)).await,
        (None, Some(Command::Capacity(arguments))) => Box::pin(capacity::search(arguments, shutdown)).await,
        (None, Some(Command::Compare(CompareArguments { before, after }))) => show_comparison(&before, &after),
        (Some([before, after]), None) => show_comparison(before, after),
        (None, Some(Command::Plans { name })) => plans(name.as_deref()),
        _ => Err(Failure::Usage("nothing to do: see --help".to_owned())),
    }
}

async fn run_plan(arguments: RunArguments, shutdown: Shutdown) -> Result<(), Failure> {
    let RunArguments { load, viewers, json, plain, quiet } = &arguments;
    let plan = Plan::load(&load.plan, &load.overrides(*viewers))?;
    let setup = prepare(load, plan)?;
    let mut screen = Screen::new(*json, *plain, *quiet);
    let report = run::run(&setup, &mut screen, &shutdown).await;
    screen.close();
    let report = report?;
    screen.finished(&report);
    let text = serde_json::to_string(&report).unwrap_or_default();
    keep_page(load, &text, || html::page(&report))?;
    judge(&report)
}

/// Everything that the command line decides about a run.
pub(crate) fn prepare(load: &LoadArguments, plan: Plan) -> Result<Setup, Failure> {
    if load.urls.len() < plan.relays {
        return Err(Failure::Usage(format!(
            "plan {} needs {} relays, {} given: the publishers' first, then those of viewers; see `efir-stress plans {}`",
            plan.name,
            plan.relays,
            load.urls.len(),
            plan.name
        )));
    }
    if plan.video.is_none() && load.names_relays() {
        return Err(Failure::Usage(format!("plan {} loads no relay; --shops URL names its shops", plan.name)));
    }
    if plan.shops.is_none() && load.shops.is_some() {
        return Err(Failure::Usage(format!("plan {} loads no shops", plan.name)));
    }
    let conditions = conditions(&plan, load)?;
    let relays = load.urls.iter().filter(|_| plan.video.is_some());
    let targets = relays.map(|url| target(load, url)).collect::<Result<_, _>>()?;
    if let Some(shops) = &plan.shops {
        check_shops(&shops.url, load.allow_remote)?;
    }
    let threads = load.threads.map(usize::from);
    Ok(Setup { plan, targets, conditions, processes: load.pid.clone(), threads })
}

/// Those of the plan, with slack, those of the command line, and those of every run.
fn conditions(plan: &Plan, load: &LoadArguments) -> Result<Vec<Condition>, Failure> {
    let checks = plan.shops.as_ref().map(|_| shop::CHECKS);
    let scopes: Vec<&str> = OWN_SCOPES.into_iter().chain(plan.scopes()).chain(checks).collect();
    let always = plan.video.iter().flat_map(|_| ALWAYS).chain(plan.shops.iter().flat_map(|_| shop::ALWAYS));
    let own = plan.require.iter().map(|text| (text.as_str(), f64::from(load.slack)));
    let asked = load.require.iter().map(String::as_str).chain(always).map(|text| (text, 1.0));
    let mut conditions: Vec<Condition> = Vec::new();
    for (text, slack) in own.chain(asked) {
        let condition: Condition = text.parse().map_err(Failure::Usage)?;
        if !scopes.contains(&condition.scope()) {
            let known = scopes.join(", ");
            return Err(Failure::Usage(format!(
                "{condition}: no population or scenario has that name; there are {known}"
            )));
        }
        let condition = condition.with_slack(slack);
        if !conditions.contains(&condition) {
            conditions.push(condition);
        }
    }
    Ok(conditions)
}

/// Shops are reached over HTTP, and are as much somebody's as relays are.
fn check_shops(url: &str, allow_remote: bool) -> Result<(), Failure> {
    let parsed = reqwest::Url::parse(url).map_err(|error| Failure::Usage(format!("{url:?} is no URL: {error}")))?;
    let Some(host) = parsed.host_str().filter(|_| parsed.scheme() == "http") else {
        return Err(Failure::Usage(format!("{url} is no http:// URL: shops are loaded without encryption")));
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    if !here && !allow_remote {
        return Err(Failure::Usage(format!(
            "{url} is not on this machine: --allow-remote loads it all the same, if it is yours to load"
        )));
    }
    Ok(())
}

fn target(load: &LoadArguments, url: &Address) -> Result<Target, Failure> {
    let shown = url.without_query().to_string();
    if !url.is_localhost() && !load.allow_remote {
        return Err(Failure::Usage(format!(
            "{shown} is not on this machine: --allow-remote loads it all the same, if it is yours to load"
        )));
    }
    let trust = load.trust().resolve(url).map_err(|error| Failure::Usage(error.to_string()))?;
    let versions = load.draft.map_or_else(|| moqt::Version::ALL.to_vec(), |draft| vec![draft]);
    Ok(Target { shown, address: url.clone(), trust, token: load.token(), versions })
}

/// Writes the files that were asked for: one for programs, one to look at.
pub(crate) fn keep_page(load: &LoadArguments, text: &str, page: impl FnOnce() -> String) -> Result<(), Failure> {
    if let Some(path) = &load.save {
        write(path, text)?;
    }
    match &load.html {
        Some(path) => write(path, &page()),
        None => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::file(path, format_args!("cannot be written: {error}")))
}

fn judge(report: &Report) -> Result<(), Failure> {
    let unmet = report.verdicts.iter().filter(|verdict| !verdict.met);
    let unmet: Vec<_> = unmet.map(|verdict| format!("{} (is {})", verdict.condition, verdict.value)).collect();
    if unmet.is_empty() { Ok(()) } else { Err(Failure::Unmet(unmet)) }
}

fn show_comparison(before: &Path, after: &Path) -> Result<(), Failure> {
    screen::say(&compare::table(&compare::load(before)?, &compare::load(after)?));
    Ok(())
}

fn plans(name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else {
        for (name, text) in SHIPPED {
            screen::say(&format!("{name:16}{}\n", Plan::parse(text)?.description));
        }
        return Ok(());
    };
    let Some((_, text)) = SHIPPED.iter().find(|(known, _)| *known == name) else {
        return Err(Failure::Usage(format!("no plan {name:?} is shipped; `efir-stress plans` lists them")));
    };
    screen::say(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_shops;

    #[test]
    fn shops_elsewhere_are_not_loaded_by_mistake() {
        for here in ["http://localhost:8080/api/v1", "http://127.0.0.1:1", "http://[::1]:1/api/v1", "http://127.8.0.1"]
        {
            check_shops(here, false).unwrap();
        }
        for elsewhere in
            ["http://192.0.2.1/", "http://localhost.example:80", "http://[2001:db8::1]:80", "http://0.0.0.0:1"]
        {
            assert!(check_shops(elsewhere, false).unwrap_err().to_string().contains("--allow-remote"), "{elsewhere}");
            check_shops(elsewhere, true).unwrap();
        }
        for never in ["https://localhost/", "localhost:8080", "file:///etc/passwd", "", "http://"] {
            check_shops(never, true).unwrap_err();
        }
    }
}
