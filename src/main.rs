//! The `sluice` binary.

fn main() {
    print!(
        "{}",
        serde_yaml::to_string(&sluice::api::crd()).unwrap_or_default()
    );
}
