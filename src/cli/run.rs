//! `sluice run`: the operator. One future for each long-running task, joined here.
