//! Ctrl-C ends a run early, with its results; a second one ends the process.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::Context;

use crate::lifecycle::{Ending, Lifecycle};

/// What an interrupted process exits with.
const INTERRUPTED: i32 = 130;

/// Runs something that looks at a flag, which Ctrl-C and SIGTERM set.
pub(super) fn while_listening<T>(run: impl FnOnce(&AtomicBool) -> T) -> anyhow::Result<T> {
    let stop = Arc::new(AtomicBool::new(false));
    let over = Lifecycle::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("signals cannot be heard")?;
    let listener = {
        let (stop, over) = (stop.clone(), over.clone());
        let listen = move || runtime.block_on(listen(&stop, &over));
        thread::Builder::new().name("signals".to_owned()).spawn(listen)?
    };
    let outcome = run(&stop);
    over.stop(Ending::Failed);
    let _ = listener.join();
    Ok(outcome)
}

async fn listen(stop: &AtomicBool, over: &Lifecycle) {
    for patience_is_over in [false, true] {
        let told = Lifecycle::default();
        let signal = tokio::select! {
            signal = told.until_told_to_stop() => signal.is_ok(),
            () = over.stopping() => false,
        };
        if !signal {
            return;
        }
        if patience_is_over {
            std::process::exit(INTERRUPTED);
        }
        stop.store(true, Ordering::Relaxed);
        eprintln!("\nending early; again to give up");
    }
}
