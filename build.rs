//! Says in one line what to do when the page and the client files have not been built.
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
    if !Path::new("web/dist/index.html").exists() {
        println!(
            "cargo::error=web/dist is missing, which is built into the binary: run `make web` first (it needs Node.js and npm)"
        );
    }
}
