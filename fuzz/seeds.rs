//! What each fuzzer begins with: written into its corpus before it is read, so that the bad inputs lie
//! in one place.
use std::{fs, path::Path};

pub fn plant(target: &str, seeds: impl IntoIterator<Item = impl AsRef<[u8]>>) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&corpus).expect("a folder for the corpus");
    for (n, seed) in seeds.into_iter().enumerate() {
        fs::write(corpus.join(format!("seed-{n}")), seed).expect("a seed of the corpus");
    }
}
