//! What is wrong with pods, in words that stay the same from look to look. The kubelet's own words
//! are kept where they help, without the parts that change: back-off times, pod names, and the
//! alternation between a failed pull and the wait before the next.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

use crate::{api::common::Reason, plan::Finding};

/// Restarts after which a container that is not ready counts as crashing, although it runs at the
/// moment of the look.
const RESTARTS: i32 = 3;
/// Longest quotation of the kubelet, in characters.
const QUOTE: usize = 400;

/// What is wrong with one or more pods of a connector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodProblem {
    /// The stable reason.
    pub reason: Reason,
    /// What is wrong, in words that do not change while it stays wrong.
    pub message: String,
}

impl From<&PodProblem> for Finding {
    /// All of them pass once somebody mends the cause; Kubernetes keeps trying by itself.
    fn from(problem: &PodProblem) -> Self {
        Self::waiting(problem.reason, problem.message.clone())
    }
}

/// The different problems of these pods, each once. Pods that are going away do not count.
#[must_use]
pub fn problems(pods: &[Pod]) -> Vec<PodProblem> {
    let mut found: Vec<_> = pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter_map(|pod| pod.status.as_ref())
        .flat_map(of_pod)
        .collect();
    found.sort();
    found.dedup();
    found
}

fn of_pod(status: &PodStatus) -> Vec<PodProblem> {
    let mut found: Vec<_> = status
        .container_statuses
        .iter()
        .flatten()
        .filter_map(of_container)
        .collect();
    let unschedulable = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        let words = quoted(condition.message.as_deref());
        found.push(PodProblem {
            reason: Reason::PodsNotReady,
            message: format!("a pod cannot be scheduled: {words}"),
        });
    }
    found
}

fn of_container(status: &ContainerStatus) -> Option<PodProblem> {
    let waiting = status.state.as_ref().and_then(|s| s.waiting.as_ref());
    let word = waiting.and_then(|w| w.reason.as_deref()).unwrap_or("");
    let words = waiting.and_then(|w| w.message.as_deref());
    match word {
        "ImagePullBackOff"
        | "ErrImagePull"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "RegistryUnavailable" => Some(pull_failed(status, words)),
        "CreateContainerConfigError" => Some(PodProblem {
            reason: Reason::ReferenceMissing,
            message: format!("a container cannot be configured: {}", quoted(words)),
        }),
        "CreateContainerError" | "RunContainerError" => Some(PodProblem {
            reason: Reason::ContainerCrashing,
            message: format!("a container cannot be started: {}", quoted(words)),
        }),
        "CrashLoopBackOff" => Some(crashing(status)),
        _ if !status.ready && status.restart_count >= RESTARTS => Some(crashing(status)),
        _ => None,
    }
}

fn pull_failed(status: &ContainerStatus, words: Option<&str>) -> PodProblem {
    // Between two tries the kubelet quotes the failure behind "Back-off pulling image ...: ".
    let cause = words.and_then(|w| w.split_once("ErrImagePull: ").map(|(_, cause)| cause));
    let words = match cause.or(words) {
        Some(words) if !words.starts_with("Back-off") => format!(": {}", quoted(Some(words))),
        _ => String::new(),
    };
    PodProblem {
        reason: Reason::ImagePullFailed,
        message: format!(
            "image `{}` cannot be pulled{words}; check the image's name and imagePullSecrets",
            status.image
        ),
    }
}

fn crashing(status: &ContainerStatus) -> PodProblem {
    let ended = [&status.state, &status.last_state]
        .into_iter()
        .find_map(|state| state.as_ref()?.terminated.as_ref());
    let how = ended.map_or_else(String::new, |ended| {
        let why = match ended.reason.as_deref() {
            Some("OOMKilled") => ", out of memory: raise resources.limits.memory".to_owned(),
            Some("StartError") => format!(": {}", quoted(ended.message.as_deref())),
            _ => String::new(),
        };
        format!(", with exit code {}{why}", ended.exit_code)
    });
    PodProblem {
        reason: Reason::ContainerCrashing,
        message: format!(
            "container `{}` ends again and again{how}; its logs say why",
            status.name
        ),
    }
}

fn quoted(words: Option<&str>) -> String {
    words
        .unwrap_or("no reason given")
        .chars()
        .take(QUOTE)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a literal at every call")]
    fn pod(container: Value) -> Pod {
        let mut status = json!({"name": "main", "image": "img:1", "imageID": "", "ready": false, "restartCount": 0});
        status
            .as_object_mut()
            .unwrap()
            .extend(container.as_object().unwrap().clone());
        serde_json::from_value(json!({"metadata": {}, "status": {"containerStatuses": [status]}}))
            .unwrap()
    }

    fn waiting(reason: &str, message: &str) -> Pod {
        pod(json!({"state": {"waiting": {"reason": reason, "message": message}}}))
    }

    #[test]
    fn a_failed_pull_reads_the_same_during_and_between_tries() {
        let cause = "rpc error: not found";
        let between = format!("Back-off pulling image \"img:1\": ErrImagePull: {cause}");
        let during = problems(&[waiting("ErrImagePull", cause)]);
        assert_eq!(during, problems(&[waiting("ImagePullBackOff", &between)]));
        assert_eq!(during[0].reason, Reason::ImagePullFailed);
        assert!(during[0].message.contains("img:1") && during[0].message.contains(cause));
    }

    #[test]
    fn a_crash_loop_is_seen_while_it_runs_and_says_no_changing_number() {
        let last = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
        let waits = pod(json!({"restartCount": 5, "lastState": last,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}}}));
        let runs = pod(json!({"restartCount": 6, "lastState": last, "state": {"running": {}}}));
        let found = problems(&[waits, runs]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].message,
            "container `main` ends again and again, with exit code 3; its logs say why"
        );
    }

    #[test]
    fn running_out_of_memory_names_the_field_to_raise() {
        let found = problems(&[pod(json!({
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        }))]);
        assert!(found[0].message.contains("raise resources.limits.memory"));
    }

    #[test]
    fn a_pod_that_only_starts_is_no_problem() {
        assert_eq!(
            problems(&[waiting("ContainerCreating", ""), Pod::default()]),
            []
        );
    }
}
