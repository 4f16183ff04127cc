//! The subcommand: its arguments and the interop runner's variables to a plan.

use transport::{Address, TrustSettings};

use super::{Case, Form, Plan, run};
use crate::args::ConformanceArguments;
use crate::error::Failure;
use crate::report;

/// Where a relay is looked for when nobody says where: the interop runner's default.
const DEFAULT_RELAY: &str = "https://localhost:4443";

/// Runs the subcommand.
pub(crate) async fn command(arguments: ConformanceArguments, shutdown: process::Shutdown) -> Result<(), Failure> {
    if arguments.list {
        report::print(&Case::ALL.map(|case| format!("{}\n", case.name())).concat());
        return Ok(());
    }
    let plan = plan(arguments, process::variable)?;
    let mut tell = |line: &str| report::print(&format!("{line}\n"));
    let outcome = tokio::select! {
        biased;
        () = shutdown.begun() => {
            if plan.form == Form::Tap {
                report::print("Bail out! stopped\n");
            }
            return Err(Failure::Ended("stopped before the last case".to_owned()));
        }
        outcome = Box::pin(run(&plan, &mut tell)) => outcome,
    };
    match outcome.failed {
        0 => Ok(()),
        failed => Err(Failure::Cases { failed, of: plan.cases.len() }),
    }
}

/// What to run. Flags win over `variable`, the environment as the interop runner sets it, and that over defaults.
fn plan(arguments: ConformanceArguments, variable: impl Fn(&str) -> Option<String>) -> Result<Plan, Failure> {
    let set = |name: &str| variable(name).is_some_and(|value| value == "1" || value == "true");
    let address = match arguments.url.or(arguments.relay) {
        Some(address) => address,
        None => {
            let url = variable("RELAY_URL").unwrap_or_else(|| DEFAULT_RELAY.to_owned());
            let wrong = |error: transport::AddressError| Failure::Usage(format!("RELAY_URL {url:?}: {error}"));
            url.parse::<Address>().map_err(wrong)?
        }
    };
    let mut names = arguments.test;
    if names.is_empty() {
        names.extend(variable("TESTCASE"));
    }
    let cases = match names.as_slice() {
        [] => Case::ALL.to_vec(),
        names => names.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(Failure::UnknownCase)?,
    };
    let insecure = arguments.tls_disable_verify || set("TLS_DISABLE_VERIFY");
    let trust = if insecure { TrustSettings::Insecure } else { arguments.connect.trust.settings() };
    Ok(Plan {
        address,
        trust,
        token: arguments.connect.token(),
        versions: arguments.connect.versions(),
        cases,
        namespace: arguments.namespace,
        timeout: arguments.timeout,
        form: if arguments.json { Form::Json } else { Form::Tap },
        verbose: arguments.verbose || set("VERBOSE"),
        qlog: arguments.connect.traces()?,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use moqt::Version;

    use super::*;
    use crate::args::{Arguments, Command};

    fn planned(line: &str, environment: &[(&str, &str)]) -> Result<Plan, Failure> {
        let words = ["efir", "conformance"].into_iter().chain(line.split_whitespace());
        let Command::Conformance(arguments) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("another subcommand")
        };
        let find = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        plan(arguments, find)
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_defaults() {
        let runner = [("RELAY_URL", "moqt://relay:4443"), ("TESTCASE", "fetch"), ("TLS_DISABLE_VERIFY", "1")];
        let plan = planned("", &runner).unwrap();
        assert_eq!(plan.address.to_string(), "moqt://relay:4443/");
        assert_eq!((plan.cases, plan.trust, plan.verbose), (vec![Case::Fetch], TrustSettings::Insecure, false));
        let plan = planned("https://other -t setup-only -t fetch --draft 16 -v --ca x.pem", &runner[..2]).unwrap();
        assert_eq!(plan.address.host, "other");
        assert_eq!((plan.cases, plan.versions), (vec![Case::SetupOnly, Case::Fetch], vec![Version::Draft16]));
        assert_eq!((plan.trust, plan.verbose), (TrustSettings::Ca("x.pem".into()), true));
        let plan = planned("", &[]).unwrap();
        assert_eq!(plan.address.to_string(), "https://localhost:4443/");
        assert_eq!((plan.cases.len(), plan.form), (Case::ALL.len(), Form::Tap));
        assert_eq!(planned("-r https://h:1 --tls-disable-verify", &[]).unwrap().trust, TrustSettings::Insecure);
    }

    #[test]
    fn what_cannot_be_run_has_the_runners_exit_code() {
        assert_eq!(planned("--test publish", &[]).unwrap_err().exit_code(), 127);
        assert_eq!(planned("", &[("TESTCASE", "publish")]).unwrap_err().exit_code(), 127);
        assert_eq!(planned("", &[("RELAY_URL", "ftp://x")]).unwrap_err().exit_code(), 2);
    }
}
