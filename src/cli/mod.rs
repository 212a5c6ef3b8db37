//! The command line: arguments, and which function they call. Results go to standard output,
//! everything else to standard error; 0 is fine, 1 has findings, 2 is an error.

mod check;
mod cluster;
mod completions;
mod crd;
mod manifest;
mod output;
mod plan;
mod record;
mod reference;
mod run;
mod settings;
mod simulate;
mod startup;
mod top;
mod view;
mod why;

use std::{path::Path, process::ExitCode};

use clap::{Command as Clap, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::telemetry::version;

/// The name by which kubectl finds a plugin.
const PLUGIN: &str = "kubectl-sluice";
/// The name by which kubectl finds what completes the plugin's command line.
const PLUGIN_COMPLETION: &str = "kubectl_complete-sluice";

/// Streams into Kafka, through processors, and out again, on Kubernetes.
///
/// One resource, `IngestionPipeline`, becomes Kafka topics, connectors and an autoscaler that
/// follows consumer lag.
#[derive(Debug, Parser)]
#[command(name = "sluice", version = version::BUILD, after_help = EXIT)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXIT: &str = "Exit status: 0 fine, 1 findings, 2 error. Results are on standard output, \
    everything else on standard error.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is wrong: the definition, rights, Kafka, Connect and every pipeline.
    #[command(after_help = CHECK)]
    Check(Box<check::CheckArgs>),
    /// Say what would change if a manifest were applied; nothing is applied.
    #[command(after_help = PLAN)]
    Plan(Box<plan::PlanArgs>),
    /// Try an autoscaler on a recorded or an invented load, without a cluster.
    #[command(after_help = SIMULATE)]
    Simulate(Box<simulate::SimulateArgs>),
    /// Record what the operator sees of a connector, as a trace for simulate.
    #[command(after_help = RECORD)]
    Record(Box<record::RecordArgs>),
    /// Watch a pipeline: lag, rates, replicas and the last decision of each connector.
    #[command(after_help = TOP)]
    Top(Box<top::TopArgs>),
    /// Say why an autoscaler decided as it did, and what would change that.
    #[command(after_help = WHY)]
    Why(Box<why::WhyArgs>),
    /// Print the custom resource definition.
    #[command(after_help = CRD)]
    Crd(crd::CrdArgs),
    /// Print what a shell needs to complete this command line.
    #[command(after_help = COMPLETIONS)]
    Completions(completions::CompletionsArgs),
    /// Run the operator. In a cluster the chart does that.
    #[command(after_help = RUN)]
    Run(Box<settings::RunArgs>),
}

const CHECK: &str = "\
Examples:
  sluice check                                  # the pipelines of the context's namespace
  sluice check -A --as-operator                 # of all namespaces, with the operator's rights
  sluice check -n plant --pipeline readings --wait 2m

Each check is ok, a problem, or not checked with the reason why. Exit status: 0 without a problem,
1 with one, 2 when the cluster cannot be asked.";

const PLAN: &str = "\
Examples:
  sluice plan readings.yaml                     # every step, without a cluster
  sluice plan readings.yaml --live              # against what is there now
  kustomize build . | sluice plan - --live -o json

A plan is what the operator would do at once; what waits for something is said as a finding. The
autoscaler's counts are no part of it. Exit status: 0 when nothing would change, 1 when something
would, 2 when that cannot be told.";

const SIMULATE: &str = "\
Examples:
  sluice simulate --pipeline readings.yaml --connector enrich --trace lag.jsonl
  sluice simulate --pipeline readings.yaml --connector enrich --trace lag.jsonl -o json
  sluice simulate --pipeline readings.yaml --connector enrich --trace arrivals.jsonl \\
    --closed-loop model.yaml --slo 30s

A trace is JSON Lines: what was seen of the consumer group, or, with a model of the consumers, how
many records arrive per second. The decisions are those that the operator would have made. Exit
status: 0, or 2 when a file is refused.";

const RECORD: &str = "\
Examples:
  sluice record readings -n plant --for 10m > lag.jsonl
  sluice simulate --pipeline readings.yaml --connector enrich --trace lag.jsonl

One line for each look, until interrupted. Exit status: 0, or 2 when the operator cannot be asked.";

const TOP: &str = "\
Examples:
  sluice top readings -n plant                  # redrawn every 2 s
  sluice top readings --once                    # one line a connector, for scripts";

const WHY: &str = "\
Examples:
  sluice why readings -n plant                  # every connector with an autoscaler
  sluice why readings enrich --last 10          # its last ten decisions
  sluice why readings enrich -o json

From the operator, else from status, marked with its age. Exit status: 0 when every count follows its
policies, 1 when one does not (the first line under it says why), 2 when that cannot be told.";

const CRD: &str = "\
Examples:
  sluice crd | kubectl apply --server-side -f -
  sluice crd --docs                             # a page of every field";

const COMPLETIONS: &str = "\
Examples:
  sluice completions bash > ~/.local/share/bash-completion/completions/sluice
  sluice completions zsh > \"${fpath[1]}/_sluice\"
  sluice completions fish > ~/.config/fish/completions/sluice.fish";

const RUN: &str = "\
Example:
  sluice run --log-level info,sluice=debug      # against the kubeconfig's cluster";

/// Parses the arguments, runs the command and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let program = program();
    if program == PLUGIN_COMPLETION {
        let words: Vec<String> = std::env::args().skip(1).collect();
        print!("{}", completions::answer(Args::command(), &words));
        return ExitCode::SUCCESS;
    }
    let matches = command(&program).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match args.command {
        Command::Run(args) => run::run(*args),
        Command::Crd(args) => crd::crd(&args),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Record(args) => record::record(&args),
        Command::Top(args) => top::top(&args),
        Command::Why(args) => why::why(&args),
        Command::Check(args) => check::check(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Completions(args) => Ok(completions::completions(&args, Args::command())),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sluice: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The name by which this program was called: it may be a link.
fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&path).file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The command line. Called as a plugin of kubectl, its help says `kubectl sluice`.
fn command(program: &str) -> Clap {
    let command = Args::command();
    if program != PLUGIN {
        return command;
    }
    let as_plugin = |command: Clap| {
        let help = command.get_after_help().map(ToString::to_string);
        let help = help
            .unwrap_or_default()
            .replace("sluice ", "kubectl sluice ");
        command.after_help(help)
    };
    command
        .bin_name("kubectl sluice")
        .mut_subcommands(as_plugin)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one clock of the program: everything within takes the time as an argument"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        command(PLUGIN).debug_assert();
    }

    #[test]
    fn a_plugin_of_kubectl_speaks_of_kubectl() {
        let help = |program: &str| {
            let mut command = command(program);
            let error = command
                .try_get_matches_from_mut([program, "top", "--help"])
                .unwrap_err();
            error.to_string()
        };
        let plugin = help(PLUGIN);
        assert!(plugin.contains("Usage: kubectl sluice top"), "{plugin}");
        assert!(
            plugin.contains("  kubectl sluice top readings -n plant"),
            "{plugin}"
        );
        let own = help("sluice");
        assert!(own.contains("Usage: sluice top"), "{own}");
        assert!(own.contains("  sluice top readings -n plant"), "{own}");
    }
}
